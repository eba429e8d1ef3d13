//! A person's contact as a server keeps it: numbers as somebody has typed them.

use crate::{call::wire::strip_visual, notify::clean::one_line, numbers::Numbering};

/// The longest name that is kept, in characters; what shows it cuts it shorter.
const LONGEST_NAME: usize = 200;
/// The longest number that is read, in octets, with everything that makes it readable.
const LONGEST_NUMBER: usize = 64;

/// A name and all its numbers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Contact {
    /// One clean line; never empty.
    pub name: String,
    /// As they were typed.
    pub numbers: Vec<String>,
}

/// A part of somebody's contacts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// The contacts that have a name and a number.
    pub contacts: Vec<Contact>,
    /// What to ask for the next part with; `None`: this is the last one.
    pub next: Option<String>,
}

impl Contact {
    /// `None` where there is no name, or no number.
    pub fn new(name: &str, numbers: impl IntoIterator<Item = String>) -> Option<Self> {
        let name = one_line(name, LONGEST_NAME);
        let short = |number: &String| !number.trim().is_empty() && number.len() <= LONGEST_NUMBER;
        let numbers: Vec<_> = numbers.into_iter().filter(short).collect();
        (!name.is_empty() && !numbers.is_empty()).then_some(Self { name, numbers })
    }
}

/// A number as people write it in the form in which numbers are compared. `None`: it is none, or one with an extension,
/// which no caller shows.
pub fn normal(written: &str, here: &Numbering) -> Option<String> {
    let bare: String = written.chars().filter(|c| !c.is_whitespace() && *c != '/').collect();
    let bare = match bare.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => bare[4..].to_owned(),
        _ => bare,
    };
    // +49 (0) 30 …: the zero is for who dials at home.
    let international = bare.starts_with('+')
        || (!here.international.is_empty() && bare.starts_with(here.international.as_str()));
    let bare = if international { bare.replacen("(0)", "", 1) } else { bare };
    here.normal(&strip_visual(&bare))
}
