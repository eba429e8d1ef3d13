//! One try of one item: from the queue to the channel, and what came of it to the disk.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use actix::prelude::*;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use ringpost::{
    outbox::{ChannelName, Delivery, Effort, Item, Step, Way, after},
    settings,
};
use tracing::{debug, error, info, warn};

use super::Outbox;
use crate::{
    channel::Channel,
    guard::words,
    store::{Change, ItemId, Row, Scribe, Written},
};

/// No try takes longer, whatever its channel waits for.
const LONGEST_TRY: Duration = Duration::from_secs(300);

pub struct Trip {
    pub id: ItemId,
    pub name: ChannelName,
    pub fresh: Option<Arc<Item>>,
    pub channel: Option<Arc<dyn Channel>>,
    pub scribe: Scribe,
    pub schedule: settings::Outbox,
    pub outbox: Addr<Outbox>,
}

/// What the outbox does with the item next.
pub enum Ended {
    Again(ChannelName, Duration),
    MailInstead(Arc<Item>),
    Closed,
}

/// The channel has room again; what came of the try may still be on its way to the disk.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Freed(pub ChannelName);

impl Trip {
    pub async fn go(self) -> Ended {
        let tried = self.guarded(self.send()).await;
        self.outbox.do_send(Freed(self.name));
        let settled = async {
            let (item, effort, delivery) = tried??;
            let step = after(&item, effort, delivery, &self.schedule, fastrand::f64());
            Ok(self.settle(item, step).await)
        };
        self.guarded(settled).await.and_then(|settled| settled).unwrap_or_else(|ended| ended)
    }

    /// What panics must not take the outbox along (ROBUSTNESS T39): the notice is tried again, much later.
    async fn guarded<T>(&self, work: impl Future<Output = T>) -> Result<T, Ended> {
        AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
            error!(item = self.id, fault = words(&*panic), "A fault in a try; trying again");
            Ended::Again(self.name, self.schedule.longest_retry)
        })
    }

    /// The try itself. `Err`: it came to none.
    async fn send(&self) -> Result<(Arc<Item>, Effort, Delivery), Ended> {
        let (item, effort) = match &self.fresh {
            Some(item) => (item.clone(), Effort::default()),
            None => match self.scribe.load(self.id).await {
                Some(Ok(Some((item, effort)))) => (Arc::new(item), effort),
                Some(Ok(None)) | None => return Err(Ended::Closed),
                Some(Err(error)) => {
                    error!(item = self.id, %error, "A notice cannot be read from the store; trying again");
                    return Err(Ended::Again(self.name, self.schedule.longest_retry));
                }
            },
        };
        self.scribe.sending(self.id);
        let later = |reason: &str| Delivery::Later { reason: reason.to_owned(), not_before: None };
        let Some(channel) = &self.channel else {
            let delivery = later("this site has no such channel");
            return Ok((item, effort, delivery));
        };
        // A channel that panics must not take the outbox along (ROBUSTNESS T39).
        let guarded = AssertUnwindSafe(async { channel.deliver(&item).await }).catch_unwind();
        let delivery = match tokio::time::timeout(LONGEST_TRY, guarded).await {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(panic)) => {
                error!(item = self.id, fault = words(&*panic), "A fault in a channel");
                later("the channel failed inside")
            }
            Err(_) => later("the channel took too long"),
        };
        Ok((item, effort, delivery))
    }

    /// Writes what came of the try, and goes on only when that is on the disk.
    async fn settle(&self, item: Arc<Item>, step: Step) -> Ended {
        let (id, channel) = (self.id, self.name.as_str());
        match step {
            Step::Done => {
                self.scribe.change(id, Change::Delivered).await;
                info!(item = id, channel, "A notice is delivered");
                Ended::Closed
            }
            Step::Again { wait, effort, reason } => {
                warn!(item = id, channel, tries = effort.tries, ?wait, reason, "A notice is delayed");
                let wall = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
                let due = Timestamp::now().saturating_add(wall).unwrap_or(Timestamp::MAX);
                self.scribe.change(id, Change::Delayed { due, effort, reason }).await;
                Ended::Again(self.name, wait)
            }
            Step::MailInstead { reason } => self.mail_instead(&item, reason).await,
            Step::GiveUp { reason } => {
                error!(item = id, channel, reason, "A notice is given up and kept as a dead letter");
                self.scribe.change(id, Change::Dead { reason }).await;
                Ended::Closed
            }
        }
    }

    async fn mail_instead(&self, item: &Item, reason: String) -> Ended {
        warn!(item = self.id, reason, "UM does not tell, so a mail does");
        let mail = Item { way: Way::Mail, ..item.clone() };
        let row = Row::of(mail).expect("it was written once already");
        let item = row.item.clone();
        match self.scribe.change(self.id, Change::MailInstead { row, reason }).await {
            Some(Written::Done) => Ended::MailInstead(item),
            Some(Written::AlreadyMailed | Written::New(_) | Written::Known | Written::Nothing) | None => {
                debug!(item = self.id, "The mail is there already");
                Ended::Closed
            }
        }
    }
}
