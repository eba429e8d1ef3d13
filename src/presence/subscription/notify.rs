//! NOTIFY: the dialog of a subscription, when the next one goes, and what its answer means.

use serde::{Deserialize, Serialize};

use crate::{
    settings::Transport,
    sip::{Message, Name, build::Draft, dialog::Dialog, uri::NameAddr},
};

/// What Subscription-State says (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Goes on for so many seconds.
    Active(u32),
    /// Over: its time is up, or it was asked for once.
    Timeout,
    /// Over: the watcher may not see it any more.
    Rejected,
    /// Over: there is no such user any more.
    NoResource,
    /// Over, and may begin again at once.
    Deactivated,
}

impl State {
    /// Whether it is the last.
    pub fn is_last(self) -> bool {
        !matches!(self, Self::Active(_))
    }

    /// The value of the header.
    pub fn value(self) -> String {
        match self {
            Self::Active(expires) => format!("active;expires={expires}"),
            Self::Timeout => "terminated;reason=timeout".to_owned(),
            Self::Rejected => "terminated;reason=rejected".to_owned(),
            Self::NoResource => "terminated;reason=noresource".to_owned(),
            Self::Deactivated => "terminated;reason=deactivated".to_owned(),
        }
    }
}

/// The dialog of a subscription, ready to be sent: all lines of its NOTIFYs that never change, in one piece.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Track {
    lines: Box<str>,
    /// CSeq of the latest NOTIFY, and of the latest SUBSCRIBE.
    sequence: (u32, u32),
    /// What the watcher's requests in the dialog have: a hash of Call-ID and remote tag.
    mark: u64,
}

impl Track {
    /// That of a SUBSCRIBE outside any dialog, or with a new Contact. `contact` is our Contact, `tag` our tag.
    /// `None` where it cannot be called back, or is not UTF-8.
    pub fn of(request: &Message, tag: &[u8], contact: &[u8], event: &[u8]) -> Option<Self> {
        let dialog = Dialog::uas(request, tag)?;
        let mut draft = dialog.head(b"NOTIFY");
        draft.header("Max-Forwards", &[b"70"]).header("Contact", &[contact]).header("Event", &[event]);
        let lines = String::from_utf8(draft.written()).ok()?.into_boxed_str();
        Some(Self { lines, sequence: (0, request.cseq()?.0), mark: mark(request) })
    }

    /// Whether a request inside a dialog, whose To tag is ours, belongs to it.
    pub fn owns(&self, request: &Message) -> bool {
        mark(request) == self.mark
    }

    /// What names the request that it came of, to tell another copy of it (RFC 3261 §8.2.2.2).
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// The CSeq of the latest SUBSCRIBE.
    pub fn remote_sequence(&self) -> u32 {
        self.sequence.1
    }

    /// Takes a refresh: its CSeq and, where it names one, the new Contact. False: overtaken by a later one.
    pub fn refresh(&mut self, request: &Message, contact: &[u8], event: &[u8]) -> bool {
        let Some((sequence, _)) = request.cseq() else { return false };
        if sequence <= self.sequence.1 {
            return false;
        }
        self.sequence.1 = sequence;
        // Routes are those of the first request (§12.2.1.1); a refresh by another way has them again, or is the same.
        if request.count(Name::Contact) > 0
            && (request.count(Name::RecordRoute) > 0) == self.lines.contains("\r\nRoute: ")
            && let Some(new) = Self::of(request, b"", contact, event)
        {
            self.lines = new.lines;
        }
        true
    }

    /// Its first line and those that never change.
    pub fn lines(&self) -> &str {
        &self.lines
    }

    /// The next CSeq number; versions of documents are one less.
    pub fn count(&mut self) -> u32 {
        self.sequence.0 = self.sequence.0.wrapping_add(1) & 0x7fff_ffff;
        self.sequence.0
    }

    /// After a restart: NOTIFYs that were sent since this was written must not be overtaken, `elapsed` seconds ago.
    pub fn leap(&mut self, elapsed: u64) {
        let leap = u32::try_from(elapsed.saturating_mul(20)).unwrap_or(u32::MAX >> 4).min(u32::MAX >> 4);
        self.sequence.0 = (self.sequence.0 + 100 + leap) & 0x7fff_ffff;
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &[u8] {
        self.field("Call-ID: ").as_bytes()
    }

    /// The URI that its NOTIFYs are sent to: the first route, else the target.
    pub fn next_hop(&self) -> &[u8] {
        let target = || self.lines.split(' ').nth(1).unwrap_or("").as_bytes();
        match NameAddr::read(self.field("Route: ").as_bytes()) {
            Some(route) if !route.uri.is_empty() => route.uri,
            _ => target(),
        }
    }

    fn field(&self, name: &str) -> &str {
        self.lines.split("\r\n").find_map(|line| line.strip_prefix(name)).unwrap_or("")
    }

    /// Octets on the heap.
    pub fn size(&self) -> usize {
        self.lines.len()
    }
}

/// FNV-1a over Call-ID and From tag.
fn mark(request: &Message) -> u64 {
    let tag = request.from().and_then(|from| from.tag()).unwrap_or(b"");
    let octets = request.call_id().iter().chain(b"\n").chain(tag);
    octets
        .fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3))
}

/// Finishes a NOTIFY: Via, CSeq and what is told. `document` is media type and parts of the body.
pub fn notify(
    (lines, sequence): (&str, u32),
    (transport, sent_by, branch): (Transport, &[u8], &[&[u8]]),
    state: State,
    document: Option<(&str, &[&[u8]])>,
    headers: &[u8],
) -> bytes::Bytes {
    let mut draft = Draft::begun(lines.as_bytes());
    draft.via(transport, sent_by, branch);
    let mut digits = [0; 10];
    draft.header("CSeq", &[decimal(&mut digits, sequence), b" NOTIFY"]);
    match state {
        State::Active(expires) => {
            draft.header("Subscription-State", &[b"active;expires=", decimal(&mut digits, expires)]);
        }
        over => {
            draft.header("Subscription-State", &[over.value().as_bytes()]);
        }
    }
    draft.lines(headers);
    match document {
        Some((kind, parts)) => {
            draft.header("Content-Type", &[kind.as_bytes()]);
            draft.bodies(parts)
        }
        None => draft.empty(),
    }
}

/// A number's digits, without the heap.
pub fn decimal(digits: &mut [u8; 10], number: u32) -> &[u8] {
    let (mut at, mut left) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return &digits[at..];
        }
    }
}

/// Over how many milliseconds the NOTIFYs of so many subscriptions are spread after a restart: as long as was asked for, or longer
/// where more than 5,000 would go in a second.
pub fn spread(within: u64, count: usize) -> u64 {
    within.max(count as u64 / 5).max(1)
}

/// When a subscription's NOTIFYs go: one at a time, so that none overtakes another, and not more often than the site allows.
/// What changes meanwhile is told by the next. Times are milliseconds of one clock.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pace {
    under_way: bool,
    due: bool,
    not_before: u64,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Send a NOTIFY now.
    Send,
    /// Ask again then.
    Wait(u64),
    /// Something that will happen takes care of it.
    Nothing,
}

impl Pace {
    /// There is something to tell.
    pub fn changed(&mut self, now: u64) -> Step {
        let waits = std::mem::replace(&mut self.due, true) && !self.under_way && now < self.not_before;
        if waits { Step::Nothing } else { self.look(now) }
    }

    /// Time has passed.
    pub fn look(&self, now: u64) -> Step {
        match self {
            Self { due: false, .. } | Self { under_way: true, .. } => Step::Nothing,
            Self { not_before, .. } if now < *not_before => Step::Wait(*not_before),
            Self { .. } => Step::Send,
        }
    }

    /// There is nothing to tell after all.
    pub fn nothing(&mut self) {
        self.due = false;
    }

    /// A NOTIFY has gone out; the next one `gap` later at the earliest.
    pub fn sent(&mut self, now: u64, gap: u64) {
        *self = Self { under_way: true, due: false, not_before: now + gap };
    }

    /// Its answer has come.
    pub fn answered(&mut self, now: u64) -> Step {
        self.under_way = false;
        self.look(now)
    }

    /// The peer wants a pause: the state is told again then.
    pub fn rest(&mut self, until: u64) -> Step {
        *self = Self { under_way: false, due: true, not_before: until };
        Step::Wait(until)
    }
}

/// What the answer to a NOTIFY means for its subscription (RFC 6665 §4.2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It goes on.
    Stays,
    /// It goes on, with the state once more after so many seconds.
    Later(u32),
    /// It is over.
    Ends,
}

/// The fate of a subscription whose NOTIFY got that code, with the seconds of Retry-After, if any.
pub fn fate(code: u16, retry_after: Option<u32>) -> Fate {
    match (code, retry_after) {
        (200..300, _) => Fate::Stays,
        // §4.2.2: only these may come with a Retry-After that saves the subscription.
        (404 | 413 | 480 | 486 | 500 | 503 | 600 | 603, Some(seconds)) => {
            Fate::Later(seconds.clamp(1, 3_600))
        }
        _ => Fate::Ends,
    }
}
