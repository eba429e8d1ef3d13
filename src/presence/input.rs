//! The four inputs of a user, kept apart (R54): what the user says, the telephone, the calendar, the devices.
//!
//! Nothing sticks: each entry has a source, the version it came with and an end. What Ringpost itself knows ([`Own`]) has
//! none, since it is read again whenever it changes. Versions only grow, also over a restart: they start at the time.

use std::sync::Arc;

use super::state::{Call, Standard};

/// From which kind of source something is known. The later ones win where they conflict (R114).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A publication of an endpoint.
    Endpoint,
    /// A server or PBX by SIP events.
    Sip,
    /// Remote call control.
    Cti,
    /// Ringpost's own calls, and what it does with calls.
    Own,
}

/// Who says something.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Source {
    /// Its kind.
    pub kind: Kind,
    /// Its name: a connector, or an entity tag.
    pub name: Arc<str>,
    /// Whether it wins over others of its kind (R108).
    pub preferred: bool,
}

impl Source {
    /// One that is not preferred.
    pub fn new(kind: Kind, name: &str) -> Self {
        Self { kind, name: name.into(), preferred: false }
    }

    fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name
    }
}

/// What the user says: a state, in the user's own words or standard ones, and a note (R81, R117).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Manual {
    /// `None`: whatever the other inputs say.
    pub state: Option<Standard>,
    /// The user's own name for it.
    pub custom: Option<Arc<str>>,
    /// The note.
    pub note: Option<Arc<str>>,
}

/// Where calls go instead (R110).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Forward {
    /// To voice mail.
    VoiceMail,
    /// To that number.
    Number(Arc<str>),
}

/// What a telephone does. `None`: that source does not know.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Phone {
    /// Its calls.
    pub calls: Vec<Call>,
    /// In a call that nobody tells more of.
    pub busy: bool,
    /// More than two talk in one of its calls.
    pub conference: bool,
    /// Whether it wants no calls.
    pub do_not_disturb: Option<bool>,
    /// Where they go instead; `Some(None)`: nowhere else.
    pub forward: Option<Option<Forward>>,
    /// Whether it can be reached at all.
    pub reachable: Option<bool>,
}

/// What lies in a calendar.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Calendar {
    /// In any order; they may overlap.
    pub slots: Vec<Slot>,
}

/// A stretch of a calendar.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Slot {
    /// Its first second.
    pub from: u64,
    /// The first second after it.
    pub until: u64,
    /// What it is.
    pub kind: SlotKind,
    /// What about.
    pub subject: Option<Arc<str>>,
    /// Where.
    pub location: Option<Arc<str>>,
}

/// R17, R82.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SlotKind {
    /// Busy.
    Appointment,
    /// Busy, in a meeting.
    Meeting,
    /// Away.
    OutOfOffice,
}

/// An endpoint of the user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Device {
    /// Whether it takes anything; `false` tells no more than its being there.
    pub open: bool,
    /// When it was last touched; `None`: it does not say, and counts as in use.
    pub touched: Option<u64>,
}

/// One entry of an input.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// Who says it.
    pub source: Source,
    /// The version of the whole with which it came.
    pub version: u64,
    /// The first second in which it does not count any more.
    pub ends: u64,
    /// What.
    pub said: T,
}

/// What Ringpost itself knows, and does with calls.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Own {
    /// The user has a number (R103).
    pub has_number: bool,
    /// The user has an address (R103).
    pub has_address: bool,
    /// A device is registered, or rings without.
    pub reachable: bool,
    /// Calls are not put through.
    pub do_not_disturb: bool,
    /// Where they go instead.
    pub forward: Option<Forward>,
}

/// All that is known of one user.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    version: u64,
    /// What Ringpost knows.
    pub own: Own,
    /// What the user says.
    pub user: Vec<Entry<Manual>>,
    /// What telephones do.
    pub phone: Vec<Entry<Phone>>,
    /// Calendars.
    pub calendar: Vec<Entry<Calendar>>,
    /// Endpoints.
    pub device: Vec<Entry<Device>>,
}

impl Inputs {
    /// Empty ones; versions start above those of any run before, if fewer than a thousand came in a second.
    pub fn new(now_ms: u64) -> Self {
        Self { version: now_ms, ..Self::default() }
    }

    /// The same with what Ringpost itself knows.
    pub fn owning(self, own: Own) -> Self {
        Self { own, ..self }
    }

    /// The latest version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Counts one more change.
    pub fn changed(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Takes what a source says of all inputs; what it does not say any more is gone.
    pub fn put(&mut self, source: &Source, said: Said, ends: u64) {
        let version = self.changed();
        place(&mut self.user, source, version, ends, said.user);
        place(&mut self.phone, source, version, ends, said.phone);
        place(&mut self.calendar, source, version, ends, said.calendar);
        place(&mut self.device, source, version, ends, said.device);
    }

    /// A source says the same for longer.
    pub fn prolong(&mut self, source: &Source, ends: u64) {
        self.each(|of, end| {
            if of.is(source) {
                *end = ends;
            }
        });
    }

    /// A source says nothing any more.
    pub fn remove(&mut self, source: &Source) {
        self.put(source, Said::default(), 0);
    }

    /// Whether a source says anything.
    pub fn hears(&self, source: &Source) -> bool {
        self.user.iter().any(|entry| entry.source.is(source))
            || self.phone.iter().any(|entry| entry.source.is(source))
            || self.calendar.iter().any(|entry| entry.source.is(source))
            || self.device.iter().any(|entry| entry.source.is(source))
    }

    /// One call of one source is so far now; `None`: it is over. Other things that source says stay.
    pub fn call(&mut self, source: &Source, id: &str, call: Option<Call>, ends: u64) {
        let version = self.changed();
        let at = self.phone.iter().position(|entry| entry.source.is(source));
        let at = at.unwrap_or_else(|| {
            let said = Phone::default();
            self.phone.push(Entry { source: source.clone(), version, ends, said });
            self.phone.len() - 1
        });
        let entry = &mut self.phone[at];
        entry.version = version;
        entry.ends = entry.ends.max(ends);
        let calls = &mut entry.said.calls;
        let known = calls.iter().position(|one| &*one.id == id);
        match (known, call) {
            (Some(at), Some(call)) => calls[at] = call,
            (None, Some(call)) => calls.push(call),
            (Some(at), None) => drop(calls.remove(at)),
            (None, None) => {}
        }
        if entry.said == Phone::default() {
            self.phone.remove(at);
        }
    }

    /// The endpoints have gone, and what they have said with them (R21).
    pub fn signed_out(&mut self) {
        self.changed();
        let stays = |source: &Source| source.kind != Kind::Endpoint;
        self.user.retain(|entry| stays(&entry.source));
        self.phone.retain(|entry| stays(&entry.source));
        self.calendar.retain(|entry| stays(&entry.source));
        self.device.retain(|entry| stays(&entry.source));
    }

    /// Takes out what has ended; whether there was any.
    pub fn expire(&mut self, now: u64) -> bool {
        let mut ended = false;
        self.each(|_, end| ended |= *end <= now);
        if ended {
            self.changed();
            self.user.retain(|entry| entry.ends > now);
            self.phone.retain(|entry| entry.ends > now);
            self.calendar.retain(|entry| entry.ends > now);
            self.device.retain(|entry| entry.ends > now);
        }
        ended
    }

    /// Whether only Ringpost itself knows anything.
    pub fn is_bare(&self) -> bool {
        self.user.is_empty() && self.phone.is_empty() && self.calendar.is_empty() && self.device.is_empty()
    }

    fn each(&mut self, mut what: impl FnMut(&Source, &mut u64)) {
        self.user.iter_mut().for_each(|entry| what(&entry.source, &mut entry.ends));
        self.phone.iter_mut().for_each(|entry| what(&entry.source, &mut entry.ends));
        self.calendar.iter_mut().for_each(|entry| what(&entry.source, &mut entry.ends));
        self.device.iter_mut().for_each(|entry| what(&entry.source, &mut entry.ends));
    }
}

/// What one source says of all inputs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Said {
    /// What the user says by it.
    pub user: Option<Manual>,
    /// A telephone.
    pub phone: Option<Phone>,
    /// A calendar.
    pub calendar: Option<Calendar>,
    /// A device.
    pub device: Option<Device>,
}

fn place<T>(input: &mut Vec<Entry<T>>, source: &Source, version: u64, ends: u64, said: Option<T>) {
    let known = input.iter().position(|entry| entry.source.is(source));
    match (known, said) {
        (Some(at), Some(said)) => input[at] = Entry { source: source.clone(), version, ends, said },
        (None, Some(said)) => input.push(Entry { source: source.clone(), version, ends, said }),
        (Some(at), None) => drop(input.remove(at)),
        (None, None) => {}
    }
}
