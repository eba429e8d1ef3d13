//! Was the call missed, and who tells? The one place that answers (REQUIREMENTS R4–R6, R10–R12, R202, R211).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

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

/// Ringpost's own decision, made once per call when it ends.
pub fn decide(class: UserClass, outcome: Outcome, facts: Facts) -> Verdict {
    let silent = |reason| Verdict { action: Action::Silent, reason };
    match outcome {
        Outcome::Talked => silent(Reason::Talked),
        Outcome::TakenByOther => silent(Reason::TakenByOther),
        Outcome::CompletedElsewhere => silent(Reason::CompletedElsewhere),
        Outcome::TakenByUm | Outcome::GaveUpInGreeting => silent(Reason::UmHadTheCall),
        Outcome::LeftMessage => silent(Reason::MessageLeft),
        Outcome::GaveUpRinging
        | Outcome::GaveUpForwarding
        | Outcome::Unanswered
        | Outcome::ForwardUnanswered
        | Outcome::NotDisturbed
        | Outcome::UmUnreachable => {
            // A caller who waited for the end of the call has not merely rung by mistake, however busy the phones were.
            let short = facts.rang_for < facts.min_ring && outcome == Outcome::GaveUpRinging;
            match class {
                UserClass::Pbx => silent(Reason::PbxTells),
                UserClass::Off => silent(Reason::SwitchedOff),
                UserClass::Um | UserClass::Mail if short => silent(Reason::RangTooShort),
                UserClass::Um if facts.has_um_plan => {
                    Verdict { action: Action::TellUm, reason: Reason::UmWrites }
                }
                UserClass::Um if facts.has_channel => {
                    Verdict { action: Action::Mail, reason: Reason::NoUmPlan }
                }
                UserClass::Mail if facts.has_channel => {
                    Verdict { action: Action::Mail, reason: Reason::RingpostWrites }
                }
                UserClass::Um | UserClass::Mail => silent(Reason::NowhereToTell),
            }
        }
    }
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

/// The embedded UM's decision: it is the mailbox, so a message always reaches its user; a call without one is
/// told as missed unless that is somebody else's duty (R6, R11).
pub fn um_decides(class: UserClass, had_message: bool) -> UmVerdict {
    let (action, reason) = match (had_message, class) {
        (true, UserClass::Um | UserClass::Mail | UserClass::Pbx | UserClass::Off) => {
            (UmAction::VoiceMail, Reason::MessageLeft)
        }
        (false, UserClass::Um | UserClass::Mail) => (UmAction::Missed, Reason::UmHadTheCall),
        (false, UserClass::Pbx) => (UmAction::Silent, Reason::PbxTells),
        (false, UserClass::Off) => (UmAction::Silent, Reason::SwitchedOff),
    };
    UmVerdict { action, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Mail, Silent, TellUm};

    const RANG: Facts = Facts {
        rang_for: Duration::from_secs(10),
        min_ring: Duration::from_secs(5),
        has_um_plan: true,
        has_channel: true,
    };

    #[test]
    fn every_class_and_outcome_has_its_cell() {
        #[rustfmt::skip]
        let table = [
            //                            um      mail    pbx     off
            (Outcome::Talked,             [Silent, Silent, Silent, Silent]),
            (Outcome::TakenByOther,       [Silent, Silent, Silent, Silent]),
            (Outcome::CompletedElsewhere, [Silent, Silent, Silent, Silent]),
            (Outcome::GaveUpRinging,      [TellUm, Mail,   Silent, Silent]),
            (Outcome::GaveUpForwarding,   [TellUm, Mail,   Silent, Silent]),
            (Outcome::Unanswered,         [TellUm, Mail,   Silent, Silent]),
            (Outcome::ForwardUnanswered,  [TellUm, Mail,   Silent, Silent]),
            (Outcome::NotDisturbed,       [TellUm, Mail,   Silent, Silent]),
            (Outcome::UmUnreachable,      [TellUm, Mail,   Silent, Silent]),
            (Outcome::TakenByUm,          [Silent, Silent, Silent, Silent]),
            (Outcome::GaveUpInGreeting,   [Silent, Silent, Silent, Silent]),
            (Outcome::LeftMessage,        [Silent, Silent, Silent, Silent]),
        ];
        assert_eq!(table.map(|(outcome, _)| outcome), Outcome::ALL);
        for (outcome, row) in table {
            let decided = UserClass::ALL.map(|class| decide(class, outcome, RANG).action);
            assert_eq!(decided, row, "{outcome:?}");
        }
    }

    #[test]
    fn the_whole_table_reads_as_printed() {
        let mut table = String::new();
        for outcome in Outcome::ALL {
            for class in UserClass::ALL {
                let Verdict { action, reason } = decide(class, outcome, RANG);
                let (outcome, class) = (format!("{outcome:?}"), format!("{class:?}"));
                table += &format!("{outcome:<18} {class:<4} {:<6} {reason}\n", action.to_string());
            }
        }
        crate::notify::golden::golden("decisions.txt", &table);
    }

    #[test]
    fn a_missing_way_or_a_short_ring_changes_the_verdict() {
        let short = Facts { rang_for: Duration::from_millis(4999), ..RANG };
        let exact = Facts { rang_for: Duration::from_secs(5), ..RANG };
        let no_plan = Facts { has_um_plan: false, ..RANG };
        let no_mail = Facts { has_channel: false, ..RANG };
        let neither = Facts { has_um_plan: false, has_channel: false, ..RANG };
        for (class, facts, action, reason) in [
            (UserClass::Um, short, Silent, Reason::RangTooShort),
            (UserClass::Mail, short, Silent, Reason::RangTooShort),
            (UserClass::Pbx, short, Silent, Reason::PbxTells),
            (UserClass::Um, exact, TellUm, Reason::UmWrites),
            (UserClass::Um, no_plan, Mail, Reason::NoUmPlan),
            (UserClass::Um, no_mail, TellUm, Reason::UmWrites),
            (UserClass::Um, neither, Silent, Reason::NowhereToTell),
            (UserClass::Mail, no_plan, Mail, Reason::RingpostWrites),
            (UserClass::Mail, no_mail, Silent, Reason::NowhereToTell),
        ] {
            let verdict = decide(class, Outcome::GaveUpRinging, facts);
            assert_eq!(verdict, Verdict { action, reason }, "{class:?} {facts:?}");
        }
    }

    #[test]
    fn only_a_caller_who_gives_up_has_rung_too_short() {
        let short = Facts { rang_for: Duration::ZERO, ..RANG };
        for (outcome, action) in [
            (Outcome::GaveUpRinging, Silent),
            (Outcome::GaveUpForwarding, TellUm),
            (Outcome::NotDisturbed, TellUm),
            (Outcome::ForwardUnanswered, TellUm),
            (Outcome::Unanswered, TellUm),
            (Outcome::UmUnreachable, TellUm),
        ] {
            assert_eq!(decide(UserClass::Um, outcome, short).action, action, "{outcome:?}");
        }
    }

    #[test]
    fn the_embedded_um_delivers_every_message_and_tells_who_left_none() {
        use UmAction::{Missed, Silent, VoiceMail};
        for (class, with, without) in [
            (UserClass::Um, VoiceMail, Missed),
            (UserClass::Mail, VoiceMail, Missed),
            (UserClass::Pbx, VoiceMail, Silent),
            (UserClass::Off, VoiceMail, Silent),
        ] {
            assert_eq!(um_decides(class, true).action, with, "{class:?}");
            assert_eq!(um_decides(class, false).action, without, "{class:?}");
        }
    }
}
