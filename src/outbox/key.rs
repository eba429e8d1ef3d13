//! The idempotency key: what makes two notices the same notice.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::notify::{Kind, Notice};

/// (user, Call-ID, kind), of a digest with all its Call-IDs, as 32 hexadecimal digits: the Message-ID, the Maildir file name, the key in the store.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Key(String);

impl Key {
    /// The key of a notice. It stays the same over versions of Ringpost: mails under way carry it.
    pub fn of(notice: &Notice) -> Self {
        let (calls, kind) = match &notice.kind {
            Kind::Missed => (vec![notice.call_id.as_str()], "missed"),
            Kind::VoiceMail { .. } => (vec![notice.call_id.as_str()], "voice-mail"),
            Kind::Locked { .. } => (vec![notice.call_id.as_str()], "locked"),
            // Of its calls: the same ones make the same digest.
            Kind::Digest { calls } => (calls.iter().map(|call| call.call_id.as_str()).collect(), "digest"),
        };
        let mut hash = Sha256::new();
        for part in [notice.user.as_str()].into_iter().chain(calls).chain([kind]) {
            // The length first, so that no two rows of parts read the same.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize()[..16].iter().map(|octet| format!("{octet:02x}")).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
