//! What a call has been through before it came here, as far as its headers tell: the guard against loops (T19).

use crate::{
    directory::{Directory, Origin},
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
    pub fn of((invite, origin): (&Message, &Origin), directory: &Directory, user: &User) -> Self {
        let mut past = Self::default();
        let is_user =
            |uri: &[u8]| directory.callee(uri, origin).is_some_and(|known| known.address == user.address);
        for entry in invite.list(Name::Diversion).filter_map(NameAddr::read) {
            let count = param(entry.params, "counter").and_then(number).unwrap_or(1).max(1);
            past.diversions = past.diversions.saturating_add(count);
            past.by_user |= is_user(entry.uri);
        }
        // RFC 4458, RFC 7044: an entry with a cause is where the one before it diverted the call to.
        let entries: Vec<NameAddr<'_>> = invite.list(Name::HistoryInfo).filter_map(NameAddr::read).collect();
        let is_cause =
            |entry: &NameAddr<'_>| Uri::read(entry.uri).is_some_and(|uri| uri.param("cause").is_some());
        let diverted: Vec<_> = entries.windows(2).filter(|pair| is_cause(&pair[1])).collect();
        past.diversions = past.diversions.max(diverted.len() as u32);
        past.by_user |= diverted.iter().any(|pair| is_user(pair[0].uri));
        past
    }
}
