//! Every cell of the decision (R211).

use super::*;
use Action::{Mail, Silent, TellUm};

const RANG: Facts = Facts {
    rang_for: Duration::from_secs(10),
    min_ring: Duration::from_secs(5),
    has_um_plan: true,
    has_channel: true,
    filter: None,
    others_told: false,
    signed_out: false,
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
    let away = Facts { signed_out: true, ..RANG };
    let more = [("-", RANG), ("short", short), ("others", others), ("signed-out", away)];
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
    for (has_um_plan, has_channel) in flags().flat_map(|plan| flags().map(move |channel| (plan, channel))) {
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
