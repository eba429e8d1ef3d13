//! The proof that a body comes from this site and was sent just now: an HMAC (RFC 2104) over time and body.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries it: `t=SECONDS,v1=HEX`.
pub const SIGNATURE: &str = "Ringpost-Signature";

/// How far the time of a signature may be from the receiver's clock: an older one is a replay. The receiver remembers
/// the `id` of every event for as long.
pub const WINDOW: Duration = Duration::from_secs(300);

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignatureError {
    /// The header is not `t=SECONDS,v1=HEX`.
    #[error("the signature cannot be read")]
    Malformed,
    /// Outside the window.
    #[error("the signature is too old, or a clock is wrong")]
    Old,
    /// Another secret, time or body.
    #[error("the signature does not fit")]
    Wrong,
}

/// The header's value for a body sent at `now`, in seconds since 1970.
pub fn sign(secret: &[u8], now: i64, body: &[u8]) -> String {
    let octets = mac(secret, now, body).finalize().into_bytes();
    let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("t={now},v1={digits}")
}

/// What a receiver does with the header; the comparison takes the same time wherever the first difference is.
///
/// # Errors
/// Why the body is not to be believed.
pub fn verify(secret: &[u8], header: &str, now: i64, body: &[u8]) -> Result<(), SignatureError> {
    let (time, digits) = header
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(",v1="))
        .ok_or(SignatureError::Malformed)?;
    let time: i64 = time.parse().map_err(|_| SignatureError::Malformed)?;
    let octets = read(digits).ok_or(SignatureError::Malformed)?;
    if now.abs_diff(time) > WINDOW.as_secs() {
        return Err(SignatureError::Old);
    }
    mac(secret, time, body).verify_slice(&octets).map_err(|_| SignatureError::Wrong)
}

fn mac(secret: &[u8], time: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    mac
}

fn read(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    let digit = |octet: u8| char::from(octet).to_digit(16).map(|value| value as u8);
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}
