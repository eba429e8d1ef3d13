//! Was the call missed, and who tells? The one place that answers (REQUIREMENTS R4–R6, R10–R12, R202, R211).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::Filter;
use crate::{address::UserClass, call::Outcome};

/// What the decision needs to know beside the class and the outcome.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// How long the user's devices rang.
    pub rang_for: Duration,
    /// The user's `min_ring`: a caller who gives up after a shorter ring is not told of (R202).
    pub min_ring: Duration,
    /// The user has a UM dial plan.
    pub has_um_plan: bool,
    /// The user has a channel of the own: mail, or what `channels` says.
    pub has_channel: bool,
    /// The user's filter that the call is caught by (R209).
    pub filter: Option<Filter>,
    /// The call rang others too, and they are told instead (`tell`).
    pub others_told: bool,
    /// The user is told only while signed in, and is not (`only_while_signed_in`).
    pub signed_out: bool,
}

/// Who tells, and why.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// What Ringpost does.
    pub action: Action,
    /// Why: logged and kept with the call (R211).
    pub reason: Reason,
}

/// What Ringpost does about a call that has ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Send the user's UM a SIP INFO.
    TellUm,
    /// Tell by the user's own channels, a mail in most sites.
    Mail,
    /// Nothing.
    Silent,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TellUm => "tell-um",
            Self::Mail => "mail",
            Self::Silent => "silent",
        })
    }
}

/// The rule that decided.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Missed, and the user's UM writes the notice.
    UmWrites,
    /// Missed, and Ringpost writes the notice.
    RingpostWrites,
    /// Missed; UM should write, but the user has no dial plan, so Ringpost does.
    NoUmPlan,
    /// Missed, and nobody can tell: neither a dial plan nor a channel of the user's own.
    NowhereToTell,
    /// Missed; the PBX tells this user (R11).
    PbxTells,
    /// Missed; this user is told nothing.
    SwitchedOff,
    /// The devices rang for less than the user's `min_ring`.
    RangTooShort,
    /// No device of the user is registered, and the user is told only while one is (R10).
    SignedOut,
    /// The call rang others too, and it is they who are told.
    OthersTold,
    /// Another device of the user called.
    OwnDevice,
    /// A user of the site called, and the user is not told of those.
    InternalCaller,
    /// The caller hides the number, and the user is not told of those.
    HiddenNumber,
    /// The trunk or a device of the user says that it is spam.
    RejectedAsSpam,
    /// The caller's number is in the user's list.
    ListedNumber,
    /// A device of the user answered.
    Talked,
    /// A colleague, a delegate or a number that the call was forwarded to answered (R208).
    TakenByOther,
    /// Somebody else answered (R201).
    CompletedElsewhere,
    /// UM had the call before it ended, so UM tells (R6).
    UmHadTheCall,
    /// The message itself is the notice (R4).
    MessageLeft,
    /// Missed, but the user has talked with the caller before the notice went (R209).
    CallReturned,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UmWrites => "missed: the user's UM writes the notice",
            Self::RingpostWrites => "missed: Ringpost writes the notice",
            Self::NoUmPlan => "missed: the user has no UM dial plan, so Ringpost writes the notice",
            Self::NowhereToTell => "missed: neither a UM dial plan nor a channel to tell",
            Self::PbxTells => "missed: the PBX tells this user",
            Self::SwitchedOff => "missed: notices are switched off for this user",
            Self::RangTooShort => "missed: rang for less than min_ring",
            Self::SignedOut => "missed: no device is registered, and the user is told only while one is",
            Self::OthersTold => "missed: told to others whose devices rang",
            Self::OwnDevice => "missed: another device of the user called",
            Self::InternalCaller => "missed: the user is not told of internal callers",
            Self::HiddenNumber => "missed: the user is not told of callers who hide the number",
            Self::RejectedAsSpam => "missed: rejected as spam",
            Self::ListedNumber => "missed: the caller's number is in skip_numbers",
            Self::Talked => "not missed: a device of the user answered",
            Self::TakenByOther => {
                "not missed: a colleague or a number that the call was forwarded to answered"
            }
            Self::CompletedElsewhere => "not missed: answered elsewhere",
            Self::UmHadTheCall => "UM had the call and tells itself",
            Self::MessageLeft => "a message was left, and it is the notice",
            Self::CallReturned => "missed, and the user has talked with the caller before the notice went",
        })
    }
}

impl From<Filter> for Reason {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::OwnDevice => Self::OwnDevice,
            Filter::Internal => Self::InternalCaller,
            Filter::Hidden => Self::HiddenNumber,
            Filter::Spam => Self::RejectedAsSpam,
            Filter::Listed => Self::ListedNumber,
        }
    }
}

/// Why a call was not missed; `None`: it was.
pub fn not_missed(outcome: Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Talked => Some(Reason::Talked),
        Outcome::TakenByOther => Some(Reason::TakenByOther),
        Outcome::CompletedElsewhere => Some(Reason::CompletedElsewhere),
        Outcome::TakenByUm | Outcome::GaveUpInGreeting => Some(Reason::UmHadTheCall),
        Outcome::LeftMessage => Some(Reason::MessageLeft),
        Outcome::GaveUpRinging
        | Outcome::GaveUpForwarding
        | Outcome::Unanswered
        | Outcome::ForwardUnanswered
        | Outcome::NotDisturbed
        | Outcome::UmUnreachable => None,
    }
}

/// Ringpost's own decision, made when a call ends, once for each user whom it rang and who may be told.
pub fn decide(class: UserClass, outcome: Outcome, facts: Facts) -> Verdict {
    let silent = |reason| Verdict { action: Action::Silent, reason };
    if let Some(reason) = not_missed(outcome) {
        return silent(reason);
    }
    match class {
        UserClass::Pbx => return silent(Reason::PbxTells),
        UserClass::Off => return silent(Reason::SwitchedOff),
        UserClass::Um | UserClass::Mail => {}
    }
    if facts.others_told {
        return silent(Reason::OthersTold);
    }
    if let Some(filter) = facts.filter {
        return silent(filter.into());
    }
    // A caller who waited for the end of the call has not merely rung by mistake, however busy the phones were.
    if facts.rang_for < facts.min_ring && outcome == Outcome::GaveUpRinging {
        return silent(Reason::RangTooShort);
    }
    let (action, reason) = match (class == UserClass::Um, facts.has_um_plan, facts.has_channel) {
        (true, true, _) => (Action::TellUm, Reason::UmWrites),
        (true, false, true) => (Action::Mail, Reason::NoUmPlan),
        (false, _, true) => (Action::Mail, Reason::RingpostWrites),
        (_, _, false) => return silent(Reason::NowhereToTell),
    };
    // A UM writes to its users wherever they are.
    if facts.signed_out && action == Action::Mail {
        return silent(Reason::SignedOut);
    }
    Verdict { action, reason }
}

/// What the embedded UM writes about a call that it has answered.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UmVerdict {
    /// What it writes.
    pub action: UmAction,
    /// Why.
    pub reason: Reason,
}

/// The mails of the embedded UM.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UmAction {
    /// A voice mail, with the recording.
    VoiceMail,
    /// A missed call.
    Missed,
    /// Nothing.
    Silent,
}

/// The embedded UM's decision: it is the mailbox, so a message reaches its user unless it is filtered and the site wants
/// that for voice mails too; a call without one is told as missed unless that is somebody else's duty (R6, R11).
pub fn um_decides(
    class: UserClass,
    had_message: bool,
    (filter, voice_mail): (Option<Filter>, bool),
) -> UmVerdict {
    let (action, reason) = match (had_message, class, filter) {
        (true, _, Some(filter)) if voice_mail => (UmAction::Silent, filter.into()),
        (true, UserClass::Um | UserClass::Mail | UserClass::Pbx | UserClass::Off, _) => {
            (UmAction::VoiceMail, Reason::MessageLeft)
        }
        (false, UserClass::Pbx, _) => (UmAction::Silent, Reason::PbxTells),
        (false, UserClass::Off, _) => (UmAction::Silent, Reason::SwitchedOff),
        (false, UserClass::Um | UserClass::Mail, Some(filter)) => (UmAction::Silent, filter.into()),
        (false, UserClass::Um | UserClass::Mail, None) => (UmAction::Missed, Reason::UmHadTheCall),
    };
    UmVerdict { action, reason }
}

#[cfg(test)]
mod tests;
