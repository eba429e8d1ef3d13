//! R10: a call that only a telephone at the PBX has missed is told by Ringpost itself, once.

use std::time::{Duration, Instant};

use ringpost::rcc::same::BEGINS;

use crate::{
    pbx::Pbx,
    support::{Over, Peer, Ringpost, SDP, Sip, Site, peer::Dialog},
    trace::{self, Attached},
};

const LINE: &str = "tel:1001";
const TOLD: &str = "missed_calls = \"mail\"\nmail = \"1001@corp.test\"";

fn started(devices: bool, user: &str, lines: &str) -> (Ringpost, Pbx, Peer, Peer) {
    let site = Site::new().maildir();
    let (pbx, caller, phone) = (Pbx::new(&site, Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp));
    let site = site
        .table(&pbx.table(lines))
        .table("[[user]]\naddress = \"sip:1002@corp.test\"\nname = \"Ben Bell\"\nnumbers = [\"1002\"]");
    let phones: &[&Peer] = if devices { &[&phone] } else { &[] };
    let ringpost = site.user("1001", phones, user).start();
    (ringpost, pbx, caller, phone)
}

/// Nothing more is told: whatever a test has done until then is decided when a last call has been told of.
fn only(ringpost: &Ringpost, pbx: &mut Pbx, mails: usize) {
    pbx.rings(LINE, "last", "tel:+4599");
    pbx.clears(LINE, "last", "normalClearing");
    let told = ringpost.has_mails("1001@corp.test", mails + 1);
    assert_eq!(told.len(), mails + 1);
    assert_eq!(told.iter().filter(|(_, mail)| mail.contains("+4599")).count(), 1);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(ringpost.mails("1001@corp.test").len(), mails + 1, "one each");
}

/// Nobody answers: one mail with the caller, by the name of a colleague where it is one, and how long it rang. Nothing is told
/// of a call that was answered, taken by somebody else, sent on, or the telephone's own.
#[test]
fn r10_a_call_missed_at_the_pbx_is_told_once() {
    let (ringpost, mut pbx, ..) = started(false, TOLD, "users = [\"1001\"]");
    pbx.begins(1);
    pbx.rings(LINE, "c1", "tel:1002");
    std::thread::sleep(Duration::from_millis(1_100));
    pbx.clears(LINE, "c1", "normalClearing");
    let mails = ringpost.has_mails("1001@corp.test", 1);
    let mail = &mails[0].1;
    assert!(mail.contains("Ben Bell") && mail.contains("1002"), "{mail}");
    assert!(["Rang for: 1 s", "Rang for: 2 s"].iter().any(|rang| mail.contains(rang)), "{mail}");
    // Answered.
    pbx.rings(LINE, "c2", "tel:+4511");
    pbx.talks(LINE, "c2");
    pbx.clears(LINE, "c2", "normalClearing");
    // Taken by a colleague, in the words of three PBXs.
    for (call, cause) in [("c3", "callPickup"), ("c4", "answeredElsewhere")] {
        pbx.rings(LINE, call, "tel:+4511");
        pbx.clears(LINE, call, cause);
    }
    pbx.rings(LINE, "c5", "tel:+4511");
    let other = "<answeringDevice><deviceIdentifier>tel:1005</deviceIdentifier></answeringDevice>";
    pbx.tells(LINE, "c5", ("EstablishedEvent", "establishedConnection"), other);
    pbx.clears(LINE, "c5", "normalClearing");
    // Sent on.
    pbx.rings(LINE, "c6", "tel:+4511");
    let on = "<divertingDevice><deviceIdentifier>tel:1001</deviceIdentifier></divertingDevice>\
              <newDestination><deviceIdentifier>tel:9</deviceIdentifier></newDestination><cause>callForwardNoAnswer</cause>";
    pbx.tells(LINE, "c6", ("DivertedEvent", "connection"), on);
    // Its own.
    pbx.off_hook(LINE, "c7");
    pbx.clears(LINE, "c7", "normalClearing");
    // Who hides has no address.
    pbx.rings(LINE, "c8", "sip:anonymous@anonymous.invalid");
    pbx.clears(LINE, "c8", "normalClearing");
    let mails = ringpost.has_mails("1001@corp.test", 2);
    assert!(mails.iter().all(|(_, mail)| !mail.contains("anonymous.invalid")), "{mails:?}");
    only(&ringpost, &mut pbx, 2);
    ringpost.is_well();
}

/// The same call rang at Ringpost's own devices too: what became of it is decided there, and told from there alone, whichever
/// end hears of its end first; a call that was answered there was not missed at the PBX.
#[test]
fn r10_a_call_that_came_here_as_well_is_told_once() {
    let (ringpost, mut pbx, mut caller, mut phone) = started(true, TOLD, "users = [\"1001\"]");
    pbx.begins(1);
    for (call, ours_first) in [("c1", true), ("c2", false)] {
        let invite = caller.invite("1001");
        let ringing = phone.expect("INVITE");
        phone.answer(&ringing, 180);
        caller.expect("180");
        pbx.rings(LINE, call, "tel:+4544890101");
        if !ours_first {
            pbx.clears(LINE, call, "normalClearing");
        }
        caller.gives_up(&invite, &mut phone, &ringing);
        if ours_first {
            pbx.clears(LINE, call, "normalClearing");
        }
    }
    ringpost.has_mails("1001@corp.test", 2);
    pbx.rings(LINE, "c3", "tel:+4544890101");
    let invite = caller.invite("1001");
    let ringing = phone.expect("INVITE");
    let ok = phone.answer_with(&ringing, 200, "", SDP);
    let mut talk = Dialog::caller(&invite, &caller.expect("200"));
    caller.inside(&mut talk, "ACK", "", "");
    phone.expect("ACK");
    pbx.clears(LINE, "c3", "normalClearing");
    let mut own = Dialog::callee(&ringing, &ok);
    phone.inside(&mut own, "BYE", "", "");
    phone.expect("200");
    let bye = caller.expect("BYE");
    caller.answer(&bye, 200);
    only(&ringpost, &mut pbx, 2);
}

/// A caller who hides is not taken for another one who hides: the call that is missed at the PBX meanwhile is told as well, and the
/// one that rang at both ends at one moment is told once.
#[test]
fn r10_two_callers_who_hide_are_two() {
    let (ringpost, mut pbx, mut caller, mut phone) = started(true, TOLD, "users = [\"1001\"]");
    pbx.begins(1);
    let hides = "Privacy: id\r\n";
    let rings = |caller: &mut Peer, phone: &mut Peer| {
        let invite = caller.invite_with("1001", hides);
        let ringing = phone.expect("INVITE");
        phone.answer(&ringing, 180);
        caller.expect("180");
        (invite, ringing)
    };
    let gives_up = |caller: &mut Peer, phone: &mut Peer, (invite, ringing): (Sip, Sip)| {
        caller.gives_up(&invite, phone, &ringing);
    };
    // One call.
    let both = rings(&mut caller, &mut phone);
    pbx.rings(LINE, "c1", "sip:anonymous@anonymous.invalid");
    pbx.clears(LINE, "c1", "normalClearing");
    gives_up(&mut caller, &mut phone, both);
    ringpost.has_mails("1001@corp.test", 1);
    // Two: one rings here and for longer than it takes to be taken for the other one.
    let ours = rings(&mut caller, &mut phone);
    std::thread::sleep(Duration::from_millis(BEGINS + 200));
    pbx.rings(LINE, "c2", "sip:anonymous@anonymous.invalid");
    std::thread::sleep(Duration::from_millis(100));
    pbx.clears(LINE, "c2", "normalClearing");
    ringpost.has_mails("1001@corp.test", 2);
    gives_up(&mut caller, &mut phone, ours);
    ringpost.has_mails("1001@corp.test", 3);
    // The PBX rings here first and at its own telephone later; the caller gives up.
    let both = rings(&mut caller, &mut phone);
    std::thread::sleep(Duration::from_millis(BEGINS + 200));
    pbx.rings(LINE, "c3", "sip:anonymous@anonymous.invalid");
    gives_up(&mut caller, &mut phone, both);
    pbx.clears(LINE, "c3", "normalClearing");
    only(&ringpost, &mut pbx, 4);
}

/// The dialog with the gateway is lost while it rings. A call that rings yet when there is another one, and is then missed, is told
/// with its caller; one that was answered meanwhile is not; and of one that is over nobody knows, so it is not told, but logged.
#[test]
fn r10_the_dialog_is_lost_while_it_rings() {
    for (state, told) in [(Some("alerting"), true), (Some("connected"), false), (None, false)] {
        let (ringpost, mut pbx, ..) = started(false, TOLD, "users = [\"1001\"]");
        pbx.begins(1);
        pbx.rings(LINE, "c1", "tel:+4511");
        let dialog = pbx.dialog.as_mut().expect("open");
        pbx.peer.inside(dialog, "BYE", "", "");
        pbx.peer.expect("200");
        pbx.calls.extend(state.map(|state| (LINE.to_owned(), ("c1".to_owned(), state))));
        pbx.begins(1);
        if state.is_some() {
            pbx.clears(LINE, "c1", "normalClearing");
        } else {
            ringpost.logs("nobody knows how it ended");
        }
        if told {
            let mails = ringpost.has_mails("1001@corp.test", 1);
            assert!(mails[0].1.contains("+4511"), "{}", mails[0].1);
        }
        only(&ringpost, &mut pbx, usize::from(told));
    }
}

/// Whose notices the PBX writes, and who wants none, is told nothing (R11); a user of a UM that could not know is told by the own
/// channel; a ring that was too short is nothing (R202).
#[test]
fn r11_whose_notice_it_is() {
    for (user, told) in [
        ("missed_calls = \"pbx\"\nmail = \"1001@corp.test\"", false),
        ("missed_calls = \"off\"", false),
        ("missed_calls = \"mail\"\nmail = \"1001@corp.test\"\nmin_ring = \"1m\"", false),
        ("missed_calls = \"mail\"\nmail = \"1001@corp.test\"", true),
    ] {
        let (ringpost, mut pbx, ..) = started(false, user, "users = [\"1001\"]");
        pbx.begins(1);
        pbx.rings(LINE, "c1", "tel:+4511");
        pbx.clears(LINE, "c1", "normalClearing");
        match told {
            true => drop(ringpost.has_mails("1001@corp.test", 1)),
            false => {
                ringpost.logs("Call ended");
                std::thread::sleep(Duration::from_millis(100));
                assert!(ringpost.mails("1001@corp.test").is_empty(), "{user}");
            }
        }
    }
}

/// R10: who is told only while signed in is told nothing without a registered device, of calls there and of calls here, and
/// is told as soon as one is.
#[test]
fn r10_only_while_signed_in() {
    let user = format!("{TOLD}\npassword = \"correct horse\"\n[user.notices]\nonly_while_signed_in = true");
    let (ringpost, mut pbx, mut caller, mut phone) = started(true, &user, "users = [\"1001\"]");
    pbx.begins(1);
    pbx.rings(LINE, "c1", "tel:+4511");
    pbx.clears(LINE, "c1", "normalClearing");
    let invite = caller.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    caller.expect("180");
    caller.cancel(&invite, "");
    caller.expect("200");
    let cancel = phone.expect("CANCEL");
    phone.answer(&cancel, 200);
    phone.answer(&ringing, 487);
    phone.expect("ACK");
    caller.refused(&invite, 487);
    crate::support::until("two calls in the log", || {
        ringpost.log().matches("told only while one is").count() == 2
    });
    let mut device = crate::sample::Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    let ok = device.registers("");
    assert_eq!(ok.what(), "200", "{ok}");
    pbx.rings(LINE, "c2", "tel:+4522");
    pbx.clears(LINE, "c2", "normalClearing");
    let mails = ringpost.has_mails("1001@corp.test", 1);
    assert!(mails[0].1.contains("+4522"), "{}", mails[0].1);
}

/// A notice that was written outlives a kill.
#[test]
fn r10_the_notice_survives_a_kill() {
    let (mut ringpost, mut pbx, ..) = started(false, TOLD, "users = [\"1001\"]");
    pbx.begins(1);
    pbx.rings(LINE, "c1", "tel:+4511");
    pbx.clears(LINE, "c1", "normalClearing");
    ringpost.has_mails("1001@corp.test", 1);
    ringpost.kill();
    ringpost.restart();
    pbx.begins(1);
    only(&ringpost, &mut pbx, 1);
}

/// What the gateway was told is taken is on the disk: it tells nothing twice, so a kill right after its answer costs no notice,
/// however slow the disk is. What leads to no notice waits for no disk.
#[test]
fn r10_an_event_that_was_answered_survives_a_kill() {
    if !trace::possible() {
        return;
    }
    let (mut ringpost, mut pbx, ..) = started(false, TOLD, "users = [\"1001\"]");
    pbx.begins(1);
    let slow = Duration::from_millis(400);
    let file = ringpost.folder.path().join("trace");
    for call in 1..=3 {
        let inject = format!("inject=fsync,fdatasync:delay_enter={}", slow.as_micros());
        let slowly = Attached::to(ringpost.pid(), &file, &["-e", "trace=fsync,fdatasync", "-e", &inject]);
        let since = Instant::now();
        pbx.rings(LINE, "c1", &format!("tel:+45110{call}"));
        assert!(since.elapsed() < slow, "{:?}", since.elapsed());
        let since = Instant::now();
        pbx.clears(LINE, "c1", "normalClearing");
        let took = since.elapsed();
        ringpost.kill();
        drop(slowly);
        assert!(took > slow, "{took:?}");
        ringpost.restart();
        pbx.begins(1);
        let mails = ringpost.has_mails("1001@corp.test", call);
        assert_eq!(mails.iter().filter(|(_, mail)| mail.contains(&format!("+45110{call}"))).count(), 1);
    }
    only(&ringpost, &mut pbx, 3);
}

/// A disk that takes nothing holds the gateway's events for two seconds, and nobody's presence any longer.
#[test]
fn r10_a_dead_disk_does_not_hold_the_gateway() {
    if !trace::possible() {
        return;
    }
    let (ringpost, mut pbx, ..) = started(false, TOLD, "users = [\"1001\"]");
    pbx.begins(1);
    let file = ringpost.folder.path().join("trace");
    let inject = "inject=fsync,fdatasync:delay_enter=4000000";
    let dead = Attached::to(ringpost.pid(), &file, &["-e", "trace=fsync,fdatasync", "-e", inject]);
    pbx.rings(LINE, "c1", "tel:+4511");
    let since = Instant::now();
    pbx.clears(LINE, "c1", "normalClearing");
    let took = since.elapsed();
    assert!((Duration::from_millis(1_900)..Duration::from_millis(3_500)).contains(&took), "{took:?}");
    ringpost.logs("The disk is slow");
    drop(dead);
    only(&ringpost, &mut pbx, 1);
}
