//! One channel's queue: what is tried next, what rests while a server is down, and how much is under way.

mod queue;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use ringpost::{
    outbox::{Breaker, ChannelName, OF_A_DESTINATION, OF_A_SERVER, Towards, Turn},
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
pub use queue::Whom;
use queue::{Entry, Moment, NOBODY, Place, Queue, millis};

/// Items counted as waiting at once: each costs the store a read and a write.
const COUNTED: usize = 32;
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

    /// Whether anything is held back because somebody is down.
    fn is_down(&self) -> bool {
        self.breaker.is_open() || self.queue.resting() > 0
    }

    /// Looks for items that have been held back for all the time they may wait, so that they can move on or be given up, and
    /// for those whose waiting has not been written down for long. Gives the moment at which to go on.
    fn sweep(&mut self, now: Moment, due: &mut Vec<Start>) -> Option<Moment> {
        if now < self.sweep.1 {
            return Some(self.sweep.1);
        }
        let (mut looked, mut over, mut to) = (0, Vec::new(), None);
        let often = u64::from(millis(self.used.schedule.give_up_after / 8)).max(1);
        for (id, entry) in self.queue.from(self.sweep.0) {
            if looked >= MOVED || self.counting + over.len() >= COUNTED {
                to = Some(id);
                break;
            }
            looked += 1;
            let Some((since, why)) = self.holds(entry) else { continue };
            let held = now - since.max(entry.at).min(now);
            if held > u64::from(entry.left).min(often) {
                over.push((id, Duration::from_millis(held), why.to_owned()));
            }
        }
        self.counting += over.len();
        for (id, held, why) in over {
            self.queue.take(id);
            self.start(id, Some((held, why)), due);
        }
        match to {
            // Where too many are being counted, the next that is done comes back here.
            Some(id) => self.sweep.0 = id,
            None => self.sweep = (0, now + u64::from(self.round())),
        }
        match to {
            Some(_) if self.counting >= COUNTED => None,
            Some(_) => Some(now),
            None => Some(self.sweep.1),
        }
    }

    /// Since when an item is held back by somebody who is down, and why.
    fn holds(&self, entry: &Entry) -> Option<(Moment, &str)> {
        if entry.place != Place::Due {
            return None;
        }
        if self.breaker.is_open() {
            return Some((self.since, &self.why));
        }
        let crowd = self.queue.crowd(entry.whom);
        crowd.breaker.is_open().then_some((crowd.since, &*crowd.why))
    }

    /// The pause between two looks at all that are held back.
    fn round(&self) -> u32 {
        let shortest = self.used.schedule.longest_retry.min(self.used.schedule.patience);
        millis(shortest / 4).clamp(10, 30_000)
    }

    /// A try has ended, and its place is free.
    pub fn freed(&mut self, id: ItemId, whom: Whom, tried: Tried) {
        if matches!(tried, Tried::Counted) {
            self.counting -= 1;
            return;
        }
        self.sending -= 1;
        self.queue.end(whom);
        match tried {
            Tried::Counted | Tried::No => {}
            Tried::Taken => {
                self.reached();
                self.answers(whom);
            }
            Tried::Deferred { reason } => {
                self.reached();
                self.defers(id, whom, reason);
            }
            Tried::Down { reason, rest } => {
                self.failed(id, &reason, rest);
                self.defers(id, whom, reason);
            }
        }
    }

    fn reached(&mut self) {
        if self.breaker.reached() == Turn::Closed {
            info!(channel = %self.name, open = self.queue.len(), "A channel is up again");
            METRICS.health.set(&self.part(), State::Green);
            self.numbers.down.set(0);
            // What the channel's fault was is no destination's.
            self.queue.absolve();
        }
    }

    fn failed(&mut self, id: ItemId, reason: &str, rest: Option<Duration>) {
        // What was under way when it opened says nothing new.
        if self.breaker.is_open() && id != self.probe.1 {
            return;
        }
        let turn = self.breaker.failed(id);
        let pause = self
            .breaker
            .pause(&self.used.schedule, OF_A_SERVER, fastrand::f64())
            .max(rest.unwrap_or_default());
        let now = self.now();
        self.probe.0 = now + u64::from(millis(pause));
        reason.clone_into(&mut self.why);
        if turn == Turn::Opened {
            (self.since, self.sweep) = (now, (0, now + u64::from(self.round())));
            warn!(channel = %self.name, why = self.why, open = self.queue.len(), "A channel is down: one notice at a time is tried");
            METRICS.health.set(&self.part(), State::Yellow(self.why.clone()));
            self.numbers.down.set(1);
        }
    }

    /// The destination has decided about a notice, so it works.
    fn answers(&mut self, whom: Whom) {
        let now = self.now();
        let mut turn = Turn::None;
        self.queue.judge(whom, now, |breaker| {
            turn = breaker.reached();
            None
        });
        if turn == Turn::Closed {
            info!(channel = %self.name, "A destination takes notices again");
        }
    }

    /// The destination took a notice not now. Many in a row make it rest, so that it does not take the tries of others.
    fn defers(&mut self, id: ItemId, whom: Whom, reason: String) {
        if whom == NOBODY || self.breaker.is_open() || self.queue.is_stale(whom, id) {
            return;
        }
        let (now, schedule, mut turn) = (self.now(), &self.used.schedule, Turn::None);
        self.queue.judge(whom, now, |breaker| {
            turn = breaker.failed(id);
            Some(breaker.pause(schedule, OF_A_DESTINATION, fastrand::f64()))
        });
        if turn == Turn::Opened {
            info!(channel = %self.name, reason, "A destination defers everything: one notice at a time is tried");
            tracing::debug!(channel = %self.name, destination = self.queue.name(whom), "That destination");
        }
        self.queue.explain(whom, format!("its destination defers everything: {reason}"));
    }

    fn part(&self) -> String {
        format!("channel {}", self.name)
    }

    fn now(&self) -> Moment {
        self.epoch.elapsed().as_millis() as Moment
    }
}
