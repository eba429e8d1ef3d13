//! Presence: what is known of users, and the subscriptions of whoever wants to be told (R54–R58, R101–R117, R206).
//!
//! Each user has a cell ([`cell`]), made when the first one asks or says something. A change is made under the cell's lock by
//! whoever makes it, such as a call on its lane, and the lanes that have watchers of that user hear of it: a subscription
//! lives on the lane of its dialog ([`watchers`]), as a leg does.

pub mod calendars;
pub mod cell;
pub mod connect;
mod counts;
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
mod time;
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
};

use arc_swap::ArcSwap;
use ringpost::{
    directory::Directory,
    presence::{Inputs, Source, input::Said},
    settings::User,
};
use tokio::sync::{Notify, broadcast, mpsc, watch};

use self::{
    cell::{Cell, Known, Publication},
    elsewhere::Elsewhere,
    keep::Restored,
    tags::Tagged,
};
use crate::{
    metrics::METRICS,
    policies::Policies,
    registrar::Registrar,
    store::{PresenceRow, Scribe},
};

const SHARDS: usize = 16;
/// Changes of who watches strangers that may wait for a connector; above it, it looks at all of them.
const STRANGERS: usize = 4_096;

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
    /// Strangers whom somebody watches, by address; and each of whom that begins or ends to be so.
    foreign: Mutex<HashMap<Arc<str>, Arc<Cell>, ahash::RandomState>>,
    foreign_changes: broadcast::Sender<Arc<Cell>>,
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
            foreign_changes: broadcast::Sender::new(STRANGERS),
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

    /// A source says nothing any more of whoever has that address, or had.
    pub fn is_silent(&self, address: &str, source: &Source) {
        if let Some(cell) = self.find(address) {
            self.change(&cell, |known| known.inputs.remove(source));
        }
    }

    fn cells(&self) -> Vec<Arc<Cell>> {
        let of = |shard: &RwLock<Cells>| -> Vec<_> {
            shard.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
        };
        self.cells.iter().flat_map(of).collect()
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
