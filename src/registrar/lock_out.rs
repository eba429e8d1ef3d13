//! Wrong passwords, counted: after some of them nobody tries any more for a while (T14).

use std::{collections::HashMap, net::IpAddr};

/// Octets of a name that count: nobody has a longer one.
const NAME: usize = 128;
/// Seconds between two looks for what has ended.
const SWEEP: u64 = 10;

/// Wrong passwords by where they come from and for whom, existing or not.
#[derive(Debug)]
pub struct LockOuts {
    tries: HashMap<(IpAddr, Vec<u8>), Tries, ahash::RandomState>,
    most: u32,
    lasts: u64,
    remembered: usize,
    swept: u64,
}

#[derive(Debug)]
struct Tries {
    count: u32,
    until: u64,
}

impl LockOuts {
    /// `most` wrong passwords lock for `lasts` seconds; at most `remembered` sources and names are kept in mind.
    pub fn new(most: u32, lasts: u64, remembered: usize) -> Self {
        Self { tries: HashMap::default(), most, lasts, remembered, swept: 0 }
    }

    /// Whether a source has tried too often for a name.
    pub fn is_locked(&self, source: IpAddr, name: &str, now: u64) -> bool {
        let locked = |tries: &Tries| tries.count >= self.most && tries.until > now;
        !self.tries.is_empty() && self.tries.get(&key(source, name)).is_some_and(locked)
    }

    /// A wrong password; true where it is the one that locks.
    pub fn wrong(&mut self, source: IpAddr, name: &str, now: u64) -> bool {
        if self.tries.len() >= self.remembered {
            self.make_room(now);
        }
        let tries = self.tries.entry(key(source, name)).or_insert(Tries { count: 0, until: 0 });
        if tries.until <= now {
            tries.count = 0;
        }
        tries.count = tries.count.saturating_add(1);
        tries.until = now + self.lasts;
        tries.count == self.most
    }

    /// The right one: what came before was a slip of the finger.
    pub fn right(&mut self, source: IpAddr, name: &str) {
        if !self.tries.is_empty() {
            self.tries.remove(&key(source, name));
        }
    }

    /// How many are kept in mind.
    pub fn len(&self) -> usize {
        self.tries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.tries.is_empty()
    }

    fn make_room(&mut self, now: u64) {
        if now >= self.swept + SWEEP {
            self.swept = now;
            self.tries.retain(|_, tries| tries.until > now);
        }
        if self.tries.len() >= self.remembered
            && let Some(any) = self.tries.keys().next().cloned()
        {
            self.tries.remove(&any);
        }
    }
}

fn key(source: IpAddr, name: &str) -> (IpAddr, Vec<u8>) {
    (source, name.as_bytes()[..name.len().min(NAME)].to_vec())
}
