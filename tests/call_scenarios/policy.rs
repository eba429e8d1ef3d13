//! R65, R66, R208: accept key, hunt, delegates, forwarding and do not disturb.

use super::*;
use ringpost::call::{Legs, Stage};

const MOBILE: Leg = Phone(1);
const MATE: Leg = Phone(1);
const SECOND_MATE: Leg = Phone(2);

fn legs(legs: &[Leg]) -> Legs {
    let mut set = Legs::NONE;
    legs.iter().for_each(|leg| set.add(*leg));
    set
}

fn stage(first: &[Leg], later: &[Leg], on_busy: u8, on_silence: u8) -> Stage {
    Stage { first: legs(first), later: legs(later), ring_for: RING_FOR, on_busy, on_silence }
}

/// The desk phone, and a mobile that has to press a key.
fn with_mobile(um_servers: u8) -> Plan {
    let stages = vec![stage(&[DESK, MOBILE], &[], 1, 1)].into();
    Plan { stages, others: legs(&[MOBILE]), keyed: legs(&[MOBILE]), um_servers, ..Plan::default() }
}

fn play_plan(plan: Plan, opening: &[Effect], rows: &[Row<'_>]) {
    let (mut call, began) = Call::start(plan);
    assert_eq!(began[..], *opening);
    go_on(&mut call, rows);
}

#[test]
fn a_mobiles_own_mailbox_is_no_answer() {
    // R65: it answers, hears the announcement, and hangs up or is hung up; the desk phone rings on and wins.
    for end in [NotAccepted(MOBILE), HungUp(MOBILE), Lost(MOBILE)] {
        let bye: &[Effect] = if end == HungUp(MOBILE) { &[] } else { &[Bye(MOBILE, Over)] };
        play_plan(
            with_mobile(1),
            RING_BOTH,
            &[
                (Rang(DESK), &[Ring(DESK)]),
                (Answered(MOBILE), &[Ask(MOBILE)]),
                (end, bye),
                (Answered(DESK), &[Stop(NoAnswer), Bridge(DESK)]),
                (HungUp(DESK), &[Bye(Caller, Over), Report(Outcome::Talked), Leave]),
            ],
        );
    }
    // The time-out comes first: the mailbox is hung up, and UM takes the call.
    play_plan(
        with_mobile(1),
        RING_BOTH,
        &[
            (Answered(MOBILE), &[Ask(MOBILE)]),
            (
                Expired(NoAnswer),
                &[Cancel(DESK, Over), Bye(MOBILE, Over), Forwarded, Invite(FIRST), Start(UmSilent)],
            ),
            UM_ANSWERS,
            (HungUp(FIRST), &[Bye(Caller, Over), Report(Outcome::TakenByUm), Leave]),
        ],
    );
}

#[test]
fn only_the_key_connects_a_mobile_and_releases_the_others() {
    play_plan(
        with_mobile(1),
        RING_BOTH,
        &[
            (Answered(MOBILE), &[Ask(MOBILE)]),
            (Accepted(MOBILE), &[Join(MOBILE)]),
            (Accepted(MOBILE), &[]),
            (Answered(MOBILE), &[Stop(NoAnswer), Bridge(MOBILE), Cancel(DESK, Elsewhere)]),
            (Refused(DESK, 487), &[]),
            (HungUp(MOBILE), &[Bye(Caller, Over), Report(Outcome::TakenByOther), Leave]),
        ],
    );
    // The desk phone is faster than the finger.
    play_plan(
        with_mobile(1),
        RING_BOTH,
        &[
            (Answered(MOBILE), &[Ask(MOBILE)]),
            (Answered(DESK), &[Stop(NoAnswer), Bridge(DESK), Bye(MOBILE, Elsewhere)]),
            (Accepted(MOBILE), &[]),
            (HungUp(DESK), &[Bye(Caller, Over), Report(Outcome::Talked), Leave]),
        ],
    );
}

#[test]
fn a_mobile_that_is_answered_as_it_is_taken_back_is_hung_up() {
    play_plan(
        with_mobile(1),
        RING_BOTH,
        &[
            (
                Refused(DESK, 603),
                &[Stop(NoAnswer), Cancel(MOBILE, Over), Forwarded, Invite(FIRST), Start(UmSilent)],
            ),
            (Answered(MOBILE), &[Bye(MOBILE, Over)]),
            (Refused(FIRST, 503), &[Stop(UmSilent), Report(Outcome::UmUnreachable), Refuse(DESK), Leave]),
        ],
    );
}

#[test]
fn a_mobile_that_declines_speaks_for_itself() {
    play_plan(
        with_mobile(0),
        RING_BOTH,
        &[
            (Refused(MOBILE, 603), &[]),
            (Refused(DESK, 486), &[Stop(NoAnswer), Report(Outcome::Unanswered), Refuse(DESK), Leave]),
        ],
    );
}

#[test]
fn a_hunt_goes_past_busy_and_no_answer() {
    let stages = vec![stage(&[DESK], &[], 1, 1), stage(&[MATE], &[], 2, 2), stage(&[SECOND_MATE], &[], 3, 3)];
    let others = legs(&[MATE, SECOND_MATE]);
    let plan = Plan { stages: stages.into(), others, um_servers: 1, ..Plan::default() };
    play_plan(
        plan,
        &[Invite(DESK), Start(NoAnswer)],
        &[
            (Refused(DESK, 486), &[Stop(NoAnswer), Forwarded, Invite(MATE), Start(NoAnswer)]),
            (Expired(NoAnswer), &[Cancel(MATE, Over), Invite(SECOND_MATE), Start(NoAnswer)]),
            (Rang(SECOND_MATE), &[Ring(SECOND_MATE)]),
            // The one before picks up as its CANCEL arrives, and still wins.
            (Answered(MATE), &[Stop(NoAnswer), Bridge(MATE), Cancel(SECOND_MATE, Elsewhere)]),
            (HungUp(Caller), &[Bye(MATE, Over), Report(Outcome::TakenByOther), Leave]),
        ],
    );
}

#[test]
fn delegates_ring_after_the_delay_or_as_soon_as_nobody_else_does() {
    let plan = || Plan {
        stages: vec![stage(&[DESK], &[MATE], 1, 1)].into(),
        others: legs(&[MATE]),
        um_servers: 1,
        ..Plan::default()
    };
    let opening = [Invite(DESK), Start(NoAnswer), Start(Delegates)];
    play_plan(
        plan(),
        &opening,
        &[
            (Expired(Delegates), &[Invite(MATE)]),
            (Answered(MATE), &[Stop(NoAnswer), Bridge(MATE), Cancel(DESK, Elsewhere)]),
            (HungUp(MATE), &[Bye(Caller, Over), Report(Outcome::TakenByOther), Leave]),
        ],
    );
    play_plan(
        plan(),
        &opening,
        &[
            (Refused(DESK, 486), &[Stop(Delegates), Invite(MATE)]),
            (Refused(MATE, 486), &[Stop(NoAnswer), Forwarded, Invite(FIRST), Start(UmSilent)]),
            UM_ANSWERS,
            (HungUp(Caller), &[Bye(FIRST, Over), Report(Outcome::TakenByUm), Leave]),
        ],
    );
    let over: &[Effect] = &[
        Stop(NoAnswer),
        Stop(Delegates),
        Cancel(DESK, Over),
        Report(Outcome::GaveUpRinging),
        Reject(487),
        Leave,
    ];
    play_plan(plan(), &opening, &[(CANCELLED, over)]);
}

#[test]
fn busy_and_no_answer_lead_to_different_places() {
    let plan = || Plan {
        stages: vec![stage(&[DESK], &[], 1, 2), stage(&[MATE], &[], 9, 9), stage(&[SECOND_MATE], &[], 9, 9)]
            .into(),
        others: legs(&[MATE, SECOND_MATE]),
        ..Plan::default()
    };
    let opening = [Invite(DESK), Start(NoAnswer)];
    let unanswered: &[Effect] =
        &[Cancel(MATE, Over), Report(Outcome::ForwardUnanswered), Refuse(DESK), Leave];
    play_plan(
        plan(),
        &opening,
        &[
            (Refused(DESK, 486), &[Stop(NoAnswer), Forwarded, Invite(MATE), Start(NoAnswer)]),
            (Expired(NoAnswer), unanswered),
        ],
    );
    play_plan(
        plan(),
        &opening,
        &[
            (Expired(NoAnswer), &[Cancel(DESK, Over), Forwarded, Invite(SECOND_MATE), Start(NoAnswer)]),
            (
                CANCELLED,
                &[
                    Stop(NoAnswer),
                    Cancel(SECOND_MATE, Over),
                    Report(Outcome::ForwardUnanswered),
                    Reject(487),
                    Leave,
                ],
            ),
        ],
    );
}

#[test]
fn who_does_not_want_to_be_disturbed_is_busy_at_once() {
    let refuse = Some((486, Outcome::NotDisturbed));
    let (call, effects) = Call::start(Plan { refuse, ..Plan::default() });
    assert_eq!(effects[..], [Report(Outcome::NotDisturbed), Reject(486), Leave]);
    assert!(call.is_over());
}

/// A program sends a call that rings elsewhere: the devices are taken back, a late answer of theirs still wins, and where
/// nobody answers there either, UM is next. Nothing else can be deflected (T19 is the planner's).
#[test]
fn a_ringing_call_is_deflected() {
    let others = Legs::first(1).after(2);
    let other = Phone(2);
    let stage = || Stage { first: others, ring_for: RING_FOR, on_busy: 9, on_silence: 9, ..Stage::default() };
    let deflected =
        [Stop(NoAnswer), Cancel(DESK, Over), Cancel(SOFT, Over), Forwarded, Invite(other), Start(NoAnswer)];
    let begun = || {
        let (mut call, _) = Call::start(Plan::plain(2, 1, RING_FOR));
        call.on(Rang(DESK));
        assert_eq!(call.deflect(stage(), others).expect("it rings")[..], deflected);
        assert!(call.plan().is_forwarded(other) && !call.plan().is_forwarded(DESK));
        call
    };
    let mut call = begun();
    assert_eq!(call.on(Refused(DESK, 487))[..], []);
    assert_eq!(call.on(Refused(other, 486))[..], [Stop(NoAnswer), Invite(FIRST), Start(UmSilent)]);
    assert_eq!(call.deflect(stage(), others), None);
    let mut call = begun();
    let won = [Stop(NoAnswer), Bridge(SOFT), Cancel(other, Elsewhere)];
    assert_eq!(call.on(Answered(SOFT))[..], won);
    assert_eq!(call.deflect(stage(), others), None);
}
