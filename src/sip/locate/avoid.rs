//! Who did not answer a request: tried last for a while (RFC 3263 §4.3).

use std::{collections::HashMap, time::Duration};

use ahash::RandomState;

use super::Hop;

/// Places that failed. Time is milliseconds since any fixed moment.
#[derive(Debug)]
pub struct Avoid {
    most: usize,
    until: HashMap<Hop, u64, RandomState>,
}

impl Avoid {
    /// Remembers so many; above it one more that fails is not remembered.
    pub fn new(most: usize) -> Self {
        Self { most, until: HashMap::default() }
    }

    /// Whether none is remembered: nothing has to be looked at.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// One has failed.
    pub fn failed(&mut self, place: Hop, time: Duration, now: u64) {
        if self.until.len() >= self.most {
            self.until.retain(|_, until| now < *until);
        }
        if self.until.len() < self.most || self.until.contains_key(&place) {
            let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            self.until.insert(place, now.saturating_add(time));
        }
    }

    /// One has answered.
    pub fn answered(&mut self, place: &Hop) {
        self.until.remove(place);
    }

    /// Whether one failed not long ago.
    pub fn has(&self, place: &Hop, now: u64) -> bool {
        self.until.get(place).is_some_and(|until| now < *until)
    }

    /// Puts those that failed behind the others; what is left of an order stays.
    pub fn sort<T>(&self, places: &mut [T], place: impl Fn(&T) -> Hop, now: u64) {
        if !self.is_empty() {
            places.sort_by_key(|one| self.has(&place(one), now));
        }
    }
}
