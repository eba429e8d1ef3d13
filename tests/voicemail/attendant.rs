//! The whole state × event table of the attendant, compared with `tests/golden/attendant.txt`; `RINGPOST_BLESS=1` writes it.

use std::{fmt::Write, fs, path::Path, time::Duration};

use ringpost::voicemail::menu::{
    Effect,
    Event::{self, *},
    Failure::{self, *},
    attendant::{Attendant, Rules},
};

const EVENTS: [Event; 12] = [
    Begun,
    Key('0'),
    Key('2'),
    Key('#'),
    Key('*'),
    Key('A'),
    Played,
    Waited,
    Failed(Unknown),
    Failed(Busy),
    Failed(NoAnswer),
    Key('9'),
];

fn rules(operator: bool, digits: Option<usize>) -> Rules {
    let (first, between) = (Duration::from_secs(5), Duration::from_secs(3));
    Rules { digits, first, between, tries: 2, operator, announcement: false }
}

/// Every state with the history that leads to it.
fn histories() -> Vec<(&'static str, Vec<Event>)> {
    vec![
        ("before the ACK", vec![]),
        ("the announcement plays", vec![Begun]),
        ("the first digit is waited for", vec![Begun, Played]),
        ("a digit has come", vec![Begun, Key('2')]),
        ("a zero has come", vec![Begun, Key('0')]),
        ("led to an extension", vec![Begun, Key('2'), Waited]),
        ("led to zero", vec![Begun, Key('0'), Waited]),
        ("back for the last try", vec![Begun, Key('2'), Waited, Failed(Busy)]),
        (
            "led to an extension for the last time",
            vec![Begun, Key('2'), Waited, Failed(Busy), Key('2'), Key('#')],
        ),
        ("the last words", vec![Begun, Played, Waited, Played, Waited, Failed(Busy), Failed(Busy)]),
        ("over", vec![Begun, Played, Waited, Played, Waited, Failed(Busy), Failed(Busy), Played]),
    ]
}

fn shown(effects: &[Effect]) -> String {
    let one = |effect: &Effect| match effect {
        Effect::Play(words) => {
            let words: Vec<_> = words.iter().map(ToString::to_string).collect();
            format!("play {}", words.join(" "))
        }
        Effect::Hush => "hush".to_owned(),
        Effect::Wait(time) => format!("wait {} s", time.as_secs()),
        Effect::Transfer(target) => format!("transfer to {target:?}"),
        Effect::HangUp => "hang up".to_owned(),
        other => format!("{other:?}"),
    };
    effects.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn table() -> String {
    let mut table = String::new();
    for (operator, digits) in [(false, None), (true, Some(3))] {
        for (name, history) in histories() {
            writeln!(table, "{name} (operator: {operator}, digits: {digits:?})").expect("a String takes it");
            for event in EVENTS {
                let mut attendant = Attendant::new(rules(operator, digits));
                history.iter().for_each(|event| drop(attendant.on(event.clone())));
                let effects = attendant.on(event.clone());
                if !effects.is_empty() {
                    writeln!(table, "  {event:?}: {}", shown(&effects)).expect("a String takes it");
                }
            }
        }
    }
    table
}

#[test]
fn every_state_of_the_attendant_meets_every_event() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/attendant.txt");
    let table = table();
    if std::env::var_os("RINGPOST_BLESS").is_some() {
        fs::write(&path, &table).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).expect("the golden file is there; RINGPOST_BLESS=1 writes it");
    assert_eq!(table, golden, "RINGPOST_BLESS=1 takes the change over");
}

#[test]
fn codes_mean_what_a_caller_is_told() {
    for (code, failure) in [
        (404, Unknown),
        (484, Unknown),
        (486, Busy),
        (600, Busy),
        (603, Busy),
        (480, NoAnswer),
        (503, NoAnswer),
    ] {
        assert_eq!(Failure::of(code), failure, "{code}");
    }
}

#[test]
fn no_caller_keeps_an_attendant_busy_for_ever_without_pressing_a_key() {
    for operator in [false, true] {
        let mut attendant = Attendant::new(rules(operator, None));
        let mut effects = attendant.on(Begun);
        let mut turns = 0;
        while !effects.contains(&Effect::HangUp) {
            turns += 1;
            assert!(turns < 50, "it goes on and on");
            let next = match effects.last() {
                Some(Effect::Play(_)) => Played,
                Some(Effect::Wait(_)) => Waited,
                Some(Effect::Transfer(_)) => Failed(NoAnswer),
                other => panic!("nothing leads on from {other:?}"),
            };
            effects = attendant.on(next);
        }
    }
}
