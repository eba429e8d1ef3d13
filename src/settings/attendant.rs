//! `[attendant.NAME]`: numbers at which callers dial an extension.

use std::{path::PathBuf, time::Duration};

use crate::address::Language;

/// `[attendant.NAME]` (R69).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attendant {
    /// The NAME.
    pub name: String,
    /// `numbers`: the access numbers; at least one.
    pub numbers: Vec<String>,
    /// `language`: of its prompts. Default `en`.
    pub language: Language,
    /// `greeting`: a WAV file in place of the words that ask for the extension.
    pub greeting: Option<PathBuf>,
    /// `digits`: how long an extension is; `None`: `#` or a pause ends it.
    pub digits: Option<usize>,
    /// `first_digit`: how long it waits for one after its announcement. Default 5 s.
    pub first_digit: Duration,
    /// `next_digit`: how long for each further one. Default 3 s.
    pub next_digit: Duration,
    /// `tries`: how often a caller may fail to name somebody who answers. Default 3.
    pub tries: u8,
    /// `operator`: the number of the user who gets `0`, whoever dials nothing, and whoever has no try left.
    pub operator: Option<String>,
    /// `extensions`: which may be dialled; empty: the number of every user.
    pub extensions: Vec<Extensions>,
    /// `max_call`: how long a caller may stay. Default 3 min.
    pub max_call: Duration,
}

impl Attendant {
    /// Whether an extension may be dialled here, whoever may have it.
    pub fn admits(&self, extension: &str) -> bool {
        self.extensions.is_empty() || self.extensions.iter().any(|range| range.holds(extension))
    }
}

/// Extensions of one length, from the first to the last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Extensions {
    /// The first one.
    pub first: String,
    /// The last one.
    pub last: String,
}

impl Extensions {
    /// Reads `2000-2999` or `200`; `None` where it is neither.
    pub fn read(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.trim(), last.trim());
        let legal = !first.is_empty() && [first, last].iter().all(|t| t.bytes().all(|o| o.is_ascii_digit()));
        (legal && first.len() == last.len() && first <= last)
            .then(|| Self { first: first.to_owned(), last: last.to_owned() })
    }

    fn holds(&self, extension: &str) -> bool {
        extension.len() == self.first.len() && (&*self.first..=&*self.last).contains(&extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_extensions_of_their_length() {
        let range = Extensions::read("200 - 299").expect("a range");
        for (extension, holds) in
            [("200", true), ("299", true), ("250", true), ("2500", false), ("199", false), ("25", false)]
        {
            assert_eq!(range.holds(extension), holds, "{extension}");
        }
        assert!(Extensions::read("0042").is_some_and(|one| one.holds("0042") && !one.holds("42")));
        for wrong in ["", "-", "2-", "300-200", "20-300", "+45", "2xx", "1-2-3"] {
            assert_eq!(Extensions::read(wrong), None, "{wrong}");
        }
    }
}
