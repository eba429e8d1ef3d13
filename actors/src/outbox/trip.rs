//! One try of one item: from the queue to the channel, and what came of it to the disk.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use actix::prelude::*;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use ringpost::outbox::{ChannelName, Delivery, Effort, Item, Step, Way, after, after_rest, left};
use tracing::{debug, error, info, warn};

use super::{
    Outbox,
    lane::{Start, Whom},
    names::Namer,
};
use crate::{
    guard::words,
    store::{Change, ItemId, Row, Scribe, Written},
};

/// No try takes longer, whatever its channel waits for.
const LONGEST_TRY: Duration = Duration::from_secs(300);

pub struct Trip {
    pub start: Start,
    pub fresh: Option<Arc<Item>>,
    pub scribe: Scribe,
    pub namer: Namer,
    pub outbox: Addr<Outbox>,
}

/// What the outbox does with the item next.
pub enum Ended {
    /// It is tried again.
    Again {
        /// After so long.
        wait: Duration,
        /// How much longer it may wait for the channel by then.
        left: Duration,
        /// This try may have told it.
        doubt: bool,
    },
    /// It goes on by other ways.
    Became(Vec<(ItemId, Arc<Item>)>),
    /// It is told, given up, or gone.
    Closed,
}

/// What a try says about its channel.
pub enum Tried {
    /// The other side was reached and has decided.
    Taken,
    /// The other side was reached, and takes the notice not now.
    Deferred { reason: String },
    /// It was not reached.
    Down { reason: String, rest: Option<Duration> },
    /// It came to no try.
    No,
    /// There was to be none.
    Counted,
}

/// The channel has room again; what came of the try may still be on its way to the disk.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Freed {
    pub id: ItemId,
    pub channel: ChannelName,
    pub whom: Whom,
    pub tried: Tried,
}

impl Trip {
    pub async fn go(self) -> Ended {
        let tried = self.guarded(self.send()).await.flatten();
        let news = match (&tried, &self.start.held) {
            (_, Some(_)) => Tried::Counted,
            (Err(_), None) => Tried::No,
            (Ok((_, _, (said, _))), None) => about(said),
        };
        let Start { id, name, whom, .. } = &self.start;
        self.outbox.do_send(Freed { id: *id, channel: name.clone(), whom: *whom, tried: news });
        let settled = async {
            let (item, effort, (delivery, doubt)) = tried?;
            let schedule = &self.start.schedule;
            let step = match &self.start.held {
                None => after(&item, effort, delivery, schedule, fastrand::f64()),
                Some((held, why)) => after_rest(&item, effort, *held, why.clone(), schedule),
            };
            Ok(self.settle(item, step, doubt).await)
        };
        self.guarded(settled).await.flatten().unwrap_or_else(|ended| ended)
    }

    /// What panics must not take the outbox along (ROBUSTNESS T39): the notice is tried again, much later.
    async fn guarded<T>(&self, work: impl Future<Output = T>) -> Result<T, Ended> {
        AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
            error!(item = self.start.id, fault = words(&*panic), "A fault in a try; trying again");
            self.much_later()
        })
    }

    fn much_later(&self) -> Ended {
        let longest = self.start.schedule.longest_retry;
        Ended::Again { wait: longest, left: longest, doubt: true }
    }

    /// The try itself, and whether it may have told the notice though nobody has said so. `Err`: it came to none.
    async fn send(&self) -> Result<(Arc<Item>, Effort, (Delivery, bool)), Ended> {
        let Start { id, channel, held, doubt, .. } = &self.start;
        let (item, effort) = match &self.fresh {
            Some(item) => (item.clone(), Effort::default()),
            None => match self.scribe.load(*id).await {
                Some(Ok(Some((item, effort)))) => (Arc::new(item), effort),
                Some(Ok(None)) | None => return Err(Ended::Closed),
                Some(Err(error)) => {
                    error!(item = id, %error, "A notice cannot be read from the store; trying again");
                    return Err(self.much_later());
                }
            },
        };
        let later = |reason: &str| Delivery::Later { reason: reason.to_owned(), not_before: None };
        if held.is_some() {
            return Ok((item, effort, (later("the channel is down"), false)));
        }
        let item = self.namer.named(*id, item).await;
        self.scribe.sending(*id);
        let Some(channel) = channel else {
            return Ok((item, effort, (later("this site has no such channel"), false)));
        };
        // A channel that panics must not take the outbox along (ROBUSTNESS T39).
        let guarded = AssertUnwindSafe(async {
            match doubt {
                false => channel.deliver(&item).await,
                true => channel.deliver_again(&item).await,
            }
        })
        .catch_unwind();
        let ended = match tokio::time::timeout(LONGEST_TRY, guarded).await {
            Ok(Ok(delivery)) => delivery.parted(),
            Ok(Err(panic)) => {
                error!(item = id, fault = words(&*panic), "A fault in a channel");
                (later("the channel failed inside"), true)
            }
            Err(_) => {
                (Delivery::Down { reason: "the channel took too long".to_owned(), not_before: None }, true)
            }
        };
        Ok((item, effort, ended))
    }

    /// Writes what came of the try, and goes on only when that is on the disk.
    async fn settle(&self, item: Arc<Item>, step: Step, doubt: bool) -> Ended {
        let Start { id, name, numbers, held, .. } = &self.start;
        let (id, channel, call) = (*id, name.as_str(), item.notice.call_id.as_str());
        match step {
            Step::Done => {
                self.scribe.change(id, Change::Delivered).await;
                numbers.delivered.one();
                info!(item = id, channel, call, "A notice is delivered");
                Ended::Closed
            }
            Step::Again { wait, effort, reason } => {
                if held.is_none() {
                    numbers.delayed.one();
                    let tries = effort.tries;
                    match self.start.down {
                        false => warn!(item = id, channel, tries, ?wait, reason, "A notice is delayed"),
                        true => debug!(item = id, channel, tries, ?wait, reason, "A channel is still down"),
                    }
                }
                let wall = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
                let due = Timestamp::now().saturating_add(wall).unwrap_or(Timestamp::MAX);
                self.scribe.change(id, Change::Delayed { due, effort, reason }).await;
                let left = left(item.way.has_next(), effort.waited, &self.start.schedule);
                Ended::Again { wait, left, doubt }
            }
            Step::NextChannel { ways, reason } => self.next_channel(&item, ways, reason).await,
            Step::GiveUp { reason } => {
                numbers.dead.one();
                error!(item = id, channel, call, reason, "A notice is given up and kept as a dead letter");
                self.scribe.change(id, Change::Dead { reason }).await;
                Ended::Closed
            }
        }
    }

    async fn next_channel(&self, item: &Item, ways: Vec<Way>, reason: String) -> Ended {
        let Start { id, name, numbers, .. } = &self.start;
        let to = ways.iter().map(|way| way.channel().as_str()).collect::<Vec<_>>().join(" ");
        warn!(item = id, channel = %name, to, reason, "A channel does not tell, so the next one does");
        numbers.moved.one();
        let rows = ways.into_iter().map(|way| Row::of(Item { way, ..item.clone() }));
        let rows: Vec<Row> = rows.collect::<Result<_, _>>().expect("it was written once already");
        let items: Vec<_> = rows.iter().map(|row| row.item.clone()).collect();
        match self.scribe.change(*id, Change::Instead { rows, reason }).await {
            Some(Written::Became(ids)) => {
                Ended::Became(ids.into_iter().zip(items).filter_map(|(id, item)| Some((id?, item))).collect())
            }
            Some(Written::Done | Written::New(_) | Written::Known | Written::Nothing) | None => Ended::Closed,
        }
    }
}

fn about(said: &Delivery) -> Tried {
    match said {
        Delivery::Down { reason, not_before } => Tried::Down { reason: reason.clone(), rest: *not_before },
        Delivery::Lost { reason, .. } => Tried::Down { reason: reason.clone(), rest: None },
        Delivery::Later { reason, .. } => Tried::Deferred { reason: reason.clone() },
        Delivery::Delivered | Delivery::Never { .. } => Tried::Taken,
        Delivery::Unsure(said) => about(said),
    }
}
