//! What mailboxes hold, kept at hand: the counts that message waiting tells (RFC 3842), and who wants to hear of a change.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use ringpost::voicemail::Counts;
use tokio::sync::broadcast;

use crate::store::Message;

/// Changes that a listener may be behind before it has to look at everything again.
const BEHIND: usize = 4096;

/// The counts of every mailbox that holds anything, as the store has them: right from the first moment of a run, and after
/// each commit. Shared by all threads.
#[derive(Debug)]
pub struct MailboxCounts {
    /// By the user's address of record.
    known: RwLock<HashMap<Arc<str>, Counts, ahash::RandomState>>,
    changes: broadcast::Sender<Arc<str>>,
}

impl Default for MailboxCounts {
    fn default() -> Self {
        Self { known: RwLock::default(), changes: broadcast::Sender::new(BEHIND) }
    }
}

impl MailboxCounts {
    /// What a user's mailbox holds now.
    pub fn of(&self, user: &str) -> Counts {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(user).copied().unwrap_or_default()
    }

    /// Every mailbox that holds anything.
    pub fn all(&self) -> Vec<(Arc<str>, Counts)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(user, counts)| (Arc::clone(user), *counts)).collect()
    }

    /// The addresses of users whose counts change from now on. Whoever has fallen behind (`Lagged`) looks at all.
    pub fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.changes.subscribe()
    }

    /// The store holds these for a user.
    pub(crate) fn set(&self, user: &str, messages: &[Message]) {
        let counts = count(messages);
        let user = Arc::from(user);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = match counts == Counts::default() {
            true => known.remove(&user),
            false => known.insert(Arc::clone(&user), counts),
        };
        drop(known);
        if before.unwrap_or_default() != counts {
            // Nobody may be listening.
            let _ = self.changes.send(user);
        }
    }

    /// What the store holds at the start.
    pub(crate) fn fill(&self, messages: &[Message]) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            if let Some(state) = message.state {
                known.entry(Arc::clone(&message.user)).or_default().add(state, message.urgent);
            }
        }
    }
}

fn count(messages: &[Message]) -> Counts {
    let mut counts = Counts::default();
    for message in messages {
        if let Some(state) = message.state {
            counts.add(state, message.urgent);
        }
    }
    counts
}
