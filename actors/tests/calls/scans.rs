//! What scanners try, from an address that is no trunk's: they learn nothing, nothing rings, and nothing is left (T12, T14).

use std::{collections::HashSet, time::Duration};

use crate::{
    office::Office,
    support::{Over, Peer, Ringpost, SDP, Sip, Site},
};

const OFF: &str = "missed_calls = \"off\"";
const METHODS: [&str; 14] = [
    "INVITE",
    "OPTIONS",
    "REGISTER",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "INFO",
    "REFER",
    "UPDATE",
    "PRACK",
    "BYE",
    "CANCEL",
    "FOOBAR",
];

/// Loopback may be banned too, so that a ban can be seen.
fn office() -> Office {
    Office::on(Site::new().table("[security]\nnever_ban = []"), Over::Udp, OFF)
}

#[test]
fn an_enumeration_of_methods_and_numbers_learns_nothing() {
    let mut office = office();
    let here = office.ringpost.sip;
    // One answer for known and unknown numbers, known and unknown methods.
    for (source, method) in (20..).zip(METHODS) {
        let mut stranger = Peer::new(Over::Udp, &format!("127.0.0.{source}"), here);
        let answers: HashSet<String> = ["1001", "1003", "9999", "admin"]
            .into_iter()
            .filter_map(|user| {
                stranger.request(method, &format!("sip:{user}@{here}"), "", "");
                stranger.next(Duration::from_secs(5))
            })
            .map(|answer| without_names(&answer))
            .collect();
        assert_eq!(answers.len(), 1, "{method}: {answers:#?}");
        let answer = answers.iter().next().map_or("", String::as_str);
        let told = if method == "CANCEL" { "SIP/2.0 481" } else { "SIP/2.0 403" };
        assert!(answer.starts_with(told), "{method}: {answer}");
        for header in ["Allow", "Server", "User-Agent", "Supported", "Accept", "Contact", "Warning"] {
            assert!(!answer.contains(&format!("\n{header}:")), "{method}: {answer}");
        }
    }
    nothing_rang(&mut office);
    office.ends();
}

#[test]
fn a_scan_of_extensions_is_soon_met_with_silence() {
    let mut office = office();
    for (source, method) in [(40, "OPTIONS"), (41, "INVITE"), (42, "CANCEL"), (43, "BYE")] {
        let mut stranger = Peer::new(Over::Udp, &format!("127.0.0.{source}"), office.ringpost.sip);
        let mut answered = 0;
        for number in 1000..1500 {
            stranger.request(method, &format!("sip:{number}@{}", office.ringpost.sip), "", "");
            answered += usize::from(stranger.next(Duration::from_millis(1)).is_some());
        }
        while stranger.next(Duration::from_millis(100)).is_some() {
            answered += 1;
        }
        assert!((1..=30).contains(&answered), "{answered} answers to 500 times {method}");
        let mut scanned = Peer::new(Over::Tcp, &format!("127.0.0.{source}"), office.ringpost.sip);
        scanned.request(method, &format!("sip:1001@{}", office.ringpost.sip), "", "");
        assert!(scanned.next(Duration::from_millis(100)).is_none(), "banned, on every transport");
        office.ringpost.is_well();
    }
    nothing_rang(&mut office);
    office.ends();
}

#[test]
fn requests_that_pretend_to_belong_to_a_call_gain_nothing() {
    let mut office = office();
    let [invite, desk, soft] = office.rings();
    let mut stranger = Peer::new(Over::Udp, "127.0.0.50", office.ringpost.sip);
    // Everything that crossed the wire but the random part of a name: branch, Call-ID, tags.
    let names = [desk.one("From"), desk.one("To"), desk.one("Call-ID"), desk.one("Via")];
    let [from, to, call_id, via] = names.map(str::to_owned);
    for method in ["BYE", "INFO", "INVITE", "REFER", "UPDATE"] {
        let text = format!(
            "{method} sip:1001@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{method};rport\r\nMax-Forwards: 70\r\n\
             From: {to};tag=guess\r\nTo: {from}\r\nCall-ID: {call_id}\r\nCSeq: 9 {method}\r\n\
             Contact: <{}>\r\nContent-Length: 0\r\n\r\n",
            office.ringpost.sip,
            stranger.address,
            stranger.uri(),
        );
        stranger.send(text.as_bytes());
        stranger.expect("481");
    }
    // The caller's own CANCEL, octet for octet, from elsewhere.
    stranger.cancel(&invite, "");
    stranger.expect("481");
    // An answer to our INVITE, its branch off by one.
    let branch =
        via.split("branch=z9hG4bK").nth(1).and_then(|rest| rest.get(..16)).expect("16 digits").to_owned();
    let last = if branch.ends_with('0') { "1" } else { "0" };
    let forged = office.desk.response(&desk, 200, "forged", "", SDP);
    let forged = String::from_utf8_lossy(&forged.raw).replace(&branch, &format!("{}{last}", &branch[..15]));
    stranger.send(forged.as_bytes());
    office.pbx.silent_for(Duration::from_millis(100));
    office.pbx.cancel(&invite, "");
    office.pbx.expect("200");
    crate::office::is_cancelled(&mut office.desk, &desk, "");
    crate::office::is_cancelled(&mut office.soft, &soft, "");
    office.pbx.refused(&invite, 487);
    office.ends();
}

#[test]
fn a_challenge_by_the_called_side_is_not_answered() {
    // T14, the digest leak: who calls, gets a BYE, and challenges it.
    const CHALLENGES: [(u16, &str); 2] = [
        (401, "WWW-Authenticate: Digest realm=\"corp.test\", nonce=\"n\", algorithm=MD5\r\n"),
        (407, "Proxy-Authenticate: Digest realm=\"corp.test\", nonce=\"n\", algorithm=MD5\r\n"),
    ];
    let mut office = office();
    for (code, challenge) in CHALLENGES {
        let mut talk = office.talks();
        office.desk.inside(&mut talk.phone, "BYE", "", "");
        office.desk.expect("200");
        let bye = office.pbx.expect("BYE");
        assert!(!bye.to_string().contains("uthorization"), "{bye}");
        office.pbx.answer_with(&bye, code, challenge, "");
        office.pbx.silent_for(Duration::from_millis(200));
        let invite = office.pbx.invite("1004");
        let (desk, soft) = (office.desk.expect("INVITE"), office.soft.expect("INVITE"));
        for (phone, invite) in [(&mut office.desk, &desk), (&mut office.soft, &soft)] {
            assert!(!invite.to_string().contains("uthorization"), "{invite}");
            phone.answer_with(invite, code, challenge, "");
            phone.expect("ACK");
            phone.silent_for(Duration::from_millis(100));
        }
        office.pbx.refused(&invite, 480);
    }
    office.ends();
}

/// Without what is the caller's own or different in each answer.
fn without_names(answer: &Sip) -> String {
    let text = answer.to_string();
    let own = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    text.lines().filter(|line| !own.iter().any(|name| line.starts_with(name))).collect::<Vec<_>>().join("\n")
}

fn nothing_rang(office: &mut Office) {
    for phone in [&mut office.desk, &mut office.soft, &mut office.um] {
        phone.silent_for(Duration::from_millis(20));
    }
    well(&office.ringpost);
}

fn well(ringpost: &Ringpost) {
    ringpost.is_well();
    assert!(!ringpost.log().contains("panicked"), "{}", ringpost.log());
}
