//! A DNS that is dead, slow or lies costs the calls that need it, in bounds, and no other (T23).

use std::time::{Duration, Instant};

use crate::{
    Office, QUICK, SOON,
    dns::{Dns, Mood},
    support::{Over, Peer, Site, until},
};

/// A device at 127.0.0.21, and a zone that names it `sip.test`.
fn zone(site: &Site) -> (Peer, String) {
    let phone = Peer::new(Over::Udp, "127.0.0.21", site.sip);
    let zone = format!("_sip._udp.sip.test SRV 0 0 {} a.test\na.test A 127.0.0.21", phone.address.port());
    (phone, zone)
}

/// Calls 1001, whose device takes the call and refuses it.
fn reaches(office: &mut Office, phone: &mut Peer) {
    let invite = office.pbx.invite("1001");
    let out = phone.expect("INVITE");
    phone.answer(&out, 486);
    phone.expect("ACK");
    office.pbx.refused(&invite, 486);
}

#[test]
fn calls_that_need_no_name_do_not_wait() {
    let site = Site::new();
    let mut desk = Peer::new(Over::Udp, "127.0.0.22", site.sip);
    let site = site.user("1002", &[&desk], "missed_calls = \"off\"");
    let dns = Dns::new("");
    for name in ["sip.test", "_sip._udp.sip.test", "_sip._tcp.sip.test"] {
        dns.mood(name, Mood::Silent);
    }
    let mut office = Office::of(site, &dns, QUICK, "sip.test");
    let since = Instant::now();
    let waiting = office.pbx.invite("1001");
    let mut others = Peer::new(Over::Udp, "127.0.0.1", office.ringpost.sip);
    for _ in 0..3 {
        let since = Instant::now();
        let invite = others.invite("1002");
        let out = desk.expect("INVITE");
        assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
        desk.answer(&out, 486);
        desk.expect("ACK");
        others.refused(&invite, 486);
    }
    office.pbx.refused(&waiting, 480);
    assert!(since.elapsed() >= Duration::from_millis(1_900), "it waited for the DNS");
    assert!(since.elapsed() < Duration::from_secs(6), "in bounds");
    // Within `retry` nobody waits again.
    let since = Instant::now();
    let invite = office.pbx.invite("1001");
    office.pbx.refused(&invite, 480);
    assert!(since.elapsed() < SOON);
    assert_eq!(office.number("dns_timeouts_total"), 1);
    until("it is counted", || office.number("dns_failures_total") >= 1);
}

#[test]
fn many_calls_to_one_name_ask_once() {
    let site = Site::new();
    let (mut phone, zone) = zone(&site);
    let dns = Dns::new(&zone);
    dns.mood("a.test", Mood::Late(Duration::from_millis(300)));
    let mut office = Office::of(site, &dns, QUICK, "sip.test");
    for _ in 0..10 {
        office.pbx.invite("1001");
    }
    for _ in 0..10 {
        phone.expect("INVITE");
    }
    assert_eq!((dns.asked_for("NAPTR sip.test"), dns.asked_for("A a.test")), (1, 1));
}

#[test]
fn what_is_known_serves_while_the_dns_is_dead() {
    let site = Site::new();
    let (mut phone, zone) = zone(&site);
    let mut dns = Dns::new(&zone);
    let mut office = Office::of(
        site,
        &dns,
        "timeout = \"1s\"\nmax_ttl = \"1s\"\nnegative_ttl = \"1s\"\nretry = \"1s\"",
        "sip.test",
    );
    reaches(&mut office, &mut phone);
    dns.dies();
    reaches(&mut office, &mut phone);
    // Its time is up, nobody says anything else: the old answer serves (RFC 8767).
    std::thread::sleep(Duration::from_millis(1_100));
    reaches(&mut office, &mut phone);
    assert!(office.number("dns_stale_total") > 0);
    until("it is told", || office.health().contains("yellow dns: no DNS server answers"));
    // It lives again, and says something else.
    let mut other = Peer::new(Over::Udp, "127.0.0.23", office.ringpost.sip);
    dns.says_only(&format!(
        "_sip._udp.sip.test SRV 0 0 {} b.test\nb.test A 127.0.0.23",
        other.address.port()
    ));
    dns.lives();
    until("the new address", || {
        let invite = office.pbx.invite("1001");
        let moved = other.next(Duration::from_millis(300));
        if let Some(out) = &moved {
            other.answer(out, 486);
            other.expect("ACK");
            office.pbx.refused(&invite, 486);
        } else {
            let out = phone.expect("INVITE");
            phone.answer(&out, 486);
            phone.expect("ACK");
            office.pbx.refused(&invite, 486);
        }
        moved.is_some()
    });
    until("it is told", || office.health().contains("green dns\n"));
}

#[test]
fn t23_forged_truncated_failing_and_slow_answers() {
    for (mood, reached) in [
        (Mood::Forged, true),
        (Mood::Truncated, true),
        (Mood::Late(Duration::from_millis(600)), true),
        (Mood::Fails, false),
    ] {
        let site = Site::new();
        let (mut phone, zone) = zone(&site);
        let mut forger = Peer::at(Over::Udp, ("127.0.0.66", phone.address.port()), site.sip);
        let dns = Dns::new(&zone);
        dns.mood("a.test", mood);
        let mut office = Office::of(site, &dns, QUICK, "sip.test");
        match reached {
            true => reaches(&mut office, &mut phone),
            false => {
                let invite = office.pbx.invite("1001");
                office.pbx.refused(&invite, 480);
            }
        }
        forger.silent_for(Duration::from_millis(50));
        drop((office.pbx, phone, forger));
        office.ringpost.stops_well();
    }
}

#[test]
fn t23_an_answer_after_three_seconds_is_waited_for() {
    let site = Site::new();
    let (mut phone, zone) = zone(&site);
    let mut desk = Peer::new(Over::Udp, "127.0.0.22", site.sip);
    let site = site.user("1002", &[&desk], "missed_calls = \"off\"");
    let dns = Dns::new(&zone);
    dns.mood("sip.test", Mood::Late(Duration::from_secs(3)));
    let mut office = Office::of(site, &dns, "timeout = \"7s\"", "sip.test");
    let since = Instant::now();
    office.pbx.invite("1001");
    let mut others = Peer::new(Over::Udp, "127.0.0.1", office.ringpost.sip);
    others.invite("1002");
    desk.expect("INVITE");
    assert!(since.elapsed() < SOON, "others do not wait");
    phone.expect("INVITE");
    assert!(since.elapsed() >= Duration::from_secs(3));
}
