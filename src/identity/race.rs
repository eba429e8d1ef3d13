//! Several sources asked at once: whose answer counts, and how long anybody waits for it. Times are since any fixed
//! moment.

use std::time::Duration;

/// A question that is with its sources, which are numbered in the order of the site.
#[derive(Clone, Debug)]
pub struct Race(Vec<Lane>);

#[derive(Clone, Debug)]
enum Lane {
    /// Asked, and waited for until then.
    Asked(Duration),
    /// It knows this name, or none, or cannot be asked.
    Said(Option<String>),
}

/// How a race stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing<'r> {
    /// Nothing is decided before then, unless a source says something.
    Open(Duration),
    /// This source wins with this name.
    Won(usize, &'r str),
    /// Nobody knows the number.
    Nobody,
}

impl Race {
    /// Sources with their time-outs, in order, all asked at `now`.
    pub fn start(now: Duration, timeouts: impl IntoIterator<Item = Duration>) -> Self {
        Self(timeouts.into_iter().map(|timeout| Lane::Asked(now.saturating_add(timeout))).collect())
    }

    /// What a source has said; `None`: it knows no name, or has failed. A late answer counts as long as the race is open.
    pub fn says(&mut self, source: usize, name: Option<String>) {
        if let Some(lane) = self.0.get_mut(source) {
            *lane = Lane::Said(name);
        }
    }

    /// Who has won: the first in order that knows a name, once every one before it has answered or had its time.
    pub fn standing(&self, now: Duration) -> Standing<'_> {
        for (source, lane) in self.0.iter().enumerate() {
            match lane {
                Lane::Said(Some(name)) => return Standing::Won(source, name),
                Lane::Asked(until) if now < *until => return Standing::Open(*until),
                Lane::Said(None) | Lane::Asked(_) => {}
            }
        }
        Standing::Nobody
    }
}
