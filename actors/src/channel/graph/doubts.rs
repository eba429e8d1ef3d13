//! Which notices may already have been told, though nobody has said so.

use std::{
    collections::HashSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use jiff::Timestamp;
use ringpost::outbox::Key;

/// Keys kept; beyond it every notice is looked for before it goes.
const KEPT: usize = 100_000;

pub struct Doubts {
    /// What was posted before may have been under way when an earlier run ended.
    since: Timestamp,
    keys: Mutex<HashSet<Key>>,
    all: AtomicBool,
}

/// One try; dropped without a word, it leaves its notice in doubt.
pub struct Doubt<'a> {
    doubts: &'a Doubts,
    key: Key,
    before: bool,
}

impl Doubts {
    pub fn since(since: Timestamp) -> Self {
        Self { since, keys: Mutex::default(), all: AtomicBool::new(false) }
    }

    pub fn holds(&self, key: &Key, posted: Timestamp) -> bool {
        posted < self.since || self.all.load(Relaxed) || self.keys().contains(key)
    }

    /// Begins a try. [`Doubts::holds`] is asked within it, so the key is only put down when the try is cut off.
    pub fn begin(&self, key: &Key, posted: Timestamp) -> Doubt<'_> {
        Doubt { doubts: self, key: key.clone(), before: self.holds(key, posted) }
    }

    /// Something is made, and the notice not told yet.
    pub fn put(&self, key: &Key) {
        let mut keys = self.keys();
        if keys.len() < KEPT {
            keys.insert(key.clone());
        } else {
            self.all.store(true, Relaxed);
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Doubt<'_> {
    /// It is told: nobody asks again.
    pub fn settle(mut self) {
        self.before = true;
        self.doubts.keys().remove(&self.key);
    }

    /// This try has changed nothing.
    pub fn back(mut self) {
        // A doubt that was there before stays; a new one is not put down.
        self.before = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.before {
            self.doubts.put(&self.key);
        }
    }
}
