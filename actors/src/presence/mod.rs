//! Presence: what is known of users, and the subscriptions of whoever wants to be told (R54–R58, R101–R117, R206).
//!
//! Each user has a cell ([`cell`]), made when the first one asks or says something. A change is made under the cell's lock by
//! whoever makes it, such as a call on its lane, and the lanes that have watchers of that user hear of it: a subscription
//! lives on the lane of its dialog ([`watchers`]), as a leg does.

pub mod calendars;
pub mod cell;
pub mod connect;
mod elsewhere;
mod foreign;
mod keep;
mod list;
pub mod outward;
mod own;
mod publish;
mod remind;
mod serve;
mod tags;
mod tell;
#[cfg(test)]
mod tests;
mod unasked;
pub mod watchers;

pub(crate) use self::serve::way;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use ringpost::{
    directory::Directory,
    presence::{Inputs, Source, input::Said, summary::Summary},
    settings::User,
};
use tokio::sync::{Notify, broadcast::error::RecvError, mpsc, watch};

use self::{
    cell::{Cell, Known, Publication},
    elsewhere::Elsewhere,
    keep::Restored,
    tags::Tagged,
};
use crate::{
    guard::caught,
    metrics::METRICS,
    policies::Policies,
    registrar::Registrar,
    store::{PresenceRow, Scribe},
};

/// How often what time changes is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// How often cells that nobody needs are forgotten.
const SWEEP: u64 = 60;
const SHARDS: usize = 16;

type Cells = HashMap<Arc<str>, Arc<Cell>, ahash::RandomState>;

/// When time may change something for a cell, its number and its user; the earliest first.
type Due = Reverse<(u64, u32, Arc<str>)>;

/// What a lane is told.
pub enum Order {
    /// There is something new of a user.
    Tell(Arc<Cell>),
    /// The site was read again.
    Judge,
    /// A user's devices want to know what waits, though they have not asked.
    Remind(Arc<Cell>),
}

/// Shared by all lanes.
pub struct Presence {
    directory: Arc<ArcSwap<Directory>>,
    policies: Arc<Policies>,
    registrar: Arc<Registrar>,
    cells: Vec<RwLock<Cells>>,
    hasher: ahash::RandomState,
    ids: AtomicU32,
    /// The lanes' inboxes, and behind them that of [`outward`]; at most one order per user waits in each.
    lanes: Vec<mpsc::UnboundedSender<Order>>,
    inboxes: Mutex<Vec<Option<mpsc::UnboundedReceiver<Order>>>>,
    due: Mutex<BinaryHeap<Due>>,
    enabled: AtomicBool,
    /// Subscriptions in all.
    open: AtomicUsize,
    restored: Mutex<Vec<Vec<Restored>>>,
    /// Publications that are to be written, by their names in the store; `None`: removed.
    unwritten: Mutex<HashMap<String, Option<String>>>,
    /// What presence servers hold of ours, by the names in the store.
    tags: Mutex<HashMap<String, Tagged>>,
    /// Rows that are not to wait for others.
    hurry: Notify,
    elsewhere: Elsewhere,
    scribe: Option<Scribe>,
    /// Which NOTIFYs are for which connector.
    pub tickets: connect::Tickets,
    /// Counts how often the site was read again.
    reloads: watch::Sender<u64>,
    /// Strangers whom somebody watches, by address; and how often that has changed.
    foreign: Mutex<HashMap<Arc<str>, Arc<Cell>, ahash::RandomState>>,
    foreign_changes: watch::Sender<u64>,
}

impl Presence {
    /// Nothing known yet; `lanes` of them; without a scribe nothing is kept.
    pub fn new(
        directory: Arc<ArcSwap<Directory>>,
        (policies, registrar): (Arc<Policies>, Arc<Registrar>),
        lanes: usize,
        scribe: Option<Scribe>,
    ) -> Arc<Self> {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..=lanes).map(|_| mpsc::unbounded_channel()).unzip();
        let enabled = directory.load().site.presence.enabled;
        Arc::new(Self {
            directory,
            policies,
            registrar,
            cells: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: ahash::RandomState::new(),
            ids: AtomicU32::new(1),
            lanes: senders,
            inboxes: Mutex::new(receivers.into_iter().map(Some).collect()),
            due: Mutex::default(),
            enabled: AtomicBool::new(enabled),
            open: AtomicUsize::new(0),
            restored: Mutex::new((0..lanes).map(|_| vec![]).collect()),
            unwritten: Mutex::default(),
            tags: Mutex::default(),
            hurry: Notify::new(),
            elsewhere: Elsewhere::default(),
            scribe,
            tickets: connect::Tickets::default(),
            reloads: watch::Sender::new(0),
            foreign: Mutex::default(),
            foreign_changes: watch::Sender::new(0),
        })
    }

    /// Whether anybody is told anything.
    pub fn is_on(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// Seconds since 1970.
    pub fn now(&self) -> u64 {
        self.registrar.now()
    }

    fn shard(&self, user: &str) -> &RwLock<Cells> {
        &self.cells[self.hasher.hash_one(user) as usize % SHARDS]
    }

    /// The cell of a user of that address, where there is one.
    fn find(&self, user: &str) -> Option<Arc<Cell>> {
        self.shard(user).read().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }

    /// The cell of a user; made where there is none.
    pub fn of(&self, user: &User) -> Arc<Cell> {
        if let Some(cell) = self.find(&user.address).filter(|cell| !cell.foreign) {
            return cell;
        }
        let directory = self.directory.load();
        let now = self.now();
        let inputs = Inputs::new(now.saturating_mul(1_000)).owning(self.own(&directory, user));
        let sum = inputs.sum(directory.site.presence.idle, now);
        let address: Arc<str> = user.address.as_str().into();
        // Read when it has its place: what changes from then on is told to it.
        let fresh = || {
            let summary = self.summary(&directory, user);
            Cell::new(self.fresh_id(), Arc::clone(&address), inputs, (sum, summary), now)
        };
        self.placed(&address, false, fresh)
    }

    /// The cell of an address, made where there is none. A stranger's gives place to a user's and the other way round: who
    /// watched the one was not judged for the other.
    fn placed(&self, address: &Arc<str>, foreign: bool, fresh: impl FnOnce() -> Cell) -> Arc<Cell> {
        let mut shard = self.shard(address).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shard.get(address).filter(|known| known.foreign == foreign) {
            return Arc::clone(known);
        }
        let cell = Arc::new(fresh());
        shard.insert(Arc::clone(address), Arc::clone(&cell));
        cell
    }

    fn fresh_id(&self) -> u32 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Changes what is known of a user, and has watchers told where that changes anything for them.
    fn change<T>(&self, cell: &Arc<Cell>, change: impl FnOnce(&mut Known) -> T) -> T {
        let now = self.now();
        let idle = self.directory.load().site.presence.idle;
        let (done, lanes, due) = cell.change(change, idle, now);
        for lane in lanes {
            // A lane that has ended tells nobody anything any more.
            let _ = self.lanes[usize::from(lane)].send(Order::Tell(Arc::clone(cell)));
        }
        if let Some(due) = cell.note_due(due) {
            lock(&self.due).push(Reverse((due, cell.id, Arc::clone(&cell.user))));
        }
        done
    }

    /// A source says that of a user until `ends`; what it does not say any more is gone.
    pub fn says(&self, user: &User, source: &Source, said: Said, ends: u64) {
        self.change(&self.of(user), |known| known.inputs.put(source, said, ends));
    }

    /// A source says nothing of a user any more.
    pub fn is_silent(&self, user: &User, source: &Source) {
        if let Some(cell) = self.find(&user.address) {
            self.change(&cell, |known| known.inputs.remove(source));
        }
    }

    /// The same of a user who may not be one any more.
    pub fn forgets(&self, directory: &Directory, address: &str, source: &Source) {
        match directory.of_address(address) {
            Some(user) => self.is_silent(user, source),
            None => {
                if let Some(cell) = self.find(address) {
                    self.change(&cell, |known| known.inputs.remove(source));
                }
            }
        }
    }

    /// The counts of a user's mailbox have changed.
    fn counted(&self, address: &str) {
        let directory = self.directory.load();
        let Some(user) = directory.of_address(address).filter(|_| self.is_on()) else { return };
        let reminds = directory.site.presence.unsolicited;
        let tells = !directory.site.presence.messages_to.is_empty();
        let found = if reminds || tells { Some(self.of(user)) } else { self.find(address) };
        let Some(cell) = found else { return };
        let summary = self.summary(&directory, user);
        self.change(&cell, |known| known.summary = summary);
        if tells {
            self.owe(&cell.user);
        }
        if reminds {
            // A lane that has ended reminds nobody.
            let _ = self.lanes[0].send(Order::Remind(cell));
        }
    }

    /// What waits in a user's mailbox, and the number that it is listened to by.
    fn summary(&self, directory: &Directory, user: &User) -> Summary {
        let counts = self.scribe.as_ref().map(|scribe| scribe.counts().of(&user.address)).unwrap_or_default();
        let pilot = directory.site.um.pilots.first();
        let account = pilot.map(|pilot| format!("sip:{pilot}@{}", directory.site.sip.domain));
        self.with_others(&user.address, Summary::of(account.as_deref().unwrap_or(&user.address), counts))
    }

    /// Hears what mailboxes hold, until the program ends.
    pub async fn count(self: Arc<Self>) {
        let Some(scribe) = &self.scribe else { return std::future::pending().await };
        let mut changes = scribe.counts().changes();
        loop {
            match changes.recv().await {
                Ok(user) => self.counted(&user),
                Err(RecvError::Lagged(_)) => self.all_counted(),
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    /// So many counts have changed that nobody knows whose: those of all who are told unasked, who may have no cell.
    fn all_counted(&self) {
        let directory = self.directory.load_full();
        let settings = &directory.site.presence;
        match settings.unsolicited || !settings.messages_to.is_empty() {
            true => directory.site.users.iter().for_each(|user| self.counted(&user.address)),
            false => self.cells().iter().for_each(|cell| self.counted(&cell.user)),
        }
    }

    fn cells(&self) -> Vec<Arc<Cell>> {
        let of = |shard: &RwLock<Cells>| -> Vec<_> {
            shard.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
        };
        self.cells.iter().flat_map(of).collect()
    }

    /// Looks for what time has changed, until the program ends.
    pub async fn keep_time(self: Arc<Self>) {
        let mut sweep = self.now() + SWEEP;
        let mut seen = self.directory.load_full();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.now();
            while let Some(cell) = self.next_due(now) {
                cell.due.store(u64::MAX, Ordering::Relaxed);
                if let Err(fault) = caught(|| self.time_has_passed(&cell, now)) {
                    tracing::error!(
                        fault,
                        "A fault in Ringpost: a user's presence may be old until it changes"
                    );
                }
            }
            self.expire_counts(now);
            // By whomever it was read again: an admin, or a directory of users.
            let directory = self.directory.load_full();
            if !Arc::ptr_eq(&directory, &seen) {
                self.reload();
            }
            seen = directory;
            if now >= sweep {
                sweep = now + SWEEP;
                self.sweep();
            }
            METRICS.subscriptions.set(self.open.load(Ordering::Relaxed) as u64);
        }
    }

    fn next_due(&self, now: u64) -> Option<Arc<Cell>> {
        let mut due = lock(&self.due);
        loop {
            let Reverse((at, id, _)) = due.peek()?;
            if *at > now {
                return None;
            }
            let id = *id;
            let Reverse((.., user)) = due.pop()?;
            if let Some(cell) = self.find(&user).filter(|cell| cell.id == id) {
                return Some(cell);
            }
        }
    }

    fn time_has_passed(&self, cell: &Arc<Cell>, now: u64) {
        let ended = self.change(cell, |known| {
            known.inputs.expire(now);
            let source = calendars::source();
            if !known.inputs.calendar.iter().any(|entry| entry.source == source) {
                known.schedule = None;
            }
            let (stays, ended) = known.publications.drain(..).partition(|one| one.ends > now);
            known.publications = stays;
            let ended: Vec<_> = ended;
            ended
        });
        self.forget(ended);
    }

    /// Has a row written, in place of what was to be written under its name before.
    fn write(&self, (name, body): PresenceRow) {
        if self.scribe.is_some() {
            lock(&self.unwritten).insert(name, body);
        }
    }

    /// These publications are over.
    fn forget(&self, ended: Vec<Publication>) {
        for one in ended {
            METRICS.publications.down();
            self.write(keep::removed(&one.source.name));
        }
    }

    /// Forgets cells that nobody needs.
    fn sweep(&self) {
        for shard in &self.cells {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            // Who holds one is about to need it.
            shard.retain(|_, cell| Arc::strong_count(cell) > 1 || !cell.is_idle());
        }
    }

    /// The site was read again.
    fn reload(&self) {
        let directory = self.directory.load_full();
        self.enabled.store(directory.site.presence.enabled, Ordering::Relaxed);
        self.judge_counts(&directory);
        for cell in self.cells().into_iter().filter(|cell| !cell.foreign) {
            if let Some(user) = directory.of_address(&cell.user) {
                let own = self.own(&directory, user);
                let summary = self.summary(&directory, user);
                self.change(&cell, |known| {
                    known.inputs.own = own;
                    known.summary = summary;
                });
            }
        }
        for lane in &self.lanes {
            let _ = lane.send(Order::Judge);
        }
        self.elsewhere.owes.notify_one();
        self.reloads.send_modify(|count| *count += 1);
    }

    /// What [`outward`] is in place of a lane's number.
    fn outward(&self) -> u8 {
        // There are at most 255 lanes.
        u8::try_from(self.lanes.len() - 1).unwrap_or(u8::MAX)
    }

    /// The inbox of a lane; once.
    pub(super) fn inbox(&self, lane: u8) -> Option<mpsc::UnboundedReceiver<Order>> {
        lock(&self.inboxes).get_mut(usize::from(lane))?.take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
