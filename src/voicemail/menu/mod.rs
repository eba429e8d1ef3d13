//! Spoken menus as machines: a key, a prompt's end or a time-out in, prompts and deeds out. No clock, no audio, no SIP.
//!
//! A machine plays at most one list of prompts and has at most one timer; a new one takes the place of the old one.

pub mod attendant;
pub mod mailbox;
mod phrase;
mod received;

use std::{fmt, time::Duration};

pub use mailbox::{Contents, Message};
pub use phrase::Phrase;
pub use received::{Day, Received};

use super::State as Age;

/// What happens to a menu.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// The caller is there and hears us.
    Begun,
    /// A key: a digit, `*`, `#`, or `A` to `D`.
    Key(char),
    /// What was to be played is over.
    Played,
    /// The timer has run out.
    Waited,
    /// The caller could not be led to whom it asked for.
    Failed(Failure),
    /// The PIN was right; this is the mailbox.
    Admitted(Box<Contents>),
    /// Mailbox or PIN was wrong.
    Refused,
    /// Too many were wrong: nobody comes in for a while.
    Locked,
    /// What was to be recorded is; whether there is anything.
    Taken(bool),
    /// What was to be kept is on the disk, or the disk refused.
    Written(bool),
}

/// What a menu wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Play these instead of what is playing.
    Play(Vec<Say>),
    /// Play nothing.
    Hush,
    /// Set the timer.
    Wait(Duration),
    /// Lead the caller there.
    Transfer(Target),
    /// Say BYE.
    HangUp,
    /// See whether the PIN is right; without a mailbox it is the owner's whose phone it is.
    Check {
        /// The number of the mailbox.
        mailbox: Option<String>,
        /// The PIN.
        pin: String,
    },
    /// Keep that a message was heard; nobody waits for it.
    Heard(i64),
    /// Keep where a message stands from now on, `None`: deleted, and say so.
    Mark(i64, Option<Age>),
    /// Beep and record.
    Record,
    /// Keep what was recorded as the greeting, or none any more, and say so.
    SetGreeting(bool),
    /// Keep whether missed calls are told, and say so.
    SetNotices(bool),
    /// Keep another PIN, and say so.
    SetPin(String),
}

/// Where a caller is led.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// To the user with that extension.
    Extension(String),
    /// To the operator of the attendant.
    Operator,
    /// To whoever the owner of the mailbox reaches under that number.
    Number(String),
}

/// Why a caller could not be led there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// Nobody has that number, or nobody who may be reached here.
    Unknown,
    /// Whoever has it is talking.
    Busy,
    /// Nobody answers.
    NoAnswer,
}

impl Failure {
    /// What the final code of the new call means (RFC 3261 §21).
    pub fn of(code: u16) -> Self {
        match code {
            404 | 484 | 604 => Self::Unknown,
            486 | 600 | 603 => Self::Busy,
            _ => Self::NoAnswer,
        }
    }
}

/// Something to be played.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Say {
    /// Words of the language.
    Phrase(Phrase),
    /// A number below 60 as a word, so also each digit.
    Number(u8),
    /// The announcement that the site has recorded for this menu.
    Announcement,
    /// One turn of the ring-back tone.
    RingBack,
    /// A month, from 1.
    Month(u8),
    /// The recording of a message.
    Message(i64),
    /// The owner's greeting.
    Greeting,
    /// What was recorded last.
    Draft,
}

impl Say {
    /// A count, as a word where there is one.
    pub fn count(count: usize) -> Vec<Self> {
        match u8::try_from(count) {
            Ok(small @ ..60) => vec![Self::Number(small)],
            _ => Self::digits(&count.to_string()).collect(),
        }
    }

    /// A number as it was dialled, digit by digit; what is no digit is left out.
    pub fn digits(number: &str) -> impl Iterator<Item = Self> {
        number.chars().filter_map(|digit| Some(Self::Number(digit.to_digit(10)? as u8)))
    }
}

impl From<Phrase> for Say {
    fn from(phrase: Phrase) -> Self {
        Self::Phrase(phrase)
    }
}

impl fmt::Display for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phrase(phrase) => f.write_str(phrase.name()),
            Self::Number(number) => write!(f, "{number}"),
            Self::Announcement => f.write_str("announcement"),
            Self::RingBack => f.write_str("ring-back"),
            Self::Month(month) => write!(f, "month-{month}"),
            Self::Message(id) => write!(f, "message {id}"),
            Self::Greeting => f.write_str("greeting"),
            Self::Draft => f.write_str("draft"),
        }
    }
}

/// Keys gathered into a number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Digits(String);

/// No number that a menu asks for is longer.
const LONGEST: usize = 24;

impl Digits {
    /// Takes a digit; whether the number is complete by that, because it has the length that is asked for.
    fn push(&mut self, digit: char, length: Option<usize>) -> bool {
        self.0.push(digit);
        self.0.len() >= length.unwrap_or(LONGEST)
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}
