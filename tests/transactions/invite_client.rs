//! The INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2) and its CANCEL (§9.1).

use ringpost::{
    settings::Transport,
    sip::{Message, Method, Name, peer::Peer},
};

use crate::lane::{ELSEWHERE, Lane, peer};

#[test]
fn an_invite_is_repeated_on_udp_until_timer_b() {
    let mut lane = Lane::udp();
    lane.invite();
    lane.until(60_000);
    let times = [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500];
    let mut expected: Vec<String> = times.iter().map(|at| format!("{at} > INVITE")).collect();
    expected.push("32000 * Failed 408".into());
    assert_eq!(lane.log(), expected);
    assert_eq!(lane.len(), 0);
}

#[test]
fn the_sites_patience_with_a_silent_peer_takes_the_place_of_timer_b() {
    for (patience, repeated) in [(2_000, 3), (40_000, 7)] {
        let (mut lane, mut heard) = (Lane::impatient(patience), Lane::impatient(patience));
        lane.invite();
        lane.until(120_000);
        let log = lane.log();
        assert_eq!(log.iter().filter(|line| line.ends_with("> INVITE")).count(), repeated, "{log:?}");
        assert_eq!(log.last(), Some(&format!("{patience} * Failed 408")));
        assert_eq!(lane.len(), 0);
        // Any response, and it is no longer silent.
        let invite = heard.invite();
        heard.response(invite, 100, "INVITE", "");
        heard.until(120_000);
        assert_eq!(heard.log(), ["0 > INVITE"]);
    }
}

#[test]
fn an_invite_is_sent_once_on_tcp() {
    let mut lane = Lane::tcp();
    lane.invite();
    lane.until(60_000);
    assert_eq!(lane.log(), ["0 > INVITE", "32000 * Failed 408"]);
    assert_eq!(lane.len(), 0);
}

#[test]
fn a_provisional_response_ends_the_repetition_and_timer_b() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    lane.until(700);
    lane.response(invite, 100, "INVITE", "");
    lane.until(60_000);
    lane.response(invite, 180, "INVITE", "a");
    lane.response(invite, 183, "INVITE", "b");
    assert_eq!(
        lane.log(),
        ["0 > INVITE", "500 > INVITE", "60000 * Response 180 INVITE", "60000 * Response 183 INVITE"]
    );
    let kept = lane.transactions.invite_request(invite).expect("it rings");
    assert!(!kept.has_body() && kept.count(Name::Via) == 1, "only the header is needed from here on");
}

#[test]
fn a_failure_is_acknowledged_hop_by_hop_as_often_as_it_comes() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    lane.response(invite, 486, "INVITE", "busy");
    lane.until(500);
    lane.response(invite, 486, "INVITE", "busy");
    lane.response(invite, 200, "INVITE", "busy");
    lane.response(invite, 180, "INVITE", "busy");
    lane.until(31_999);
    lane.response(invite, 486, "INVITE", "busy");
    lane.until(32_000);
    lane.response(invite, 486, "INVITE", "busy");
    assert_eq!(lane.log(), ["0 > INVITE", "0 > ACK", "0 * Response 486 INVITE", "500 > ACK", "31999 > ACK"]);
    assert_eq!(lane.len(), 0);
    // RFC 3261 §17.1.1.3: the INVITE's Request-URI, Via, Route, From, Call-ID and CSeq number; the response's To.
    let (ack, invite) = (lane.last("ACK "), lane.last("INVITE "));
    assert_eq!(ack.uri(), invite.uri());
    assert_eq!(ack.first(Name::To), Some(&b"<sip:1001@lab.test>;tag=busy"[..]));
    assert_eq!(ack.cseq(), Some((7, &b"ACK"[..])));
    assert_eq!(ack.count(Name::Via), 1);
    same(ack, invite, &[Name::Via, Name::Route, Name::From, Name::CallId]);
    assert!(!ack.has_body());
}

#[test]
fn a_failure_on_tcp_leaves_nothing_behind() {
    let mut lane = Lane::tcp();
    let invite = lane.invite();
    lane.response(invite, 603, "INVITE", "x");
    lane.until(20);
    assert_eq!(lane.log(), ["0 > INVITE", "0 > ACK", "0 * Response 603 INVITE"]);
    assert_eq!(lane.len(), 0);
}

#[test]
fn a_2xx_is_told_once_and_its_repetitions_get_the_kept_ack() {
    for mut lane in [Lane::udp(), Lane::tcp()] {
        // The Contact of the 2xx may be elsewhere; the kept ACK goes there again, not to the INVITE's next hop.
        let contact = Peer { address: "192.0.2.77:5060".parse().expect("an address"), ..lane.peer };
        let invite = lane.invite();
        lane.response(invite, 200, "INVITE", "a");
        lane.until(100);
        lane.response(invite, 200, "INVITE", "a");
        lane.acknowledge(invite, contact, "a");
        lane.until(500);
        lane.response(invite, 200, "INVITE", "a");
        lane.response(invite, 486, "INVITE", "a");
        lane.until(32_000);
        lane.response(invite, 200, "INVITE", "a");
        assert_eq!(lane.log(), ["0 > INVITE", "0 * Response 200 INVITE", "100 > ACK", "500 > ACK"]);
        assert_eq!(lane.sent.last().map(|(peer, _)| *peer), Some(contact));
        assert_eq!(lane.len(), 0);
    }
}

#[test]
fn a_2xx_without_a_tag_is_put_up_with() {
    let mut lane = Lane::udp();
    let (invite, there) = (lane.invite(), lane.peer);
    lane.response(invite, 200, "INVITE", "");
    lane.acknowledge(invite, there, "");
    lane.response(invite, 200, "INVITE", "");
    assert_eq!(lane.log(), ["0 > INVITE", "0 * Response 200 INVITE", "0 > ACK", "0 > ACK"]);
}

#[test]
fn each_to_tag_is_an_answer_of_its_own() {
    let mut lane = Lane::udp();
    let (invite, there) = (lane.invite(), lane.peer);
    for tag in ["a", "b", "a", "b"] {
        lane.response(invite, 200, "INVITE", tag);
    }
    lane.acknowledge(invite, there, "b");
    lane.response(invite, 200, "INVITE", "a");
    lane.response(invite, 200, "INVITE", "b");
    assert_eq!(
        lane.log(),
        ["0 > INVITE", "0 * Response 200 INVITE", "0 * Response 200 INVITE", "0 > ACK", "0 > ACK"]
    );
    assert_eq!(lane.last("ACK").first(Name::To), Some(&b"<sip:1001@lab.test>;tag=b"[..]));
}

#[test]
fn answers_without_end_are_not_kept() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    for tag in 0..10_000 {
        lane.response(invite, 200, "INVITE", &tag.to_string());
    }
    assert_eq!(lane.log().len(), 61);
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    lane.until(100);
    lane.with(|it, now, out| it.cancel(invite, Some(ELSEWHERE), now, out));
    lane.until(500);
    lane.response(invite, 100, "INVITE", "");
    lane.response(invite, 200, "CANCEL", "a");
    lane.response(invite, 487, "INVITE", "a");
    assert_eq!(
        lane.log(),
        ["0 > INVITE", "500 > INVITE", "500 > CANCEL", "500 > ACK", "500 * Response 487 INVITE"]
    );
    let (cancel, invite) = (lane.last("CANCEL "), lane.last("INVITE "));
    assert_eq!(cancel.first(Name::Reason), Some(ELSEWHERE.as_bytes()));
    assert_eq!((cancel.uri(), cancel.cseq()), (invite.uri(), Some((7, &b"CANCEL"[..]))));
    same(cancel, invite, &[Name::Via, Name::Route, Name::From, Name::To, Name::CallId]);
    lane.until(32_500);
    assert_eq!((lane.log(), lane.len()), (vec![], 0));
}

#[test]
fn a_cancel_is_repeated_until_it_is_answered() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    lane.response(invite, 180, "INVITE", "a");
    lane.with(|it, now, out| it.cancel(invite, None, now, out));
    lane.with(|it, now, out| it.cancel(invite, None, now, out));
    lane.until(8_000);
    lane.response(invite, 200, "CANCEL", "a");
    lane.until(31_999);
    let expected = [
        "0 > INVITE",
        "0 * Response 180 INVITE",
        "0 > CANCEL",
        "500 > CANCEL",
        "1500 > CANCEL",
        "3500 > CANCEL",
        "7500 > CANCEL",
    ];
    assert_eq!(lane.log(), expected);
    assert!(lane.last("CANCEL").first(Name::Reason).is_none());
    // RFC 3261 §9.1: no final response within 64*T1 ends it.
    lane.until(32_000);
    assert_eq!((lane.log(), lane.len()), (vec!["32000 * Failed 408".into()], 0));
}

#[test]
fn a_cancel_that_nobody_answers_ends_by_time() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    lane.response(invite, 180, "INVITE", "a");
    lane.with(|it, now, out| it.cancel(invite, None, now, out));
    lane.until(60_000);
    let times = [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut expected: Vec<String> = vec!["0 > INVITE".into(), "0 * Response 180 INVITE".into()];
    expected.extend(times.iter().map(|at| format!("{at} > CANCEL")));
    expected.push("32000 * Failed 408".into());
    assert_eq!(lane.log(), expected);
    assert_eq!(lane.len(), 0);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_told_to_the_owner() {
    let mut lane = Lane::tcp();
    let invite = lane.invite();
    lane.response(invite, 180, "INVITE", "a");
    lane.with(|it, now, out| it.cancel(invite, Some(ELSEWHERE), now, out));
    lane.response(invite, 200, "INVITE", "a");
    lane.response(invite, 200, "CANCEL", "a");
    lane.until(31_980);
    assert_eq!(
        lane.log(),
        ["0 > INVITE", "0 * Response 180 INVITE", "0 > CANCEL", "0 * Response 200 INVITE"]
    );
    assert_eq!(lane.len(), 1);
    lane.until(32_000);
    assert_eq!((lane.log(), lane.len()), (vec![], 0));
}

#[test]
fn an_answer_after_the_owner_left_is_acknowledged_and_hung_up_with_the_reason() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    lane.response(invite, 180, "INVITE", "a");
    lane.with(|it, now, out| it.cancel(invite, Some(ELSEWHERE), now, out));
    lane.transactions.orphan(invite, Some(ELSEWHERE));
    lane.response(invite, 180, "INVITE", "a");
    lane.until(100);
    lane.response(invite, 200, "INVITE", "a");
    lane.response(invite, 200, "INVITE", "a");
    lane.response(invite, 200, "INVITE", "b");
    assert_eq!(
        lane.log(),
        [
            "0 > INVITE",
            "0 * Response 180 INVITE",
            "0 > CANCEL",
            "100 > ACK",
            "100 > BYE",
            "100 > ACK",
            "100 > ACK",
            "100 > BYE"
        ]
    );
    let (ack, bye) = (lane.last("ACK "), lane.last("BYE "));
    assert_eq!(ack.cseq(), Some((7, &b"ACK"[..])));
    assert_eq!(bye.cseq(), Some((8, &b"BYE"[..])));
    for message in [ack, bye] {
        assert_eq!(message.uri(), b"sip:1001@192.0.2.9:5070;x=1");
        assert_eq!(message.first(Name::To), Some(&b"<sip:1001@lab.test>;tag=b"[..]));
        assert_eq!(message.count(Name::Via), 1);
    }
    assert_eq!(bye.first(Name::Reason), Some(ELSEWHERE.as_bytes()));
    lane.until(70_000);
    assert!(lane.log().iter().all(|line| line.ends_with("> BYE")));
    assert_eq!(lane.len(), 0);
}

#[test]
fn an_answer_that_its_owner_left_unread_is_hung_up_when_it_is_repeated() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    lane.response(invite, 200, "INVITE", "a");
    lane.transactions.orphan(invite, Some(ELSEWHERE));
    lane.until(500);
    lane.response(invite, 200, "INVITE", "a");
    lane.response(invite, 200, "INVITE", "a");
    assert_eq!(lane.log(), ["0 > INVITE", "0 * Response 200 INVITE", "500 > ACK", "500 > BYE", "500 > ACK"]);
    assert_eq!(lane.last("BYE ").first(Name::Reason), Some(ELSEWHERE.as_bytes()));
}

#[test]
fn what_still_rings_when_its_owner_leaves_is_cancelled() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    lane.response(invite, 180, "INVITE", "a");
    lane.until(10_000);
    lane.transactions.orphan(invite, Some(ELSEWHERE));
    lane.until(10_100);
    assert_eq!(lane.log(), ["0 > INVITE", "0 * Response 180 INVITE", "10050 > CANCEL"]);
    assert_eq!(lane.last("CANCEL").first(Name::Reason), Some(ELSEWHERE.as_bytes()));
    lane.response(invite, 200, "CANCEL", "a");
    lane.response(invite, 487, "INVITE", "a");
    assert_eq!(lane.log(), ["10100 > ACK"]);
    lane.until(43_000);
    assert_eq!((lane.log(), lane.len()), (vec![], 0));
}

#[test]
fn a_silent_invite_whose_owner_left_is_cancelled_when_it_first_speaks() {
    let mut lane = Lane::tcp();
    let invite = lane.invite();
    lane.transactions.orphan(invite, None);
    lane.until(5_000);
    lane.response(invite, 180, "INVITE", "a");
    lane.response(invite, 487, "INVITE", "a");
    lane.until(5_050);
    assert_eq!(lane.log(), ["0 > INVITE", "5000 > CANCEL", "5000 > ACK"]);
    assert_eq!(lane.len(), 0);
}

#[test]
fn ringing_that_everybody_forgot_ends_after_an_hour() {
    let mut lane = Lane::tcp();
    let invite = lane.invite();
    lane.response(invite, 180, "INVITE", "a");
    lane.until(4_000_000);
    assert_eq!(
        lane.log(),
        ["0 > INVITE", "0 * Response 180 INVITE", "3600000 > CANCEL", "3632000 * Failed 408"]
    );
    assert_eq!(lane.len(), 0);
}

#[test]
fn what_could_not_be_sent_counts_as_503() {
    let mut lane = Lane::tcp();
    let invite = lane.invite();
    lane.with(|it, now, out| it.undeliverable(invite, now, out));
    lane.with(|it, now, out| it.undeliverable(invite, now, out));
    lane.response(invite, 200, "INVITE", "a");
    assert_eq!((lane.log(), lane.len()), (vec!["0 > INVITE".into(), "0 * Failed 503".into()], 0));

    // An ACK that could not be sent does not undo the answer.
    let invite = lane.invite();
    lane.response(invite, 200, "INVITE", "a");
    lane.with(|it, now, out| it.undeliverable(invite, now, out));
    lane.response(invite, 200, "INVITE", "a");
    assert_eq!(lane.log(), ["0 > INVITE", "0 * Response 200 INVITE"]);

    // Nobody hears of what nobody owns.
    let orphan = lane.invite();
    lane.transactions.orphan(orphan, None);
    lane.with(|it, now, out| it.undeliverable(orphan, now, out));
    assert_eq!((lane.log(), lane.len()), (vec!["0 > INVITE".into()], 1));
}

#[test]
fn a_response_must_name_the_method_of_its_transaction() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    for method in ["OPTIONS", "BYE", "invite", "INVITER"] {
        lane.response(invite, 200, method, "a");
        lane.response(invite, 486, method, "a");
    }
    lane.response(invite, 200, "CANCEL", "a");
    assert_eq!(lane.log(), ["0 > INVITE"]);
    lane.response(invite, 200, "INVITE", "a");
    assert_eq!(lane.log(), ["0 * Response 200 INVITE"]);
}

#[test]
fn a_response_that_is_meant_for_another_is_dropped() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    let name = invite.text();
    let branch = String::from_utf8_lossy(&name).into_owned();
    let ours = format!("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}\r\n");
    for vias in [
        format!("{ours}Via: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKother\r\n"),
        ours.replace("\r\n", ", SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKother\r\n"),
        ours.replace(&branch, "0200000000000000"),
        ours.replace(&branch, "ffffffffffffffff"),
        ours.replace(&branch, "short"),
        ours.replace("z9hG4bK", ""),
        String::new(),
    ] {
        lane.receive(&format!("SIP/2.0 200 OK\r\n{vias}To: <sip:a@b>;tag=1\r\nCSeq: 7 INVITE\r\n\r\n"));
    }
    assert_eq!(lane.log(), ["0 > INVITE"]);
    lane.receive(&format!("SIP/2.0 200 OK\r\n{ours}To: <sip:a@b>;tag=1\r\nCSeq: 7 INVITE\r\n\r\n"));
    assert_eq!(lane.log(), ["0 * Response 200 INVITE"]);
}

#[test]
fn late_time_is_caught_up_without_a_burst() {
    let mut lane = Lane::udp();
    lane.invite();
    // The lane was held up for twenty seconds: one repetition, not six.
    lane.now = 20_000;
    lane.with(|it, now, out| it.tick(now, out));
    assert_eq!(lane.log(), ["0 > INVITE", "20000 > INVITE"]);
    assert_eq!(peer(Transport::Udp), lane.sent[1].0);
    assert_eq!(lane.sent[1].1.method(), Some(Method::Invite));
}

fn same(one: &Message, other: &Message, names: &[Name]) {
    for name in names {
        assert!(one.values(*name).eq(other.values(*name)), "{name:?}");
    }
}

#[test]
fn a_site_may_be_less_patient_with_a_device_that_says_nothing_at_all() {
    let mut lane = Lane::udp();
    lane.transactions =
        std::mem::replace(&mut lane.transactions, Lane::udp().transactions).with_patience(3_000);
    lane.invite();
    lane.until(2_950);
    assert_eq!(lane.len(), 1);
    lane.until(3_050);
    assert_eq!(lane.log().last().map(String::as_str), Some("3000 * Failed 408"));
    assert_eq!(lane.len(), 0);
}
