//! The client's side: what the events of one monitored device amount to (R52).
//!
//! A gateway tells of connections; presence wants the phone's state, and whoever tells of missed calls wants to know of
//! those that have left without an answer. What is known ends with the monitor: [`Line::forget`]. Only who rang is remembered,
//! for a call that still rings when the next one begins is missed as much as any.

use std::collections::BTreeMap;

use super::{Connection, Event, Happened, Local};
use crate::call::wire::strip_visual;

/// Calls of one device that are followed; a gateway that names more is not believed.
const MOST: usize = 64;
/// How long a call may ring that a monitor has left ringing, in milliseconds; then its name may be another call's.
const LONGEST_RING: u64 = 600_000;

/// Causes of a call that somebody else has taken, and of one that rings elsewhere from now on (ECMA-269 §12.2.15); vendors add
/// words of their own.
const PICKED_UP: [&str; 4] = ["callPickup", "pickup", "answeredElsewhere", "callCompletedElsewhere"];
const SENT_ON: [&str; 9] = [
    "redirected",
    "callForward",
    "callForwardAlways",
    "callForwardImmediate",
    "callForwardBusy",
    "callForwardNoAnswer",
    "distributed",
    "overflow",
    "transfer",
];

/// A monitored device.
#[derive(Clone, Debug, Default)]
pub struct Line {
    device: String,
    calls: BTreeMap<String, Call>,
    /// Those that rang here when the monitor ended.
    rang: BTreeMap<String, Call>,
    /// Whether nobody may disturb; `None`: the gateway has not said.
    pub do_not_disturb: Option<bool>,
    /// Where calls are forwarded; `None`: nowhere, or the gateway has not said.
    pub forwarded: Option<String>,
}

/// A call of the device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// How far it is.
    pub state: State,
    /// The other side, where it is known.
    pub other: Option<String>,
    /// The device is called; else it calls.
    pub incoming: bool,
    /// More than two talk.
    pub many: bool,
    /// It is the device's own or was answered there once: whatever rings later calls back, and is not missed.
    had: bool,
    /// When it began, in the milliseconds of whoever tells the events.
    began: u64,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// The device is off the hook, or a number is dialled.
    Dialling,
    /// It rings at the device.
    RingsHere,
    /// It rings at the other end.
    RingsThere,
    /// They talk.
    Talks,
    /// It is on hold.
    Held,
    /// It could not be.
    Failed,
}

impl Call {
    /// Whether it rings here, and nobody has had it.
    fn rings(&self) -> bool {
        self.state == State::RingsHere && !self.had
    }

    fn left(self, call: String, how: How, now: u64) -> Left {
        let lasted = now.saturating_sub(self.began);
        Left { call, caller: self.other, began: self.began, lasted, how }
    }
}

/// What the phone is doing.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Phone {
    /// Nothing.
    #[default]
    Idle,
    /// It is off the hook, dials, or waits for an answer.
    Calling,
    /// It rings.
    Ringing,
    /// It is in a call, talking or on hold.
    Talking,
    /// In one with three or more.
    Conference,
}

/// A call has left the device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Left {
    /// `callID`.
    pub call: String,
    /// Who called.
    pub caller: Option<String>,
    /// When it began, in milliseconds.
    pub began: u64,
    /// For how long it was there, in milliseconds.
    pub lasted: u64,
    /// How.
    pub how: How,
}

/// How a call has left.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum How {
    /// It was answered here, or was the device's own.
    Done,
    /// It rang, and nobody answered.
    Missed,
    /// It rang, and went elsewhere.
    Diverted(Option<String>),
    /// It rang, and somebody else has taken it.
    Elsewhere,
    /// It rang, and ended while the gateway told nothing: nobody knows how.
    Unknown,
}

impl Line {
    /// A device as it was asked for: `tel:+4544890101;ext=200`.
    pub fn new(device: impl Into<String>) -> Self {
        Self { device: device.into(), ..Self::default() }
    }

    /// Its name.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Its calls, by their `callID`s.
    pub fn calls(&self) -> impl Iterator<Item = (&str, &Call)> {
        self.calls.iter().map(|(id, call)| (id.as_str(), call))
    }

    /// What the phone is doing.
    pub fn phone(&self) -> Phone {
        let phone = |call: &Call| match call.state {
            State::Talks | State::Held if call.many => Phone::Conference,
            State::Talks | State::Held => Phone::Talking,
            State::RingsHere => Phone::Ringing,
            State::Dialling | State::RingsThere => Phone::Calling,
            State::Failed => Phone::Idle,
        };
        self.calls.values().map(phone).max().unwrap_or_default()
    }

    /// The monitor has ended, so nothing is known any more.
    pub fn forget(&mut self) {
        let mut rang = std::mem::take(&mut self.rang);
        let rings = std::mem::take(&mut self.calls).into_iter().filter(|(_, call)| call.rings());
        rang.extend(rings.take(MOST.saturating_sub(rang.len())));
        *self = Self { rang, ..Self::new(std::mem::take(&mut self.device)) };
    }

    /// The calls that rang here when they were heard of last, and of which a snapshot knows nothing; `None`: the gateway makes
    /// none, so of those before the monitor began nothing will be heard.
    pub fn lacks(&mut self, snapshot: Option<&[(Connection, Local)]>, now: u64) -> Vec<Left> {
        let is_there = |id: &str| {
            let mut there = snapshot.into_iter().flatten().filter(|(_, local)| *local != Local::Null);
            there.any(|(connection, _)| connection.call == id)
        };
        let (rest, mut lacking) = std::mem::take(&mut self.rang)
            .into_iter()
            .partition(|(id, call)| is_there(id) && now.saturating_sub(call.began) <= LONGEST_RING);
        self.rang = rest;
        if snapshot.is_some() {
            let is_gone = |(id, call): &(String, Call)| call.rings() && !is_there(id);
            let (gone, rest): (BTreeMap<_, _>, _) =
                std::mem::take(&mut self.calls).into_iter().partition(is_gone);
            self.calls = rest;
            lacking.extend(gone);
        }
        lacking.into_iter().map(|(id, call)| call.left(id, How::Unknown, now)).collect()
    }

    /// Takes in what the gateway says of all connections of the device; whether it was news. Calls that are not among them
    /// have ended without a word.
    pub fn is_as(&mut self, connections: &[(Connection, Local)], now: u64) -> bool {
        let before = self.calls.clone();
        let ours: Vec<_> = connections
            .iter()
            .filter(|(connection, local)| *local != Local::Null && self.has(connection))
            .collect();
        self.calls.retain(|id, _| ours.iter().any(|(connection, _)| connection.call == *id));
        for (Connection { call, .. }, local) in ours {
            let known = self.calls.get(call).map(|call| call.state);
            let state = match local {
                // Who waits for an answer is connected as well.
                Local::Connected if known == Some(State::RingsThere) => State::RingsThere,
                Local::Connected if known == Some(State::Dialling) => State::Dialling,
                Local::Connected => State::Talks,
                Local::Alerting => State::RingsHere,
                Local::Hold => State::Held,
                Local::Initiated => State::Dialling,
                Local::Queued => State::RingsThere,
                Local::Fail | Local::Null => State::Failed,
            };
            self.put(call, (state, None), now);
        }
        before != self.calls
    }

    /// Takes an event in, at `now` milliseconds; tells of a call that has left.
    pub fn on(&mut self, event: &Event, now: u64) -> Option<Left> {
        match event.happened {
            Happened::DoNotDisturb => self.do_not_disturb = event.on,
            Happened::Forwarding => {
                self.forwarded = event.to.clone().filter(|_| event.on == Some(true));
            }
            Happened::ServiceInitiated | Happened::Originated => self.is(event, State::Dialling, now),
            Happened::Delivered => {
                let named = || self.is_here(event.device.as_deref().unwrap_or(&event.connection.device));
                // What the gateway says of the monitored device needs no name, which may be written in another way.
                let here = match event.local {
                    Some(Local::Alerting) => true,
                    Some(Local::Connected) => false,
                    _ => named(),
                };
                self.is(event, if here { State::RingsHere } else { State::RingsThere }, now);
            }
            Happened::Established => return self.established(event, now),
            Happened::Held if self.is_ours(event) => self.is(event, State::Held, now),
            Happened::Retrieved if self.is_ours(event) => self.is(event, State::Talks, now),
            Happened::Failed => self.is(event, State::Failed, now),
            Happened::Conferenced => self.joins(event, true),
            Happened::Diverted if self.is_ours(event) => {
                return self.leaves(event, How::Diverted(event.to.clone()), now);
            }
            Happened::ConnectionCleared if self.is_ours(event) || event.local == Some(Local::Null) => {
                let how = match event.cause.as_str() {
                    cause if PICKED_UP.contains(&cause) => How::Elsewhere,
                    cause if SENT_ON.contains(&cause) => How::Diverted(event.to.clone()),
                    _ => How::Missed,
                };
                return self.leaves(event, how, now);
            }
            Happened::Transferred if event.device.as_deref().is_some_and(|by| self.is_here(by)) => {
                event.second.iter().for_each(|second| drop(self.calls.remove(&second.call)));
                return self.leaves(event, How::Done, now);
            }
            // The other party is somebody else from now on, and the call may have another name.
            Happened::Transferred => self.joins(event, false),
            // The other side's doing: ours is as it was.
            Happened::Held | Happened::Retrieved | Happened::Diverted | Happened::ConnectionCleared => {}
        }
        None
    }

    fn established(&mut self, event: &Event, now: u64) -> Option<Left> {
        let call = self.calls.get(&event.connection.call);
        let rang_here = call.is_some_and(|call| call.state == State::RingsHere);
        let by_another = event.local != Some(Local::Connected)
            && event.device.as_deref().is_some_and(|by| !self.is_here(by));
        if event.local == Some(Local::Null) || rang_here && by_another {
            return self.leaves(event, How::Elsewhere, now);
        }
        self.is(event, State::Talks, now);
        None
    }

    /// The calls of a transfer or conference are one from now on.
    fn joins(&mut self, event: &Event, conference: bool) {
        let old = [Some(&event.connection), event.second.as_ref()];
        let known = old.into_iter().flatten().filter_map(|old| self.calls.remove(&old.call));
        let Some(call) = known.reduce(|one, other| if other.began < one.began { other } else { one }) else {
            return;
        };
        let ours = event.joined.iter().find(|one| !one.device.is_empty() && self.is_here(&one.device));
        let name = ours.or(event.joined.first()).map_or(&event.connection.call, |one| &one.call);
        let name = if name.is_empty() { &event.connection.call } else { name };
        // A gateway that does not list the parties has at least said what it is.
        let many = conference && (event.joined.is_empty() || event.joined.len() > 2);
        let other = event.to.clone().filter(|_| !conference).or(call.other);
        let state = if event.local == Some(Local::Hold) { State::Held } else { State::Talks };
        self.calls.insert(name.clone(), Call { state, many, other, had: true, ..call });
    }

    fn is(&mut self, event: &Event, state: State, now: u64) {
        let id = &event.connection.call;
        let rings = state == State::RingsHere;
        let comes_in = self.calls.get(id).map_or(rings, |call| call.incoming || rings && !call.had);
        let ours = |party: &&str| !self.is_here(party);
        let calling = event.calling.as_deref().filter(ours);
        // A caller who hides is not the group that was called.
        let called = event.called.as_deref().filter(ours).filter(|_| !comes_in);
        let other = calling.or(called).map(str::to_owned);
        self.put(id, (state, other), now);
    }

    fn put(&mut self, id: &str, (state, other): (State, Option<String>), now: u64) {
        let has = matches!(state, State::Dialling | State::Talks | State::Held);
        if let Some(call) = self.calls.get_mut(id) {
            call.incoming |= state == State::RingsHere && !call.had;
            call.had |= has;
            call.state = state;
            call.other = call.other.take().or(other);
        } else if self.calls.len() < MOST {
            let before = self.rang.remove(id);
            let incoming = state == State::RingsHere || before.is_some();
            let began = before.as_ref().map_or(now, |before| before.began);
            let other = other.or(before.and_then(|before| before.other));
            self.calls.insert(id.to_owned(), Call { state, other, incoming, many: false, had: has, began });
        }
    }

    /// Takes the call out; `how` counts where it rang here and nobody answered.
    fn leaves(&mut self, event: &Event, how: How, now: u64) -> Option<Left> {
        let id = event.connection.call.clone();
        let Some(call) = self.calls.remove(&id) else {
            // It may have been answered meanwhile.
            let how = if how == How::Missed { How::Unknown } else { how };
            return Some(self.rang.remove(&id)?.left(id, how, now));
        };
        let how = if call.rings() { how } else { How::Done };
        Some(call.left(id, how, now))
    }

    /// Whether the event's connection is the device's own.
    fn is_ours(&self, event: &Event) -> bool {
        self.has(&event.connection)
    }

    fn has(&self, connection: &Connection) -> bool {
        connection.device.is_empty() || self.is_here(&connection.device)
    }

    fn is_here(&self, device: &str) -> bool {
        same_device(&self.device, device)
    }
}

/// Whether two names are of one device: without scheme, visual separators and domain, by the extension where one of them
/// is an extension alone.
pub fn same_device(one: &str, other: &str) -> bool {
    let (one, other) = (Device::of(one), Device::of(other));
    match (&one.extension, &other.extension) {
        (Some(a), Some(b)) => a == b && one.number == other.number,
        (Some(extension), None) => *extension == other.number,
        (None, Some(extension)) => *extension == one.number,
        (None, None) => one.number == other.number,
    }
}

/// The name of a device, without scheme, visual separators, domain and parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// The number, or the user part.
    pub number: String,
    /// `ext`.
    pub extension: Option<String>,
}

impl Device {
    /// Reads `tel:+45 44 89 01 01;ext=200`, `sip:tu@x` or a mere number.
    pub fn of(device: &str) -> Self {
        // Blanks are no separators (RFC 3966 §3), and written all the same.
        let lower = device.to_ascii_lowercase().replace(' ', "");
        let bare =
            ["tel:", "sip:", "sips:"].iter().find_map(|scheme| lower.strip_prefix(scheme)).unwrap_or(&lower);
        let user = bare.split('@').next().unwrap_or(bare);
        let mut pieces = user.split(';');
        let number = strip_visual(pieces.next().unwrap_or_default());
        let extension = pieces.find_map(|piece| piece.strip_prefix("ext=")).map(strip_visual);
        Self { number, extension }
    }
}
