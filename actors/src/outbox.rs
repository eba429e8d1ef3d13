//! The outbox: takes notices, answers after the commit, and carries each to its channel until it is told or given up.

mod admin;
mod held;
mod lane;
mod letters;
mod names;
mod returned;
#[cfg(test)]
mod tests;
mod trip;

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    outbox::{ChannelName, Item, Status, left},
    settings,
};
use tokio::{sync::mpsc, time::Instant};
use tracing::{error, info, warn};

use crate::{
    guard::caught,
    identity::Identity,
    keeper::{Ends, Keeper},
    metrics::{METRICS, State},
    store::{ItemId, Late, OpenItem, Scribe},
};
pub use admin::{DROPPED, Discard, NOT_OPEN, Retry};
use held::Held;
use lane::{Arrival, Lane, Start};
pub use lane::{ChannelUse, Channels};
use letters::Committed;
pub use letters::{Post, PostAll, Record, Resend, Stop};
use names::Namer;
use returned::Returnable;
pub use returned::{Asking, TALKED, Talked};
use trip::{Ended, Trip};

/// Notices whose content waits in memory; beyond it the store is asked when they are due.
const FRESH: usize = 10_000;
/// Open notices read from the store at once.
const PAGE: usize = 2_000;

/// The actor. One channel that fails never delays another: each has its own queue, its own number of tries at once, its
/// own schedule and its own breaker.
pub struct Outbox {
    /// For channels that the site does not have any more.
    schedule: settings::Outbox,
    scribe: Scribe,
    late: Option<mpsc::UnboundedReceiver<Late>>,
    lanes: HashMap<ChannelName, Lane>,
    fresh: HashMap<ItemId, Arc<Item>>,
    /// What does not go yet.
    held: Held,
    returnable: Returnable,
    /// How often the open notices have been read from the store.
    reads: u64,
    alarm: Option<(Instant, SpawnHandle)>,
    trips: usize,
    stopping: Option<Vec<tokio::sync::oneshot::Sender<()>>>,
    /// Who is asked for callers' names; `None`: nobody is.
    identity: Option<Arc<Identity>>,
    keeper: Keeper,
    ends: Ends,
}

/// Its name in the health report.
const PART: &str = "outbox";

impl Outbox {
    /// An outbox over a store and channels.
    pub fn new(
        schedule: settings::Outbox,
        (scribe, late): (Scribe, mpsc::UnboundedReceiver<Late>),
        channels: Channels,
    ) -> Self {
        let lanes = channels.0.into_iter().map(|(name, way)| (name.clone(), Lane::new(name, way))).collect();
        Self {
            schedule,
            scribe,
            late: Some(late),
            lanes,
            fresh: HashMap::new(),
            held: Held::default(),
            returnable: Returnable::default(),
            reads: 0,
            alarm: None,
            trips: 0,
            stopping: None,
            identity: None,
            keeper: Keeper::new().0,
            ends: Ends::default(),
        }
    }

    /// Tells this keeper of its faults.
    #[must_use]
    pub fn kept_by(self, keeper: Keeper) -> Self {
        Self { keeper, ..self }
    }

    /// Asks there for the names of callers that are still sought.
    #[must_use]
    pub fn naming(self, identity: Option<Arc<Identity>>) -> Self {
        Self { identity, ..self }
    }

    fn namer(&self) -> Namer {
        Namer { identity: self.identity.clone(), scribe: self.scribe.clone() }
    }

    /// Starts it on a thread of its own.
    pub fn start_apart(self) -> Addr<Self> {
        Self::start_in_arbiter(&Arbiter::new().handle(), |_| self)
    }

    /// Takes an item into its queue; one that is there already stays where it is.
    fn queue(&mut self, channel: &ChannelName, arrival: Arrival<'_>) {
        if !self.knows(arrival.id) {
            self.lane(channel).add(arrival);
        }
    }

    /// Takes an item that was never tried, or from the beginning, into its queue; `doubt`: it may be told already.
    fn queue_item(&mut self, id: ItemId, item: &Item, doubt: bool) {
        self.returnable.note(id, &item.notice.user, &item.wish);
        let channel = item.way.channel();
        let (posted, mail) = (item.posted.as_second(), item.notice.mail.as_deref());
        let left = left(item.way.has_next(), Duration::ZERO, self.lane(channel).schedule());
        self.queue(channel, Arrival { id, posted, mail, left, wait: Duration::ZERO, doubt });
    }

    /// Whether the item waits or is being sent.
    fn knows(&self, id: ItemId) -> bool {
        self.held.has(id) || self.lanes.values().any(|lane| lane.has(id))
    }

    /// Whether the item is here and not being sent.
    fn waits(&self, id: ItemId) -> bool {
        self.held.waits(id) || self.lanes.values().any(|lane| lane.waits(id))
    }

    fn keep_fresh(&mut self, id: ItemId, item: Arc<Item>) {
        if self.fresh.len() < FRESH {
            self.fresh.insert(id, item);
        }
    }

    fn lane(&mut self, channel: &ChannelName) -> &mut Lane {
        let schedule = &self.schedule;
        let missing = || {
            Lane::new(channel.clone(), ChannelUse { channel: None, at_once: 8, schedule: schedule.clone() })
        };
        self.lanes.entry(channel.clone()).or_insert_with(missing)
    }

    /// Sends what is due, as far as the lanes have room, and sets the alarm for what is not.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.stopping.is_some() {
            return self.stop_when_idle(false);
        }
        let next_held = self.let_go(Instant::now(), ctx);
        let mut due = Vec::new();
        let next = self.lanes.values_mut().filter_map(|lane| lane.take_due(&mut due)).chain(next_held).min();
        for start in due {
            self.send(start, ctx);
        }
        self.wake_at(next, ctx);
    }

    fn send(&mut self, start: Start, ctx: &mut Context<Self>) {
        self.trips += 1;
        let (id, name) = (start.id, start.name.clone());
        let fresh = self.fresh.remove(&id).filter(|_| start.held.is_none());
        let (scribe, namer) = (self.scribe.clone(), self.namer());
        let trip = Trip { start, fresh, scribe, namer, outbox: ctx.address() };
        let ended = trip.go().into_actor(self);
        ctx.spawn(ended.map(move |ended, this, ctx| {
            this.guarded(ctx, |this, ctx| this.arrived(id, &name, ended, ctx));
        }));
    }

    fn wake_at(&mut self, next: Option<Instant>, ctx: &mut Context<Self>) {
        if self.alarm.as_ref().map(|(at, _)| *at) == next {
            return;
        }
        if let Some((_, old)) = self.alarm.take() {
            ctx.cancel_future(old);
        }
        if let Some(at) = next {
            let handle = ctx.run_later(at.saturating_duration_since(Instant::now()), |this, ctx| {
                this.alarm = None;
                this.guarded(ctx, Self::pump);
            });
            self.alarm = Some((at, handle));
        }
    }

    fn arrived(&mut self, id: ItemId, name: &ChannelName, ended: Ended, ctx: &mut Context<Self>) {
        self.trips -= 1;
        let lane = self.lane(name);
        match ended {
            Ended::Again { wait, left, doubt } => lane.wait(id, wait, left, doubt),
            Ended::Became(items) => {
                lane.close(id);
                self.returnable.forget(id);
                for (id, item) in items {
                    self.queue_item(id, &item, false);
                    self.keep_fresh(id, item);
                }
            }
            Ended::Closed => {
                lane.close(id);
                self.returnable.forget(id);
            }
        }
        self.pump(ctx);
    }

    /// Takes up what an earlier run has left. What was being sent when it died goes again, with the same Message-ID.
    fn resume(&mut self, open: Vec<OpenItem>, ctx: &mut Context<Self>) {
        // A reading that has found nothing sends nothing.
        self.reads += u64::from(!open.is_empty());
        let wall = Timestamp::now();
        for open in open {
            if let Some((user, wish)) = open.wish.as_deref() {
                self.returnable.note(open.id, user, wish);
            }
            let Some(open) = self.hold_again(open, wall) else { continue };
            let OpenItem { id, channel, status, due, posted, waited, has_next, mail, .. } = open;
            let wait = match status {
                Status::Delayed => Duration::try_from(due.duration_since(wall)).unwrap_or_default(),
                Status::Queued | Status::Sending | Status::Delivered | Status::Dead => Duration::ZERO,
            };
            // A clock that jumped may say anything; no pause is longer than the longest.
            let schedule = self.lane(&channel).schedule();
            let (wait, left) = (wait.min(schedule.longest_retry), left(has_next, waited, schedule));
            let mail = mail.as_deref();
            // Nobody knows what the earlier run has sent and not written down.
            let doubt = true;
            self.queue(&channel, Arrival { id, posted: posted.as_second(), mail, left, wait, doubt });
        }
        self.pump(ctx);
    }

    /// Does `work`; after a panic in it the store is read again, so that no notice is forgotten (T39).
    fn guarded(&mut self, ctx: &mut Context<Self>, work: impl FnOnce(&mut Self, &mut Context<Self>)) {
        if let Err(fault) = caught(|| work(self, ctx))
            && !self.keeper.ended(PART, fault, &mut self.ends)
        {
            self.load(0, 0, ctx);
        }
    }

    /// Reads the open notices after that one, after so many; a page at a time, so that no post waits long for its turn.
    fn load(&mut self, after: ItemId, before: usize, ctx: &mut Context<Self>) {
        let scribe = self.scribe.clone();
        let loading = async move { scribe.open_items(after, PAGE).await }.into_actor(self);
        ctx.spawn(loading.map(move |open, this, ctx| match open {
            Some(Ok(open)) => {
                let (last, so_far) = (open.last().map(|item| item.id), before + open.len());
                match last.filter(|_| open.len() >= PAGE) {
                    Some(last) => this.load(last, so_far, ctx),
                    None => {
                        METRICS.health.set(PART, State::Green);
                        if so_far > 0 {
                            info!(notices = so_far, "Took up the notices of an earlier run");
                        }
                    }
                }
                this.guarded(ctx, |this, ctx| this.resume(open, ctx));
            }
            Some(Err(error)) => {
                error!(%error, "The notices of an earlier run cannot be read; trying again");
                ctx.run_later(Duration::from_secs(5), move |this, ctx| this.load(after, before, ctx));
            }
            None => warn!("The store stopped before the outbox had read it"),
        }));
    }

    fn stop_when_idle(&mut self, at_once: bool) {
        if self.trips > 0 && !at_once {
            return;
        }
        let waiting = self.stopping.as_mut().map(std::mem::take).unwrap_or_default();
        if waiting.is_empty() {
            return;
        }
        let scribe = self.scribe.clone();
        actix::spawn(async move {
            scribe.stop().await;
            for told in waiting {
                let _ = told.send(());
            }
        });
    }
}

impl Actor for Outbox {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(1024);
        if let Some(mut late) = self.late.take() {
            let outbox = ctx.address();
            actix::spawn(async move {
                while let Some(late) = late.recv().await {
                    outbox.do_send(Committed { id: late.id, item: late.item, since: None });
                }
            });
        }
        self.load(0, 0, ctx);
    }
}
