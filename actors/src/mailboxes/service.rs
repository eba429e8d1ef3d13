//! What owners have changed of their mailboxes, and the tries of those who want in, kept in the store.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use ringpost::{
    settings::User,
    voicemail::{
        State,
        pin::{Lock, Tries},
    },
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::pin::{fits, hashed};
use crate::{
    metrics::METRICS,
    store::{Message, MessageId, Scribe},
};

/// What is kept of one mailbox, or of one source.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
struct Own {
    /// In place of the site's PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    tries: Tries,
    /// The recorded greeting.
    #[serde(skip_serializing_if = "Option::is_none")]
    greeting: Option<PathBuf>,
}

/// What the key of a source begins with.
const SOURCE: &str = "source:";

/// What came of a PIN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is right.
    Admitted,
    /// Mailbox or PIN is wrong.
    Refused,
    /// It is wrong, and the last one that was: the mailbox is locked from now on.
    Locks(Tries),
    /// Too many were wrong.
    Locked,
}

/// Shared by all sessions of the embedded UM.
pub struct Mailboxes {
    scribe: Scribe,
    /// Told when a message was deleted: its recording goes.
    deleted: Arc<Notify>,
    /// By the user's address of record, or `source:` and who calls.
    known: Mutex<HashMap<Arc<str>, Own>>,
    /// Held while a try is counted and judged: two at once would count as one.
    judging: tokio::sync::Mutex<()>,
}

impl Mailboxes {
    /// Reads what the store has kept.
    pub async fn load(scribe: Scribe, deleted: Arc<Notify>) -> Arc<Self> {
        let mut known = HashMap::new();
        match scribe.mailboxes().await {
            Some(Ok(rows)) => {
                for (user, body) in rows {
                    match serde_json::from_str::<Own>(&body) {
                        // Sources are made up easily: those of long ago take no room.
                        Ok(own) if user.starts_with(SOURCE) && own.tries.is_long_ago(Timestamp::now()) => {
                            scribe.set_mailbox(Arc::from(user), None).await;
                        }
                        Ok(own) => drop(known.insert(Arc::from(user), own)),
                        Err(error) => {
                            tracing::error!(%error, "What a user has changed of a mailbox cannot be read")
                        }
                    }
                }
            }
            Some(Err(error)) => {
                tracing::error!(%error, "What users have changed of their mailboxes cannot be read")
            }
            None => {}
        }
        Arc::new(Self { scribe, deleted, known: Mutex::new(known), judging: tokio::sync::Mutex::default() })
    }

    fn own(&self, key: &str) -> Own {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).cloned().unwrap_or_default()
    }

    /// Keeps a change, or leaves everything as it was where the disk refuses it.
    async fn keep_or_leave(&self, key: &str, change: impl FnOnce(&mut Own)) -> bool {
        let before = self.own(key);
        let kept = self.keep(key, change).await;
        if !kept {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(Arc::from(key), before);
        }
        kept
    }

    /// Keeps a change; in memory also where the disk refuses it.
    async fn keep(&self, key: &str, change: impl FnOnce(&mut Own)) -> bool {
        let key = Arc::<str>::from(key);
        let own = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let own = known.entry(Arc::clone(&key)).or_default();
            change(own);
            let own = own.clone();
            if own == Own::default() {
                known.remove(&key);
            }
            own
        };
        let body = (own != Own::default()).then(|| serde_json::to_string(&own).expect("it is plain data"));
        self.scribe.set_mailbox(key, body).await
    }

    /// Whether a mailbox has a PIN at all.
    pub fn has_pin(&self, user: &User) -> bool {
        user.pin.is_some() || self.own(&user.address).pin.is_some()
    }

    /// Judges a PIN for the mailbox of `user`, where there is such a one. A try is counted on the disk before it is judged,
    /// so that no crash gives any back; a right one is taken from the mailbox's count, not from its source's.
    pub async fn judge(&self, user: Option<&User>, (source, pin): (&str, String), lock: Lock) -> Verdict {
        let _one_at_a_time = self.judging.lock().await;
        let (now, source) = (Timestamp::now(), format!("{SOURCE}{source}"));
        let keys = [Some(source.as_str()), user.map(|user| user.address.as_str())];
        if keys.iter().flatten().any(|key| self.own(key).tries.is_locked(lock, now)) {
            return Verdict::Locked;
        }
        let (mut last, mut locks) = (false, None);
        for key in keys.iter().flatten() {
            let mine = user.is_some_and(|user| user.address == **key);
            self.keep(key, |own| {
                if own.tries.count(lock, now) {
                    last = true;
                    locks = locks.or(mine.then_some(own.tries));
                }
            })
            .await;
        }
        let kept = user.map(|user| (self.own(&user.address).pin, user.pin.clone()));
        let right = tokio::task::spawn_blocking(move || match kept {
            Some((Some(changed), _)) => fits(Some(&changed), &pin),
            // The same while as for a hash, whatever the site says.
            Some((None, Some(site))) => fits(Some(&hashed(&site.0)), &pin),
            _ => fits(None, &pin),
        });
        if !right.await.unwrap_or(false) {
            METRICS.wrong_pins_total.one();
            if last {
                METRICS.mailbox_lock_outs_total.one();
                tracing::warn!("A mailbox or its caller is locked after too many wrong PINs");
                tracing::debug!(user = user.map(|user| user.address.as_str()), source, "Locked");
            }
            return locks.map_or(Verdict::Refused, Verdict::Locks);
        }
        for key in keys.iter().flatten() {
            let mine = user.is_some_and(|user| user.address == **key);
            // The source keeps what it had before this one.
            self.keep(key, |own| match mine {
                true => own.tries = Tries::default(),
                false => own.tries.wrong = own.tries.wrong.saturating_sub(1),
            })
            .await;
        }
        Verdict::Admitted
    }

    /// The mailboxes that are locked now, by their users' addresses.
    pub fn locked(&self, lock: Lock) -> Vec<(Arc<str>, Tries)> {
        let (known, now) = (self.known.lock().unwrap_or_else(PoisonError::into_inner), Timestamp::now());
        let locked =
            known.iter().filter(|(key, own)| !key.starts_with(SOURCE) && own.tries.is_locked(lock, now));
        locked.map(|(key, own)| (Arc::clone(key), own.tries)).collect()
    }

    /// Another PIN; false where the disk refused.
    pub async fn set_pin(&self, user: &str, pin: String) -> bool {
        let Ok(pin) = tokio::task::spawn_blocking(move || hashed(&pin)).await else { return false };
        self.keep_or_leave(user, |own| own.pin = Some(pin)).await
    }

    /// The greeting that a user has recorded.
    pub fn greeting(&self, user: &str) -> Option<PathBuf> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(user)?.greeting.clone()
    }

    /// Another greeting, or none any more; false where the disk refused.
    pub async fn set_greeting(&self, user: &str, path: Option<PathBuf>) -> bool {
        self.keep_or_leave(user, |own| own.greeting = path).await
    }

    /// What is in a mailbox; nothing where the store cannot say.
    pub async fn messages(&self, user: &str) -> Vec<Message> {
        match self.scribe.messages(Some(Arc::from(user))).await {
            Some(Ok(messages)) => messages.into_iter().filter(|message| message.state.is_some()).collect(),
            Some(Err(error)) => {
                tracing::error!(%error, "A mailbox cannot be read");
                vec![]
            }
            None => vec![],
        }
    }

    /// Keeps where a message stands, `None`: deleted; false where the disk refused.
    pub async fn mark(&self, user: &str, id: MessageId, state: Option<State>) -> bool {
        let done = self.scribe.set_message(Arc::from(user), id, state).await;
        if done && state.is_none() {
            self.deleted.notify_one();
        }
        done
    }
}
