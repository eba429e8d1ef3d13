//! How many messages a mailbox holds, as message waiting tells it (RFC 3842).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The messages of a mailbox. The urgent ones are counted among the others as well (RFC 3842 §5.2).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// Not heard yet.
    pub new: u32,
    /// Heard or saved.
    pub old: u32,
    /// Those of `new` that are urgent.
    pub urgent_new: u32,
    /// Those of `old` that are urgent.
    pub urgent_old: u32,
}

impl Counts {
    /// Whether the lamp is on: `Messages-Waiting: yes`.
    pub fn is_waiting(self) -> bool {
        self.new > 0
    }

    /// The messages of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            new: self.new.saturating_add(other.new),
            old: self.old.saturating_add(other.old),
            urgent_new: self.urgent_new.saturating_add(other.urgent_new),
            urgent_old: self.urgent_old.saturating_add(other.urgent_old),
        }
    }

    /// One message more.
    pub fn add(&mut self, state: State, urgent: bool) {
        let (all, pressing) = match state {
            State::New => (&mut self.new, &mut self.urgent_new),
            State::Old => (&mut self.old, &mut self.urgent_old),
        };
        *all += 1;
        *pressing += u32::from(urgent);
    }
}

impl fmt::Display for Counts {
    /// The value of `Voice-Message:` (RFC 3842 §3.5): `2/8 (0/2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({}/{})", self.new, self.old, self.urgent_new, self.urgent_old)
    }
}

/// Where a message of a mailbox stands. A deleted one is none any more.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not heard yet.
    New,
    /// Heard or saved.
    Old,
}

impl State {
    /// As the store writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_state_and_urgency() {
        let mut counts = Counts::default();
        assert_eq!((counts.to_string(), counts.is_waiting()), ("0/0 (0/0)".into(), false));
        for (state, urgent) in
            [(State::Old, true), (State::Old, false), (State::New, true), (State::New, false)]
        {
            counts.add(state, urgent);
        }
        assert_eq!((counts.to_string(), counts.is_waiting()), ("2/2 (1/1)".into(), true));
    }
}
