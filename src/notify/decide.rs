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
mod tests {
    use super::*;
    use Action::{Mail, Silent, TellUm};

    const RANG: Facts = Facts {
        rang_for: Duration::from_secs(10),
        min_ring: Duration::from_secs(5),
        has_um_plan: true,
        has_channel: true,
        filter: None,
        others_told: false,
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
        let caught = Filter::ALL.map(|filter| (filter.as_str(), Facts { filter: Some(filter), ..RANG }));
        let short = Facts { rang_for: Duration::from_secs(4), ..RANG };
        let others = Facts { others_told: true, ..RANG };
        let more = [("-", RANG), ("short", short), ("others", others)];
        for (outcome, (name, facts), class) in Outcome::ALL.into_iter().flat_map(|outcome| {
            let facts = more.iter().chain(&caught);
            facts.flat_map(move |facts| UserClass::ALL.map(|class| (outcome, facts, class)))
        }) {
            let Verdict { action, reason } = decide(class, outcome, *facts);
            let (outcome, class) = (format!("{outcome:?}"), format!("{class:?}"));
            table += &format!("{outcome:<18} {name:<10} {class:<4} {:<6} {reason}\n", action.to_string());
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

    /// All 12 outcomes, 4 classes, 6 filters and 16 sets of the other facts.
    #[test]
    fn r211_every_cell_acts_as_its_reason_says() {
        let flags = || [false, true].into_iter();
        let filters = || Filter::ALL.into_iter().map(Some).chain([None]);
        let mut cells = 0;
        for (has_um_plan, has_channel) in flags().flat_map(|plan| flags().map(move |channel| (plan, channel)))
        {
            for (others_told, short) in flags().flat_map(|others| flags().map(move |short| (others, short))) {
                for (filter, outcome) in
                    filters().flat_map(|filter| Outcome::ALL.map(|outcome| (filter, outcome)))
                {
                    let rang_for = if short { Duration::ZERO } else { RANG.rang_for };
                    let facts = Facts { rang_for, has_um_plan, has_channel, others_told, filter, ..RANG };
                    for class in UserClass::ALL {
                        let Verdict { action, reason } = decide(class, outcome, facts);
                        let may_tell = matches!(class, UserClass::Um | UserClass::Mail)
                            && not_missed(outcome).is_none()
                            && !others_told
                            && filter.is_none()
                            && !(short && outcome == Outcome::GaveUpRinging);
                        let expected = match (class, may_tell) {
                            (UserClass::Um, true) if has_um_plan => TellUm,
                            (_, true) if has_channel => Mail,
                            _ => Silent,
                        };
                        assert_eq!(action, expected, "{class:?} {outcome:?} {facts:?}: {reason}");
                        let tells =
                            matches!(reason, Reason::UmWrites | Reason::RingpostWrites | Reason::NoUmPlan);
                        assert_eq!(tells, action != Silent, "{class:?} {outcome:?} {facts:?}: {reason}");
                        cells += 1;
                    }
                }
            }
        }
        assert_eq!(cells, 12 * 4 * 6 * 16);
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
            assert_eq!(um_decides(class, true, (None, true)).action, with, "{class:?}");
            assert_eq!(um_decides(class, false, (None, true)).action, without, "{class:?}");
        }
    }

    #[test]
    fn r209_a_filter_takes_no_voice_mail_unless_the_site_says_so() {
        use UmAction::{Silent, VoiceMail};
        for class in UserClass::ALL {
            for filter in Filter::ALL {
                let kept = um_decides(class, true, (Some(filter), false));
                assert_eq!(kept, UmVerdict { action: VoiceMail, reason: Reason::MessageLeft }, "{class:?}");
                let taken = um_decides(class, true, (Some(filter), true));
                assert_eq!(taken, UmVerdict { action: Silent, reason: filter.into() }, "{class:?}");
                assert_eq!(um_decides(class, false, (Some(filter), false)).action, Silent, "{class:?}");
            }
        }
    }

    #[test]
    fn the_kind_of_user_comes_before_who_is_told_that_before_filters_and_those_before_a_short_ring() {
        let all = Facts { rang_for: Duration::ZERO, filter: Some(Filter::Spam), others_told: true, ..RANG };
        for (class, facts, reason) in [
            (UserClass::Pbx, all, Reason::PbxTells),
            (UserClass::Off, all, Reason::SwitchedOff),
            (UserClass::Mail, all, Reason::OthersTold),
            (UserClass::Mail, Facts { others_told: false, ..all }, Reason::RejectedAsSpam),
            (UserClass::Um, Facts { others_told: false, filter: None, ..all }, Reason::RangTooShort),
        ] {
            let verdict = decide(class, Outcome::GaveUpRinging, facts);
            assert_eq!(verdict, Verdict { action: Silent, reason }, "{class:?} {facts:?}");
        }
    }
}
