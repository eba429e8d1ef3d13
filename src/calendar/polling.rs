//! Who is asked for when: mailboxes in batches, each again after a while that is never quite the same, and a server that does
//! not answer seldom.

use std::{collections::HashMap, sync::Arc};

/// A failure is tried again after so long, and each further one after twice that, in milliseconds.
const FIRST_RETRY: u64 = 1_000;
/// A mailbox that shows nothing is asked for so many times more seldom.
const SELDOM: u64 = 4;

/// What the site says of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// How often each is asked for, in milliseconds.
    pub every: u64,
    /// Mailboxes of one question.
    pub batch: usize,
}

/// What came of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Each mailbox was told of, or shows nothing (false).
    Told(Vec<bool>),
    /// Too much for one answer.
    TooMuch,
    /// The server does not answer. Milliseconds that it wants to be left alone.
    Down(Option<u64>),
}

/// The mailboxes that one server is asked for. Times are milliseconds of any clock that only runs forward.
#[derive(Debug)]
pub struct Polling {
    terms: Terms,
    /// When each is due.
    due: HashMap<Arc<str>, u64>,
    under_way: bool,
    failures: u32,
    not_before: u64,
    /// What one question may be about for now.
    room: usize,
}

impl Polling {
    /// Nobody to ask for yet.
    pub fn new(terms: Terms) -> Self {
        let room = terms.batch.max(1);
        Self { terms, due: HashMap::new(), under_way: false, failures: 0, not_before: 0, room }
    }

    /// These are to be asked for, and no others. New ones soon, but not all at once with those of other sites.
    pub fn sets(
        &mut self,
        terms: Terms,
        mailboxes: impl IntoIterator<Item = Arc<str>>,
        now: u64,
        random: u32,
    ) {
        if self.terms != terms {
            *self =
                Self { due: std::mem::take(&mut self.due), under_way: self.under_way, ..Self::new(terms) };
        }
        let soon = now + part(terms.every / 60, random);
        let before = std::mem::take(&mut self.due);
        let due = |mailbox: &Arc<str>| {
            before.get(mailbox).copied().unwrap_or(soon).min(now + 2 * SELDOM * terms.every)
        };
        self.due = mailboxes.into_iter().map(|mailbox| (Arc::clone(&mailbox), due(&mailbox))).collect();
    }

    /// The mailboxes of the next question; `None`: not now. One question is under way at a time.
    pub fn next(&mut self, now: u64) -> Option<Vec<Arc<str>>> {
        if self.under_way || now < self.not_before {
            return None;
        }
        if !self.due.values().any(|due| *due <= now) {
            return None;
        }
        // Those that are due shortly go along, so that questions stay few.
        let shortly = now + self.terms.every / 10;
        let mut ready: Vec<_> = self.due.iter().filter(|(_, due)| **due <= shortly).collect();
        ready.sort_unstable_by_key(|(mailbox, due)| (**due, Arc::clone(mailbox)));
        let batch: Vec<_> =
            ready.into_iter().take(self.room).map(|(mailbox, _)| Arc::clone(mailbox)).collect();
        self.under_way = true;
        Some(batch)
    }

    /// When to look again; `None`: when something changes.
    pub fn wake(&self) -> Option<u64> {
        if self.under_way {
            return None;
        }
        self.due.values().min().map(|due| (*due).max(self.not_before))
    }

    /// What came of the question about these. `random` is any number.
    pub fn answered(&mut self, batch: &[Arc<str>], outcome: &Outcome, now: u64, random: u32) {
        self.under_way = false;
        match outcome {
            Outcome::Told(told) => {
                self.failures = 0;
                self.room = (self.room * 2).min(self.terms.batch.max(1));
                for (at, (mailbox, told)) in batch.iter().zip(told).enumerate() {
                    let every = if *told { self.terms.every } else { SELDOM * self.terms.every };
                    // Up to a tenth earlier, each by itself, so that a crowd spreads in time.
                    let random = random
                        .wrapping_mul(2_654_435_761)
                        .wrapping_add(0x9E37_79B9_u32.wrapping_mul(at as u32));
                    if let Some(due) = self.due.get_mut(mailbox) {
                        *due = now + every - part(every / 10, random);
                    }
                }
            }
            Outcome::TooMuch if batch.len() > 1 => self.room = batch.len() / 2,
            Outcome::TooMuch => {
                if let Some(due) = batch.first().and_then(|mailbox| self.due.get_mut(mailbox)) {
                    *due = now + SELDOM * self.terms.every;
                }
            }
            Outcome::Down(after) => {
                let doubled = FIRST_RETRY
                    .saturating_mul(1 << self.failures.min(16))
                    .min(self.terms.every.max(FIRST_RETRY));
                self.failures += 1;
                let wait = doubled / 2 + part(doubled / 2, random);
                self.not_before = now + wait.max(after.unwrap_or(0));
            }
        }
    }

    /// Whether the server has not answered lately.
    pub fn is_down(&self) -> bool {
        self.failures > 0
    }

    /// How many are asked for.
    pub fn count(&self) -> usize {
        self.due.len()
    }
}

/// That part of it which `random` is of its largest.
fn part(of: u64, random: u32) -> u64 {
    (u128::from(of) * u128::from(random) / u128::from(u32::MAX)) as u64
}
