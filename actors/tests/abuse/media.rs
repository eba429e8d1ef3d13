//! T4: SDP and multipart bodies that nobody should write, at a mailbox, which has to read them, and at a phone, which gets
//! them as they are.

use std::time::Duration;

use crate::{
    support::{Over, Peer, SDP, Sip, metrics::number, peer::Dialog, until},
    watched,
};

fn bodies() -> Vec<(&'static str, String, &'static str)> {
    let sdp = "application/sdp";
    let nested = |depth: usize| {
        let open: String = (0..depth)
            .map(|n| format!("--b{n}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n", n + 1))
            .collect();
        format!("{open}--b{depth}\r\nContent-Type: application/sdp\r\n\r\n{SDP}")
    };
    vec![
        ("payload type 65535", SDP.replace("RTP/AVP 8", "RTP/AVP 65535"), sdp),
        ("rtpmap before any m line", SDP.replace("m=audio 40000 RTP/AVP 8\r\n", ""), sdp),
        ("rtpmap of a huge type", SDP.replace("rtpmap:8 PCMA", "rtpmap:4294967296 PCMA"), sdp),
        ("ten thousand attributes", format!("{SDP}{}", "a=x\r\n".repeat(10_000)), sdp),
        ("a thousand media", format!("{SDP}{}", "m=audio 9 RTP/AVP 8\r\n".repeat(1_000)), sdp),
        ("a long media line", SDP.replace("RTP/AVP 8", &format!("RTP/AVP{}", " 8".repeat(10_000))), sdp),
        ("port 0", SDP.replace("40000", "0"), sdp),
        ("port 65536", SDP.replace("40000", "65536"), sdp),
        ("no address", SDP.replace("c=IN IP4 127.0.0.1\r\n", ""), sdp),
        ("another address family", SDP.replace("IN IP4 127.0.0.1", "IN IP6 x"), sdp),
        ("nothing but a version", "v=0\r\n".into(), sdp),
        ("no SDP at all", "\0\u{1}\u{2}".into(), sdp),
        ("an empty multipart", "--b--\r\n".into(), "multipart/mixed;boundary=b"),
        (
            "an unfinished multipart",
            format!("--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}"),
            "multipart/mixed;boundary=b",
        ),
        ("a multipart without boundary", "--b--\r\n".into(), "multipart/mixed"),
        ("a multipart with an empty boundary", "----\r\n".into(), "multipart/mixed;boundary=\"\""),
        ("multiparts in multiparts", nested(1_000), "multipart/mixed;boundary=b0"),
    ]
}

/// The final answer to an INVITE.
fn last(pbx: &mut Peer) -> Sip {
    loop {
        let answer = pbx.next(Duration::from_secs(10)).expect("an answer");
        if answer.what() >= "200" {
            return answer;
        }
    }
}

#[test]
fn bodies_that_nobody_should_write_end_in_an_answer_and_no_call() {
    let (site, port) = watched("max_body = \"200KiB\"");
    let mut pbx = site.peer(Over::Tcp);
    let phone = site.peer(Over::Tcp);
    let site = site.sip("max_message = \"256KiB\"");
    let ringpost = site
        .maildir()
        .plan("lab", &["embedded"])
        .user(
            "1001",
            &[],
            "um_plan = \"lab\"\nforward = \"voicemail\"\nmissed_calls = \"off\"\nmail = \"a@corp.test\"",
        )
        .user("1002", &[&phone], "ring_for = \"200ms\"\nmissed_calls = \"off\"")
        .start();
    for (what, body, kind) in bodies() {
        for user in ["1001", "1002"] {
            let uri = format!("sip:{user}@{}", ringpost.sip);
            let invite = pbx.request("INVITE", &uri, &format!("Content-Type: {kind}\r\n"), &body);
            let answer = last(&mut pbx);
            let code: u16 = answer.what().parse().expect("a code");
            match user {
                "1001" if code == 200 => {
                    // Something in it could be answered, such as a first medium that is good.
                    let mut dialog = Dialog::caller(&invite, &answer);
                    pbx.inside(&mut dialog, "ACK", "", "");
                    pbx.inside(&mut dialog, "BYE", "", "");
                    assert_eq!(last(&mut pbx).what(), "200", "{what}");
                }
                "1001" => assert!(matches!(code, 400 | 415 | 480 | 488), "{what}: {code}"),
                _ => assert!(matches!(code, 400 | 415 | 480), "{what}: {code}"),
            }
            if code >= 300 {
                let text = format!(
                    "ACK {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
                     CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
                    invite.one("Via"),
                    invite.one("From"),
                    answer.one("To"),
                    invite.one("Call-ID")
                );
                pbx.send(text.as_bytes());
            }
        }
        until(what, || number(port, "calls_open") == 0);
        ringpost.is_well();
    }
    assert_eq!(number(port, "faults_total"), 0);
    drop((pbx, phone));
    ringpost.back_to_baseline();
}
