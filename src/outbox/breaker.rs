//! Keeps a channel whose server does not answer from being asked for every notice: one try at a time, ever more rarely.

use std::time::Duration;

use super::pause;
use crate::settings;

/// Failures in a row, of different notices, that open it.
const ENOUGH: u32 = 5;
/// The longest pause between tries: what a server that is back is noticed after.
const LONGEST: Duration = Duration::from_secs(60);

/// The state of one channel. Closed: everything may be tried. Open: one notice at a time, after [`Breaker::pause`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Breaker {
    failures: u32,
    last: Option<i64>,
    /// Tries since it opened.
    open: Option<u32>,
}

/// What a try has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// From now on only one notice at a time is tried.
    Opened,
    /// Everything may be tried again.
    Closed,
    /// Nothing.
    None,
}

impl Breaker {
    /// Whether only one notice at a time may be tried.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The server was reached, whatever it said.
    pub fn reached(&mut self) -> Turn {
        let was_open = self.is_open();
        *self = Self::default();
        if was_open { Turn::Closed } else { Turn::None }
    }

    /// The server was not reached with the notice `item`. One notice alone, that the server chokes on, opens nothing.
    pub fn failed(&mut self, item: i64) -> Turn {
        if let Some(tries) = &mut self.open {
            *tries = tries.saturating_add(1);
            return Turn::None;
        }
        if self.last == Some(item) {
            return Turn::None;
        }
        self.last = Some(item);
        self.failures += 1;
        if self.failures < ENOUGH {
            return Turn::None;
        }
        self.open = Some(0);
        Turn::Opened
    }

    /// The pause before the next try of an open one; `jitter` in 0..1.
    pub fn pause(&self, schedule: &settings::Outbox, jitter: f64) -> Duration {
        let full = pause(self.open.unwrap_or_default(), schedule).min(LONGEST);
        full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: settings::Outbox = settings::Outbox {
        first_retry: Duration::from_secs(2),
        longest_retry: Duration::from_secs(300),
        give_up_after: Duration::from_secs(3 * 86_400),
        patience: Duration::from_secs(600),
    };

    #[test]
    fn it_opens_after_five_notices_in_a_row_and_closes_with_the_first_answer() {
        let mut breaker = Breaker::default();
        for item in 1..5 {
            assert_eq!(breaker.failed(item), Turn::None, "{item}");
        }
        assert_eq!(breaker.reached(), Turn::None);
        for item in 1..5 {
            assert_eq!(breaker.failed(item), Turn::None, "{item}, from the beginning");
        }
        assert_eq!((breaker.failed(5), breaker.is_open()), (Turn::Opened, true));
        assert_eq!(breaker.failed(6), Turn::None);
        assert_eq!((breaker.reached(), breaker.is_open()), (Turn::Closed, false));
    }

    #[test]
    fn one_notice_that_the_server_chokes_on_opens_nothing() {
        let mut breaker = Breaker::default();
        assert!((0..100).all(|_| breaker.failed(7) == Turn::None));
        assert!(!breaker.is_open());
    }

    #[test]
    fn the_pauses_grow_to_a_minute() {
        let mut breaker = Breaker::default();
        for item in 1..=5 {
            breaker.failed(item);
        }
        let pauses: Vec<u64> = (0..7)
            .map(|item| {
                let pause = breaker.pause(&SCHEDULE, 1.0);
                breaker.failed(item);
                pause.as_secs()
            })
            .collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
        let breaker = Breaker { open: Some(0), ..Breaker::default() };
        assert_eq!(breaker.pause(&SCHEDULE, 0.0), Duration::from_secs(1));
    }
}
