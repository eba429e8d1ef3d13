//! What the DNS has said: as long as it may be believed, and a while longer where nobody says anything else (RFC 2308,
//! RFC 8767).

use std::{collections::HashMap, time::Duration};

use ahash::RandomState;

use super::{Answer, Question};

/// How long answers serve, and how many are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// The shortest and the longest time that records are believed, whatever their TTL.
    pub ttl: (Duration, Duration),
    /// The longest time that "there is none" is believed.
    pub negative: Duration,
    /// How long a question that nobody answered is not asked again.
    pub retry: Duration,
    /// How long records serve after their time while nobody answers.
    pub stale: Duration,
    /// Answers kept.
    pub most: usize,
}

/// The answers. Time is milliseconds since any fixed moment.
#[derive(Debug)]
pub struct Cache {
    bounds: Bounds,
    entries: HashMap<Question, Entry, RandomState>,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    fresh_until: u64,
    kept_until: u64,
}

/// What is known of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Known {
    /// This.
    Fresh(Answer),
    /// This, if nobody says anything else.
    Stale(Answer),
    /// Nothing.
    Unknown,
}

impl Cache {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, entries: HashMap::default() }
    }

    /// How many answers there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is known.
    pub fn look(&self, question: &Question, now: u64) -> Known {
        match self.entries.get(question) {
            Some(entry) if now < entry.fresh_until => Known::Fresh(entry.answer.clone()),
            Some(entry) if now < entry.kept_until => Known::Stale(entry.answer.clone()),
            Some(_) | None => Known::Unknown,
        }
    }

    /// Keeps an answer; `ttl` in seconds, as the DNS says it. A failure does not replace what was known before: it lets
    /// that serve on for a while. What serves from now on is given back.
    pub fn put(&mut self, question: Question, answer: Answer, ttl: Option<u32>, now: u64) -> Answer {
        let Bounds { ttl: (least, longest), negative, retry, stale, most } = self.bounds;
        let said = ttl.map(|seconds| Duration::from_secs(u64::from(seconds)));
        let (fresh, kept) = match answer {
            Answer::Failed => match self.entries.get_mut(&question).filter(|entry| now < entry.kept_until) {
                Some(entry) => {
                    entry.fresh_until = after(now, retry).min(entry.kept_until);
                    return entry.answer.clone();
                }
                None => (retry, Duration::ZERO),
            },
            // Without a SOA record nobody says how long (RFC 2308 §5): not asking again at once is enough.
            Answer::Nothing => (said.unwrap_or(retry).clamp(retry.min(negative), negative), Duration::ZERO),
            Answer::Naptr(_) | Answer::Srv(_) | Answer::Addresses(_) => {
                (said.unwrap_or(least).clamp(least, longest), stale)
            }
        };
        if self.entries.len() >= most && !self.entries.contains_key(&question) {
            self.shed(now);
        }
        let fresh_until = after(now, fresh);
        let entry = Entry { answer: answer.clone(), fresh_until, kept_until: after(fresh_until, kept) };
        self.entries.insert(question, entry);
        answer
    }

    /// Makes room: first what serves no more, then the quarter whose time is up first.
    fn shed(&mut self, now: u64) {
        self.entries.retain(|_, entry| now < entry.kept_until);
        if self.entries.len() < self.bounds.most {
            return;
        }
        let mut ends: Vec<u64> = self.entries.values().map(|entry| entry.fresh_until).collect();
        let quarter = ends.len() / 4;
        let (_, last, _) = ends.select_nth_unstable(quarter);
        let last = *last;
        let mut left = quarter + 1;
        self.entries.retain(|_, entry| {
            let goes = entry.fresh_until <= last && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}

fn after(now: u64, time: Duration) -> u64 {
    now.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
