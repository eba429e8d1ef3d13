//! What enemies send outside dialogs (T5, T6, T12), by every method that tells or asks something.

use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::{
    device::{PASSWORD, Phone},
    support::{Over, Peer, Sip, ports},
    trace,
    watcher::site,
};

const METHODS: [&str; 7] = ["SUBSCRIBE", "PUBLISH", "NOTIFY", "INFO", "MESSAGE", "REFER", "INVITE"];

fn lines(method: &str) -> &'static str {
    match method {
        "SUBSCRIBE" => {
            "Event: presence\r\nSupported: eventlist\r\nAccept: application/pidf+xml, application/rlmi+xml, multipart/related\r\n"
        }
        "PUBLISH" => "Event: presence\r\n",
        "NOTIFY" => "Event: message-summary\r\nSubscription-State: active\r\n",
        "REFER" => "Refer-To: <sip:1002@corp.test>\r\n",
        _ => "",
    }
}

fn kind(method: &str) -> &'static str {
    match method {
        "SUBSCRIBE" => "application/resource-lists+xml",
        "PUBLISH" => "application/pidf+xml",
        "NOTIFY" => "application/simple-message-summary",
        "MESSAGE" => "text/plain",
        _ => "application/csta+xml",
    }
}

/// T6: entities of files and of the network, laughs, depth, wrong encodings: refused at once, and nobody looks at file or network.
/// T5: so are bodies that are too large or no bodies at all; the transport answers after each.
#[test]
fn t5_t6_hostile_bodies_of_every_request_are_refused_and_nothing_is_looked_at() {
    let network = TcpListener::bind("127.0.0.1:0").expect("a port");
    network.set_nonblocking(true).expect("a socket");
    let canary = tempfile::tempdir().expect("a folder");
    let (secret, log) = (canary.path().join("secret-canary"), canary.path().join("calls"));
    fs::write(&secret, "root").expect("written");
    let site = site("users = \"full\"\nmessages_from = [\"pbx\"]\n[rcc]\nenabled = true\ntrunks = [\"pbx\"]");
    let looks = trace::possible();
    let words = trace::words(&log, &["-e", "trace=openat,open,connect,execve"]);
    let site = match looks {
        true => site.under(&words.iter().map(String::as_str).collect::<Vec<_>>()),
        false => site,
    };
    let ringpost = site.user("1001", &[], "").user("1002", &[], "").start();
    let file = format!("<!DOCTYPE a [<!ENTITY b SYSTEM \"file://{}\">]><a>&b;</a>", secret.display());
    let net = format!("<!DOCTYPE a SYSTEM \"http://{}/x.dtd\"><a/>", network.local_addr().expect("bound"));
    let laughs = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;\">]><a>&d;</a>";
    let bodies: Vec<Vec<u8>> = vec![
        file.into_bytes(),
        net.into_bytes(),
        laughs.into(),
        "<a>".repeat(10_000).into_bytes(),
        "<?xml version=\"1.0\" encoding=\"utf-16\"?><a/>".encode_utf16().flat_map(u16::to_be_bytes).collect(),
        vec![0xff, 0xfe, 0x00, 0xd8],
        b"\0\x01\x02".to_vec(),
        vec![b'<'; 40_000],
    ];
    for method in METHODS {
        let mut peer = Peer::new(Over::Tcp, "127.0.0.1", ringpost.sip);
        for body in &bodies {
            let mut asks = || {
                let headers = format!("{}Content-Type: {}\r\n", lines(method), kind(method));
                let head = peer.draft(method, &format!("sip:1001@{}", ringpost.sip), &headers, "");
                let head =
                    head.replace("Content-Length: 0\r\n", &format!("Content-Length: {}\r\n", body.len()));
                let since = Instant::now();
                peer.send(&[head.as_bytes(), body].concat());
                let answer = peer.expect_any();
                let took = since.elapsed();
                assert!(answer.what().starts_with('4'), "{method}: {answer}");
                if method == "INVITE" {
                    peer.acknowledges(&Sip::new(head.as_bytes()), &answer);
                }
                took
            };
            // Some 50 ms, and a machine with other work, which may slow down one of them but not three.
            let took: Vec<_> = (0..3).map(|_| asks()).collect();
            assert!(took.iter().any(|took| *took < Duration::from_millis(250)), "{method}: {took:?}");
        }
        ringpost.is_well();
    }
    assert_eq!(network.accept().map(drop).expect_err("nobody comes").kind(), ErrorKind::WouldBlock);
    if looks {
        let calls = fs::read_to_string(&log).expect("a trace");
        assert!(calls.contains("site.toml"), "it was traced");
        assert!(!calls.contains("secret-canary"), "a file was looked at");
    }
    assert!(!ringpost.log().contains("panicked"));
}

/// T12: without credentials 401, by a user's password under another user's name 403, and nothing has happened either way.
#[test]
fn t12_every_request_without_or_with_somebody_elses_name_is_refused() {
    let login = format!("password = \"{PASSWORD}\"\nmissed_calls = \"off\"");
    let site = site("users = \"full\"\n[security]\nrefusals_per_second = 1000\n[rcc]\nenabled = true");
    let mut desk = site.peer(Over::Udp);
    let ringpost =
        site.trunk_at(&["127.0.0.1"]).user("1001", &[&desk], &login).user("1002", &[], &login).start();
    let port = ports(1);
    for method in METHODS {
        let mut stranger = Peer::at(Over::Udp, ("127.0.0.9", port), ringpost.sip);
        let uri = "sip:1001@corp.test";
        let invite = stranger.request(method, uri, lines(method), "");
        let refusal = stranger.expect_any();
        assert_eq!(refusal.what(), "401", "{method}: {refusal}");
        if method == "INVITE" {
            stranger.acknowledges(&invite, &refusal);
        }
        drop(stranger);
        // 1002's password, and 1001 in From.
        let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1002");
        let contact = format!("Contact: {}\r\n{}", phone.contact, lines(method));
        let first = phone.draft(method, uri, &contact, "");
        phone.peer.send(first.as_bytes());
        let asked = phone.peer.expect("401");
        if method == "INVITE" {
            phone.peer.acknowledges(&Sip::new(first.as_bytes()), &asked);
        }
        phone.note(&asked, 0);
        let proof = phone.proof(method, uri);
        let text = phone.draft(method, uri, &format!("{contact}{proof}"), "");
        phone.peer.send(text.replace("From: <sip:1002@", "From: <sip:1001@").as_bytes());
        let refusal = phone.peer.expect_any();
        assert_eq!(refusal.what(), "403", "{method}: {refusal}");
        if method == "INVITE" {
            phone.peer.acknowledges(&Sip::new(text.as_bytes()), &refusal);
        }
    }
    desk.silent_for(Duration::from_millis(50));
    ringpost.stops_well();
}
