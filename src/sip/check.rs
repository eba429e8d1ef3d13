//! Which messages are worth processing: what every request must have, read once and strictly (RFC 3261 §8.1.1, §16.3).
//!
//! Not judged here, because the answer depends on who asks: Require and Proxy-Require (420), Max-Forwards 0 (483),
//! Content-Type (415). Nothing is allocated.

use thiserror::Error;

use super::{
    message::{Fault, Message, Via},
    name::{Method, Name},
    text::{is_space, number, split_commas, trim},
    uri::{NameAddr, Uri},
};

/// How to answer a request that cannot be processed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{code} {phrase}")]
pub struct Rejection {
    /// The status code: 400, 416 or 505.
    pub code: u16,
    /// The reason phrase, which says what is wrong.
    pub phrase: &'static str,
}

/// Judges a request before anybody acts on it; a response is never asked here. An ACK that is rejected is dropped, for
/// nothing answers an ACK (RFC 3261 §17).
///
/// # Errors
/// [`Rejection`]: what to answer, as far as the message can be answered.
pub fn request(message: &Message) -> Result<(), Rejection> {
    if let Some(fault) = message.fault() {
        return Err(of_fault(fault));
    }
    request_uri(message.uri())?;
    let found = Found::among(message)?;
    vias(found.via.ok_or(bad("Missing Via"))?)?;
    address(found.from.ok_or(bad("Missing From"))?, "Bad From")?;
    address(found.to.ok_or(bad("Missing To"))?, "Bad To")?;
    call_id(found.call_id.ok_or(bad("Missing Call-ID"))?)?;
    if found.cseq.is_none() {
        return Err(bad("Missing CSeq"));
    }
    let (_, method) = message.cseq().ok_or(bad("Bad CSeq"))?;
    if method != message.method_name() {
        return Err(bad("CSeq Method Mismatch"));
    }
    if found.max_forwards.is_some_and(|hops| number(hops).is_none_or(|n| n > 255)) {
        return Err(bad("Bad Max-Forwards"));
    }
    if found.date.is_some_and(|date| !is_date(date)) {
        return Err(bad("Bad Date"));
    }
    contacts(message)
}

/// Whether a response is worth processing; one that is not is dropped in silence (RFC 3261 §8.1.3.3, §18.1.2).
pub fn response(message: &Message) -> bool {
    message.fault().is_none()
        && Found::among(message).is_ok_and(|found| {
            // We are always the end of the Via chain: a second Via means the response is not for us (§8.1.3.3).
            found.via.is_some()
                && found.call_id.is_some_and(|id| call_id(id).is_ok())
                && message.count(Name::Via) == 1
                && message.list(Name::Via).count() == 1
        })
        && message.via().is_some()
        && message.from().is_some()
        && message.to().is_some()
        && message.cseq().is_some()
}

/// The fields that may stand in a message only once, and the topmost Via.
#[derive(Default)]
struct Found<'a> {
    via: Option<&'a [u8]>,
    from: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
    call_id: Option<&'a [u8]>,
    cseq: Option<&'a [u8]>,
    max_forwards: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    date: Option<&'a [u8]>,
}

impl<'a> Found<'a> {
    fn among(message: &'a Message) -> Result<Self, Rejection> {
        let mut found = Self::default();
        for field in message.fields() {
            let (slot, twice) = match field.name {
                Name::From => (&mut found.from, "More Than One From"),
                Name::To => (&mut found.to, "More Than One To"),
                Name::CallId => (&mut found.call_id, "More Than One Call-ID"),
                Name::CSeq => (&mut found.cseq, "More Than One CSeq"),
                Name::MaxForwards => (&mut found.max_forwards, "More Than One Max-Forwards"),
                Name::ContentType => (&mut found.content_type, "More Than One Content-Type"),
                Name::Date => (&mut found.date, "More Than One Date"),
                Name::Via => {
                    found.via.get_or_insert(message.value(field));
                    continue;
                }
                // Every other name may be repeated, or is judged by whoever reads it.
                _ => continue,
            };
            let again = slot.replace(message.value(field)).is_some();
            // In a response only those that say whose it is: a second Date is no reason to lose a 200.
            let identifies = matches!(field.name, Name::From | Name::To | Name::CallId | Name::CSeq);
            if again && (identifies || message.method().is_some()) {
                return Err(bad(twice));
            }
        }
        Ok(found)
    }
}

fn of_fault(fault: Fault) -> Rejection {
    match fault {
        Fault::Version => Rejection { code: 505, phrase: "Version Not Supported" },
        Fault::StartLine => bad("Bad Start Line"),
        Fault::Header => bad("Bad Header Field"),
        Fault::Unfinished => bad("Header Not Ended"),
        Fault::TooMany => bad("Too Many Header Fields"),
        Fault::Length => bad("Bad Content-Length"),
    }
}

fn bad(phrase: &'static str) -> Rejection {
    Rejection { code: 400, phrase }
}

fn request_uri(written: &[u8]) -> Result<(), Rejection> {
    let uri = Uri::read(written).ok_or(bad("Bad Request-URI"))?;
    if !uri.is_sip() && !uri.scheme.eq_ignore_ascii_case(b"tel") {
        return Err(Rejection { code: 416, phrase: "Unsupported URI Scheme" });
    }
    // RFC 3261 §19.1.1: no headers in a Request-URI; RFC 4475 §3.1.2.11 leaves us the choice to refuse them.
    if uri.headers.is_empty() { Ok(()) } else { Err(bad("Headers In Request-URI")) }
}

/// Every element of the topmost Via field, so that `192.0.2.15;;,;,,` is seen (RFC 4475 §3.1.2.1).
fn vias(value: &[u8]) -> Result<(), Rejection> {
    let mut elements = split_commas(value).peekable();
    if elements.peek().is_none() || elements.any(|element| Via::read(element).is_none()) {
        return Err(bad("Bad Via"));
    }
    Ok(())
}

fn address(value: &[u8], phrase: &'static str) -> Result<(), Rejection> {
    let read = NameAddr::read(value).filter(NameAddr::display_is_legal).ok_or(bad(phrase))?;
    let uri = Uri::read(read.uri).ok_or(bad(phrase))?;
    let bracketed = match bracketed(value, &read) {
        Some(inside) if inside.len() != read.uri.len() => return Err(bad(phrase)),
        inside => inside.is_some(),
    };
    // RFC 3261 §20: a URI with a question mark stands in brackets (RFC 4475 §3.1.2.13).
    if !bracketed && !uri.headers.is_empty() { Err(bad(phrase)) } else { Ok(()) }
}

/// What stands between the angle brackets, white space included; `None` without brackets.
fn bracketed<'a>(value: &'a [u8], read: &NameAddr<'_>) -> Option<&'a [u8]> {
    let value = trim(trim(value).get(read.display.len()..)?).strip_prefix(b"<")?;
    Some(&value[..memchr::memchr(b'>', value)?])
}

fn call_id(value: &[u8]) -> Result<(), Rejection> {
    let legal = !value.is_empty() && value.iter().all(|o| !is_space(*o) && !o.is_ascii_control());
    if legal { Ok(()) } else { Err(bad("Bad Call-ID")) }
}

/// Contacts where they decide whom we call back or ring: in INVITE and REGISTER.
fn contacts(message: &Message) -> Result<(), Rejection> {
    let register = message.method() == Some(Method::Register);
    if !register && message.method() != Some(Method::Invite) {
        return Ok(());
    }
    for contact in message.list(Name::Contact) {
        if !(register && contact == b"*") {
            address(contact, "Bad Contact")?;
        }
    }
    Ok(())
}

/// `Sat, 13 Nov 2010 23:29:00 GMT`, the only form of RFC 3261 §20.17; a one-digit day is forgiven.
fn is_date(value: &[u8]) -> bool {
    const SHAPE: &[u8] = b"aaa, 00 aaa 0000 00:00:00 GMT";
    let fits = |shape: &[u8]| {
        value.len() == shape.len()
            && value.iter().zip(shape).all(|(octet, shape)| match shape {
                b'a' => octet.is_ascii_alphabetic(),
                b'0' => octet.is_ascii_digit(),
                exact => octet.eq_ignore_ascii_case(exact),
            })
    };
    fits(SHAPE) || fits(b"aaa, 0 aaa 0000 00:00:00 GMT")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const START: &str = "INVITE sip:bob@example.test SIP/2.0";
    const FIELDS: [(&str, &str); 6] = [
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        ("From", "<sip:alice@example.test>;tag=1"),
        ("To", "<sip:bob@example.test>"),
        ("Call-ID", "a@example.test"),
        ("CSeq", "1 INVITE"),
        ("Max-Forwards", "70"),
    ];

    #[test]
    fn a_bad_start_line_is_answered() {
        let rows: [(&str, Verdict<'_>); 11] = [
            (START, Ok(())),
            ("INVITE tel:+4544;phone-context=x SIP/2.0", Ok(())),
            ("INVITE sips:bob@[2001:db8::1]:5061;transport=tcp sip/2.0", Ok(())),
            ("INVITE sip:bob@example.test SIP/3.0", Err((505, "Version Not Supported"))),
            ("INVITE  sip:bob@example.test SIP/2.0", Err((400, "Bad Start Line"))),
            ("INVITE sip:bob@example.test; lr SIP/2.0", Err((400, "Bad Start Line"))),
            ("INVITE <sip:bob@example.test> SIP/2.0", Err((400, "Bad Request-URI"))),
            ("INVITE bob SIP/2.0", Err((400, "Bad Request-URI"))),
            ("INVITE sip:2001:db8::10 SIP/2.0", Err((400, "Bad Request-URI"))),
            ("INVITE http://example.test/ SIP/2.0", Err((416, "Unsupported URI Scheme"))),
            ("INVITE sip:bob@example.test?Route=%3Cx%3E SIP/2.0", Err((400, "Headers In Request-URI"))),
        ];
        for (start, expected) in rows {
            let all: Vec<String> = FIELDS.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            assert_eq!(judged(start, &all), expected, "{start}");
        }
    }

    #[test]
    fn one_field_written_otherwise() {
        let rows: [(&str, &str, &str); 38] = [
            ("Via", "SIP/2.0/UDP a_b;rport", ""),
            ("Via", "SIP/2.0/WHAT [::1]:5060;branch=z9hG4bK2, SIP/2.0/TCP h", ""),
            ("Via", "", "Bad Via"),
            ("Via", "SIP/2.0/UDP 192.0.2.15;;,;,,", "Bad Via"),
            ("Via", "SIP/7.0/UDP 192.0.2.15", "Bad Via"),
            ("Via", "UDP 192.0.2.15", "Bad Via"),
            ("From", "sip:alice@example.test;tag=1", ""),
            ("From", r#""A, \"B\"; <C>" <sip:alice@example.test>"#, ""),
            ("From", "Søren <sip:alice@example.test>", ""),
            ("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1", ""),
            ("From", "tel:+4544", ""),
            ("From", "<sip:a@h?Subject=x>", ""),
            ("From", "sip:a@h?Subject=x", "Bad From"),
            ("From", "Bell, Alexander <sip:a@h>", "Bad From"),
            ("From", "\"open <sip:a@h>", "Bad From"),
            ("From", "< sip:a@h>", "Bad From"),
            ("From", "<sip:a@h >", "Bad From"),
            ("From", "<>", "Bad From"),
            ("From", "", "Bad From"),
            ("To", "alan@example.test", "Bad To"),
            ("To", "isbn:2983792873", ""),
            ("Call-ID", "", "Bad Call-ID"),
            ("Call-ID", "a b", "Bad Call-ID"),
            ("CSeq", "0009\r\n  INVITE", ""),
            ("CSeq", "2147483647 INVITE", ""),
            ("CSeq", "2147483648 INVITE", "Bad CSeq"),
            ("CSeq", "36893488147419103232 INVITE", "Bad CSeq"),
            ("CSeq", "-1 INVITE", "Bad CSeq"),
            ("CSeq", "1", "Bad CSeq"),
            ("CSeq", "1 BYE", "CSeq Method Mismatch"),
            ("CSeq", "1 invite", "CSeq Method Mismatch"),
            ("Max-Forwards", "0", ""),
            ("Max-Forwards", "0255", ""),
            ("Max-Forwards", "256", "Bad Max-Forwards"),
            ("Max-Forwards", "-1", "Bad Max-Forwards"),
            ("Max-Forwards", "", "Bad Max-Forwards"),
            // CVE-2016-9938: an octet that does not print is no white space.
            ("To\u{1}", "<sip:bob@example.test>", "Bad Header Field"),
            ("TO ", "<sip:bob@example.test>", ""),
        ];
        for (name, value, phrase) in rows {
            let field = name.trim_end_matches(['\u{1}', ' ']);
            let all: Vec<String> = FIELDS
                .iter()
                .map(|(other, usual)| match other.eq_ignore_ascii_case(field) {
                    true => format!("{name}: {value}"),
                    false => format!("{other}: {usual}"),
                })
                .collect();
            assert_eq!(judged(START, &all), expectation(phrase), "{name}: {value}");
        }
    }

    #[test]
    fn one_field_more() {
        let rows = [
            ("t: <sip:carol@example.test>", "More Than One To"),
            ("FROM: <sip:carol@example.test>", "More Than One From"),
            ("i: b", "More Than One Call-ID"),
            ("CSeq: 1 INVITE", "More Than One CSeq"),
            ("Max-Forwards: 70", "More Than One Max-Forwards"),
            ("Via: \u{0}", ""),
            ("Date: Sat, 13 Nov 2010 23:29:00 GMT", ""),
            ("Date: Sat, 3 Nov 2010 23:29:00 gmt", ""),
            ("Date: Fri, 01 Jan 2010 16:00:00 EST", "Bad Date"),
            ("Date: 2010-11-13T23:29:00Z", "Bad Date"),
            ("Contact: sip:a@h;transport=tcp;q=0.5, <sip:b@h?Subject=x>", ""),
            ("Contact: sip:a@h?Route=%3Cx%3E", "Bad Contact"),
            ("m: *", "Bad Contact"),
            ("Content-Type: a/b\r\nc: a/b", "More Than One Content-Type"),
            ("Content-Length: 1", "Bad Content-Length"),
            ("l: -1", "Bad Content-Length"),
            ("no field", "Bad Header Field"),
            ("Require: nothing\r\nProxy-Require: nothing\r\nContent-Type: odd", ""),
        ];
        for (more, phrase) in rows {
            let all: Vec<String> = FIELDS
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .chain([more.to_owned()])
                .collect();
            assert_eq!(judged(START, &all), expectation(phrase), "{more}");
        }
    }

    #[test]
    fn one_field_less() {
        for (absent, (name, _)) in FIELDS.iter().enumerate() {
            let rest: Vec<String> = FIELDS
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != absent)
                .map(|(_, (name, value))| format!("{name}: {value}"))
                .collect();
            let verdict = judged(START, &rest).map_err(|(_, phrase)| phrase.to_owned());
            let expected = if *name == "Max-Forwards" { Ok(()) } else { Err(format!("Missing {name}")) };
            assert_eq!(verdict, expected, "{name}");
        }
    }

    #[test]
    fn responses_are_processed_or_dropped() {
        let good = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: x\r\n";
        let rows = [
            ("CSeq: 1 INVITE", true),
            ("CSeq: 1 INVITE\r\nDate: never", true),
            ("CSeq: 1 INVITE\r\nc: a/b\r\nc: a/b", true),
            ("CSeq: 1 INVITE\r\nVia: SIP/2.0/UDP other", false),
            ("CSeq: 1 INVITE\r\nTo: <sip:c@h>", false),
            ("CSeq: 1 INVITE\r\nl: 9", false),
            ("CSeq: 9292394834772304023312 OPTIONS", false),
            ("Server: none", false),
        ];
        for (more, worth) in rows {
            let raw = format!("SIP/2.0 200 OK\r\n{good}{more}\r\n\r\n");
            assert_eq!(response(&Message::read(Bytes::from(raw)).expect("framed")), worth, "{more}");
        }
    }

    #[test]
    fn a_register_may_forget_every_contact() {
        let all: Vec<String> = FIELDS
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.replace("INVITE", "REGISTER")))
            .chain(["Contact: *".to_owned()])
            .collect();
        assert_eq!(judged("REGISTER sip:example.test SIP/2.0", &all), Ok(()));
    }

    /// A [`Rejection`] as the rows above write it.
    type Verdict<'a> = Result<(), (u16, &'a str)>;

    fn expectation(phrase: &str) -> Verdict<'_> {
        if phrase.is_empty() { Ok(()) } else { Err((400, phrase)) }
    }

    fn judged(start: &str, fields: &[String]) -> Verdict<'static> {
        let raw = format!("{start}\r\n{}\r\n\r\n", fields.join("\r\n"));
        let message = Message::read(Bytes::from(raw)).expect("a start line and an end");
        request(&message).map_err(|Rejection { code, phrase }| (code, phrase))
    }
}
