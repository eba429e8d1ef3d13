//! Calls that a user does not want to be told of: by who called, and by what trunks and devices say of the caller (R209).

use serde::{Deserialize, Serialize};

use crate::{
    address::Caller,
    call::wire::strip_visual,
    numbers::Numbering,
    sip::{
        Message, Name, relay,
        text::{param, trim},
        uri::{NameAddr, Uri},
    },
};

/// What a user is not told of. The default is nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filters {
    /// `skip` holds `internal`.
    pub internal: bool,
    /// `skip` holds `hidden`.
    pub hidden: bool,
    /// `skip` holds `spam`.
    pub spam: bool,
    /// `skip_numbers`.
    pub numbers: Vec<Listed>,
    /// `own_numbers`: the user's other devices.
    pub own_numbers: Vec<String>,
    /// `spam_headers`: the site's; what a trunk writes into an INVITE that it takes for spam.
    pub spam_headers: Vec<SpamHeader>,
    /// `skip_voice_mail`: the site's; they hold for voice mails too.
    pub voice_mail: bool,
}

/// A number, or with a `*` behind it the beginning of numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    number: String,
    begins: bool,
}

impl From<&str> for Listed {
    fn from(text: &str) -> Self {
        let stem = text.strip_suffix('*');
        Self { number: stem.unwrap_or(text).to_owned(), begins: stem.is_some() }
    }
}

impl Listed {
    fn holds(&self, number: &str, here: &Numbering) -> bool {
        let own = normal(&self.number, here);
        if self.begins { number.starts_with(&own) } else { number == own }
    }
}

/// A header by its name and what its value begins with, in either case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpamHeader {
    /// The name.
    pub name: String,
    /// How the value begins.
    pub value: String,
}

impl SpamHeader {
    fn is_in(&self, message: &Message) -> bool {
        let begins = |value: &[u8]| {
            value.get(..self.value.len()).is_some_and(|head| head.eq_ignore_ascii_case(self.value.as_bytes()))
        };
        message.fields().any(|field| {
            message.written_name(field).eq_ignore_ascii_case(self.name.as_bytes())
                && begins(message.value(field))
        })
    }
}

/// Why a user is not told of a missed call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Another device of the user called.
    OwnDevice,
    /// A user of the site called.
    Internal,
    /// The number is hidden or unknown.
    Hidden,
    /// The trunk or a device of the user says that it is spam.
    Spam,
    /// The number is in the list.
    Listed,
}

impl Filter {
    /// Every filter, for tables.
    pub const ALL: [Self; 5] = [Self::OwnDevice, Self::Internal, Self::Hidden, Self::Spam, Self::Listed];

    /// Its name, towards Ringpost's own UM.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnDevice => "own-device",
            Self::Internal => "internal",
            Self::Hidden => "hidden",
            Self::Spam => "spam",
            Self::Listed => "listed",
        }
    }
}

/// A call as the filters see it.
pub struct Seen<'a> {
    /// Who calls, by a number as Ringpost writes it.
    pub caller: &'a Caller,
    /// A user of the site calls, as far as that is sure.
    pub internal: bool,
    /// It is the user who is called.
    pub own: bool,
    /// The caller's INVITE, where it came by a trunk: nobody else's word on spam counts.
    pub invite: Option<&'a Message>,
    /// A device of the user, or the caller's side when it gave up, has said that the call is spam (607, 608).
    pub unwanted: bool,
}

impl Filters {
    /// Whether every call is told of.
    pub fn are_none(&self) -> bool {
        let Self { internal, hidden, spam, numbers, own_numbers, spam_headers: _, voice_mail: _ } = self;
        !internal && !hidden && !spam && numbers.is_empty() && own_numbers.is_empty()
    }

    /// The filter that a call is caught by, if any.
    pub fn catch(&self, seen: &Seen<'_>, here: &Numbering) -> Option<Filter> {
        if self.are_none() {
            return None;
        }
        let number = seen.caller.number.as_deref().map(|number| normal(number, here));
        let is = |test: &dyn Fn(&str) -> bool| number.as_deref().is_some_and(test);
        let is_own = seen.own && (self.internal || !self.own_numbers.is_empty());
        if is_own || is(&|number| self.own_numbers.iter().any(|own| normal(own, here) == number)) {
            Some(Filter::OwnDevice)
        } else if self.internal && seen.internal {
            Some(Filter::Internal)
        } else if self.hidden && number.is_none() {
            Some(Filter::Hidden)
        } else if self.spam && self.is_spam(seen) {
            Some(Filter::Spam)
        } else if is(&|number| self.numbers.iter().any(|listed| listed.holds(number, here))) {
            Some(Filter::Listed)
        } else {
            None
        }
    }

    fn is_spam(&self, seen: &Seen<'_>) -> bool {
        let says = |invite| {
            relay::rejected_as_spam(invite)
                || failed_validation(invite)
                || self.spam_headers.iter().any(|header| header.is_in(invite))
        };
        seen.unwanted || seen.invite.is_some_and(says)
    }
}

/// The network's verdict on the caller's number, `verstat=TN-Validation-Failed` (3GPP TS 24.229 §7.2A.20, RFC 8224): a
/// parameter of the tel URI or of the user part.
fn failed_validation(invite: &Message) -> bool {
    let is_failed = |value: &[u8]| {
        const FAILED: &[u8] = b"TN-Validation-Failed";
        value.get(..FAILED.len()).is_some_and(|head| head.eq_ignore_ascii_case(FAILED))
    };
    let says = |address: NameAddr<'_>| {
        let Some(uri) = Uri::read(address.uri) else { return false };
        let user = uri.user.unwrap_or(b"");
        let behind = &user[memchr::memchr(b';', user).unwrap_or(user.len())..];
        [behind, uri.params, address.params]
            .into_iter()
            .any(|tail| param(tail, "verstat").is_some_and(is_failed))
    };
    let asserted = invite.list(Name::PAssertedIdentity).filter_map(|one| NameAddr::read(trim(one)));
    asserted.chain(invite.from()).any(says)
}

/// The form in which numbers are compared; what is no number stays as it is.
fn normal(number: &str, here: &Numbering) -> String {
    here.normal(number).unwrap_or_else(|| strip_visual(number))
}

#[cfg(test)]
mod tests;
