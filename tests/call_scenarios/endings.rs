//! Somebody leaves, or is lost.

use super::*;

#[test]
fn the_device_hangs_up_first() {
    play(
        1,
        &[
            (Answered(SOFT), &[Stop(NoAnswer), Bridge(SOFT), Cancel(DESK, Elsewhere)]),
            (HungUp(SOFT), &[Bye(Caller, Over), Report(Outcome::Talked), Leave]),
        ],
    );
}

#[test]
fn caller_hangs_up_while_it_rings() {
    let over = [
        Stop(NoAnswer),
        Cancel(DESK, Over),
        Cancel(SOFT, Over),
        Report(Outcome::GaveUpRinging),
        Reject(487),
        Leave,
    ];
    play(2, &[(Rang(DESK), &[Ring(DESK)]), (CANCELLED, &over)]);
    // RFC 3261 §15: an early dialog may also be ended by BYE.
    play(2, &[(Rang(DESK), &[Ring(DESK)]), (HungUp(Caller), &over)]);
}

#[test]
fn a_device_picks_up_as_the_caller_hangs_up() {
    play(
        2,
        &[
            (
                CANCELLED,
                &[
                    Stop(NoAnswer),
                    Cancel(DESK, Over),
                    Cancel(SOFT, Over),
                    Report(Outcome::GaveUpRinging),
                    Reject(487),
                    Leave,
                ],
            ),
            (Answered(DESK), &[Bye(DESK, Over)]),
            (Refused(SOFT, 487), &[]),
            (CANCELLED, &[]),
        ],
    );
}

#[test]
fn pbx_says_completed_elsewhere() {
    play(
        2,
        &[
            (
                GaveUp { elsewhere: true },
                &[
                    Stop(NoAnswer),
                    Cancel(DESK, Elsewhere),
                    Cancel(SOFT, Elsewhere),
                    Report(Outcome::CompletedElsewhere),
                    Reject(487),
                    Leave,
                ],
            ),
            (Answered(DESK), &[Bye(DESK, Elsewhere)]),
        ],
    );
    play(
        2,
        &[
            TO_UM,
            (
                GaveUp { elsewhere: true },
                &[
                    Stop(UmSilent),
                    Cancel(FIRST, Elsewhere),
                    Report(Outcome::CompletedElsewhere),
                    Reject(487),
                    Leave,
                ],
            ),
            (Answered(SOFT), &[Bye(SOFT, Elsewhere)]),
        ],
    );
}

#[test]
fn the_callers_cancel_crosses_the_answer() {
    play(
        2,
        &[
            (Answered(DESK), &[Stop(NoAnswer), Bridge(DESK), Cancel(SOFT, Elsewhere)]),
            (CANCELLED, &[]),
            (HungUp(Caller), &[Bye(DESK, Over), Report(Outcome::Talked), Leave]),
        ],
    );
}

#[test]
fn no_ack_from_the_caller() {
    play(
        1,
        &[
            (Answered(DESK), &[Stop(NoAnswer), Bridge(DESK), Cancel(SOFT, Elsewhere)]),
            (Lost(Caller), &[Bye(Caller, Over), Bye(DESK, Over), Report(Outcome::Talked), Leave]),
        ],
    );
    play(
        1,
        &[
            TO_UM,
            UM_ANSWERS,
            (Lost(Caller), &[Bye(Caller, Over), Bye(FIRST, Over), Report(Outcome::TakenByUm), Leave]),
        ],
    );
}

#[test]
fn a_device_is_lost_in_the_middle_of_the_talk() {
    play(
        1,
        &[
            (Answered(DESK), &[Stop(NoAnswer), Bridge(DESK), Cancel(SOFT, Elsewhere)]),
            (Lost(SOFT), &[]),
            (Lost(DESK), &[Bye(Caller, Over), Bye(DESK, Over), Report(Outcome::Talked), Leave]),
        ],
    );
}

#[test]
fn drain_ends_the_call_wherever_it_is() {
    play(
        2,
        &[(
            Stopped,
            &[
                Stop(NoAnswer),
                Cancel(DESK, Over),
                Cancel(SOFT, Over),
                Report(Outcome::Unanswered),
                Reject(503),
                Leave,
            ],
        )],
    );
    play(
        2,
        &[
            TO_UM,
            (
                Stopped,
                &[Stop(UmSilent), Cancel(FIRST, Over), Report(Outcome::UmUnreachable), Reject(503), Leave],
            ),
        ],
    );
    play(
        2,
        &[
            TO_UM,
            UM_ANSWERS,
            (Reported(Greeting), &[]),
            (Stopped, &[Bye(Caller, Over), Bye(FIRST, Over), Report(Outcome::GaveUpInGreeting), Leave]),
        ],
    );
    play(
        2,
        &[
            (Answered(SOFT), &[Stop(NoAnswer), Bridge(SOFT), Cancel(DESK, Elsewhere)]),
            (Stopped, &[Bye(Caller, Over), Bye(SOFT, Over), Report(Outcome::Talked), Leave]),
            (Stopped, &[]),
        ],
    );
}

#[test]
fn an_answer_from_nobody_in_the_plan_is_hung_up() {
    play(
        0,
        &[
            (Answered(Phone(7)), &[Bye(Phone(7), Over)]),
            (Refused(Phone(40), 603), &[]),
            (
                Expired(NoAnswer),
                &[Cancel(DESK, Over), Cancel(SOFT, Over), Report(Outcome::Unanswered), Reject(480), Leave],
            ),
        ],
    );
}
