//! What a call has been through before it came here, as far as its headers tell: the guard against loops (T19).

use crate::{
    directory::Directory,
    settings::User,
    sip::{
        Message, Name,
        text::{number, param},
        uri::{NameAddr, Uri},
    },
};

/// How a call came here.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Past {
    /// How often it was diverted (RFC 5806 counter, RFC 7044 entries), the greater of the two.
    pub diversions: u32,
    /// The user who is called has diverted it before.
    pub by_user: bool,
}

impl Past {
    /// Reads Diversion and History-Info.
    pub fn of(invite: &Message, directory: &Directory, user: &User) -> Self {
        let mut past = Self::default();
        let is_user = |uri: &[u8]| {
            let name = Uri::read(uri).and_then(|uri| uri.bare_user().map(String::from_utf8_lossy));
            name.and_then(|name| directory.user(&name)).is_some_and(|known| known.address == user.address)
        };
        for value in invite.list(Name::Diversion) {
            let count = param(value, "counter").and_then(number).unwrap_or(1).max(1);
            past.diversions = past.diversions.saturating_add(count);
            past.by_user |= NameAddr::read(value).is_some_and(|one| is_user(one.uri));
        }
        // Every entry but the last is somebody who had the call before; an entry with a cause was diverted (RFC 4458).
        let entries: Vec<&[u8]> = invite.list(Name::HistoryInfo).collect();
        let mut caused = 0;
        for (at, value) in entries.iter().enumerate() {
            let Some(entry) = NameAddr::read(value) else { continue };
            let diverted = Uri::read(entry.uri).is_some_and(|uri| uri.param("cause").is_some());
            caused += u32::from(diverted);
            past.by_user |= diverted && at + 1 < entries.len() && is_user(entry.uri);
        }
        past.diversions = past.diversions.max(caused);
        past
    }
}
