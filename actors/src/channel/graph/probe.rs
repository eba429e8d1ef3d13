//! A look at Graph that changes nothing.

use ringpost::{
    notify::graph::{Place, Whose},
    outbox::Delivery,
    settings::GraphDelivery,
};

use super::{Graph, service::Trouble};
use crate::channel::token::TokenError;

/// A message that nobody has.
const NOBODYS: &str = "<doctor@ringpost.invalid>";

/// What Graph says to an application that may look.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Opened {
    /// The mailbox is there.
    Yes,
    /// The application may send, and not read: enough for this channel.
    Unread,
}

/// Why not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Closed {
    /// There is no token.
    Token,
    /// Graph refuses it, or the application has not the rights; what it said.
    Rights(String),
    /// Anything else.
    Other(String),
}

impl Graph {
    /// Gets a token, or shows why there is none.
    ///
    /// # Errors
    /// As the provider says.
    pub async fn token(&self) -> Result<(), TokenError> {
        self.service.token().await
    }

    /// Looks for a message that nobody has in a mailbox, as is done before a notice goes again.
    ///
    /// # Errors
    /// Why the mailbox cannot be used.
    pub async fn opens(&self, mailbox: &str) -> Result<Opened, Closed> {
        let place = Place { url: &self.settings.url, mailbox };
        let answer = self.service.get_page(&place.find(NOBODYS)).await.map_err(|trouble| match trouble {
            Trouble::Token(_) => Closed::Token,
            other => Closed::Other(reason(other.delivery(self.service.patience()))),
        })?;
        let writes = self.settings.deliver == GraphDelivery::Inbox;
        match answer.status.as_u16() {
            200 => Ok(Opened::Yes),
            403 if !writes => Ok(Opened::Unread),
            401 | 403 => Err(Closed::Rights(format!("Graph answers {}", answer.status.as_u16()))),
            _ => {
                let trouble = Trouble::judged(&answer, 200, Whose::Sender);
                Err(Closed::Other(reason(trouble.delivery(self.service.patience()))))
            }
        }
    }
}

fn reason(delivery: Delivery) -> String {
    match delivery {
        Delivery::Unsure(said) => reason(*said),
        Delivery::Delivered => "an answer that is none".to_owned(),
        Delivery::Later { reason, .. }
        | Delivery::Never { reason }
        | Delivery::Down { reason, .. }
        | Delivery::Lost { reason, .. } => reason,
    }
}
