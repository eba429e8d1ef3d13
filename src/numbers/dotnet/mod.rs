//! Regular expressions and replacements as .NET writes them, made ready for the crate `regex`, whose time is linear.
//!
//! What .NET has and `regex` has not is refused with its reason; what both have and mean differently is translated. Two
//! things are decided otherwise than in .NET, since what is dialled is ASCII: `\d` is `[0-9]`, and the culture is always the
//! invariant one. `$` is the end: no dialled number has a line end that .NET would let it stand before.

mod class;
mod pattern;
mod template;

use std::fmt;

pub use pattern::{LONGEST_PATTERN, Pattern};
pub use template::{LONGEST_TRANSLATION, Template};

/// Why a pattern or a translation is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Where, in characters from 0.
    pub at: usize,
    /// What is wrong with it, one sentence without the pattern's text.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.what, self.at + 1)
    }
}

/// The characters of a text, with a place in it.
struct Text {
    chars: Vec<char>,
    at: usize,
}

impl Text {
    fn of(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0 }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    /// Passes over `word` where it comes next.
    fn takes(&mut self, word: &str) -> bool {
        let comes = word.chars().eq(self.chars.iter().skip(self.at).take(word.len()).copied());
        self.at += if comes { word.len() } else { 0 };
        comes
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let taken: String = self.chars.iter().skip(self.at).take_while(|c| wanted(**c)).collect();
        self.at += taken.chars().count();
        taken
    }

    fn fault<T>(&self, at: usize, what: &'static str) -> Result<T, Fault> {
        Err(Fault { at: at.min(self.chars.len()), what })
    }
}

/// A letter, digit or underscore, as in the names of groups.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
