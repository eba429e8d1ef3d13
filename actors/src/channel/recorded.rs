//! A channel that keeps what it is given, in memory: for tests and dry runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use ringpost::outbox::{Delivery, Item, Towards};

use super::Channel;

/// Answers every try with what `answer` says of it, and remembers.
pub struct Recorded {
    kept: Mutex<Vec<Item>>,
    answer: Box<dyn Fn(&Item) -> Delivery + Send + Sync>,
    towards: Towards,
}

impl Default for Recorded {
    fn default() -> Self {
        Self::new(|_| Delivery::Delivered)
    }
}

impl Recorded {
    /// A channel that answers so.
    pub fn new(answer: impl Fn(&Item) -> Delivery + Send + Sync + 'static) -> Self {
        Self { kept: Mutex::default(), answer: Box::new(answer), towards: Towards::One }
    }

    /// The same, as a channel that tells destinations apart.
    #[must_use]
    pub fn towards(self, towards: Towards) -> Self {
        Self { towards, ..self }
    }

    /// Every try so far, in order.
    pub fn tries(&self) -> Vec<Item> {
        self.kept().clone()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Item>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel for Recorded {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        self.kept().push(item.clone());
        let delivery = (self.answer)(item);
        Box::pin(async { delivery })
    }

    fn tells_together(&self) -> bool {
        true
    }

    fn towards(&self) -> Towards {
        self.towards
    }
}
