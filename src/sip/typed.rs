//! The bridge to the types of `rsip`, for integrators who hook in with them. Nothing in Ringpost believes a message
//! because rsip has read it: what crosses here was read by [`Message`].

use std::{borrow::Cow, fmt::Write, net::IpAddr};

use bytes::Bytes;
use rsip::{
    common::uri::{Auth, Domain, Host, HostWithPort, Param, Port, Scheme},
    headers::header,
};
use thiserror::Error;

use super::{
    message::{Field, Message, NotSip},
    name::{Method, Name},
    text::params,
    uri::Uri,
};

/// Why a message cannot cross the bridge. The message's own text is never repeated here.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Unsayable {
    /// The message has a [`super::message::Fault`]: answer it, do not hand it on.
    #[error("the message is faulty")]
    Fault,
    /// rsip has only the methods of the RFCs.
    #[error("rsip has no such method")]
    Method,
    /// rsip has only `sip` and `sips` URIs, in UTF-8 and without headers.
    #[error("rsip cannot hold the Request-URI")]
    Uri,
    /// rsip refuses a header field.
    #[error("rsip cannot hold a header field")]
    Header,
    /// A part of an rsip message holds CR or LF, and would become something else on the wire.
    #[error("a line end inside a start line or header field")]
    LineEnd,
    /// An rsip message that is none once written.
    #[error(transparent)]
    NotSip(#[from] NotSip),
}

/// Compact names are written out, folds become one space, and octets that are not UTF-8 are read as Latin-1; the reason
/// phrase of a status code that rsip knows is lost.
impl TryFrom<&Message> for rsip::SipMessage {
    type Error = Unsayable;

    fn try_from(message: &Message) -> Result<Self, Unsayable> {
        if message.fault().is_some() {
            return Err(Unsayable::Fault);
        }
        let headers =
            message.fields().map(|field| header_of(message, field)).collect::<Result<Vec<_>, _>>()?;
        let (headers, version) = (rsip::Headers::from(headers), rsip::Version::V2);
        let body = message.body().to_vec();
        Ok(match message.method() {
            Some(method) => {
                let method = method_of(method).ok_or(Unsayable::Method)?;
                let uri = uri_of(message.uri()).ok_or(Unsayable::Uri)?;
                rsip::Request { method, uri, version, headers, body }.into()
            }
            None => {
                let code = message.code().expect("what is no request has a status code");
                let status_code = match rsip::StatusCode::from(code) {
                    rsip::StatusCode::Other(code, _) => {
                        rsip::StatusCode::Other(code, text(message.reason_phrase()).into_owned())
                    }
                    known => known,
                };
                rsip::Response { status_code, version, headers, body }.into()
            }
        })
    }
}

impl TryFrom<&rsip::SipMessage> for Message {
    type Error = Unsayable;

    fn try_from(message: &rsip::SipMessage) -> Result<Self, Unsayable> {
        Ok(Self::read(octets(message)?)?)
    }
}

/// The octets of an rsip message. Its Content-Length is counted anew; an IPv6 host gets its brackets, which rsip forgets.
///
/// # Errors
/// [`Unsayable::LineEnd`] where a value would break out of its line.
pub fn octets(message: &rsip::SipMessage) -> Result<Bytes, Unsayable> {
    let (start, headers, body) = match message {
        rsip::SipMessage::Request(request) => {
            let start = format!("{} {} SIP/2.0", request.method, uri_text(&request.uri));
            (start, &request.headers, &request.body)
        }
        rsip::SipMessage::Response(response) => {
            (format!("SIP/2.0 {}", status_text(&response.status_code)), &response.headers, &response.body)
        }
    };
    let mut lines = vec![start];
    lines.extend(headers.iter().filter(|header| !is_length(header)).map(ToString::to_string));
    lines.push(format!("Content-Length: {}", body.len()));
    if lines.iter().any(|line| line.contains(['\r', '\n'])) {
        return Err(Unsayable::LineEnd);
    }
    let header = lines.join("\r\n") + "\r\n\r\n";
    Ok(Bytes::from([header.as_bytes(), body].concat()))
}

fn is_length(header: &rsip::Header) -> bool {
    match header {
        rsip::Header::ContentLength(_) => true,
        rsip::Header::Other(name, _) => Name::of(name.as_bytes()) == Name::ContentLength,
        _ => false,
    }
}

fn header_of(message: &Message, field: &Field) -> Result<rsip::Header, Unsayable> {
    let name = match message.written_name(field) {
        compact @ [_] => field.name.long().map_or(compact, str::as_bytes),
        long => long,
    };
    let value = text(message.value(field));
    header::Tokenizer { name, value: value.as_bytes() }.try_into().map_err(|_| Unsayable::Header)
}

fn method_of(method: Method) -> Option<rsip::Method> {
    Some(match method {
        Method::Invite => rsip::Method::Invite,
        Method::Ack => rsip::Method::Ack,
        Method::Bye => rsip::Method::Bye,
        Method::Cancel => rsip::Method::Cancel,
        Method::Options => rsip::Method::Options,
        Method::Info => rsip::Method::Info,
        Method::Update => rsip::Method::Update,
        Method::Message => rsip::Method::Message,
        Method::Register => rsip::Method::Register,
        Method::Subscribe => rsip::Method::Subscribe,
        Method::Notify => rsip::Method::Notify,
        Method::Publish => rsip::Method::Publish,
        Method::Refer => rsip::Method::Refer,
        Method::Prack => rsip::Method::PRack,
        Method::Other => return None,
    })
}

fn uri_of(written: &[u8]) -> Option<rsip::Uri> {
    let uri = Uri::read(written).filter(|uri| uri.is_sip() && uri.headers.is_empty())?;
    let scheme = if uri.scheme.len() == 3 { Scheme::Sip } else { Scheme::Sips };
    let auth = uri.user.map(str::from_utf8).transpose().ok()?.map(|user| {
        let (user, password) = user.split_once(':').map_or((user, None), |(u, p)| (u, Some(p)));
        Auth::from((user, password))
    });
    let host = str::from_utf8(uri.host).ok()?;
    // An IPv6 address stays a name with its brackets: as an address rsip would print it without.
    let host = match host.parse::<IpAddr>() {
        Ok(address) => Host::IpAddr(address),
        Err(_) => Host::Domain(Domain::from(host)),
    };
    let host_with_port = HostWithPort { host, port: uri.port.map(Port::from) };
    let params = params(uri.params).map(|(name, value)| param_of(name, value)).collect::<Option<Vec<_>>>()?;
    Some(rsip::Uri { scheme: Some(scheme), auth, host_with_port, params, headers: Vec::new() })
}

fn param_of(name: &[u8], value: Option<&[u8]>) -> Option<Param> {
    let name = str::from_utf8(name).ok()?;
    let value = value.map(str::from_utf8).transpose().ok()?;
    // What rsip has no type for (`transport=foo`) crosses as it is.
    let other = || Param::Other(name.into(), value.map(Into::into));
    Some(Param::try_from((name, value)).unwrap_or_else(|_| other()))
}

fn uri_text(uri: &rsip::Uri) -> String {
    let mut uri = uri.clone();
    if let Host::IpAddr(IpAddr::V6(address)) = uri.host_with_port.host {
        uri.host_with_port.host = Host::Domain(Domain::from(format!("[{address}]")));
    }
    uri.scheme.get_or_insert(Scheme::Sip);
    uri.to_string()
}

/// `183 Session Progress`, where rsip writes `183 SessionProgress`.
fn status_text(status: &rsip::StatusCode) -> String {
    let rsip::StatusCode::Other(code, phrase) = status else {
        let written = status.to_string();
        let mut spaced = String::with_capacity(written.len() + 4);
        let mut small = false;
        for letter in written.chars() {
            if small && letter.is_ascii_uppercase() {
                spaced.push(' ');
            }
            small = letter.is_ascii_lowercase();
            spaced.push(letter);
        }
        return spaced;
    };
    let mut text = String::new();
    write!(text, "{code} {phrase}").expect("a String takes everything");
    text
}

/// A value as text: folds become one space, and what is not UTF-8 is read as Latin-1.
fn text(value: &[u8]) -> Cow<'_, str> {
    let text = match str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.iter().map(|o| char::from(*o)).collect()),
    };
    if !text.contains(['\r', '\n']) {
        return text;
    }
    let lines: Vec<&str> = text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect();
    Cow::Owned(lines.join(" "))
}

#[cfg(test)]
mod tests {
    use rsip::prelude::*;

    use super::*;

    /// What rsip itself makes of octets which the view reads right.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Rsip {
        /// The same as the view.
        Agrees,
        /// It finds no message, or misses a header that is there.
        Refuses,
        /// It reads something else, without a word.
        Misreads,
    }

    use Rsip::*;

    const INVITE: &str = "INVITE sip:bob@example.test SIP/2.0";

    /// What is tried, the start line, the lines instead of the usual ones, and how rsip fares.
    const ROWS: [(&str, &str, &str, Rsip); 18] = [
        ("the usual", INVITE, "", Agrees),
        ("a URI with port and parameters", "INVITE sip:bob@gw:5070;transport=tcp;lr SIP/2.0", "", Agrees),
        ("a quoted name", INVITE, "From: \"A, B\" <sip:alice@h>;tag=1", Agrees),
        ("own reason phrase", "SIP/2.0 486 Besetzt", "", Agrees),
        ("an extension code", "SIP/2.0 299 Own", "", Agrees),
        ("a dot in the user", "INVITE sip:john.doe@example.test SIP/2.0", "", Misreads),
        ("compact names", INVITE, "f: <sip:alice@h>;tag=1\r\ni: x", Refuses),
        ("a fold", INVITE, "From: <sip:alice@h>\r\n ;tag=1", Refuses),
        ("white space before the colon", INVITE, "From : <sip:alice@h>;tag=1", Refuses),
        ("white space around the tag", INVITE, "From: <sip:alice@h> ; tag = 1", Refuses),
        ("From without brackets", INVITE, "From: sip:alice@h;tag=1", Agrees),
        ("a dot in From's user", INVITE, "From: <sip:al.ice@h>;tag=1", Misreads),
        ("IPv6 in the Request-URI", "INVITE sip:bob@[2001:db8::1]:5070 SIP/2.0", "", Refuses),
        ("IPv6 in Via", INVITE, "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bK1", Refuses),
        ("an underscore", "INVITE sip:bob@my_pbx SIP/2.0", "", Agrees),
        ("an unknown transport", INVITE, "Via: SIP/2.0/WHAT h;branch=z9hG4bK1", Refuses),
        ("an empty phrase without its space", "SIP/2.0 200", "", Refuses),
        ("Vias joined by a comma", INVITE, "Via: SIP/2.0/UDP h;branch=z9hG4bK1,SIP/2.0/UDP g", Agrees),
    ];

    #[test]
    fn rsip_as_a_second_opinion() {
        for (title, start, lines, expected) in ROWS {
            let raw = written(start, lines);
            let message = Message::read(raw.clone()).expect(title);
            let fares = match rsip::SipMessage::try_from(raw).ok().and_then(|theirs| read_by_rsip(&theirs)) {
                None => Refuses,
                Some(theirs) if theirs == read_by_us(&message) => Agrees,
                Some(_) => Misreads,
            };
            assert_eq!(fares, expected, "{title}");
        }
    }

    fn read_by_us(message: &Message) -> Vec<String> {
        let uri = Uri::read(message.uri());
        let from = message.from().expect("a From");
        let via = message.via().expect("a Via");
        let parts = [
            uri.and_then(|u| u.user),
            uri.map(|u| u.host),
            Uri::read(from.uri).and_then(|u| u.user),
            from.tag(),
            Some(message.call_id()),
            Some(via.host),
            via.branch(),
        ];
        parts.map(|part| text(part.unwrap_or(b"")).into_owned()).to_vec()
    }

    fn read_by_rsip(message: &rsip::SipMessage) -> Option<Vec<String>> {
        let uri = match message {
            rsip::SipMessage::Request(request) => Some(request.uri.clone()),
            rsip::SipMessage::Response(_) => None,
        };
        let user = |uri: &rsip::Uri| uri.auth.as_ref().map_or(String::new(), ToString::to_string);
        let from = message.from_header().ok()?.typed().ok()?;
        let via = message.via_header().ok()?.typed().ok()?;
        Some(vec![
            uri.as_ref().map_or(String::new(), user),
            uri.as_ref().map_or(String::new(), |uri| uri.host().to_string()),
            user(&from.uri),
            from.tag().map_or(String::new(), ToString::to_string),
            message.call_id_header().ok()?.value().to_owned(),
            via.uri.host().to_string(),
            via.branch().map_or(String::new(), ToString::to_string),
        ])
    }

    #[test]
    fn whatever_rsip_reads_itself_the_bridge_brings_it_all() {
        for (title, start, lines, _) in ROWS {
            let message = Message::read(written(start, lines)).expect(title);
            let theirs = rsip::SipMessage::try_from(&message).expect(title);
            let back = Message::try_from(&theirs).expect(title);
            assert_eq!(read_by_us(&back), read_by_us(&message), "{title}");
            assert_eq!(back.code(), message.code(), "{title}");
            assert_eq!(back.body(), message.body(), "{title}");
        }
    }

    #[test]
    fn what_rsip_cannot_hold_is_refused() {
        let rows = [
            ("INVITE tel:+4544 SIP/2.0", Unsayable::Uri),
            ("WAKEUP sip:bob@h SIP/2.0", Unsayable::Method),
            ("INVITE sip:bob@h SIP/3.0", Unsayable::Fault),
        ];
        for (start, expected) in rows {
            let message = Message::read(written(start, "")).expect(start);
            assert_eq!(rsip::SipMessage::try_from(&message), Err(expected), "{start}");
        }
    }

    #[test]
    fn a_value_cannot_break_out_of_its_line() {
        let message = Message::read(written(INVITE, "")).expect("a message");
        let mut theirs = rsip::SipMessage::try_from(&message).expect("a message for rsip");
        theirs.headers_mut().push(rsip::Header::Subject("x\r\nBcc: y".into()));
        assert_eq!(octets(&theirs), Err(Unsayable::LineEnd));
    }

    #[test]
    fn octets_are_written_out() {
        let response = rsip::Response {
            status_code: rsip::StatusCode::SessionProgress,
            headers: vec![rsip::Header::ContentLength("9".into()), rsip::Header::CallId("x".into())].into(),
            version: rsip::Version::V2,
            body: vec![0xff, 0],
        };
        let expected = b"SIP/2.0 183 Session Progress\r\nCall-ID: x\r\nContent-Length: 2\r\n\r\n\xff\0";
        assert_eq!(octets(&response.into()).expect("no line end"), &expected[..]);
    }

    fn written(start: &str, lines: &str) -> Bytes {
        let usual = [
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
            "From: <sip:alice@h>;tag=1",
            "Call-ID: x",
            "CSeq: 1 INVITE",
        ];
        let name = |line: &str| Name::of(line.split(':').next().unwrap_or("").trim().as_bytes());
        let kept = usual.iter().filter(|line| lines.split("\r\n").all(|own| name(own) != name(line)));
        let mut header: String = kept.map(|line| format!("{line}\r\n")).collect();
        if !lines.is_empty() {
            header += &format!("{lines}\r\n");
        }
        Bytes::from(format!("{start}\r\n{header}Content-Length: 3\r\n\r\nabc"))
    }
}
