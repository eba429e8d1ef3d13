//! The outbox: takes notices, answers after the commit, and carries each to its channel until it is told or given up.

mod admin;
mod letters;
#[cfg(test)]
mod tests;
mod trip;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    outbox::{ChannelName, Item, Status},
    settings,
};
use tokio::{sync::mpsc, time::Instant};
use tracing::{error, info, warn};

use crate::{
    channel::Channel,
    guard::caught,
    keeper::{Ends, Keeper},
    metrics::{METRICS, State},
    store::{ItemId, Late, OpenItem, Scribe},
};
pub use admin::{DROPPED, Discard, NOT_OPEN, Retry};
use letters::Committed;
pub use letters::{Post, Record, Resend, Stop};
use trip::{Ended, Trip};

/// Notices whose content waits in memory; beyond it the store is asked when they are due.
const FRESH: usize = 10_000;

/// The actor. One channel that fails never delays another: each has its own queue and its own number of tries at once.
pub struct Outbox {
    schedule: settings::Outbox,
    scribe: Scribe,
    late: Option<mpsc::UnboundedReceiver<Late>>,
    lanes: HashMap<ChannelName, Lane>,
    /// Every item that waits or is being sent.
    known: HashSet<ItemId>,
    fresh: HashMap<ItemId, Arc<Item>>,
    alarm: Option<(Instant, SpawnHandle)>,
    trips: usize,
    stopping: Option<Vec<tokio::sync::oneshot::Sender<()>>>,
    keeper: Keeper,
    ends: Ends,
}

/// Its name in the health report.
const PART: &str = "outbox";

/// The channels of a site. Without one its notices wait, and are given up like those of a server that is down.
#[derive(Clone, Default)]
pub struct Channels {
    /// SIP INFO.
    pub um: Option<Arc<dyn Channel>>,
    /// SMTP or Maildir.
    pub mail: Option<Arc<dyn Channel>>,
}

struct Lane {
    channel: Option<Arc<dyn Channel>>,
    /// Tries at once.
    limit: usize,
    sending: usize,
    waiting: BTreeSet<(Instant, ItemId)>,
}

impl Outbox {
    /// An outbox over a store and channels.
    pub fn new(
        schedule: settings::Outbox,
        (scribe, late): (Scribe, mpsc::UnboundedReceiver<Late>),
        channels: Channels,
    ) -> Self {
        let lane = |channel, limit| Lane { channel, limit, sending: 0, waiting: BTreeSet::new() };
        let Channels { um, mail } = channels;
        Self {
            schedule,
            scribe,
            late: Some(late),
            lanes: HashMap::from([(ChannelName::Um, lane(um, 32)), (ChannelName::Mail, lane(mail, 8))]),
            known: HashSet::new(),
            fresh: HashMap::new(),
            alarm: None,
            trips: 0,
            stopping: None,
            keeper: Keeper::new().0,
            ends: Ends::default(),
        }
    }

    /// Tells this keeper of its faults.
    #[must_use]
    pub fn kept_by(self, keeper: Keeper) -> Self {
        Self { keeper, ..self }
    }

    /// Starts it on a thread of its own.
    pub fn start_apart(self) -> Addr<Self> {
        Self::start_in_arbiter(&Arbiter::new().handle(), |_| self)
    }

    /// Takes an item into its queue; one that is there already stays where it is.
    fn queue(&mut self, id: ItemId, channel: ChannelName, due: Instant) {
        if self.known.insert(id) {
            self.lane(channel).waiting.insert((due, id));
        }
    }

    fn keep_fresh(&mut self, id: ItemId, item: Arc<Item>) {
        if self.fresh.len() < FRESH {
            self.fresh.insert(id, item);
        }
    }

    fn lane(&mut self, channel: ChannelName) -> &mut Lane {
        self.lanes.get_mut(&channel).expect("every channel has a lane from the start")
    }

    /// Sends what is due, as far as the lanes have room, and sets the alarm for what is not.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.stopping.is_some() {
            return self.stop_when_idle(false);
        }
        let now = Instant::now();
        let mut next = None;
        for name in ChannelName::ALL {
            while let Some(due) = self.lane(name).next_due() {
                if due > now {
                    next = next.into_iter().chain([due]).min();
                    break;
                }
                self.send_first(name, ctx);
            }
        }
        self.wake_at(next, ctx);
    }

    fn send_first(&mut self, name: ChannelName, ctx: &mut Context<Self>) {
        let lane = self.lane(name);
        let Some((_, id)) = lane.waiting.pop_first() else { return };
        lane.sending += 1;
        let channel = lane.channel.clone();
        self.trips += 1;
        let trip = Trip {
            id,
            name,
            fresh: self.fresh.remove(&id),
            channel,
            scribe: self.scribe.clone(),
            schedule: self.schedule.clone(),
            outbox: ctx.address(),
        };
        let ended = trip.go().into_actor(self);
        ctx.spawn(ended.map(move |ended, this, ctx| {
            this.guarded(ctx, |this, ctx| this.arrived(id, ended, ctx));
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

    fn arrived(&mut self, id: ItemId, ended: Ended, ctx: &mut Context<Self>) {
        self.trips -= 1;
        self.known.remove(&id);
        match ended {
            Ended::Again(channel, wait) => self.queue(id, channel, Instant::now() + wait),
            Ended::MailInstead(item) => {
                self.keep_fresh(id, item);
                self.queue(id, ChannelName::Mail, Instant::now());
            }
            Ended::Closed => {}
        }
        self.pump(ctx);
    }

    /// Takes up what an earlier run has left. What was being sent when it died goes again, with the same Message-ID.
    fn resume(&mut self, open: Vec<OpenItem>, ctx: &mut Context<Self>) {
        if !open.is_empty() {
            info!(notices = open.len(), "Taking up notices of an earlier run");
        }
        let (now, wall) = (Instant::now(), Timestamp::now());
        for OpenItem { id, channel, status, due } in open {
            let wait = match status {
                Status::Delayed => Duration::try_from(due.duration_since(wall)).unwrap_or_default(),
                Status::Queued | Status::Sending | Status::Delivered | Status::Dead => Duration::ZERO,
            };
            // A clock that jumped may say anything; no pause is longer than the longest.
            self.queue(id, channel, now + wait.min(self.schedule.longest_retry));
        }
        self.pump(ctx);
    }

    /// Does `work`; after a panic in it the store is read again, so that no notice is forgotten (T39).
    fn guarded(&mut self, ctx: &mut Context<Self>, work: impl FnOnce(&mut Self, &mut Context<Self>)) {
        if let Err(fault) = caught(|| work(self, ctx))
            && !self.keeper.ended(PART, fault, &mut self.ends)
        {
            self.load(ctx);
        }
    }

    fn load(&mut self, ctx: &mut Context<Self>) {
        let scribe = self.scribe.clone();
        let loading = async move { scribe.open_items().await }.into_actor(self);
        ctx.spawn(loading.map(|open, this, ctx| match open {
            Some(Ok(open)) => {
                METRICS.health.set(PART, State::Green);
                this.guarded(ctx, |this, ctx| this.resume(open, ctx));
            }
            Some(Err(error)) => {
                error!(%error, "The notices of an earlier run cannot be read; trying again");
                ctx.run_later(Duration::from_secs(5), |this, ctx| this.load(ctx));
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

impl Lane {
    /// When the first one is due, if there is room to send it.
    fn next_due(&self) -> Option<Instant> {
        (self.sending < self.limit).then(|| self.waiting.first().map(|(due, _)| *due)).flatten()
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
                    outbox.do_send(Committed(late.id, late.item));
                }
            });
        }
        self.load(ctx);
    }
}
