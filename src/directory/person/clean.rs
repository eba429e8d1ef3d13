//! Values as a directory may hold them, made harmless: what cannot be used costs itself and nothing else (T15).

use std::fmt;

use super::super::ldap::Record;
use crate::notify::clean::one_line;

/// The longest value that is read, in octets.
const LONGEST: usize = 4096;
/// The longest text that is kept, in characters.
const KEPT: usize = 200;
/// The most values of one attribute that are read.
const MOST: usize = 500;

/// What is wrong with a value, fit for a log: it tells the attribute and the fault, never the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The attribute.
    pub attribute: String,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.attribute, self.what)
    }
}

/// An entry's values as clean lines, and what was wrong with those that are left out.
pub struct Cleaned<'r> {
    record: &'r Record,
    pub faults: Vec<Fault>,
}

impl<'r> Cleaned<'r> {
    pub fn new(record: &'r Record) -> Self {
        Self { record, faults: vec![] }
    }

    /// The usable values of the attributes of these names.
    pub fn all(&mut self, names: &[String]) -> Vec<String> {
        names.iter().flat_map(|name| self.of(name)).collect()
    }

    /// The first usable value of them.
    pub fn first(&mut self, names: &[String]) -> Option<String> {
        names.iter().find_map(|name| self.of(name).into_iter().next())
    }

    pub fn refuse(&mut self, attribute: &str, what: &'static str) {
        let fault = Fault { attribute: attribute.to_owned(), what };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn of(&mut self, name: &str) -> Vec<String> {
        let record = self.record;
        let mut texts = vec![];
        for (at, value) in record.values(name).enumerate() {
            if at == MOST {
                self.refuse(name, "has more than 500 values; the others are left out");
                break;
            }
            match text(value) {
                Ok(text) => texts.push(text),
                Err("is empty") => {}
                Err(what) => self.refuse(name, what),
            }
        }
        texts
    }
}

/// A value as one clean line.
fn text(value: &[u8]) -> Result<String, &'static str> {
    if value.len() > LONGEST {
        return Err("has a value of more than 4096 octets");
    }
    let text = std::str::from_utf8(value).map_err(|_| "has a value that is not UTF-8")?;
    match one_line(text, KEPT) {
        line if line.is_empty() => Err("is empty"),
        line => Ok(line),
    }
}
