//! Drives one call by hand: two devices ring, nobody answers, UM takes the call, the caller leaves a message.
//!
//!     cargo run -p ringpost --example call_machine
//!
//! No socket and no clock: what a PBX, phones and timers would say is written down here, and the effects are printed.

use ringpost::call::{Call, Event, Leg, Plan, Timer, UmPhase};

fn main() {
    print!("{}", story());
}

/// The events of the call, each with what the machine answers.
pub fn story() -> String {
    let (mut call, opening) = Call::start(Plan::plain(2, 1, std::time::Duration::from_secs(20)));
    let mut told = format!("{:<34} {opening:?}\n", "INVITE from the PBX");
    for (what, event) in [
        ("the desk phone rings", Event::Rang(Leg::Phone(0))),
        ("the softphone rings", Event::Rang(Leg::Phone(1))),
        ("the user's time-out", Event::Expired(Timer::NoAnswer)),
        ("UM answers", Event::Answered(Leg::Um(0))),
        ("UM says that it greets", Event::Reported(UmPhase::Greeting)),
        ("UM says that it records", Event::Reported(UmPhase::Recording)),
        ("the caller hangs up", Event::HungUp(Leg::Caller)),
    ] {
        let effects = call.on(event);
        told += &format!("{what:<34} {effects:?}\n");
    }
    assert!(call.is_over());
    told
}
