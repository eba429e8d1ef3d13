//! Requests that are too large for UDP go by TCP, and by UDP where nobody takes them there (RFC 3261 §18.1.1).

use std::{net::TcpListener, time::Instant};

use crate::{
    Office, QUICK, SOON,
    dns::Dns,
    support::{Over, Peer, SDP, Sip, Site, peer::Dialog},
};

/// An offer that no datagram should carry.
fn large() -> String {
    let candidates = |at: u32| format!("a=candidate:{at} 1 UDP {at} 192.0.2.1 {at} typ host\r\n");
    let sdp: String = SDP.to_owned() + &(1_000..1_040).map(candidates).collect::<String>();
    assert!(sdp.len() > 1_500);
    sdp
}

fn calls(office: &mut Office, body: &str) -> Sip {
    let uri = format!("sip:1001@{}", office.ringpost.sip);
    office.pbx.request("INVITE", &uri, "", body)
}

/// A device that speaks UDP and, on the same port, TCP.
fn device(site: &Site) -> (Peer, Peer) {
    let udp = Peer::new(Over::Udp, "127.0.0.21", site.sip);
    let tcp = Peer::at(Over::Tcp, ("127.0.0.21", udp.address.port()), site.sip);
    (udp, tcp)
}

#[test]
fn a_large_invite_goes_by_tcp_and_small_requests_by_udp() {
    let site = Site::new();
    let (mut udp, mut tcp) = device(&site);
    let place = udp.address.to_string();
    let mut office = Office::of(site, &Dns::new(""), QUICK, &place);
    let body = large();
    let invite = calls(&mut office, &body);
    let out = tcp.expect("INVITE");
    assert!(out.one("Via").starts_with("SIP/2.0/TCP "), "{out}");
    assert_eq!(out.body(), body, "untouched");
    tcp.answer(&out, 180);
    office.pbx.expect("180");
    // Its Contact is a UDP address: what is small goes there.
    let answer = udp.response(&out, 200, "t1", "", SDP);
    tcp.send(&answer.raw);
    let ack = udp.expect("ACK");
    assert!(ack.one("Via").starts_with("SIP/2.0/UDP "), "{ack}");
    let ok = office.pbx.expect("200");
    let mut dialog = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut dialog, "ACK", "", "");
    office.pbx.ends(&mut dialog, &mut udp);
    // A CANCEL follows its INVITE.
    let invite = calls(&mut office, &body);
    let out = tcp.expect("INVITE");
    tcp.answer(&out, 180);
    office.pbx.expect("180");
    office.pbx.cancel(&invite, "");
    office.pbx.expect("200");
    tcp.expect("CANCEL");
    office.pbx.refused(&invite, 487);
    calls(&mut office, SDP);
    udp.expect("INVITE");
    assert_eq!((office.number("too_large_for_udp_total"), office.number("back_to_udp_total")), (2, 0));
}

#[test]
fn whoever_takes_no_tcp_gets_the_large_invite_by_udp() {
    let site = Site::new();
    let mut udp = Peer::new(Over::Udp, "127.0.0.21", site.sip);
    let place = udp.address.to_string();
    let mut office = Office::of(site, &Dns::new(""), QUICK, &place);
    let body = large();
    for round in 0..2 {
        let since = Instant::now();
        let invite = calls(&mut office, &body);
        let out = udp.expect("INVITE");
        assert!(since.elapsed() < SOON, "a refusal costs no time");
        assert!(out.one("Via").starts_with("SIP/2.0/UDP "), "{out}");
        assert_eq!(out.body(), body);
        udp.answer(&out, 486);
        udp.expect("ACK");
        office.pbx.refused(&invite, 486);
        assert_eq!(office.number("too_large_for_udp_total"), 1, "{round}: known from the first time on");
    }
    assert_eq!(office.number("back_to_udp_total"), 1);
}

#[test]
fn a_device_behind_a_filter_waits_no_longer_than_the_site_says() {
    let site = Site::new().sip("udp_fallback = \"200ms\"");
    let mut udp = Peer::new(Over::Udp, "127.0.0.21", site.sip);
    // A full queue of connections: the kernel drops further ones in silence, as a filter would.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&udp.address.into()).expect("the same port");
    socket.listen(0).expect("a queue");
    let listener = TcpListener::from(socket);
    let full = |_: u32| {
        let one = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        one.set_nonblocking(true).expect("a socket");
        drop(one.connect(&udp.address.into()));
        one
    };
    let waiting: Vec<_> = (0..4).map(full).collect();
    let place = udp.address.to_string();
    let mut office = Office::of(site, &Dns::new(""), QUICK, &place);
    let since = Instant::now();
    calls(&mut office, &large());
    let out = udp.expect("INVITE");
    assert!(out.one("Via").starts_with("SIP/2.0/UDP "), "{out}");
    assert!(since.elapsed() >= std::time::Duration::from_millis(200), "it was tried");
    drop((waiting, listener));
}

#[test]
fn a_large_answer_in_an_ack_goes_the_same_ways() {
    for speaks_tcp in [true, false] {
        let site = Site::new();
        let (mut udp, tcp) = device(&site);
        let mut tcp = speaks_tcp.then_some(tcp);
        let place = udp.address.to_string();
        let mut office = Office::of(site, &Dns::new(""), QUICK, &place);
        let invite = calls(&mut office, "");
        let out = udp.expect("INVITE");
        udp.answer(&out, 200);
        let ok = office.pbx.expect("200");
        let mut dialog = Dialog::caller(&invite, &ok);
        // The PBX's own ACK is large, too; on loopback it fits into a datagram.
        office.pbx.inside(&mut dialog, "ACK", "", &large());
        let ack = tcp.as_mut().unwrap_or(&mut udp).expect("ACK");
        let by = if speaks_tcp { "SIP/2.0/TCP " } else { "SIP/2.0/UDP " };
        assert!(ack.one("Via").starts_with(by), "{ack}");
        assert_eq!(ack.body(), large());
    }
}
