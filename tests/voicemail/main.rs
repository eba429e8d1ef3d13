//! Whole sessions of the embedded UM, without a socket: what comes in, when, and exactly what goes out.

mod attendant;
mod call;
mod mailbox;
mod menu;

use std::time::Duration;

use proptest::prelude::*;
use ringpost::{
    sip::sdp::Direction,
    voicemail::{Effect, Reason, rtp},
};

use call::{CALLER, Call, peer};

const HASH: u8 = 11;

#[test]
fn the_greeting_the_beep_and_the_recording_follow_each_other() {
    let mut call = Call::begun();
    call.until(100);
    call.expect(&["send 5 greeting", "GreetingEnded", "send 1 beep"]);
    call.until(599);
    call.expect(&["send 24 beep"]);
    call.until(600);
    call.expect(&["StartRecording(Pcma)"]);
}

#[test]
fn packets_of_ours_are_numbered_and_timed() {
    let mut call = Call::begun();
    call.until(600);
    let sent: Vec<_> =
        call.sent.iter().map(|packet| rtp::Packet::read(packet).expect("RTP").header).collect();
    assert_eq!(sent.len(), 30);
    for (n, header) in (0..).zip(&sent) {
        let expected = rtp::Header {
            marker: n == 0,
            payload_type: 8,
            sequence: 65_530_u16.wrapping_add(n),
            timestamp: 1000 + u32::from(n) * 160,
            ssrc: 7,
        };
        assert_eq!(*header, expected, "packet {n}");
    }
}

#[test]
fn hash_cuts_the_greeting_short_and_its_echoes_do_not_end_the_message() {
    let mut call = Call::begun();
    call.until(30);
    call.key(HASH, 500);
    call.key(HASH, 500);
    call.until(539);
    call.expect(&["send 2 greeting", "GreetingEnded", "send 25 beep"]);
    call.key(HASH, 500);
    call.until(1000);
    call.expect(&["StartRecording(Pcma)"]);
    call.key(HASH, 9000);
    call.expect(&["HangUp(Hash)"]);
}

#[test]
fn other_keys_change_nothing() {
    let mut call = Call::recording();
    (0..17).filter(|key| *key != HASH).for_each(|key| call.key(key, u32::from(key) * 1000));
    call.expect(&[]);
}

#[test]
fn silence_ends_the_recording_whether_it_is_sent_or_not() {
    // Voice for three seconds, then so many seconds of silent packets: why does it end, and how much is kept?
    let table =
        [(0, "HangUp(NoMedia)", 24_000), (3, "HangUp(Silence)", 25_600), (9, "HangUp(Silence)", 25_600)];
    for (silent, reason, octets) in table {
        let mut call = Call::recording();
        call.speak(3000, 0xAA);
        call.speak(silent * 1000, 0xD5);
        call.until(20_000);
        let at = call.log.iter().find(|(_, line)| line.starts_with("HangUp"));
        assert_eq!(at, Some(&(8580, reason.to_owned())), "{silent} s");
        let ending = call.close().expect("it was recording");
        assert!(ending.is_message);
        assert_eq!((ending.worth.octets, ending.worth.voiced), (octets, Duration::from_secs(3)));
    }
}

#[test]
fn a_message_needs_enough_voice() {
    for (millis, is_message) in [(0, false), (200, false), (1980, false), (2000, true), (4000, true)] {
        let mut call = Call::recording();
        call.speak(millis, 0xAA);
        assert_eq!(call.close().map(|ending| ending.is_message), Some(is_message), "{millis} ms of voice");
    }
    let mut silent = Call::recording();
    silent.speak(4000, 0xD5);
    assert_eq!(silent.close().map(|ending| (ending.is_message, ending.worth.octets)), Some((false, 0)));
}

#[test]
fn whoever_hangs_up_before_the_recording_leaves_nothing() {
    for millis in [0, 50, 300, 599] {
        let mut call = Call::begun();
        call.until(millis);
        assert_eq!(call.close(), None, "after {millis} ms");
    }
}

#[test]
fn the_message_has_a_limit() {
    let mut call = Call::recording();
    call.speak(61_000, 0xAA);
    assert_eq!(call.log.last(), Some(&(60_600, "HangUp(MessageLimit)".to_owned())));
    let alive: Vec<u64> =
        call.log.iter().filter(|(_, line)| line == "send silence").map(|(at, _)| *at).collect();
    assert_eq!(alive, (1..12).map(|n| 600 + n * 5000).collect::<Vec<_>>());
    assert_eq!(call.close().map(|ending| ending.worth.octets), Some(480_000));
}

#[test]
fn a_call_without_ack_ends() {
    let mut call = Call::new();
    call.until(40_000);
    assert_eq!(call.log, [(32_000, "HangUp(NoMedia)".to_owned())]);
}

#[test]
fn no_media_at_all_ends_the_recording() {
    let mut call = Call::recording();
    call.until(20_000);
    call.expect(&["HangUp(NoMedia)"]);
    assert_eq!(call.close().map(|ending| ending.is_message), Some(false));
}

#[test]
fn foreign_and_broken_packets_are_not_recorded() {
    let mut call = Call::recording();
    call.speak(3000, 0xAA);
    let before = call.now;
    for n in 0..1000 {
        let loud = [0x2A; 160];
        let (foreign, own) = (peer(6666), peer(CALLER));
        let header = |ssrc, payload_type| rtp::Header {
            marker: false,
            payload_type,
            sequence: n,
            timestamp: u32::from(n) * 160,
            ssrc,
        };
        call.datagram(&header(1, 8).write(&loud), foreign);
        call.datagram(&header(99, 8).write(&loud), own);
        call.datagram(&header(1, 18).write(&loud), own);
        call.datagram(b"\x00\x01\x00\x00\x21\x12\xA4\x42", own);
        call.datagram(&[0x2A; 1400], foreign);
        call.datagram(b"", own);
    }
    assert_eq!(call.now, before);
    call.speak(1000, 0xAA);
    let recorded = call.close_recorded();
    assert_eq!(recorded.len(), 32_000);
    assert!(recorded.iter().all(|octet| *octet == 0xAA));
}

#[test]
fn whoever_speaks_first_is_silent_once_the_signalled_address_speaks() {
    let mut call = Call::begun();
    for _ in 0..20 {
        let loud = call.next_packet(66, 0x2A);
        call.datagram(&loud, peer(6666));
        call.until(call.now + 20);
    }
    call.until(600);
    call.speak(1000, 0xAA);
    assert_eq!(call.targets.last(), Some(&peer(6666)), "the beep went to the stranger");
    for _ in 0..1000 {
        let loud = call.next_packet(66, 0x2A);
        call.datagram(&loud, peer(6666));
    }
    call.speak(2000, 0xAA);
    call.until(5600);
    assert_eq!(call.targets.last(), Some(&peer(CALLER)), "and the sign of life to the caller");
    let recorded = call.close_recorded();
    assert_eq!(recorded, vec![0xAA; 24_000]);
}

#[test]
fn greeting_goes_to_where_the_caller_sends_from() {
    let mut call = Call::begun();
    call.until(20);
    call.packet(0xD5, peer(5555));
    call.until(40);
    assert_eq!(call.targets, [peer(CALLER), peer(CALLER), peer(5555)]);
}

#[test]
fn hold_stops_the_greeting_and_retrieval_resumes_it() {
    let mut call = Call::begun();
    call.until(40);
    call.expect(&["send 3 greeting"]);
    call.renegotiate(Direction::Inactive);
    call.until(9000);
    call.expect(&[]);
    call.renegotiate(Direction::SendRecv);
    call.until(9300);
    call.log_from(9000, &["send 2 greeting", "GreetingEnded"]);
}

#[test]
fn a_held_recording_does_not_end_by_silence() {
    let mut call = Call::recording();
    call.speak(2000, 0xAA);
    call.renegotiate(Direction::Inactive);
    call.until(30_000);
    call.expect(&[]);
    call.renegotiate(Direction::SendRecv);
    call.until(34_000);
    call.speak_as(2, 1000, 0xAA);
    call.until(60_000);
    let ending = call.log.iter().rfind(|(_, line)| line.starts_with("HangUp"));
    assert_eq!(ending, Some(&(39_980, "HangUp(NoMedia)".to_owned())));
    assert_eq!(call.close().map(|ending| ending.worth.voiced), Some(Duration::from_secs(3)));
}

#[test]
fn the_other_law_is_recorded_too() {
    let mut call = Call::recording();
    call.speak(2000, 0xAA);
    call.payload_type = 0;
    call.speak(1000, 0x80);
    let recorded = call.close_recorded();
    assert_eq!(recorded, vec![0xAA; 24_000]);
}

#[test]
fn a_full_disk_ends_the_call_and_keeps_what_there_is() {
    let mut call = Call::recording();
    call.speak(3000, 0xAA);
    assert_eq!(call.session.disk_failed(), [Effect::HangUp(Reason::DiskFailed)]);
    assert_eq!(call.session.disk_failed(), []);
    assert_eq!(call.close().map(|ending| ending.is_message), Some(true));
}

#[test]
fn a_lane_that_stalled_does_not_hurry_the_greeting() {
    for (stall, packets) in [(40, 2), (80, 4), (140, 1), (5000, 1)] {
        let mut call = Call::begun();
        call.expect(&["send 1 greeting"]);
        let effects = call.session.tick(Duration::from_millis(stall));
        call.note(effects);
        call.expect(&[&format!("send {packets} greeting")]);
        assert_eq!(
            call.session.wake_at(),
            Some(Duration::from_millis(stall.next_multiple_of(20) + 20)),
            "{stall} ms"
        );
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_bounded_by_the_time_that_passes(
        packets in prop::collection::vec((any::<u32>(), any::<u8>(), 0..1400_usize, 0..50_u64), 1..200),
        steady in any::<bool>(),
    ) {
        let mut call = Call::recording();
        let began = call.now;
        for (n, (timestamp, octet, length, pause)) in (0..).zip(packets) {
            let timestamp = if steady { n * 160 + timestamp % 200 } else { timestamp };
            let header = rtp::Header { marker: false, payload_type: 8, sequence: n as u16, timestamp, ssrc: 1 };
            call.datagram(&header.write(&vec![octet; length]), peer(CALLER));
            call.until(call.now + pause);
        }
        let millis = call.now - began;
        let ending = call.session.close().expect("it was recording");
        let whole = (call.tape.len() + ending.rest.len()) as u64;
        prop_assert!(whole <= millis * 8 + 8000, "{} octets in {} ms", whole, millis);
        prop_assert!(ending.worth.octets <= whole);
    }
}
