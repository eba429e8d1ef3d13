//! SUBSCRIBE, NOTIFY (RFC 6665) and PUBLISH (RFC 3903), as far as they can be decided without a socket.

use serde::{Deserialize, Serialize};

use super::{dialog_info, pidf, rlmi, summary};
use crate::{
    settings::Transport,
    sip::{
        Message, Name,
        build::Draft,
        dialog::Dialog,
        name::Name as Field,
        text::{number, split_commas, trim},
        uri::NameAddr,
    },
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
        let lists = request.list(Name::Supported).any(|tag| tag.eq_ignore_ascii_case(b"eventlist"))
            && (accepts(request, rlmi::TYPE, false) && accepts(request, "multipart/related", false));
        if !accepts(request, package.media_type(), true) {
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

/// Whether Accept names a media type; `without`: what no Accept at all means.
fn accepts(request: &Message, kind: &str, without: bool) -> bool {
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
    !any && without
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
fn others<'a>(
    request: &'a Message,
    name: &'static [u8],
    short: &'static [u8],
) -> impl Iterator<Item = &'a [u8]> {
    let fields = request.fields().filter(|field| field.name == Field::Other);
    let named = fields.filter(move |field| {
        let written = request.written_name(field);
        written.eq_ignore_ascii_case(name) || !short.is_empty() && written.eq_ignore_ascii_case(short)
    });
    named.map(|field| request.value(field))
}

/// What a PUBLISH asks for (RFC 3903 §6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publish {
    /// The package.
    pub package: Package,
    /// The entity tag of the publication that it means; `None`: a new one.
    pub tag: Option<String>,
    /// Seconds, where it says.
    pub expires: Option<u32>,
    /// Whether it brings a document; without one it prolongs or removes.
    pub has_body: bool,
}

impl Publish {
    /// Entity tags of others are no longer than ours (T31).
    const LONGEST: usize = 64;

    /// Reads a PUBLISH.
    ///
    /// # Errors
    /// 489, 415, 412 or 400.
    pub fn read(request: &Message) -> Result<Self, Refused> {
        let (package, _) = package(request)?;
        if package == Package::MessageSummary {
            return Err(Refused::BadEvent);
        }
        let mut tags = others(request, b"sip-if-match", b"");
        let tag = tags.next().map(trim);
        if tags.next().is_some() {
            return Err(Refused::Bad("More Than One SIP-If-Match"));
        }
        let tag = match tag {
            Some(tag) if tag.is_empty() || tag.len() > Self::LONGEST => return Err(Refused::NoPublication),
            Some(tag) => Some(String::from_utf8_lossy(tag).into_owned()),
            None => None,
        };
        let (has_body, expires) = (request.has_body(), expires(request)?);
        if has_body {
            let kind = request.first(Name::ContentType).unwrap_or(b"");
            let kind = trim(kind.split(|octet| *octet == b';').next().unwrap_or(b""));
            let packed = request
                .first(Name::ContentEncoding)
                .is_some_and(|one| !one.eq_ignore_ascii_case(b"identity"));
            if packed || !kind.eq_ignore_ascii_case(package.media_type().as_bytes()) {
                return Err(Refused::MediaType(package));
            }
        } else if tag.is_none() {
            return Err(Refused::Bad("No Publication And No Body"));
        }
        Ok(Self { package, tag, expires, has_body })
    }
}

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
