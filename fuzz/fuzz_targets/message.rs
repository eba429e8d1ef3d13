//! Octets against the message view, the check and the framer, with rsip as a second opinion.
//!
//! `cargo +nightly fuzz run message -- -dict=fuzz/sip.dict -max_len=2000`
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ringpost::sip::{Message, Name, check, uri::Uri};
use rsip::{headers::UntypedHeader, prelude::HeadersExt};

#[path = "../../tests/survives/mod.rs"]
mod survives;

fuzz_target!(|octets: &[u8]| {
    let octets = Bytes::copy_from_slice(octets);
    survives::survives(octets.clone());
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
    assert_eq!(call_id.value().trim().as_bytes(), message.call_id());
    let from = theirs.from_header().expect("a From");
    assert_eq!(Some(from.value().trim().as_bytes()), message.first(Name::From));
    assert_eq!(theirs.body(), &message.body());
});

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
                    || !octets[..head.len()].windows(10).any(|w| w == b" SIP/2.0\r\n")
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
