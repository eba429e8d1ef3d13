//! What callers are called (R205): books of contacts, and the rules by which several sources are asked at once.

pub mod breaker;
pub mod contact;
mod csv;
pub mod memory;
pub mod race;
mod vcard;

use std::{collections::HashMap, fmt};

use crate::call::wire::strip_visual;
pub use contact::{Contact, Page};

/// Names by number.
#[derive(Clone, Debug, Default)]
pub struct Book(HashMap<String, Option<String>, ahash::RandomState>);

/// What is wrong with a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// One clean sentence without anything from the file but names of columns and properties.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// A number without what people write into it to read it better.
fn key(number: &str) -> String {
    strip_visual(&number.chars().filter(|c| !c.is_whitespace()).collect::<String>())
}

impl Book {
    /// Reads contacts: a header line with `name` and columns that begin with `number`, separated by `,` or `;` (RFC 4180).
    ///
    /// # Errors
    /// Every fault of the file.
    pub fn csv(text: &str) -> Result<Self, Vec<Fault>> {
        csv::read(text)
    }

    /// Reads vCards of the versions 2.1, 3.0 and 4.0: FN, else N, and every TEL.
    ///
    /// # Errors
    /// Every fault of the file.
    pub fn vcard(text: &str) -> Result<Self, Vec<Fault>> {
        vcard::read(text)
    }

    /// The contacts of one person, their numbers in the normal form, which `normal` makes of what somebody has typed.
    pub fn of(contacts: &[Contact], normal: impl Fn(&str) -> Option<String>) -> Self {
        let mut book = Self::default();
        for contact in contacts {
            let numbers = contact.numbers.iter().filter_map(|number| normal(number));
            numbers.for_each(|number| book.add(&contact.name, &number));
        }
        book
    }

    /// The same with its numbers in the normal form, as far as they have one; asked by [`Book::find`].
    pub fn normal(self, normal: impl Fn(&str) -> Option<String>) -> Self {
        let mut book = Self::default();
        for (number, name) in self.0 {
            let number = normal(&number).unwrap_or(number);
            let known = book.0.entry(number).or_insert_with(|| name.clone());
            if *known != name {
                *known = None;
            }
        }
        book
    }

    /// The name of a caller's number, which `normal` gives its normal form, in a book in that form.
    pub fn find(&self, number: &str, normal: impl Fn(&str) -> Option<String>) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let found = normal(number).and_then(|normal| self.0.get(&normal));
        found.map_or_else(|| self.name(number), Option::as_deref)
    }

    /// Notes a contact. A number of two who are called differently is nobody's, for a wrong name is worse than none.
    fn add(&mut self, name: &str, number: &str) {
        let number = key(number);
        if number.is_empty() {
            return;
        }
        let name = name.trim();
        let known = self.0.entry(number).or_insert_with(|| Some(name.to_owned()));
        if known.as_deref().is_some_and(|known| known != name) {
            *known = None;
        }
    }

    /// Adds what another book knows of numbers that this one does not have: this one was named first.
    pub fn then(mut self, later: Self) -> Self {
        for (number, name) in later.0 {
            self.0.entry(number).or_insert(name);
        }
        self
    }

    /// The name of a number, written with or without visual separators (RFC 3966 §5.1.1).
    pub fn name(&self, number: &str) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let found = self.0.get(number).or_else(|| self.0.get(&key(number)));
        found?.as_deref()
    }

    /// How many numbers it knows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
