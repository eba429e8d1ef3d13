//! When the book is made, and when a reader comes again (R74, R76, R77).

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// A day, for "older than 24 h".
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Readers come within so many seconds after midnight, each at a time of its own.
const SPREAD: u64 = 30 * 60;

/// What has become of the tries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Past {
    /// When the book was last made, or found to be as before.
    pub made: Option<Timestamp>,
    /// The failures since.
    pub failed: Option<Failed>,
}

/// Failures in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failed {
    /// How many.
    pub times: u32,
    /// When the first was.
    pub first: Timestamp,
    /// When the last was.
    pub last: Timestamp,
}

impl Past {
    /// When the next try is: after a failure in 1, 2, 4 to 64 minutes (R76), else at 00:00 UTC; at once where there is none, and
    /// where a midnight went by unused. What lies before now is due now.
    pub fn due(&self, now: Timestamp) -> Timestamp {
        match (self.failed, self.made) {
            (Some(failed), _) => {
                let wait = SignedDuration::from_mins(1 << failed.times.saturating_sub(1).min(6));
                // A clock that was set back keeps nobody waiting.
                failed.last.min(now).saturating_add(wait).unwrap_or(now)
            }
            (None, Some(made)) => midnight_after(made.min(now)),
            (None, None) => now,
        }
    }

    /// A try has come to its end.
    #[must_use]
    pub fn then(self, succeeded: bool, now: Timestamp) -> Self {
        if succeeded {
            return Self { made: Some(now), failed: None };
        }
        let failed = self.failed.map_or(Failed { times: 1, first: now, last: now }, |before| Failed {
            times: before.times.saturating_add(1),
            last: now,
            ..before
        });
        Self { failed: Some(failed), ..self }
    }

    /// Whether it has failed for more than 24 h, so that somebody has to be told (R76).
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.failed.is_some_and(|failed| now.duration_since(failed.first) > DAY)
    }
}

/// When a reader that last came at `fetched` comes again (R77): at once where that is more than 24 h ago or never was, else at
/// 00:00 UTC and as many seconds behind it as its `name` makes, so that not all come at once.
pub fn again(fetched: Option<Timestamp>, now: Timestamp, name: &str) -> Timestamp {
    let is_old = fetched.is_none_or(|fetched| now.duration_since(fetched) > DAY);
    if is_old {
        return now;
    }
    // FNV-1a, which is the same on every machine.
    let mark = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |mark, octet| {
        (mark ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    });
    let later = SignedDuration::from_secs((mark % SPREAD).cast_signed());
    midnight_after(now).saturating_add(later).unwrap_or(now)
}

/// The next 00:00 UTC.
fn midnight_after(time: Timestamp) -> Timestamp {
    let day = time.to_zoned(TimeZone::UTC).date().tomorrow();
    let next = day.and_then(|day| day.to_zoned(TimeZone::UTC));
    next.map_or(time, |next| next.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn r74_it_is_made_at_midnight_and_at_once_where_there_is_none() {
        let now = at("2026-11-21T14:00:00Z");
        assert!(Past::default().due(now) <= now);
        for (made, due) in [
            ("2026-11-21T00:00:09Z", "2026-11-22T00:00:00Z"),
            ("2026-11-21T13:59:00Z", "2026-11-22T00:00:00Z"),
            ("2026-11-20T23:00:00Z", "2026-11-21T00:00:00Z"),
            ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"),
            // A clock that was set back.
            ("2027-11-01T00:00:00Z", "2026-11-22T00:00:00Z"),
        ] {
            let past = Past { made: Some(at(made)), failed: None };
            assert_eq!(past.due(now), at(due), "{made}");
        }
    }

    #[test]
    fn r76_a_failure_is_tried_again_after_1_to_64_minutes_and_told_after_a_day() {
        let made = Some(at("2026-11-20T00:00:00Z"));
        let (mut past, mut now) = (Past { made, failed: None }, at("2026-11-21T00:00:00Z"));
        let first = now;
        for minutes in [1, 2, 4, 8, 16, 32, 64, 64, 64] {
            past = past.then(false, now);
            assert_eq!(past.due(now).duration_since(now).as_mins(), minutes);
            assert!(!past.is_stale(now));
            now = past.due(now);
        }
        assert_eq!(past.made, made, "what was made before stays");
        assert!(!past.is_stale(first + DAY));
        assert!(past.is_stale(first + DAY + SignedDuration::from_secs(1)));
        let well = past.then(true, now);
        assert_eq!((well.made, well.failed, well.is_stale(now + DAY + DAY)), (Some(now), None, false));
    }

    #[test]
    fn r77_a_reader_comes_at_once_with_an_old_book_and_else_after_midnight() {
        let now = at("2026-11-21T14:00:00Z");
        assert_eq!(again(None, now, "ada"), now);
        assert_eq!(again(Some(at("2026-11-20T13:59:59Z")), now, "ada"), now);
        let due = |name| again(Some(at("2026-11-20T14:00:00Z")), now, name);
        for name in ["ada", "bob", "", "1001"] {
            let after = due(name).duration_since(at("2026-11-22T00:00:00Z")).as_secs();
            assert!((0..1_800).contains(&after), "{name}: {after}");
        }
        assert_ne!(due("ada"), due("bob"));
        assert_eq!(due("ada"), due("ada"));
    }
}
