//! The whole state × event table of the call machine, compared with `golden/call_machine.txt`.
//! `RINGPOST_BLESS=1` writes the file anew.

use std::{fmt::Write, fs, path::Path, time::Duration};

use ringpost::call::{
    Call,
    Event::{self, *},
    Leg::{self, *},
    Legs, Plan, Stage,
    Timer::*,
    UmPhase::*,
};

const LEGS: [Leg; 5] = [Caller, Phone(0), Phone(1), Um(0), Um(1)];
const BUSY: [Event; 2] = [Refused(Phone(0), 486), Refused(Phone(1), 486)];

#[test]
fn every_state_meets_every_event() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/call_machine.txt");
    let table = table();
    if std::env::var_os("RINGPOST_BLESS").is_some() {
        fs::write(&path, &table).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).expect("the golden file is there; RINGPOST_BLESS=1 writes it");
    for (line, (is, should)) in table.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, should, "line {}; RINGPOST_BLESS=1 takes the change over", line + 1);
    }
    assert_eq!(table.len(), golden.len(), "one of the two tables goes on");
}

/// Every state with the history that leads to it: two devices, two UM servers.
fn states() -> Vec<(&'static str, Call)> {
    let states: [(&str, &[Event]); 15] = [
        ("Ringing, both devices", &[]),
        ("Ringing, the desk phone was busy", &BUSY[..1]),
        ("Forwarding to the first UM, both devices cancelled", &[Expired(NoAnswer)]),
        ("Forwarding to the first UM, both devices were busy", &BUSY),
        ("Forwarding to the first UM, the softphone declined", &[Refused(Phone(1), 603)]),
        ("Forwarding to the second UM, both devices cancelled", &[Expired(NoAnswer), Expired(UmSilent)]),
        ("Forwarding to the second UM, both devices were busy", &[BUSY[0], BUSY[1], Refused(Um(0), 503)]),
        ("With the first UM, which reports nothing", &[Expired(NoAnswer), Answered(Um(0))]),
        ("With the first UM, greeting", &[Expired(NoAnswer), Answered(Um(0)), Reported(Greeting)]),
        ("With the first UM, recording", &[Expired(NoAnswer), Answered(Um(0)), Reported(Recording)]),
        ("With the second UM", &[Expired(NoAnswer), Expired(UmSilent), Answered(Um(1))]),
        ("Connected with the desk phone", &[Answered(Phone(0))]),
        ("Connected with the softphone, which was late", &[Expired(NoAnswer), Answered(Phone(1))]),
        ("Over, nobody answered", &[GaveUp { elsewhere: false }]),
        ("Over, somebody answered", &[Answered(Phone(0)), HungUp(Caller)]),
    ];
    states
        .into_iter()
        .map(|(name, history)| {
            let (mut call, _) = Call::start(Plan::plain(2, 2, Duration::from_secs(20)));
            history.iter().for_each(|event| {
                call.on(*event);
            });
            (name, call)
        })
        .collect()
}

/// R65, R66, R208: the states that only a policy knows.
fn policy_states() -> Vec<(&'static str, Call)> {
    let legs = |numbers: &[u8]| {
        let mut legs = Legs::NONE;
        numbers.iter().for_each(|number| legs.add(Phone(*number)));
        legs
    };
    let ring_for = Duration::from_secs(20);
    let plan = Plan {
        stages: vec![
            Stage { first: legs(&[0, 1]), later: legs(&[2]), ring_for, on_busy: 1, on_silence: 1 },
            Stage { first: legs(&[3]), ring_for, on_busy: 2, on_silence: 2, ..Stage::default() },
        ]
        .into(),
        others: legs(&[1, 2, 3]),
        keyed: legs(&[1]),
        um_servers: 1,
        ..Plan::default()
    };
    let states: [(&str, &[Event]); 7] = [
        ("Ringing, desk phone and mobile", &[]),
        ("Ringing, the mobile is asked for the key", &[Answered(Phone(1))]),
        ("Ringing, the mobile has pressed it", &[Answered(Phone(1)), Accepted(Phone(1))]),
        ("Ringing, the delegate too", &[Expired(Delegates)]),
        (
            "Ringing, the mobile is asked, nobody else is left",
            &[Expired(Delegates), Answered(Phone(1)), Refused(Phone(0), 486), Refused(Phone(2), 486)],
        ),
        ("The colleague rings", &[Expired(NoAnswer)]),
        ("Connected with the delegate", &[Expired(Delegates), Answered(Phone(2))]),
    ];
    let call = |history: &[Event]| {
        let (mut call, _) = Call::start(plan.clone());
        history.iter().for_each(|event| drop(call.on(*event)));
        call
    };
    states.into_iter().map(|(name, history)| (name, call(history))).collect()
}

fn policy_events() -> Vec<Event> {
    let of_legs = (0..4).map(Phone).flat_map(|leg| {
        [
            Rang(leg),
            Answered(leg),
            Accepted(leg),
            NotAccepted(leg),
            Refused(leg, 486),
            Refused(leg, 603),
            HungUp(leg),
            Lost(leg),
        ]
    });
    let others = [
        GaveUp { elsewhere: false },
        GaveUp { elsewhere: true },
        HungUp(Caller),
        Expired(NoAnswer),
        Expired(Delegates),
        Stopped,
    ];
    of_legs.chain(others).collect()
}

fn events() -> Vec<Event> {
    let of_legs = LEGS.into_iter().flat_map(|leg| {
        [Rang(leg), Answered(leg), Refused(leg, 486), Refused(leg, 603), HungUp(leg), Lost(leg)]
    });
    let others = [
        GaveUp { elsewhere: false },
        GaveUp { elsewhere: true },
        Reported(Unknown),
        Reported(Greeting),
        Reported(Recording),
        Expired(NoAnswer),
        Expired(UmSilent),
        Stopped,
    ];
    of_legs.chain(others).collect()
}

fn table() -> String {
    let mut text =
        String::from("The call machine: two devices, two UM servers. Made by tests/call_golden.rs.\n");
    add(&mut text, &states(), events());
    text += "\nA policy: the desk phone and a mobile with the accept key, then a delegate, then a colleague, then UM.\n";
    add(&mut text, &policy_states(), policy_events());
    text
}

fn add(text: &mut String, states: &[(&'static str, Call)], events: Vec<Event>) {
    for (name, before) in states {
        let mut idle = Vec::new();
        write!(text, "\n{name}\n").expect("a string takes everything");
        for event in events.clone() {
            let mut after = before.clone();
            let effects = after.on(event);
            if effects.is_empty() && after == *before {
                idle.push(format!("{event:?}"));
                continue;
            }
            let mut effects: Vec<String> = effects.iter().map(|effect| format!("{effect:?}")).collect();
            if effects.is_empty() {
                effects.push("-".into());
            }
            let next = name_of(states, before, &after);
            writeln!(text, "  {event:?}: {} > {next}", effects.join(", "))
                .expect("a string takes everything");
        }
        writeln!(text, "  nothing: {}", idle.join(", ")).expect("a string takes everything");
    }
}

fn name_of(states: &[(&str, Call)], before: &Call, after: &Call) -> String {
    if before == after {
        return "the same".into();
    }
    let state = state_of(after);
    if let Some((name, _)) = states.iter().find(|(_, known)| state_of(known) == state) {
        return (*name).into();
    }
    state
}

fn state_of(call: &Call) -> String {
    let whole = format!("{call:?}");
    let state = whole.split_once("state: ").map_or(&*whole, |(_, state)| state);
    state.strip_suffix(" }").unwrap_or(state).into()
}
