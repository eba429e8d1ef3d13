//! What opens the door and what does not (T9, T11, T12, T14).

use std::time::Duration;

use crate::{
    phone::{Phone, site},
    support::{Over, Peer, SDP, Sip},
};

fn code(phone: &mut Phone, headers: &str) -> String {
    let contact = format!("Contact: {}\r\n{headers}", phone.contact);
    let text = phone.draft("REGISTER", "sip:corp.test", &contact, "");
    phone.peer.send(text.as_bytes());
    phone.peer.next(crate::support::PATIENCE).expect("an answer").what().to_owned()
}

/// T11: absent, two headers, unknown algorithm, wrong realm, uri, nc, stale nonce, empty, 64 KB: never 200, never a crash.
#[test]
fn no_false_credentials_open_the_door() {
    let ringpost = site().start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    assert_eq!(phone.registers("").what(), "200");
    let fresh = |phone: &mut Phone| phone.proof("REGISTER", "sip:corp.test");
    let good = fresh(&mut phone);
    let nonce = good.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce");
    let old = good.replace(nonce, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let rows = [
        (String::new(), "401"),
        ("Authorization: \r\n".into(), "401"),
        ("Authorization: Digest\r\n".into(), "400"),
        ("Authorization: Basic MTAwMTp4\r\n".into(), "401"),
        (format!("{good}{good}"), "400"),
        (good.replace("SHA-256", "SHA3-512"), "401"),
        (good.replace("SHA-256", "MD5"), "401"),
        (good.replace("realm=\"corp.test\"", "realm=\"other.test\""), "401"),
        (good.replace("realm=\"corp.test\", ", ""), "400"),
        (good.replace("uri=\"sip:corp.test\"", "uri=\"sip:other.test\""), "400"),
        (good.replace("nc=00000002", "nc=00000009"), "401"),
        (good.replace("nc=00000002", "nc=2"), "400"),
        (good.replace("username=\"1001\"", "username=\"1002\""), "401"),
        (good.replace("username=\"1001\"", "username=\"\""), "400"),
        (old, "401"),
        (good.replace("response=\"", "response=\"00"), "401"),
        (format!("Authorization: Digest username=\"{}\"\r\n", "a".repeat(60_000)), "400"),
        (format!("Authorization: Digest {}\r\n", "a=b,".repeat(10_000)), "400"),
        (format!("Authorization: {}\r\n", ",".repeat(5_000)), "400"),
        ("Authorization: Digest \"\\\r\n".into(), "400"),
    ];
    for (lines, expected) in rows {
        // A retransmission would be another matter: each of these is a new request.
        assert_eq!(code(&mut phone, &lines), expected, "{lines:.200}");
    }
    assert_eq!(code(&mut phone, &good), "200", "it was good all the time");
    assert_eq!(code(&mut phone, &good), "401", "and serves once");
    ringpost.stops_well();
}

/// A REGISTER that the network repeats has one answer and changes nothing twice; one that an attacker repeats has none.
#[test]
fn a_repeated_register_is_told_from_a_replayed_one() {
    let ringpost = site().start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    assert_eq!(phone.registers("").what(), "200");
    let proof = phone.proof("REGISTER", "sip:corp.test");
    let lines = format!("Contact: {}\r\n{proof}", phone.contact);
    let text = phone.draft("REGISTER", "sip:corp.test", &lines, "");
    phone.peer.send(text.as_bytes());
    phone.peer.send(text.as_bytes());
    let first = phone.peer.expect("200");
    phone.peer.send(text.as_bytes());
    phone.peer.silent_for(Duration::from_millis(100));
    assert!(phone.peer.repeated > 0, "the repeated ones got the same answer: {first}");
    let mut thief = Peer::new(Over::Udp, "127.0.0.9", ringpost.sip);
    let stolen = text.replace(&phone.call_id, "stolen").replace("branch=z9hG4bK", "branch=z9hG4bKthief");
    let stolen = stolen.replace(&phone.contact, &format!("<{}>", thief.uri()));
    thief.send(stolen.as_bytes());
    assert!(thief.expect("401").first("WWW-Authenticate").contains("stale=true"));
}

/// T12: whatever a stranger sends is challenged; who has proved to be one user is not another.
#[test]
fn each_request_needs_credentials_and_a_name_of_its_own() {
    let ringpost = site().start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    let uri = "sip:1002@corp.test";
    for method in
        ["REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "INFO", "REFER", "OPTIONS", "NOTIFY", "FOO"]
    {
        let body = if method == "INVITE" { SDP } else { "" };
        let text = phone.draft(method, uri, &format!("Contact: {}\r\n", phone.contact), body);
        phone.peer.send(text.as_bytes());
        let answer = phone.peer.expect("401");
        let offered = answer.all("WWW-Authenticate");
        assert!(offered[0].contains("SHA-256") && offered[1].contains("MD5"), "{method}: {answer}");
    }
    assert_eq!(phone.registers("").what(), "200");
    for (method, from, expected) in [
        ("INVITE", "1002", "403"),
        ("OPTIONS", "1002", "403"),
        ("REGISTER", "1002", "403"),
        ("MESSAGE", "1001", "405"),
        ("SUBSCRIBE", "1001", "405"),
        ("OPTIONS", "1001", "200"),
    ] {
        let proof = phone.proof(method, uri);
        let lines = format!("Contact: {}\r\n{proof}", phone.contact);
        let body = if method == "INVITE" { SDP } else { "" };
        let text = phone.draft(method, uri, &lines, body);
        let text = text.replace("From: <sip:1001@", &format!("From: <sip:{from}@"));
        phone.peer.send(text.as_bytes());
        let answer = phone.peer.next(crate::support::PATIENCE).expect("an answer");
        assert_eq!(answer.what(), expected, "{method} as {from}");
    }
    // To of a REGISTER is the address of record: only one's own.
    let proof = phone.proof("REGISTER", "sip:corp.test");
    let lines = format!("Contact: {}\r\n{proof}", phone.contact);
    let text = phone.draft("REGISTER", "sip:corp.test", &lines, "");
    phone.peer.send(text.replace("To: <sip:1001@", "To: <sip:1002@").as_bytes());
    phone.peer.expect("403");
    ringpost.stops_well();
}

/// T14: what svwar and svcrack see is the same for users that exist and for those that do not, to the last octet that is no
/// nonce; after some wrong passwords nobody tries any more, not even with the right one.
#[test]
fn known_and_unknown_users_look_the_same() {
    let ringpost = site().start();
    let mut seen = vec![];
    for user in ["1001", "9999"] {
        let mut scanner = Phone::new(Over::Udp, "127.0.0.7", &ringpost, user);
        scanner.password = "guess".into();
        let mut answers = vec![];
        for _ in 0..13 {
            let proof = scanner.proof("REGISTER", "sip:corp.test");
            let text = scanner.draft("REGISTER", "sip:corp.test", &proof, "");
            scanner.peer.send(text.as_bytes());
            let answer = scanner.peer.next(crate::support::PATIENCE).expect("an answer");
            if answer.what() == "401" {
                scanner.note(&answer, 0);
            }
            answers.push(shape(&answer, user));
        }
        assert!(
            answers[1].starts_with("SIP/2.0 401") && answers[12].starts_with("SIP/2.0 403"),
            "{answers:#?}"
        );
        scanner.password = crate::phone::PASSWORD.into();
        let proof = scanner.proof("REGISTER", "sip:corp.test");
        let text = scanner.draft("REGISTER", "sip:corp.test", &proof, "");
        scanner.peer.send(text.as_bytes());
        scanner.peer.expect("403");
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    assert_eq!(phone.registers("").what(), "200", "the owner, elsewhere, is not locked out");
    ringpost.stops_well();
}

/// An answer without what is different in every one.
fn shape(answer: &Sip, user: &str) -> String {
    let varies = ["Via:", "Call-ID:", "To:", "From:"];
    let lines = String::from_utf8_lossy(&answer.raw).replace(user, "USER");
    let lines = lines.lines().filter(|line| !varies.iter().any(|name| line.starts_with(name)));
    let lines = lines.map(|line| match line.split_once("nonce=\"") {
        Some((before, after)) => format!("{before}{}", after.get(32..).unwrap_or("")),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// T9: a flood of REGISTERs, each of another user, is answered or dropped without memory, and a call goes through it.
#[test]
fn a_flood_of_registers_costs_no_memory() {
    let site = site();
    // The flood may fill the socket's buffer, and these peers send everything once.
    let mut pbx = site.peer(Over::Tcp);
    let ringpost = site.start();
    let mut phone = Phone::new(Over::Tcp, "127.0.0.2", &ringpost, "1001");
    assert_eq!(phone.registers("").what(), "200");
    let mut flood = Phone::new(Over::Udp, "127.0.0.8", &ringpost, "x");
    let mut wave = |from: usize| {
        for number in from..from + 20_000 {
            flood.user = format!("user{number}");
            flood.call_id = format!("flood-{number}");
            let false_proof = format!(
                "Authorization: Digest username=\"user{number}\", realm=\"corp.test\", nonce=\"x{number}\", \
                 uri=\"sip:corp.test\", response=\"00\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"1\"\r\n"
            );
            let text = flood.draft("REGISTER", "sip:corp.test", &false_proof, "");
            flood.peer.send(text.as_bytes());
        }
    };
    wave(0);
    let before = ringpost.resident();
    wave(20_000);
    wave(40_000);
    let grown = ringpost.resident().saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB more");
    pbx.invite("1001");
    let rings = phone.peer.expect("INVITE");
    phone.peer.answer(&rings, 200);
    phone.peer.expect("ACK");
    pbx.expect("200");
    ringpost.is_well();
}

/// The contract of issue 2: where nobody has a password, a stranger gets 403 for everything.
#[test]
fn without_passwords_a_stranger_is_refused_as_ever() {
    let site = crate::support::Site::new();
    let desk = site.peer(Over::Udp);
    let ringpost = site.user("1001", &[&desk], "missed_calls = \"off\"").start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let text = phone.draft(method, "sip:1001@corp.test", "Contact: <sip:1001@127.0.0.2>\r\n", "");
        phone.peer.send(text.as_bytes());
        phone.peer.expect("403");
    }
    ringpost.stops_well();
}

/// T19: a device that has proved who it is may not send its calls to a trunk, past `allowed_prefixes`.
#[test]
fn nobody_registers_a_trunk_as_a_telephone() {
    let trunk = "[[trunk]]\nname = \"out\"\nsources = [\"127.0.0.77\"]\ntarget = \"sip:gateway.example\"\n\
                 numbers = [\"+4511111111\"]\n[outbound]\nallowed_prefixes = [\"+4511\"]";
    let ringpost = site().table(trunk).start();
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    let own = phone.contact.clone();
    let rows = [
        ("<sip:+900123@127.0.0.77>", "", "403"),
        ("<sip:+900123@127.0.0.77:5070;transport=tcp>", "", "403"),
        ("<sip:+900123@GATEWAY.example;transport=udp>", "", "403"),
        ("<sip:1001@127.0.0.2>, <sip:+900123@[::ffff:127.0.0.77]>", "", "403"),
        ("<sip:+900123@other.example>", "Path: <sip:127.0.0.77;lr>\r\n", "403"),
        (&own, "", "200"),
    ];
    for (contact, lines, expected) in rows {
        phone.contact = contact.into();
        let answer = phone.registers(lines);
        assert_eq!(answer.what(), expected, "{contact} {lines}: {answer}");
    }
    ringpost.stops_well();
}
