//! Who calls, as an INVITE says it.

use crate::{
    address::Caller,
    sip::{
        Message, Name,
        relay::is_private,
        uri::{NameAddr, Uri},
    },
};

/// Who calls: P-Asserted-Identity (where `trusted`), else Remote-Party-ID (where `trusted`), else From (RFC 3325 §9);
/// nobody where the caller wants that.
pub fn caller(invite: &Message, trusted: bool) -> Caller {
    if is_private(invite) {
        return Caller { private: true, ..Caller::default() };
    }
    caller_named(invite, trusted)
}

/// Who calls, privacy or not: for those alone who are trusted with it.
pub fn caller_named(invite: &Message, trusted: bool) -> Caller {
    let from = invite.from();
    let asserted =
        trusted.then(|| invite.list(Name::PAssertedIdentity).chain(invite.list(Name::RemotePartyId)));
    let asserted: Vec<NameAddr<'_>> = asserted.into_iter().flatten().filter_map(NameAddr::read).collect();
    let mut caller =
        asserted.iter().chain(from.iter()).map(identity).find(|c| c.uri.is_some()).unwrap_or_default();
    let mut names = asserted.iter().chain(from.iter()).filter_map(NameAddr::display_text);
    caller.name = names.find(|name| Some(name) != caller.number.as_ref() && !is_anonymous(name));
    caller.private = caller.uri.is_none() && from.is_some_and(|from| is_anonymous(&lossy(from.uri)));
    caller
}

/// Who sends a request, as a trusted trunk asserts it (RFC 3325 §6); nobody where it asserts nothing, for anybody may write a
/// From.
pub fn asserted(request: &Message) -> Caller {
    let asserted = request.list(Name::PAssertedIdentity).chain(request.list(Name::RemotePartyId));
    let mut identities = asserted.filter_map(NameAddr::read).map(|address| identity(&address));
    identities.find(|caller| caller.uri.is_some()).unwrap_or_default()
}

fn identity(address: &NameAddr<'_>) -> Caller {
    let Some(uri) = Uri::read(address.uri) else { return Caller::default() };
    let user = uri.number().unwrap_or_default();
    let unknown = ["", "unknown", "unavailable", "restricted", "asterisk", "anonymous"];
    if unknown.contains(&user.to_ascii_lowercase().as_str()) || is_anonymous(&lossy(uri.host)) {
        return Caller::default();
    }
    let bare = user.split(';').next().unwrap_or(&user);
    let is_number =
        bare.strip_prefix('+').unwrap_or(bare).chars().all(|c| c.is_ascii_digit() || "-.()*#".contains(c));
    let number = if is_number { strip_visual(&user) } else { format!("{user}@{}", lossy(uri.host)) };
    Caller { name: None, number: Some(number), uri: Some(lossy(address.uri)), ..Caller::default() }
}

/// A number without visual separators (RFC 3966 §5.1.1).
pub fn strip_visual(number: &str) -> String {
    number.chars().filter(|c| !"-.()".contains(*c)).collect()
}

/// Whether that is the name or the URI of somebody who hides (RFC 3323 §4.1.1.3).
pub fn is_anonymous(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text == "anonymous" || text.contains("anonymous.invalid") || text.contains(":anonymous@")
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
