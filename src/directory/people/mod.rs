//! The mirror of a directory: all its persons and dial plans, packed, and whose a number is.
//!
//! - [`Roster`]: the persons, by their ids; `Roster::with` makes the next one of changes.
//! - [`snapshot`]: a roster as octets, for a file.
//! - [`People`]: a roster with its index of numbers, see [`super::reverse`].

mod pack;
mod roster;
pub mod snapshot;

use std::sync::Arc;

pub use roster::{Change, Roster};

use super::{
    person::Person,
    reverse::{Index, Rule},
};

/// A roster and whose its numbers are: what calls read. Shared by `Arc`, never changed.
#[derive(Debug, Default)]
pub struct People {
    roster: Arc<Roster>,
    index: Index,
}

impl People {
    /// Indexes the numbers of a roster.
    pub fn of(roster: Arc<Roster>, rule: &Rule<'_>) -> Self {
        let index = Index::of(&roster, rule);
        Self { roster, index }
    }

    /// The persons.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// What a number is called (R7): see [`Index::owner`].
    pub fn name(&self, number: &str, normal: impl Fn(&str) -> Option<String>) -> Option<&str> {
        self.roster.name(self.index.owner(number, normal)?).filter(|name| !name.is_empty())
    }

    /// Whose a number is.
    pub fn owner(&self, number: &str, normal: impl Fn(&str) -> Option<String>) -> Option<Person> {
        self.roster.at(self.index.owner(number, normal)?)
    }

    /// How many numbers it knows.
    pub fn numbers(&self) -> usize {
        self.index.len()
    }

    /// What it takes of the memory, in octets, as far as it grows with the directory.
    pub fn octets(&self) -> usize {
        self.roster.octets() + self.index.octets()
    }
}
