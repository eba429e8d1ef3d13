//! The entity tags of our publications at presence servers, as they are kept: a Ringpost that was killed changes what it has
//! published before, and publishes nothing beside it.

use ringpost::presence::subscription::Package;
use serde::{Deserialize, Serialize};

use super::{Presence, lock};

/// What stands before their names in the store.
pub(super) const TAGS: &str = "o ";

/// One publication of ours.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Tagged {
    /// The server's name and target.
    pub server: Box<str>,
    pub target: Box<str>,
    pub user: Box<str>,
    pub package: Package,
    pub tag: Box<str>,
    /// When it ends there by itself, in seconds since 1970.
    pub ends: u64,
}

impl Tagged {
    fn name(&self) -> String {
        format!("{TAGS}{} {} {} {}", self.server, self.target, self.package.name(), self.user)
    }
}

impl Presence {
    /// A server holds this from now on; or nothing (`held` is false), whatever its tag was.
    pub(super) fn keep_tag(&self, one: Tagged, held: bool) {
        let name = one.name();
        let mut tags = lock(&self.tags);
        let body = held.then(|| serde_json::to_string(&one).ok()).flatten();
        let changed = match held {
            true => tags.insert(name.clone(), one.clone()).is_none_or(|before| before != one),
            false => tags.remove(&name).is_some(),
        };
        drop(tags);
        if changed {
            self.write((name, body));
            self.hurry.notify_one();
        }
    }

    /// What a server holds of before.
    pub(super) fn tags_of(&self, server: &str, target: &str) -> Vec<Tagged> {
        let (tags, now) = (lock(&self.tags), self.now());
        let there = |one: &&Tagged| *one.server == *server && *one.target == *target && one.ends > now;
        tags.values().filter(there).cloned().collect()
    }

    /// Takes up one of the last run.
    pub(super) fn restore_tag(&self, body: &str, now: u64) -> Option<()> {
        let one: Tagged = serde_json::from_str(body).ok()?;
        if one.ends <= now {
            return None;
        }
        lock(&self.tags).insert(one.name(), one);
        Some(())
    }
}
