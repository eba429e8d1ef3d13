//! What time alone changes: inputs end, calendars move on, and cells that nobody needs are forgotten.

use std::{
    cmp::Reverse,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use ringpost::presence::subscription::Package;

use super::{Presence, calendars, cell::Cell, lock};
use crate::{guard::caught, metrics::METRICS};

/// How often what time changes is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// How often cells that nobody needs are forgotten.
const SWEEP: u64 = 60;

impl Presence {
    /// Looks for what time has changed, until the program ends.
    pub async fn keep_time(self: Arc<Self>) {
        let mut sweep = self.now() + SWEEP;
        let mut seen = self.directory.load_full();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.now();
            while let Some(cell) = self.next_due(now) {
                cell.due.store(u64::MAX, Ordering::Relaxed);
                if let Err(fault) = caught(|| self.time_has_passed(&cell, now)) {
                    tracing::error!(
                        fault,
                        "A fault in Ringpost: a user's presence may be old until it changes"
                    );
                }
            }
            self.expire_counts(now);
            // By whomever it was read again: an admin, or a directory of users.
            let directory = self.directory.load_full();
            if !Arc::ptr_eq(&directory, &seen) {
                self.reload();
            }
            seen = directory;
            if now >= sweep {
                sweep = now + SWEEP;
                self.sweep();
            }
            METRICS.subscriptions.set(self.open.load(Ordering::Relaxed) as u64);
        }
    }

    fn next_due(&self, now: u64) -> Option<Arc<Cell>> {
        let mut due = lock(&self.due);
        loop {
            let Reverse((at, id, _)) = due.peek()?;
            if *at > now {
                return None;
            }
            let id = *id;
            let Reverse((.., user)) = due.pop()?;
            if let Some(cell) = self.find(&user).filter(|cell| cell.id == id) {
                return Some(cell);
            }
        }
    }

    fn time_has_passed(&self, cell: &Arc<Cell>, now: u64) {
        let ended = self.change(cell, |known| {
            known.inputs.expire(now);
            let source = calendars::source();
            if !known.inputs.calendar.iter().any(|entry| entry.source == source) {
                known.schedule = None;
            }
            known.take_ended(now)
        });
        let counted = ended.iter().any(|one| one.package == Package::MessageSummary);
        self.forget(ended);
        if counted {
            self.counted(&cell.user);
        }
    }

    /// Forgets cells that nobody needs.
    fn sweep(&self) {
        for shard in &self.cells {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            // Who holds one is about to need it.
            shard.retain(|_, cell| Arc::strong_count(cell) > 1 || !cell.is_idle());
        }
    }
}
