//! Spoken menus as machines: a key, a prompt's end or a time-out in, prompts and deeds out. No clock, no audio, no SIP.
//!
//! A machine plays at most one list of prompts and has at most one timer; a new one takes the place of the old one.

pub mod attendant;
mod phrase;

use std::{fmt, time::Duration};

pub use phrase::Phrase;

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
}

/// Where a caller is led.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// To the user with that extension.
    Extension(String),
    /// To the operator of the attendant.
    Operator,
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
}

impl Say {
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
