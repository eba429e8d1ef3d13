//! Who is no trunk: told no so often, then not at all, and never at a place that it names itself.

use std::{net::UdpSocket, time::Duration};

use crate::{
    office::Office,
    support::{Over, Peer, SDP, metrics::number, until},
    watched,
};

const OFF: &str = "missed_calls = \"off\"";

fn options(peer: &Peer, office: &Office) -> String {
    peer.draft("OPTIONS", &format!("sip:{}", office.ringpost.sip), "", "")
}

/// How many answers come until nothing comes for a while.
fn answers(peer: &mut Peer) -> usize {
    let mut count = 0;
    while peer.octets(Duration::from_millis(300)).is_some() {
        count += 1;
    }
    count
}

#[test]
fn a_stranger_is_told_no_so_often_then_not_at_all_and_after_its_ban_again() {
    let (site, port) = watched("refusals_per_second = 5\nban_after = 40\nban_time = \"3s\"");
    let office = Office::on(site, Over::Udp, OFF);
    let mut stranger = Peer::new(Over::Udp, "127.0.0.2", office.ringpost.sip);
    for _ in 0..35 {
        stranger.send(options(&stranger, &office).as_bytes());
    }
    let told = answers(&mut stranger);
    assert!((10..=20).contains(&told), "{told} of 35");
    assert!(number(port, "refusals_silenced_total") >= 15);
    assert_eq!(number(port, "bans_total"), 0);
    for _ in 0..10 {
        stranger.send(options(&stranger, &office).as_bytes());
    }
    office.ringpost.logs("Banned a source");
    answers(&mut stranger);
    // Silence from now on, whatever it asks, on every transport.
    stranger.send(options(&stranger, &office).as_bytes());
    stranger.silent_for(Duration::from_millis(300));
    let mut stream = Peer::new(Over::Tcp, "127.0.0.2", office.ringpost.sip);
    stream.sends(options(&stream, &office).as_bytes());
    stream.send(b"");
    assert!(stream.closed_within(Duration::from_secs(2)));
    assert_eq!((number(port, "bans_total"), number(port, "banned_sources")), (1, 1));
    assert!(number(port, "banned_dropped_total") >= 2);
    office.ringpost.is_well();
    until("the ban ends", || {
        stranger.send(options(&stranger, &office).as_bytes());
        stranger.next(Duration::from_millis(200)).is_some_and(|answer| answer.what() == "403")
    });
    drop((stranger, stream));
    office.ends();
}

#[test]
fn a_forged_source_gets_one_answer_hardly_larger_than_its_request_and_nobody_else_any() {
    let (site, _) = watched("ban_after = 0");
    let office = Office::on(site, Over::Udp, OFF);
    let mut victim = Peer::new(Over::Udp, "127.0.0.2", office.ringpost.sip);
    let elsewhere = UdpSocket::bind("127.0.0.3:0").expect("a port");
    elsewhere.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
    let other = elsewhere.local_addr().expect("bound");
    let uri = format!("sip:1001@{}", office.ringpost.sip);
    for method in ["INVITE", "OPTIONS", "REGISTER", "BYE", "MESSAGE", "CANCEL", "SUBSCRIBE", "FOOBAR"] {
        let body = if method == "INVITE" { SDP } else { "" };
        let request = victim.draft(method, &uri, "", body);
        // It names another place in every way that there is.
        let via = format!("Via: SIP/2.0/UDP {}", victim.address);
        let named = format!("Via: SIP/2.0/UDP {other};maddr={};received={}", other.ip(), other.ip());
        let request = request.replace(&via, &named);
        victim.send(request.as_bytes());
        let answer =
            victim.octets(Duration::from_secs(5)).unwrap_or_else(|| panic!("{method} has no answer"));
        assert!(answer.len() < request.len() + 200, "{method}: {} for {}", answer.len(), request.len());
    }
    // Nothing is repeated, though nobody has acknowledged the refusal of the INVITE.
    assert!(victim.octets(Duration::from_secs(3)).is_none());
    assert!(elsewhere.recv(&mut [0; 9]).is_err(), "nothing goes where the request says");
    // An ACK, a response and half a message: no answer at all.
    for silent in ["ACK", "SIP/2.0 200 OK", "\r\n\r\n", "INVITE"] {
        let text = victim.draft("ACK", &uri, "", "");
        let text = if silent == "ACK" { text } else { silent.to_owned() };
        victim.send(text.as_bytes());
    }
    assert!(victim.octets(Duration::from_millis(300)).is_none());
    drop(victim);
    office.ends();
}

#[test]
fn what_is_too_large_is_refused_and_counted() {
    let (site, port) = watched("max_headers = 40\nmax_vias = 5\nmax_body = \"2KiB\"");
    let mut office = Office::on(site, Over::Udp, OFF);
    let uri = format!("sip:1001@{}", office.ringpost.sip);
    let via = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n";
    for (headers, body, code) in [
        ("X-More: 1\r\n".repeat(40), String::new(), 400),
        (via.repeat(6), String::new(), 400),
        (String::new(), "v".repeat(2_049), 413),
    ] {
        let invite = office.pbx.request("INVITE", &uri, &headers, &body);
        let refusal = office.pbx.expect(&code.to_string());
        assert_eq!(refusal.one("CSeq"), invite.one("CSeq"));
    }
    assert_eq!(number(port, "oversized_total"), 3);
    let talk = office.talks();
    office.hangs_up(talk);
    office.ends();
}

#[test]
fn a_stranger_has_so_many_connections() {
    let (site, port) = watched("connections_per_source = 3");
    let mut office = Office::on(site, Over::Tcp, OFF);
    let mut crowd: Vec<Peer> =
        (0..3).map(|_| Peer::new(Over::Tcp, "127.0.0.2", office.ringpost.sip)).collect();
    for peer in &mut crowd {
        peer.send(options(peer, &office).as_bytes());
        peer.expect("403");
    }
    let mut fourth = Peer::new(Over::Tcp, "127.0.0.2", office.ringpost.sip);
    fourth.send(b"");
    assert!(fourth.closed_within(Duration::from_secs(2)));
    assert_eq!(number(port, "source_connections_refused_total"), 1);
    let mut other = Peer::new(Over::Tcp, "127.0.0.3", office.ringpost.sip);
    other.send(options(&other, &office).as_bytes());
    other.expect("403");
    let talk = office.talks();
    office.hangs_up(talk);
    drop((crowd, fourth, other));
    office.ends();
}

#[test]
fn a_reload_brings_new_limits_and_new_trunks() {
    let (site, _) = watched("refusals_per_second = 1\nban_after = 0");
    let office = Office::on(site, Over::Udp, OFF);
    let mut stranger = Peer::new(Over::Udp, "127.0.0.2", office.ringpost.sip);
    for _ in 0..10 {
        stranger.send(options(&stranger, &office).as_bytes());
    }
    assert!(answers(&mut stranger) <= 3);
    let good = office.ringpost.site();
    office.ringpost.reload(&good.replace("refusals_per_second = 1", "refusals_per_second = 1000"));
    office.ringpost.logs("Read the site file again");
    for _ in 0..10 {
        stranger.send(options(&stranger, &office).as_bytes());
    }
    until("it is told no again", || stranger.next(Duration::from_millis(100)).is_some());
    // From now on it is a trunk, and the old one is not.
    office.ringpost.reload(&good.replace("sources = [\"127.0.0.1\"", "sources = [\"127.0.0.2\""));
    until("it is believed", || {
        stranger.send(options(&stranger, &office).as_bytes());
        stranger.next(Duration::from_millis(100)).is_some_and(|answer| answer.what() == "200")
    });
    let mut former = Peer::new(Over::Udp, "127.0.0.1", office.ringpost.sip);
    former.send(options(&former, &office).as_bytes());
    former.expect("403");
}
