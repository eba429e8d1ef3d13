//! Calls go back the way that the registration came (RFC 5626), and to one device by its GRUU (RFC 5627).

use std::{thread, time::Duration};

use crate::{
    phone::{Phone, site},
    support::{Over, Peer, until},
};

const INSTANCE: &str = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"";

/// A device that nothing but its connection reaches.
fn behind_nat(ringpost: &crate::support::Ringpost, user: &str, more: &str) -> Phone {
    let mut phone = Phone::new(Over::Tcp, "127.0.0.4", ringpost, user);
    phone.contact = format!("<sip:{user}@phone.invalid;transport=tcp>;{more}");
    phone
}

fn rings_and_is_busy(pbx: &mut Peer, phone: &mut Phone, user: &str) {
    let invite = pbx.invite(user);
    let rings = phone.peer.expect("INVITE");
    phone.peer.answer(&rings, 486);
    phone.peer.expect("ACK");
    pbx.refused(&invite, 486);
}

#[test]
fn calls_come_by_the_connection_of_the_registration() {
    for lanes in ["lanes = 1", "lanes = 3"] {
        // Longer than the connection may be silent otherwise.
        let site = site().sip(lanes).sip("idle_timeout = \"400ms\"");
        let mut pbx = site.peer(Over::Udp);
        let ringpost = site.start();
        let mut phone = behind_nat(&ringpost, "1001", &format!("{INSTANCE};reg-id=1"));
        let ok = phone.registers("Supported: outbound, gruu\r\n");
        assert_eq!((ok.what(), ok.one("Require")), ("200", "outbound"), "{ok}");
        assert!(!ok.one("Flow-Timer").is_empty());
        for _ in 0..4 {
            rings_and_is_busy(&mut pbx, &mut phone, "1001");
        }
        thread::sleep(Duration::from_millis(900));
        rings_and_is_busy(&mut pbx, &mut phone, "1001");
        phone.peer.send(b"\r\n\r\n");
        assert_eq!(phone.peer.blank(Duration::from_secs(2)), b"\r\n", "RFC 5626 §4.4.1");
        // The connection breaks: nobody is there any more, at once.
        drop(phone);
        let mut gone = false;
        until("the device is offline", || {
            let invite = pbx.invite("1001");
            gone = pbx.next(Duration::from_millis(500)).is_some_and(|answer| answer.what() == "480");
            if !gone {
                pbx.cancel(&invite, "");
            }
            gone
        });
    }
}

/// Two flows of one device: it rings once, by the later one; where that is dead, by the other.
#[test]
fn a_dead_flow_fails_over_to_another() {
    let site = site();
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site.start();
    let mut flows = [1, 2].map(|n| behind_nat(&ringpost, "1001", &format!("{INSTANCE};reg-id={n}")));
    for (at, flow) in flows.iter_mut().enumerate() {
        let ok = flow.registers(&format!("Supported: outbound\r\nExpires: {}\r\n", 600 + at * 600));
        assert_eq!((ok.what(), ok.all("Contact").len()), ("200", at + 1), "{ok}");
    }
    let [mut first, mut second] = flows;
    let invite = pbx.invite("1001");
    let rings = second.peer.expect("INVITE");
    second.peer.answer(&rings, 430);
    second.peer.expect("ACK");
    let again = first.peer.expect("INVITE");
    assert_ne!(again.one("Call-ID"), rings.one("Call-ID"), "a leg of its own");
    first.peer.answer(&again, 486);
    first.peer.expect("ACK");
    pbx.refused(&invite, 486);
    // The flow that failed is no binding any more (RFC 5626 §5.3).
    let (_, all) = first.asks("REGISTER", "sip:corp.test", "", "", 0);
    assert!(all.one("Contact").contains("reg-id=1"), "{all}");
    rings_and_is_busy(&mut pbx, &mut first, "1001");
}

/// A phone behind a NAT on UDP: its Contact is of another network, so calls go where the REGISTER came from.
#[test]
fn a_mapped_phone_is_called_where_it_came_from() {
    let site = site();
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site.start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.4", &ringpost, "1001");
    phone.contact = "<sip:1001@192.168.77.5:5060>".into();
    let lines = format!("Contact: {}\r\n", phone.contact);
    for _ in 0..2 {
        let proof = phone.proof("REGISTER", "sip:corp.test");
        let text = phone.draft("REGISTER", "sip:corp.test", &format!("{lines}{proof}"), "");
        let own = format!("UDP {}", phone.peer.address);
        phone.peer.send(text.replace(&own, "UDP 192.168.77.5:5060").as_bytes());
        let answer = phone.peer.next(crate::support::PATIENCE).expect("an answer");
        if answer.what() == "401" {
            phone.note(&answer, 0);
        } else {
            assert_eq!(answer.what(), "200");
        }
    }
    let invite = pbx.invite("1001");
    let rings = phone.peer.expect("INVITE");
    assert_eq!(rings.uri(), "sip:1001@192.168.77.5:5060");
    phone.peer.answer(&rings, 486);
    phone.peer.expect("ACK");
    pbx.refused(&invite, 486);
}

/// A GRUU reaches one device of a user; a temporary one does not say whose.
#[test]
fn a_gruu_reaches_one_device() {
    let site = site();
    let mut pbx = site.peer(Over::Udp);
    let mut ringpost = site.start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.4", &ringpost, "1001");
    let mut other = Phone::new(Over::Udp, "127.0.0.5", &ringpost, "1001");
    assert_eq!(other.registers("").what(), "200");
    phone.contact = format!("{};{INSTANCE}", phone.contact);
    let told = |phone: &mut Phone| {
        let ok = phone.registers("Supported: gruu\r\n");
        let all = ok.all("Contact").join("\n");
        let one = |name: &str| all.split(name).nth(1).and_then(|r| r.split('"').next()).map(str::to_owned);
        (one("pub-gruu=\"").expect("a GRUU"), one("temp-gruu=\"").expect("a GRUU"))
    };
    let (public, temporary) = told(&mut phone);
    let (same, another) = told(&mut phone);
    assert_eq!(public, "sip:1001@corp.test;gr=urn:uuid:00000000-0000-1000-8000-000a95a0e128");
    assert_eq!(public, same);
    assert!(temporary != another && !temporary.contains("1001"), "{temporary} {another}");
    let reaches = |pbx: &mut Peer, phone: &mut Phone, other: &mut Phone, gruu: &str| {
        pbx.request("INVITE", gruu, "", crate::support::SDP);
        let rings = phone.peer.expect("INVITE");
        phone.peer.answer(&rings, 486);
        phone.peer.expect("ACK");
        pbx.expect("486");
        other.peer.silent_for(Duration::from_millis(20));
    };
    for gruu in [&public, &temporary, &another] {
        reaches(&mut pbx, &mut phone, &mut other, gruu);
    }
    // Who has one can call back after a restart, and the next ones come of the same key.
    ringpost.kill();
    ringpost.restart();
    let (_, third) = told(&mut phone);
    for gruu in [&public, &temporary, &another, &third] {
        reaches(&mut pbx, &mut phone, &mut other, gruu);
    }
}

#[test]
fn a_udp_flow_is_kept_open_by_stun_and_blank_datagrams_are_passed_over() {
    let ringpost = site().start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.4", &ringpost, "1001");
    let ask = [&b"\0\x01\0\0\x21\x12\xa4\x42"[..], b"twelve bytes"].concat();
    // A stranger may have forged the address: whoever is there has not asked.
    phone.peer.send(&ask);
    assert_eq!(phone.peer.octets(Duration::from_millis(100)), None);
    assert_eq!(phone.registers("Supported: outbound\r\n").what(), "200");
    phone.peer.send(b"\r\n\r\n");
    phone.peer.send(&ask);
    // RFC 5626 §4.4.2; a double CRLF has an answer on streams only (§4.4.1).
    let answer = phone.peer.octets(Duration::from_secs(5)).expect("an answer");
    assert_eq!((&answer[..4], &answer[4..20]), (&b"\x01\x01\0\x0c"[..], &ask[4..]));
    let port = u16::from_be_bytes([answer[26], answer[27]]) ^ 0x2112;
    assert_eq!(port, phone.peer.address.port());
    assert!(!ringpost.log().contains("Not SIP"), "{}", ringpost.log());
}
