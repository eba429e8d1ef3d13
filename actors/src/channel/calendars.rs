//! What some servers of channels know beside: when their users are busy.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use ringpost::{
    calendar::{Reply, Window},
    outbox::Delivery,
};

/// Asks for the calendars of mailboxes. Every question ends by itself.
pub trait Calendars: Send + Sync {
    /// How many mailboxes one question may be about.
    fn most(&self) -> usize;

    /// Which server has a mailbox, as far as is known: one question is about mailboxes of one place.
    fn place(&self, mailbox: &str) -> Arc<str>;

    /// The schedules of these mailboxes of one place, in their order; `true`: automatic replies count as well, where they lie apart.
    fn schedules<'a>(
        &'a self,
        mailboxes: &'a [Arc<str>],
        window: Window,
        out_of_office: bool,
    ) -> BoxFuture<'a, Result<Reply, Unasked>>;
}

/// Why nothing is known of any of them.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unasked {
    /// The answer is too large to be read, or the question is refused as a whole.
    #[error("too much for one question, or one of its mailboxes is none")]
    TooMuch,
    /// The server does not tell now, and perhaps wants to be left alone for so long.
    #[error("{0}")]
    Down(String, Option<Duration>),
}

impl Unasked {
    /// What would delay a notice.
    pub(super) fn of(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Down { reason, not_before } | Delivery::Later { reason, not_before } => {
                Self::Down(reason, not_before)
            }
            Delivery::Lost { reason, wait } => Self::Down(reason, Some(wait)),
            Delivery::Never { reason } => Self::Down(reason, None),
            Delivery::Unsure(said) => Self::of(*said),
            Delivery::Delivered => Self::Down("an answer without calendars".to_owned(), None),
        }
    }
}
