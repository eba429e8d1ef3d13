//! What some servers of channels know beside: the contacts of their users.

use futures_util::future::BoxFuture;
use ringpost::{identity::Page, outbox::Delivery};

/// Lists the contacts in mailboxes. Every request ends by itself.
pub trait Contacts: Send + Sync {
    /// A part of a mailbox's contacts: the first one, or what [`Page::next`] says.
    fn page<'a>(&'a self, mailbox: &'a str, next: Option<&'a str>) -> BoxFuture<'a, Result<Page, Unlisted>>;
}

/// Why there are none to see.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unlisted {
    /// This mailbox shows none, whatever the others do.
    #[error("{0}")]
    Closed(String),
    /// The server shows none now.
    #[error("{0}")]
    Down(String),
}

impl Unlisted {
    /// What would delay a notice: where that is the notice's own fate, it is the mailbox's here.
    pub(super) fn of(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Down { reason, .. }
            | Delivery::Lost { reason, .. }
            | Delivery::Later { reason, not_before: Some(_) } => Self::Down(reason),
            Delivery::Later { reason, not_before: None } | Delivery::Never { reason } => Self::Closed(reason),
            Delivery::Unsure(said) => Self::of(*said),
            Delivery::Delivered => Self::Closed("an answer without contacts".to_owned()),
        }
    }
}
