//! T2, T13: thousands of INVITEs that are wrong in one way or in several, on UDP, TCP and TLS, a probe after each.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::{
    authority::{Authority, Client},
    support::{Over, Peer, Ringpost, SDP, metrics::number, ports, within},
    watched,
};

/// How many there are on each transport.
const COUNT: usize = 1_509;

/// A Ringpost whose user has a phone that says nothing; where it tells its numbers, and where it speaks TLS.
fn ringpost(authority: &Authority) -> (Ringpost, Peer, u16, SocketAddr) {
    let (site, port) = watched("");
    let phone = site.peer(Over::Udp);
    let (sip, tls) = (site.sip, SocketAddr::from(([127, 0, 0, 1], ports(1))));
    let keys = authority.site(site.folder.path(), &["localhost"]).replace("\"1s\"", "\"10s\"");
    let site = site.listen(&format!("[\"udp:{sip}\", \"tcp:{sip}\", \"tls:{tls}\"]")).table(&keys);
    let site = site.user("1001", &[&phone], "ring_for = \"100ms\"\nmissed_calls = \"off\"");
    (site.start(), phone, port, tls)
}

#[test]
fn thousands_of_malformed_invites_leave_nothing_behind() {
    let authority = Authority::new("own");
    let (ringpost, phone, port, tls) = ringpost(&authority);
    let mut peer = Peer::new(Over::Udp, "127.0.0.1", ringpost.sip);
    let uri = format!("sip:1001@{}", ringpost.sip);
    // What the first calls need for good is not counted.
    for invite in (0..200).map(|_| peer.draft("INVITE", &uri, "", SDP)).collect::<Vec<_>>() {
        peer.send(invite.as_bytes());
    }
    ringpost.is_well();
    let before = ringpost.resident();
    let mut dice = fastrand::Rng::with_seed(4_527);
    for round in 0..3 * COUNT {
        let good = peer.draft("INVITE", &uri, "User-Agent: t2\r\nSubject: hello\r\n", SDP);
        let octets = malformed(&good, &mut dice);
        // It may close at the first octets that it does not like.
        match round % 3 {
            0 if octets.len() < 65_000 => peer.send(&octets),
            0 => {}
            1 => {
                let mut stream = TcpStream::connect(ringpost.sip).expect("it listens");
                let _ = stream.write_all(&octets);
                let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
                let _ = stream.read(&mut [0; 512]);
            }
            _ => {
                let mut stream: Client = authority.connect(tls, "localhost");
                let _ = stream.write_all(&octets);
                let _ = stream.sock.set_read_timeout(Some(Duration::from_millis(1)));
                let _ = stream.read(&mut [0; 512]);
            }
        }
        assert!(
            (0..10).any(|_| ringpost.answers_within(Duration::from_millis(200)).is_some()),
            "no answer after message {round}:\n{}",
            String::from_utf8_lossy(&octets)
        );
    }
    // Calls that came of it end by themselves: the phone is silent.
    within(Duration::from_secs(45), "no call is left", || number(port, "calls_open") == 0);
    let after = ringpost.resident();
    println!("{before} KiB before, {after} KiB after");
    assert!(after < before + 20 * 1_024, "{before} KiB before, {after} KiB after");
    assert_eq!(number(port, "faults_total"), 0, "a fault was caught: {}", ringpost.log());
    drop((peer, phone));
    ringpost.back_to_baseline();
}

/// One to three things wrong.
fn malformed(good: &str, dice: &mut fastrand::Rng) -> Vec<u8> {
    let mut octets = good.as_bytes().to_vec();
    for _ in 0..1 + dice.usize(..3) {
        octets = match dice.u8(..10) {
            0 => a_line_less_or_more(&octets, dice),
            1 | 2 => another_value(&octets, dice),
            3 => another_start(&octets, dice),
            4 => another_end_of_line(&octets, dice),
            5 => another_length(&octets, dice),
            6 => octets[..dice.usize(..octets.len().max(1))].to_vec(),
            7 => another_body(&octets, dice),
            _ => other_octets(octets, dice),
        };
        if octets.is_empty() {
            break;
        }
    }
    octets
}

fn pick<T: Clone>(some: &[T], dice: &mut fastrand::Rng) -> T {
    some[dice.usize(..some.len())].clone()
}

fn lines(octets: &[u8]) -> Vec<Vec<u8>> {
    octets.split_inclusive(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect()
}

fn a_line_less_or_more(octets: &[u8], dice: &mut fastrand::Rng) -> Vec<u8> {
    let mut lines = lines(octets);
    let at = dice.usize(..lines.len());
    match dice.u8(..4) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let many = vec![lines[at].clone(); 1 + dice.usize(..400)];
            lines.splice(at..at, many);
        }
        _ => dice.shuffle(&mut lines),
    }
    lines.concat()
}

const VALUES: [&str; 34] = [
    "",
    " ",
    ",",
    ";",
    ";;,;,,",
    "<",
    "<>",
    "<sip:",
    "\"",
    "\"unfinished <sip:a@h>",
    "sip:",
    "sip:@",
    "<sip:a@[::>",
    "<sip:a@h:99999>",
    "<sip:a@h:-1>",
    "<sip:a@h>;tag=",
    "<sip:a@h>;tag=a;tag=b",
    "<sip:%00%zz@h>",
    "*",
    "-1",
    "4294967296 INVITE",
    "99999999999999999999 INVITE",
    "1 BYE",
    "INVITE",
    "1",
    "SIP/2.0/",
    "SIP/3.0/UDP h;branch=",
    "SIP/2.0/UDP ;branch=z9hG4bK",
    "SIP/2.0/UDP h:0;rport=x",
    "SIP/2.0/UDP [::1;branch=z9hG4bK1",
    "\u{1}\u{0}\u{7f}",
    "x\r y",
    "\\",
    "a@b@c@d",
];

fn another_value(octets: &[u8], dice: &mut fastrand::Rng) -> Vec<u8> {
    let mut lines = lines(octets);
    let at = dice.usize(1..lines.len().max(2)).min(lines.len() - 1);
    let name: Vec<u8> = lines[at].iter().copied().take_while(|octet| *octet != b':').collect();
    let value = match dice.u8(..6) {
        0 => "A".repeat(1 << dice.u32(..16)),
        1 => "<sip:a@h>,".repeat(1 + dice.usize(..2_000)),
        2 => format!("<sip:{}@h>", "(".repeat(1 + dice.usize(..2_000))),
        _ => pick(&VALUES, dice).to_owned(),
    };
    let between: &[u8] = [&b": "[..], b":", b" : ", b"", b"\x01: ", b":\r\n "][dice.usize(..6)];
    lines[at] = [&name, between, value.as_bytes(), b"\r\n"].concat();
    lines.concat()
}

fn another_start(octets: &[u8], dice: &mut fastrand::Rng) -> Vec<u8> {
    let mut lines = lines(octets);
    let uri = "sip:1001@h";
    let starts = [
        format!("INVITE {uri} SIP/3.0"),
        format!("INVITE  {uri}  SIP/2.0"),
        format!("INVITE {uri}"),
        format!("INVITE {uri} SIP/2.0 more"),
        format!("invite {uri} SIP/2.0"),
        format!("{} {uri} SIP/2.0", "I".repeat(1 + dice.usize(..5_000))),
        format!("INVITE {} SIP/2.0", "x".repeat(1 + dice.usize(..5_000))),
        "INVITE sip:1001@h?Route=%3Csip:x%3E SIP/2.0".into(),
        "INVITE <sip:1001@h> SIP/2.0".into(),
        "INVITE tel:+1001 SIP/2.0".into(),
        "INVITE http://h/ SIP/2.0".into(),
        "SIP/2.0 200 OK".into(),
        "SIP/2.0 99999 \u{1}".into(),
        "SIP/2.0".into(),
        "\0".into(),
    ];
    lines[0] = format!("{}\r\n", pick(&starts, dice)).into_bytes();
    lines.concat()
}

fn another_end_of_line(octets: &[u8], dice: &mut fastrand::Rng) -> Vec<u8> {
    let end = [&b"\n"[..], b"\r", b"\r\n\r\n", b"\r\n ", b"\0\r\n", b""][dice.usize(..6)];
    let only = dice.bool().then(|| dice.usize(..20));
    let replaced = lines(octets).into_iter().enumerate().map(|(at, line)| {
        if only.is_some_and(|only| only != at) || !line.ends_with(b"\r\n") {
            return line;
        }
        [&line[..line.len() - 2], end].concat()
    });
    replaced.collect::<Vec<_>>().concat()
}

fn another_length(octets: &[u8], dice: &mut fastrand::Rng) -> Vec<u8> {
    let values = ["-1", "0", "1", "65535", "99999999", "18446744073709551616", "x", "", "1 2", "0x10"];
    let value = pick(&values, dice);
    let replaced = lines(octets).into_iter().map(|line| {
        if line.starts_with(b"Content-Length") {
            format!("Content-Length: {value}\r\n").into_bytes()
        } else {
            line
        }
    });
    replaced.collect::<Vec<_>>().concat()
}

fn another_body(octets: &[u8], dice: &mut fastrand::Rng) -> Vec<u8> {
    let text = String::from_utf8_lossy(octets).into_owned();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return octets.to_vec() };
    let bodies = [
        "v=0".to_owned(),
        "m=audio 65535 RTP/AVP 65535\r\n".repeat(100),
        format!("v=0\r\n{}", "a=x\r\n".repeat(5_000)),
        "--x\r\n".repeat(500),
        "\0".repeat(1_000),
    ];
    let body = pick(&bodies, dice);
    let kind =
        pick(&["application/sdp", "multipart/mixed", "multipart/mixed;boundary=x", ";", "a/b/c"], dice);
    let head: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with("Content-")).collect();
    format!("{}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", head.join("\r\n"), body.len())
        .into_bytes()
}

fn other_octets(mut octets: Vec<u8>, dice: &mut fastrand::Rng) -> Vec<u8> {
    for _ in 0..1 + dice.usize(..8) {
        let at = dice.usize(..octets.len().max(1));
        match dice.u8(..3) {
            0 if at < octets.len() => octets[at] = dice.u8(..),
            1 if at < octets.len() => drop(octets.remove(at)),
            _ => octets.insert(at.min(octets.len()), dice.u8(..)),
        }
    }
    octets
}

#[test]
fn what_is_not_clearly_one_header_is_refused_and_never_taken_for_a_dialog() {
    // T13.
    let (ringpost, phone, ..) = ringpost(&Authority::new("own"));
    let mut peer = Peer::new(Over::Udp, "127.0.0.1", ringpost.sip);
    let uri = format!("sip:1001@{}", ringpost.sip);
    let to = format!("To: <{uri}>");
    let tagged = format!("To: <{uri}>;tag=0000000000000001");
    let from = "From: <sip:b@h>;tag=2";
    for (replaced, by) in [
        ("To:", "To\u{1}:".to_owned()),
        ("To:", "To \u{0}:".to_owned()),
        ("To:", "To\r\n :".to_owned()),
        (&*to, format!("{to}\r\n{to}")),
        (&to, format!("{to}\r\n{tagged}")),
        (&to, format!("{tagged}\r\n{to}")),
        (&to, format!("{to}\r\nt: <{uri}>;tag=0000000000000001")),
        ("From:", format!("{from}\r\nFrom:")),
        ("Call-ID:", "Call-ID: another\r\nCall-ID:".to_owned()),
        ("Call-ID:", "i: another\r\nCall-ID:".to_owned()),
        ("CSeq:", "CSeq: 2 INVITE\r\nCSeq:".to_owned()),
        ("CSeq:", "CSeq: 1 BYE\r\nCSeq:".to_owned()),
    ] {
        let good = peer.draft("INVITE", &uri, "", SDP);
        let bad = good.replacen(replaced, &by, 1);
        assert_ne!(good, bad);
        peer.send(bad.as_bytes());
        let answer = peer.next(Duration::from_secs(5)).unwrap_or_else(|| panic!("no answer to {bad}"));
        assert_eq!(answer.what(), "400", "{bad}");
    }
    drop((peer, phone));
    ringpost.back_to_baseline();
}
