//! Which transaction a request belongs to (RFC 3261 §17.2.3, §8.2.2.2, §9.2).

use bytes::Bytes;
use ringpost::sip::{Message, Name, transaction::stateless_tag};

use crate::lane::{LEG, Lane};

const INVITE: &str = "INVITE sip:1001@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKin\r\n\
    From: <sip:pbx@lab.test>;tag=p\r\nTo: <sip:1001@lab.test>\r\nCall-ID: in-1\r\nCSeq: 3 INVITE\r\n\
    Contact: <sip:pbx@192.0.2.9:5070>\r\nContent-Length: 0\r\n\r\n";

fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(INVITE.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[test]
fn the_branch_the_sender_and_the_method_make_the_transaction() {
    type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);
    let rows: [Row; 8] = [
        ("the same again", &[], "100 INVITE"),
        ("the sender in another case", &[("SIP/2.0/UDP 192.0.2.9", "SIP/2.0/UDP  192.0.2.9 ")], "100 INVITE"),
        ("a new branch and Call-ID", &[("z9hG4bKin", "z9hG4bKother"), ("in-1", "in-2")], "Request INVITE"),
        ("a new branch and CSeq", &[("z9hG4bKin", "z9hG4bKother"), (" 3 ", " 4 ")], "Request INVITE"),
        ("another sender", &[("192.0.2.9:5070;b", "192.0.2.8:5070;b"), ("in-1", "in-2")], "Request INVITE"),
        ("another port", &[("192.0.2.9:5070;b", "192.0.2.9:5071;b"), ("in-1", "in-2")], "Request INVITE"),
        ("another method", &[("INVITE", "OPTIONS")], "Request OPTIONS"),
        ("a method nobody knows", &[("INVITE", "SERVICE")], "Request SERVICE"),
    ];
    for (name, changes, expected) in rows {
        let mut lane = Lane::udp();
        lane.receive(INVITE);
        lane.log();
        lane.receive(&with(changes));
        let log = lane.log();
        assert_eq!(log.len(), 1, "{name}: {log:?}");
        assert!(log[0].ends_with(expected), "{name}: {log:?}");
    }
}

#[test]
fn a_merged_request_is_refused() {
    let mut lane = Lane::udp();
    lane.receive(INVITE);
    lane.receive(&with(&[("z9hG4bKin", "z9hG4bKfork")]));
    assert_eq!(lane.log(), ["0 * Request INVITE", "0 > 482 INVITE"]);
    let to = lane.last("SIP/2.0 482").to().and_then(|to| to.tag()).map(<[u8]>::len);
    assert_eq!(to, Some(16));
    // Forks of one call to two users of ours are two calls.
    lane.receive(&with(&[("z9hG4bKin", "z9hG4bKuser"), ("INVITE sip:1001", "INVITE sip:1002")]));
    assert_eq!(lane.log(), ["0 * Request INVITE"]);
    // A re-INVITE is no merged request, whatever it has in common.
    lane.receive(&with(&[
        ("z9hG4bKin", "z9hG4bKre"),
        ("1001@lab.test>\r\nCall", "1001@lab.test>;tag=us\r\nCall"),
    ]));
    assert_eq!(lane.log(), ["0 * Request INVITE"]);
}

#[test]
fn a_cancel_from_elsewhere_takes_nothing_back() {
    let cancel = with(&[("INVITE", "CANCEL")]);
    let mut lane = Lane::udp();
    lane.receive(INVITE);
    let there = lane.peer;
    lane.peer.address = "192.0.2.66:5070".parse().expect("an address");
    lane.receive(&cancel);
    assert_eq!(lane.log(), ["0 * Request INVITE", "0 > 481 CANCEL"]);
    assert_eq!(lane.sent.last().map(|(to, _)| to.address), Some(lane.peer.address));
    // Another port of the same machine is nobody else.
    lane.peer = there;
    lane.peer.address.set_port(6_000);
    lane.receive(&cancel);
    assert_eq!(lane.log(), ["0 > 200 CANCEL", "0 * Cancelled to somebody else"]);
}

#[test]
fn a_call_that_is_over_merges_with_nothing() {
    let mut lane = Lane::tcp();
    lane.receive(INVITE);
    lane.respond(486);
    lane.receive(&with(&[("INVITE", "ACK")]));
    lane.until(20);
    lane.log();
    lane.receive(&with(&[("z9hG4bKin", "z9hG4bKagain")]));
    assert_eq!(lane.log(), ["20 * Request INVITE"]);
}

#[test]
fn a_cancel_without_invite_is_answered_481() {
    let cancel = with(&[("INVITE", "CANCEL")]);
    let mut lane = Lane::udp();
    lane.receive(&cancel);
    lane.receive(&cancel);
    assert_eq!((lane.log(), lane.len()), (vec!["0 > 481 CANCEL".into(), "0 > 481 CANCEL".into()], 0));
    let tags: Vec<_> =
        lane.sent.iter().map(|(_, sent)| sent.to().and_then(|to| to.tag()).map(<[u8]>::to_vec)).collect();
    assert!(tags[0].is_some() && tags[0] == tags[1], "§8.2.7: the same tag for each repetition");

    // The branch of another request, or of an INVITE from another sender.
    lane.receive(&with(&[("INVITE", "OPTIONS")]));
    lane.receive(&cancel);
    assert_eq!(lane.log(), ["0 * Request OPTIONS", "0 > 481 CANCEL"]);
    lane.receive(INVITE);
    lane.receive(&cancel.replace("192.0.2.9:5070;b", "192.0.2.8:5070;b"));
    assert_eq!(lane.log(), ["0 * Request INVITE", "0 > 481 CANCEL"]);
}

#[test]
fn an_ack_of_no_transaction_is_passed_on() {
    let mut lane = Lane::udp();
    lane.receive(&with(&[("INVITE", "ACK")]));
    assert_eq!((lane.log(), lane.len()), (vec!["0 * Ack".into()], 0));
}

#[test]
fn without_the_magic_cookie_it_is_matched_as_rfc_2543_did() {
    for branch in [";branch=old", "", ";branch=z9hG4bK", ";branch="] {
        let old = with(&[(";branch=z9hG4bKin", branch)]);
        let mut lane = Lane::udp();
        lane.receive(&old);
        let server = lane.server;
        lane.transactions.adopt(server, LEG);
        lane.receive(&old);
        lane.receive(&old.replace("INVITE", "CANCEL"));
        lane.respond(487);
        // The ACK has the To tag of the response; it still finds its INVITE.
        let ack =
            old.replace("INVITE", "ACK").replace("1001@lab.test>\r\nCall", "1001@lab.test>;tag=us\r\nCall");
        lane.receive(&ack);
        lane.until(600);
        assert_eq!(
            lane.log(),
            ["0 * Request INVITE", "0 > 100 INVITE", "0 > 200 CANCEL", "0 * Cancelled", "0 > 487 INVITE"],
            "{branch}"
        );
        // Another call, CSeq, caller or Request-URI is another transaction.
        for change in [
            ("in-1", "in-2"),
            (" 3 ", " 4 "),
            ("tag=p", "tag=q"),
            ("sip:1001@lab.test S", "sip:1@lab.test S"),
        ] {
            lane.receive(&old.replace(change.0, change.1));
            assert_eq!(lane.log(), ["600 * Request INVITE"], "{change:?}");
        }
    }
}

#[test]
fn a_known_request_is_known_with_its_ack_and_cancel() {
    let mut lane = Lane::udp();
    lane.receive(INVITE);
    let read = |text: String| Message::read(Bytes::from(text)).expect("SIP");
    for (method, known) in
        [("INVITE", true), ("ACK", true), ("CANCEL", true), ("BYE", false), ("SERVICE", false)]
    {
        assert_eq!(lane.transactions.knows(&read(with(&[("INVITE", method)]))), known, "{method}");
    }
    assert!(!lane.transactions.knows(&read(with(&[("z9hG4bKin", "z9hG4bKx")]))));
}

#[test]
fn a_request_without_a_readable_via_is_dropped() {
    for via in ["", "Via: nonsense\r\n", "Via: SIP/2.0/UDP\r\n"] {
        let mut lane = Lane::udp();
        let line = INVITE.split_inclusive("\r\n").nth(1).expect("the Via");
        for method in ["INVITE", "OPTIONS", "BYE"] {
            lane.receive(&INVITE.replace(line, via).replace("INVITE", method));
        }
        assert_eq!((lane.log(), lane.len()), (vec![], 0));
    }
}

#[test]
fn stateless_tags_differ_by_call_and_branch() {
    let tag = |text: String| stateless_tag(&Message::read(Bytes::from(text)).expect("SIP"));
    let first = tag(with(&[]));
    assert_eq!(first, tag(with(&[])));
    assert_ne!(first, tag(with(&[("in-1", "in-2")])));
    assert_ne!(first, tag(with(&[("z9hG4bKin", "z9hG4bKout")])));
}

#[test]
fn names_of_two_lanes_do_not_meet() {
    let mut lane = Lane::udp();
    let invite = lane.invite();
    assert_eq!(invite.lane(), 2);
    let via = lane.last("INVITE").first(Name::Via).map(<[u8]>::to_vec).expect("a Via");
    assert!(via.windows(9).any(|part| part == b"z9hG4bK02"), "the branch carries the lane's number");
}
