//! Notices that do not go yet: held until their time, or gathered with others of their user.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::outbox::{
    ChannelName, Item, Status, Wait, gathered, left,
    room::{Leaving, Room},
};
use tokio::time::Instant;
use tracing::{error, info};

use super::{Outbox, admin::BEING_SENT, admin::NOT_OPEN, lane::Arrival, names::Namer};
use crate::{
    metrics::METRICS,
    store::{Change, ItemId, OpenItem, Row, Written},
};

/// The waiting room, and who is on the way out of it.
pub struct Held {
    began: Instant,
    room: Room<ItemId>,
    /// Where those in the room go.
    places: BTreeMap<ItemId, Place>,
    /// What is being written down before it goes.
    leaving: BTreeSet<ItemId>,
}

/// What the queue wants to know of an item that comes out of the room.
#[derive(Clone)]
struct Place {
    channel: ChannelName,
    /// When it was taken, in seconds since 1970.
    posted: i64,
    mail: Option<Arc<str>>,
    has_next: bool,
    /// It may be told already, though nobody has said so.
    doubt: bool,
}

impl Default for Held {
    fn default() -> Self {
        let (room, places, leaving) = (Room::default(), BTreeMap::new(), BTreeSet::new());
        Self { began: Instant::now(), room, places, leaving }
    }
}

impl Held {
    /// Whether the item is here.
    pub fn has(&self, id: ItemId) -> bool {
        self.places.contains_key(&id) || self.leaving.contains(&id)
    }

    /// Whether the item is here and not on its way out.
    pub fn waits(&self, id: ItemId) -> bool {
        self.places.contains_key(&id)
    }

    /// Takes an item out; `Some(false)`: it is on its way out already, `None`: it is not here.
    pub fn take(&mut self, id: ItemId) -> Option<bool> {
        if self.leaving.contains(&id) {
            return Some(false);
        }
        self.places.remove(&id)?;
        Some(self.room.take(id))
    }

    fn enter(&mut self, id: ItemId, wait: Wait, user: Arc<str>, place: Place) {
        if !self.has(id) {
            self.room.enter(id, wait, (user, place.channel.clone()), self.began.elapsed());
            self.places.insert(id, place);
        }
    }

    fn since_began(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }
}

impl Outbox {
    /// The item without a wish that its channel cannot fulfil.
    pub(super) fn feasible(&mut self, mut item: Item) -> Item {
        if item.wish.gather.is_some() && !self.lane(item.way.channel()).tells_together() {
            item.wish.gather = None;
        }
        item
    }

    /// Takes an item that is on the disk into the waiting room.
    pub(super) fn hold(&mut self, id: ItemId, item: &Item) {
        if !self.knows(id) {
            self.returnable.note(id, &item.notice.user, &item.wish);
            let wait = item.wish.wait(item.posted, Timestamp::now());
            let place = Place {
                channel: item.way.channel().clone(),
                posted: item.posted.as_second(),
                mail: item.notice.mail.as_deref().map(Arc::from),
                has_next: item.way.has_next(),
                doubt: false,
            };
            self.held.enter(id, wait, item.notice.user.as_str().into(), place);
        }
    }

    /// Takes up an item of an earlier run that was held; one that was not comes back.
    pub(super) fn hold_again(&mut self, open: OpenItem, wall: Timestamp) -> Option<OpenItem> {
        let OpenItem { id, status: Status::Delayed, posted, tried: false, ref channel, ref wish, .. } = open
        else {
            return Some(open);
        };
        let (posted_at, mail, has_next) = (posted.as_second(), open.mail.clone(), open.has_next);
        let Some((user, wish)) = wish.as_deref().filter(|(_, wish)| wish.waits()) else { return Some(open) };
        if !self.knows(id) {
            let place = Place { channel: channel.clone(), posted: posted_at, mail, has_next, doubt: true };
            self.held.enter(id, wish.wait(posted, wall), user.clone(), place);
        }
        None
    }

    /// What comes out of the room has not waited for its channel yet.
    fn enqueue(&mut self, id: ItemId, Place { channel, posted, mail, has_next, doubt }: &Place) {
        let left = left(*has_next, Duration::ZERO, self.lane(channel).schedule());
        let (posted, mail, doubt) = (*posted, mail.as_deref(), *doubt);
        self.queue(channel, Arrival { id, posted, mail, left, wait: Duration::ZERO, doubt });
    }

    /// Sends those whose time has come on their way; gives the moment at which to ask again.
    pub(super) fn let_go(&mut self, now: Instant, ctx: &mut Context<Self>) -> Option<Instant> {
        for leaving in self.held.room.leave(self.held.since_began(now)) {
            match leaving {
                Leaving::Held(id) => {
                    if let Some(place) = self.held.places.remove(&id) {
                        self.enqueue(id, &place);
                    }
                }
                Leaving::Gathered(ids) => self.seal(ids, ctx),
            }
        }
        METRICS.notices_held.set(self.held.room.len() as u64);
        self.held.room.next_at().map(|at| self.held.began + at)
    }

    /// Writes down that these are told together, or that one is told alone; only then does anything go, so that after a
    /// crash nobody gathers again what has been told.
    fn seal(&mut self, ids: Vec<ItemId>, ctx: &mut Context<Self>) {
        ids.iter().for_each(|id| {
            self.held.places.remove(id);
            self.held.leaving.insert(*id);
        });
        self.trips += 1;
        let sealed = sealed(self.namer(), ids.clone()).into_actor(self);
        ctx.spawn(sealed.map(move |(sealed, all_read), this, ctx| {
            this.trips -= 1;
            this.held.leaving.retain(|id| !ids.contains(id));
            this.guarded(ctx, |this, ctx| {
                ids.iter().for_each(|id| this.returnable.forget(*id));
                for (id, item) in sealed {
                    this.queue_item(id, &item, false);
                    this.keep_fresh(id, item);
                }
                if !all_read {
                    this.load(0, 0, ctx);
                }
                this.pump(ctx);
            });
        }));
    }

    /// An admin wants a held item to go at once, alone.
    pub(super) fn let_out(&mut self, id: ItemId) -> ResponseActFuture<Self, Result<(), &'static str>> {
        let place = self.held.places.get(&id).cloned();
        let (Some(place), Some(true)) = (place, self.held.take(id)) else {
            return Box::pin(actix::fut::err(BEING_SENT));
        };
        let scribe = self.scribe.clone();
        let released = async move { scribe.change(id, Change::Release).await };
        Box::pin(released.into_actor(self).map(move |released, this, ctx| {
            if released != Some(Written::Done) {
                return Err(NOT_OPEN);
            }
            info!(item = id, "An admin sends a notice that was held at once");
            this.enqueue(id, &place);
            this.guarded(ctx, Self::pump);
            Ok(())
        }))
    }
}

/// Writes it down, and gives what may go now. False: the store could not be read.
async fn sealed(namer: Namer, ids: Vec<ItemId>) -> (Vec<(ItemId, Arc<Item>)>, bool) {
    let scribe = &namer.scribe;
    let (mut items, mut all_read) = (vec![], true);
    for id in &ids {
        match scribe.load(*id).await {
            // A crash may have come before the name.
            Some(Ok(Some((item, _)))) => {
                items.push((*id, Item::clone(&*namer.named(*id, Arc::new(item)).await)))
            }
            Some(Ok(None)) | None => {}
            Some(Err(error)) => {
                error!(item = id, %error, "A notice cannot be read from the store");
                all_read = false;
            }
        }
    }
    let members: Vec<ItemId> = items.iter().map(|(id, _)| *id).collect();
    let notices: Vec<Item> = items.into_iter().map(|(_, item)| item).collect();
    if let [_, _, ..] = notices.as_slice()
        && let Some(Ok(row)) = gathered(&notices, Timestamp::now()).map(Row::of)
    {
        let (item, change) = (row.item.clone(), Change::Gather { row, members: members.clone() });
        if let Some(Written::Became(digest)) = scribe.change(members[0], change).await
            && let Some(Some(digest)) = digest.first()
        {
            info!(item = digest, calls = members.len(), "Missed calls are told together");
            return (vec![(*digest, item)], all_read);
        }
    }
    // A single call; or one of them has left meanwhile, and the others are told by themselves.
    let mut released = vec![];
    for (id, item) in members.into_iter().zip(notices) {
        if scribe.change(id, Change::Release).await == Some(Written::Done) {
            released.push((id, Arc::new(item)));
        }
    }
    (released, all_read)
}
