//! When a session of the embedded UM ends by itself, and what is a message.

use std::time::Duration;

use super::take::Worth;
use crate::settings::Voicemail;

/// When a session ends by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Silence that ends the recording.
    pub silence: Duration,
    /// The longest recording.
    pub max_message: Duration,
    /// Voiced audio below it is no message.
    pub min_message: Duration,
    /// The longest session, greeting and holds included.
    pub max_call: Duration,
    /// How long the ACK may take after the 200 (RFC 3261 §13.3.1.4: 64*T1).
    pub begin: Duration,
}

impl Limits {
    /// For an announcement: over after `longest`, whatever happens.
    pub fn announcement(longest: Duration) -> Self {
        let (silence, max_message, min_message) = (longest, longest, Duration::ZERO);
        Self { silence, max_message, min_message, max_call: longest, begin: longest }
    }

    /// Whether so much is a message.
    pub fn is_message(&self, worth: Worth) -> bool {
        worth.octets > 0 && worth.voiced >= self.min_message
    }
}

impl From<&Voicemail> for Limits {
    fn from(settings: &Voicemail) -> Self {
        let &Voicemail { silence, max_message, min_message, .. } = settings;
        // Exchange's distance between the longest recording and the longest call is ten minutes, too.
        let max_call = max_message + Duration::from_secs(600);
        Self { silence, max_message, min_message, max_call, begin: Duration::from_secs(32) }
    }
}
