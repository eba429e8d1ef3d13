//! What a REGISTER makes of a user's bindings (RFC 3261 §10.3, RFC 3327, 5626, 5627), and where calls go then.

mod reach;

use bytes::Bytes;
use ringpost::{
    registrar::{Binding, Gruus, LockOuts, Refused, Rules, Told, Wish, accepted, register},
    settings::Transport,
    sip::{Message, peer::Peer},
};

const NOW: u64 = 1_800_000_000;
const RULES: Rules = Rules { expires: 3_600, min: 60, max: 86_400, most: 3 };
const URN: &str = "+sip.instance=\"<urn:uuid:1>\"";

fn peer(transport: Transport) -> Peer {
    Peer {
        transport,
        address: "198.51.100.7:4711".parse().expect("an address"),
        listener: 0,
        connection: if transport == Transport::Tcp { 9 } else { 0 },
    }
}

fn message(call_id: &str, cseq: u32, lines: &str) -> Message {
    let text = format!(
        "REGISTER sip:lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:4711;branch=z9hG4bK1\r\n\
         From: <sip:1001@lab.test>;tag=1\r\nTo: <sip:1001@lab.test>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n\
         {lines}\r\n"
    );
    Message::read(Bytes::from(text)).expect("a REGISTER")
}

/// What becomes of bindings; `over` is where the REGISTER came from.
fn after(
    bindings: &[Binding],
    (call_id, cseq, lines): (&str, u32, &str),
    over: Transport,
    now: u64,
) -> Result<Vec<Binding>, Refused> {
    let message = message(call_id, cseq, lines);
    let from = peer(over);
    register(bindings, &Wish::read(&message, &from)?, &from, &RULES, now)
}

/// `uri expires` of each binding, seconds left.
fn shown(bindings: &[Binding], now: u64) -> Vec<String> {
    bindings.iter().map(|b| format!("{} {}", b.uri, b.expires - now)).collect()
}

/// Each row is one REGISTER after the other: Call-ID, CSeq, its lines, when it comes, and what is bound then.
#[test]
fn a_history_of_registrations() {
    type Row = (&'static str, u32, &'static str, u64, Result<&'static [&'static str], Refused>);
    let rows: [Row; 21] = [
        ("a", 1, "Contact: <sip:1@h1>\r\n", 0, Ok(&["sip:1@h1 3600"])),
        ("a", 2, "", 0, Ok(&["sip:1@h1 3600"])),
        ("a", 2, "Contact: <sip:1@h1>\r\nExpires: 100\r\n", 10, Ok(&["sip:1@h1 100"])),
        ("a", 2, "Contact: <sip:1@h1>\r\n", 10, Err(Refused::OutOfOrder)),
        ("a", 1, "Contact: <sip:1@h1>\r\n", 10, Err(Refused::OutOfOrder)),
        ("b", 1, "Contact: <sip:1@H1>\r\n", 10, Ok(&["sip:1@H1 3600"])),
        (
            "b",
            2,
            "Contact: <sip:1@h2>;expires=70\r\nExpires: 500\r\n",
            10,
            Ok(&["sip:1@H1 3600", "sip:1@h2 70"]),
        ),
        ("c", 1, "Contact: <sip:1@h3>;expires=59\r\n", 10, Err(Refused::TooBrief(60))),
        ("c", 1, "Contact: <sip:1@h1>;expires=0, <sip:1@h3>;expires=59\r\n", 10, Err(Refused::TooBrief(60))),
        ("c", 1, "", 80, Ok(&["sip:1@H1 3530"])),
        ("c", 1, "Contact: <sip:1@h2>;expires=bad\r\n", 80, Ok(&["sip:1@H1 3530", "sip:1@h2 3600"])),
        (
            "c",
            2,
            "Contact: <sip:1@h3>;expires=4294967295\r\n",
            80,
            Ok(&["sip:1@H1 3530", "sip:1@h2 3600", "sip:1@h3 86400"]),
        ),
        ("d", 1, "Contact: <sip:1@h4>\r\n", 80, Err(Refused::TooMany)),
        (
            "d",
            1,
            "Contact: <sip:1@h4>, <sip:1@h3>;expires=0\r\n",
            80,
            Ok(&["sip:1@H1 3530", "sip:1@h2 3600", "sip:1@h4 3600"]),
        ),
        ("d", 2, "Contact: *\r\n", 80, Err(Refused::Bad("Bad Contact: *"))),
        ("d", 2, "Contact: *\r\nExpires: 1\r\n", 80, Err(Refused::Bad("Bad Contact: *"))),
        ("d", 2, "Contact: *, <sip:1@h1>\r\nExpires: 0\r\n", 80, Err(Refused::Bad("Bad Contact: *"))),
        ("d", 1, "Contact: *\r\nExpires: 0\r\n", 80, Err(Refused::OutOfOrder)),
        ("d", 2, "Contact: <mailto:1@h>\r\n", 80, Err(Refused::Bad("Bad Contact"))),
        ("d", 2, "Contact: <sip:1@h?X=y>\r\n", 80, Err(Refused::Bad("Bad Contact"))),
        ("d", 2, "Contact: *\r\nExpires: 0\r\n", 80, Ok(&[])),
    ];
    let mut bindings = vec![];
    for (call_id, cseq, lines, later, expected) in rows {
        let now = NOW + later;
        let next = after(&bindings, (call_id, cseq, lines), Transport::Udp, now);
        let shown = next.as_ref().map(|next| shown(next, now)).map_err(|refused| *refused);
        assert_eq!(
            shown,
            expected.map(|all| all.iter().map(|&one| one.to_owned()).collect()),
            "{call_id} {cseq} {lines}"
        );
        bindings = next.unwrap_or(bindings);
    }
}

/// RFC 5626: one device, several flows; RFC 3327: what came by a proxy goes back by it.
#[test]
fn flows_and_paths() {
    let flow = |n: u32| format!("Supported: outbound\r\nContact: <sip:1@h.invalid>;{URN};reg-id={n}\r\n");
    let one = after(&[], ("a", 1, &flow(1)), Transport::Tcp, NOW).expect("a flow");
    let two = after(&one, ("b", 1, &flow(2)), Transport::Tcp, NOW).expect("another");
    assert_eq!(two.iter().map(|b| b.reg_id).collect::<Vec<_>>(), [1, 2]);
    // The phone has started anew: another Call-ID, the same flow.
    let again = after(&two, ("c", 1, &flow(1)), Transport::Tcp, NOW + 5).expect("the first again");
    assert_eq!(
        again.iter().map(|b| (b.reg_id, b.call_id.as_str())).collect::<Vec<_>>(),
        [(2, "b"), (1, "c")]
    );
    assert!(again.iter().all(|b| b.flow.is_some_and(|flow| flow.only && flow.peer.connection == 9)));
    assert!(again.into_iter().all(|b| b.survives(NOW, 4).is_none()), "its connection ends with the program");

    // Lines; the `reg-id` that counts and whether there is a way back.
    type Row<'a> = (&'a str, Result<(u32, bool), Refused>);
    let rows: [Row<'_>; 7] = [
        // What only one side knows is nothing: no reg-id without option tag or instance.
        (&flow(1).replace("Supported: outbound\r\n", ""), Ok((0, true))),
        (&flow(1).replace(URN, "x"), Ok((0, true))),
        (&format!("{}Path: <sip:edge;lr>\r\n", flow(1)), Err(Refused::NoOutbound)),
        (&format!("{}Path: <sip:edge;lr;ob>\r\n", flow(1)), Ok((1, false))),
        (
            &format!("{}Contact: <sip:2@h>;{URN};reg-id=2\r\n", flow(1)),
            Err(Refused::Bad("More Than One reg-id")),
        ),
        (&format!("{}Path: <sip:edge>\r\n", flow(1)), Err(Refused::Bad("Bad Path"))),
        (
            &format!("Contact: <sip:1@h>;{}\r\n", URN.replace("urn", "u\\\"rn")),
            Err(Refused::Bad("Bad Instance")),
        ),
    ];
    for (lines, expected) in rows {
        let made = after(&[], ("a", 1, lines), Transport::Tcp, NOW);
        assert_eq!(made.map(|made| (made[0].reg_id, made[0].flow.is_some())), expected, "{lines}");
    }
}

/// The way back on UDP: to the URI, unless a NAT stands between.
#[test]
fn what_a_nat_has_changed_goes_back_where_it_came_from() {
    let via = "Via: SIP/2.0/UDP 198.51.100.7:4711";
    for (sent_by, contact, back) in [
        ("198.51.100.7:4711", "sip:1@198.51.100.7:4711", false),
        ("198.51.100.7:4711", "sip:1@203.0.113.9", false),
        ("10.0.0.5:5060", "sip:1@10.0.0.5:5060", true),
        ("10.0.0.5:5060", "sip:1@198.51.100.7:4711", false),
        ("pc.lab", "sip:1@pc.lab", true),
        ("198.51.100.7:4711", "sip:1@x.invalid", true),
    ] {
        let raw = message("a", 1, &format!("Contact: <{contact}>\r\n")).raw().to_vec();
        let raw = String::from_utf8(raw).expect("text").replace(via, &format!("Via: SIP/2.0/UDP {sent_by}"));
        let request = Message::read(Bytes::from(raw)).expect("a REGISTER");
        let from = peer(Transport::Udp);
        let wish = Wish::read(&request, &from).expect("good");
        let made = register(&[], &wish, &from, &RULES, NOW).expect("taken");
        assert_eq!(made[0].flow.is_some_and(|flow| flow.only), back, "{sent_by} {contact}");
        assert!(made[0].clone().survives(NOW, 1).is_some(), "a UDP flow outlives the program");
        assert!(made[0].clone().survives(NOW + 3_600, 1).is_none());
    }
}

#[test]
fn a_200_tells_everything_that_is_bound() {
    let lines = format!(
        "Supported: gruu, outbound\r\nContact: <sip:1@h.invalid>;q=0.25;{URN};reg-id=1\r\nPath: <sip:e;lr;ob>\r\n"
    );
    let request = message("a", 1, &lines);
    let from = peer(Transport::Udp);
    let wish = Wish::read(&request, &from).expect("good");
    let bindings = register(&[], &wish, &from, &RULES, NOW).expect("taken");
    let gruus = Gruus::new(&[3; 32]);
    let told = Told { tag: b"t", address: "sip:1001@lab.test", gruus: (&gruus, 7), flow_timer: 120 };
    let answer = accepted(&request, from.address, &wish, &bindings, &told, NOW + 10);
    let text = String::from_utf8_lossy(&answer);
    let contact = format!(
        "Contact: <sip:1@h.invalid>;expires=3590;q=0.250;{URN};reg-id=1;pub-gruu=\"sip:1001@lab.test;gr=urn:uuid:1\";\
         temp-gruu=\"sip:tgruu."
    );
    for line in [contact.as_str(), "Path: <sip:e;lr;ob>\r\n", "Require: outbound\r\n", "Flow-Timer: 120\r\n"]
    {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let user = text.split("temp-gruu=\"sip:").nth(1).and_then(|rest| rest.split('@').next()).expect("a GRUU");
    assert_eq!(gruus.open(user.as_bytes()), Some(gruus.name("sip:1001@lab.test", "urn:uuid:1", "a")));
    let forged = user.replacen(&user[10..11], if &user[10..11] == "A" { "B" } else { "A" }, 1);
    for not_ours in ["", "1001", "tgruu.", "tgruu.AAAA", forged.as_str()] {
        assert_eq!(gruus.open(not_ours.as_bytes()), None, "{not_ours}");
    }
    assert_eq!(Gruus::new(&[4; 32]).open(user.as_bytes()), None, "another start, another key");
}

/// T14: some wrong passwords lock a name for a source, for a while, and what is remembered is bounded.
#[test]
fn too_many_wrong_passwords_lock_out() {
    let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().expect("an address"));
    let mut locks = LockOuts::new(3, 60, 4);
    assert!(!locks.wrong(here, "1001", NOW) && !locks.wrong(here, "1001", NOW));
    locks.right(here, "1001");
    assert!(!locks.wrong(here, "1001", NOW) && !locks.wrong(here, "1001", NOW + 30));
    assert!(!locks.is_locked(here, "1001", NOW + 30));
    assert!(locks.wrong(here, "1001", NOW + 59), "the third");
    assert!(locks.is_locked(here, "1001", NOW + 118) && !locks.is_locked(here, "1001", NOW + 119));
    assert!(!locks.is_locked(there, "1001", NOW + 60) && !locks.is_locked(here, "1002", NOW + 60));
    for n in 0..1_000 {
        locks.wrong(here, &format!("{n}"), NOW + 60);
    }
    assert_eq!(locks.len(), 4);
    let long = "é".repeat(4_000);
    locks.wrong(here, &long, NOW + 60);
    assert!(!locks.is_locked(here, &long, NOW + 60));
}
