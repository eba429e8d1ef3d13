//! Keeps alive what lives longer than a call: the tasks that read sockets, accept connections and keep the time (T8), and
//! the outbox (T39). What ends is red, and starts again at once; what ends too often ends the program, whose own keeper
//! (systemd) starts it afresh.

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::VecDeque,
    future::Future,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    guard::words,
    metrics::{METRICS, State},
};

/// So many ends within [`SPAN`] are put up with.
const LIMIT: usize = 5;
const SPAN: Duration = Duration::from_secs(60);
/// What ends at once must not keep a thread busy.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts again what ends; cheap to clone.
#[derive(Clone, Debug)]
pub struct Keeper {
    fatal: mpsc::UnboundedSender<String>,
}

/// When a part has ended, for its intensity limit.
#[derive(Debug, Default)]
pub struct Ends(VecDeque<Instant>);

impl Ends {
    /// Notes one more end; true where that is one too many.
    pub fn too_many(&mut self, now: Instant) -> bool {
        while self.0.front().is_some_and(|first| now.duration_since(*first) > SPAN) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() > LIMIT
    }
}

impl Keeper {
    /// A keeper, and who hears which part cannot be kept alive.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (fatal, told) = mpsc::unbounded_channel();
        (Self { fatal }, told)
    }

    /// Runs what `start` gives on this thread, again and again; `part` is its name in the health report. What is returned
    /// ends it for good.
    pub fn keep<F: Future<Output = ()> + 'static>(
        &self,
        part: String,
        start: impl Fn() -> F + 'static,
    ) -> JoinHandle<()> {
        let keeper = self.clone();
        actix::spawn(async move {
            let mut ends = Ends::default();
            loop {
                METRICS.health.set(&part, State::Green);
                #[cfg(test)]
                let task = tests::breakable(part.clone(), start());
                #[cfg(not(test))]
                let task = start();
                let why = match AssertUnwindSafe(task).catch_unwind().await {
                    Ok(()) => "it ended by itself",
                    Err(panic) => words(&*panic),
                };
                if keeper.ended(&part, why, &mut ends) {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
    }

    /// Notes that a part has ended; true where it must not start again, because the program ends.
    pub fn ended(&self, part: &str, why: &str, ends: &mut Ends) -> bool {
        METRICS.restarts_total.one();
        METRICS.health.set(part, State::Red(why.to_owned()));
        let too_many = ends.too_many(Instant::now());
        tracing::error!(part, why, gives_up = too_many, "A part of Ringpost has ended");
        if too_many {
            // Nobody listens any more only where the program is ending already.
            let _ = self.fatal.send(part.to_owned());
        }
        too_many
    }
}
