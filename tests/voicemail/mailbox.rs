//! The whole state × event table of the mailbox over the phone, compared with `tests/golden/mailbox.txt`;
//! `RINGPOST_BLESS=1` writes it.

use std::{fmt::Write, fs, path::Path, time::Duration};

use proptest::prelude::*;
use ringpost::voicemail::{
    State,
    menu::{
        Contents, Day, Effect,
        Event::{self, *},
        Failure, Message, Received,
        mailbox::{Entry, Mailbox, Rules},
    },
};

const RULES: Rules = Rules { silence: Duration::from_secs(6), between: Duration::from_secs(4), tries: 3 };

fn contents() -> Contents {
    let received = Received { day: Day::Today, hour: 9, minute: 5 };
    let message = |id, age, urgent, number: Option<&str>| Message {
        id,
        age,
        urgent,
        number: number.map(str::to_owned),
        received,
    };
    let messages = vec![
        message(7, State::New, true, Some("+4533")),
        message(3, State::New, false, None),
        message(1, State::Old, false, Some("200")),
    ];
    Contents { messages, notices: true }
}

fn events() -> Vec<Event> {
    let keys = "0123456789*#A".chars().map(Key);
    let others = [
        Begun,
        Played,
        Waited,
        Failed(Failure::Busy),
        Failed(Failure::Unknown),
        Admitted(Box::new(contents())),
        Refused,
        Locked,
        Taken(true),
        Taken(false),
        Written(true),
        Written(false),
    ];
    keys.chain(others).collect()
}

fn keys(keys: &str) -> Vec<Event> {
    keys.chars().map(Key).collect()
}

/// Every state with the history that leads to it.
fn histories() -> Vec<(&'static str, Entry, Vec<Event>)> {
    let open = || Entry::Open(contents());
    let at = |more: &str| [vec![Begun], keys(more)].concat();
    vec![
        ("asks for the mailbox", Entry::Number, at("")),
        ("a digit of the mailbox", Entry::Number, at("2")),
        ("asks for its PIN", Entry::Number, at("200#")),
        ("a digit of the PIN", Entry::Number, at("200#2")),
        ("the PIN is checked", Entry::Number, at("200#2580#")),
        ("asks for the own PIN", Entry::Pin, at("")),
        ("the own PIN is checked", Entry::Pin, at("2580#")),
        ("main menu", open(), at("")),
        ("the first message plays", open(), at("1")),
        ("it was heard", open(), [at("1"), vec![Played]].concat()),
        ("the last message plays", open(), at("166")),
        ("it is being saved", open(), at("12")),
        ("it is being deleted", open(), at("13")),
        ("it is called back", open(), at("18")),
        ("greeting", open(), at("2")),
        ("the words before the tone", open(), at("22")),
        ("something was recorded", open(), [at("22"), vec![Played, Taken(true)]].concat()),
        ("the greeting is being kept", open(), [at("22"), vec![Played, Taken(true)], keys("2")].concat()),
        ("notices are being changed", open(), at("3")),
        ("another PIN", open(), at("4")),
        ("once more", open(), at("41357#")),
        ("the PIN is being kept", open(), at("41357#1357#")),
        ("the last words", open(), at("*")),
        ("over", open(), [at("*"), vec![Played]].concat()),
    ]
}

fn shown(effects: &[Effect]) -> String {
    let one = |effect: &Effect| match effect {
        Effect::Play(words) => {
            let words: Vec<_> = words.iter().map(ToString::to_string).collect();
            format!("play {}", words.join(" "))
        }
        other => format!("{other:?}"),
    };
    effects.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn table() -> String {
    let mut table = String::new();
    for (name, entry, history) in histories() {
        writeln!(table, "{name}").expect("a String takes it");
        for event in events() {
            let mut mailbox = Mailbox::new(RULES, entry.clone());
            history.iter().for_each(|event| drop(mailbox.on(event.clone())));
            let effects = mailbox.on(event.clone());
            if !effects.is_empty() {
                let event = match event {
                    Admitted(_) => "Admitted".to_owned(),
                    other => format!("{other:?}"),
                };
                writeln!(table, "  {event}: {}", shown(&effects)).expect("a String takes it");
            }
        }
    }
    table
}

#[test]
fn every_state_of_the_mailbox_meets_every_event() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mailbox.txt");
    let table = table();
    if std::env::var_os("RINGPOST_BLESS").is_some() {
        fs::write(&path, &table).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).expect("the golden file is there; RINGPOST_BLESS=1 writes it");
    assert_eq!(table, golden, "RINGPOST_BLESS=1 takes the change over");
}

proptest! {
    /// T20: whatever comes in whatever order, nothing of a mailbox is heard, changed or called before its PIN was right.
    #[test]
    fn t20_nothing_happens_before_the_pin_was_right(
        known in any::<bool>(),
        history in proptest::collection::vec(0_usize..25, 0..60),
    ) {
        let events = events();
        let mut mailbox = Mailbox::new(RULES, if known { Entry::Pin } else { Entry::Number });
        for at in history {
            let event = events[at].clone();
            if matches!(event, Admitted(_)) {
                continue;
            }
            for effect in mailbox.on(event) {
                let harmless = match &effect {
                    Effect::Play(words) => !words.iter().any(|say| say.to_string().starts_with("message")),
                    Effect::Hush | Effect::Wait(_) | Effect::HangUp | Effect::Check { .. } => true,
                    _ => false,
                };
                prop_assert!(harmless, "{effect:?}");
            }
        }
    }

    /// No history of a caller who is in leads to a panic, or to anything after the end.
    #[test]
    fn whatever_is_pressed_the_mailbox_goes_on(history in proptest::collection::vec(0_usize..25, 0..200)) {
        let events = events();
        let mut mailbox = Mailbox::new(RULES, Entry::Open(contents()));
        let mut over = false;
        for at in history {
            let effects = mailbox.on(events[at].clone());
            prop_assert!(!over || effects.is_empty());
            over |= effects.contains(&Effect::HangUp);
        }
    }
}
