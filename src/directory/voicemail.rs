//! The numbers that mean voice mail (R115) or an attendant (R69), and those that Ringpost leaves alone (R73).

use std::{collections::HashMap, sync::Arc};

use super::{Directory, Origin, Reception};
use crate::{
    address::UserClass,
    call::wire::strip_visual,
    settings::{Bypass, Site, UmServer, User},
};

/// The mailbox behind a number.
#[derive(Clone, Debug)]
pub enum Mailbox {
    /// A user's.
    Of(Arc<User>),
    /// Voice mail itself: the mailbox follows from the call.
    Pilot,
    /// None: an attendant.
    Reception(Arc<Reception>),
}

/// Each number in both ways of writing.
pub(super) type Mailboxes = HashMap<String, Mailbox, ahash::RandomState>;

/// Indexes the pilots and the users' voice-mail numbers.
pub(super) fn mailboxes<'u>(
    site: &Site,
    users: impl Iterator<Item = &'u Arc<User>>,
    receptions: &[Arc<Reception>],
) -> Mailboxes {
    let mut known = Mailboxes::default();
    let mut add = |number: &str, mailbox: Mailbox| {
        known.insert(strip_visual(number), mailbox.clone());
        known.insert(number.to_owned(), mailbox);
    };
    site.um.pilots.iter().for_each(|number| add(number, Mailbox::Pilot));
    for one in receptions {
        one.settings.numbers.iter().for_each(|number| add(number, Mailbox::Reception(Arc::clone(one))));
    }
    for user in users {
        user.voicemail_numbers.iter().for_each(|number| add(number, Mailbox::Of(Arc::clone(user))));
    }
    known
}

/// R73: a bypassed number is a user with one device, without UM, policy and notice.
pub(super) fn bypassed(bypass: &Bypass, domain: &str) -> User {
    User {
        address: format!("sip:{}@{domain}", bypass.numbers.first().map_or("bypass", String::as_str)),
        numbers: bypass.numbers.clone(),
        devices: vec![bypass.target.clone()],
        ring_for: bypass.ring_for,
        missed_calls: UserClass::Off,
        time_zone: "UTC".to_owned(),
        ..User::default()
    }
}

impl Directory {
    /// Whether Ringpost's own UM keeps a user's mailbox.
    pub fn has_own_um(&self, user: &User) -> bool {
        self.pool(user).is_some_and(|pool| pool.members().iter().any(|one| one.server == UmServer::Embedded))
    }

    /// Whether it keeps anybody's.
    pub fn has_own_mailboxes(&self) -> bool {
        self.site.plans.iter().any(|plan| plan.servers.contains(&UmServer::Embedded))
    }

    /// Whose calls to mailboxes are that come from elsewhere: nobody's.
    pub fn visitor(&self) -> Arc<User> {
        Arc::new(User {
            address: format!("sip:voice-mail@{}", self.site.sip.domain),
            missed_calls: UserClass::Off,
            time_zone: "UTC".to_owned(),
            ..User::default()
        })
    }

    /// The mailbox behind a dialled number; `None`: it is no number of voice mail.
    pub fn mailbox(&self, dialled: &str) -> Option<&Mailbox> {
        if self.mailboxes.is_empty() {
            return None;
        }
        self.mailboxes.get(dialled).or_else(|| self.mailboxes.get(&strip_visual(dialled)))
    }

    /// The same for a number as `origin` writes it.
    pub fn mailbox_by(&self, dialled: &str, origin: &Origin) -> Option<&Mailbox> {
        if self.mailboxes.is_empty() {
            return None;
        }
        let read = || match origin {
            Origin::Trunk(trunk) if !trunk.rules.are_none() => {
                self.mailbox(&trunk.rules.read(dialled, &self.site.outbound.numbering))
            }
            Origin::Trunk(_) | Origin::User(_) => None,
        };
        self.mailbox(dialled).or_else(read)
    }
}
