//! What outlives a restart: subscriptions and publications, written in bundles up to a second late. A watcher whose
//! SUBSCRIBE was lost with that second hears 481 at its next one, and begins anew.

use std::{rc::Rc, sync::Arc, time::Duration};

use ringpost::{
    presence::{
        Kind, Sight, Source, published,
        subscription::{Package, Track, spread},
    },
    sip::{peer::Peer, token::Token},
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{
    Presence,
    cell::Publication,
    elsewhere::COUNTS,
    list::{self, Members},
    lock, serve,
    tags::TAGS,
    watchers::{KEEP, Subscription, Target, WATCH, Watcher, Watchers},
};
use crate::{
    metrics::METRICS,
    port::Alarm,
    store::{PresenceRow, Scribe},
};

/// How long a change waits for others, in milliseconds.
const TOGETHER: u64 = 1_000;
/// How many rows are read, and how many are written, in one go: calls and notices have their turn in between.
const PAGE: usize = 1_000;
/// The same for what is not to wait.
const SOON: u64 = 50;
/// What stands before the names of publications in the store; those of subscriptions are 16 digits.
const PUBLICATION: &str = "p ";

/// A subscription as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Row {
    track: Track,
    /// The user watched; or the list.
    user: Option<Box<str>>,
    list: Option<list::Kept>,
    watcher: Watcher,
    package: Package,
    peer: Peer,
    ends: u64,
    written: u64,
}

/// One of the last run, by its name.
pub(super) type Restored = (u64, Row);

/// A publication as it is kept.
#[derive(Debug, Deserialize, Serialize)]
struct Published {
    tag: u64,
    user: String,
    package: Package,
    ends: u64,
    endpoint: bool,
    body: Box<str>,
}

/// The row of a publication that is over.
pub(super) fn removed(name: &str) -> PresenceRow {
    (format!("{PUBLICATION}{name}"), None)
}

/// The row of a publication.
pub(super) fn published(one: &Publication, user: &str) -> PresenceRow {
    let row = Published {
        tag: one.tag,
        user: user.to_owned(),
        package: one.package,
        ends: one.ends,
        endpoint: one.source.kind == Kind::Endpoint,
        body: one.body.clone(),
    };
    (format!("{PUBLICATION}{}", one.source.name), serde_json::to_string(&row).ok())
}

impl Presence {
    /// Writes what has been published, or prolonged, or has ended, until the program ends. What the disk refuses is tried again;
    /// however long it takes, nobody waits for it.
    pub async fn write_publications(self: Arc<Self>) {
        let Some(scribe) = &self.scribe else { return std::future::pending().await };
        loop {
            let soon = async {
                self.hurry.notified().await;
                tokio::time::sleep(Duration::from_millis(SOON)).await;
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(TOGETHER)) => {}
                () = soon => {}
            }
            self.write_gathered(scribe).await;
        }
    }

    /// Writes what is not written yet, when Ringpost stops.
    pub(super) async fn write_last(&self) {
        if let Some(scribe) = &self.scribe {
            self.write_gathered(scribe).await;
        }
    }

    async fn write_gathered(&self, scribe: &Scribe) {
        let rows = std::mem::take(&mut *lock(&self.unwritten));
        if !rows.is_empty() && !scribe.keep_presence(rows.clone().into_iter().collect()).await {
            let mut unwritten = lock(&self.unwritten);
            for (name, body) in rows {
                unwritten.entry(name).or_insert(body);
            }
        }
    }

    /// Takes up what the last run has written; the lanes take their subscriptions when they start.
    pub async fn restore(&self) {
        let Some(scribe) = &self.scribe else { return };
        let mut last = String::new();
        loop {
            let rows = match scribe.presence(last.clone(), PAGE).await {
                Some(Ok(rows)) => rows,
                Some(Err(error)) => {
                    tracing::error!(%error, "The subscriptions of the last run cannot be read");
                    return;
                }
                None => return,
            };
            let Some((name, _)) = rows.last() else { return };
            last = name.clone();
            let now = self.now();
            for (name, body) in rows {
                let taken = match name.strip_prefix(PUBLICATION) {
                    Some(publication) => self.republish(publication, &body, now),
                    None if name.starts_with(TAGS) => self.restore_tag(&body, now),
                    None if name.starts_with(COUNTS) => self.restore_count(&body, now),
                    None => self.resubscribe(&name, &body, now),
                };
                if taken.is_none() {
                    self.write((name, None));
                }
            }
        }
    }

    fn republish(&self, name: &str, body: &str, now: u64) -> Option<()> {
        let row: Published = serde_json::from_str(body).ok()?;
        let directory = self.directory.load_full();
        let user = directory.of_address(&row.user).filter(|_| row.ends > now && self.is_on())?;
        let kind = if row.endpoint { Kind::Endpoint } else { Kind::Sip };
        let source = Source::new(kind, name);
        let states = &directory.site.presence.states;
        let custom = |name: &str| states.get(name).copied();
        let said = published::read(row.package, row.body.as_bytes(), custom, (now, row.ends)).ok()?;
        METRICS.publications.up();
        self.change(&self.of(user), |known| {
            known.inputs.put(&source, said, row.ends);
            let Published { tag, package, ends, body, .. } = row;
            known.publications.push(Publication { tag, source, package, ends, body });
        });
        Some(())
    }

    fn resubscribe(&self, name: &str, body: &str, now: u64) -> Option<()> {
        let tag = Token::read(name.as_bytes())?;
        let row: Row = serde_json::from_str(body).ok()?;
        if row.ends <= now || !self.is_on() {
            return None;
        }
        let mut lanes = lock(&self.restored);
        // Where there are fewer lanes now, requests with such a tag go by their Call-ID.
        let lane = match lanes.get(usize::from(tag.lane())) {
            Some(_) => tag.lane(),
            None => self.lane_of_call(row.track.call_id()),
        };
        lanes.get_mut(usize::from(lane))?.push((tag.0, row));
        Some(())
    }

    fn lane_of_call(&self, call_id: &[u8]) -> u8 {
        ringpost::sip::token::lane_of_call(call_id, usize::from(self.outward()))
    }
}

impl Watchers {
    /// Has a subscription written, as it is by then.
    pub(super) fn keep(&self, tag: u64) {
        if self.presence.scribe.is_none() {
            return;
        }
        self.unwritten.borrow_mut().insert(tag);
        if !self.keeping.replace(true) {
            self.port.alarm(TOGETHER, Alarm { owner: Token(0), number: KEEP });
        }
    }

    /// Writes what has gathered, piece by piece; what the disk refuses is tried again.
    pub fn write(self: &Rc<Self>) {
        let watchers = Rc::clone(self);
        actix::spawn(async move {
            // What comes meanwhile has its turn a second later.
            let mut turns = watchers.unwritten.borrow().len().div_ceil(PAGE);
            while turns > 0 && watchers.write_some().await {
                turns -= 1;
            }
            let more = !watchers.unwritten.borrow().is_empty();
            watchers.keeping.set(more);
            if more {
                watchers.port.alarm(TOGETHER, Alarm { owner: Token(0), number: KEEP });
            }
        });
    }

    /// The program is about to end: writes all that has gathered, then drops `done`.
    pub fn write_all(self: &Rc<Self>, done: mpsc::Sender<()>) {
        let watchers = Rc::clone(self);
        actix::spawn(async move {
            while watchers.write_some().await {}
            drop(done);
        });
    }

    /// Writes some of what has gathered; false: there is nothing, or the disk refuses.
    async fn write_some(&self) -> bool {
        let Some(scribe) = &self.presence.scribe else { return false };
        let tags = self.take_unwritten();
        if tags.is_empty() {
            return false;
        }
        let rows: Vec<PresenceRow> = tags.iter().map(|tag| (name(*tag), self.row(*tag))).collect();
        let written = scribe.keep_presence(rows).await;
        if !written {
            self.unwritten.borrow_mut().extend(tags);
        }
        written
    }

    fn take_unwritten(&self) -> Vec<u64> {
        let mut unwritten = self.unwritten.borrow_mut();
        let tags: Vec<u64> = unwritten.iter().take(PAGE).copied().collect();
        for tag in &tags {
            unwritten.remove(tag);
        }
        tags
    }

    fn row(&self, tag: u64) -> Option<String> {
        let found = self.all.borrow().get(&tag).cloned()?;
        let one = found.borrow();
        let (user, list) = match &one.target {
            Target::One(cell) => (Some(Box::from(&*cell.user)), None),
            Target::Many(members) => (None, Some(members.kept())),
        };
        let row = Row {
            track: one.track.clone(),
            user,
            list,
            watcher: one.watcher.clone(),
            package: one.package,
            peer: one.peer,
            ends: one.ends,
            written: self.presence.now(),
        };
        serde_json::to_string(&row).ok()
    }

    /// Takes up the lane's subscriptions of the last run, before its sockets open: whoever refreshes one finds it. Each watcher
    /// is told the whole state, one after the other (T33).
    pub fn take_up(&self) {
        let lane = usize::from(self.port.lane);
        let restored = lock(&self.presence.restored).get_mut(lane).map(std::mem::take).unwrap_or_default();
        let directory = self.presence.directory.load_full();
        let within = spread(directory.site.presence.resume.as_millis() as u64, restored.len());
        for (tag, row) in restored {
            self.port.guarded(|| self.take_up_one(&directory, (tag, row), within));
        }
    }

    fn take_up_one(&self, directory: &ringpost::directory::Directory, (tag, row): Restored, within: u64) {
        let Some(mut one) = self.taken_up(directory, row) else { return self.keep(tag) };
        let wait = u64::from(self.port.random()) % within;
        one.armed = self.port.now() + wait;
        self.insert(tag, one);
        self.port.alarm(wait, Alarm { owner: Token(tag), number: WATCH });
    }

    fn taken_up(&self, directory: &ringpost::directory::Directory, row: Row) -> Option<Subscription> {
        let Row { mut track, user, list, watcher, package, mut peer, ends, written } = row;
        let (target, sight) = match (user, list) {
            (Some(user), _) => {
                if let Some(cell) = self.presence.foreign(directory, &user) {
                    (Target::One(cell), serve::sight_of_strangers(&watcher, package)?)
                } else {
                    let user = directory.of_address(&user)?;
                    (Target::One(self.presence.of(user)), serve::sight(directory, &watcher, user, package)?)
                }
            }
            (None, Some(kept)) => {
                let members = Members::restored(&self.presence, directory, &kept)?;
                (Target::Many(Box::new(members)), Sight::Full)
            }
            (None, None) => return None,
        };
        if usize::from(peer.listener) >= self.port.listeners.len() || peer.transport.is_web() {
            return None;
        }
        if peer.is_reliable() {
            // The connection has gone: a new one goes to the watcher's own port.
            peer = self.port.peer(track.next_hop())?;
        }
        let now = self.presence.now();
        track.leap(now.saturating_sub(written));
        let mut pace = ringpost::presence::subscription::Pace::default();
        pace.rest(0);
        let (told, armed) = (0, u64::MAX);
        Some(Subscription { track, target, watcher, package, sight, peer, ends, pace, told, armed })
    }
}

fn name(tag: u64) -> String {
    String::from_utf8_lossy(&Token(tag).text()).into_owned()
}
