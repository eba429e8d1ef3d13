//! When a notice may be told: quiet hours, work days, work hours and holidays, by the clock on the user's wall (R209).
//!
//! Windows are turned into stretches of real time before anything is compared, so that a clock that is put forward or
//! back loses nothing and holds nothing for ever: what begins or ends at a time that the night leaves out does so when the
//! clock jumps, and a time that comes twice begins a window the first time and ends it the second.

use std::str::FromStr;

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, Time, Weekday},
    tz::{AmbiguousOffset, TimeZone},
};

use super::{Kind, Notice};
use crate::outbox::Hold;

/// However the hours are set, a notice waits no longer for them.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);

/// A part of the day, `22:00-07:00`; one that ends no later than it begins ends on the next day.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Window {
    from: Time,
    to: Time,
}

impl Window {
    const DAY: Self = Self { from: Time::midnight(), to: Time::midnight() };
}

impl FromStr for Window {
    type Err = NotAWindow;

    fn from_str(text: &str) -> Result<Self, NotAWindow> {
        let (from, to) = text.split_once('-').ok_or(NotAWindow)?;
        let time = |text: &str| {
            let legal = text.bytes().all(|octet| octet.is_ascii_digit() || octet == b':');
            text.parse::<Time>().ok().filter(|_| legal && matches!(text.len(), 5 | 8))
        };
        let from = time(from.trim()).ok_or(NotAWindow)?;
        match to.trim() {
            "24:00" => Ok(Self { from, to: Time::midnight() }),
            to => {
                let to = time(to).ok_or(NotAWindow)?;
                if from == to { Err(NotAWindow) } else { Ok(Self { from, to }) }
            }
        }
    }
}

/// It is no part of a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("wants a part of the day such as \"22:00-07:00\"")]
pub struct NotAWindow;

/// Days of the week.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0x7f);
    /// The names in the site file, Monday first.
    pub const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// The days of these names; one that is no name is left out.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let bit = |name| Self::NAMES.iter().position(|known| *known == name).map_or(0, |at| 1 << at);
        Self(names.into_iter().map(bit).fold(0, |all, one| all | one))
    }

    fn has(self, day: Weekday) -> bool {
        self.0 & 1 << day.to_monday_zero_offset() != 0
    }
}

impl Default for Days {
    fn default() -> Self {
        Self::ALL
    }
}

/// A day off: `2026-04-03`, or every year `12-25`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Holiday {
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl Holiday {
    fn is(self, date: Date) -> bool {
        self.year.is_none_or(|year| year == date.year())
            && (self.month, self.day) == (date.month(), date.day())
    }
}

impl FromStr for Holiday {
    type Err = NotADay;

    fn from_str(text: &str) -> Result<Self, NotADay> {
        let yearly = text.len() == 5;
        // The 29th of February is a day that can come back.
        let whole = if yearly { format!("2024-{text}") } else { text.to_owned() };
        let date: Date = whole.parse().map_err(|_| NotADay)?;
        match whole.len() {
            10 => Ok(Self { year: (!yearly).then(|| date.year()), month: date.month(), day: date.day() }),
            _ => Err(NotADay),
        }
    }
}

/// It is no day.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("wants a day such as \"2026-04-03\", or \"12-25\" for every year")]
pub struct NotADay;

/// When a user is told. The default is at once, always.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hours {
    /// `quiet`: nothing is told then, whatever the day.
    pub quiet: Vec<Window>,
    /// `work_days`. Default every day.
    pub work_days: Days,
    /// `work_hours`, each of the day that it begins on; none: all day.
    pub work_hours: Vec<Window>,
    /// `holidays`: no work days.
    pub holidays: Vec<Holiday>,
    /// `voice_mail_at_once`: voice mails do not wait.
    pub voice_mail_at_once: bool,
}

/// A stretch of real time, its end left out; empty where a jump of the clock swallows it.
type Stretch = (Timestamp, Timestamp);

impl Hours {
    /// Whether nothing ever waits.
    fn are_all(&self) -> bool {
        let Self { quiet, work_days, work_hours, holidays, voice_mail_at_once: _ } = self;
        quiet.is_empty() && *work_days == Days::ALL && work_hours.is_empty() && holidays.is_empty()
    }

    /// Whether a week without holidays has a moment at which something is told.
    pub fn leave_time(&self) -> bool {
        let week = Self { holidays: vec![], ..self.clone() };
        let release = week.release(&TimeZone::UTC, Timestamp::UNIX_EPOCH);
        release.is_none_or(|release| release.duration_since(Timestamp::UNIX_EPOCH) < LONGEST)
    }

    /// Until when a notice that is posted then waits; `None`: it goes at once.
    pub fn hold(&self, notice: &Notice, at: Timestamp) -> Option<Hold> {
        let is_exempt = self.voice_mail_at_once && matches!(notice.kind, Kind::VoiceMail { .. });
        if self.are_all() || is_exempt {
            return None;
        }
        let zone = TimeZone::get(&notice.time_zone).unwrap_or(TimeZone::UTC);
        let until = self.release(&zone, at)?;
        let why = if self.quiet_until(&zone, at).is_some() { "quiet hours" } else { "not in work hours" };
        Some(Hold { until, why: why.to_owned() })
    }

    /// When what is to be told at that moment may go; `None`: at once.
    pub fn release(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        if self.are_all() {
            return None;
        }
        let latest = at.saturating_add(LONGEST).ok()?;
        let mut moment = at;
        while moment < latest {
            let Some(work) = self.work_from(zone, moment) else { break };
            match self.quiet_until(zone, work) {
                Some(end) => moment = end,
                None => return (work > at).then_some(work.min(latest)),
            }
        }
        Some(latest)
    }

    /// The first moment from `at` on at which there is work; `None`: none for a long time.
    fn work_from(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        let whole_day = [Window::DAY];
        let windows = if self.work_hours.is_empty() { &whole_day[..] } else { &self.work_hours };
        let mut days = around(zone, at, LONGEST.as_hours() / 24 + 2);
        days.find_map(|day| {
            let works = self.work_days.has(day.weekday()) && !self.holidays.iter().any(|off| off.is(day));
            let stretches = windows.iter().filter(|_| works).filter_map(|window| stretch(zone, day, window));
            stretches.filter(|(from, to)| from < to && *to > at).map(|(from, _)| from.max(at)).min()
        })
    }

    /// When the quiet hours end that `at` is in; `None`: it is in none.
    fn quiet_until(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        let days = around(zone, at, 2).flat_map(|day| self.quiet.iter().map(move |window| (day, window)));
        let stretches = days.filter_map(|(day, window)| stretch(zone, day, window));
        stretches.filter(|(from, to)| *from <= at && at < *to).map(|(_, to)| to).max()
    }
}

/// The days whose windows may hold `at`, or begin in the next so many days. Two days before, since a window may last a
/// day and a zone may leave one out.
fn around(zone: &TimeZone, at: Timestamp, ahead: i64) -> impl Iterator<Item = Date> {
    let today = zone.to_datetime(at).date();
    (-2..=ahead).filter_map(move |days| today.checked_add(days.days()).ok())
}

fn stretch(zone: &TimeZone, day: Date, window: &Window) -> Option<Stretch> {
    let last = if window.to > window.from { day } else { day.tomorrow().ok()? };
    let (from, _) = moments(zone, day, window.from)?;
    let (_, to) = moments(zone, last, window.to)?;
    Some((from, to))
}

/// When the clock on the wall first shows that time, and when it last does; where it never does, when it jumps over it.
fn moments(zone: &TimeZone, day: Date, time: Time) -> Option<(Timestamp, Timestamp)> {
    let wall = day.to_datetime(time);
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => {
            let at = offset.to_timestamp(wall).ok()?;
            Some((at, at))
        }
        AmbiguousOffset::Fold { before, after } => {
            Some((before.to_timestamp(wall).ok()?, after.to_timestamp(wall).ok()?))
        }
        AmbiguousOffset::Gap { after, .. } => {
            // By the offset that comes, the time would have been before the jump.
            let jump = zone.following(after.to_timestamp(wall).ok()?).next()?.timestamp();
            Some((jump, jump))
        }
    }
}

#[cfg(test)]
mod tests;
