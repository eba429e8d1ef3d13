//! What UMs elsewhere tell of users' mailboxes (RFC 3842; R207): an unsolicited NOTIFY, or one of a subscription of ours.
//!
//! Nothing sticks: each count has an end. It is kept over a restart, since such a UM tells it only when it changes.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::summary::{Counts, Summary};

/// What one UM has told of one mailbox last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Forwarded {
    /// Who: the name of a trunk, or of a connector.
    pub source: Box<str>,
    /// Whether anything new waits.
    pub waiting: bool,
    /// How much; `None`: not told.
    pub voice: Option<Counts>,
    /// The first second in which it does not count any more.
    pub ends: u64,
    /// The series of requests that it came in, as a number, and its place in it: what was overtaken counts for nothing.
    #[serde(skip)]
    pub series: Option<(u64, u32)>,
}

impl Forwarded {
    /// A document of that source.
    pub fn of(source: &str, said: &Summary, ends: u64) -> Self {
        Self { source: source.into(), waiting: said.waiting, voice: said.voice, ends, series: None }
    }
}

/// All of them, by the users' addresses of record.
#[derive(Clone, Debug, Default)]
pub struct Table(HashMap<Arc<str>, Vec<Forwarded>>);

impl Table {
    /// Takes what a source tells, in place of what it has told before; false where that is later than this.
    pub fn take(&mut self, user: &Arc<str>, said: Forwarded) -> bool {
        let known = self.0.entry(Arc::clone(user)).or_default();
        let Some(before) = known.iter_mut().find(|one| one.source == said.source) else {
            known.push(said);
            return true;
        };
        let overtaken =
            before.series.zip(said.series).is_some_and(|(old, new)| old.0 == new.0 && old.1 >= new.1);
        if !overtaken {
            *before = said;
        }
        !overtaken
    }

    /// A mailbox of ours with those that other UMs have for the same user: the counts of all together.
    pub fn with(&self, user: &str, own: Summary, now: u64) -> Summary {
        let others = self.0.get(user).into_iter().flatten().filter(|one| one.ends > now);
        others.fold(own, |sum, one| sum.and(one.waiting, one.voice))
    }

    /// What a source has told of a user last.
    pub fn of(&self, user: &str, source: &str) -> Option<&Forwarded> {
        self.0.get(user)?.iter().find(|one| *one.source == *source)
    }

    /// When the next one ends.
    pub fn next_end(&self) -> Option<u64> {
        self.0.values().flatten().map(|one| one.ends).min()
    }

    /// Takes out those that are not to be kept; users and sources.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Forwarded) -> bool) -> Vec<(Arc<str>, Box<str>)> {
        let mut gone = vec![];
        self.0.retain(|user, known| {
            known.retain(|one| {
                let stays = keep(user, one);
                if !stays {
                    gone.push((Arc::clone(user), one.source.clone()));
                }
                stays
            });
            !known.is_empty()
        });
        gone
    }
}
