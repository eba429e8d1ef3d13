//! A notice's last wait before it is told: for its caller's name, where servers are still asked for it.

use std::{sync::Arc, time::Duration};

use actix::Addr;
use ringpost::{
    notify::Notice,
    outbox::{Item, Way},
};

use super::{Outbox, letters::Committed};
use crate::{
    identity::Identity,
    metrics::METRICS,
    store::{Change, ItemId, Row, Scribe},
};

/// How long telling waits for the name to be on the disk. A disk that refuses must not keep a notice back.
const WRITTEN: Duration = Duration::from_secs(2);

/// Gives notices the names of their callers. Cheap to clone.
#[derive(Clone)]
pub struct Namer {
    /// Who is asked; `None`: nobody is.
    pub identity: Option<Arc<Identity>>,
    /// Where the name is kept.
    pub scribe: Scribe,
}

/// Whether it waits for a name. UM has sources of its own.
fn wants(item: &Item) -> bool {
    item.notice.caller.sought && matches!(item.way, Way::By { .. })
}

impl Namer {
    /// The item with the name that is found, or without one, for good: it is written first, so that every try says the same.
    /// After a crash before that it is sought again.
    pub async fn named(&self, id: ItemId, item: Arc<Item>) -> Arc<Item> {
        if !wants(&item) {
            return item;
        }
        METRICS.identity_waits_total.one();
        let found = match &self.identity {
            Some(identity) => identity.name_for(&item.notice).await,
            None => None,
        };
        let caller = item.notice.caller.clone().named(found);
        let row = Row::of(Item { notice: Notice { caller, ..item.notice.clone() }, ..Item::clone(&item) });
        let row = row.expect("it was written once already");
        let named = Arc::clone(&row.item);
        let _ = tokio::time::timeout(WRITTEN, self.scribe.change(id, Change::Rewrite(row))).await;
        named
    }

    /// Lets a notice go into its queue, after it has got its name: beside the queue, so that no other one waits with it.
    pub fn pass_on(&self, outbox: Addr<Outbox>, committed: Committed) {
        if !wants(&committed.item) {
            return outbox.do_send(committed);
        }
        let namer = self.clone();
        actix::spawn(async move {
            let item = namer.named(committed.id, committed.item).await;
            outbox.do_send(Committed { item, ..committed });
        });
    }
}
