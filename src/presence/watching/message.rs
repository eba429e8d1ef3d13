//! Answers to SUBSCRIBE, and NOTIFYs.

use crate::{
    presence::{
        publication::leading_number,
        subscription::{Package, others},
    },
    sip::{
        Message, Name,
        text::{number, param, trim},
    },
};

/// A tag or boundary that is longer is nobody's (T31).
const LONGEST: usize = 512;
/// The largest body that is looked at, in octets.
pub const LARGEST: usize = 1 << 20;

/// What came of a SUBSCRIBE.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// 2xx, and the seconds granted.
    Taken(Option<u32>),
    /// 481: nothing of that dialog is known.
    Gone,
    /// 423, and the shortest time that is taken.
    Brief(Option<u32>),
    /// 401 or 407 that the login does not answer.
    Unproved,
    /// 403, 603: not for us.
    Denied,
    /// 404, 410, 604: there is no such resource.
    NotFound,
    /// 400, 405, 406, 415, 420, 421, 489 and 501: it is not understood; where a list was asked for, lists are not.
    Unknown(u16),
    /// 503: the server is not well; seconds to leave it alone, where it says so.
    Ill(Option<u32>),
    /// Any other 5xx: this request did not work out; seconds to wait with it, where it says so (RFC 3261 §21.5.1).
    Failed(Option<u32>),
    /// No answer.
    Silent,
    /// Anything else; seconds to wait, where it says so.
    Refused(u16, Option<u32>),
}

impl Answer {
    /// The final answer to a SUBSCRIBE: the code, with the message where one came.
    pub fn read(code: u16, message: Option<&Message>) -> Self {
        let Some(message) = message else { return Self::Silent };
        let after = || message.first(Name::RetryAfter).and_then(leading_number);
        match code {
            200..300 => Self::Taken(message.first(Name::Expires).and_then(number)),
            481 => Self::Gone,
            423 => Self::Brief(others(message, b"min-expires", b"").next().and_then(number)),
            401 | 407 => Self::Unproved,
            403 | 603 => Self::Denied,
            404 | 410 | 604 => Self::NotFound,
            400 | 405 | 406 | 415 | 420 | 421 | 489 | 501 => Self::Unknown(code),
            408 => Self::Silent,
            503 => Self::Ill(after()),
            500..600 => Self::Failed(after()),
            _ => Self::Refused(code, after()),
        }
    }
}

/// What Subscription-State says (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It goes on, for so many seconds where it says so; `pending` waits for somebody's consent.
    Active(Option<u32>),
    /// It is over, and what to do; seconds to wait, where it says so.
    Over(Reason, Option<u32>),
}

/// Why a subscription is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// It may begin again at once.
    Deactivated,
    /// Its time was up: it may begin again at once.
    Timeout,
    /// Not now, but later.
    Probation,
    /// Nobody has consented in time: later.
    GiveUp,
    /// Nobody will: not again by itself.
    Rejected,
    /// There is no such resource, or its state will never change: not again by itself.
    NoResource,
    /// None or an unknown one: it may begin again at any time.
    Other,
}

/// A NOTIFY inside a dialog.
#[derive(Clone, Debug)]
pub struct Notice<'m> {
    /// The whole of it.
    pub message: &'m Message,
    /// The other side's tag.
    pub tag: &'m [u8],
    /// Its CSeq number.
    pub sequence: u32,
    /// What becomes of the subscription.
    pub standing: Standing,
}

impl<'m> Notice<'m> {
    /// Reads a NOTIFY of a package.
    ///
    /// # Errors
    /// The code to answer: 489 for another package, 400 where it cannot be read.
    pub fn read(message: &'m Message, package: Package) -> Result<Self, u16> {
        let mut events = others(message, b"event", b"o");
        let event = events.next().ok_or(489_u16)?;
        let name = trim(event.split(|octet| *octet == b';').next().unwrap_or(b""));
        if events.next().is_some() || !name.eq_ignore_ascii_case(package.name().as_bytes()) {
            return Err(489);
        }
        let tag = message.from().and_then(|from| from.tag()).ok_or(400_u16)?;
        if tag.is_empty() || tag.len() > LONGEST {
            return Err(400);
        }
        let sequence = message.cseq().ok_or(400_u16)?.0;
        let standing = others(message, b"subscription-state", b"").next();
        Ok(Self { message, tag, sequence, standing: standing.map_or(Standing::Active(None), standing_of) })
    }

    /// Media type and body, where there is one that can be read.
    pub fn body(&self) -> Option<(&'m [u8], bytes::Bytes)> {
        let kind = self.message.first(Name::ContentType)?;
        let packed = self.message.first(Name::ContentEncoding);
        let plain = packed.is_none_or(|one| one.eq_ignore_ascii_case(b"identity"));
        (self.message.has_body() && plain && self.message.body_length() <= LARGEST)
            .then(|| (kind, self.message.body()))
    }
}

fn standing_of(value: &[u8]) -> Standing {
    let (state, tail) = match value.iter().position(|octet| *octet == b';') {
        Some(at) => value.split_at(at),
        None => (value, &b""[..]),
    };
    let seconds = |name: &str| param(tail, name).and_then(number);
    if !trim(state).eq_ignore_ascii_case(b"terminated") {
        return Standing::Active(seconds("expires"));
    }
    let is =
        |reason: &str| param(tail, "reason").is_some_and(|said| said.eq_ignore_ascii_case(reason.as_bytes()));
    let reason = match () {
        () if is("deactivated") => Reason::Deactivated,
        () if is("timeout") => Reason::Timeout,
        () if is("probation") => Reason::Probation,
        () if is("giveup") => Reason::GiveUp,
        () if is("rejected") => Reason::Rejected,
        () if is("noresource") || is("invariant") => Reason::NoResource,
        () => Reason::Other,
    };
    Standing::Over(reason, seconds("retry-after"))
}
