//! Streams: messages cut anywhere, messages that cannot be cut, and messages without end (T3).

use std::{net::SocketAddr, time::Duration};

use crate::{
    authority::lasting,
    office::Office,
    support::{Over, Peer, SDP, Site, ports, until},
};

const OFF: &str = "missed_calls = \"off\"";

/// An office, and where it takes streams: by TCP, and by TLS through a tunnel.
fn office() -> (Office, [SocketAddr; 2]) {
    let (site, authority) = (Site::new(), lasting("own"));
    let (sip, tls) = (site.sip, SocketAddr::from(([127, 0, 0, 1], ports(1))));
    let keys = authority.site(site.folder.path(), &["localhost"]).replace("\"1s\"", "\"10s\"");
    let site = site.listen(&format!("[\"udp:{sip}\", \"tcp:{sip}\", \"tls:{tls}\"]")).table(&keys);
    (Office::on(site, Over::Tcp, OFF), [sip, authority.tunnel(tls, "localhost")])
}

#[test]
fn a_message_is_found_wherever_the_segments_end() {
    let (mut office, places) = office();
    let uri = format!("sip:{}", office.ringpost.sip);
    for place in places {
        let mut peer = Peer::new(Over::Tcp, "127.0.0.1", place);
        for octet in peer.draft("OPTIONS", &uri, "", "").as_bytes() {
            peer.send(&[*octet]);
        }
        peer.expect("200");
        let both: String = (0..2).map(|_| peer.draft("OPTIONS", &uri, "Subject: two\r\n", "")).collect();
        peer.send(both.as_bytes());
        peer.expect("200");
        peer.expect("200");
        // RFC 5626 §4.4.1: a double CRLF is answered by a single one; then messages go on.
        peer.send(b"\r\n\r\n");
        assert_eq!(peer.blank(Duration::from_secs(5)), b"\r\n");
        peer.send(b"\r\n");
        peer.request("OPTIONS", &uri, "", "");
        peer.expect("200");
    }
    let [invite, ..] = office.rings();
    office.pbx.cancel(&invite, "");
    office.pbx.expect("200");
    office.pbx.refused(&invite, 487);
    office.desk.expect("CANCEL");
    office.soft.expect("CANCEL");
}

#[test]
fn a_message_that_cannot_be_cut_is_refused_and_its_connection_closed() {
    let (office, places) = office();
    let uri = format!("sip:1001@{}", office.ringpost.sip);
    for (place, (length, code)) in places.into_iter().flat_map(|place| {
        // The last is longer than any message may be: 513, as far as the header can be read.
        [("-1", 400), ("x", 400), ("99999999999999999999", 400), ("", 400), ("100000", 513)]
            .map(|row| (place, row))
    }) {
        let mut peer = Peer::new(Over::Tcp, "127.0.0.1", place);
        let draft = peer.draft("INVITE", &uri, "", SDP);
        let own = format!("Content-Length: {}", SDP.len());
        let other =
            if length.is_empty() { "X-None: 1".to_owned() } else { format!("Content-Length: {length}") };
        peer.send(draft.replace(&own, &other).as_bytes());
        peer.expect(&code.to_string());
        assert!(peer.closed_within(Duration::from_secs(2)), "{length}");
    }
    office.ends();
}

#[test]
fn a_header_without_end_is_bounded() {
    let (office, places) = office();
    let before = office.ringpost.resident();
    for place in places {
        let mut flood = Peer::new(Over::Tcp, "127.0.0.1", place);
        flood.send(b"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nX-Long: ");
        let sent = (0..10_240).take_while(|_| flood.sends(&[b'a'; 1_024])).count();
        assert!(sent < 10_240, "the connection is cut before 10 MB");
    }
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
