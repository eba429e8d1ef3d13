//! What sources have said of numbers, for a while and within bounds. Times are since any fixed moment.

use std::{collections::HashMap, mem, time::Duration};

use ahash::RandomState;

use crate::address::SourceName;

/// How long answers serve, and how many are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// How long a name is believed.
    pub keep: Duration,
    /// How long "not known" is believed.
    pub keep_unknown: Duration,
    /// Answers kept.
    pub most: usize,
}

/// Whose answer to what.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Asked {
    /// The source.
    pub source: SourceName,
    /// The mailbox of the callee whose own contacts were asked; `None`: the source answers everybody alike.
    pub callee: Option<String>,
    /// The number in its normal form.
    pub number: String,
}

type Answers = HashMap<Asked, (Option<String>, Duration), RandomState>;

/// The answers, in two halves: a full one is what the next begins without, unless somebody asks for an answer meanwhile.
#[derive(Debug)]
pub struct Memory {
    bounds: Bounds,
    young: Answers,
    old: Answers,
}

impl Memory {
    /// Nothing is known.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, young: Answers::default(), old: Answers::default() }
    }

    /// What was said: a name, or that there is none; `None` where nobody was asked, or it is too long ago.
    pub fn recall(&mut self, asked: &Asked, now: Duration) -> Option<Option<String>> {
        if let Some((name, until)) = self.young.get(asked) {
            return (now < *until).then(|| name.clone());
        }
        let (asked, (name, until)) = self.old.remove_entry(asked)?;
        if until <= now {
            return None;
        }
        self.keep(asked, name.clone(), until);
        Some(name)
    }

    /// Keeps what was said.
    pub fn note(&mut self, asked: Asked, name: Option<String>, now: Duration) {
        let keep = if name.is_some() { self.bounds.keep } else { self.bounds.keep_unknown };
        self.keep(asked, name, now.saturating_add(keep));
    }

    fn keep(&mut self, asked: Asked, name: Option<String>, until: Duration) {
        if self.young.len() >= (self.bounds.most / 2).max(1) && !self.young.contains_key(&asked) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(asked, (name, until));
    }

    /// How many answers there are, those of too long ago included.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
