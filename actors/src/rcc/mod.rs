//! Remote call control (R52, R55; ECMA-323 in SIP, TR/87): programs see and control users' telephones ([`dialogs`]), and
//! PBXs tell what telephones of theirs do ([`gateways`]).
//!
//! The calls of users who have any are noted here by their actors; a lane whose dialogs monitor a user hears of every
//! change, in order. A dialog lives on the lane of its Call-ID ([`dialogs`]).

mod calls;
pub mod dialogs;
mod gateway;
pub mod gateways;
mod link;
mod missed;
mod past;
mod relay;
mod requests;
mod services;
mod tell;

pub use requests::is_csta;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::Addr;
use arc_swap::ArcSwap;
use ringpost::{
    directory::Directory,
    rcc::view::{End, Seen, View},
    registrar::Device,
};
use smallvec::SmallVec;
use tokio::sync::{Notify, mpsc};

use crate::{call::CallActor, metrics::METRICS};

const SHARDS: usize = 16;
/// How long the end of the dialogs with PBXs is waited for when Ringpost stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// A call as it is for one user's telephones.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Look {
    /// The user is called; else the user calls.
    pub incoming: bool,
    /// The number or URI of the other party, where it may be known.
    pub other: Option<Arc<str>>,
    /// As in [`View::redirected`].
    pub redirected: Option<Arc<str>>,
    /// How far it is.
    pub state: Seen,
}

impl Look {
    fn view(&self, call: &str, device: &str) -> View {
        View {
            call: call.to_owned(),
            device: device.to_owned(),
            incoming: self.incoming,
            other: self.other.as_deref().map(named),
            redirected: self.redirected.as_deref().map(named),
            state: match &self.state {
                Seen::Over(End::Diverted(to, why)) => {
                    Seen::Over(End::Diverted(to.as_deref().map(named), *why))
                }
                Seen::Over(End::Transferred(to)) => Seen::Over(End::Transferred(to.as_deref().map(named))),
                state => state.clone(),
            },
        }
    }
}

/// A party as CSTA names it: numbers are telephone URIs.
pub(super) fn named(party: &str) -> String {
    let digits = party.strip_prefix('+').unwrap_or(party);
    let is_number =
        !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit() || b"*#".contains(&octet));
    if is_number { format!("tel:{party}") } else { party.to_owned() }
}

/// A call of a user that is not over.
#[derive(Clone)]
pub struct Live {
    /// `callID`.
    pub id: Arc<str>,
    /// How far it is.
    pub look: Look,
    /// When what happened.
    pub times: Times,
    /// Who carries it; `None`: a PBX does, and its gateway tells of it.
    pub call: Option<Addr<CallActor>>,
}

/// When a call has rung and was answered.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// When telephones of the user began to ring.
    pub rang: SmallVec<[Instant; 2]>,
    /// When one was answered.
    pub answered: Option<Instant>,
}

impl Times {
    /// It rings, or is dialled, now.
    pub fn now() -> Self {
        Self { rang: SmallVec::from_slice(&[Instant::now()]), answered: None }
    }
}

/// What a lane is told.
pub enum Order {
    /// A call of a user, by address, is so far now.
    Changed(Arc<str>, Arc<str>, Look),
    /// A user has changed what happens to calls.
    Features(Arc<str>),
}

#[derive(Default)]
struct Line {
    calls: Vec<Live>,
    /// The lanes that have monitors, and how many.
    lanes: SmallVec<[(u8, u32); 2]>,
}

type Lines = HashMap<Arc<str>, Line, ahash::RandomState>;

/// Shared by all lanes.
pub struct Rcc {
    directory: Arc<ArcSwap<Directory>>,
    lines: Vec<Mutex<Lines>>,
    hasher: ahash::RandomState,
    lanes: Vec<mpsc::UnboundedSender<Order>>,
    inboxes: Mutex<Vec<Option<mpsc::UnboundedReceiver<Order>>>>,
    /// Dialogs in all, and of each user or trunk.
    open: AtomicUsize,
    of_each: Mutex<HashMap<Box<str>, usize, ahash::RandomState>>,
    /// The device that each user has used last, where that matters: its URI without parameters.
    used: Mutex<HashMap<Box<str>, Box<str>, ahash::RandomState>>,
    /// Calls that ended a moment ago, where PBXs tell of theirs.
    past: past::Past,
    farewell: Farewell,
}

/// Has the dialogs with PBXs end, and says when they have.
#[derive(Default)]
struct Farewell {
    ends: Notify,
    ended: Notify,
}

impl Rcc {
    /// Nobody controls anything yet.
    pub fn new(directory: Arc<ArcSwap<Directory>>, lanes: usize) -> Arc<Self> {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..lanes).map(|_| mpsc::unbounded_channel()).unzip();
        Arc::new(Self {
            directory,
            lines: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: ahash::RandomState::new(),
            lanes: senders,
            inboxes: Mutex::new(receivers.into_iter().map(Some).collect()),
            open: AtomicUsize::new(0),
            of_each: Mutex::default(),
            used: Mutex::default(),
            past: past::Past::default(),
            farewell: Farewell::default(),
        })
    }

    fn shard(&self, user: &str) -> MutexGuard<'_, Lines> {
        lock(&self.lines[self.hasher.hash_one(user) as usize % SHARDS])
    }

    /// A call of a user is so far; one that is over is forgotten.
    pub fn call(&self, user: &Arc<str>, live: Live) {
        crate::guard::apart("remote call control", || self.called(user, live.clone()));
    }

    fn called(&self, user: &Arc<str>, live: Live) {
        let mut lines = self.shard(user);
        let line = lines.entry(Arc::clone(user)).or_default();
        let at = line.calls.iter().position(|one| one.id == live.id);
        let (id, look) = (Arc::clone(&live.id), live.look.clone());
        match (at, matches!(look.state, Seen::Over(_))) {
            (Some(at), false) => line.calls[at] = live,
            (None, false) => line.calls.push(live),
            (Some(at), true) => {
                line.calls.remove(at);
                if look.incoming && live.call.is_some() && self.has_gateways() {
                    self.past.ended(user, look.other.clone(), &live.times);
                }
            }
            (None, true) => return,
        }
        // Under the lock, so that every lane hears of the changes in their order.
        for (lane, _) in &line.lanes {
            // A lane that has ended tells nobody anything any more.
            let _ = self.lanes[usize::from(*lane)].send(Order::Changed(
                Arc::clone(user),
                Arc::clone(&id),
                look.clone(),
            ));
        }
        if line.calls.is_empty() && line.lanes.is_empty() {
            lines.remove(user);
        }
    }

    /// Whether PBXs tell of calls that may be ours too.
    pub fn has_gateways(&self) -> bool {
        !self.directory.load().site.rcc.gateways.is_empty()
    }

    /// A user has changed what happens to calls.
    pub fn features_changed(&self, user: &str) {
        crate::guard::apart("remote call control of features", || self.tell_features(user));
    }

    fn tell_features(&self, user: &str) {
        let lines = self.shard(user);
        let Some((user, line)) = lines.get_key_value(user) else { return };
        for (lane, _) in &line.lanes {
            let _ = self.lanes[usize::from(*lane)].send(Order::Features(Arc::clone(user)));
        }
    }

    /// The calls that a user has now.
    pub fn calls_of(&self, user: &str) -> Vec<Live> {
        self.shard(user).get(user).map(|line| line.calls.clone()).unwrap_or_default()
    }

    /// A lane has a monitor more of a user; the calls that there are, whose changes it hears of from now on.
    fn monitored(&self, user: &Arc<str>, lane: u8) -> Vec<Live> {
        let mut lines = self.shard(user);
        let line = lines.entry(Arc::clone(user)).or_default();
        match line.lanes.iter_mut().find(|(of, _)| *of == lane) {
            Some((_, count)) => *count += 1,
            None => line.lanes.push((lane, 1)),
        }
        line.calls.clone()
    }

    /// A lane has a monitor less.
    fn left(&self, user: &Arc<str>, lane: u8) {
        let mut lines = self.shard(user);
        let Some(line) = lines.get_mut(user) else { return };
        if let Some((_, count)) = line.lanes.iter_mut().find(|(of, _)| *of == lane) {
            *count -= 1;
        }
        line.lanes.retain(|(_, count)| *count > 0);
        if line.calls.is_empty() && line.lanes.is_empty() {
            lines.remove(user);
        }
    }

    /// Takes a place for a dialog of `name`, of which it may have `each`; false where there is none.
    fn takes_place(&self, name: &str, most: usize, each: usize) -> bool {
        let mut of_each = lock(&self.of_each);
        let own = of_each.get(name).copied().unwrap_or(0);
        if own >= each || self.open.load(Ordering::Relaxed) >= most {
            return false;
        }
        of_each.insert(name.into(), own + 1);
        METRICS.rcc_dialogs.set(self.open.fetch_add(1, Ordering::Relaxed) as u64 + 1);
        true
    }

    fn leaves_place(&self, name: &str) {
        let mut of_each = lock(&self.of_each);
        match of_each.get_mut(name) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(of_each.remove(name)),
        }
        METRICS.rcc_dialogs.set(self.open.fetch_sub(1, Ordering::Relaxed) as u64 - 1);
    }

    /// A user talks by that device, or has dialled at it.
    pub fn uses(&self, user: &str, device: &str) {
        if self.directory.load().site.rcc.last_used {
            lock(&self.used).insert(user.into(), bare(device).into());
        }
    }

    /// Leaves of the devices of a user who is to call somebody those that ring first.
    pub fn narrow(&self, user: &str, devices: &mut Vec<Device>) {
        if !self.directory.load().site.rcc.last_used {
            return;
        }
        let used = lock(&self.used);
        let Some(last) = used.get(user) else { return };
        if devices.iter().any(|device| *bare(&device.uri) == **last) {
            devices.retain(|device| *bare(&device.uri) == **last);
        }
    }

    /// Ends the dialogs with PBXs, as far as that is quickly done.
    pub async fn farewell(&self) {
        if self.has_gateways() {
            self.farewell.ends.notify_one();
            let _ = tokio::time::timeout(FAREWELL, self.farewell.ended.notified()).await;
        }
    }

    /// The inbox of a lane; once.
    pub fn inbox(&self, lane: u8) -> Option<mpsc::UnboundedReceiver<Order>> {
        lock(&self.inboxes).get_mut(usize::from(lane))?.take()
    }
}

fn bare(uri: &str) -> &str {
    uri.split(';').next().unwrap_or(uri)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
