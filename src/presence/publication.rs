//! One publication of ours at a presence server, as a machine (RFC 3903 §4): what is to be told and answers in, requests out.
//!
//! At most one request of a publication is under way, and a publication is never kept alive for a state that is over: what
//! the server holds ends by itself at the latest when the last request that it took said so.

use crate::sip::{
    Message, Name,
    text::{is_token, number},
};

/// No publication is asked for longer, whatever a server says.
const LONGEST: u32 = 24 * 60 * 60;
/// A tag that is longer than this, or no token, is not taken up (T31).
const LONGEST_TAG: usize = 512;
/// Failures of one publication wait so long for the next try, and no longer than that, in milliseconds.
const FIRST_RETRY: u64 = 1_000;
const LONGEST_RETRY: u64 = 10 * 60 * 1_000;
/// A Retry-After counts up to an hour.
const LONGEST_PENALTY: u32 = 3_600;

/// The mark of no document.
const UNKNOWN: u64 = 0;

/// What a publication needs to know of its server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// How long a publication shall last, in seconds.
    pub expires: u32,
    /// The shortest time between two changes, in milliseconds.
    pub gap: u64,
}

/// A PUBLISH to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// `SIP-If-Match`.
    pub tag: Option<Box<str>>,
    /// `Expires`, in seconds; 0 ends the publication.
    pub expires: u32,
    /// Whether the document goes along.
    pub body: bool,
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// 2xx: the entity tag, where it is one that can be used, and the seconds granted.
    Taken(Option<Box<str>>, Option<u32>),
    /// 412: nothing of that tag is known.
    Stale,
    /// 423, and the shortest time that is taken.
    Brief(Option<u32>),
    /// 5xx: the server is not well. Seconds to leave it alone, where it says so.
    Ill(Option<u32>),
    /// The server does not take anything now, and has forgotten nothing. Seconds to leave it alone, where it says so.
    Later(Option<u32>),
    /// 401 or 407 that the login does not answer: it would be the same for everybody.
    Unproved,
    /// No answer; nobody knows whether it was taken.
    Silent,
    /// Anything else: this publication is not wanted. Seconds to wait, where it says so.
    Refused(Option<u32>),
}

impl Answer {
    /// The final answer to a PUBLISH: the code, with the message where one came.
    pub fn read(code: u16, message: Option<&Message>) -> Self {
        let Some(message) = message else { return Self::Silent };
        let other = |name: &[u8]| {
            let mut fields = message.fields();
            let found = fields.find(|field| message.written_name(field).eq_ignore_ascii_case(name));
            found.map(|field| message.value(field))
        };
        let after = || message.first(Name::RetryAfter).and_then(leading_number);
        match code {
            200..300 => {
                let usable = |tag: &&[u8]| {
                    (1..=LONGEST_TAG).contains(&tag.len()) && tag.iter().all(|octet| is_token(*octet))
                };
                let tag = other(b"sip-etag").filter(usable).map(|tag| String::from_utf8_lossy(tag).into());
                Self::Taken(tag, message.first(Name::Expires).and_then(number))
            }
            401 | 407 => Self::Unproved,
            412 => Self::Stale,
            423 => Self::Brief(other(b"min-expires").and_then(number)),
            408 => Self::Silent,
            // RFC 3261 §21.5.4: it says when it will serve again, and has forgotten nothing until then.
            503 if after().is_some() => Self::Later(after()),
            500..600 => Self::Ill(after()),
            _ => Self::Refused(after()),
        }
    }
}

/// The number that a value begins with: `18 (busy);duration=3`.
pub fn leading_number(value: &[u8]) -> Option<u32> {
    number(&value[..value.iter().position(|octet| !octet.is_ascii_digit()).unwrap_or(value.len())])
}

/// What to do now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Send this, and tell [`Publication::answered`] what came of it.
    Send(Request),
    /// Look again then, in milliseconds; `None`: when something changes.
    Wait(Option<u64>),
}

/// What the server holds, as far as its last answer says.
#[derive(Clone, Debug)]
struct Held {
    tag: Option<Box<str>>,
    mark: u64,
    /// When it is to be prolonged, and when it ends.
    refresh: u64,
    ends: u64,
    /// The server may have lost it.
    doubted: bool,
}

/// What is under way.
#[derive(Clone, Debug)]
struct Sent {
    mark: Option<u64>,
    expires: u32,
    tagged: bool,
    at: u64,
}

/// The publication of one user's documents of one package. Times are milliseconds of any clock that only runs forward.
#[derive(Clone, Debug, Default)]
pub struct Publication {
    /// What is to be published, as a number that tells documents apart; `None`: nothing.
    wanted: Option<u64>,
    held: Option<Held>,
    sent: Option<Sent>,
    /// The shortest time that the server takes, where it has said so.
    least: u32,
    raised: bool,
    failures: u32,
    /// No change goes out before that for the sake of the gap, and nothing at all for that of failures.
    gap_ends: u64,
    not_before: u64,
}

impl Publication {
    /// From now on that document is to be published; `None`: nothing. The mark is not zero.
    pub fn wants(&mut self, mark: Option<u64>) {
        self.wanted = mark;
    }

    /// The server holds something that a run before has published: nobody knows what it says.
    pub fn restore(&mut self, tag: &str, ends: u64) {
        self.held = Some(Held { tag: Some(tag.into()), mark: UNKNOWN, refresh: 0, ends, doubted: true });
    }

    /// The entity tag that the server knows it by, and when it ends there.
    pub fn kept(&self) -> Option<(&str, u64)> {
        self.held.as_ref().and_then(|held| Some((held.tag.as_deref()?, held.ends)))
    }

    /// The server may have lost it: it is prolonged at the next chance.
    pub fn doubt(&mut self) {
        if let Some(held) = &mut self.held {
            held.doubted = true;
        }
    }

    /// The server has come back: what failed need not wait any longer.
    pub fn forgive(&mut self) {
        (self.failures, self.not_before) = (0, 0);
    }

    /// It is to be taken back, and there is little time.
    pub fn ends(&mut self) {
        self.wanted = None;
        self.gap_ends = 0;
        self.forgive();
    }

    /// Whether the server holds the present state, as far as is known.
    pub fn is_settled(&self) -> bool {
        self.sent.is_none() && self.held.as_ref().map(|held| held.mark) == self.wanted
    }

    /// Whether the server holds anything, as far as is known.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// What to do now; a request that it returns counts as sent.
    pub fn step(&mut self, terms: &Terms, now: u64) -> Step {
        if self.sent.is_some() {
            return Step::Wait(None);
        }
        if self.held.as_ref().is_some_and(|held| held.ends <= now) {
            self.held = None;
        }
        let due = match (&self.held, self.wanted) {
            (None, None) => return Step::Wait(None),
            (None, Some(_)) | (Some(_), None) => self.gap_ends,
            (Some(held), Some(wanted)) => {
                // However long the gap is, nothing ends because of it.
                let gap_ends = self.gap_ends.min(held.refresh);
                if held.doubted || held.mark != wanted { gap_ends } else { held.refresh }
            }
        };
        let due = due.max(self.not_before);
        if due > now {
            return Step::Wait(Some(due));
        }
        let held = self.held.as_ref();
        let tag = held.and_then(|held| held.tag.clone());
        if self.wanted.is_none() && tag.is_none() {
            // Nothing can end it but its time.
            self.held = None;
            return Step::Wait(None);
        }
        let same = tag.is_some() && held.map(|held| held.mark) == self.wanted;
        let expires = if self.wanted.is_some() { terms.expires.max(self.least).min(LONGEST) } else { 0 };
        self.sent = Some(Sent { mark: self.wanted, expires, tagged: tag.is_some(), at: now });
        Step::Send(Request { tag, expires, body: self.wanted.is_some() && !same })
    }

    /// The answer to what was sent. `random` is any number.
    pub fn answered(&mut self, answer: Answer, terms: &Terms, now: u64, random: u32) {
        let Some(sent) = self.sent.take() else { return };
        let again = std::mem::take(&mut self.raised);
        match answer {
            Answer::Taken(tag, granted) => {
                (self.failures, self.not_before) = (0, 0);
                self.gap_ends = sent.at.saturating_add(terms.gap);
                // It counts from when it was sent: the server cannot hold it for less than that.
                let lasts = 1_000 * u64::from(granted.unwrap_or(sent.expires).min(sent.expires));
                self.held = sent.mark.filter(|_| lasts > 0).map(|mark| Held {
                    tag,
                    mark,
                    refresh: now.max(sent.at + early(lasts, random)),
                    ends: sent.at + lasts,
                    doubted: false,
                });
                if sent.mark.is_some() && lasts == 0 {
                    self.fail(None, now, random);
                }
            }
            // §4.1: whoever hears 412 begins anew. A server that has lost its tags may say 500 as well.
            Answer::Stale | Answer::Ill(_) if sent.tagged => self.held = None,
            Answer::Brief(Some(least))
                if !again && sent.expires > 0 && (sent.expires + 1..=LONGEST).contains(&least) =>
            {
                (self.least, self.raised) = (least, true);
            }
            // It may have been taken or not: with the same tag the server will say.
            Answer::Silent => self.not_before = now.saturating_add(FIRST_RETRY),
            // What it holds it holds until its end, and it is known there by its tag.
            Answer::Ill(after) | Answer::Later(after) | Answer::Refused(after) => {
                self.fail(after, now, random)
            }
            Answer::Stale | Answer::Brief(_) | Answer::Unproved => self.fail(None, now, random),
        }
    }

    fn fail(&mut self, after: Option<u32>, now: u64, random: u32) {
        let doubled = FIRST_RETRY.saturating_mul(1 << self.failures.min(16)).min(LONGEST_RETRY);
        self.failures += 1;
        // Between half of it and all, so that a crowd does not come back as one.
        let wait = doubled / 2 + part(doubled / 2, random);
        let asked = 1_000 * u64::from(after.unwrap_or(0).min(LONGEST_PENALTY));
        self.not_before = now.saturating_add(wait.max(asked));
    }
}

/// When what lasts so long is prolonged: half-way through where that is short, ten minutes before its end where it is long,
/// and up to a tenth earlier.
pub(super) fn early(lasts: u64, random: u32) -> u64 {
    const LONG: u64 = 1_200_000;
    let latest = if lasts > LONG { lasts - LONG / 2 } else { lasts / 2 };
    latest - part(latest / 10, random)
}

/// That part of it which `random` is of its largest.
pub(super) fn part(of: u64, random: u32) -> u64 {
    (u128::from(of) * u128::from(random) / u128::from(u32::MAX)) as u64
}
