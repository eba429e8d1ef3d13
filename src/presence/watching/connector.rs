//! All subscriptions at one server: which, when, and what is known by them (R101–R112).
//!
//! A server that is silent is asked nothing else (`life`), and what it has said counts for nothing any more; when it is back,
//! every subscription is prolonged, and those that it has lost begin anew. Where it takes no lists, that is asked again after a
//! rest (`trial`). Times are milliseconds of any clock that
//! only runs forward, unless they say that they are seconds since 1970.

mod answers;
mod life;
mod notices;
mod places;
mod trial;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use self::life::{Health, Life};
use super::{
    meaning::{Meant, Reading},
    shown::{Status, Trouble},
    subscription::{Request, Step, Subscription, Terms},
};
use crate::presence::subscription::Package;

/// What a dialog has said that ended and is followed by another one counts so long.
const GRACE: u64 = 5_000;
/// Requests may be so much ahead of their pace, in milliseconds.
const AHEAD: u64 = 20;

/// What is watched.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    /// Its URI.
    pub uri: Arc<str>,
    /// The package.
    pub package: Package,
    /// Zero; or the number of a trial, which has a subscription of its own.
    pub trial: u32,
}

/// How resources are subscribed to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Lists {
    /// One by one.
    #[default]
    None,
    /// By the list that the server keeps under that URI (RFC 4662).
    Server(Arc<str>),
    /// By lists of ours, so long at most, brought along to that URI (RFC 5367).
    Request(Arc<str>, usize),
}

/// How the server is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pace {
    /// What each subscription is asked for.
    pub terms: Terms,
    /// Requests under way at once.
    pub at_once: usize,
    /// Requests in a second.
    pub per_second: u32,
}

/// A SUBSCRIBE to be sent.
#[derive(Clone, Debug)]
pub struct Order {
    /// The number of the subscription.
    pub subscription: usize,
    /// The request.
    pub request: Request,
    /// The resource, or the list.
    pub uri: Arc<str>,
    /// The package.
    pub package: Package,
    /// Whether it is a list; the URIs that it brings along, if any.
    pub list: Option<Vec<Arc<str>>>,
}

/// What has changed for others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// NOTIFYs with that tag of ours are for us from now on.
    Begins(u64),
    /// They are not any more.
    Ends(u64),
    /// There is something new of a resource.
    Knows(Key),
    /// The same holds longer.
    Prolonged(Key),
    /// The server does not take lists: its resources are asked for one by one.
    NoLists,
}

/// What one dialog says of one resource.
#[derive(Debug)]
struct Known {
    dialog: u32,
    ends: u64,
    reading: Reading,
}

#[derive(Debug)]
struct Resource {
    key: Key,
    subscription: usize,
    known: Vec<Known>,
    /// What a list says of it.
    listed: Option<Trouble>,
}

#[derive(Debug)]
struct Slot {
    machine: Subscription,
    package: Package,
    uri: Arc<str>,
    /// Whether it is a list; of ours, if it brings its members along.
    list: Option<bool>,
    members: Vec<usize>,
    /// A list on trial, and whom it brings along: these have subscriptions of their own until it is told.
    trial: Option<Vec<Key>>,
    /// The version of the list that its latest NOTIFY had, by dialog.
    versions: Vec<(u32, u64)>,
    tag: u64,
    is_ready: bool,
    due: Option<u64>,
    /// The epoch in which it was last prolonged.
    epoch: u64,
}

/// The connector of one server.
#[derive(Debug)]
pub struct Connector {
    pace: Pace,
    lists: Lists,
    /// The server has refused lists; when that is asked again. The largest number: it is being asked.
    lists_again: Option<u64>,
    resources: Vec<Option<Resource>>,
    vacant: Vec<usize>,
    numbers: HashMap<Key, usize, ahash::RandomState>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    tags: HashMap<u64, usize, ahash::RandomState>,
    ready: VecDeque<usize>,
    later: BinaryHeap<Reverse<(u64, usize)>>,
    effects: Vec<Effect>,
    changed: HashSet<Key, ahash::RandomState>,
    under_way: usize,
    life: Life,
    /// When the next request may go, in microseconds.
    next: u64,
    /// A server that wants its rest is left alone until then.
    rest: u64,
    turn: usize,
    /// Subscriptions so far.
    count: u32,
    epoch: u64,
    doubts: u64,
    /// How often in a row the login was not taken.
    unproved: u32,
    /// The login was taken, or not asked for.
    admitted: bool,
    denied: bool,
    has_login: bool,
}

impl Connector {
    /// A server that nobody has been asked about.
    pub fn new(pace: Pace, lists: Lists, has_login: bool) -> Self {
        Self {
            pace,
            lists,
            lists_again: None,
            resources: vec![],
            vacant: vec![],
            numbers: HashMap::default(),
            slots: vec![],
            free: vec![],
            tags: HashMap::default(),
            ready: VecDeque::new(),
            later: BinaryHeap::new(),
            effects: vec![],
            changed: HashSet::default(),
            under_way: 0,
            life: Life::default(),
            next: 0,
            rest: 0,
            turn: 0,
            count: 0,
            epoch: 0,
            doubts: 0,
            unproved: 0,
            admitted: !has_login,
            denied: false,
            has_login,
        }
    }

    /// The site says something else of the server.
    pub fn adjust(&mut self, pace: Pace, has_login: bool) {
        (self.pace, self.has_login) = (pace, has_login);
        // Whoever has the site read may have put something right there.
        self.lists_again = self.lists_again.map(|at| if at == u64::MAX { at } else { 0 });
    }

    /// How it is (R109).
    pub fn status(&self) -> Status {
        let held = || self.slots.iter().flatten().any(|slot| slot.machine.is_held());
        match self.life.health {
            _ if self.numbers.is_empty() => Status::NotConfigured,
            Health::Unknown | Health::Silent => Status::ConnectionError,
            Health::Well if self.unproved > 0 || self.denied && !held() => Status::Forbidden,
            Health::Well if self.has_login => Status::UpAndRunning,
            Health::Well => Status::CredentialsNotFound,
        }
    }

    /// All that is watched.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.numbers.keys()
    }

    /// Subscriptions that the server holds, as far as is known.
    pub fn held(&self) -> usize {
        self.slots.iter().flatten().filter(|slot| slot.machine.is_held()).count()
    }

    /// What is known of a resource and until when, or why nothing.
    ///
    /// # Errors
    /// Why nothing is known.
    pub fn known(&self, key: &Key, now: u64) -> Result<(Meant, u64), Trouble> {
        let resource = self.numbers.get(key).and_then(|at| self.resources[*at].as_ref());
        let resource = resource.ok_or(Trouble::NotRequested)?;
        let mut live = resource.known.iter().filter(|known| known.ends > now);
        let Some(first) = live.next() else { return Err(self.trouble(resource)) };
        let (mut meant, mut ends) = (first.reading.meant.clone(), first.ends);
        for more in live {
            meant.join(&more.reading.meant);
            ends = ends.max(more.ends);
        }
        Ok((meant, ends))
    }

    fn trouble(&self, resource: &Resource) -> Trouble {
        let slot = self.slots.get(resource.subscription).and_then(Option::as_ref);
        let own = slot.and_then(|slot| slot.machine.trouble());
        match (self.life.health, own.or(resource.listed)) {
            (Health::Silent, _) => Trouble::Error,
            (_, own) => own.unwrap_or(Trouble::Requesting),
        }
    }

    /// Ends everything; whatever is left ends by itself.
    pub fn end(&mut self) {
        let keys: Vec<Key> = self.numbers.keys().cloned().collect();
        keys.iter().for_each(|key| self.remove(key));
        for at in 0..self.slots.len() {
            if let Some(slot) = &mut self.slots[at]
                && slot.trial.take().is_some()
            {
                slot.machine.wants(false);
                self.look(at);
            }
        }
        self.lists_again = None;
    }

    /// Whether there is nothing left to send.
    pub fn is_over(&self) -> bool {
        self.slots.iter().flatten().all(|slot| !slot.machine.is_held())
    }

    /// What has changed for others since the last time.
    pub fn effects(&mut self) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.effects);
        effects.extend(self.changed.drain().map(Effect::Knows));
        effects
    }

    /// The next request to send now. `tag` gives fresh tags.
    pub fn next(&mut self, now: u64, mut tag: impl FnMut() -> u64) -> Option<Order> {
        while let Some(Reverse((at, which))) = self.later.peek().copied()
            && at <= now
        {
            self.later.pop();
            if let Some(slot) = self.slots[which].as_mut().filter(|slot| slot.due == Some(at)) {
                slot.due = None;
                self.look(which);
            }
        }
        if self.lists_again.is_some_and(|at| at <= now) {
            self.try_lists();
        }
        let room = if self.rest <= now { self.room() } else { 0 };
        while self.under_way < room && self.next <= (now + AHEAD) * 1_000 {
            let at = self.ready.pop_front()?;
            let Some(slot) = &mut self.slots[at] else { continue };
            slot.is_ready = false;
            let random = tag();
            let step = slot.machine.step(&self.pace.terms, now, random, random as u32);
            self.settle(at, now);
            match step {
                Step::Send(request) => return Some(self.order(at, request, now)),
                Step::Wait(Some(until)) => self.remind(at, until),
                Step::Wait(None) => {}
            }
        }
        None
    }

    /// So many requests may be under way. A login that was not taken yet, or no more, is shown by one at a time: servers lock
    /// accounts, and bar addresses.
    fn room(&self) -> usize {
        let proven = self.admitted && self.unproved == 0;
        self.life.room(if proven { self.pace.at_once } else { 1 })
    }

    fn order(&mut self, at: usize, request: Request, now: u64) -> Order {
        self.under_way += 1;
        self.life.asks_more();
        self.next = self.next.max(now * 1_000) + 1_000_000 / u64::from(self.pace.per_second.max(1));
        let slot = self.slots[at].as_mut().expect("it has just made a request");
        slot.epoch = self.epoch;
        if slot.tag != request.tag {
            self.tags.remove(&slot.tag);
            if slot.tag != 0 {
                self.effects.push(Effect::Ends(slot.tag));
            }
            slot.tag = request.tag;
            self.tags.insert(request.tag, at);
            self.effects.push(Effect::Begins(request.tag));
        }
        let uris = |members: &[usize]| {
            let uri = |at: &usize| self.resources[*at].as_ref().map(|one| Arc::clone(&one.key.uri));
            members.iter().filter_map(uri).collect::<Vec<_>>()
        };
        let brought = || match &slot.trial {
            Some(keys) => keys.iter().map(|key| Arc::clone(&key.uri)).collect(),
            None => uris(&slot.members),
        };
        let list = slot.list.map(|ours| if ours { brought() } else { vec![] });
        Order { subscription: at, request, uri: Arc::clone(&slot.uri), package: slot.package, list }
    }

    /// When to ask [`Connector::next`] again though nothing else has happened.
    pub fn wake(&self, now: u64) -> Option<u64> {
        let later = self.later.peek().map(|Reverse((at, _))| *at);
        let may = self.under_way < self.room();
        let gate = (self.next / 1_000).saturating_sub(AHEAD).max(self.rest).max(now + 1);
        let ready = (may && !self.ready.is_empty()).then_some(gate);
        let lists = self.lists_again.filter(|at| *at < u64::MAX).map(|at| at.max(now + 1));
        [later, ready, lists].into_iter().flatten().min()
    }

    fn doubt(&mut self, at: usize) {
        if let Some(slot) = &mut self.slots[at] {
            slot.machine.doubt();
        }
        self.look(at);
    }

    fn forget_all(&mut self) {
        for resource in self.resources.iter_mut().flatten() {
            resource.known.clear();
        }
        self.note_all();
    }

    fn note_all(&mut self) {
        self.changed.extend(self.numbers.keys().cloned());
    }

    /// All but that one may have been lost.
    fn doubt_all(&mut self, but: Option<usize>) {
        for at in (0..self.slots.len()).filter(|at| but != Some(*at)) {
            if let Some(slot) = &mut self.slots[at] {
                slot.machine.doubt();
                slot.machine.forgive();
                self.look(at);
            }
        }
    }

    fn remind(&mut self, at: usize, until: u64) {
        if let Some(slot) = &mut self.slots[at]
            && slot.due.is_none_or(|due| until < due)
        {
            slot.due = Some(until);
            self.later.push(Reverse((until, at)));
        }
    }

    fn look(&mut self, at: usize) {
        if let Some(slot) = &mut self.slots[at]
            && !std::mem::replace(&mut slot.is_ready, true)
        {
            self.ready.push_back(at);
        }
    }
}

impl Slot {
    /// One that has nothing yet.
    fn new(machine: Subscription, package: Package, uri: Arc<str>) -> Self {
        Self {
            machine,
            package,
            uri,
            list: None,
            members: vec![],
            trial: None,
            versions: vec![],
            tag: 0,
            is_ready: false,
            due: None,
            epoch: 0,
        }
    }
}

impl Resource {
    /// What that dialog says of it, which holds until then.
    fn known_by(&mut self, dialog: u32, ends: u64) -> &mut Known {
        let at = self.known.iter().position(|known| known.dialog == dialog).unwrap_or_else(|| {
            self.known.push(Known { dialog, ends, reading: Reading::default() });
            self.known.len() - 1
        });
        self.known[at].ends = ends;
        &mut self.known[at]
    }
}
