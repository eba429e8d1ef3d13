//! A notice as Microsoft Graph wants it: where it goes, what it says, and what an answer means for it.

mod contacts;
mod message;
mod place;
pub mod presence;
#[cfg(test)]
mod tests;
mod verdict;

pub use contacts::contacts;
pub use message::{Enclosed, message, sent, upload};
pub use place::{Place, request_id};
pub use verdict::{Judgement, Made, Whose, found, judged, made, session};

use super::mail::message_id;
use crate::outbox::Key;

/// The longest request that Graph takes, in octets; the service says 4 MB.
pub const LONGEST_REQUEST: usize = 3_900_000;
/// The largest recording that goes in one request with its message; larger ones go by an upload session.
pub const LONGEST_INLINE: usize = 2_800_000;
/// The size of one piece of an upload: a multiple of 320 KiB below 4 MB.
pub const PIECE: usize = 10 * 320 * 1024;

/// The Message-ID that a notice has with each try: `<KEY@domain>`. `None` where `from` is no address.
pub fn internet_message_id(key: &Key, from: &str) -> Option<String> {
    Some(message_id(key, &from.parse().ok()?))
}
