//! Remembers which nonce counts have been used, so that nobody can send a request of somebody else again (RFC 7616 §5.4).

use std::collections::HashMap;

use super::Passed;

/// How far behind the highest count one may come late: requests overtake each other on UDP.
const BEHIND: u32 = 64;

/// The counts of the nonces that are in use. Its size is bounded by `most`.
#[derive(Debug)]
pub struct Window {
    used: HashMap<u64, Used, ahash::RandomState>,
    most: usize,
    /// When the ended ones are swept out next, in seconds.
    sweep: u64,
}

#[derive(Debug)]
struct Used {
    highest: u32,
    /// Bit n: `highest - n` has been used.
    bits: u64,
    until: u64,
}

/// What the window says of a count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Count {
    /// Never seen.
    Fresh,
    /// Used before, zero, or so far behind that nobody remembers: a replay.
    Used,
    /// The window remembers as many nonces as it may.
    Full,
}

impl Window {
    /// Remembers at most that many nonces.
    pub fn new(most: usize) -> Self {
        Self { used: HashMap::default(), most, sweep: 0 }
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// Notes that right credentials have been used; `now` in seconds.
    pub fn note(&mut self, passed: &Passed, now: u64) -> Count {
        if now >= self.sweep || self.used.len() >= self.most && now + 9 >= self.sweep {
            self.used.retain(|_, used| used.until >= now);
            self.sweep = now + 10;
        }
        let count = passed.count;
        if count == 0 {
            return Count::Used;
        }
        let full = self.used.len() >= self.most;
        match self.used.get_mut(&passed.nonce) {
            Some(used) => used.note(count),
            None if full => Count::Full,
            None => {
                self.used.insert(passed.nonce, Used { highest: count, bits: 1, until: passed.until });
                Count::Fresh
            }
        }
    }
}

impl Used {
    fn note(&mut self, count: u32) -> Count {
        if count > self.highest {
            self.bits = self.bits.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return Count::Fresh;
        }
        let behind = self.highest - count;
        if behind >= BEHIND || self.bits & (1 << behind) != 0 {
            return Count::Used;
        }
        self.bits |= 1 << behind;
        Count::Fresh
    }
}
