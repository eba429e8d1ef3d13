//! `state` publications: what an endpoint says of its user, each in the containers 2 and 3.

use std::fmt::Write;

use jiff::Timestamp;

use crate::{presence::Standard, xml::escaped};

/// What the server sums up for all the containers that others see.
pub const CONTAINERS: [u16; 2] = [2, 3];

/// Where a state comes from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// The user's choice.
    User,
    /// The use of the endpoint.
    Machine,
    /// The calendar.
    Calendar,
    /// The calendar's out of office.
    OutOfOffice,
    /// The telephone.
    Phone,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::User, Self::Machine, Self::Calendar, Self::OutOfOffice, Self::Phone];

    /// `xsi:type`.
    fn name(self) -> &'static str {
        match self {
            Self::User => "userState",
            Self::Machine => "machineState",
            Self::Calendar | Self::OutOfOffice => "calendarState",
            Self::Phone => "phoneState",
        }
    }

    /// The instance of this kind that belongs to an endpoint; users have one choice for all of theirs.
    pub fn instance(self, endpoint: u32) -> u32 {
        let of = |nibble: u32| nibble << 28 | endpoint & 0x0FFF_FFFF;
        match self {
            Self::User => 0x2000_0000,
            Self::Machine => of(3),
            Self::Calendar => of(4),
            Self::OutOfOffice => of(5),
            Self::Phone => of(8),
        }
    }
}

/// The availability that stands for a state: the middle of its range.
pub fn availability(state: Standard) -> u16 {
    match state {
        Standard::Available => 3_500,
        Standard::Inactive => 5_000,
        Standard::Busy => 6_500,
        Standard::DoNotDisturb => 9_500,
        Standard::BeRightBack => 12_500,
        Standard::Away => 15_500,
        Standard::Offline => 18_500,
    }
}

/// Why somebody is not available, in a word that clients know: `on-the-phone`, `in-a-meeting`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Activity {
    /// The word.
    pub token: &'static str,
    /// The availabilities that it goes with.
    pub from: u16,
    /// See `from`.
    pub until: Option<u16>,
}

/// In a call.
pub const ON_THE_PHONE: Activity = Activity { token: "on-the-phone", from: 6_500, until: Some(8_999) };
/// In a call with more than one other.
pub const IN_A_CONFERENCE: Activity = Activity { token: "in-a-conference", from: 7_000, until: Some(8_999) };
/// In a meeting.
pub const IN_A_MEETING: Activity = Activity { token: "in-a-meeting", from: 6_500, until: Some(8_999) };
/// Out of office.
pub const OUT_OF_OFFICE: Activity = Activity { token: "out-of-office", from: 12_000, until: None };

/// One state.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// See [`availability`].
    pub availability: u16,
    /// Why.
    pub activity: Option<Activity>,
    /// The user's own word for it.
    pub custom: Option<String>,
    /// The mailbox whose calendar says so.
    pub mailbox: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What the meeting is about.
    pub subject: Option<String>,
    /// Where it is.
    pub location: Option<String>,
}

/// The element of a state.
pub fn element(kind: Kind, state: &State) -> String {
    let mut body = String::with_capacity(512);
    let mut add = |text: std::fmt::Arguments<'_>| body.write_fmt(text).expect("a String takes every text");
    add(format_args!(
        "<state xmlns=\"http://schemas.microsoft.com/2006/09/sip/state\" manual=\"{}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{}\"",
        kind == Kind::User,
        kind.name()
    ));
    if let Some(mailbox) = &state.mailbox {
        add(format_args!(" uri=\"{}\"", escaped(mailbox)));
    }
    if let Some(since) = state.since {
        add(format_args!(" startTime=\"{}\"", since.strftime("%Y-%m-%dT%H:%M:%SZ")));
    }
    add(format_args!("><availability>{}</availability>", state.availability));
    if let Some(Activity { token, from, until }) = state.activity {
        add(format_args!("<activity token=\"{token}\" minAvailability=\"{from}\""));
        if let Some(until) = until {
            add(format_args!(" maxAvailability=\"{until}\""));
        }
        add(format_args!("/>"));
    } else if let Some(custom) = &state.custom {
        // 1033 is English, which clients show whatever their own language is.
        add(format_args!("<activity><custom LCID=\"1033\">{}</custom></activity>", escaped(custom)));
    }
    for (name, text) in [("meetingSubject", &state.subject), ("meetingLocation", &state.location)] {
        if let Some(text) = text {
            crate::xml::element(&mut body, name, text);
        }
    }
    body.push_str("</state>");
    body
}
