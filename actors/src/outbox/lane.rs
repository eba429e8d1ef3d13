//! One channel's queue: what is tried next, what rests while a server is down, and how much is under way.

mod held_back;
mod queue;
mod verdict;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use ringpost::{
    outbox::{Breaker, ChannelName, OF_A_SERVER, Towards},
    settings,
};
use tokio::time::Instant;

use super::trip::Tried;
use crate::{
    channel::Channel,
    metrics::{METRICS, channels::Numbers},
    store::ItemId,
};
pub use queue::Whom;
use queue::{Entry, Moment, NOBODY, Place, Queue, millis};

/// Items moved or looked at in one go, so that a million of them hold up no post.
const MOVED: usize = 10_000;

/// The channels of a site. Notices for one that it has not wait, and are given up like those of a server that is down.
#[derive(Clone, Default)]
pub struct Channels(pub(super) BTreeMap<ChannelName, ChannelUse>);

/// A channel and how it is used.
#[derive(Clone)]
pub struct ChannelUse {
    /// The channel; `None`: the site has it no more.
    pub channel: Option<Arc<dyn Channel>>,
    /// Tries at once.
    pub at_once: usize,
    /// When what failed is tried again, and given up.
    pub schedule: settings::Outbox,
}

impl Channels {
    /// These channels and one more.
    #[must_use]
    pub fn with(mut self, name: &str, used: ChannelUse) -> Self {
        self.0.insert(name.into(), used);
        self
    }
}

/// A try that may begin.
pub struct Start {
    pub id: ItemId,
    pub whom: Whom,
    pub name: ChannelName,
    pub numbers: Arc<Numbers>,
    pub channel: Option<Arc<dyn Channel>>,
    pub schedule: settings::Outbox,
    /// The channel is down, or the destination rests, and the item has been held back for so long: it is not tried, only
    /// counted.
    pub held: Option<(Duration, String)>,
    /// The channel is known to be down: one failure more is no news.
    pub down: bool,
    /// The item may be told already, though nobody has said so.
    pub doubt: bool,
}

/// An item that comes into the queue.
pub struct Arrival<'a> {
    pub id: ItemId,
    /// When it was taken, in seconds since 1970.
    pub posted: i64,
    /// The mail address of its user.
    pub mail: Option<&'a str>,
    /// How much longer it may wait for the channel.
    pub left: Duration,
    /// For how long it is not due yet.
    pub wait: Duration,
    /// It may be told already, though nobody has said so.
    pub doubt: bool,
}

/// The queue.
pub struct Lane {
    name: ChannelName,
    used: ChannelUse,
    towards: Towards,
    epoch: Instant,
    queue: Queue,
    /// What an admin wants tried at once.
    urged: VecDeque<ItemId>,
    sending: usize,
    /// Items counted as waiting, under way.
    counting: usize,
    /// From which item on those that are held back are to be looked at, and when the next round begins.
    sweep: (ItemId, Moment),
    breaker: Breaker,
    /// Since when the breaker is open.
    since: Moment,
    /// When the next one may be tried while the breaker is open, and which was tried last.
    probe: (Moment, ItemId),
    why: String,
    numbers: Arc<Numbers>,
}

impl Lane {
    pub fn new(name: ChannelName, used: ChannelUse) -> Self {
        Self {
            numbers: METRICS.channels.of(&name),
            name,
            towards: used.channel.as_ref().map(|channel| channel.towards()).unwrap_or_default(),
            epoch: Instant::now(),
            queue: Queue::new(used.at_once),
            used,
            urged: VecDeque::new(),
            sending: 0,
            counting: 0,
            sweep: (0, 0),
            breaker: Breaker::default(),
            since: 0,
            probe: (0, 0),
            why: String::new(),
        }
    }

    pub fn schedule(&self) -> &settings::Outbox {
        &self.used.schedule
    }

    /// Whether its channel tells several missed calls as one.
    pub fn tells_together(&self) -> bool {
        self.used.channel.as_ref().is_some_and(|channel| channel.tells_together())
    }

    /// Whether it has the item, waiting or being sent.
    pub fn has(&self, id: ItemId) -> bool {
        self.queue.get(id).is_some()
    }

    /// Takes an item in.
    pub fn add(&mut self, arrival: Arrival<'_>) {
        let now = self.now();
        let whom = self.queue.whom(self.towards.of(arrival.mail));
        let entry = Entry {
            posted: u32::try_from(arrival.posted).unwrap_or_default(),
            left: millis(arrival.left),
            at: now + u64::from(millis(arrival.wait)),
            whom,
            place: Place::Due,
            doubt: arrival.doubt,
        };
        self.queue.add(arrival.id, entry, now);
    }

    /// An item that is still open waits again, and may wait for so long altogether; a doubt about it stays.
    pub fn wait(&mut self, id: ItemId, wait: Duration, left: Duration, doubt: bool) {
        if self.queue.get(id).is_some_and(|entry| entry.place == Place::Sending) {
            let now = self.now();
            self.queue.leave(id, left, doubt);
            self.queue.place(id, now + u64::from(millis(wait)), now);
        }
    }

    /// The item is this channel's no more.
    pub fn close(&mut self, id: ItemId) {
        self.queue.close(id);
    }

    /// Takes an item out that waits; `Some(false)`: it is being sent, `None`: it is not here.
    pub fn remove(&mut self, id: ItemId) -> Option<bool> {
        let waited = self.queue.get(id)?.place != Place::Sending;
        if waited {
            self.queue.close(id);
        }
        Some(waited)
    }

    /// An item that waits is the next one to be tried, even while the channel is down; false: it does not wait here.
    pub fn urge(&mut self, id: ItemId) -> bool {
        let now = self.now();
        let waited = self.queue.take(id);
        if waited {
            self.queue.place(id, now, now);
            self.urged.push_back(id);
        }
        waited
    }

    /// Whether the item is here and not being sent.
    pub fn waits(&self, id: ItemId) -> bool {
        self.queue.get(id).is_some_and(|entry| entry.place != Place::Sending)
    }

    /// Forgets every item, as a fault might: the store knows them.
    #[cfg(test)]
    pub fn forget(&mut self) {
        self.queue.forget();
    }

    /// Takes what may be tried now, oldest first; gives the moment at which to ask again.
    pub fn take_due(&mut self, due: &mut Vec<Start>) -> Option<Instant> {
        let now = self.now();
        let more = self.queue.ripen(now, MOVED);
        while let Some(id) = self.next(now) {
            self.queue.take(id);
            self.start(id, None, due);
        }
        let swept = self.is_down().then(|| self.sweep(now, due));
        self.numbers.queue(self.queue.len(), self.queue.oldest());
        self.numbers.resting.set(self.queue.resting() as u64);
        let ripe = if more { Some(now) } else { self.queue.ripe_at() };
        let probe =
            (self.breaker.is_open() && self.has_room() && self.queue.due() > 0).then_some(self.probe.0);
        let asked = if self.breaker.is_open() { None } else { self.queue.probe_at(now) };
        let next = ripe.into_iter().chain(probe).chain(asked).chain(swept.flatten()).min()?;
        Some(self.epoch + Duration::from_millis(next))
    }

    fn has_room(&self) -> bool {
        self.sending < self.used.at_once
    }

    /// The next item to try. While the breaker is open: one after each pause, another one each time.
    fn next(&mut self, now: Moment) -> Option<ItemId> {
        if !self.has_room() {
            return None;
        }
        while let Some(id) = self.urged.pop_front() {
            if self.queue.get(id).is_some_and(|entry| entry.place == Place::Due) {
                self.probe.1 = id;
                return Some(id);
            }
        }
        if !self.breaker.is_open() {
            return self.queue.probe(now).or_else(|| self.queue.first());
        }
        let id = self.queue.after(self.probe.1).filter(|_| self.probe.0 <= now)?;
        // A try that hangs keeps no later one from finding the server back.
        self.probe = (now + u64::from(millis(OF_A_SERVER)), id);
        Some(id)
    }

    fn start(&mut self, id: ItemId, held: Option<(Duration, String)>, due: &mut Vec<Start>) {
        let whom = match held {
            None => {
                self.sending += 1;
                self.queue.begin(id)
            }
            Some(_) => NOBODY,
        };
        due.push(Start {
            id,
            whom,
            name: self.name.clone(),
            numbers: self.numbers.clone(),
            channel: self.used.channel.clone(),
            schedule: self.used.schedule.clone(),
            held,
            down: self.breaker.is_open(),
            doubt: self.queue.get(id).is_some_and(|entry| entry.doubt),
        });
    }

    fn now(&self) -> Moment {
        self.epoch.elapsed().as_millis() as Moment
    }
}
