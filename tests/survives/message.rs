//! Octets against the message view, the check and the framer, with rsip as a second opinion.

use bytes::Bytes;
use ringpost::sip::{
    Message, Name, check,
    frame::{Frame, frame},
    message::Fault,
    uri::Uri,
};
use rsip::{headers::UntypedHeader, prelude::HeadersExt};

/// The largest message in octets.
pub const LIMIT: usize = 65_536;

/// Whatever is asked of whatever has come: no panic, and no two answers that disagree.
pub fn survives(octets: &[u8]) {
    let octets = Bytes::copy_from_slice(octets);
    let framed = frame(&octets, LIMIT, 0);
    let Ok(message) = Message::read(octets.clone()) else { return };
    let _ = (check::request(&message), check::response(&message));
    said(&message);
    let whole: usize = message.fields().map(|field| message.written(field).len()).sum();
    assert!(whole + message.body().len() <= message.raw().len());
    for field in message.fields() {
        assert!(!message.written_name(field).is_empty());
        assert_eq!(Name::of(message.written_name(field)), field.name);
        for uri in [message.value(field)].into_iter().chain(message.contact()) {
            let _ = Uri::read(uri).map(|u| (u.bare_user(), u.param("x")));
        }
    }
    let counted = message.count(Name::ContentLength) > 0 && octets.first() == message.raw().first();
    match framed {
        Ok(Frame::Message { length }) if message.fault() != Some(Fault::TooMany) => {
            assert_eq!(message.raw().len(), length, "the view and the framer disagree");
        }
        Ok(Frame::Message { .. } | Frame::Ping { .. } | Frame::Blank { .. }) => {}
        Ok(Frame::Incomplete) | Err(_) => {
            assert!(!counted || message.fault().is_some(), "the framer refused what the view took");
        }
    }
}

/// As [`survives`], and rsip reads the same but for the known differences.
pub fn agrees(octets: &[u8]) {
    survives(octets);
    let octets = Bytes::copy_from_slice(octets);
    let Ok(message) = Message::read(octets.clone()) else { return };
    let accepted = match message.code() {
        Some(_) => check::response(&message),
        None => check::request(&message).is_ok(),
    };
    // What we refuse and rsip takes is no finding: rsip checks nothing beyond the syntax it knows.
    if !accepted || wanted(&octets, &message) {
        return;
    }
    let theirs = rsip::SipMessage::try_from(octets).expect("what has none of the known differences");
    let call_id = theirs.call_id_header().expect("a Call-ID");
    let blank = [' ', '\t', '\r', '\n'];
    assert_eq!(call_id.value().trim_matches(blank).as_bytes(), message.call_id());
    let from = theirs.from_header().expect("a From");
    assert_eq!(Some(from.value().trim_matches(blank).as_bytes()), message.first(Name::From));
    assert_eq!(theirs.body(), &message.body());
}

/// Every typed value of a message.
pub fn said(message: &Message) -> Vec<Option<Vec<u8>>> {
    let own = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
    let (via, from, to) = (message.via(), message.from(), message.to());
    let mut said = vec![
        own(Some(message.method_name())),
        own(Some(message.uri())),
        own(Some(message.reason_phrase())),
        own(Some(message.call_id())),
        own(message.contact()),
        own(via.map(|v| v.transport)),
        own(via.map(|v| v.host)),
        own(via.and_then(|v| v.branch())),
        own(from.map(|a| a.uri)),
        own(from.and_then(|a| a.tag())),
        own(to.map(|a| a.uri)),
        own(to.and_then(|a| a.tag())),
        own(message.cseq().map(|(_, method)| method)),
        message.cseq().map(|(number, _)| number.to_be_bytes().to_vec()),
        message.from().and_then(|a| a.display_text()).map(String::into_bytes),
        Some(message.body().to_vec()),
    ];
    said.extend(message.list(Name::Via).map(|via| Some(via.to_vec())).map(squeezed));
    said.extend(message.list(Name::Supported).map(|tag| Some(tag.to_vec())));
    said
}

/// Without white space, which says nothing between the parts of a Via.
fn squeezed(value: Option<Vec<u8>>) -> Option<Vec<u8>> {
    value.map(|v| v.into_iter().filter(|o| !o.is_ascii_whitespace()).collect())
}

/// The known and wanted differences: what we take, and rsip refuses or reads otherwise (see `src/sip/typed.rs`).
fn wanted(octets: &[u8], message: &Message) -> bool {
    let head = &octets[..octets.len() - message.body().len().min(octets.len())];
    // Line ends before the start line, and junk behind the body.
    octets.len() != message.raw().len()
        // Bare line feeds.
        || head.iter().filter(|o| **o == b'\n').count() != head.windows(2).filter(|w| w == b"\r\n").count()
        // Octets that are not UTF-8.
        || str::from_utf8(head).is_err()
        || message.fields().any(|field| {
            let (name, written) = (message.written_name(field), message.written(field));
            // Compact names, folds, white space before the colon.
            name.len() == 1 || written.iter().filter(|o| **o == b'\n').count() > 1 || written.get(name.len()) != Some(&b':')
                // Token octets that rsip does not know in a name.
                || !name.iter().all(|o| o.is_ascii_alphanumeric() || b"-_".contains(o))
        })
        || match message.method() {
            // Its methods are a closed list; SIP in lower case; a user with a dot, an escaped octet or a parameter, IPv6
            // and tel.
            Some(_) => {
                message.method_name() != message.method().and_then(|m| m.name()).unwrap_or("").as_bytes()
                    || !head.split_inclusive(|o| *o == b'\n').next().is_some_and(|line| line.ends_with(b" SIP/2.0\r\n"))
                    || Uri::read(message.uri()).is_none_or(|uri| !plain(&uri))
            }
            // A status line without a phrase or in lower case.
            None => message.reason_phrase().is_empty() || !octets.starts_with(b"SIP/2.0 "),
        }
}

fn plain(uri: &Uri<'_>) -> bool {
    let simple = |part: &[u8]| part.iter().all(|o| o.is_ascii_alphanumeric());
    uri.scheme == b"sip"
        && uri.user.is_none_or(simple)
        && uri.host.iter().all(|o| o.is_ascii_alphanumeric() || *o == b'.')
        && uri.params.is_empty()
        && uri.port.is_none()
}
