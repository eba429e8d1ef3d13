//! What may be said to the outbox, and what it does about it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use actix::prelude::*;
use futures_util::FutureExt;
use ringpost::{notify::CallRecord, outbox::Item};
use tracing::warn;

use super::{Outbox, trip::Freed};
use crate::guard::words;
use crate::store::{Change, ItemId, PostError, Posted, Written};

/// Takes a notice. The answer comes after the commit.
#[derive(Message)]
#[rtype(result = "Result<Posted, PostError>")]
pub struct Post(pub Item);

/// Takes the items of one notice in one transaction. The answer comes after the commit.
#[derive(Message)]
#[rtype(result = "Result<(), PostError>")]
pub struct PostAll(pub Vec<Item>);

/// Adds lines to the call log; there is no answer.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Record(pub Vec<CallRecord>);

/// Sends a dead letter again. True: it goes.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Resend(pub ItemId);

/// Starts no further try, waits at most so long for those under way, writes everything and closes the store.
/// Answered when that is done. A try that was not waited for goes again at the next start, with the same Message-ID.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop(pub Duration);

impl Handler<Post> for Outbox {
    type Result = ResponseFuture<Result<Posted, PostError>>;

    fn handle(&mut self, Post(item): Post, ctx: &mut Context<Self>) -> Self::Result {
        let (scribe, outbox, since) = (self.scribe.clone(), ctx.address(), Some(self.reads));
        let namer = self.namer();
        let item = self.feasible(item);
        let posted = async move {
            let posted = scribe.post(item.clone()).await?;
            if let Posted::Committed(id) = posted {
                namer.pass_on(outbox, Committed { id, item: Arc::new(item), since });
            }
            Ok(posted)
        };
        // What panics here must not take the outbox along.
        let caught = AssertUnwindSafe(posted).catch_unwind();
        Box::pin(caught.map(|posted| posted.unwrap_or_else(|panic| Err(PostError::Fault(words(&*panic))))))
    }
}

impl Handler<PostAll> for Outbox {
    type Result = ResponseFuture<Result<(), PostError>>;

    fn handle(&mut self, PostAll(items): PostAll, ctx: &mut Context<Self>) -> Self::Result {
        let (scribe, outbox, since) = (self.scribe.clone(), ctx.address(), Some(self.reads));
        let namer = self.namer();
        let items: Vec<Item> = items.into_iter().map(|item| self.feasible(item)).collect();
        let posted = async move {
            let posted = scribe.post_all(items.clone()).await?;
            for (posted, item) in posted.into_iter().zip(items) {
                if let Posted::Committed(id) = posted? {
                    namer.pass_on(outbox.clone(), Committed { id, item: Arc::new(item), since });
                }
            }
            Ok(())
        };
        let caught = AssertUnwindSafe(posted).catch_unwind();
        Box::pin(caught.map(|posted| posted.unwrap_or_else(|panic| Err(PostError::Fault(words(&*panic))))))
    }
}

/// A notice is on the disk and may go.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Committed {
    pub id: ItemId,
    pub item: Arc<Item>,
    /// How often the store had been read when it was posted.
    pub since: Option<u64>,
}

impl Handler<Committed> for Outbox {
    type Result = ();

    fn handle(&mut self, Committed { id, item, since }: Committed, ctx: &mut Context<Self>) {
        self.guarded(ctx, |this, ctx| {
            if item.wish.waits() {
                this.hold(id, &item);
            } else if !this.knows(id) {
                // Where the store has been read meanwhile, that may have sent it already: then the store knows better.
                let doubt = since != Some(this.reads);
                this.queue_item(id, &item, doubt);
                if !doubt {
                    this.keep_fresh(id, item);
                }
            }
            this.pump(ctx);
        });
    }
}

impl Handler<Freed> for Outbox {
    type Result = ();

    fn handle(&mut self, Freed { id, channel, whom, tried }: Freed, ctx: &mut Context<Self>) {
        self.lane(&channel).freed(id, whom, tried);
        self.guarded(ctx, Self::pump);
    }
}

impl Handler<Record> for Outbox {
    type Result = ();

    fn handle(&mut self, Record(calls): Record, _: &mut Context<Self>) {
        let lost = calls.into_iter().map(|call| self.scribe.record(call)).filter(|taken| !taken).count();
        if lost > 0 {
            warn!(lost, "Lines of the call log are lost, the store is too slow");
        }
    }
}

impl Handler<Resend> for Outbox {
    type Result = ResponseActFuture<Self, bool>;

    fn handle(&mut self, Resend(id): Resend, _: &mut Context<Self>) -> Self::Result {
        let scribe = self.scribe.clone();
        let revived = async move {
            let done = scribe.change(id, Change::Resend).await == Some(Written::Done);
            if done { scribe.load(id).await.and_then(Result::ok).flatten() } else { None }
        };
        Box::pin(revived.into_actor(self).map(move |found, this, ctx| {
            let Some((item, _)) = found else { return false };
            this.queue_item(id, &item, true);
            this.guarded(ctx, Self::pump);
            true
        }))
    }
}

impl Handler<Stop> for Outbox {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Stop(patience): Stop, ctx: &mut Context<Self>) -> Self::Result {
        let (told, done) = tokio::sync::oneshot::channel();
        self.stopping.get_or_insert_default().push(told);
        self.stop_when_idle(false);
        ctx.run_later(patience, |this, _| this.stop_when_idle(true));
        Box::pin(async {
            let _ = done.await;
        })
    }
}
