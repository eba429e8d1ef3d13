//! Which server is called first, and who is called where it fails (RFC 3263 §4.3).

use std::time::{Duration, Instant};

use crate::{
    LATER, Office, QUICK, SOON,
    dns::Dns,
    port,
    support::{Over, Peer, Sip, Site, peer::Dialog, until},
};

/// Peers at addresses of their own, and a site that knows none of them.
fn peers(over: Over, count: u8) -> (Site, Vec<Peer>) {
    let site = Site::new();
    let peers = (0..count).map(|at| Peer::new(over, &format!("127.0.0.{}", 21 + at), site.sip)).collect();
    (site, peers)
}

/// SRV records that name them in this order, by this service.
fn in_order(service: &str, peers: &[Peer]) -> String {
    let one = |(at, peer): (usize, &Peer)| {
        let (ip, port) = (peer.address.ip(), peer.address.port());
        format!("{service} SRV {at} 0 {port} s{at}.test\ns{at}.test A {ip}\n")
    };
    peers.iter().enumerate().map(one).collect()
}

fn branch(request: &Sip) -> &str {
    request.one("Via").split("branch=").nth(1).expect("a branch")
}

#[test]
fn naptr_srv_and_address_lead_to_the_device() {
    let (site, mut peers) = peers(Over::Tcp, 1);
    let dns = Dns::new(&format!(
        "sip.test NAPTR 20 1 s SIP+D2U _sip._udp.sip.test\nsip.test NAPTR 10 1 s SIP+D2T _sip._tcp.sip.test\n{}",
        in_order("_sip._tcp.sip.test", &peers)
    ));
    let mut office = Office::of(site, &dns, QUICK, "sip.test");
    let invite = office.pbx.invite("1001");
    let phone = &mut peers[0];
    let out = phone.expect("INVITE");
    assert_eq!(out.uri(), "sip:desk@sip.test");
    assert!(out.one("Via").starts_with("SIP/2.0/TCP "), "the transport that NAPTR prefers: {out}");
    assert!(out.contact().contains("transport=tcp"), "{out}");
    let answer = phone.answer(&out, 200);
    phone.expect("ACK");
    let ok = office.pbx.expect("200");
    let mut dialog = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut dialog, "ACK", "", "");
    let mut theirs = Dialog::callee(&out, &answer);
    phone.ends(&mut theirs, &mut office.pbx);
    // The second call asks nobody.
    let asked = dns.asked().len();
    let invite = office.pbx.invite("1001");
    phone.expect("INVITE");
    assert_eq!((dns.asked().len(), office.number("dns_cache_hits_total")), (asked, 1));
    office.pbx.cancel(&invite, "");
    drop((office.pbx, peers));
    office.ringpost.stops_well();
}

#[test]
fn the_next_server_is_called_where_one_refuses_is_silent_or_says_503() {
    let (site, mut peers) = peers(Over::Tcp, 4);
    let zone = in_order("_sip._tcp.sip.test", &peers);
    let dns = Dns::new(&zone);
    // Nobody listens where the first should be; the second takes the connection and says nothing.
    drop(peers.remove(0));
    let mut office = Office::of(site, &dns, QUICK, "sip.test;transport=tcp");
    let invite = office.pbx.invite("1001");
    let silent = peers[0].expect("INVITE");
    let overloaded = peers[1].expect("INVITE");
    peers[1].answer(&overloaded, 503);
    peers[1].expect("ACK");
    let out = peers[2].expect("INVITE");
    // The same request in a new transaction each time.
    for name in ["Call-ID", "From", "To", "CSeq"] {
        assert_eq!((silent.one(name), overloaded.one(name)), (out.one(name), out.one(name)), "{name}");
    }
    assert_ne!(branch(&silent), branch(&overloaded));
    assert_ne!(branch(&overloaded), branch(&out));
    assert_eq!(out.body(), invite.body());
    peers[2].answer(&out, 180);
    // The caller sees one leg.
    office.pbx.expect("180");
    // What the silent one says at last is hung up.
    peers[0].answer(&silent, 200);
    peers[0].expect("ACK");
    let bye = peers[0].expect("BYE");
    peers[0].answer(&bye, 200);
    peers[2].answer(&out, 200);
    peers[2].expect("ACK");
    let ok = office.pbx.expect("200");
    let mut dialog = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut dialog, "ACK", "", "");
    office.pbx.ends(&mut dialog, &mut peers[2]);
    assert_eq!(office.number("targets_failed_total"), 3);
    // Those that failed come last for a while: the fourth is called at once.
    let since = Instant::now();
    let invite = office.pbx.invite("1001");
    let out = peers[2].expect("INVITE");
    assert!(since.elapsed() < SOON);
    peers[2].answer(&out, 486);
    peers[2].expect("ACK");
    office.pbx.refused(&invite, 486);
    drop((office.pbx, peers));
    office.ringpost.stops_well();
}

#[test]
fn a_silent_server_on_udp_costs_only_its_time() {
    let (site, mut peers) = peers(Over::Udp, 2);
    let dns = Dns::new(&in_order("_sip._udp.sip.test", &peers));
    let mut office = Office::of(site, &dns, QUICK, "sip.test");
    let invite = office.pbx.invite("1001");
    peers[0].expect("INVITE");
    let out = peers[1].expect("INVITE");
    // 100 is an answer: nobody else is called while it works.
    peers[1].answer(&out, 100);
    peers[1].silent_for(LATER);
    // Taken back: nobody else hears of it.
    peers[1].answer(&out, 180);
    office.pbx.expect("180");
    office.pbx.cancel(&invite, "");
    office.pbx.expect("200");
    peers[1].expect("CANCEL");
    office.pbx.refused(&invite, 487);
}

#[test]
fn a_leg_fails_only_when_every_server_has_failed() {
    let (site, mut peers) = peers(Over::Udp, 2);
    let dns = Dns::new(&in_order("_sip._udp.sip.test", &peers));
    let mut office = Office::of(site, &dns, QUICK, "sip.test");
    let invite = office.pbx.invite("1001");
    for peer in &mut peers {
        let out = peer.expect("INVITE");
        peer.answer(&out, 503);
        peer.expect("ACK");
    }
    office.pbx.refused(&invite, 480);
    // Any other refusal is the device's: nobody else is asked.
    let invite = office.pbx.invite("1001");
    let out = peers[0].expect("INVITE");
    peers[0].answer(&out, 486);
    peers[0].expect("ACK");
    office.pbx.refused(&invite, 486);
    peers[1].silent_for(SOON);
}

#[test]
fn an_unknown_name_is_asked_for_once_and_refused_quickly() {
    // T23: negative cache.
    let dns = Dns::new("other.test A 127.0.0.21");
    let mut office = Office::of(Site::new(), &dns, QUICK, "nobody.test");
    for round in 0..3 {
        let since = Instant::now();
        let invite = office.pbx.invite("1001");
        let refused = office.pbx.refused(&invite, 480);
        assert!(since.elapsed() < SOON, "{round}: {refused}");
    }
    assert_eq!((dns.asked_for("NAPTR nobody.test"), dns.asked_for("A nobody.test")), (1, 1));
    assert_eq!(dns.asked_for("SRV _sip._udp.nobody.test"), 1);
    assert_eq!(office.number("dns_failures_total"), 0, "that there is none is an answer");
}

#[test]
fn a_service_that_is_not_offered_is_not_called() {
    let site = Site::new();
    let mut there = Peer::at(Over::Udp, ("127.0.0.21", port()), site.sip);
    let dns = Dns::new("_sip._udp.sip.test SRV 0 0 0 .\nsip.test A 127.0.0.21");
    let mut office = Office::of(site, &dns, QUICK, "sip.test");
    let invite = office.pbx.invite("1001");
    office.pbx.refused(&invite, 480);
    there.silent_for(SOON);
}

#[test]
fn the_users_own_time_out_ends_the_search() {
    let (site, mut peers) = peers(Over::Udp, 3);
    let dns = Dns::new(&in_order("_sip._udp.sip.test", &peers));
    let lines = "target_timeout = \"1s\"";
    let mut office = Office::ringing_for(site, &dns, lines, ("sip.test", "1500ms"));
    let invite = office.pbx.invite("1001");
    peers[0].expect("INVITE");
    peers[1].expect("INVITE");
    office.pbx.refused(&invite, 480);
    peers[2].silent_for(LATER);
}

#[test]
fn the_next_server_may_speak_another_transport() {
    let (site, mut udp) = peers(Over::Udp, 1);
    let mut tcp = Peer::new(Over::Tcp, "127.0.0.31", site.sip);
    let dns = Dns::new(&format!(
        "sip.test NAPTR 1 1 s SIP+D2T _sip._tcp.sip.test\nsip.test NAPTR 2 1 s SIP+D2U _sip._udp.sip.test\n{}\
         _sip._tcp.sip.test SRV 0 0 {} t.test\nt.test A 127.0.0.31",
        in_order("_sip._udp.sip.test", &udp),
        tcp.address.port()
    ));
    let mut office = Office::of(site, &dns, QUICK, "sip.test");
    let invite = office.pbx.invite_with("1001", "X-Other: stays\r\n");
    let first = tcp.expect("INVITE");
    tcp.answer_with(&first, 503, "Retry-After: 60\r\n", "");
    tcp.expect("ACK");
    let second = udp[0].expect("INVITE");
    assert!(first.one("Via").starts_with("SIP/2.0/TCP ") && second.one("Via").starts_with("SIP/2.0/UDP "));
    assert!(
        first.contact().ends_with(";transport=tcp") && !second.contact().contains("transport"),
        "{second}"
    );
    assert_eq!(
        (second.uri(), second.first("X-Other"), second.body()),
        ("sip:desk@sip.test", "stays", invite.body())
    );
    // In the dialog it is the one that answered.
    let answer = udp[0].answer(&second, 200);
    udp[0].expect("ACK");
    let ok = office.pbx.expect("200");
    let mut dialog = Dialog::caller(&invite, &ok);
    office.pbx.inside(&mut dialog, "ACK", "", "");
    let mut theirs = Dialog::callee(&second, &answer);
    udp[0].inside(&mut theirs, "BYE", "", "");
    udp[0].expect("200");
    office.pbx.expect("BYE");
}

#[test]
fn ipv6_comes_first_where_this_end_has_it() {
    for (also_v6, reached) in [(true, 1), (false, 0)] {
        let site = Site::new();
        let sip = site.sip;
        let v4 = Peer::new(Over::Udp, "127.0.0.21", sip);
        let port = v4.address.port();
        let v6 = Peer::at(Over::Udp, ("::1", port), ([0, 0, 0, 0, 0, 0, 0, 1], sip.port()).into());
        let dns = Dns::new("sip.test AAAA ::1\nsip.test A 127.0.0.21");
        let own = if also_v6 { format!(", \"udp:[::1]:{}\"", sip.port()) } else { String::new() };
        let site = site.listen(&format!("[\"udp:{sip}\", \"tcp:{sip}\"{own}]"));
        let mut office = Office::of(site, &dns, QUICK, &format!("sip.test:{port}"));
        let invite = office.pbx.invite("1001");
        let mut phones = [v4, v6];
        let out = phones[reached].expect("INVITE");
        phones[reached].answer(&out, 486);
        phones[reached].expect("ACK");
        office.pbx.refused(&invite, 486);
    }
}

#[test]
fn a_dialog_goes_where_the_name_in_the_contact_leads() {
    let (site, mut peers) = peers(Over::Udp, 2);
    let place = peers[0].address.to_string();
    let dns = Dns::new(&format!("moved.test A {}", peers[1].address.ip()));
    let mut office = Office::of(site, &dns, QUICK, &place);
    let contact = format!("sip:peer@moved.test:{}", peers[1].address.port());
    for known in [false, true] {
        let invite = office.pbx.invite("1001");
        let out = peers[0].expect("INVITE");
        let answer = peers[0].response(&out, 200, "t1", "", crate::support::SDP);
        let answer = answer.to_string().replace(&peers[0].uri(), &contact);
        peers[0].send(answer.as_bytes());
        // Until the name is looked up, the way of the INVITE serves.
        peers[usize::from(known)].expect("ACK");
        let ok = office.pbx.expect("200");
        let mut dialog = Dialog::caller(&invite, &ok);
        office.pbx.inside(&mut dialog, "ACK", "", "");
        until("it is looked up", || dns.asked_for("A moved.test") == 1);
        until("the dialog goes where the answer leads", || {
            office.pbx.inside(&mut dialog, "INFO", "", "");
            let moved = peers[1].next(Duration::from_millis(300));
            let at = usize::from(moved.is_some());
            let info = moved.unwrap_or_else(|| peers[0].expect("INFO"));
            peers[at].answer(&info, 200);
            office.pbx.expect("200");
            at == 1
        });
        office.pbx.inside(&mut dialog, "BYE", "", "");
        office.pbx.expect("200");
        let bye = peers[1].expect("BYE");
        assert_eq!(bye.uri(), contact);
        peers[1].answer(&bye, 200);
    }
}
