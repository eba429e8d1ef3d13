//! Whether one UM server is in the working set (R16): a state machine of one word, so that all lanes share it without a lock.

use std::time::Duration;

/// How servers leave the set and come back; `[um]`.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `failures`: so many in a row, and a server leaves the set. Default 1.
    pub failures: u8,
    /// `probe`: who finds out that it is back.
    pub probe: Probe,
    /// `probe_after`: when it is probed first; the pause doubles with every probe that fails. Default 5 s.
    pub first: Duration,
    /// `probe_longest`: the longest pause. Default 1 min.
    pub longest: Duration,
    /// `probe_ramp`: over which time its share of the first tries grows to that of the others. Default 30 s.
    pub ramp: Duration,
}

/// How a server that has left the set is probed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Probe {
    /// By OPTIONS; only when those are answered does it get calls again, few at first.
    Options,
    /// By a growing share of the calls themselves.
    Calls,
}

/// What a try has shown of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sign {
    /// It works; it may still have refused.
    Good,
    /// It answers, but has failed.
    Failed,
    /// It wants to be left alone for so long (RFC 3261 §20.33).
    Busy(Duration),
    /// It does not answer.
    Silent,
}

/// A server that asks for more is asked again sooner, so that a slip there does not keep it out for a day.
const LONGEST_REST: Duration = Duration::from_secs(3600);

impl Sign {
    /// What a final response says of its server: its own failures are 5xx without those that speak of the request
    /// (RFC 3261 §21.5). `rest` is its Retry-After.
    pub fn of(code: u16, rest: Option<Duration>) -> Self {
        match (code, rest) {
            (408, _) => Self::Silent,
            (503, Some(rest)) => Self::Busy(rest.min(LONGEST_REST)),
            (501 | 505 | 513, _) => Self::Good,
            (500..=599, _) => Self::Failed,
            _ => Self::Good,
        }
    }
}

/// How a server is. Times are milliseconds of any clock that never goes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// In the set, and has failed so often in a row.
    In {
        /// Failures in a row.
        failures: u8,
    },
    /// Out of it.
    Out {
        /// When it is probed.
        until: u64,
        /// Probes that have failed.
        strikes: u8,
        /// Before then, nothing is sent to it even where there is no other: it says nothing or wants its rest.
        held: bool,
    },
    /// Out of it, and probed with more and more calls.
    Trial {
        /// Since when.
        since: u64,
        /// Probes that have failed.
        strikes: u8,
    },
}

/// Strikes and failures that are told apart.
const MOST: u8 = 31;
const TIME: u64 = (1 << 56) - 1;

impl Health {
    /// How it is by then: where calls probe, the time alone lets them begin.
    pub fn at(self, now: u64, rules: &Rules) -> Self {
        match self {
            Self::Out { until, strikes, .. } if rules.probe == Probe::Calls && now >= until => {
                Self::Trial { since: until, strikes }
            }
            other => other,
        }
    }

    /// What follows from a try that ended now.
    pub fn on(self, sign: Sign, now: u64, rules: &Rules) -> Self {
        let out = |strikes: u8| {
            let pause = match sign {
                Sign::Busy(rest) => rest.max(pause(strikes, rules)),
                Sign::Good | Sign::Failed | Sign::Silent => pause(strikes, rules),
            };
            let held = matches!(sign, Sign::Busy(_) | Sign::Silent);
            Self::Out { until: now.saturating_add(millis(pause)) & TIME, strikes, held }
        };
        match (self.at(now, rules), sign) {
            (_, Sign::Good) => Self::In { failures: 0 },
            (Self::In { failures }, Sign::Failed | Sign::Silent)
                if failures + 1 < rules.failures.min(MOST) =>
            {
                Self::In { failures: failures + 1 }
            }
            (Self::In { .. }, _) => out(0),
            (Self::Trial { strikes, .. }, _) => out((strikes + 1).min(MOST)),
            // Calls that were under way when it left the set fail one after the other: that is no failed probe.
            (Self::Out { until, strikes, held }, _) if now < until => match (sign, out(strikes)) {
                (Sign::Busy(_), Self::Out { until: later, .. }) if later > until => out(strikes),
                (Sign::Silent, _) => Self::Out { until, strikes, held: true },
                _ => Self::Out { until, strikes, held },
            },
            (Self::Out { strikes, .. }, _) => out((strikes + 1).min(MOST)),
        }
    }

    /// It has answered OPTIONS: calls may probe it now.
    pub fn answered_options(self, now: u64) -> Self {
        match self {
            Self::Out { strikes, .. } => Self::Trial { since: now & TIME, strikes },
            other => other,
        }
    }

    /// Whether OPTIONS are due.
    pub fn wants_options(self, now: u64, rules: &Rules) -> bool {
        rules.probe == Probe::Options && matches!(self, Self::Out { until, .. } if now >= until)
    }

    /// Whether nothing may be sent to it, even where there is no other.
    pub fn is_held(self, now: u64) -> bool {
        matches!(self, Self::Out { until, held: true, .. } if now < until)
    }

    /// How much of the share that each of the others has this one has by now, of 1,024. It begins with a sixteenth.
    pub fn weight(self, now: u64, rules: &Rules) -> u32 {
        match self {
            Self::In { .. } => 1024,
            Self::Out { .. } => 0,
            Self::Trial { since, .. } => {
                let grown = u128::from(now.saturating_sub(since)) * 1024 / rules.ramp.as_millis().max(1);
                grown.clamp(64, 1024) as u32
            }
        }
    }

    /// As one word.
    pub fn pack(self) -> u64 {
        match self {
            Self::In { failures } => u64::from(failures.min(MOST)) << 56,
            Self::Out { until, strikes, held } => {
                1 << 62 | u64::from(held) << 61 | u64::from(strikes.min(MOST)) << 56 | until & TIME
            }
            Self::Trial { since, strikes } => 2 << 62 | u64::from(strikes.min(MOST)) << 56 | since & TIME,
        }
    }

    /// The reverse of [`Self::pack`].
    pub fn unpack(word: u64) -> Self {
        let (number, time) = ((word >> 56) as u8 & MOST, word & TIME);
        match word >> 62 {
            1 => Self::Out { until: time, strikes: number, held: word >> 61 & 1 == 1 },
            2 => Self::Trial { since: time, strikes: number },
            _ => Self::In { failures: number },
        }
    }
}

fn pause(strikes: u8, rules: &Rules) -> Duration {
    rules.first.saturating_mul(1 << strikes.min(30)).min(rules.longest.max(rules.first))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(TIME)
}
