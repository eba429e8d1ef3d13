//! A wheel of timers, and the intervals of RFC 3261 table 4. Time is milliseconds since the lane started.

/// RTT estimate, 500 ms.
pub const T1: u64 = 500;
/// The longest retransmission interval of non-INVITE requests and INVITE responses.
pub const T2: u64 = 4_000;
/// The longest time a message stays in the network.
pub const T4: u64 = 5_000;
/// Timers B, F, H, J, L, M.
pub const T1_64: u64 = 64 * T1;

/// How long an INVITE may ring, here or there, where its transaction user has forgotten it: the transaction user's own
/// time-outs are far shorter, so this only keeps a lost one from staying for ever.
pub const FORGOTTEN: u64 = 3_600_000;

/// Timers fire up to this many milliseconds late, so that many of them share one wake-up.
pub const TICK: u64 = 50;
const SLOTS: usize = 2_048;

/// Timers of any kind; there is no way to stop one: its owner looks whether it is still wanted.
#[derive(Debug)]
pub struct Wheel<T> {
    slots: Vec<Vec<(u64, T)>>,
    filled: [u64; SLOTS / 64],
    /// The first tick that has not fired yet.
    next: u64,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self {
            slots: std::iter::repeat_with(Vec::new).take(SLOTS).collect(),
            filled: [0; SLOTS / 64],
            next: 0,
        }
    }
}

impl<T> Wheel<T> {
    /// Has `what` come out of [`Wheel::fire`] at `at` or up to [`TICK`] later.
    pub fn arm(&mut self, at: u64, what: T) {
        self.put(at.div_ceil(TICK).max(self.next), what);
    }

    /// The latest time that is in sight. An entry for later wanders from sight to sight; an owner that may be gone long
    /// before does better to look again then.
    pub fn horizon(&self) -> u64 {
        self.next.saturating_add(SLOTS as u64 - 1).saturating_mul(TICK)
    }

    fn put(&mut self, due: u64, what: T) {
        // What lies beyond the horizon waits at its far end and is put in again there.
        let slot = due.min(self.next + SLOTS as u64 - 1) as usize % SLOTS;
        self.slots[slot].push((due, what));
        self.filled[slot / 64] |= 1 << (slot % 64);
    }

    /// When [`Wheel::fire`] should be called next; `None` while no timer runs.
    pub fn due(&self) -> Option<u64> {
        let start = self.next as usize % SLOTS;
        let mut word = start / 64;
        let mut bits = self.filled[word] & (u64::MAX << (start % 64));
        for _ in 0..=SLOTS / 64 {
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (slot + SLOTS - start) % SLOTS;
                return Some((self.next + ahead as u64) * TICK);
            }
            word = (word + 1) % (SLOTS / 64);
            bits = self.filled[word];
        }
        None
    }

    /// Takes out every timer that is due at `now`, in order of its tick.
    pub fn fire(&mut self, now: u64, mut due: impl FnMut(T)) {
        let until = now / TICK;
        while self.next <= until {
            match self.due() {
                Some(at) if at / TICK <= until => self.next = at / TICK,
                _ => {
                    self.next = until + 1;
                    return;
                }
            }
            let slot = self.next as usize % SLOTS;
            let fired = std::mem::take(&mut self.slots[slot]);
            self.filled[slot / 64] &= !(1 << (slot % 64));
            let tick = self.next;
            self.next += 1;
            for (wanted, what) in fired {
                if wanted <= tick {
                    due(what);
                } else {
                    self.put(wanted, what);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(wheel: &mut Wheel<u32>, now: u64) -> Vec<u32> {
        let mut out = vec![];
        wheel.fire(now, |what| out.push(what));
        out
    }

    #[test]
    fn timers_fire_in_order_and_never_early() {
        let mut wheel = Wheel::default();
        for (at, what) in [(500, 2), (1, 1), (32_000, 3), (1_000_000, 4)] {
            wheel.arm(at, what);
        }
        assert_eq!(wheel.due(), Some(TICK));
        assert!(fired(&mut wheel, TICK - 1).is_empty());
        assert_eq!(fired(&mut wheel, TICK), [1]);
        assert!(fired(&mut wheel, 499).is_empty());
        assert_eq!(fired(&mut wheel, 501), [2]);
        assert!(fired(&mut wheel, 31_999).is_empty());
        assert_eq!(fired(&mut wheel, 32_000 + TICK - 1), [3]);
        assert!(fired(&mut wheel, 999_999).is_empty());
        assert_eq!(fired(&mut wheel, 1_000_000), [4]);
        assert_eq!(wheel.due(), None);
    }

    #[test]
    fn a_timer_beyond_all_time_waits_and_overflows_nothing() {
        let mut wheel = Wheel::default();
        wheel.arm(u64::MAX, 1);
        for now in [100_000, 1_000_000, 100_000_000] {
            assert!(fired(&mut wheel, now).is_empty(), "{now}");
        }
        assert!(wheel.due().is_some());
    }

    #[test]
    fn a_timer_in_the_past_fires_at_once() {
        let mut wheel = Wheel::default();
        wheel.fire(10_000, |_: u32| ());
        wheel.arm(3, 7);
        assert!(wheel.due().is_some_and(|at| at <= 10_000 + TICK));
        assert_eq!(fired(&mut wheel, 10_000 + TICK), [7]);
    }
}
