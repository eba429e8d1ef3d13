//! `[channel.NAME]`: what carries notices. A further kind is a variant of [`ChannelKind`] and a loader.

mod webhook;

use super::{Ews, Graph, Mail, Outbox};
use crate::outbox::ChannelName;

pub use webhook::Webhook;

/// One channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// The NAME; `mail` for `[mail]`.
    pub name: ChannelName,
    /// `kind` and the keys that it wants.
    pub kind: ChannelKind,
    /// `at_once`: notices under way at once. Default 8.
    pub at_once: usize,
    /// `first_retry`, `longest_retry`, `give_up_after`, `patience`: where left out, those of `[outbox]`.
    pub schedule: Outbox,
}

/// What a channel speaks.
#[derive(Clone, Debug)]
pub enum ChannelKind {
    /// `smtp`, `maildir`: mails.
    Mail(Mail),
    /// `ews`: items in mailboxes of Exchange.
    Ews(Ews),
    /// `graph`: Exchange Online.
    Graph(Graph),
    /// `webhook`: HTTP requests to a program.
    Webhook(Box<Webhook>),
}

impl ChannelKind {
    /// Whether it reaches only users with a `mail`.
    pub fn wants_mail_address(&self) -> bool {
        match self {
            Self::Mail(_) | Self::Ews(_) | Self::Graph(_) => true,
            Self::Webhook(_) => false,
        }
    }
}
