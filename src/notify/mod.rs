//! What is told about a call, to whom and how.

pub(crate) mod card;
pub mod clean;
mod dates;
pub mod decide;
pub mod digest;
pub mod ews;
pub mod filter;
#[cfg(test)]
mod golden;
pub mod graph;
pub mod group;
pub mod hours;
pub mod letter;
pub mod mail;
mod phrases;
mod record;
mod style;
pub mod webhook;
pub mod wording;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    address::{Caller, Language},
    call::Outcome,
    settings::User,
};

pub use decide::{Action, Facts, Reason, UmAction, UmVerdict, Verdict, decide, not_missed, um_decides};
pub use filter::{Filter, Filters};
pub use group::Tell;
pub use hours::Hours;
pub use letter::{Enclosure, Letter};
pub use record::CallRecord;
pub use style::{ID, LARGEST, Style, TemplateFault, Templates};

/// One thing to tell one user about one call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Notice {
    /// What happened.
    pub kind: Kind,
    /// The user it is for: the address of record, `sip:1001@example.test`.
    pub user: String,
    /// The user's name, if the directory knows one.
    pub user_name: Option<String>,
    /// Where a mail of ours goes; `None` where only UM can tell.
    pub mail: Option<String>,
    /// The language of the mail.
    pub language: Language,
    /// IANA time zone that the mail's times are shown in, `Europe/Copenhagen`.
    pub time_zone: String,
    /// The Call-ID of the caller's leg (RFC 3261 §8.1.1.4); with `user` and `kind` it is the idempotency key.
    pub call_id: String,
    /// Who called.
    pub caller: Caller,
    /// When the INVITE came in (not when the call ended, R204).
    pub came_in: Timestamp,
    /// How long the user's devices rang.
    pub rang_for: Duration,
    /// How the call ended.
    pub outcome: Outcome,
    /// When the user has talked with the caller since, where the notice was marked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talked: Option<Timestamp>,
    /// Who was called, where that is another user: the call rang this one as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
}

impl Notice {
    /// What tells a user of a call.
    pub fn of(user: &User, kind: Kind, call: MissedCall) -> Self {
        let MissedCall { call_id, caller, came_in, rang_for, outcome, talked, called } = call;
        Self {
            kind,
            user: user.address.clone(),
            user_name: user.name.clone(),
            mail: user.mail.clone(),
            language: user.language,
            time_zone: user.time_zone.clone(),
            call_id,
            caller,
            came_in,
            rang_for,
            outcome,
            talked,
            called,
        }
    }

    /// Whether it tells several missed calls.
    pub fn is_digest(&self) -> bool {
        matches!(self.kind, Kind::Digest { .. })
    }
}

/// What is told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A missed call.
    Missed,
    /// A voice mail.
    VoiceMail {
        /// The recording: a WAV file in the store's folder of recordings.
        recording: std::path::PathBuf,
        /// Its length after trailing silence was cut.
        duration: Duration,
        /// The caller's INVITE said so (RFC 3261 §20.26, Priority).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        urgent: bool,
    },
    /// Several missed calls together. The notice's own caller is theirs where it is one, and its own call the newest.
    Digest {
        /// In the order in which they came.
        calls: Vec<MissedCall>,
    },
    /// The user's mailbox is locked after wrong PINs (T20). The notice's caller is who tried the last of them, and when.
    Locked {
        /// How many were wrong.
        tries: u32,
        /// Until when.
        until: Timestamp,
    },
}

/// One of several missed calls.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MissedCall {
    /// See [`Notice::call_id`].
    pub call_id: String,
    /// Who called.
    pub caller: Caller,
    /// When the INVITE came in.
    pub came_in: Timestamp,
    /// How long the user's devices rang.
    pub rang_for: Duration,
    /// How the call ended.
    pub outcome: Outcome,
    /// See [`Notice::talked`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talked: Option<Timestamp>,
    /// See [`Notice::called`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
}

impl MissedCall {
    /// The call of a notice.
    pub fn of(notice: &Notice) -> Self {
        Self {
            call_id: notice.call_id.clone(),
            caller: notice.caller.clone(),
            came_in: notice.came_in,
            rang_for: notice.rang_for,
            outcome: notice.outcome,
            talked: notice.talked,
            called: notice.called.clone(),
        }
    }
}
