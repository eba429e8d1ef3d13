//! RFC 4028, each leg for itself. The least interval is 90 s, so refreshes come after 45 and ends after 60.

use std::time::{Duration, Instant};

use crate::{
    office::{ELSEWHERE, Office, Talk, is_cancelled},
    support::{Over, Peer, SDP, Sip, Site, peer::Dialog},
};

const OFF: &str = "missed_calls = \"off\"";

/// A call with further lines in the caller's INVITE and the phone's 200; gives the caller's 200 as well.
fn talks(office: &mut Office, invite: &str, answer: &str) -> (Talk, Sip, Sip) {
    let invite = office.pbx.invite_with("1001", invite);
    let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
    office.soft.answer(&soft, 180);
    office.pbx.expect("180");
    let answer = office.desk.answer_with(&desk, 200, answer, SDP);
    office.desk.expect("ACK");
    is_cancelled(&mut office.soft, &soft, ELSEWHERE);
    let ok = office.pbx.expect("200");
    let mut talk = Talk { pbx: Dialog::caller(&invite, &ok), phone: Dialog::callee(&desk, &answer) };
    office.pbx.inside(&mut talk.pbx, "ACK", "", "");
    (talk, ok, desk)
}

#[test]
fn a_caller_that_asks_for_a_timer_gets_it_and_refreshes() {
    let mut office = Office::new(Over::Udp, OFF);
    let (mut talk, ok, desk) = talks(&mut office, "Supported: timer\r\nSession-Expires: 1800\r\n", "");
    assert_eq!((ok.one("Session-Expires"), ok.one("Require")), ("1800;refresher=uac", "timer"));
    assert_eq!((desk.one("Supported"), desk.first("Session-Expires")), ("timer", ""), "a timer of each leg");
    // A refresh without an offer keeps this leg alive and is not the other end's business.
    let refresh = "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n";
    office.pbx.inside(&mut talk.pbx, "UPDATE", refresh, "");
    assert_eq!(office.pbx.expect("200").one("Session-Expires"), "1800;refresher=uac");
    // One with an offer is.
    office.pbx.inside(&mut talk.pbx, "INVITE", refresh, SDP);
    let passed = office.desk.expect("INVITE");
    assert_eq!((passed.body(), passed.first("Session-Expires")), (SDP, ""));
    office.desk.answer(&passed, 200);
    let ok = office.pbx.expect("200");
    assert_eq!((ok.one("Session-Expires"), ok.body()), ("1800;refresher=uac", SDP));
    office.pbx.inside(&mut talk.pbx, "ACK", "", "");
    office.desk.expect("ACK");
    office.hangs_up(talk);
    office.ends();
}

#[test]
fn too_short_a_session_is_refused_with_the_least() {
    let site = Site::new().sip("min_se = \"2m\"");
    let mut office = Office::on(site, Over::Udp, OFF);
    let invite = office.pbx.invite_with("1001", "Supported: timer\r\nx: 100\r\n");
    assert_eq!(office.pbx.refused(&invite, 422).one("Min-SE"), "120");
    let (mut talk, ok, _) = talks(&mut office, "Supported: timer\r\nSession-Expires: 120\r\n", "");
    assert_eq!(ok.one("Session-Expires"), "120;refresher=uac");
    office.pbx.inside(&mut talk.pbx, "UPDATE", "Supported: timer\r\nSession-Expires: 90\r\n", "");
    assert_eq!(office.pbx.expect("422").one("Min-SE"), "120");
    office.hangs_up(talk);
    office.ends();
}

#[test]
fn ringpost_refreshes_where_that_is_its_part_and_a_deaf_peer_ends_the_call() {
    let site = Site::new().sip("session_expires = \"90s\"");
    let mut office = Office::on(site, Over::Udp, OFF);
    // The caller knows no timers, the phone takes UPDATE: Ringpost refreshes both.
    let answer = "Session-Expires: 90;refresher=uac\r\nRequire: timer\r\nAllow: INVITE, UPDATE, BYE\r\n";
    let (_, ok, desk) = talks(&mut office, "", answer);
    let since = Instant::now();
    assert_eq!(desk.one("Session-Expires"), "90");
    assert_eq!((ok.one("Session-Expires"), ok.first("Require")), ("90;refresher=uas", ""));
    let refresh = waits(&mut office.desk, "UPDATE");
    assert!((44..50).contains(&since.elapsed().as_secs()), "half of the interval: {:?}", since.elapsed());
    assert_eq!((refresh.one("Session-Expires"), refresh.body()), ("90;refresher=uac", ""));
    office.desk.answer_with(&refresh, 200, "Session-Expires: 90;refresher=uac\r\n", "");
    let refresh = waits(&mut office.pbx, "INVITE");
    assert_eq!(refresh.body(), SDP, "the SDP that the caller knows");
    // It has lost the call meanwhile.
    office.pbx.answer_with(&refresh, 481, "", "");
    office.pbx.expect("ACK");
    for peer in [&mut office.desk, &mut office.pbx] {
        let bye = waits(peer, "BYE");
        peer.answer(&bye, 200);
    }
    office.ends();
}

#[test]
fn a_session_that_the_caller_does_not_refresh_ends() {
    let mut office = Office::new(Over::Tcp, OFF);
    talks(&mut office, "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", "");
    let since = Instant::now();
    for peer in [&mut office.desk, &mut office.pbx] {
        let bye = waits(peer, "BYE");
        peer.answer(&bye, 200);
    }
    assert!((59..65).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    office.ends();
}

fn waits(peer: &mut Peer, what: &str) -> Sip {
    let message = peer.next(Duration::from_secs(80)).expect("a message in time");
    assert_eq!(message.what(), what, "{message}");
    message
}
