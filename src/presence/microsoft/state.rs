//! `state` publications: what an endpoint says of its user, each in the containers 2 and 3, with versions.
//!
//! A version is that of the publication which the new one takes the place of. A server that has another one refuses all with
//! `WrongDelta` and tells its own; then the same is sent once more with those.

use std::{collections::BTreeMap, fmt::Write};

use crate::{
    presence::Standard,
    xml::{XmlError, elements, escaped},
};

/// What the server sums up for all the containers that others see.
const CONTAINERS: [u8; 2] = [2, 3];

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
/// In a meeting.
pub const IN_A_MEETING: Activity = Activity { token: "in-a-meeting", from: 6_500, until: Some(8_999) };
/// Out of office.
pub const OUT_OF_OFFICE: Activity = Activity { token: "out-of-office", from: 12_000, until: None };

/// One state; `None` in place of one takes it back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct State {
    /// See [`availability`].
    pub availability: u16,
    /// Why.
    pub activity: Option<Activity>,
    /// What the meeting is about, and where.
    pub meeting: Option<(String, String)>,
}

/// What an endpoint has published.
#[derive(Clone, Debug)]
pub struct Endpoint {
    uri: String,
    id: u32,
    versions: BTreeMap<(Kind, u8), u32>,
}

impl Endpoint {
    /// Nothing yet. `uri`: the user's; `id`: 28 bits that tell the endpoint from the user's others.
    pub fn new(uri: &str, id: u32) -> Self {
        Self { uri: uri.to_owned(), id, versions: BTreeMap::new() }
    }

    /// The `application/msrtc-category-publish+xml` that publishes these states, or takes them back.
    pub fn write(&self, states: &[(Kind, Option<State>)]) -> String {
        let mut body = format!(
            "<publish xmlns=\"http://schemas.microsoft.com/2006/09/sip/rich-presence\"><publications uri=\"{}\">",
            escaped(&self.uri)
        );
        for (kind, container, state) in each(states) {
            let version = self.versions.get(&(kind, container)).copied().unwrap_or(0);
            let kind_of_end = if kind == Kind::User { "static" } else { "endpoint" };
            add(
                &mut body,
                format_args!(
                    "<publication categoryName=\"state\" instance=\"{}\" container=\"{container}\" version=\"{version}\" \
                     expireType=\"{kind_of_end}\"",
                    kind.instance(self.id)
                ),
            );
            match state {
                Some(state) => {
                    body.push('>');
                    element(&mut body, kind, state);
                    body.push_str("</publication>");
                }
                None => body.push_str(" expires=\"0\"/>"),
            }
        }
        body.push_str("</publications></publish>");
        body
    }

    /// The server has taken them.
    pub fn taken(&mut self, states: &[(Kind, Option<State>)]) {
        for (kind, container, state) in each(states) {
            match state {
                Some(_) => *self.versions.entry((kind, container)).or_default() += 1,
                None => drop(self.versions.remove(&(kind, container))),
            }
        }
    }

    /// The server has refused them with that body; true where they are to be sent again with other versions.
    ///
    /// # Errors
    /// The body is no XML.
    pub fn refused(&mut self, states: &[(Kind, Option<State>)], body: &[u8]) -> Result<bool, XmlError> {
        let elements = elements(body)?;
        let wrong = |text: &str| text.eq_ignore_ascii_case("Client.BadCall.WrongDelta");
        if !elements.iter().any(|one| one.name.eq_ignore_ascii_case("Faultcode") && wrong(&one.text)) {
            return Ok(false);
        }
        let sent: Vec<_> = each(states).map(|(kind, container, _)| (kind, container)).collect();
        let mut changed = false;
        for operation in elements.iter().filter(|one| one.name == "operation") {
            let number = |name| operation.attribute(name).and_then(|text| text.trim().parse::<u32>().ok());
            let (Some(index), Some(version)) = (number("index"), number("curVersion")) else { continue };
            // The first one is number 1.
            let which = usize::try_from(index).ok().and_then(|index| sent.get(index.checked_sub(1)?));
            if let Some(which) = which {
                changed |= self.versions.insert(*which, version) != Some(version);
            }
        }
        Ok(changed)
    }
}

/// Each publication of these states, in the order in which they are written.
fn each(states: &[(Kind, Option<State>)]) -> impl Iterator<Item = (Kind, u8, Option<&State>)> {
    states.iter().flat_map(|(kind, state)| CONTAINERS.map(|container| (*kind, container, state.as_ref())))
}

fn element(body: &mut String, kind: Kind, state: &State) {
    add(
        body,
        format_args!(
            "<state xmlns=\"http://schemas.microsoft.com/2006/09/sip/state\" manual=\"{}\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{}\"><availability>{}</availability>",
            kind == Kind::User,
            kind.name(),
            state.availability
        ),
    );
    if let Some(Activity { token, from, until }) = state.activity {
        add(body, format_args!("<activity token=\"{token}\" minAvailability=\"{from}\""));
        if let Some(until) = until {
            add(body, format_args!(" maxAvailability=\"{until}\""));
        }
        body.push_str("/>");
    }
    if let Some((subject, location)) = &state.meeting {
        crate::xml::element(body, "meetingSubject", subject);
        crate::xml::element(body, "meetingLocation", location);
    }
    body.push_str("</state>");
}

fn add(body: &mut String, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a String takes every text");
}
