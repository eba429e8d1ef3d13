//! Users' calendars as servers tell them (R22, R53): free and busy times in slots, what lies in them, working hours.
//!
//! [`ews`] and [`graph`] are the words of Exchange; [`polling`] says who is asked for when.

pub mod ews;
pub mod graph;
pub mod polling;

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use self::polling::Fate;
use crate::presence::{Calendar, SlotKind, microsoft::calendar::Slot};

/// How long a slot is.
pub const SLOT: SignedDuration = SignedDuration::from_mins(15);

/// What is known of one user's calendar.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// The mailbox.
    pub mailbox: Arc<str>,
    /// When the first slot begins.
    pub start: Timestamp,
    /// A quarter of an hour each.
    pub slots: Vec<Slot>,
    /// Stretches that are not free; `None`: the server does not tell them one by one.
    pub events: Option<Vec<Event>>,
    /// Since when and until when the user is out of office, whatever lies in the calendar.
    pub away: Option<(Timestamp, Timestamp)>,
    /// When the user works.
    pub hours: Option<Hours>,
}

/// A stretch of a calendar that is not free.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Its first second.
    pub from: Timestamp,
    /// The first second after it.
    pub until: Timestamp,
    /// How busy.
    pub slot: Slot,
    /// With others; `None`: the server does not say.
    pub is_meeting: Option<bool>,
    /// What about; never that of a private one.
    pub subject: Option<Arc<str>>,
    /// Where.
    pub location: Option<Arc<str>>,
}

/// Working hours, and the time zone that they are of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hours {
    /// Minutes that local time is behind UTC.
    pub bias: i32,
    /// How summer time ends and begins; `None`: there is none.
    pub changes: Option<[Change; 2]>,
    /// The periods.
    pub periods: Vec<Period>,
}

/// One end of summer time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Change {
    /// Further minutes that local time is behind UTC from then on.
    pub bias: i32,
    /// `02:00:00`.
    pub time: String,
    /// Which such day of the month; 5: the last.
    pub order: u8,
    /// The month.
    pub month: u8,
    /// `Sunday`.
    pub day: String,
}

/// Some days on which work begins and ends at the same time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Period {
    /// `Monday Tuesday`.
    pub days: String,
    /// Minutes after midnight.
    pub start: u16,
    /// The same for the end.
    pub end: u16,
}

/// The beginning of the slot that holds a time.
pub fn slot_start(at: Timestamp) -> Timestamp {
    let length = SLOT.as_secs();
    Timestamp::from_second(at.as_second().div_euclid(length) * length).unwrap_or(at)
}

impl Schedule {
    /// [`Schedule::input`] by a clock that is so many seconds ahead of the calendar's, and when it ends by that clock.
    pub fn input_by(&self, ahead: i64) -> (Calendar, u64) {
        let mut calendar = self.input();
        for slot in &mut calendar.slots {
            slot.from = slot.from.saturating_add_signed(ahead);
            slot.until = slot.until.saturating_add_signed(ahead);
        }
        (calendar, seconds(self.end()).saturating_add_signed(ahead))
    }

    /// What it means for the user's presence: busy is a meeting unless the server says otherwise, and nothing lasts beyond
    /// what the server was asked for.
    pub fn input(&self) -> Calendar {
        let told = |event: &Event| {
            let kind = kind(event.slot, event.is_meeting)?;
            let (subject, location) = (event.subject.clone(), event.location.clone());
            let stretch = stretch(event.from, event.until.min(self.end()), kind);
            if stretch.from >= stretch.until {
                return None;
            }
            Some(crate::presence::Slot { subject, location, ..stretch })
        };
        let mut slots = match &self.events {
            Some(events) => events.iter().filter_map(told).collect(),
            None => self.stretches(),
        };
        let away = self.away.map(|(from, until)| stretch(from, until.min(self.end()), SlotKind::OutOfOffice));
        slots.extend(away.filter(|away| away.from < away.until));
        Calendar { slots }
    }

    /// Slots of the same kind, together.
    fn stretches(&self) -> Vec<crate::presence::Slot> {
        let mut at = self.start;
        let mut all = vec![];
        for run in self.slots.chunk_by(|one, next| one == next) {
            let end = at + SLOT * i32::try_from(run.len()).unwrap_or(i32::MAX);
            all.extend(kind(run[0], None).map(|kind| stretch(at, end, kind)));
            at = end;
        }
        all
    }

    /// When the last slot ends.
    pub fn end(&self) -> Timestamp {
        self.start + SLOT * i32::try_from(self.slots.len()).unwrap_or(i32::MAX)
    }

    /// Whether free and busy times that are published already are over before the next ones can be: `left` is until then.
    pub fn ends_within(&self, now: Timestamp, left: Duration) -> bool {
        self.end().duration_since(now) <= SLOT + SignedDuration::try_from(left).unwrap_or(SignedDuration::MAX)
    }

    /// Whether this, which is newer, has other slots for the time that both know, or other working hours.
    pub fn differs_from(&self, older: &Self) -> bool {
        if self.mailbox != older.mailbox || self.hours != older.hours || self.slots.len() != older.slots.len()
        {
            return true;
        }
        let ahead = (self.start.as_second() - older.start.as_second()) / SLOT.as_secs();
        let Ok(ahead) = usize::try_from(ahead) else { return true };
        let rest = older.slots.get(ahead..).unwrap_or_default();
        rest.is_empty() || !self.slots.starts_with(rest)
    }
}

fn kind(slot: Slot, is_meeting: Option<bool>) -> Option<SlotKind> {
    match slot {
        // Perhaps is not enough to be taken for busy.
        Slot::Free | Slot::Tentative => None,
        Slot::Busy if is_meeting == Some(false) => Some(SlotKind::Appointment),
        Slot::Busy => Some(SlotKind::Meeting),
        Slot::OutOfOffice => Some(SlotKind::OutOfOffice),
    }
}

fn stretch(from: Timestamp, until: Timestamp, kind: SlotKind) -> crate::presence::Slot {
    crate::presence::Slot { from: seconds(from), until: seconds(until), kind, subject: None, location: None }
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or_default()
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// When the first slot begins.
    pub start: Timestamp,
    /// How many.
    pub slots: usize,
}

impl Window {
    /// So many slots from the one on that holds a time.
    pub fn at(now: Timestamp, slots: usize) -> Self {
        Self { start: slot_start(now), slots }
    }

    /// When the last one ends.
    pub fn end(&self) -> Timestamp {
        self.start + SLOT * i32::try_from(self.slots).unwrap_or(i32::MAX)
    }
}

/// Why a mailbox has no schedule: its name for the log, clean.
pub type Closed = String;

/// What a question about several mailboxes is answered, in their order.
pub type Answers = Vec<Result<Schedule, Closed>>;

/// What a server says of one mailbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// Its schedule.
    Shown(Box<Schedule>),
    /// It shows nothing.
    Hidden(Closed),
    /// Nothing can be said of it now, which says nothing of the others.
    Later(Closed),
    /// It is known now which server has it, and that one has not been asked.
    Found,
}

/// What a server says of several mailboxes, in their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// Of each.
    pub told: Vec<Told>,
    /// How long the server wants to be left alone.
    pub rest: Option<Duration>,
}

impl From<Answers> for Reply {
    fn from(answers: Answers) -> Self {
        let told =
            |answer: Result<Schedule, _>| answer.map_or_else(Told::Hidden, |shown| Told::Shown(shown.into()));
        Self { told: answers.into_iter().map(told).collect(), rest: None }
    }
}

impl Told {
    /// What that means for who is asked for when.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Shown(_) => Fate::Shown,
            Self::Hidden(_) => Fate::Hidden,
            Self::Later(_) => Fate::Later,
            Self::Found => Fate::Found,
        }
    }
}

/// What is kept of texts of meetings, in characters.
const LONGEST_TEXT: usize = 256;
/// What is kept of one mailbox's events; nobody has more within two days.
const MOST_EVENTS: usize = 500;

/// A text of a calendar as it is kept.
fn text(text: &str) -> Option<Arc<str>> {
    let text = crate::notify::clean::one_line(text, LONGEST_TEXT);
    (!text.is_empty()).then(|| text.into())
}

/// The slots of digits as Exchange and Graph write them, so many as were asked for. `Err`: they are none.
fn slots(digits: &str, wanted: usize) -> Result<Vec<Slot>, Closed> {
    let read: Option<Vec<Slot>> = digits.trim().chars().take(wanted).map(Slot::of_digit).collect();
    let mut slots = read.ok_or("its free and busy times cannot be read")?;
    slots.resize(wanted, Slot::Free);
    Ok(slots)
}
