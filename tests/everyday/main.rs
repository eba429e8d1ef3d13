//! What phones, trunks and PBXs send on any day, much of it outside the grammar: each must be read right and accepted.

use bytes::Bytes;
use ringpost::sip::{Message, Name, check, uri::Uri};

use rows::{
    ADDRESSES,
    Asked::{self, *},
    BODIES, INVITE, RESPONSES, Row, SHAPES, USERS,
};

mod rows;

#[test]
fn user_parts_are_never_changed() {
    USERS.iter().for_each(reads);
}

#[test]
fn addresses_are_read_as_their_senders_meant_them() {
    ADDRESSES.iter().for_each(reads);
}

#[test]
fn fields_come_in_many_shapes() {
    SHAPES.iter().for_each(reads);
}

#[test]
fn bodies_end_where_they_should() {
    BODIES.iter().for_each(reads);
}

#[test]
fn responses_say_what_they_like() {
    RESPONSES.iter().for_each(reads);
}

#[test]
fn line_ends_are_forgiven() {
    let usual = written(INVITE, &[b"Subject: one\r\n two"], b"");
    let bare: Vec<u8> = usual.iter().copied().filter(|o| *o != b'\r').collect();
    let rows = [
        ("leading CRLFs", [&b"\r\n\r\n\r\n"[..], &usual].concat(), "one\r\n two"),
        ("leading line feeds", [&b"\n\n"[..], &usual].concat(), "one\r\n two"),
        ("bare line feeds", bare, "one\n two"),
    ];
    for (title, raw, subject) in rows {
        let message = accepted(title, raw);
        assert_eq!(answer(&message, Subject), subject, "{title}");
        assert_eq!(answer(&message, FromTag), "1", "{title}");
        assert_eq!(answer(&message, Method), "INVITE", "{title}");
    }
}

#[test]
fn large_messages_are_read() {
    for kilobytes in [8, 20, 60] {
        let body = vec![b'x'; kilobytes * 1000];
        let length = format!("Content-Length: {}", body.len());
        let message = accepted("a large body", written(INVITE, &[length.as_bytes()], &body));
        assert_eq!(message.body(), body, "{kilobytes} kB of body");

        let one = format!("X-Long: {}", "y".repeat(kilobytes * 1000));
        let message = accepted("a long field", written(INVITE, &[one.as_bytes()], b""));
        assert_eq!(answer(&message, FromTag), "1", "{kilobytes} kB in one field");

        let many: Vec<String> = (0..kilobytes).map(|n| format!("X-{n}: {}", "z".repeat(990))).collect();
        let many: Vec<&[u8]> = many.iter().map(|line| line.as_bytes()).collect();
        let message = accepted("many fields", written(INVITE, &many, b""));
        assert_eq!(message.fields().count(), 6 + kilobytes, "{kilobytes} fields on top");
    }
}

fn reads((title, start, lines, body, expected): &Row) {
    let message = accepted(title, written(start, lines, body));
    for (asked, value) in *expected {
        assert_eq!(answer(&message, *asked), *value, "{title}: {asked:?}");
    }
}

fn accepted(title: &str, raw: Vec<u8>) -> Message {
    let message = Message::read(Bytes::from(raw)).unwrap_or_else(|e| panic!("{title}: {e}"));
    match message.code() {
        Some(_) => assert!(check::response(&message), "{title}"),
        None => assert_eq!(check::request(&message), Ok(()), "{title}"),
    }
    message
}

fn answer(message: &Message, asked: Asked) -> String {
    let uri = Uri::read(message.uri());
    let value = match asked {
        Method => Some(message.method_name()),
        RequestUri => Some(message.uri()),
        User => uri.and_then(|u| u.user),
        BareUser => uri.and_then(|u| u.bare_user()),
        Host => uri.map(|u| u.host),
        Port => return number(uri.and_then(|u| u.port)),
        Param(name) => uri.and_then(|u| u.param(name)),
        FromUri => message.from().map(|a| a.uri),
        FromUser => message.from().and_then(|a| Uri::read(a.uri)).and_then(|u| u.user),
        FromDisplay => {
            return message.from().and_then(|a| a.display_text()).unwrap_or_else(|| "-".to_owned());
        }
        FromTag => message.from().and_then(|a| a.tag()),
        ToTag => message.to().and_then(|a| a.tag()),
        ToUri => message.to().map(|a| a.uri),
        CallId => Some(message.call_id()),
        CSeq => return message.cseq().map_or("-".to_owned(), |(n, method)| format!("{n} {}", text(method))),
        Transport => message.via().map(|v| v.transport),
        ViaHost => message.via().map(|v| v.host),
        ViaPort => return number(message.via().and_then(|v| v.port)),
        Branch => message.via().and_then(|v| v.branch()),
        ViaParam(name) => message.via().and_then(|v| v.param(name)),
        Vias => return message.list(Name::Via).count().to_string(),
        Contact => message.contact(),
        Subject => message.first(Name::Subject),
        ReasonPhrase => Some(message.reason_phrase()),
        Code => return number(message.code()),
        Body => return text(&message.body()),
        BodyLength => return message.body().len().to_string(),
    };
    value.map_or("-".to_owned(), text)
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).expect("rows ask for text only")
}

fn number(value: Option<u16>) -> String {
    value.map_or("-".to_owned(), |n| n.to_string())
}

/// A usual message in which `lines` stand instead of those of the same name.
fn written(start: &str, lines: &[&[u8]], body: &[u8]) -> Vec<u8> {
    const USUAL: [&[u8]; 6] = [
        b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        b"From: <sip:alice@example.test>;tag=1",
        b"To: <sip:bob@example.test>",
        b"Call-ID: a@example.test",
        b"CSeq: 1 INVITE",
        b"Max-Forwards: 70",
    ];
    let name = |line: &[u8]| {
        let colon = line.iter().position(|o| *o == b':').expect("a header line");
        Name::of(line[..colon].trim_ascii())
    };
    let replaced = |usual: &&&[u8]| lines.iter().all(|line| name(line) != name(usual));
    let kept = USUAL.iter().filter(replaced).chain(lines).map(|line| [line, &b"\r\n"[..]].concat());
    let header: Vec<u8> = kept.flatten().collect();
    [start.as_bytes(), b"\r\n", &header, b"\r\n", body].concat()
}
