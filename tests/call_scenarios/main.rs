//! What a call does in the situations of REQUIREMENTS R1–R8, R15, R27, R64 and R201: history, exact effects, nothing over.

mod endings;
mod policy;
mod ringing;
mod um;

use std::time::Duration;

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

const RING_FOR: Duration = Duration::from_secs(20);
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
    let (mut call, opening) = Call::start(Plan::plain(2, um_servers, RING_FOR));
    assert_eq!(opening[..], *RING_BOTH);
    go_on(&mut call, rows);
}

fn go_on(call: &mut Call, rows: &[Row<'_>]) {
    for (row, (event, effects)) in rows.iter().enumerate() {
        assert_eq!(call.on(*event)[..], **effects, "row {row}: {event:?}");
    }
    assert!(call.is_over(), "the scenario stops in the middle of the call");
}
