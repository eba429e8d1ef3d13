//! The devices ring, one answers, or none does.

use super::*;

#[test]
fn desk_answers_and_the_softphone_is_released() {
    play(
        2,
        &[
            (Rang(DESK), &[Ring(DESK)]),
            (Rang(SOFT), &[Ring(SOFT)]),
            (Answered(DESK), &[Stop(NoAnswer), Bridge(DESK), Cancel(SOFT, Elsewhere)]),
            (Refused(SOFT, 487), &[]),
            (HungUp(Caller), &[Bye(DESK, Over), Report(Outcome::Talked), Leave]),
        ],
    );
}

#[test]
fn softphone_picks_up_while_its_cancel_is_in_flight() {
    play(
        2,
        &[
            (Answered(DESK), &[Stop(NoAnswer), Bridge(DESK), Cancel(SOFT, Elsewhere)]),
            (Answered(SOFT), &[Bye(SOFT, Elsewhere)]),
            (HungUp(SOFT), &[]),
            (HungUp(DESK), &[Bye(Caller, Over), Report(Outcome::Talked), Leave]),
        ],
    );
}

#[test]
fn softphone_picks_up_after_a_very_short_talk() {
    play(
        2,
        &[
            (Answered(DESK), &[Stop(NoAnswer), Bridge(DESK), Cancel(SOFT, Elsewhere)]),
            (HungUp(DESK), &[Bye(Caller, Over), Report(Outcome::Talked), Leave]),
            (Answered(SOFT), &[Bye(SOFT, Elsewhere)]),
        ],
    );
}

#[test]
fn decline_on_one_device_ends_all() {
    play(
        0,
        &[
            (
                Refused(SOFT, 603),
                &[Stop(NoAnswer), Cancel(DESK, Over), Report(Outcome::Unanswered), Refuse(SOFT), Leave],
            ),
            (Refused(DESK, 487), &[]),
        ],
    );
    play(
        1,
        &[
            (
                Refused(SOFT, 603),
                &[Stop(NoAnswer), Cancel(DESK, Over), Forwarded, Invite(FIRST), Start(UmSilent)],
            ),
            (Refused(DESK, 487), &[]),
            (Refused(FIRST, 486), &[Stop(UmSilent), Report(Outcome::UmUnreachable), Refuse(SOFT), Leave]),
        ],
    );
}

#[test]
fn one_is_busy_the_other_rings_out() {
    play(
        1,
        &[
            (Refused(DESK, 486), &[]),
            (Expired(NoAnswer), &[Cancel(SOFT, Over), Forwarded, Invite(FIRST), Start(UmSilent)]),
            (Answered(DESK), &[Bye(DESK, Over)]),
            (Answered(SOFT), &[Stop(UmSilent), Bridge(SOFT), Cancel(FIRST, Elsewhere)]),
            (HungUp(SOFT), &[Bye(Caller, Over), Report(Outcome::Talked), Leave]),
        ],
    );
}
