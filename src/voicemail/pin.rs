//! How often a wrong PIN may be tried (T20).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The wrong tries of a mailbox or of a source, as they are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tries {
    /// How many in a row.
    pub wrong: u32,
    /// When the last one was.
    pub last: Option<Timestamp>,
}

/// When it is locked, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lock {
    /// So many wrong tries lock it.
    pub tries: u32,
    /// For so long, and so long wrong ones are counted.
    pub time: Duration,
}

impl Tries {
    /// Whether nobody comes in now, with whatever PIN.
    pub fn is_locked(&self, lock: Lock, now: Timestamp) -> bool {
        self.wrong >= lock.tries && !self.is_past(lock, now)
    }

    /// With one try more that may turn out wrong; true where that is the last one.
    pub fn count(&mut self, lock: Lock, now: Timestamp) -> bool {
        if self.is_past(lock, now) {
            self.wrong = 0;
        }
        self.wrong = self.wrong.saturating_add(1);
        self.last = Some(now);
        self.wrong == lock.tries
    }

    /// Whether nobody has tried for so long that no lock counts it any more: a week.
    pub fn is_long_ago(&self, now: Timestamp) -> bool {
        self.is_past(Lock { tries: 0, time: Duration::from_secs(7 * 86_400) }, now)
    }

    /// A clock that was set back forgets nothing and locks nobody for longer.
    fn is_past(&self, lock: Lock, now: Timestamp) -> bool {
        let Some(last) = self.last else { return true };
        let time = SignedDuration::try_from(lock.time).unwrap_or(SignedDuration::MAX);
        now.duration_since(last).abs() >= time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t20_five_wrong_ones_lock_and_time_unlocks() {
        let lock = Lock { tries: 5, time: Duration::from_secs(1800) };
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).expect("a time");
        let mut tries = Tries::default();
        for (second, last) in [(0, false), (1, false), (2, false), (3, false), (4, true)] {
            assert!(!tries.is_locked(lock, at(second)));
            assert_eq!(tries.count(lock, at(second)), last, "{second}");
        }
        for (second, locked) in [(5, true), (1803, true), (1804, false), (-1000, true), (-1900, false)] {
            assert_eq!(tries.is_locked(lock, at(second)), locked, "{second}");
        }
        assert!(!tries.is_long_ago(at(86_400)) && tries.is_long_ago(at(8 * 86_400)));
        // Then it begins anew, and slow wrong ones lock nobody.
        assert!(!tries.count(lock, at(1900)));
        assert_eq!(tries.wrong, 1);
        for turn in 0..20 {
            assert!(!tries.count(lock, at(4000 + turn * 1800)));
        }
    }
}
