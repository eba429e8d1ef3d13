//! Attendants: numbers at which callers dial an extension (R69), and whom that reaches (R26).

use std::sync::Arc;

use super::Directory;
use crate::{
    address::UserClass,
    settings::{Attendant, Site, User},
    sip::uri::Uri,
};

/// An attendant as calls see it.
#[derive(Clone, Debug)]
pub struct Reception {
    /// What the site says of it.
    pub settings: Attendant,
    /// Whose calls its calls are: nobody's, so that nobody is told of them.
    pub user: Arc<User>,
}

/// What the user part of an attendant's address begins with.
const PREFIX: &str = "attendant.";

impl Reception {
    /// The user part of the address that it has at Ringpost's own UM.
    pub fn desk(&self) -> String {
        format!("{PREFIX}{}", self.settings.name)
    }
}

/// Every attendant of a site.
pub(super) fn receptions(site: &Site) -> Vec<Arc<Reception>> {
    let reception = |settings: &Attendant| {
        let user = User {
            address: format!("sip:{PREFIX}{}@{}", settings.name, site.sip.domain),
            numbers: settings.numbers.clone(),
            missed_calls: UserClass::Off,
            time_zone: "UTC".to_owned(),
            language: settings.language,
            ..User::default()
        };
        Arc::new(Reception { settings: settings.clone(), user: Arc::new(user) })
    };
    site.attendants.iter().map(reception).collect()
}

impl Directory {
    /// The attendant that an address at Ringpost's own UM names.
    pub fn reception(&self, desk: &str) -> Option<&Arc<Reception>> {
        let name = desk.strip_prefix(PREFIX)?;
        self.receptions.iter().find(|one| one.settings.name == name)
    }

    /// The attendant whose calls are this user's.
    pub fn reception_of(&self, user: &User) -> Option<&Arc<Reception>> {
        self.receptions.iter().find(|one| one.user.address == user.address)
    }

    /// Whom a URI reaches from an attendant: a user by an extension that may be dialled there, or the operator. Never a
    /// number outside, and nothing that Ringpost leaves alone (T19).
    pub fn reached_from(&self, reception: &Reception, uri: &[u8]) -> Option<&Arc<User>> {
        let dialled = Uri::read(uri)?.bare_user().map(String::from_utf8_lossy)?;
        let settings = &reception.settings;
        if settings.operator.as_deref() != Some(&*dialled) {
            let digits = !dialled.is_empty() && dialled.bytes().all(|octet| octet.is_ascii_digit());
            if !digits || !settings.admits(&dialled) {
                return None;
            }
        }
        let bypassed =
            self.site.bypass.iter().any(|one| one.numbers.iter().any(|number| *number == *dialled));
        // A line behind the access number is dialled by its extension alone (R26).
        let behind =
            || settings.numbers.iter().find_map(|main| self.users.get(&format!("{main};ext={dialled}")));
        self.user(&dialled).or_else(behind).filter(|_| !bypassed)
    }
}
