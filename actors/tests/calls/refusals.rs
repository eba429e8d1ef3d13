//! What is not taken, and how that is said (RFC 3261 §8.2, §16.3); nothing rings meanwhile.

use std::time::Duration;

use crate::{
    office::{Office, is_cancelled},
    support::{Over, Peer, SDP, Site},
};

const OFF: &str = "missed_calls = \"off\"";

#[test]
fn each_request_that_is_not_taken_has_its_answer() {
    for over in Over::BOTH {
        let mut office = Office::new(over, OFF);
        let here = office.ringpost.sip;
        let user = format!("sip:1001@{here}");
        let gone = format!("To: <{user}>;tag=00000000deadbeef\r\n");
        let allow = format!("Allow: {}", String::from_utf8_lossy(ringpost::sip::relay::ALLOW));
        let rows: [(&str, &str, &str, &str, u16, &str); 18] = [
            // method, Request-URI, further lines, body, code, a line of the answer
            ("INVITE", &format!("sip:9999@{here}"), "", SDP, 404, ""),
            ("INVITE", &format!("sip:{here}"), "", SDP, 404, ""),
            ("INVITE", &user, "Require: 100rel, foo\r\n", SDP, 420, "Unsupported: foo"),
            ("INVITE", &user, "Proxy-Require: sec-agree\r\n", SDP, 420, "Unsupported: sec-agree"),
            (
                "INVITE",
                &user,
                "Content-Type: text/plain\r\n",
                "hi",
                415,
                "Accept: application/sdp, multipart/mixed",
            ),
            ("INVITE", "http://pbx.test/", "", SDP, 416, ""),
            ("REGISTER", &format!("sip:{here}"), "", "", 405, &allow),
            ("SUBSCRIBE", &user, "Event: presence\r\n", "", 405, ""),
            ("INFO", &user, "", "", 405, ""),
            ("FOOBAR", &user, "", "", 405, ""),
            ("BYE", &user, "", "", 481, ""),
            ("BYE", &user, &gone, "", 481, ""),
            ("INVITE", &user, &gone, SDP, 481, ""),
            ("OPTIONS", &format!("sip:{here}"), "", "", 200, &allow),
            ("OPTIONS", &user, "Max-Forwards: 0\r\n", "", 483, ""),
            ("INVITE", &user, "Max-Forwards: 0\r\n", SDP, 483, ""),
            ("INVITE", &user, "Max-Breadth: 1\r\n", SDP, 440, ""),
            ("INVITE", &user, "From: <sip:another@pbx.test>;tag=2\r\n", SDP, 400, ""),
        ];
        for (method, uri, lines, body, code, line) in rows {
            // A line that stands in every request takes its place.
            let mut draft = office.pbx.draft(method, uri, lines, body);
            for name in ["To", "Max-Forwards"] {
                if lines.starts_with(name) {
                    draft = without_first(&draft, name);
                }
            }
            office.pbx.send(draft.as_bytes());
            let answer = office.pbx.expect(&code.to_string());
            assert!(line.is_empty() || answer.has_line(line.as_bytes()), "{method} {lines}: {answer}");
            assert!(!answer.to_tag().is_empty(), "{answer}");
        }
        let version = office.pbx.draft("INVITE", &user, "", SDP).replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia");
        office.pbx.send(version.as_bytes());
        office.pbx.expect("505");
        // What is taken comes last: everything above has left no trace.
        let talk = office.talks();
        office.hangs_up(talk);
        office.ends();
    }
}

#[test]
fn a_stranger_is_forbidden_and_nothing_rings() {
    let mut office = Office::new(Over::Udp, OFF);
    let site = office.ringpost.sip;
    for over in Over::BOTH {
        for (method, code) in [("INVITE", 403), ("OPTIONS", 403), ("REGISTER", 403), ("MESSAGE", 403)] {
            let mut stranger = Stranger::new(over, site);
            stranger.asks(method, code);
        }
    }
    for phone in [&mut office.desk, &mut office.soft, &mut office.um] {
        phone.silent_for(Duration::from_millis(50));
    }
    office.ends();
}

#[test]
fn a_call_that_comes_back_is_a_loop() {
    // T19.
    let mut office = Office::new(Over::Udp, OFF);
    let [invite, desk, soft] = office.rings();
    let mark = desk.one("X-Ringpost-Loop").to_owned();
    let back = office.pbx.invite_with("1001", &format!("X-Ringpost-Loop: {mark}\r\n"));
    office.pbx.refused(&back, 482);
    // A mark of another instance does not stop a call; RFC 3261 §8.2.2.2: the same request by another way does.
    let merged = String::from_utf8_lossy(&invite.raw).replace("branch=z9hG4bK", "branch=z9hG4bKother");
    office.pbx.send(merged.as_bytes());
    office.pbx.expect("482");
    office.pbx.cancel(&invite, "");
    office.pbx.expect("200");
    is_cancelled(&mut office.desk, &desk, "");
    is_cancelled(&mut office.soft, &soft, "");
    office.pbx.refused(&invite, 487);
    office.ends();
}

#[test]
fn above_the_limit_a_call_is_asked_to_come_again() {
    // T10.
    let site = Site::new().sip("max_calls = 1");
    let mut office = Office::on(site, Over::Udp, OFF);
    let talk = office.talks();
    let second = office.pbx.invite("1001");
    let refusal = office.pbx.refused(&second, 503);
    assert_eq!(refusal.one("Retry-After"), "5");
    office.hangs_up(talk);
    let talk = office.talks();
    office.hangs_up(talk);
    office.ends();
}

/// Somebody at 127.0.0.2, which is no trunk.
struct Stranger(Peer);

impl Stranger {
    fn new(over: Over, site: std::net::SocketAddr) -> Self {
        Self(Peer::new(over, "127.0.0.2", site))
    }

    fn asks(&mut self, method: &str, code: u16) {
        let uri = match method {
            "OPTIONS" => "sip:127.0.0.1",
            _ => "sip:1001@127.0.0.1",
        };
        self.0.request(method, uri, "", "");
        self.0.expect(&code.to_string());
    }
}

fn without_first(text: &str, name: &str) -> String {
    let start = text.find(&format!("\r\n{name}: ")).expect("it stands there") + 2;
    let end = start + text[start..].find("\r\n").expect("a line") + 2;
    format!("{}{}", &text[..start], &text[end..])
}
