//! What strangers may do (T9, T10): how much of it, when it is too much, and that nothing of it grows.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use ringpost::{
    security::{Gate, Toll, is_scanner, size},
    settings::{Network, Security},
    sip::Message,
};

fn settings() -> Security {
    Security {
        rate: 10,
        burst: 20,
        trunk_rate: None,
        open: 100,
        refusals: 5,
        sources: 100,
        scanners: vec!["friendly-scanner".into(), "sipvicious".into()],
        ban_after: 3,
        ban_window: Duration::from_secs(60),
        ban_time: Duration::from_secs(600),
        never_ban: vec![Network { address: ip("192.0.2.0"), prefix: 24 }],
        connections: 10,
        half_sent: Duration::from_secs(10),
        product: None,
        headers: 30,
        vias: 3,
        body: 100,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn paid(gate: &mut Gate, source: &str, times: usize, now: u64) -> usize {
    (0..times).filter(|_| gate.request(ip(source), now) == Toll::Paid).count()
}

#[test]
fn a_source_may_send_so_much_at_once_and_then_so_much_in_a_second() {
    let mut gate = Gate::new(settings());
    assert_eq!(paid(&mut gate, "198.51.100.1", 50, 0), 20, "the burst");
    assert_eq!(paid(&mut gate, "198.51.100.1", 50, 100), 1);
    assert_eq!(paid(&mut gate, "198.51.100.1", 50, 1_100), 10);
    assert_eq!(paid(&mut gate, "198.51.100.2", 50, 1_100), 20, "another source");
    assert_eq!(paid(&mut gate, "::ffff:198.51.100.2", 50, 1_100), 0, "the same source");
    // All of an IPv6 network's addresses are one host's for the asking.
    assert_eq!(paid(&mut gate, "2001:db8:0:1::1", 20, 0), 20);
    assert_eq!(paid(&mut gate, "2001:db8:0:1:ffff::9", 20, 0), 0);
    assert_eq!(paid(&mut gate, "2001:db8:0:2::1", 20, 0), 20);
}

#[test]
fn the_requests_that_may_be_open_are_bounded_too() {
    let mut gate = Gate::new(Security { rate: 1_000, burst: 1_000, ..settings() });
    assert_eq!(paid(&mut gate, "198.51.100.1", 1_000, 0), 100);
    assert_eq!(paid(&mut gate, "198.51.100.1", 1_000, 8_000), 32, "4 in a second: all again after 64*T1");
}

#[test]
fn a_trunk_has_a_limit_of_its_own() {
    let mut gate = Gate::new(settings());
    let mut sent =
        |now| (0..200).filter(|_| gate.trunk_request(ip("10.0.0.1"), 100, now) == Toll::Paid).count();
    assert_eq!((sent(0), sent(500), sent(60_000)), (100, 50, 100));
}

#[test]
fn a_stranger_is_told_no_so_often_and_no_more() {
    let mut gate = Gate::new(settings());
    let mut told = |now| (0..100).filter(|_| gate.may_refuse(ip("198.51.100.1"), now)).count();
    assert_eq!((told(0), told(1_000), told(2_000)), (10, 5, 5));
}

#[test]
fn failures_in_a_row_ban_for_a_time() {
    let mut gate = Gate::new(settings());
    let source = ip("198.51.100.1");
    assert!(!gate.failed(source, 0) && !gate.failed(source, 0));
    // Out of the window: counted anew.
    assert!(!gate.failed(source, 61_000) && !gate.failed(source, 61_000));
    assert!(!gate.is_banned(source, 61_000));
    assert!(gate.failed(source, 61_000), "the third");
    assert!(gate.is_banned(source, 61_000) && gate.is_banned(source, 660_999));
    assert!(!gate.is_banned(ip("198.51.100.2"), 61_000));
    assert!(!gate.is_banned(source, 661_001) && gate.banned() == 0, "the ban is over");
    // Whom a ban would hit by a forged address.
    assert!(!gate.ban(ip("192.0.2.9"), 0));
    gate.proven(source, 700_000);
    assert!(gate.is_proven(source, 700_001) && !gate.is_proven(ip("198.51.100.2"), 700_001));
    assert!((0..10).all(|_| !gate.failed(source, 700_000)), "it has proved who it is");
    assert!(!gate.ban(source, 700_000) && gate.ban(source, 700_000 + 3_600_001));
    // A gate that bans nobody for failures.
    let mut mild = Gate::new(Security { ban_after: 0, ..settings() });
    assert!((0..1_000).all(|_| !mild.failed(source, 0)));
}

#[test]
fn a_million_sources_take_no_more_room_than_a_hundred() {
    let mut gate = Gate::new(settings());
    let source = |n: u32| IpAddr::from((0x0b00_0000 + n).to_be_bytes());
    for n in 0..1_000_000 {
        let _ = gate.request(source(n), u64::from(n / 1_000));
        let _ = gate.failed(source(n), u64::from(n / 1_000));
    }
    assert!(gate.len() <= 100);
    // Whoever finds no place shares one limit, and is not banned for what others did.
    let now = 1_000;
    assert!((0..1_000).filter(|n| gate.request(source(2_000_000 + n), now) == Toll::Paid).count() <= 20);
    assert!(!gate.is_banned(source(2_000_000), now));
    // When the flood is over there is room again, for the banned ones of it are remembered only so long.
    assert_eq!(gate.request(ip("198.51.100.7"), 10_000_000), Toll::Paid);
    assert!(gate.len() <= 2, "{}", gate.len());
}

#[test]
fn a_reload_changes_the_limits_and_forgets_nobody() {
    let mut gate = Gate::new(settings());
    assert!(gate.ban(ip("198.51.100.1"), 0));
    gate.reload(Security { burst: 5, ..settings() });
    assert!(gate.is_banned(ip("198.51.100.1"), 1));
    assert_eq!(paid(&mut gate, "198.51.100.2", 50, 0), 5);
}

fn request(lines: &str, body: usize) -> Message {
    let text = format!(
        "OPTIONS sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <sip:a@h>\r\n{lines}\
         Content-Length: {body}\r\n\r\n{}",
        "x".repeat(body)
    );
    Message::read(Bytes::from(text)).expect("SIP")
}

#[test]
fn a_scanner_is_known_by_what_it_says_of_itself() {
    for (lines, scans) in [
        ("User-Agent: friendly-scanner\r\n", true),
        ("User-Agent: Friendly-SCANNER/1\r\n", true),
        ("From: \"sipvicious\"<sip:100@1.1.1.1>;tag=1\r\n", true),
        ("User-Agent: a phone\r\nFrom: <sip:b@h>;tag=1\r\n", false),
        ("User-Agent: friendly\r\n", false),
        ("", false),
    ] {
        assert_eq!(is_scanner(&settings(), &request(lines, 0)), scans, "{lines}");
    }
}

#[test]
fn what_is_too_large_is_told_so() {
    let via = "Via: SIP/2.0/UDP h;branch=z9hG4bK1, SIP/2.0/UDP h;branch=z9hG4bK2\r\n";
    for (lines, body, answer) in [
        (String::new(), 100, Ok(())),
        (String::new(), 101, Err((413, "Request Entity Too Large"))),
        ("X: y\r\n".repeat(27), 0, Ok(())),
        ("X: y\r\n".repeat(28), 0, Err((400, "Too Many Header Fields"))),
        (via.into(), 0, Ok(())),
        (via.repeat(2), 0, Err((400, "Too Many Via"))),
    ] {
        assert_eq!(size(&settings(), &request(&lines, body)), answer, "{lines} {body}");
    }
}
