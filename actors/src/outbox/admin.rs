//! What an admin may do to a notice by hand: send it again at once, or take it out of the queue.

use actix::prelude::*;
use tracing::{info, warn};

use super::{Outbox, Resend};
use crate::store::{Change, ItemId, Written};

/// Why a dropped notice is a dead letter.
pub const DROPPED: &str = "dropped by an administrator";

/// Sends a notice again at once: one that waits, or a dead letter from the beginning. `Err`: why not.
#[derive(Message)]
#[rtype(result = "Result<(), &'static str>")]
pub struct Retry(pub ItemId);

/// Makes a dead letter of a notice that waits; removes one that is a dead letter. `Err`: why not.
#[derive(Message)]
#[rtype(result = "Result<(), &'static str>")]
pub struct Discard(pub ItemId);

pub(super) const BEING_SENT: &str = "it is being sent right now";
/// Why nothing can be done about a notice.
pub const NOT_OPEN: &str = "there is no such notice, or it is delivered, or told by another";

impl Outbox {
    /// Takes a notice out of its queue; `Some(false)`: it is on its way, `None`: no queue has it.
    pub(super) fn unqueue(&mut self, id: ItemId) -> Option<bool> {
        let held = self.held.take(id);
        let waited = held.or_else(|| self.lanes.values_mut().find_map(|lane| lane.remove(id)))?;
        if waited {
            self.returnable.forget(id);
            self.fresh.remove(&id);
        }
        Some(waited)
    }
}

impl Handler<Retry> for Outbox {
    type Result = ResponseActFuture<Self, Result<(), &'static str>>;

    fn handle(&mut self, Retry(id): Retry, ctx: &mut Context<Self>) -> Self::Result {
        if !self.knows(id) {
            let resent = ctx.address().send(Resend(id));
            return Box::pin(async move { resent.await == Ok(true) }.into_actor(self).map(
                move |sent, _, _| {
                    info!(item = id, sent, "An admin sends a dead letter again");
                    if sent { Ok(()) } else { Err(NOT_OPEN) }
                },
            ));
        }
        if self.held.has(id) {
            return self.let_out(id);
        }
        let answer = match self.lanes.values_mut().any(|lane| lane.urge(id)) {
            true => {
                info!(item = id, "An admin sends a notice at once");
                self.guarded(ctx, Self::pump);
                Ok(())
            }
            false => Err(BEING_SENT),
        };
        Box::pin(actix::fut::ready(answer))
    }
}

impl Handler<Discard> for Outbox {
    type Result = ResponseActFuture<Self, Result<(), &'static str>>;

    fn handle(&mut self, Discard(id): Discard, _: &mut Context<Self>) -> Self::Result {
        let waited = match self.unqueue(id) {
            Some(false) => return Box::pin(actix::fut::err(BEING_SENT)),
            waited => waited.is_some(),
        };
        let scribe = self.scribe.clone();
        let change = if waited { Change::Dead { reason: DROPPED.into() } } else { Change::Remove };
        let dropped = async move {
            match scribe.change(id, change).await {
                Some(Written::Done) => {
                    warn!(item = id, removed = !waited, "An admin drops a notice");
                    Ok(())
                }
                _ => Err(NOT_OPEN),
            }
        };
        Box::pin(dropped.into_actor(self))
    }
}
