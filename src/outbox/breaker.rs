//! Keeps a server that does not answer, or a destination that takes nothing, from being asked for every notice.

use std::time::Duration;

use super::pause;
use crate::settings;

/// Failures in a row, of different notices, that open it.
const ENOUGH: u32 = 5;
/// The longest pause between tries of a channel's server: within five seconds it is noticed that it is back (ROBUSTNESS T35),
/// and a connection every few seconds is no burden. One that wants more rest says so, and a refused password rests anyway.
pub const OF_A_SERVER: Duration = Duration::from_secs(3);
/// The longest pause between tries of a destination behind the server, which may count them (greylisting, a full mailbox).
pub const OF_A_DESTINATION: Duration = Duration::from_secs(60);

/// The state of one server or destination. Closed: everything may be tried. Open: one notice after each [`Breaker::pause`].
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

    /// The pause before the next try of an open one, `longest` at most; `jitter` in 0..1.
    pub fn pause(&self, schedule: &settings::Outbox, longest: Duration, jitter: f64) -> Duration {
        let full = pause(self.open.unwrap_or_default(), schedule).min(longest);
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
    fn the_pauses_grow_to_a_minute_and_those_of_a_server_to_less_than_the_five_seconds_of_t35() {
        for (longest, wanted) in
            [(OF_A_DESTINATION, [2, 4, 8, 16, 32, 60, 60]), (OF_A_SERVER, [2, 3, 3, 3, 3, 3, 3])]
        {
            let mut breaker = Breaker::default();
            for item in 1..=5 {
                breaker.failed(item);
            }
            let pauses = [(); 7].map(|()| {
                let pause = breaker.pause(&SCHEDULE, longest, 1.0);
                breaker.failed(0);
                pause.as_secs()
            });
            assert_eq!(pauses, wanted);
        }
        let breaker = Breaker { open: Some(0), ..Breaker::default() };
        assert_eq!(breaker.pause(&SCHEDULE, OF_A_SERVER, 0.0), Duration::from_secs(1));
    }
}
