//! Message counts of UMs elsewhere: they come by NOTIFY, are kept in the store, and count beside those of our own mailboxes.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use ringpost::{
    directory::{Directory, Origin},
    presence::{
        forwarded::{Forwarded, Table},
        subscription::{Refused, counts},
        summary::Summary,
    },
    settings::{PresenceConnector, User},
    sip::{Message as SipMessage, Name, build, peer::Peer, token::Token},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{Presence, lock, watchers::Watchers};
use crate::{metrics::METRICS, store::PresenceRow};

/// What stands before the names of such counts in the store.
pub(super) const COUNTS: &str = "m ";

/// What is known from elsewhere, and who is to be told elsewhere.
#[derive(Debug)]
pub(super) struct Elsewhere {
    table: Mutex<Table>,
    /// When the next count ends; never later than that.
    next_end: AtomicU64,
    /// Users whose PBX is to be told: see [`super::unasked`].
    pub owed: Mutex<HashSet<Arc<str>>>,
    /// There are such users.
    pub owes: Notify,
}

impl Default for Elsewhere {
    fn default() -> Self {
        let (table, owed) = (Mutex::default(), Mutex::default());
        Self { table, next_end: AtomicU64::new(u64::MAX), owed, owes: Notify::new() }
    }
}

/// A count as it is kept.
#[derive(Debug, Deserialize, Serialize)]
struct Row {
    user: Box<str>,
    said: Forwarded,
}

impl Watchers {
    /// Whether a NOTIFY outside any dialog of such a sender is looked at.
    pub fn takes_counts(&self, directory: &Directory, origin: &Origin) -> bool {
        let from = &directory.site.presence.messages_from;
        self.presence.is_on() && matches!(origin, Origin::Trunk(trunk) if from.contains(&trunk.name))
    }

    /// A UM elsewhere tells what waits for a user. It is answered when that is on the disk.
    pub fn counted_elsewhere(
        self: &Rc<Self>,
        server: Token,
        request: &SipMessage,
        from: Peer,
        origin: &Origin,
    ) {
        let row = match self.presence.hear(request, origin) {
            Ok(row) => row,
            Err(refused) => {
                METRICS.forwarded_counts_refused_total.one();
                return self.refuse(server, request, from, refused);
            }
        };
        METRICS.forwarded_counts_total.one();
        // In the place of whatever waits to be written under its name, which is older and would be written later. Where the disk
        // refuses it now, whoever does not tell it again is believed all the same.
        row.iter().cloned().for_each(|row| self.presence.write(row));
        let (watchers, request) = (Rc::clone(self), request.clone());
        actix::spawn(async move {
            let kept = match (&watchers.presence.scribe, row) {
                (Some(scribe), Some(row)) => scribe.keep_presence(vec![row]).await,
                _ => true,
            };
            let (code, phrase): (u16, &[u8]) = if kept { (200, b"OK") } else { (503, b"Not Written") };
            let mut draft = build::response(&request, from.address, code, phrase, &server.text());
            if !kept {
                draft.header("Retry-After", &[b"10"]);
            }
            watchers.port.respond(server, code, draft.empty());
        });
    }
}

impl Presence {
    /// Takes what a NOTIFY says; the row to be written, where there is anything to it.
    fn hear(&self, request: &SipMessage, origin: &Origin) -> Result<Option<PresenceRow>, Refused> {
        let said = counts(request)?;
        let directory = self.directory.load_full();
        // Exchange names the user in all three places; others only where the request goes.
        let to = || directory.callee(request.to()?.uri, origin);
        let user = directory.callee(request.uri(), origin).or_else(to).ok_or(Refused::NoUser)?;
        let Some(said) = said else { return Ok(None) };
        let ends = self.now() + directory.site.presence.messages_last.as_secs();
        let mut hasher = DefaultHasher::new();
        request.first(Name::CallId).hash(&mut hasher);
        let series = request.cseq().map(|(number, _)| (hasher.finish(), number));
        let said = Forwarded { series, ..Forwarded::of(origin.name(), &said, ends) };
        self.forwarded(&user, said).map(Some).ok_or(Refused::OutOfOrder)
    }

    /// A UM elsewhere has so much for a user, who is known in our own words from now on. The row to be written; `None`: it
    /// was overtaken.
    pub fn forwarded(&self, user: &User, said: Forwarded) -> Option<PresenceRow> {
        let (address, ends) = (Arc::<str>::from(user.address.as_str()), said.ends);
        let (row, now) = (row(&address, &said), self.now());
        let mut table = lock(&self.elsewhere.table);
        let same = |one: &Forwarded| (one.waiting, one.voice) == (said.waiting, said.voice) && one.ends > now;
        let is_new = !table.of(&address, &said.source).is_some_and(same);
        if !table.take(&address, said) {
            return None;
        }
        self.elsewhere.next_end.fetch_min(ends, Ordering::Relaxed);
        drop(table);
        // What only holds longer is no news for phones and PBXs.
        if is_new {
            self.counted(&address);
        }
        Some(row)
    }

    /// A mailbox of ours with those that UMs elsewhere have for the same user.
    pub(super) fn with_others(&self, user: &str, own: Summary) -> Summary {
        lock(&self.elsewhere.table).with(user, own, self.now())
    }

    /// Forgets counts whose time is over.
    pub(super) fn expire_counts(&self, now: u64) {
        if now >= self.elsewhere.next_end.load(Ordering::Relaxed) {
            self.forget_counts(|_, one| one.ends > now);
        }
    }

    /// Forgets counts of trunks that are not believed any more, and of users who are gone.
    pub(super) fn judge_counts(&self, directory: &Directory) {
        self.forget_counts(|user, one| is_believed(directory, user, one));
    }

    fn forget_counts(&self, keep: impl FnMut(&str, &Forwarded) -> bool) {
        let gone = {
            let mut table = lock(&self.elsewhere.table);
            let gone = table.retain(keep);
            self.elsewhere.next_end.store(table.next_end().unwrap_or(u64::MAX), Ordering::Relaxed);
            gone
        };
        for (user, source) in gone {
            self.write((name(&user, &source), None));
            self.counted(&user);
        }
    }

    /// Takes up a count of the last run.
    pub(super) fn restore_count(&self, body: &str, now: u64) -> Option<()> {
        let Row { user, said } = serde_json::from_str(body).ok()?;
        let user = Arc::<str>::from(user);
        let directory = self.directory.load();
        if said.ends <= now || !self.is_on() || !is_believed(&directory, &user, &said) {
            return None;
        }
        self.elsewhere.next_end.fetch_min(said.ends, Ordering::Relaxed);
        lock(&self.elsewhere.table).take(&user, said).then_some(())
    }

    /// The PBX of a user is to be told what waits.
    pub(super) fn owe(&self, address: &Arc<str>) {
        lock(&self.elsewhere.owed).insert(Arc::clone(address));
        self.elsewhere.owes.notify_one();
    }
}

/// Whether it comes from a trunk that is believed or from a connector that asks for counts, about somebody who is still there.
fn is_believed(directory: &Directory, user: &str, one: &Forwarded) -> bool {
    let presence = &directory.site.presence;
    let told = presence.messages_from.iter().any(|name| **name == *one.source);
    let asks = |known: &PresenceConnector| known.enabled && known.messages && *known.name == *one.source;
    (told || presence.connectors.iter().any(asks)) && directory.of_address(user).is_some()
}

fn name(user: &str, source: &str) -> String {
    format!("{COUNTS}{source} {user}")
}

fn row(user: &Arc<str>, said: &Forwarded) -> PresenceRow {
    let row = Row { user: Box::from(&**user), said: said.clone() };
    (name(user, &said.source), serde_json::to_string(&row).ok())
}
