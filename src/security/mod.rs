//! What strangers may do, and when they are not heard any more. Everything here is bounded, whatever they send.

mod gate;

pub use gate::{Gate, Toll, source_of};

use crate::{
    settings::Security,
    sip::{Message, Name},
};

/// Whether a request says of itself that a scanner has sent it.
pub fn is_scanner(settings: &Security, request: &Message) -> bool {
    let says = |value: &[u8]| {
        settings.scanners.iter().any(|word| {
            let word = word.as_bytes();
            value.len() >= word.len() && value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
        })
    };
    request.first(Name::UserAgent).is_some_and(says) || request.first(Name::From).is_some_and(says)
}

/// Judges what a message costs before anybody acts on it; the code and phrase of the refusal.
///
/// # Errors
/// 400 for too many header fields or Vias, 413 for a body that is too large (RFC 3261 §21.4.11).
pub fn size(settings: &Security, message: &Message) -> Result<(), (u16, &'static str)> {
    let body = message.body_length();
    if body > settings.body {
        return Err((413, "Request Entity Too Large"));
    }
    if message.field_count() > settings.headers {
        return Err((400, "Too Many Header Fields"));
    }
    // No Via is shorter than "SIP/2.0/UDP a"; only a long header is worth counting.
    let header = message.raw().len() - body;
    if header > settings.vias * 13 && message.list(Name::Via).count() > settings.vias {
        return Err((400, "Too Many Via"));
    }
    Ok(())
}
