//! The sum of what is known of a user.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the user's telephone does (R110). The later ones win over those before them (R113).
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Telephony {
    /// The user has no number (R103).
    #[default]
    NotConfigured,
    /// No device can ring.
    Offline,
    /// Calls ring.
    Available,
    /// In a call.
    Busy,
    /// Calls go to this number; empty where the watcher may not see it.
    ForwardedToNumber(Arc<str>),
    /// Calls go to voice mail.
    ForwardedToVoiceMail,
    /// No device rings.
    DoNotDisturb,
}

impl Telephony {
    /// In words of the protocol, without the number.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::Offline => "offline",
            Self::Available => "available",
            Self::Busy => "busy",
            Self::ForwardedToNumber(_) => "forwarded-to-number",
            Self::ForwardedToVoiceMail => "forwarded-to-voice-mail",
            Self::DoNotDisturb => "do-not-disturb",
        }
    }
}

/// The standard states of a person; custom ones are mapped to one of them (R81). The later ones win over those before them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standard {
    /// There and free.
    Available,
    /// Has not touched any device for some time (R56).
    Inactive,
    /// Has not for long, or is out of office (R82).
    Away,
    /// Back in a moment.
    BeRightBack,
    /// Has no time: a call, a meeting.
    Busy,
    /// Wants no calls.
    DoNotDisturb,
    /// Nowhere, or wants to seem so.
    Offline,
}

impl Standard {
    /// All, in their order.
    pub const ALL: [Self; 7] = [
        Self::Available,
        Self::Inactive,
        Self::Away,
        Self::BeRightBack,
        Self::Busy,
        Self::DoNotDisturb,
        Self::Offline,
    ];

    /// As it is written in settings and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Inactive => "inactive",
            Self::Away => "away",
            Self::BeRightBack => "be-right-back",
            Self::Busy => "busy",
            Self::DoNotDisturb => "do-not-disturb",
            Self::Offline => "offline",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The one that is called like that by phones and people: "Do Not Disturb", "dnd".
    pub fn spoken(name: &str) -> Option<Self> {
        let written: String = name
            .trim()
            .chars()
            .map(|one| if matches!(one, ' ' | '_') { '-' } else { one.to_ascii_lowercase() })
            .collect();
        match written.as_str() {
            "dnd" => Some(Self::DoNotDisturb),
            "brb" => Some(Self::BeRightBack),
            written => Self::named(written),
        }
    }
}

/// What a person does, as RPID names it (RFC 4480 §3.2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Activity {
    /// `on-the-phone`.
    OnThePhone,
    /// With more than one other at once; goes with `OnThePhone`.
    InConference,
    /// `meeting` (R17).
    Meeting,
    /// `appointment` (R17).
    Appointment,
    /// `vacation`: out of office (R82).
    OutOfOffice,
}

impl Activity {
    /// The element with its prefix: RPID's, or our own where RPID has none.
    pub fn element(self) -> &'static str {
        match self {
            Self::OnThePhone => "rpid:on-the-phone",
            Self::InConference => "own:in-a-conference",
            Self::Meeting => "rpid:meeting",
            Self::Appointment => "rpid:appointment",
            Self::OutOfOffice => "rpid:vacation",
        }
    }
}

/// What the person wants to be taken for (R102).
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Rich {
    /// `None`: not configured, the user has no address (R103).
    pub state: Option<Standard>,
    /// Why, sorted.
    pub activities: Vec<Activity>,
    /// The user's own name for the state (R81).
    pub custom: Option<Arc<str>>,
    /// What the user says of it (R117).
    pub note: Option<Arc<str>>,
    /// What the meeting or appointment of now is about (R18).
    pub subject: Option<Arc<str>>,
    /// Where it is.
    pub location: Option<Arc<str>>,
}

/// How far a call is (RFC 4235 §3.7.1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Progress {
    /// Nobody has said anything yet.
    Trying,
    /// The other side knows of it.
    Proceeding,
    /// It rings.
    Early,
    /// They talk.
    Confirmed,
}

impl Progress {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Proceeding => "proceeding",
            Self::Early => "early",
            Self::Confirmed => "confirmed",
        }
    }
}

/// Who began a call, seen from the user.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// The user.
    Initiator,
    /// The other side.
    Recipient,
}

impl Direction {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Initiator => "initiator",
            Self::Recipient => "recipient",
        }
    }
}

/// One of the user's calls, as the user's device knows it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Call {
    /// Names it among the user's.
    pub id: Arc<str>,
    /// Call-ID, local and remote tag; empty where not known or not to be seen.
    pub dialog: (Arc<str>, Arc<str>, Arc<str>),
    /// Who began it, where that is known.
    pub direction: Option<Direction>,
    /// How far it is.
    pub progress: Progress,
    /// The other side's URI; empty where not known or not to be seen.
    pub remote: Arc<str>,
    /// The other side's name.
    pub name: Option<Arc<str>>,
}

/// All that is known of a user at one time.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Presence {
    /// The telephone.
    pub telephony: Telephony,
    /// Where the telephony state is known from, if not from Ringpost itself: shown to whoever sees all (R114).
    pub telephony_by: Option<Arc<str>>,
    /// The person.
    pub rich: Rich,
    /// The calls, in the order in which they began.
    pub calls: Vec<Call>,
    /// Whether somebody can be reached at all: any device or any service that is open.
    pub open: bool,
    /// What some inputs say for themselves.
    pub apart: Apart,
}

/// What inputs say for themselves: for servers that sum up on their own, and for no watcher.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Apart {
    /// What the user has chosen.
    pub user: Option<Standard>,
    /// How the device in use is used.
    pub device: Option<Standard>,
    /// When the meeting or appointment of now has begun, in seconds since 1970.
    pub since: Option<u64>,
}

impl Presence {
    /// Of somebody who is nowhere: what a watcher sees who is blocked politely.
    pub fn nobody() -> Self {
        Self {
            telephony: Telephony::Offline,
            rich: Rich { state: Some(Standard::Offline), ..Rich::default() },
            ..Self::default()
        }
    }

    /// The furthest of the calls.
    pub fn progress(&self) -> Option<Progress> {
        self.calls.iter().map(|call| call.progress).max()
    }
}
