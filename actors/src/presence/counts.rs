//! What waits in users' mailboxes, as far as watchers, phones and PBXs are told of it (R207).

use std::sync::Arc;

use ringpost::{directory::Directory, presence::summary::Summary, settings::User};
use tokio::sync::broadcast::error::RecvError;

use super::{Order, Presence};

impl Presence {
    /// The counts of a user's mailbox have changed.
    pub(super) fn counted(&self, address: &str) {
        let directory = self.directory.load();
        let Some(user) = directory.of_address(address).filter(|_| self.is_on()) else { return };
        let reminds = directory.site.presence.unsolicited;
        let tells = !directory.site.presence.messages_to.is_empty();
        let found = if reminds || tells { Some(self.of(user)) } else { self.find(address) };
        let Some(cell) = found else { return };
        let summary = self.summary(&directory, user);
        self.change(&cell, |known| known.summary = summary);
        if tells {
            self.owe(&cell.user);
        }
        if reminds {
            // A lane that has ended reminds nobody.
            let _ = self.lanes[0].send(Order::Remind(cell));
        }
    }

    /// What waits in a user's mailbox, and the number that it is listened to by.
    pub(super) fn summary(&self, directory: &Directory, user: &User) -> Summary {
        let counts = self.scribe.as_ref().map(|scribe| scribe.counts().of(&user.address)).unwrap_or_default();
        let pilot = directory.site.um.pilots.first();
        let account = pilot.map(|pilot| format!("sip:{pilot}@{}", directory.site.sip.domain));
        self.with_others(&user.address, Summary::of(account.as_deref().unwrap_or(&user.address), counts))
    }

    /// Hears what mailboxes hold, until the program ends.
    pub async fn count(self: Arc<Self>) {
        let Some(scribe) = &self.scribe else { return std::future::pending().await };
        let mut changes = scribe.counts().changes();
        loop {
            match changes.recv().await {
                Ok(user) => self.counted(&user),
                Err(RecvError::Lagged(_)) => self.all_counted(),
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    /// So many counts have changed that nobody knows whose: those of all who are told unasked, who may have no cell.
    pub(super) fn all_counted(&self) {
        let directory = self.directory.load_full();
        let settings = &directory.site.presence;
        match settings.unsolicited || !settings.messages_to.is_empty() {
            true => directory.site.users.iter().for_each(|user| self.counted(&user.address)),
            false => self.cells().iter().for_each(|cell| self.counted(&cell.user)),
        }
    }
}
