//! What a state of the book is called, and how far back changes are told.

use jiff::{Timestamp, tz::TimeZone};

/// A state of the book: the day in UTC and a number within it, `2026112100`. Later ones are greater.
pub type Version = u64;

/// Changes are told since so many states at most, however often the book was made.
pub const MOST: usize = 64;

/// The name of a new state that is made now.
pub fn next(before: Option<Version>, now: Timestamp) -> Version {
    let date = now.to_zoned(TimeZone::UTC).date();
    let day = u64::try_from(date.year()).unwrap_or(0) * 10_000
        + u64::from(date.month().unsigned_abs()) * 100
        + u64::from(date.day().unsigned_abs());
    (day * 100).max(before.map_or(0, |before| before + 1))
}

/// A state that was replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Replaced {
    /// Its name.
    pub version: Version,
    /// When the next one took its place.
    pub until: Timestamp,
}

/// Since which states the changes are told: those that were the latest one within `days` days before this one (R75), oldest first.
/// Whoever has an older one takes the whole book.
pub fn told(replaced: &[Replaced], now: Timestamp, days: u32) -> Vec<Version> {
    let midnight = now.to_zoned(TimeZone::UTC).start_of_day().map_or(now, |day| day.timestamp());
    let first = midnight.as_second() - i64::from(days) * 86_400;
    let mut told: Vec<Version> =
        replaced.iter().filter(|one| one.until.as_second() >= first).map(|one| one.version).collect();
    told.sort_unstable();
    told.split_off(told.len().saturating_sub(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn a_name_says_the_day_and_never_goes_back() {
        for (before, now, expected) in [
            (None, "2026-11-21T00:00:05Z", 2026112100),
            (Some(2026112000), "2026-11-21T00:00:05Z", 2026112100),
            (Some(2026112100), "2026-11-21T09:00:00Z", 2026112101),
            (Some(2026112199), "2026-11-21T09:00:00Z", 2026112200),
            (Some(2027010100), "2026-11-21T09:00:00Z", 2027010101),
        ] {
            assert_eq!(next(before, at(now)), expected, "{before:?}");
        }
    }

    #[test]
    fn changes_are_told_for_thirty_days_and_sixty_four_states() {
        let one = |version, until: &str| Replaced { version, until: at(until) };
        let replaced =
            [one(1, "2026-10-21T23:59:59Z"), one(3, "2026-11-20T00:00:01Z"), one(2, "2026-10-22T00:00:00Z")];
        assert_eq!(told(&replaced, at("2026-11-21T14:00:00Z"), 30), [2, 3]);
        let many: Vec<_> = (0..100).map(|version| one(version, "2026-11-21T00:00:00Z")).collect();
        assert_eq!(told(&many, at("2026-11-21T14:00:00Z"), 30), (36..100).collect::<Vec<_>>());
    }
}
