//! The gateway's side: a call of a user as CSTA tells it.

use super::{Connection, Event, Happened, Local};

/// A call as it is at the monitored device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct View {
    /// `callID`.
    pub call: String,
    /// The device, as the monitor names it.
    pub device: String,
    /// The device is called; else it calls.
    pub incoming: bool,
    /// The other party, where it is known.
    pub other: Option<String>,
    /// Who rings or has answered in place of the party that was called; of a call that came in, who has sent it here.
    pub redirected: Option<String>,
    /// What stands for the call at the device.
    pub state: Seen,
}

/// The state of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// It is dialled.
    Dialled,
    /// It rings: at the device where it is called, else at the other end.
    Rings,
    /// They talk.
    Talks,
    /// The device has put it on hold.
    Held,
    /// It is over.
    Over(End),
}

/// How a call has ended for the device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// Somebody has hung up, or the caller has given up.
    Cleared,
    /// Another device or user has it.
    Elsewhere,
    /// It was sent elsewhere before it was answered, for that reason.
    Diverted(Option<String>, Why),
    /// The device has given it to somebody else.
    Transferred(Option<String>),
    /// The number that was called was busy.
    Busy,
    /// Or could not be reached.
    Unreachable,
    /// The device itself did not take the call that a program had it make.
    NotTaken,
}

/// Why a call was sent elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// Somebody wanted it so.
    Redirected,
    /// The device was busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
}

impl Why {
    /// As a cause (ECMA-323 EventCause).
    fn cause(self) -> &'static str {
        match self {
            Self::Redirected => "redirected",
            Self::Busy => "callForwardBusy",
            Self::NoAnswer => "callForwardNoAnswer",
        }
    }
}

impl View {
    /// The connection of the device, and how far it is; `None`: it is over.
    pub fn connection(&self) -> Option<(Connection, Local)> {
        let local = match &self.state {
            Seen::Dialled => Local::Initiated,
            Seen::Rings if self.incoming => Local::Alerting,
            Seen::Rings | Seen::Talks => Local::Connected,
            Seen::Held => Local::Hold,
            Seen::Over(_) => return None,
        };
        Some((Connection { call: self.call.clone(), device: self.device.clone() }, local))
    }
}

/// The events between two states of a call, in order; `before`: `None` where it is new.
pub fn events(monitor: &str, before: Option<&View>, after: &View) -> Vec<Event> {
    let was = before.map(|view| &view.state);
    if was == Some(&after.state) || matches!(was, Some(Seen::Over(_))) {
        return vec![];
    }
    let tell =
        |happened, of: Option<&str>, local, cause: &str| event(monitor, after, (happened, of, local), cause);
    let (us, other) = (Some(after.device.as_str()), after.other.as_deref());
    let there = after.redirected.as_deref().or(other);
    let mut told = vec![];
    let dialled = || tell(Happened::Originated, us, Local::Connected, "newCall");
    if before.is_none() && !after.incoming {
        told.push(dialled());
    }
    // Somebody who answers at once has rung all the same.
    let rings = match after.incoming {
        true => tell(Happened::Delivered, us, Local::Alerting, "newCall"),
        false => tell(Happened::Delivered, there, Local::Connected, "newCall"),
    };
    let silent = matches!(was, None | Some(Seen::Dialled));
    match &after.state {
        Seen::Dialled => {}
        Seen::Rings => told.push(rings),
        Seen::Talks if was == Some(&Seen::Held) => {
            told.push(tell(Happened::Retrieved, us, Local::Connected, "normal"));
        }
        Seen::Talks => {
            if silent && after.incoming {
                told.push(rings);
            }
            let by = if after.incoming { us } else { there };
            told.push(tell(Happened::Established, by, Local::Connected, "newCall"));
        }
        Seen::Held => told.push(tell(Happened::Held, us, Local::Hold, "normal")),
        Seen::Over(_) if before.is_none() => told.clear(),
        Seen::Over(end) => match end {
            End::Diverted(to, why) => {
                let diverted = tell(Happened::Diverted, us, Local::Null, why.cause());
                told.push(Event { to: to.clone(), ..diverted });
            }
            End::Transferred(to) => {
                let transferred = tell(Happened::Transferred, us, Local::Null, "transfer");
                told.push(Event { to: to.clone(), ..transferred });
            }
            End::Busy | End::Unreachable => {
                let cause = if *end == End::Busy { "busy" } else { "destNotObtainable" };
                told.push(tell(Happened::Failed, other, Local::Fail, cause));
                told.push(tell(Happened::ConnectionCleared, us, Local::Null, "normalClearing"));
            }
            // It never dialled: nothing is said of whom it would have called.
            End::NotTaken => {
                told.push(tell(Happened::Failed, us, Local::Fail, "callNotAnswered"));
                told.push(tell(Happened::ConnectionCleared, us, Local::Null, "normalClearing"));
            }
            End::Elsewhere => told.push(tell(Happened::ConnectionCleared, us, Local::Null, "callPickup")),
            End::Cleared => told.push(tell(Happened::ConnectionCleared, us, Local::Null, "normalClearing")),
        },
    }
    told
}

/// `of` is whose doing it is; the connection is that one's, except where the device itself leaves.
fn event(
    monitor: &str,
    view: &View,
    (happened, of, local): (Happened, Option<&str>, Local),
    cause: &str,
) -> Event {
    let (us, other) = (Some(view.device.clone()), view.other.clone());
    let redirection = view.redirected.as_ref().and(match view.incoming {
        true => view.redirected.clone(),
        false => other.clone(),
    });
    let (calling, called) = if view.incoming { (other, us) } else { (us, other) };
    Event {
        monitor: monitor.to_owned(),
        happened,
        connection: Connection { call: view.call.clone(), device: of.unwrap_or_default().to_owned() },
        device: of.map(str::to_owned),
        calling,
        called,
        redirection,
        second: None,
        joined: vec![],
        when: None,
        to: None,
        on: None,
        local: Some(local),
        cause: cause.to_owned(),
    }
}
