//! Keeps a source that does not answer from being asked for every call. Times are since any fixed moment.

use std::time::Duration;

/// When a source is left alone, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    /// Failures in a row that open the breaker.
    pub failures: u32,
    /// How long it stays open before one question tries again.
    pub rest: Duration,
}

/// The state of one source.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Breaker {
    failures: u32,
    /// Open: the next question that may try, from then on.
    probe: Option<Duration>,
}

/// What an answer has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// From now on only one question at a time tries.
    Opened,
    /// Every question is asked again.
    Closed,
    /// Nothing.
    None,
}

impl Breaker {
    /// Whether a question may be asked now. Of an open one only one in every rest, whether it is ever answered or not.
    pub fn admits(&mut self, now: Duration, rules: Rules) -> bool {
        match &mut self.probe {
            None => true,
            Some(probe) if *probe <= now => {
                *probe = now.saturating_add(rules.rest);
                true
            }
            Some(_) => false,
        }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.probe.is_some()
    }

    /// The source has answered, whatever it said.
    pub fn reached(&mut self) -> Turn {
        let was_open = self.probe.is_some();
        *self = Self::default();
        if was_open { Turn::Closed } else { Turn::None }
    }

    /// It has not, or not in time.
    pub fn failed(&mut self, now: Duration, rules: Rules) -> Turn {
        if self.probe.is_some() {
            return Turn::None;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < rules.failures {
            return Turn::None;
        }
        self.probe = Some(now.saturating_add(rules.rest));
        Turn::Opened
    }
}
