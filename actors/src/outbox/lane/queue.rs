//! The open items of a channel: which wait for their time, which are due, and whom they are for. A million of them fit into
//! about a hundred megabytes, and nothing here looks at more of them than it moves.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use ringpost::outbox::{Breaker, share};

use crate::store::ItemId;

/// Milliseconds since the queue was made.
pub type Moment = u64;
/// A destination by its number.
pub type Whom = u32;
/// The destination of items that have none of their own.
pub const NOBODY: Whom = 0;

/// What the queue knows of an item.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// When it was taken, in seconds since 1970.
    pub posted: u32,
    /// How much longer it may wait for its channel, in milliseconds.
    pub left: u32,
    /// While it waits: until when; while it is due: since when.
    pub at: Moment,
    pub whom: Whom,
    pub place: Place,
    /// It may be told already, though nobody has said so.
    pub doubt: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    Waiting,
    Due,
    Sending,
}

/// Those for one destination.
#[derive(Default)]
pub struct Crowd {
    name: Arc<str>,
    due: BTreeSet<ItemId>,
    /// Tries under way.
    sending: usize,
    pub breaker: Breaker,
    /// Since when the breaker is open, and when the next one may be tried.
    pub since: Moment,
    next: Moment,
    /// Which was tried last while it is open.
    probe: ItemId,
    pub why: String,
    /// The one that [`Queue::heads`] has of it.
    head: Option<ItemId>,
}

pub struct Queue {
    open: BTreeMap<ItemId, Entry>,
    waiting: BTreeSet<(Moment, ItemId)>,
    crowds: Vec<Crowd>,
    names: HashMap<Arc<str>, Whom>,
    /// The oldest due item of each destination that may be tried.
    heads: BTreeSet<(ItemId, Whom)>,
    /// Destinations whose breaker is open and which nobody tries right now, by when one may.
    resting: BTreeSet<(Moment, Whom)>,
    down: usize,
    due: usize,
    share: usize,
}

impl Queue {
    /// Empty, for a channel with so many tries at once.
    pub fn new(at_once: usize) -> Self {
        Self {
            open: BTreeMap::new(),
            waiting: BTreeSet::new(),
            crowds: vec![Crowd::default()],
            names: HashMap::new(),
            heads: BTreeSet::new(),
            resting: BTreeSet::new(),
            down: 0,
            due: 0,
            share: share(at_once),
        }
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// How many are due.
    pub fn due(&self) -> usize {
        self.due
    }

    /// When the oldest was taken, in seconds since 1970.
    pub fn oldest(&self) -> Option<i64> {
        self.open.first_key_value().map(|(_, entry)| i64::from(entry.posted))
    }

    pub fn get(&self, id: ItemId) -> Option<&Entry> {
        self.open.get(&id)
    }

    /// The number of a destination.
    pub fn whom(&mut self, name: Option<&str>) -> Whom {
        let Some(name) = name else { return NOBODY };
        if let Some(whom) = self.names.get(name) {
            return *whom;
        }
        let (name, whom) = (Arc::<str>::from(name), self.crowds.len() as Whom);
        self.crowds.push(Crowd { name: name.clone(), ..Crowd::default() });
        self.names.insert(name, whom);
        whom
    }

    pub fn crowd(&self, whom: Whom) -> &Crowd {
        &self.crowds[whom as usize]
    }

    /// Takes an item in, due when it says.
    pub fn add(&mut self, id: ItemId, entry: Entry, now: Moment) {
        self.open.insert(id, entry);
        self.place(id, entry.at, now);
    }

    /// Puts an open item that is in no set where it belongs.
    pub fn place(&mut self, id: ItemId, at: Moment, now: Moment) {
        let Some(entry) = self.open.get_mut(&id) else { return };
        if at > now {
            (entry.at, entry.place) = (at, Place::Waiting);
            self.waiting.insert((at, id));
        } else {
            (entry.at, entry.place) = (now, Place::Due);
            let whom = entry.whom;
            self.crowds[whom as usize].due.insert(id);
            self.due += 1;
            self.refresh(whom);
        }
    }

    /// Writes down how much longer an item may wait, and a further doubt about it.
    pub fn leave(&mut self, id: ItemId, left: Duration, doubt: bool) {
        if let Some(entry) = self.open.get_mut(&id) {
            entry.left = millis(left);
            entry.doubt |= doubt;
        }
    }

    /// Takes an item out of whatever set it is in, so that it is being sent; false: it is so already, or not here.
    pub fn take(&mut self, id: ItemId) -> bool {
        let Some(entry) = self.open.get_mut(&id) else { return false };
        let (place, at, whom) = (entry.place, entry.at, entry.whom);
        entry.place = Place::Sending;
        match place {
            Place::Waiting => self.waiting.remove(&(at, id)),
            Place::Due => {
                self.due -= 1;
                let taken = self.crowds[whom as usize].due.remove(&id);
                self.refresh(whom);
                taken
            }
            Place::Sending => false,
        }
    }

    /// Forgets an item that is being sent or was taken.
    pub fn close(&mut self, id: ItemId) {
        self.take(id);
        self.open.remove(&id);
    }

    /// Those whose time has come are due, at most so many at once; true: there are more.
    pub fn ripen(&mut self, now: Moment, most: usize) -> bool {
        for _ in 0..most {
            match self.waiting.first().copied() {
                Some((at, id)) if at <= now => {
                    self.waiting.pop_first();
                    self.place(id, at, now);
                }
                _ => return false,
            }
        }
        self.waiting.first().is_some_and(|(at, _)| *at <= now)
    }

    /// When the next one's time comes.
    pub fn ripe_at(&self) -> Option<Moment> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// The oldest due item whose destination may be tried.
    pub fn first(&self) -> Option<ItemId> {
        self.heads.first().map(|(id, _)| *id)
    }

    /// The next due item after that one, whomever it is for; from the beginning after the last.
    pub fn after(&self, id: ItemId) -> Option<ItemId> {
        let later = self.crowds.iter().filter_map(|crowd| crowd.due.range(id + 1..).next()).min();
        later.or_else(|| self.crowds.iter().filter_map(|crowd| crowd.due.first()).min()).copied()
    }

    /// An item of a destination that rests, whose turn it is to find out whether that is over.
    pub fn probe(&self, now: Moment) -> Option<ItemId> {
        self.resting.range(..=(now, Whom::MAX)).find_map(|(_, whom)| {
            let crowd = self.crowd(*whom);
            crowd.due.range(crowd.probe + 1..).next().or_else(|| crowd.due.first()).copied()
        })
    }

    /// When the next destination that rests may be asked.
    pub fn probe_at(&self, now: Moment) -> Option<Moment> {
        self.resting.range((now + 1, 0)..).next().map(|(at, _)| *at)
    }

    /// How many destinations rest.
    pub fn resting(&self) -> usize {
        self.down
    }

    /// A try begins; the item was taken.
    pub fn begin(&mut self, id: ItemId) -> Whom {
        let whom = self.open.get(&id).map_or(NOBODY, |entry| entry.whom);
        let crowd = &mut self.crowds[whom as usize];
        crowd.sending += 1;
        if crowd.breaker.is_open() {
            crowd.probe = id;
            self.resting.remove(&(crowd.next, whom));
        }
        self.refresh(whom);
        whom
    }

    /// A try has ended, and its destination has got a place back.
    pub fn end(&mut self, whom: Whom) {
        let crowd = &mut self.crowds[whom as usize];
        crowd.sending -= 1;
        if crowd.breaker.is_open() && crowd.sending == 0 {
            self.resting.insert((crowd.next, whom));
        }
        self.refresh(whom);
    }

    /// Changes what is known of a destination. While its breaker is open, it is asked again after the pause that `change`
    /// gives.
    pub fn judge(&mut self, whom: Whom, now: Moment, change: impl FnOnce(&mut Breaker) -> Option<Duration>) {
        if whom == NOBODY {
            return;
        }
        let crowd = &mut self.crowds[whom as usize];
        let (was, old) = (crowd.breaker.is_open(), crowd.next);
        let pause = change(&mut crowd.breaker);
        let is = crowd.breaker.is_open();
        self.resting.remove(&(old, whom));
        match (was, is) {
            (false, true) => (self.down, crowd.since) = (self.down + 1, now),
            (true, false) => self.down -= 1,
            _ => {}
        }
        if is {
            crowd.next = now + pause.map_or(0, |pause| u64::from(millis(pause)));
            if crowd.sending == 0 {
                self.resting.insert((crowd.next, whom));
            }
        }
        self.refresh(whom);
    }

    /// Whether a try that has ended was under way before its destination rested, so that it says nothing new.
    pub fn is_stale(&self, whom: Whom, id: ItemId) -> bool {
        let crowd = self.crowd(whom);
        crowd.breaker.is_open() && crowd.probe != id
    }

    /// Why a destination rests, for the items that wait for it.
    pub fn explain(&mut self, whom: Whom, why: String) {
        self.crowds[whom as usize].why = why;
    }

    /// The name of a destination.
    pub fn name(&self, whom: Whom) -> &str {
        &self.crowd(whom).name
    }

    /// Every destination may be tried again.
    pub fn absolve(&mut self) {
        for whom in 1..self.crowds.len() as Whom {
            self.judge(whom, 0, |breaker| {
                *breaker = Breaker::default();
                None
            });
        }
    }

    /// Items from that one on, oldest first.
    pub fn from(&self, id: ItemId) -> impl Iterator<Item = (ItemId, &Entry)> {
        self.open.range(id..).map(|(id, entry)| (*id, entry))
    }

    fn refresh(&mut self, whom: Whom) {
        let crowd = &mut self.crowds[whom as usize];
        let full = whom != NOBODY && crowd.sending >= self.share;
        let head = if full || crowd.breaker.is_open() { None } else { crowd.due.first().copied() };
        if head != crowd.head {
            if let Some(old) = std::mem::replace(&mut crowd.head, head) {
                self.heads.remove(&(old, whom));
            }
            self.heads.extend(head.map(|id| (id, whom)));
        }
    }

    /// Forgets every item, as a fault might: the store knows them.
    #[cfg(test)]
    pub fn forget(&mut self) {
        let ids: Vec<_> = self.open.keys().copied().collect();
        ids.into_iter().for_each(|id| self.close(id));
    }
}

/// Milliseconds, as many as fit; a part of one counts as one.
pub fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
