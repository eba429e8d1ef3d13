//! What users have changed by feature codes, and how many numbers outside their calls ring now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;
use ringpost::{
    policy::{Change, Changes},
    settings::{Policy, User},
};

use crate::{registrar::Hear, store::Scribe};

type Known = HashMap<String, Arc<Changes>, ahash::RandomState>;

/// Shared by all lanes.
pub struct Policies {
    /// By the user's address of record.
    changed: ArcSwap<Known>,
    /// Held while a change is written, so that none is lost.
    writing: tokio::sync::Mutex<()>,
    outside: Mutex<HashMap<String, usize, ahash::RandomState>>,
    scribe: Scribe,
    /// Hears of users who have changed something.
    tells: OnceLock<Hear>,
}

impl Policies {
    /// Reads what the store has kept.
    pub async fn load(scribe: Scribe) -> Arc<Self> {
        let mut known = Known::default();
        match scribe.policies().await {
            Some(Ok(rows)) => {
                for (user, body) in rows {
                    match serde_json::from_str::<Changes>(&body) {
                        Ok(changes) => drop(known.insert(user, Arc::new(changes))),
                        Err(error) => {
                            tracing::error!(%error, "A user's changes of the policy cannot be read")
                        }
                    }
                }
            }
            Some(Err(error)) => {
                tracing::error!(%error, "The users' changes of their policies cannot be read")
            }
            None => {}
        }
        let changed = ArcSwap::from_pointee(known);
        let (writing, outside, tells) = Default::default();
        Arc::new(Self { changed, writing, outside, scribe, tells })
    }

    /// Has `hear` told of each user who has changed something; once.
    pub fn tell(&self, hear: impl Fn(&str) + Send + Sync + 'static) {
        assert!(self.tells.set(Box::new(hear)).is_ok(), "one hears of what users change");
    }

    /// What the user wants now; `None`: every call to the devices and UM.
    pub fn of(&self, user: &User) -> Option<Policy> {
        let changed = self.changed.load();
        match changed.get(&user.address).filter(|_| !changed.is_empty()) {
            Some(changes) => Some(changes.over(&user.policy)).filter(|policy| !policy.is_plain()),
            None if user.policy.is_plain() => None,
            None => Some(user.policy.clone()),
        }
    }

    /// Keeps a change; false where the store refuses it, and then nothing has changed.
    pub async fn change(&self, user: &User, change: Change) -> bool {
        self.changed_by(user, |changes| changes.with(change)).await
    }

    async fn changed_by(&self, user: &User, change: impl FnOnce(Changes) -> Changes) -> bool {
        let _one_at_a_time = self.writing.lock().await;
        let before = self.changed.load().get(&user.address).cloned().unwrap_or_default();
        let after = change(Changes::clone(&before));
        let reset = after == Changes::default();
        let body = (!reset).then(|| serde_json::to_string(&after).expect("changes are plain data"));
        if !self.scribe.set_policy(user.address.clone(), body).await {
            return false;
        }
        let mut known = Known::clone(&self.changed.load());
        match reset {
            true => drop(known.remove(&user.address)),
            false => drop(known.insert(user.address.clone(), Arc::new(after))),
        }
        self.changed.store(Arc::new(known));
        if let Some(tell) = self.tells.get() {
            tell(&user.address);
        }
        true
    }

    /// Whether the user has switched notices of missed calls off.
    pub fn is_silent(&self, user: &User) -> bool {
        let changed = self.changed.load();
        !changed.is_empty()
            && changed.get(&user.address).is_some_and(|changes| changes.notices == Some(false))
    }

    /// Keeps whether the user is told of missed calls; false where the store refuses it.
    pub async fn tell_missed(&self, user: &User, on: bool) -> bool {
        self.changed_by(user, |changes| Changes { notices: (!on).then_some(false), ..changes }).await
    }

    /// How many numbers outside the user's calls ring or talk with now.
    pub fn outside(&self, user: &User) -> usize {
        let outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        outside.get(&user.address).copied().unwrap_or(0)
    }

    /// So many more.
    pub fn went_outside(&self, user: &User, count: usize) {
        let mut outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        *outside.entry(user.address.clone()).or_default() += count;
    }

    /// So many less.
    pub fn came_back(&self, user: &User, count: usize) {
        let mut outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = outside.get_mut(&user.address) {
            *left = left.saturating_sub(count);
            if *left == 0 {
                outside.remove(&user.address);
            }
        }
    }
}
