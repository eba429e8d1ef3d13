//! Streams: messages cut anywhere, messages that cannot be cut, and messages without end (T3).

use std::time::Duration;

use crate::{
    office::Office,
    support::{Over, Peer, SDP, until},
};

const OFF: &str = "missed_calls = \"off\"";

#[test]
fn a_message_is_found_wherever_the_segments_end() {
    let mut office = Office::new(Over::Tcp, OFF);
    let uri = format!("sip:{}", office.ringpost.sip);
    let slow = office.pbx.draft("OPTIONS", &uri, "", "");
    for octet in slow.as_bytes() {
        office.pbx.send(&[*octet]);
    }
    office.pbx.expect("200");
    let both: String = (0..2).map(|_| office.pbx.draft("OPTIONS", &uri, "Subject: two\r\n", "")).collect();
    office.pbx.send(both.as_bytes());
    office.pbx.expect("200");
    office.pbx.expect("200");
    // RFC 5626 §4.4.1: a double CRLF is answered by a single one; then messages go on.
    office.pbx.send(b"\r\n\r\n");
    assert_eq!(office.pbx.blank(Duration::from_secs(5)), b"\r\n");
    office.pbx.send(b"\r\n");
    let [invite, ..] = office.rings();
    office.pbx.cancel(&invite, "");
    office.pbx.expect("200");
    office.pbx.refused(&invite, 487);
    office.desk.expect("CANCEL");
    office.soft.expect("CANCEL");
}

#[test]
fn a_message_that_cannot_be_cut_is_refused_and_its_connection_closed() {
    let office = Office::new(Over::Tcp, OFF);
    let uri = format!("sip:1001@{}", office.ringpost.sip);
    for length in
        ["Content-Length: -1", "Content-Length: x", "Content-Length: 99999999999999999999", "X-None: 1"]
    {
        let mut peer = Peer::new(Over::Tcp, "127.0.0.1", office.ringpost.sip);
        let draft = peer.draft("INVITE", &uri, "", SDP);
        let own = format!("Content-Length: {}", SDP.len());
        peer.send(draft.replace(&own, length).as_bytes());
        peer.expect("400");
        assert!(peer.closed_within(Duration::from_secs(2)), "{length}");
    }
    // Longer than any message may be: 513, as far as the header can be read.
    let mut peer = Peer::new(Over::Tcp, "127.0.0.1", office.ringpost.sip);
    let draft = peer.draft("INVITE", &uri, "", SDP);
    let own = format!("Content-Length: {}", SDP.len());
    peer.send(draft.replace(&own, "Content-Length: 100000").as_bytes());
    peer.expect("513");
    assert!(peer.closed_within(Duration::from_secs(2)));
    drop(peer);
    office.ends();
}

#[test]
fn a_header_without_end_is_bounded() {
    let office = Office::new(Over::Tcp, OFF);
    let before = office.ringpost.resident();
    let mut flood = Peer::new(Over::Tcp, "127.0.0.1", office.ringpost.sip);
    flood.send(b"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nX-Long: ");
    let sent = (0..10_240).take_while(|_| flood.sends(&[b'a'; 1_024])).count();
    assert!(sent < 10_240, "the connection is cut before 10 MB");
    drop(flood);
    until("the memory is given back", || office.ringpost.resident() < before + 8_192);
    office.ends();
}

#[test]
fn a_phone_that_refuses_the_connection_is_passed_over() {
    let site = crate::support::Site::new();
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let nobody = format!("sip:x@127.0.0.1:{};transport=tcp", crate::support::ports(1));
    let ringpost = site
        .table(&format!(
            "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\ndevices = [{nobody:?}, {:?}]\n{OFF}",
            desk.uri()
        ))
        .start();
    let invite = pbx.invite("1001");
    let called = desk.expect("INVITE");
    ringpost.logs("event=Refused(Phone(0), 503)");
    desk.answer(&called, 486);
    desk.expect("ACK");
    pbx.refused(&invite, 486);
    drop((pbx, desk));
    ringpost.back_to_baseline();
}
