//! SUBSCRIBE, NOTIFY (RFC 6665) and PUBLISH (RFC 3903), as far as they can be decided without a socket.

mod counts;
mod notify;
mod publish;

pub use counts::counts;
pub use notify::{Fate, Pace, State, Step, Track, decimal, fate, notify, spread};
pub use publish::Publish;
use serde::{Deserialize, Serialize};

use super::{dialog_info, pidf, summary};
use crate::sip::{
    Message, Name,
    text::{number, split_commas, trim},
};

/// The event packages that Ringpost serves.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Package {
    /// RFC 3856.
    Presence,
    /// RFC 4235.
    Dialog,
    /// RFC 3842.
    MessageSummary,
}

/// What Allow-Events says.
pub const ALLOW_EVENTS: &[u8] = b"presence, dialog, message-summary";

impl Package {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Presence, Self::Dialog, Self::MessageSummary];

    /// As it stands in Event.
    pub fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Dialog => "dialog",
            Self::MessageSummary => "message-summary",
        }
    }

    /// The media type of its documents.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Presence => pidf::TYPE,
            Self::Dialog => dialog_info::TYPE,
            Self::MessageSummary => summary::TYPE,
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// 400, and what is wrong.
    Bad(&'static str),
    /// 403: the watcher may not see it, the publisher not say it (R111).
    Denied,
    /// 404 (R111).
    NoUser,
    /// 406: none of the media types that there are is accepted.
    NotAccepted,
    /// 412: no publication of that entity tag.
    NoPublication,
    /// 415, with Accept.
    MediaType(Package),
    /// 423 with Min-Expires.
    TooBrief(u32),
    /// 421: it is a list, and the watcher does not know lists (RFC 4662 §4.2).
    NeedsList,
    /// 481: no such subscription.
    NoSubscription,
    /// 482: the same request came another way.
    Merged,
    /// 489 with Allow-Events.
    BadEvent,
    /// 500: overtaken by a later request.
    OutOfOrder,
    /// 503 with Retry-After: no more subscriptions or publications are taken.
    Full,
}

impl Refused {
    /// Status code and reason phrase.
    pub fn answer(self) -> (u16, &'static str) {
        match self {
            Self::Bad(phrase) => (400, phrase),
            Self::Denied => (403, "Forbidden"),
            Self::NoUser => (404, "Not Found"),
            Self::NotAccepted => (406, "Not Acceptable"),
            Self::NoPublication => (412, "Conditional Request Failed"),
            Self::MediaType(_) => (415, "Unsupported Media Type"),
            Self::TooBrief(_) => (423, "Interval Too Brief"),
            Self::NeedsList => (421, "Extension Required"),
            Self::NoSubscription => (481, "Subscription Does Not Exist"),
            Self::Merged => (482, "Loop Detected"),
            Self::BadEvent => (489, "Bad Event"),
            Self::OutOfOrder => (500, "CSeq Out Of Order"),
            Self::Full => (503, "Too Many Subscriptions"),
        }
    }

    /// The header that goes with it.
    pub fn header(self) -> Option<(&'static str, Vec<u8>)> {
        match self {
            Self::TooBrief(least) => Some(("Min-Expires", least.to_string().into_bytes())),
            Self::NeedsList => Some(("Require", b"eventlist".to_vec())),
            Self::BadEvent => Some(("Allow-Events", ALLOW_EVENTS.to_vec())),
            Self::MediaType(package) => Some(("Accept", package.media_type().into())),
            Self::Full => Some(("Retry-After", b"30".to_vec())),
            _ => None,
        }
    }
}

/// How long subscriptions and publications may last, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// That ask for no time.
    pub usual: u32,
    /// At least; who asks for less gets 423.
    pub least: u32,
    /// At most; who asks for more gets this.
    pub most: u32,
}

impl Terms {
    /// How long it lasts; zero ends it at once (RFC 6665 §4.2.1.1, RFC 3903 §6).
    ///
    /// # Errors
    /// 423.
    pub fn grant(&self, wanted: Option<u32>) -> Result<u32, Refused> {
        match wanted.unwrap_or(self.usual) {
            0 => Ok(0),
            wanted if wanted < self.least => Err(Refused::TooBrief(self.least)),
            wanted => Ok(wanted.min(self.most)),
        }
    }
}

/// What a SUBSCRIBE asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish {
    /// The package.
    pub package: Package,
    /// The value of Event, for the NOTIFYs.
    pub event: Box<[u8]>,
    /// Seconds, where it says.
    pub expires: Option<u32>,
    /// Whether it takes lists (RFC 4662 §4.2).
    pub lists: bool,
}

impl Wish {
    /// Reads a SUBSCRIBE.
    ///
    /// # Errors
    /// 489, 406 or 400.
    pub fn read(request: &Message) -> Result<Self, Refused> {
        let (package, event) = package(request)?;
        // Who says so understands RLMI and its multipart bodies (RFC 4662 §4.5), whether Accept names them or not.
        let lists = request.list(Name::Supported).any(|tag| tag.eq_ignore_ascii_case(b"eventlist"));
        if !accepts(request, package.media_type()) {
            return Err(Refused::NotAccepted);
        }
        Ok(Self { package, event: event.into(), expires: expires(request)?, lists })
    }
}

/// The package that Event names, and the whole value.
fn package(request: &Message) -> Result<(Package, &[u8]), Refused> {
    let mut values = others(request, b"event", b"o");
    let (value, more) = (values.next().ok_or(Refused::BadEvent)?, values.next());
    if more.is_some() {
        return Err(Refused::Bad("More Than One Event"));
    }
    let name = trim(value.split(|octet| *octet == b';').next().unwrap_or(b""));
    let known = Package::ALL.into_iter().find(|one| one.name().as_bytes() == name);
    Ok((known.ok_or(Refused::BadEvent)?, trim(value)))
}

/// Whether Accept names a media type, or there is none.
fn accepts(request: &Message, kind: &str) -> bool {
    let mut any = false;
    let group = kind.split('/').next().unwrap_or("");
    for value in others(request, b"accept", b"").flat_map(split_commas) {
        any = true;
        let range = trim(value.split(|octet| *octet == b';').next().unwrap_or(b""));
        let all = range == b"*/*" || range.strip_suffix(b"/*").is_some_and(|one| one == group.as_bytes());
        if all || range.eq_ignore_ascii_case(kind.as_bytes()) {
            return true;
        }
    }
    !any
}

fn expires(request: &Message) -> Result<Option<u32>, Refused> {
    let Some(value) = request.first(Name::Expires) else { return Ok(None) };
    // What no number of 32 bits holds is as long as can be (RFC 3261 §20.19).
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if !digits {
        return Err(Refused::Bad("Bad Expires"));
    }
    Ok(Some(number(value).unwrap_or(u32::MAX)))
}

/// The values of a header that no [`Name`] stands for, by its name in lower case and its compact form.
pub(super) fn others<'a>(
    request: &'a Message,
    name: &'static [u8],
    short: &'static [u8],
) -> impl Iterator<Item = &'a [u8]> {
    let fields = request.fields().filter(|field| field.name == Name::Other);
    let named = fields.filter(move |field| {
        let written = request.written_name(field);
        written.eq_ignore_ascii_case(name) || !short.is_empty() && written.eq_ignore_ascii_case(short)
    });
    named.map(|field| request.value(field))
}
