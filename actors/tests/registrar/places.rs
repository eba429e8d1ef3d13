//! Where calls go: to what has registered, to what the site file names, to both; and what a restart leaves of it.

use std::time::Duration;

use crate::{
    phone::{PASSWORD, Phone, site},
    support::{Over, Peer, SDP},
};

/// R1, R58: a device that has proved who it is rings, whatever algorithm it knows.
#[test]
fn a_phone_registers_and_is_called() {
    for over in Over::BOTH {
        for choice in [0, 1] {
            let site = site();
            let mut pbx = site.peer(Over::Udp);
            let ringpost = site.start();
            let mut phone = Phone::new(over, "127.0.0.2", &ringpost, "1001");
            let contact = format!("Contact: {}\r\n", phone.contact);
            let (_, ok) = phone.asks("REGISTER", "sip:corp.test", &contact, "", choice);
            assert_eq!(ok.what(), "200", "{ok}");
            assert_eq!(ok.one("Contact"), format!("{};expires=3600", phone.contact));
            let invite = pbx.invite("1001");
            let rings = phone.peer.expect("INVITE");
            assert_eq!(format!("<{}>", rings.uri()), phone.contact);
            phone.peer.answer(&rings, 200);
            phone.peer.expect("ACK");
            assert_eq!(pbx.expect("200").one("Call-ID"), invite.one("Call-ID"));
        }
    }
}

/// R8: nobody registered and no device in the site file is offline; it is so again when the phone has said goodbye.
#[test]
fn who_has_not_registered_is_offline() {
    let site = site();
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site.start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    let invite = pbx.invite("1001");
    pbx.refused(&invite, 480);
    assert_eq!(phone.registers("").what(), "200");
    let gone = phone.registers("Expires: 0\r\n");
    assert_eq!((gone.what(), gone.all("Contact").len()), ("200", 0), "{gone}");
    let invite = pbx.invite("1001");
    pbx.refused(&invite, 480);
    assert_eq!(phone.registers("Expires: 1\r\n").what(), "200");
    std::thread::sleep(Duration::from_millis(2_100));
    let invite = pbx.invite("1001");
    pbx.refused(&invite, 480);
    phone.peer.silent_for(Duration::from_millis(20));
    ringpost.stops_well();
}

/// R1: fixed and registered devices ring together; one that is both rings once.
#[test]
fn fixed_and_registered_devices_ring_together() {
    let site = site();
    let (mut pbx, mut desk) = (site.peer(Over::Udp), Peer::new(Over::Udp, "127.0.0.4", site.sip));
    let lines = format!("password = \"{PASSWORD}\"\nmissed_calls = \"off\"");
    let ringpost = site.user("1003", &[&desk], &lines).start();
    let mut phones = ["127.0.0.2", "127.0.0.3"].map(|ip| Phone::new(Over::Udp, ip, &ringpost, "1003"));
    for phone in &mut phones {
        assert_eq!(phone.registers("").what(), "200");
    }
    // The desk phone registers, too.
    phones[0].contact = format!("<{}>", desk.uri());
    let all = phones[0].registers("");
    assert_eq!(all.all("Contact").len(), 3, "{all}");
    pbx.invite("1003");
    let at_desk = desk.expect("INVITE");
    let mut rung: Vec<_> = phones.iter_mut().map(|phone| phone.peer.expect("INVITE")).collect();
    for (phone, invite) in phones.iter_mut().zip(&rung) {
        phone.peer.answer(invite, 180);
    }
    pbx.expect("180");
    desk.answer(&at_desk, 200);
    desk.expect("ACK");
    for (phone, invite) in phones.iter_mut().zip(rung.drain(..)) {
        let cancel = phone.peer.expect("CANCEL");
        phone.peer.answer(&cancel, 200);
        phone.peer.answer(&invite, 487);
        phone.peer.expect("ACK");
    }
    pbx.expect("200");
    desk.silent_for(Duration::from_millis(30));
}

/// One user calls another; the callee sees who calls, and what the phone asserts of itself does not count.
#[test]
fn a_registered_phone_calls_another() {
    for lanes in ["lanes = 1", "lanes = 2"] {
        let ringpost = site().sip(lanes).start();
        let mut one = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
        let mut other = Phone::new(Over::Tcp, "127.0.0.3", &ringpost, "1002");
        assert_eq!(one.registers("").what(), "200");
        assert_eq!(other.registers("").what(), "200");
        one.call_id = "user-to-user".into();
        let lines = format!("Contact: {}\r\nP-Asserted-Identity: <sip:boss@corp.test>\r\n", one.contact);
        one.asked = None;
        let uri = "sip:1002@corp.test";
        let text = one.draft("INVITE", uri, &lines, SDP);
        one.peer.send(text.as_bytes());
        let challenge = one.peer.expect("401");
        one.note(&challenge, 0);
        let proof = one.proof("INVITE", uri);
        let text = one.draft("INVITE", uri, &format!("{lines}{proof}"), SDP);
        one.peer.send(text.as_bytes());
        let rings = other.peer.expect("INVITE");
        assert!(rings.one("From").contains("sip:1001@corp.test"), "{rings}");
        assert_eq!(rings.first("P-Asserted-Identity"), "");
        assert_eq!(rings.first("Authorization"), "");
        other.peer.answer(&rings, 200);
        other.peer.expect("ACK");
        assert!(one.peer.expect("200").first("CSeq").ends_with("INVITE"));
        // Each REGISTER and call has another Call-ID: whatever lane they fall on, they find each other.
        for _ in 0..4 {
            let (_, answer) = other.calls("1001");
            assert_ne!(answer.what(), "404", "{answer}");
            let rings = one.peer.expect("INVITE");
            one.peer.answer(&rings, 486);
            one.peer.expect("ACK");
        }
    }
}

/// A restart, planned or not, loses no registration (kill -9 after the 200).
#[test]
fn a_restart_loses_no_binding() {
    let site = site();
    let mut pbx = site.peer(Over::Udp);
    let mut ringpost = site.start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    let mut gone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1002");
    assert_eq!(phone.registers("").what(), "200");
    assert_eq!(gone.registers("").what(), "200");
    assert_eq!(gone.registers("Expires: 0\r\n").what(), "200");
    ringpost.kill();
    ringpost.restart();
    let invite = pbx.invite("1001");
    let rings = phone.peer.expect("INVITE");
    phone.peer.answer(&rings, 486);
    phone.peer.expect("ACK");
    pbx.refused(&invite, 486);
    let invite = pbx.invite("1002");
    pbx.refused(&invite, 480);
    // The nonce of before is no longer ours: the phone is told that it is old, and comes again by itself.
    let proof = phone.proof("REGISTER", "sip:corp.test");
    let text = phone.draft("REGISTER", "sip:corp.test", &proof, "");
    phone.peer.send(text.as_bytes());
    assert!(phone.peer.expect("401").first("WWW-Authenticate").contains("stale=true"));
    assert_eq!(phone.registers("").what(), "200");
}

/// RFC 3261 §10.3: what a REGISTER may ask, and what it is told.
#[test]
fn each_registration_has_its_answer() {
    let ringpost = site().table("").start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    let base = phone.contact.clone();
    let own = |more: &str| format!("Contact: {base}{more}\r\n");
    let rows = [
        (own(""), "200", 1),
        (own(";expires=99999999"), "200", 1),
        ("Contact: *\r\n".into(), "400", 0),
        ("Contact: *\r\nExpires: 60\r\n".into(), "400", 0),
        (format!("Contact: *\r\nExpires: 0\r\n{}", own("")), "400", 0),
        ("Contact: <tel:+45>\r\n".into(), "400", 0),
        ("Contact: <sip:a@b?Route=x>\r\n".into(), "400", 0),
        (String::new(), "200", 1),
        ("Require: path, foo\r\n".into(), "420", 0),
        (format!("Require: path\r\n{}", own("")), "200", 1),
        ("Contact: *\r\nExpires: 0\r\n".into(), "200", 0),
        (own(";q=0.5"), "200", 1),
    ];
    for (lines, code, contacts) in rows {
        let (_, answer) = phone.asks("REGISTER", "sip:corp.test", &lines, "", 0);
        assert_eq!((answer.what(), answer.all("Contact").len()), (code, contacts), "{lines}\n{answer}");
    }
    phone.sequence -= 5;
    assert_eq!(phone.registers("").what(), "500", "a REGISTER that was overtaken");
    phone.sequence += 5;
    let many: String = (1..=11).map(|n| format!("Contact: <sip:1001@192.0.2.{n}>\r\n")).collect();
    let (_, full) = phone.asks("REGISTER", "sip:corp.test", &many, "", 0);
    assert_eq!(full.what(), "403", "max_bindings");
    let (_, all) = phone.asks("REGISTER", "sip:corp.test", "", "", 0);
    assert_eq!(all.one("Contact"), format!("{base};expires=3600;q=0.500"), "nothing of it has happened");
}

/// RFC 3327: calls go by the proxy that the registration came by.
#[test]
fn calls_follow_the_path() {
    let site = site();
    // The edge is no trunk: nobody may register a way there.
    let (mut pbx, mut edge) = (site.peer(Over::Udp), Peer::new(Over::Udp, "127.0.0.5", site.sip));
    let ringpost = site.start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    phone.contact = "<sip:1001@phone.invalid>".into();
    let path = format!("<sip:edge@{};lr>", edge.address);
    let ok = phone.registers(&format!("Supported: path\r\nPath: {path}\r\n"));
    assert_eq!((ok.what(), ok.one("Path")), ("200", path.as_str()));
    pbx.invite("1001");
    let by = edge.expect("INVITE");
    assert_eq!((by.uri(), by.one("Route")), ("sip:1001@phone.invalid", path.as_str()));
    edge.answer(&by, 200);
    // The edge did not record its route, so the ACK goes to the phone's own Contact.
    pbx.expect("200");
}
