//! Items that wait because somebody is down: how long they have waited counts, so that they move on or are given up.

use std::time::Duration;

use super::{
    Lane, MOVED, Start,
    queue::{Entry, Moment, Place, millis},
};

/// Items counted as waiting at once: each costs the store a read and a write.
const COUNTED: usize = 32;

impl Lane {
    /// Whether anything is held back because somebody is down.
    pub(super) fn is_down(&self) -> bool {
        self.breaker.is_open() || self.queue.resting() > 0
    }

    /// Looks for items that have been held back for all the time they may wait, so that they can move on or be given up, and
    /// for those whose waiting has not been written down for long. Gives the moment at which to go on.
    pub(super) fn sweep(&mut self, now: Moment, due: &mut Vec<Start>) -> Option<Moment> {
        if now < self.sweep.1 {
            return Some(self.sweep.1);
        }
        let (mut looked, mut over, mut to) = (0, Vec::new(), None);
        let often = u64::from(millis(self.used.schedule.give_up_after / 8)).max(1);
        for (id, entry) in self.queue.from(self.sweep.0) {
            if looked >= MOVED || self.counting + over.len() >= COUNTED {
                to = Some(id);
                break;
            }
            looked += 1;
            let Some((since, why)) = self.holds(entry) else { continue };
            let held = now - since.max(entry.at).min(now);
            if held > u64::from(entry.left).min(often) {
                over.push((id, Duration::from_millis(held), why.to_owned()));
            }
        }
        self.counting += over.len();
        for (id, held, why) in over {
            self.queue.take(id);
            self.start(id, Some((held, why)), due);
        }
        match to {
            // Where too many are being counted, the next that is done comes back here.
            Some(id) => self.sweep.0 = id,
            None => self.sweep = (0, now + u64::from(self.round())),
        }
        match to {
            Some(_) if self.counting >= COUNTED => None,
            Some(_) => Some(now),
            None => Some(self.sweep.1),
        }
    }

    /// Since when an item is held back by somebody who is down, and why.
    fn holds(&self, entry: &Entry) -> Option<(Moment, &str)> {
        if entry.place != Place::Due {
            return None;
        }
        if self.breaker.is_open() {
            return Some((self.since, &self.why));
        }
        let crowd = self.queue.crowd(entry.whom);
        crowd.breaker.is_open().then_some((crowd.since, &*crowd.why))
    }

    /// The pause between two looks at all that are held back.
    pub(super) fn round(&self) -> u32 {
        let shortest = self.used.schedule.longest_retry.min(self.used.schedule.patience);
        millis(shortest / 4).clamp(10, 30_000)
    }
}
