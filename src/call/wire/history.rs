//! What Ringpost's own UM is told of a call beside the Diversion.

use std::time::Duration;

use crate::{notify::Filter, sip::Message};

/// The header that tells Ringpost's own UM what happened before it was called.
pub const HISTORY: &str = "X-Ringpost-Call";

/// What happened to a call before UM had it: an external UM cannot know it, Ringpost's own need not guess.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct History {
    /// The Call-ID of the caller's leg.
    pub call_id: String,
    /// When the INVITE came in, Unix time in milliseconds.
    pub came_in: i64,
    /// How long the devices rang.
    pub rang_for: Duration,
    /// The user's filter that the call is caught by.
    pub filter: Option<Filter>,
}

impl History {
    /// The value of the header: numbers first, then the filter, the Call-ID to the end of the line.
    pub fn write(&self) -> Vec<u8> {
        let filter = self.filter.map_or("-", Filter::as_str);
        format!("{} {} {filter} {}", self.came_in, self.rang_for.as_millis(), self.call_id).into_bytes()
    }

    /// Reads the header back; `None` where it is missing or not ours.
    pub fn read(message: &Message) -> Option<Self> {
        let field =
            message.fields().find(|f| message.written_name(f).eq_ignore_ascii_case(HISTORY.as_bytes()))?;
        let value = std::str::from_utf8(message.value(field)).ok()?;
        let mut parts = value.splitn(4, ' ');
        let came_in = parts.next()?.parse().ok()?;
        let rang_for = Duration::from_millis(parts.next()?.parse().ok()?);
        let filter = parts.next()?;
        let filter = Filter::ALL.into_iter().find(|known| known.as_str() == filter);
        Some(Self { call_id: parts.next()?.to_owned(), came_in, rang_for, filter })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_happened_before_um_is_told_to_our_own_um() {
        for filter in Filter::ALL.map(Some).into_iter().chain([None]) {
            let rang_for = Duration::from_millis(1_500);
            let history = History { call_id: "a b@c".into(), came_in: 1_777_777, rang_for, filter };
            let line = String::from_utf8(history.write()).expect("text");
            let text = format!("INVITE sip:u@h SIP/2.0\r\nX-Ringpost-Call: {line}\r\n\r\n");
            let message = Message::read(Bytes::from(text)).expect("a request");
            assert_eq!(History::read(&message), Some(history));
        }
    }
}
