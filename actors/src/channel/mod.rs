//! The channels that carry notices. Siblings that look alike: each takes an item and says how the try ended; only
//! the outbox decides what follows.

pub mod activities;
pub mod calendars;
pub mod contacts;
mod ews;
mod graph;
pub mod http;
mod letters;
pub(crate) mod lockout;
mod maildir;
mod recorded;
mod sip_info;
mod smtp;
pub mod token;
mod webhook;

use std::{path::Path, sync::Arc};

use futures_util::future::BoxFuture;
use lettre::Message;
use ringpost::{
    notify::{clean::reason, mail::compose},
    outbox::{Delivery, Item, Towards},
    settings::{self, ChannelKind, MailUrl},
};

pub use activities::Activities;
pub use calendars::Calendars;
pub use contacts::Contacts;
pub use ews::{Ews, EwsError, Knock, Shut};
pub use graph::{Closed, Graph, GraphError, Opened};
pub use letters::Letters;
pub use maildir::Maildir;
pub use recorded::Recorded;
pub use sip_info::{InfoError, InfoSender, SipInfo};
pub use smtp::{NoSession, Session, Smtp, SmtpError};
use token::Tokens;
pub use webhook::Webhook;

/// Carries notices. A try may take long, but must end by itself; the outbox cuts it off after five minutes.
pub trait Channel: Send + Sync {
    /// One try.
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery>;

    /// One try more of a notice that may be there already, since an answer was lost ([`Delivery::Lost`],
    /// [`Delivery::Unsure`]) or an earlier run of Ringpost left it open. For channels that can find out.
    fn deliver_again<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        self.deliver(item)
    }

    /// The users' own contacts, where the channel's server has them.
    fn contacts(self: Arc<Self>) -> Option<Arc<dyn Contacts>> {
        None
    }

    /// The users' calendars, where the channel's server has them.
    fn calendars(self: Arc<Self>) -> Option<Arc<dyn Calendars>> {
        None
    }

    /// What the users are doing is told, where the channel's server wants to know.
    fn activities(self: Arc<Self>) -> Option<Arc<dyn Activities>> {
        None
    }

    /// Whether it tells several missed calls as one; else each is told by itself, and waits for no other.
    fn tells_together(&self) -> bool {
        false
    }

    /// What its notices share their fate with, beside its server.
    fn towards(&self) -> Towards {
        Towards::One
    }
}

/// Why a channel of the site cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A mail server.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    /// Exchange.
    #[error(transparent)]
    Ews(#[from] EwsError),
    /// Exchange Online.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// An HTTP client.
    #[error(transparent)]
    Http(#[from] http::HttpSetup),
}

/// The channel that `[mail]` or a `[channel.NAME]` asks for; `tokens` and `letters` are shared by
/// all channels of the site.
///
/// # Errors
/// Why it cannot be used.
pub fn channel(
    settings: &settings::Channel,
    tokens: &Tokens,
    letters: &Letters,
) -> Result<Arc<dyn Channel>, ChannelError> {
    let letters = letters.clone();
    Ok(match &settings.kind {
        ChannelKind::Mail(mail) => match &mail.url {
            MailUrl::Maildir(path) => {
                Arc::new(Maildir::new(path.clone(), mail.from.clone()).with_letters(letters))
            }
            MailUrl::Smtp { .. } => {
                Arc::new(Smtp::new(mail, tokens)?.named(settings.name.as_str()).with_letters(letters))
            }
        },
        ChannelKind::Ews(ews) => {
            Arc::new(Ews::new(ews.clone(), tokens)?.named(settings.name.as_str()).with_letters(letters))
        }
        ChannelKind::Graph(settings) => Arc::new(Graph::new(settings, tokens)?.with_letters(letters)),
        ChannelKind::Webhook(settings) => Arc::new(Webhook::new((**settings).clone())?.with_letters(letters)),
    })
}

/// Builds the mail of an item, with everything that goes along.
async fn built(item: &Item, from: &str, letters: &Letters) -> Result<Message, Delivery> {
    let letter = letters.letter(&item.notice).await?;
    compose(&letter, from, item.posted).map_err(never)
}

/// Runs file work beside the arbiter, which must not wait for a disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked)))
}

/// The server as a whole does not do now.
fn down(error: impl std::fmt::Display) -> Delivery {
    Delivery::Down { reason: reason(&error.to_string()), not_before: None }
}

fn later(error: impl std::fmt::Display) -> Delivery {
    Delivery::Later { reason: reason(&error.to_string()), not_before: None }
}

fn never(error: impl std::fmt::Display) -> Delivery {
    Delivery::Never { reason: reason(&error.to_string()) }
}

/// Syncs a folder, so that a name in it survives a power cut.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}
