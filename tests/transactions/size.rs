//! Requests that are too large for UDP (RFC 3261 §18.1.1).

use ringpost::{
    settings::Transport,
    sip::{build::Draft, peer::Peer, token::Token, transaction::Size},
};

use crate::lane::{LEG, Lane, peer};

/// Our UDP and TCP listeners; requests above 600 octets change over, and an address that refuses has a minute.
fn lane() -> Lane {
    let mut lane = Lane::udp();
    lane.transactions.limit(Size::new(600, 60_000, vec![Some(1), None]));
    lane
}

/// An INVITE with a body of that length.
fn sends(lane: &mut Lane, body: usize, to: Peer) -> Token {
    let sent = lane.with(|it, now, out| {
        it.invite(to, LEG, now, out, |name| {
            let mut draft = Draft::request(b"INVITE", b"sip:1001@192.0.2.9:5070");
            draft
                .header("Route", &[b"<sip:proxy.lab.test;lr>"])
                .via(to.transport, b"192.0.2.1:5060", &[b"z9hG4bK", &name.text()])
                .header("From", &[b"<sip:us@lab.test>;tag=us"])
                .header("To", &[b"<sip:1001@lab.test>"])
                .header("Call-ID", &[b"call-1"])
                .header("CSeq", &[b"7 INVITE"])
                .header("Contact", &[b"<sip:192.0.2.1:5060>"])
                .header("Max-Forwards", &[b"69"]);
            draft.body(&vec![b'x'; body])
        })
    });
    sent.expect("room")
}

/// Transport, top Via and body length of what was sent last.
fn last(lane: &Lane) -> (Transport, String, usize) {
    let (peer, message) = lane.sent.last().expect("it was sent");
    let via = message.via().expect("a Via");
    let via = format!("{} {}", String::from_utf8_lossy(via.transport), via.port.unwrap_or(0));
    (peer.transport, via, message.body().len())
}

#[test]
fn a_request_above_the_limit_goes_by_tcp_with_that_in_its_via() {
    let mut lane = lane();
    let udp = peer(Transport::Udp);
    sends(&mut lane, 10, udp);
    assert_eq!(last(&lane), (Transport::Udp, "UDP 5060".into(), 10));
    let client = sends(&mut lane, 700, udp);
    assert_eq!(last(&lane), (Transport::Tcp, "TCP 5062".into(), 700));
    lane.until(5_000);
    let again = lane.sent.iter().filter(|(to, _)| to.transport == Transport::Tcp).count();
    assert_eq!(again, 1, "TCP retransmits by itself");
    // The CANCEL follows its INVITE.
    lane.response(client, 180, "INVITE", "a");
    lane.with(|it, now, out| it.cancel(client, None, now, out));
    let (to, cancel) = lane.sent.last().expect("a CANCEL");
    assert_eq!((to.transport, cancel.method_name()), (Transport::Tcp, &b"CANCEL"[..]));
}

#[test]
fn whoever_takes_no_connection_gets_it_by_udp_after_all() {
    let mut lane = lane();
    let udp = peer(Transport::Udp);
    let client = sends(&mut lane, 700, udp);
    lane.log();
    lane.with(|it, now, out| it.undeliverable(client, now, out));
    assert_eq!(last(&lane), (Transport::Udp, "UDP 5060".into(), 700));
    let by_udp = lane.sent.last().map(|(to, _)| *to);
    assert_eq!(by_udp, Some(udp), "as if it had gone there at once");
    lane.until(600);
    assert_eq!(lane.log(), ["0 > INVITE", "500 > INVITE"], "from now on it is retransmitted");
    // The same transaction: nobody hears of a failure, and the answer is heard.
    lane.response(client, 180, "INVITE", "a");
    assert_eq!(lane.log(), ["600 * Response 180 INVITE"]);
    // The address is not tried again for a while.
    sends(&mut lane, 700, udp);
    assert_eq!(last(&lane).0, Transport::Udp);
    lane.until(60_001);
    sends(&mut lane, 700, udp);
    assert_eq!(last(&lane).0, Transport::Tcp);
}

#[test]
fn what_was_meant_for_tcp_or_for_a_flow_stays_there() {
    let mut lane = lane();
    let flow = peer(Transport::Udp).by_its_connection_only();
    sends(&mut lane, 700, flow);
    assert_eq!(last(&lane).0, Transport::Udp, "RFC 5626: the flow or nothing");
    let other = Peer { listener: 1, ..peer(Transport::Udp) };
    sends(&mut lane, 700, other);
    assert_eq!(last(&lane).0, Transport::Udp, "no TCP listener beside it");
    let client = sends(&mut lane, 700, peer(Transport::Tcp));
    lane.log();
    lane.with(|it, now, out| it.undeliverable(client, now, out));
    assert_eq!(lane.log(), ["0 * Failed 503"], "it was never meant for UDP");
    // A CANCEL that cannot be sent does not bring the INVITE back.
    let client = sends(&mut lane, 700, peer(Transport::Udp));
    lane.response(client, 180, "INVITE", "a");
    lane.with(|it, now, out| it.cancel(client, None, now, out));
    lane.log();
    lane.with(|it, now, out| it.undeliverable(client, now, out));
    assert_eq!(lane.log(), ["0 * Failed 503"]);
}

#[test]
fn the_ack_for_a_2xx_goes_by_its_own_size() {
    let mut lane = lane();
    let udp = peer(Transport::Udp);
    let client = sends(&mut lane, 10, udp);
    lane.response(client, 200, "INVITE", "a");
    let ack = {
        let mut draft = Draft::request(b"ACK", b"sip:1001@192.0.2.9:5070");
        draft
            .via(Transport::Udp, b"192.0.2.1:5060", &[b"z9hG4bKack"])
            .header("From", &[b"<sip:us@lab.test>;tag=us"])
            .header("To", &[b"<sip:1001@lab.test>;tag=a"])
            .header("Call-ID", &[b"call-1"])
            .header("CSeq", &[b"7 ACK"]);
        draft.body(&[b'x'; 700])
    };
    lane.with(|it, now, out| it.acknowledge(client, udp, ack, now, out));
    assert_eq!(last(&lane), (Transport::Tcp, "TCP 5062".into(), 700));
    // A 2xx that comes again gets it again, the same way.
    lane.response(client, 200, "INVITE", "a");
    assert_eq!(last(&lane), (Transport::Tcp, "TCP 5062".into(), 700));
    // Nobody takes a connection.
    let (by_tcp, large) = lane.sent.last().map(|(to, ack)| (*to, ack.raw().clone())).expect("it was sent");
    let back = by_tcp.back_to_udp().expect("it was meant for UDP");
    lane.with(|it, now, out| it.ack_by_udp(&large, back, now, out));
    assert_eq!((last(&lane), back), ((Transport::Udp, "UDP 5060".into(), 700), udp));
}
