//! When a message came, in words.

use jiff::{Timestamp, tz::TimeZone};

use super::{Phrase, Say};

/// When a message came, in the owner's time zone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received {
    /// On which day.
    pub day: Day,
    /// The hour, 0 to 23.
    pub hour: u8,
    /// The minute.
    pub minute: u8,
}

/// A day as it is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Day {
    /// Today.
    Today,
    /// Yesterday.
    Yesterday,
    /// Another day: month and day of the month.
    Date(u8, u8),
}

impl Received {
    /// A time as it is spoken at `now`; UTC where the zone is unknown.
    pub fn of(at: Timestamp, now: Timestamp, zone: &str) -> Self {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone));
        let day = match at.date() {
            date if date == now.date() => Day::Today,
            date if now.date().yesterday().is_ok_and(|yesterday| date == yesterday) => Day::Yesterday,
            date => Day::Date(date.month().unsigned_abs(), date.day().unsigned_abs()),
        };
        Self { day, hour: at.hour().unsigned_abs(), minute: at.minute().unsigned_abs() }
    }

    /// The words: day, hour and, where it is none, no minute.
    pub fn words(self) -> Vec<Say> {
        let mut words = match self.day {
            Day::Today => vec![Phrase::Today.into()],
            Day::Yesterday => vec![Phrase::Yesterday.into()],
            Day::Date(month, day) => vec![Say::Number(day), Say::Month(month)],
        };
        words.extend([Phrase::At.into(), Say::Number(self.hour), Phrase::Hours.into()]);
        words.extend((self.minute > 0).then_some(Say::Number(self.minute)));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_owner() {
        let now = "2026-11-21T00:30:00Z".parse().expect("a time");
        let rows = [
            ("2026-11-21T00:05:00Z", "Europe/Copenhagen", "today at 1 hours 5"),
            ("2026-11-20T23:05:00Z", "Europe/Copenhagen", "today at 0 hours 5"),
            ("2026-11-20T22:00:00Z", "Europe/Copenhagen", "yesterday at 23 hours"),
            ("2026-11-20T22:00:00Z", "America/New_York", "today at 17 hours"),
            ("2026-03-01T12:59:00Z", "no zone", "1 month-3 at 12 hours 59"),
        ];
        for (at, zone, expected) in rows {
            let words = Received::of(at.parse().expect("a time"), now, zone).words();
            let words: Vec<_> = words.iter().map(ToString::to_string).collect();
            assert_eq!(words.join(" "), expected, "{at} in {zone}");
        }
    }
}
