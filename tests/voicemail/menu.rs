//! What a menu does with a session: clips, keys by both ways, recordings without a file.

use std::time::Duration;

use ringpost::{sip::sdp::Direction, voicemail::g711::time_of};

use crate::call::Call;

const ONE: u8 = 1;
const HASH: u8 = 11;

#[test]
fn clips_follow_each_other_and_their_end_is_told_once() {
    let mut call = Call::menu();
    call.expect(&[]);
    // The last frame of each is filled up with silence.
    call.roll(7, &[40, 30]);
    call.until(79);
    call.expect(&["send 4 greeting"]);
    call.until(80);
    call.expect(&["Played(7)"]);
    call.until(5_079);
    call.expect(&[]);
    // A sign of life, so that no NAT forgets the caller.
    call.until(5_080);
    call.expect(&["send 1 silence"]);
    call.roll(8, &[]);
    call.expect(&["Played(8)"]);
}

#[test]
fn a_key_is_told_and_what_plays_goes_on_until_it_is_told_otherwise() {
    let mut call = Call::menu();
    call.roll(1, &[200]);
    call.until(50);
    call.key(ONE, 500);
    call.key(ONE, 500);
    call.expect(&["send 3 greeting", "TellKey(1)"]);
    call.roll(2, &[20]);
    call.until(100);
    call.expect(&["send 1 greeting", "Played(2)"]);
    call.roll(3, &[200]);
    call.session.hush(Duration::from_millis(100));
    call.until(1_000);
    call.expect(&["send 1 greeting"]);
    call.key(HASH, 9_000);
    call.expect(&["TellKey(#)"]);
}

#[test]
fn a_phone_that_sends_each_key_by_both_ways_is_heard_by_the_first_one() {
    let mut call = Call::menu();
    call.inform('1');
    call.key(ONE, 500);
    call.inform('2');
    call.expect(&["TellKey(1)", "TellKey(2)"]);
    let mut call = Call::menu();
    call.key(ONE, 500);
    call.inform('1');
    call.key(ONE, 5_000);
    call.expect(&["TellKey(1)", "TellKey(1)"]);
}

#[test]
fn t27_a_caller_on_hold_hears_the_rest_afterwards() {
    let mut call = Call::menu();
    call.roll(1, &[100]);
    call.until(30);
    call.renegotiate(Direction::Inactive);
    call.until(3_000);
    call.renegotiate(Direction::SendRecv);
    call.until(3_500);
    call.expect(&["send 5 greeting", "Played(1)"]);
}

#[test]
fn a_recording_ends_by_a_key_by_silence_or_by_its_limit_and_knows_whether_it_is_any() {
    for (millis, key, any) in
        [(3_000, true, true), (3_000, false, true), (1_000, true, false), (0, false, false)]
    {
        let mut call = Call::menu();
        call.take_down();
        call.until(499);
        call.expect(&["send 25 beep"]);
        call.speak(millis + 20, 0xAA);
        if key {
            call.key(ONE, 90_000);
        }
        call.until(call.now + 6_000);
        let told = format!("Taken({any})");
        assert!(call.log.iter().any(|(_, line)| *line == told), "{millis} ms, {key}: {:?}", call.log);
        assert!(!call.log.iter().any(|(_, line)| line.starts_with("StartRecording")), "no file");
        let taken = call.session.taken();
        assert_eq!(taken.is_some(), any);
        if let Some(clip) = taken {
            let length = time_of(clip.octets().len() as u64).as_millis() as u64;
            assert!((millis..millis + 300).contains(&length), "{length} of {millis} ms");
        }
        // It was no message.
        assert_eq!(call.close(), None);
    }
    let mut call = Call::menu();
    call.take_down();
    call.speak(61_000, 0xAA);
    assert!(call.log.iter().any(|(_, line)| line == "Taken(true)"), "the limit");
}

#[test]
fn t27_a_caller_who_goes_at_once_or_sends_nothing_leaves_nothing() {
    let mut call = Call::menu();
    call.roll(1, &[200]);
    call.until(100);
    assert_eq!(call.close(), None);
    let mut call = Call::menu();
    call.until(120_000);
    call.log_from(120_000, &["HangUp(CallLimit)"]);
}
