//! A notice's last wait before it is told: for its caller's name, where servers are still asked for it.

use std::{sync::Arc, time::Duration};

use ringpost::{
    notify::Notice,
    outbox::{Item, Way},
};

use super::trip::Trip;
use crate::{
    metrics::METRICS,
    store::{Change, Row},
};

/// How long telling waits for the name to be on the disk. A disk that refuses must not keep a notice back.
const WRITTEN: Duration = Duration::from_secs(2);

/// Whether it waits for a name. UM has sources of its own.
pub fn wants(item: &Item) -> bool {
    item.notice.caller.sought && matches!(item.way, Way::By { .. })
}

impl Trip {
    /// The item with the name that is found, or without one, for good: it is written first, so that every try says the same.
    /// A crash before that finds it sought again.
    pub(super) async fn named(&self, item: Arc<Item>) -> Arc<Item> {
        if !wants(&item) {
            return item;
        }
        METRICS.identity_waits_total.one();
        let found = match &self.identity {
            Some(identity) => identity.name_for(&item.notice).await,
            None => None,
        };
        let caller = item.notice.caller.clone().named(found);
        let named = Item { notice: Notice { caller, ..item.notice.clone() }, ..Item::clone(&item) };
        let row = Row::of(named).expect("it was written once already");
        let named = Arc::clone(&row.item);
        let _ =
            tokio::time::timeout(WRITTEN, self.scribe.change(self.start.id, Change::Named(Box::new(row))))
                .await;
        named
    }
}
