//! PINs as they are kept: PBKDF2 with HMAC-SHA256 and a salt of their own.

use std::num::NonZeroU32;

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};

use crate::entropy;

/// What a try costs: some hundredths of a second. A PIN is short, so the lock-out has to do the rest.
const ROUNDS: NonZeroU32 = NonZeroU32::new(120_000).expect("not zero");

/// A PIN as it is kept, `pbkdf2-sha256$ROUNDS$SALT$HASH`. It takes a while.
pub fn hashed(pin: &str) -> String {
    let salt = entropy::number().to_be_bytes();
    let mut hash = [0; 32];
    pbkdf2::derive(PBKDF2_HMAC_SHA256, ROUNDS, &salt, pin.as_bytes(), &mut hash);
    format!("pbkdf2-sha256${ROUNDS}${}${}", BASE64_STANDARD.encode(salt), BASE64_STANDARD.encode(hash))
}

/// Whether this is the PIN. It takes the same while, whether there is one or not.
pub fn fits(kept: Option<&str>, pin: &str) -> bool {
    let mut parts = kept.unwrap_or_default().split('$');
    let read = |part: Option<&str>| BASE64_STANDARD.decode(part?).ok();
    let rounds = parts.nth(1).and_then(|rounds| rounds.parse().ok());
    match (rounds, read(parts.next()), read(parts.next())) {
        (Some(rounds), Some(salt), Some(hash)) => {
            pbkdf2::verify(PBKDF2_HMAC_SHA256, rounds, &salt, pin.as_bytes(), &hash).is_ok()
        }
        _ => {
            let mut hash = [0; 32];
            pbkdf2::derive(PBKDF2_HMAC_SHA256, ROUNDS, &[0; 16], pin.as_bytes(), &mut hash);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_kept_so_that_nobody_reads_it() {
        let kept = hashed("2580");
        assert!(!kept.contains("2580") && kept != hashed("2580"), "{kept}");
        assert!(fits(Some(&kept), "2580") && !fits(Some(&kept), "2581") && !fits(Some(&kept), ""));
        for spoilt in
            [None, Some(""), Some("2580"), Some("pbkdf2-sha256$0$$"), Some("pbkdf2-sha256$1$AA==$!")]
        {
            assert!(!fits(spoilt, "2580"), "{spoilt:?}");
        }
    }
}
