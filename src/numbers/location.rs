//! Location profiles: what is dialled at a place, and what it means there.
//!
//! A number is tried in this order: the rules of the profile, the first match deciding; then, where it is nobody's as it
//! stands, the country. What neither knows stays as it was dialled.

pub mod described;

use super::{
    country::Country,
    rules::{Rules, Tried, Written},
};

/// `[location.NAME]`, ready for use.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The NAME.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its rules in their order.
    pub rules: Rules,
    /// `country`: what is read where no rule matches.
    pub country: Option<Country>,
}

/// What a profile makes of a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Made {
    /// What a rule of that place says; `None`: it makes no number of it.
    ByRule(usize, Option<String>),
    /// How the country reads it.
    ByCountry(String),
    /// Neither knows it.
    Unmatched,
}

impl Made {
    /// The number, where there is one.
    pub fn number(self) -> Option<String> {
        match self {
            Self::ByRule(_, number) => number,
            Self::ByCountry(number) => Some(number),
            Self::Unmatched => None,
        }
    }
}

/// Each rule that is looked at for a number, and the end of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// What the rules are tried on.
    pub number: String,
    /// The rules, up to the one that matches.
    pub tried: Vec<Tried>,
    /// What comes of it.
    pub made: Made,
}

impl Profile {
    /// What its rules make of a dialled number; [`Made::Unmatched`] where none matches.
    fn by_rule(&self, dialled: &str) -> Made {
        if self.rules.is_empty() {
            return Made::Unmatched;
        }
        match self.rules.translate(&dialable(dialled)) {
            Some(found) => Made::ByRule(found.rule, found.number),
            None => Made::Unmatched,
        }
    }

    /// How its country reads a dialled number.
    fn by_country(&self, dialled: &str) -> Option<String> {
        self.country.as_ref()?.normal(dialled)
    }

    /// What it makes of a number: by a rule, else by the country.
    pub fn make(&self, dialled: &str) -> Made {
        match self.by_rule(dialled) {
            Made::Unmatched => self.by_country(dialled).map_or(Made::Unmatched, Made::ByCountry),
            made => made,
        }
    }

    /// The same with each rule that was looked at.
    pub fn trace(&self, dialled: &str) -> Trace {
        let number = dialable(dialled);
        Trace { tried: self.rules.tried(&number), made: self.make(dialled), number }
    }

    /// A number of a directory or a contact as somebody has typed it, in the form in which numbers are compared:
    /// `+4544890101`, with an extension `+4544890101;ext=200`. `None`: nobody knows what it means.
    pub fn contact(&self, written: &str) -> Option<String> {
        let written = written.trim();
        let bare = match written.get(..4) {
            Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => &written[4..],
            _ => written,
        };
        let (number, ext) = split_extension(bare);
        // +49 (0) 30 …: the zero is for who dials at home.
        let whole = number.starts_with('+') || number.starts_with("00");
        let number = if whole { number.replacen("(0)", "", 1) } else { number.to_owned() };
        let number = self.make(&number).number()?;
        match ext {
            Some(ext) if !number.contains(';') => Some(format!("{number};ext={ext}")),
            Some(_) | None => Some(number),
        }
    }

    /// What clients are given: its own rules, then those of the country.
    pub fn described(&self) -> impl Iterator<Item = &Written> {
        let country = self.country.iter().flat_map(Country::rules);
        self.rules.iter().map(|rule| &rule.written).chain(country)
    }
}

/// A number without what only makes it readable.
fn dialable(written: &str) -> String {
    let readable = |c: char| c.is_whitespace() || matches!(c, '-' | '.' | '(' | ')' | '/');
    written.chars().filter(|c| !readable(*c)).collect()
}

/// A number and the extension behind it: `…;ext=200`, `… ext. 200`, `… x200`, `…#200`.
fn split_extension(written: &str) -> (&str, Option<&str>) {
    const MARKS: [&str; 7] = [";ext=", "extension", "extn", "ext", "x", "durchwahl", "#"];
    let digits = written.len() - written.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (before, ext) = written.split_at(written.len() - digits);
    let before = before.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ':'));
    let mark = MARKS.iter().find(|mark| {
        before
            .len()
            .checked_sub(mark.len())
            .and_then(|at| before.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(mark))
    });
    match mark {
        Some(mark) if (1..=10).contains(&ext.len()) => {
            let number = before[..before.len() - mark.len()].trim_end_matches([' ', ',', ';', '-']);
            // `#200` and `x200` alone are no extension of anything.
            if number.bytes().any(|o| o.is_ascii_digit()) { (number, Some(ext)) } else { (written, None) }
        }
        _ => (written, None),
    }
}

#[cfg(test)]
mod tests;
