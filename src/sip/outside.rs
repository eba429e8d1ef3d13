//! How a call looks to a trunk: who calls, who was called before, in the headers that this trunk reads.

use super::{
    message::{Field, Message},
    name::Name,
    uri::NameAddr,
};
use crate::{
    address::Caller,
    call::wire::Diverted,
    numbers::Numbering,
    settings::{CallerId, DiversionHeader, FarEnd, Trunk},
};

/// What stands in From where nobody may or can be named (RFC 3323 §4.1.1.3).
pub const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// The headers of an INVITE towards a trunk that are not the caller's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outside {
    /// The value of From, without tag.
    pub from: Vec<u8>,
    /// The value of To.
    pub to: Vec<u8>,
    /// Further whole lines.
    pub lines: Vec<u8>,
    /// The name of this Ringpost in Contact, where the trunk wants one.
    pub host: Option<String>,
    /// What of the caller's own headers the trunk reads.
    pub diversion: DiversionHeader,
}

/// What the headers are made of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The trunk.
    pub trunk: &'a Trunk,
    /// Its far end.
    pub far: &'a FarEnd,
    /// How numbers are written here.
    pub numbering: &'a Numbering,
    /// `sip.domain`.
    pub domain: &'a str,
    /// The Request-URI.
    pub uri: &'a str,
    /// Who calls; named although it wants privacy, where that is known.
    pub caller: &'a Caller,
    /// The user who diverts the call, and why.
    pub diverted: Option<(&'a str, Diverted)>,
    /// The caller's INVITE.
    pub invite: &'a Message,
}

impl Outside {
    /// The headers for one call.
    pub fn of(facts: &Facts<'_>) -> Self {
        let Facts { far, caller, uri, .. } = facts;
        let account = far.registration.as_ref().map(|registration| format!("<{}>", registration.address));
        let number = caller.number.as_deref().filter(|number| !number.contains('@'));
        let number = number.map(|number| facts.trunk.rules.write(number, facts.numbering));
        let identity = number.map(|number| {
            let name = caller.name.as_deref().map(quoted).unwrap_or_default();
            format!("{name}<sip:{}@{}>", escaped(&number), facts.own_host())
        });
        let from = match (far.caller_id, &identity) {
            _ if caller.private => ANONYMOUS.to_owned(),
            (CallerId::From, Some(identity)) => identity.clone(),
            (CallerId::Asserted | CallerId::RemoteParty, Some(identity)) => {
                account.unwrap_or_else(|| identity.clone())
            }
            // R71: a caller without number calls all the same.
            (_, None) => account.unwrap_or_else(|| ANONYMOUS.to_owned()),
        };
        let mut lines = Vec::new();
        // RFC 3325 §7: who is not trusted learns nothing that the caller wants hidden.
        let identity = identity.filter(|_| !caller.private || facts.trunk.trust_identity);
        match (far.caller_id, identity) {
            (CallerId::Asserted, Some(identity)) => line(&mut lines, "P-Asserted-Identity", &identity),
            (CallerId::RemoteParty, Some(identity)) => {
                let privacy = if caller.private { "full" } else { "off" };
                let party = format!("{identity};party=calling;screen=yes;privacy={privacy}");
                line(&mut lines, "Remote-Party-ID", &party);
            }
            (CallerId::From, _) | (_, None) => {}
        }
        if let Some((user, why)) = facts.diverted {
            match far.diversion {
                DiversionHeader::Diversion => {
                    line(&mut lines, "Diversion", &String::from_utf8_lossy(&why.header(user)));
                }
                DiversionHeader::HistoryInfo => {
                    line(&mut lines, "History-Info", &history(facts.invite, user, uri, why));
                }
                DiversionHeader::None => {}
            }
        }
        let to = format!("<{}>", uri.split(';').next().unwrap_or(uri));
        let host = far.host.clone();
        Self { from: from.into_bytes(), to: to.into_bytes(), lines, host, diversion: far.diversion }
    }

    /// Whether a field that may cross to the trunk at all is one that it reads.
    pub fn takes(&self, field: &Field) -> bool {
        match field.name {
            // Both are written anew, as the trunk wants them.
            Name::PAssertedIdentity | Name::RemotePartyId => false,
            Name::Diversion => self.diversion == DiversionHeader::Diversion,
            Name::HistoryInfo => self.diversion == DiversionHeader::HistoryInfo,
            _ => true,
        }
    }
}

impl Facts<'_> {
    /// The host of our own numbers there.
    fn own_host(&self) -> &str {
        let registered = self.far.registration.as_ref().and_then(|one| one.address.rsplit_once('@'));
        self.far.host.as_deref().or(registered.map(|(_, host)| host)).unwrap_or(self.domain)
    }
}

/// The entries that a diversion adds to History-Info (RFC 7044 §10.3): the target that we had, where no entry tells it
/// yet, and the one that we chose instead, mapped from it (`mp`), with the cause of RFC 4458.
pub fn history(invite: &Message, user: &str, to: &str, why: Diverted) -> String {
    let last = invite.list(Name::HistoryInfo).last().and_then(NameAddr::read);
    let index = last.and_then(|entry| super::text::param(entry.params, "index"));
    let index = index.and_then(|index| std::str::from_utf8(index).ok()).filter(|index| is_index(index));
    let cause = why.cause();
    let to = to.split('?').next().unwrap_or(to);
    let next = |index: &str| format!("<{to};cause={cause}>;index={index}.1;mp={index}");
    match index {
        Some(index) => next(index),
        None => format!("<{user}?Reason=SIP%3Bcause%3D{cause}>;index=1, {}", next("1")),
    }
}

/// `1.2.1`, not too deep.
fn is_index(index: &str) -> bool {
    index.len() <= 60 && index.split('.').all(|part| part.parse::<u16>().is_ok())
}

fn line(lines: &mut Vec<u8>, name: &str, value: &str) {
    lines.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
}

/// A display name between quotes, with a space behind it; line ends and other controls are left out.
fn quoted(name: &str) -> String {
    let mut quoted = String::from("\"");
    for c in name.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\" "
}

/// A number as a user part: `#` is no character of one (RFC 3261 §25.1).
fn escaped(number: &str) -> String {
    number.replace('#', "%23")
}
