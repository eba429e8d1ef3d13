//! What a call does in the situations of REQUIREMENTS R1–R8, R15, R27, R64 and R201: history, exact effects, nothing over.

use ringpost::call::{
    Call,
    Effect::{self, *},
    Event::{self, *},
    Leg::{self, *},
    Outcome, Plan,
    Timer::*,
    UmPhase::*,
    Why::*,
};

const DESK: Leg = Phone(0);
const SOFT: Leg = Phone(1);
const FIRST: Leg = Um(0);
const SECOND: Leg = Um(1);
const CANCELLED: Event = GaveUp { elsewhere: false };

const RING_BOTH: &[Effect] = &[Invite(DESK), Invite(SOFT), Start(NoAnswer)];
const CALL_UM: &[Effect] = &[Forwarded, Invite(FIRST), Start(UmSilent)];
const TO_UM: (Event, &[Effect]) =
    (Expired(NoAnswer), &[Cancel(DESK, Over), Cancel(SOFT, Over), Forwarded, Invite(FIRST), Start(UmSilent)]);
const UM_ANSWERS: (Event, &[Effect]) = (Answered(FIRST), &[Stop(UmSilent), Bridge(FIRST)]);

type Row<'a> = (Event, &'a [Effect]);

/// A call to two devices, with `um_servers` to go to.
fn play(um_servers: u8, rows: &[Row<'_>]) {
    let (mut call, opening) = Call::start(Plan { phones: 2, um_servers });
    assert_eq!(opening[..], *RING_BOTH);
    go_on(&mut call, rows);
}

fn go_on(call: &mut Call, rows: &[Row<'_>]) {
    for (row, (event, effects)) in rows.iter().enumerate() {
        assert_eq!(call.on(*event)[..], **effects, "row {row}: {event:?}");
    }
    assert!(call.is_over(), "the scenario stops in the middle of the call");
}

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
fn caller_hangs_up_on_the_way_to_um() {
    let over = [Stop(UmSilent), Cancel(FIRST, Over), Report(Outcome::GaveUpForwarding), Reject(487), Leave];
    play(2, &[TO_UM, (CANCELLED, &over), (Answered(FIRST), &[Bye(FIRST, Over)])]);
    play(2, &[TO_UM, (HungUp(Caller), &over)]);
}

#[test]
fn caller_hangs_up_during_the_greeting() {
    play(
        2,
        &[
            TO_UM,
            UM_ANSWERS,
            (Reported(Greeting), &[]),
            (HungUp(Caller), &[Bye(FIRST, Over), Report(Outcome::GaveUpInGreeting), Leave]),
        ],
    );
}

#[test]
fn caller_leaves_a_message() {
    play(
        2,
        &[
            TO_UM,
            (Refused(DESK, 487), &[]),
            (Refused(SOFT, 487), &[]),
            (Rang(FIRST), &[Ring(FIRST)]),
            UM_ANSWERS,
            (Reported(Greeting), &[]),
            (Reported(Recording), &[]),
            (HungUp(FIRST), &[Bye(Caller, Over), Report(Outcome::LeftMessage), Leave]),
        ],
    );
}

#[test]
fn um_that_reports_nothing_takes_the_call() {
    play(1, &[TO_UM, UM_ANSWERS, (HungUp(Caller), &[Bye(FIRST, Over), Report(Outcome::TakenByUm), Leave])]);
}

#[test]
fn a_phone_answers_while_um_is_being_called() {
    play(
        2,
        &[
            TO_UM,
            (Rang(FIRST), &[Ring(FIRST)]),
            (Answered(DESK), &[Stop(UmSilent), Bridge(DESK), Cancel(FIRST, Elsewhere)]),
            (Answered(FIRST), &[Bye(FIRST, Elsewhere)]),
            (Answered(SOFT), &[Bye(SOFT, Elsewhere)]),
            (HungUp(Caller), &[Bye(DESK, Over), Report(Outcome::Talked), Leave]),
        ],
    );
}

#[test]
fn a_phone_answers_after_um_did() {
    play(
        1,
        &[
            TO_UM,
            UM_ANSWERS,
            (Answered(SOFT), &[Bye(SOFT, Elsewhere)]),
            (HungUp(FIRST), &[Bye(Caller, Over), Report(Outcome::TakenByUm), Leave]),
        ],
    );
}

#[test]
fn um_refuses_and_the_second_server_takes_it() {
    play(
        2,
        &[
            TO_UM,
            (Refused(FIRST, 503), &[Stop(UmSilent), Invite(SECOND), Start(UmSilent)]),
            (Answered(SECOND), &[Stop(UmSilent), Bridge(SECOND)]),
            (HungUp(SECOND), &[Bye(Caller, Over), Report(Outcome::TakenByUm), Leave]),
        ],
    );
}

#[test]
fn um_rings_for_ever() {
    play(
        2,
        &[
            TO_UM,
            (Expired(UmSilent), &[Cancel(FIRST, Over), Invite(SECOND), Start(UmSilent)]),
            (Refused(FIRST, 487), &[]),
            (Expired(UmSilent), &[Cancel(SECOND, Over), Report(Outcome::UmUnreachable), Reject(480), Leave]),
        ],
    );
}

#[test]
fn the_first_um_answers_late_and_the_second_has_the_call() {
    play(
        2,
        &[
            TO_UM,
            (Expired(UmSilent), &[Cancel(FIRST, Over), Invite(SECOND), Start(UmSilent)]),
            (Answered(FIRST), &[Bye(FIRST, Over)]),
            (Answered(SECOND), &[Stop(UmSilent), Bridge(SECOND)]),
            (HungUp(Caller), &[Bye(SECOND, Over), Report(Outcome::TakenByUm), Leave]),
        ],
    );
}

#[test]
fn both_um_servers_refuse_and_there_is_never_a_third_try() {
    play(
        2,
        &[
            TO_UM,
            (Refused(FIRST, 503), &[Stop(UmSilent), Invite(SECOND), Start(UmSilent)]),
            (Refused(SECOND, 500), &[Stop(UmSilent), Report(Outcome::UmUnreachable), Reject(480), Leave]),
        ],
    );
}

#[test]
fn everybody_is_busy_and_um_takes_it_at_once() {
    play(
        1,
        &[
            (Refused(DESK, 486), &[]),
            (Refused(SOFT, 486), &[Stop(NoAnswer), Forwarded, Invite(FIRST), Start(UmSilent)]),
            UM_ANSWERS,
            (HungUp(Caller), &[Bye(FIRST, Over), Report(Outcome::TakenByUm), Leave]),
        ],
    );
}

#[test]
fn everybody_is_busy_and_there_is_no_um() {
    // The refusal that says most about the user is shown, whatever the order it came in.
    for (desk, soft, shown) in [
        (486, 486, Refuse(DESK)),
        (503, 486, Refuse(SOFT)),
        (480, 486, Refuse(SOFT)),
        (408, 480, Refuse(SOFT)),
        (404, 408, Refuse(SOFT)),
        (486, 404, Refuse(DESK)),
        (486, 603, Refuse(SOFT)),
        (486, 608, Refuse(SOFT)),
        (302, 407, Reject(480)),
        (503, 503, Reject(480)),
        (401, 500, Reject(480)),
    ] {
        play(
            0,
            &[
                (Refused(DESK, desk), &[]),
                (Refused(SOFT, soft), &[Stop(NoAnswer), Report(Outcome::Unanswered), shown, Leave]),
            ],
        );
    }
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
fn nobody_answers_and_there_is_no_um() {
    play(
        0,
        &[
            (
                Expired(NoAnswer),
                &[Cancel(DESK, Over), Cancel(SOFT, Over), Report(Outcome::Unanswered), Reject(480), Leave],
            ),
            (Answered(SOFT), &[Bye(SOFT, Over)]),
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

#[test]
fn user_is_offline() {
    let (mut call, opening) = Call::start(Plan { phones: 0, um_servers: 2 });
    assert_eq!(opening[..], *CALL_UM);
    go_on(
        &mut call,
        &[
            UM_ANSWERS,
            (Reported(Recording), &[]),
            (HungUp(Caller), &[Bye(FIRST, Over), Report(Outcome::LeftMessage), Leave]),
        ],
    );
}

#[test]
fn user_is_offline_and_has_no_um() {
    let (call, opening) = Call::start(Plan { phones: 0, um_servers: 0 });
    assert_eq!(opening[..], [Report(Outcome::Unanswered), Reject(480), Leave]);
    assert!(call.is_over());
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
