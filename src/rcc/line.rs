//! The client's side: what the events of one monitored device amount to (R52).
//!
//! A gateway tells of connections; presence wants the phone's state, and whoever tells of missed calls wants to know of
//! those that have left without an answer. What is known ends with the monitor: [`Line::forget`].

use std::collections::BTreeMap;

use super::{Event, Happened, Local};
use crate::call::wire::strip_visual;

/// Calls of one device that are followed; a gateway that names more is not believed.
const MOST: usize = 64;

/// A monitored device.
#[derive(Clone, Debug, Default)]
pub struct Line {
    device: String,
    calls: BTreeMap<String, Call>,
    /// Whether nobody may disturb; `None`: the gateway has not said.
    pub do_not_disturb: Option<bool>,
    /// Where calls are forwarded; `None`: nowhere, or the gateway has not said.
    pub forwarded: Option<String>,
}

#[derive(Clone, Debug)]
struct Call {
    state: State,
    caller: Option<String>,
    /// More than two talk.
    many: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Dialling,
    RingsHere,
    RingsThere,
    Talks,
    Held,
    Failed,
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
}

impl Line {
    /// A device as it was asked for: `tel:+4544890101;ext=200`.
    pub fn new(device: impl Into<String>) -> Self {
        Self { device: device.into(), ..Self::default() }
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
        *self = Self::new(std::mem::take(&mut self.device));
    }

    /// Takes an event in; tells of a call that has left.
    pub fn on(&mut self, event: &Event) -> Option<Left> {
        match event.happened {
            Happened::DoNotDisturb => self.do_not_disturb = event.on,
            Happened::Forwarding => {
                self.forwarded = event.to.clone().filter(|_| event.on == Some(true));
            }
            Happened::ServiceInitiated | Happened::Originated => self.is(event, State::Dialling),
            Happened::Delivered => {
                let here = event.device.as_deref().unwrap_or(&event.connection.device);
                let state = if self.is_here(here) { State::RingsHere } else { State::RingsThere };
                self.is(event, state);
            }
            Happened::Established => return self.established(event),
            Happened::Held if self.is_ours(event) => self.is(event, State::Held),
            Happened::Retrieved if self.is_ours(event) => self.is(event, State::Talks),
            Happened::Failed => self.is(event, State::Failed),
            Happened::Conferenced => {
                if let Some(call) = self.calls.get_mut(&event.connection.call) {
                    call.many = true;
                }
            }
            Happened::Diverted if self.is_ours(event) => {
                return self.leaves(event, How::Diverted(event.to.clone()));
            }
            Happened::ConnectionCleared if self.is_ours(event) || event.local == Some(Local::Null) => {
                let taken = matches!(event.cause.as_str(), "callPickup" | "answeredElsewhere");
                return self.leaves(event, if taken { How::Elsewhere } else { How::Missed });
            }
            Happened::Transferred if event.device.as_deref().is_some_and(|by| self.is_here(by)) => {
                return self.leaves(event, How::Done);
            }
            // The other side's doing: ours is as it was.
            Happened::Held
            | Happened::Retrieved
            | Happened::Diverted
            | Happened::ConnectionCleared
            | Happened::Transferred => {}
        }
        None
    }

    fn established(&mut self, event: &Event) -> Option<Left> {
        let call = self.calls.get(&event.connection.call);
        let rang_here = call.is_some_and(|call| call.state == State::RingsHere);
        let by_another = event.device.as_deref().is_some_and(|by| !self.is_here(by));
        if event.local == Some(Local::Null) || rang_here && by_another {
            return self.leaves(event, How::Elsewhere);
        }
        self.is(event, State::Talks);
        None
    }

    fn is(&mut self, event: &Event, state: State) {
        let id = &event.connection.call;
        if let Some(call) = self.calls.get_mut(id) {
            call.state = state;
            call.caller = call.caller.take().or_else(|| event.calling.clone());
        } else if self.calls.len() < MOST {
            self.calls.insert(id.clone(), Call { state, caller: event.calling.clone(), many: false });
        }
    }

    /// Takes the call out; `how` counts where it rang here and nobody answered.
    fn leaves(&mut self, event: &Event, how: How) -> Option<Left> {
        let Call { state, caller, .. } = self.calls.remove(&event.connection.call)?;
        let how = if state == State::RingsHere { how } else { How::Done };
        Some(Left { call: event.connection.call.clone(), caller, how })
    }

    /// Whether the event's connection is the device's own.
    fn is_ours(&self, event: &Event) -> bool {
        event.connection.device.is_empty() || self.is_here(&event.connection.device)
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
