//! Responses go back the way the request came, and drafts are whole messages (RFC 3261 §8.2.6, §18.2; RFC 3581 §4).

use std::net::SocketAddr;

use bytes::Bytes;
use proptest::prelude::*;
use ringpost::{
    settings::Transport,
    sip::{
        Message, Name,
        build::{Draft, literal, plain_response, reply_peer, response, sent_by},
        peer::Peer,
        token::Token,
    },
};

fn read(text: &str) -> Message {
    Message::read(Bytes::from(text.to_owned())).expect("SIP")
}

fn lines(message: &Bytes) -> Vec<String> {
    String::from_utf8_lossy(message).split("\r\n").map(str::to_owned).collect()
}

const OLD: &str = "OPTIONS sip:a@h SIP/2.0\r\nv:SIP/2.0/UDP [2001:db8::7]:5062;branch=z9hG4bK1;rport\r\n\
    Via: SIP/2.0/TCP first\r\nf: \"B, b\" <sip:b@h>;tag=1\r\nt:\r\n <sip:a@h>\r\ni: c@h\r\nCSeq: 1\tOPTIONS\r\n\
    X-Other: not copied\r\nl: 3\r\n\r\nabc";

#[test]
fn a_response_copies_what_it_must_and_nothing_else() {
    let source: SocketAddr = "[2001:db8::9]:4711".parse().expect("an address");
    let reply = plain_response(&read(OLD), source, 486, b"t");
    assert_eq!(
        lines(&reply),
        [
            "SIP/2.0 486 Busy Here",
            "Via: SIP/2.0/UDP [2001:db8::7]:5062;branch=z9hG4bK1;received=2001:db8::9;rport=4711",
            "Via: SIP/2.0/TCP first",
            "f: \"B, b\" <sip:b@h>;tag=1",
            "To: <sip:a@h>;tag=t",
            "i: c@h",
            "CSeq: 1\tOPTIONS",
            "Content-Length: 0",
            "",
            ""
        ]
    );
}

#[test]
fn trying_has_no_tag_and_a_tag_is_never_replaced() {
    let source: SocketAddr = "192.0.2.9:5070".parse().expect("an address");
    for (to, code, tag, expected) in [
        ("<sip:a@h>", 100, "x", "<sip:a@h>"),
        ("<sip:a@h>", 180, "x", "<sip:a@h>;tag=x"),
        ("<sip:a@h>", 200, "", "<sip:a@h>"),
        ("<sip:a@h>;tag=old", 200, "x", "<sip:a@h>;tag=old"),
        ("sip:a@h", 200, "x", "sip:a@h;tag=x"),
        ("\"A;tag=no\" <sip:a@h;tag=uri>;p", 200, "x", "\"A;tag=no\" <sip:a@h;tag=uri>;p;tag=x"),
    ] {
        let request = read(&OLD.replace("t:\r\n <sip:a@h>", &format!("To: {to}")));
        let reply = read(&lines(&plain_response(&request, source, code, tag.as_bytes())).join("\r\n"));
        assert_eq!(reply.first(Name::To), Some(expected.as_bytes()), "{to} {code}");
    }
}

#[test]
fn a_response_to_tcp_goes_by_its_connection_and_else_to_the_port_in_via() {
    let address = "192.0.2.9:5070".parse().expect("an address");
    let tcp = Peer { transport: Transport::Tcp, address, listener: 3, connection: 9 };
    // RFC 3261 §18.2.2: where the connection has gone, a new one to the sent-by's port, at the source's address.
    let by_via = "192.0.2.9:5062".parse().expect("an address");
    assert_eq!(reply_peer(&read(OLD), tcp), Peer { address: by_via, ..tcp });
    let udp = Peer { transport: Transport::Udp, connection: 0, ..tcp };
    assert_eq!(reply_peer(&read(OLD), udp), udp, "rport");
    let no_rport = OLD.replace(";rport", "");
    assert_eq!(reply_peer(&read(&no_rport), udp).address.to_string(), "192.0.2.9:5062");
    // The port is the Via's, the address never is: nobody is made to answer a stranger's victim.
    assert_eq!(reply_peer(&read(&no_rport), udp).listener, 3);
}

#[test]
fn a_draft_is_a_whole_message() {
    let mut draft = Draft::request(b"INFO", b"sip:\xff@h");
    draft
        .via(Transport::Tcp, b"[::1]:5060", &[b"z9hG4bK", &Token(0x0102_0304_0506_0708).text()])
        .header("X", &[b"a", b"", b"b"])
        .lines(b"")
        .lines(b"Y: whole\r\n")
        .lines(b"Z: without its end")
        .copy(&read(OLD), Name::Via);
    let message = Message::read(draft.body(b"body")).expect("SIP");
    assert_eq!(message.fault(), None);
    assert_eq!((message.uri(), &message.body()[..]), (&b"sip:\xff@h"[..], &b"body"[..]));
    assert_eq!(
        message.via().and_then(|via| Token::of_branch(via.branch()?)),
        Some(Token(0x0102_0304_0506_0708))
    );
    let names: Vec<_> = message.fields().map(|field| message.written_name(field).to_vec()).collect();
    assert_eq!(names, [&b"Via"[..], b"X", b"Y", b"Z", b"v", b"Via", b"Content-Length"]);
}

#[test]
fn addresses_are_written_and_read() {
    for (address, host, port) in [
        ("192.0.2.1:5060", "192.0.2.1", None),
        ("192.0.2.1:5062", "192.0.2.1", Some(5062)),
        ("[2001:db8::1]:5060", "[2001:db8::1]", Some(5060)),
    ] {
        let socket: SocketAddr = address.parse().expect("an address");
        assert_eq!(literal(host.as_bytes(), port), Some(socket));
        assert_eq!(sent_by(socket), address);
    }
    for name in ["pbx.lab.test", "", "999.1.1.1", "[::1", "\u{ff}"] {
        assert_eq!(literal(name.as_bytes(), None), None, "{name}");
    }
}

#[test]
fn own_phrases_pass_through() {
    let source: SocketAddr = "192.0.2.9:5070".parse().expect("an address");
    let reply = response(&read(OLD), source, 699, "nicht möglich".as_bytes(), b"t").empty();
    let reply = Message::read(reply).expect("SIP");
    assert_eq!((reply.code(), reply.reason_phrase()), (Some(699), "nicht möglich".as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a Via or a To holds, the reply can be read again and names every hop.
    #[test]
    fn any_request_can_be_answered(via in "[ -~\t]{0,60}", to in "[ -~]{0,40}", tag in "[a-z]{1,8}") {
        let request = read(&format!(
            "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;{via}\r\nVia: SIP/2.0/UDP g\r\nTo: {to}\r\nFrom: <sip:b@h>\r\nCall-ID: 1\r\n\
             CSeq: 1 OPTIONS\r\n\r\n"
        ));
        let source: SocketAddr = "192.0.2.9:5070".parse().expect("an address");
        let reply = Message::read(plain_response(&request, source, 400, tag.as_bytes())).expect("SIP");
        prop_assert_eq!(reply.fault(), None);
        prop_assert_eq!(reply.code(), Some(400));
        prop_assert_eq!(reply.count(Name::Via), 2);
        prop_assert_eq!(reply.cseq(), request.cseq());
    }
}
