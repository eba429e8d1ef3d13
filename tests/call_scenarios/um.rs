//! The call goes on to UM.

use super::*;

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
fn user_is_offline() {
    let (mut call, opening) = Call::start(Plan::plain(0, 2, RING_FOR));
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
    let (call, opening) = Call::start(Plan::plain(0, 0, RING_FOR));
    assert_eq!(opening[..], [Report(Outcome::Unanswered), Reject(480), Leave]);
    assert!(call.is_over());
}
