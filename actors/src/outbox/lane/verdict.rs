//! What the end of a try says of the channel's server and of the notice's destination: both have a breaker.

use std::time::Duration;

use ringpost::outbox::{OF_A_DESTINATION, OF_A_SERVER, Turn};
use tracing::{info, warn};

use super::{
    Lane, Tried, Whom,
    queue::{NOBODY, millis},
};
use crate::{
    metrics::{METRICS, State},
    store::ItemId,
};

impl Lane {
    /// A try has ended, and its place is free.
    pub fn freed(&mut self, id: ItemId, whom: Whom, tried: Tried) {
        if matches!(tried, Tried::Counted) {
            self.counting -= 1;
            return;
        }
        self.sending -= 1;
        self.queue.end(whom);
        match tried {
            Tried::Counted | Tried::No => {}
            Tried::Taken => {
                self.reached();
                self.answers(whom);
            }
            Tried::Deferred { reason } => {
                self.reached();
                self.defers(id, whom, reason);
            }
            Tried::Down { reason, rest } => {
                self.failed(id, &reason, rest);
                self.defers(id, whom, reason);
            }
        }
    }

    fn reached(&mut self) {
        if self.breaker.reached() == Turn::Closed {
            info!(channel = %self.name, open = self.queue.len(), "A channel is up again");
            METRICS.health.set(&self.part(), State::Green);
            self.numbers.down.set(0);
            // What the channel's fault was is no destination's.
            self.queue.absolve();
        }
    }

    fn failed(&mut self, id: ItemId, reason: &str, rest: Option<Duration>) {
        // What was under way when it opened says nothing new.
        if self.breaker.is_open() && id != self.probe.1 {
            return;
        }
        let turn = self.breaker.failed(id);
        let pause = self
            .breaker
            .pause(&self.used.schedule, OF_A_SERVER, fastrand::f64())
            .max(rest.unwrap_or_default());
        let now = self.now();
        self.probe.0 = now + u64::from(millis(pause));
        reason.clone_into(&mut self.why);
        if turn == Turn::Opened {
            (self.since, self.sweep) = (now, (0, now + u64::from(self.round())));
            warn!(channel = %self.name, why = self.why, open = self.queue.len(), "A channel is down: one notice at a time is tried");
            METRICS.health.set(&self.part(), State::Yellow(self.why.clone()));
            self.numbers.down.set(1);
        }
    }

    /// The destination has decided about a notice, so it works.
    fn answers(&mut self, whom: Whom) {
        let now = self.now();
        let mut turn = Turn::None;
        self.queue.judge(whom, now, |breaker| {
            turn = breaker.reached();
            None
        });
        if turn == Turn::Closed {
            info!(channel = %self.name, "A destination takes notices again");
        }
    }

    /// The destination took a notice not now. Many in a row make it rest, so that it does not take the tries of others.
    fn defers(&mut self, id: ItemId, whom: Whom, reason: String) {
        if whom == NOBODY || self.breaker.is_open() || self.queue.is_stale(whom, id) {
            return;
        }
        let (now, schedule, mut turn) = (self.now(), &self.used.schedule, Turn::None);
        self.queue.judge(whom, now, |breaker| {
            turn = breaker.failed(id);
            Some(breaker.pause(schedule, OF_A_DESTINATION, fastrand::f64()))
        });
        if turn == Turn::Opened {
            info!(channel = %self.name, reason, "A destination defers everything: one notice at a time is tried");
            tracing::debug!(channel = %self.name, destination = self.queue.name(whom), "That destination");
        }
        self.queue.explain(whom, format!("its destination defers everything: {reason}"));
    }

    fn part(&self) -> String {
        format!("channel {}", self.name)
    }
}
