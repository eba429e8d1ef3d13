//! Message counts for a PBX that has not asked (PROTOCOLS §5): whom it is still to be told of, and what its answers mean.
//!
//! Only users are noted, not counts: what is told is what is so when it is told.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
};

/// After so many milliseconds a PBX that is not well is tried again; it doubles.
const FIRST_REST: u64 = 2_000;
const LONGEST_REST: u64 = 5 * 60 * 1_000;
/// One that has said that it takes nothing unasked is asked so much later whether that still holds.
const UNWANTED: u64 = 60 * 60 * 1_000;

/// What an answer means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It knows now; or this user is nobody there.
    Done,
    /// It takes no NOTIFY that it has not asked for.
    OnlyAsked,
    /// It is not well.
    Later,
}

impl Fate {
    /// That of a final code, 408 where none came. 481: no subscription; 405, 501: no such method; 489: no such event.
    pub fn of(code: u16) -> Self {
        match code {
            405 | 481 | 489 | 501 => Self::OnlyAsked,
            408 | 500 | 502..=599 => Self::Later,
            _ => Self::Done,
        }
    }
}

/// What one PBX is to be told. Times are milliseconds of any clock that only runs forward.
#[derive(Debug)]
pub struct Unasked<U> {
    waiting: VecDeque<U>,
    owed: HashSet<U>,
    /// And whether there is something new since it was sent.
    under_way: HashMap<U, bool>,
    at_once: usize,
    failures: u32,
    not_before: u64,
    only_asked: bool,
}

impl<U: Clone + Eq + Hash> Unasked<U> {
    /// Nothing yet; so many requests under way at once.
    pub fn new(at_once: usize) -> Self {
        let (waiting, owed, under_way) = (VecDeque::new(), HashSet::new(), HashMap::new());
        Self {
            waiting,
            owed,
            under_way,
            at_once: at_once.max(1),
            failures: 0,
            not_before: 0,
            only_asked: false,
        }
    }

    /// Whether it wants to be told nothing that it has not asked for, as far as is known.
    pub fn is_only_asked(&self) -> bool {
        self.only_asked
    }

    /// Somebody may have put something right there: it is tried now, one user at first.
    pub fn forgive(&mut self) {
        self.not_before = 0;
    }

    /// There is something new of a user.
    pub fn owe(&mut self, user: U) {
        match self.under_way.get_mut(&user) {
            Some(again) => *again = true,
            None if self.owed.insert(user.clone()) => self.waiting.push_back(user),
            None => {}
        }
    }

    /// Whom to tell of now; it counts as sent.
    pub fn next(&mut self, now: u64) -> Option<U> {
        let room = if self.failures > 0 || self.only_asked { 1 } else { self.at_once };
        if now < self.not_before || self.under_way.len() >= room {
            return None;
        }
        let user = self.waiting.pop_front()?;
        self.owed.remove(&user);
        self.under_way.insert(user.clone(), false);
        Some(user)
    }

    /// There is nothing to tell of a user there, so nothing was sent: that tells nothing of how it is.
    pub fn passes_over(&mut self, user: &U) {
        self.under_way.remove(user);
    }

    /// When to ask [`Self::next`] again though nothing has happened.
    pub fn wake(&self, now: u64) -> Option<u64> {
        (now < self.not_before && !self.waiting.is_empty()).then_some(self.not_before)
    }

    /// What came of it; true where that is how it is found out that it takes nothing unasked.
    pub fn answered(&mut self, user: &U, fate: Fate, now: u64) -> bool {
        let again = self.under_way.remove(user).unwrap_or(false);
        let is_news = fate == Fate::OnlyAsked && !self.only_asked;
        match fate {
            Fate::Done => (self.failures, self.not_before, self.only_asked) = (0, 0, false),
            Fate::OnlyAsked => (self.not_before, self.only_asked) = (now + UNWANTED, true),
            Fate::Later => {
                // Those that were under way together are one failure.
                if now >= self.not_before {
                    let rest = FIRST_REST.saturating_mul(1 << self.failures.min(16)).min(LONGEST_REST);
                    (self.failures, self.not_before) = (self.failures + 1, now + rest);
                }
            }
        }
        if again || fate != Fate::Done {
            self.owe(user.clone());
        }
        is_news
    }
}
