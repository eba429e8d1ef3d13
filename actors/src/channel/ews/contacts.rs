//! The contacts of a mailbox of Exchange.

use futures_util::future::BoxFuture;
use ringpost::{
    identity::Page,
    notify::ews::contacts::{read, request},
};

use super::{
    super::contacts::{Contacts, Unlisted},
    Ews,
};

impl Ews {
    async fn listed(&self, mailbox: &str, next: Option<&str>) -> Result<Page, Unlisted> {
        let url = self.finder.url(mailbox, &self.door).await;
        let url = url.map_err(|unfound| Unlisted::Down(unfound.reason))?;
        if self.resting(&url).is_some() {
            return Err(Unlisted::Down("the server wants to be left alone".to_owned()));
        }
        let asked = self.answered(&url, mailbox, request(&self.settings, mailbox, next)).await;
        let (answer, _) = asked.map_err(Unlisted::of)?;
        read(&answer.body, next).map_err(|error| Unlisted::Down(error.to_string()))
    }
}

impl Contacts for Ews {
    fn page<'a>(&'a self, mailbox: &'a str, next: Option<&'a str>) -> BoxFuture<'a, Result<Page, Unlisted>> {
        Box::pin(self.listed(mailbox, next))
    }
}
