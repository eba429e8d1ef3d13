//! One channel's queue: what waits, what is held back while its server is down, and how much is under way.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use ringpost::{
    outbox::{Breaker, ChannelName, Turn},
    settings,
};
use tokio::time::Instant;
use tracing::{info, warn};

use super::trip::Tried;
use crate::{
    channel::Channel,
    metrics::{METRICS, State, channels::Numbers},
    store::ItemId,
};

/// Items counted as waiting at once: each costs the store a read and a write.
const COUNTED: usize = 32;

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
    pub name: ChannelName,
    pub numbers: Arc<Numbers>,
    pub channel: Option<Arc<dyn Channel>>,
    pub schedule: settings::Outbox,
    /// The channel is down and the item has been held back for so long: it is not tried, only counted.
    pub held: Option<(Duration, String)>,
}

/// The queue.
pub struct Lane {
    name: ChannelName,
    used: ChannelUse,
    sending: usize,
    pub waiting: BTreeSet<(Instant, ItemId)>,
    /// Items counted as waiting while the breaker is open, under way.
    counting: usize,
    /// What was due while the breaker was open, and since when it is held.
    held: BTreeMap<ItemId, Instant>,
    /// The same in the order of time, with some that are held no more.
    since: VecDeque<(Instant, ItemId)>,
    /// Every item that waits, is held or is being sent, and when it was taken, in seconds since 1970.
    pub open: BTreeMap<ItemId, i64>,
    breaker: Breaker,
    /// When the next one may be tried while the breaker is open, and which was tried last.
    probe: (Instant, ItemId),
    why: String,
    numbers: Arc<Numbers>,
}

impl Lane {
    pub fn new(name: ChannelName, used: ChannelUse) -> Self {
        Self {
            numbers: METRICS.channels.of(&name),
            name,
            used,
            sending: 0,
            counting: 0,
            since: VecDeque::new(),
            waiting: BTreeSet::new(),
            held: BTreeMap::new(),
            open: BTreeMap::new(),
            breaker: Breaker::default(),
            probe: (Instant::now(), 0),
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

    /// An item that is still open waits again.
    pub fn wait(&mut self, id: ItemId, due: Instant) {
        if self.open.contains_key(&id) {
            self.waiting.insert((due, id));
        }
    }

    /// An item that was not tried is held on, or waits if the channel is back meanwhile.
    pub fn hold(&mut self, id: ItemId) {
        match (self.breaker.is_open(), self.open.contains_key(&id)) {
            (true, true) => self.held_since(Instant::now(), id),
            (false, _) => self.wait(id, Instant::now()),
            (true, false) => {}
        }
    }

    fn held_since(&mut self, now: Instant, id: ItemId) {
        self.held.insert(id, now);
        self.since.push_back((now, id));
    }

    /// Takes an item out that waits; `Some(false)`: it is being sent, `None`: it is not here.
    pub fn remove(&mut self, id: ItemId) -> Option<bool> {
        self.open.contains_key(&id).then(|| {
            let waited = self.unwait(id);
            if waited {
                self.open.remove(&id);
            }
            waited
        })
    }

    /// An item that waits is the next one to be tried, even while the channel is down; false: it does not wait here.
    pub fn urge(&mut self, id: ItemId) -> bool {
        let waited = self.unwait(id);
        if waited {
            let now = Instant::now();
            self.waiting.insert((now, id));
            self.probe = (now, id - 1);
        }
        waited
    }

    /// Whether the item is here and not being sent.
    pub fn waits(&self, id: ItemId) -> bool {
        self.waiting.iter().any(|(_, waiting)| *waiting == id) || self.held.contains_key(&id)
    }

    fn unwait(&mut self, id: ItemId) -> bool {
        let place = self.waiting.iter().find(|(_, waiting)| *waiting == id).copied();
        place.is_some_and(|place| self.waiting.remove(&place)) || self.held.remove(&id).is_some()
    }

    /// Forgets everything, as a fault might: the store knows it.
    #[cfg(test)]
    pub fn forget(&mut self) {
        self.waiting.clear();
        self.held.clear();
        self.since.clear();
        self.open.clear();
    }

    /// Takes what may be tried now, oldest first; gives the moment at which to ask again.
    pub fn take_due(&mut self, now: Instant, due: &mut Vec<Start>) -> Option<Instant> {
        self.numbers.queue(self.open.len(), self.open.first_key_value().map(|(_, posted)| *posted));
        if self.breaker.is_open() {
            return self.take_one(now, due);
        }
        while self.sending < self.used.at_once {
            let (at, id) = *self.waiting.first()?;
            if at > now {
                return Some(at);
            }
            self.waiting.pop_first();
            self.sending += 1;
            self.start(id, None, due);
        }
        None
    }

    /// While the breaker is open: one try at a time, of another item each time. What is held for long is only counted as
    /// waiting, so that it can move on or be given up in time.
    fn take_one(&mut self, now: Instant, due: &mut Vec<Start>) -> Option<Instant> {
        while let Some((_, id)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.pop_first();
            self.held_since(now, id);
        }
        if self.sending == 0 && self.probe.0 <= now {
            let after = self.held.range(self.probe.1 + 1..).next().or_else(|| self.held.first_key_value());
            if let Some(id) = after.map(|(id, _)| *id) {
                self.held.remove(&id);
                self.probe.1 = id;
                self.sending += 1;
                self.start(id, None, due);
            }
        }
        let rest = self.used.schedule.longest_retry.min(self.used.schedule.patience);
        let mut counted_next = None;
        while let Some((at, id)) = self.since.front().copied() {
            if self.held.get(&id) != Some(&at) {
                self.since.pop_front();
                continue;
            }
            if now < at + rest || self.counting >= COUNTED {
                counted_next = (self.counting < COUNTED).then_some(at + rest);
                break;
            }
            self.since.pop_front();
            self.held.remove(&id);
            self.counting += 1;
            self.start(id, Some((now.duration_since(at), self.why.clone())), due);
        }
        let probe = (self.sending == 0 && !self.held.is_empty()).then_some(self.probe.0);
        let waiting = self.waiting.first().map(|(at, _)| *at);
        waiting.into_iter().chain(probe).chain(counted_next).min()
    }

    /// A try has ended, and its place is free.
    pub fn freed(&mut self, id: ItemId, tried: Tried) {
        match tried {
            Tried::Counted => self.counting -= 1,
            Tried::No => self.sending -= 1,
            Tried::Reached => {
                self.sending -= 1;
                if self.breaker.reached() == Turn::Closed {
                    self.up();
                }
            }
            Tried::Down { reason, rest } => {
                self.sending -= 1;
                // What was under way when it opened says nothing new.
                if self.breaker.is_open() && id != self.probe.1 {
                    return;
                }
                let turn = self.breaker.failed(id);
                let pause = self.breaker.pause(&self.used.schedule, fastrand::f64());
                self.probe.0 = Instant::now() + pause.max(rest.unwrap_or_default());
                self.why = reason;
                if turn == Turn::Opened {
                    self.down();
                }
            }
        }
    }

    fn down(&self) {
        warn!(channel = %self.name, why = self.why, open = self.open.len(), "A channel is down: one notice at a time is tried");
        METRICS.health.set(&self.part(), State::Yellow(self.why.clone()));
        self.numbers.down.set(1);
    }

    fn up(&mut self) {
        info!(channel = %self.name, open = self.open.len(), "A channel is up again");
        METRICS.health.set(&self.part(), State::Green);
        self.numbers.down.set(0);
        // All at the same moment: the oldest first.
        let now = Instant::now();
        self.since.clear();
        self.waiting.extend(std::mem::take(&mut self.held).into_keys().map(|id| (now, id)));
    }

    fn part(&self) -> String {
        format!("channel {}", self.name)
    }

    fn start(&mut self, id: ItemId, held: Option<(Duration, String)>, due: &mut Vec<Start>) {
        due.push(Start {
            id,
            name: self.name.clone(),
            numbers: self.numbers.clone(),
            channel: self.used.channel.clone(),
            schedule: self.used.schedule.clone(),
            held,
        });
    }
}
