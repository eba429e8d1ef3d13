//! Which calendars are asked for when, with time as an input (R53, T31).

use std::{collections::HashSet, sync::Arc};

use ringpost::calendar::polling::{Fate, Outcome, Polling, Question, Terms};

fn boxes(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

const TERMS: Terms = Terms { every: 900_000, batch: 100 };

fn there(_: &str) -> Arc<str> {
    "mail".into()
}

fn all(question: &Question, fate: Fate) -> Outcome {
    Outcome::Told(vec![fate; question.mailboxes.len()], None)
}

/// All mailboxes are asked for in batches, each again after its time, and spread; a server that is down is asked seldom, and
/// one question is under way at a time.
#[test]
fn everybody_is_asked_for_in_time_and_a_server_that_is_down_seldom() {
    let names: Vec<Arc<str>> = (0..250).map(|n| Arc::from(format!("u{n}@x"))).collect();
    let mut polling = Polling::new(TERMS);
    polling.sets(TERMS, names.iter().cloned(), 0, u32::MAX / 2);
    assert_eq!(polling.next(0, there), None, "not all at once at a start");
    let mut now = polling.wake().expect("due");
    assert!(now <= 15_000, "{now}");
    let mut seen = 0;
    while let Some(question) = polling.next(now, there) {
        assert!(
            question.mailboxes.len() <= 100 && polling.next(now, there).is_none(),
            "one at a time at a server"
        );
        seen += question.mailboxes.len();
        polling.answered(&question, &all(&question, Fate::Shown), now, 7);
    }
    assert_eq!((seen, polling.count()), (250, 250));
    let first = now;
    now = polling.wake().expect("due");
    assert!((first + 810_000..=first + 900_000).contains(&now), "{now}");
    // Down: half a second to a second, then more, never more than `every`; what it asks for is kept.
    let mut waits = vec![];
    for _ in 0..12 {
        let question = polling.next(now, there).expect("due");
        polling.answered(&question, &Outcome::Down(None), now, u32::MAX / 2);
        waits.push(polling.wake().expect("again") - now);
        now = polling.wake().expect("again");
    }
    assert!(polling.is_down() && waits[0] <= 1_000 && waits.iter().all(|wait| *wait <= 900_000), "{waits:?}");
    assert!(waits.is_sorted() && waits[11] >= 450_000, "{waits:?}");
    let question = polling.next(now, there).expect("due");
    polling.answered(&question, &Outcome::Down(Some(3_600_000)), now, 0);
    assert_eq!(polling.next(now + 3_599_999, there), None);
    now += 3_600_000;
    // Back: few at first, and soon as many as before.
    let mut sizes = vec![];
    while sizes.last() != Some(&100) {
        let question = polling.next(now, there).expect("due");
        sizes.push(question.mailboxes.len());
        match question.mailboxes.len() {
            100 => polling.answered(&question, &Outcome::TooMuch, now, 0),
            _ => polling.answered(&question, &all(&question, Fate::Shown), now, 0),
        }
    }
    assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 100]);
    // Too much for one answer: halves, down to one, which is left alone then.
    let mut sizes = vec![];
    for _ in 0..7 {
        let question = polling.next(now, there).expect("due");
        sizes.push(question.mailboxes.len());
        polling.answered(&question, &Outcome::TooMuch, now, 0);
    }
    assert_eq!(sizes, [50, 25, 12, 6, 3, 1, 1]);
    let question = polling.next(now, there).expect("due");
    polling.answered(&question, &all(&question, Fate::Hidden), now, 0);
    assert!(!polling.is_down());
    // Whoever is not asked for any more.
    polling.sets(TERMS, names[..3].iter().cloned(), now, 0);
    assert_eq!(polling.count(), 3);
}

/// A server that is down, or wants to be left alone, delays nobody at another; who moves to another is asked for there.
#[test]
fn every_server_has_a_pace_of_its_own() {
    let at = |mailbox: &str| Arc::from(if mailbox.starts_with('a') { "alive" } else { "dead" });
    let names: Vec<Arc<str>> =
        (0..400).map(|n| Arc::from(format!("{}{n}@x", if n % 2 == 0 { "a" } else { "d" }))).collect();
    let mut polling = Polling::new(TERMS);
    polling.sets(TERMS, names.iter().cloned(), 0, 0);
    let [one, other] = [0, 0].map(|now| polling.next(now, at).expect("a question for each"));
    assert_eq!(polling.next(0, at), None);
    assert_eq!(polling.wake(), None, "both are being asked");
    let (alive, dead) = if &*one.place == "alive" { (one, other) } else { (other, one) };
    assert_eq!((&*alive.place, &*dead.place), ("alive", "dead"));
    assert!(alive.mailboxes.iter().all(|name| name.starts_with('a')));
    // The dead one hangs: the other one has told of everybody before that is even known.
    polling.answered(&alive, &all(&alive, Fate::Shown), 10, 0);
    let next = polling.next(10, at).expect("the second half");
    polling.answered(&next, &all(&next, Fate::Shown), 20, 0);
    assert_eq!((polling.next(20, at), polling.is_down()), (None, false));
    polling.answered(&dead, &Outcome::Down(None), 30_000, 0);
    assert!(polling.is_down());
    let wake = polling.wake().expect("again");
    assert!((30_500..=31_000).contains(&wake), "{wake}");
    // Its mailboxes have moved: nothing stands in their way.
    let question = polling.next(30_000, |_| "alive".into()).expect("a question");
    assert!(question.mailboxes.iter().all(|name| name.starts_with('d')));
    assert!(!polling.is_down(), "nobody is asked for at the dead one");
    // Wants to be left alone, in an answer.
    polling.answered(&question, &Outcome::Told(vec![Fate::Shown; 100], Some(5_000)), 30_000, 0);
    assert_eq!(polling.next(34_999, |_| "alive".into()), None);
    assert!(polling.next(35_000, |_| "alive".into()).is_some());
}

/// A server that is found is asked at once; one that is found again and again is not looked for without an end. Of whom nothing
/// can be said now is asked for before long.
#[test]
fn who_is_found_is_asked_at_once_and_who_is_not_soon_again() {
    let mut polling = Polling::new(TERMS);
    polling.sets(TERMS, boxes(&["a@x", "b@x"]), 0, 0);
    let question = polling.next(0, |_| "autodiscover".into()).expect("a question");
    polling.answered(&question, &Outcome::Told(vec![Fate::Found, Fate::Later], None), 5, 0);
    let found = polling.next(5, there).expect("at once");
    assert_eq!((&*found.place, &found.mailboxes[..]), ("mail", &boxes(&["a@x"])[..]));
    polling.answered(&found, &Outcome::Told(vec![Fate::Found], None), 6, 0);
    let wake = polling.wake().expect("later");
    assert!((135_000..=225_006).contains(&wake), "{wake}");
    assert!(!polling.shows_nobody());
    let both = polling.next(wake, there).expect("a question");
    polling.answered(&both, &all(&both, Fate::Hidden), wake, 0);
    assert!(polling.shows_nobody());
}

/// One mailbox that a server falls over hides no other: those behind it come first, and then it is found out.
#[test]
fn one_mailbox_that_a_server_falls_over_hides_no_other() {
    let names: Vec<Arc<str>> = (0..60).map(|n| Arc::from(format!("u{n:02}@x"))).collect();
    let terms = Terms { every: 900_000, batch: 20 };
    let (mut polling, mut now) = (Polling::new(terms), 0);
    polling.sets(terms, names.iter().cloned(), 0, 0);
    let mut shown = HashSet::new();
    while shown.len() < 59 {
        now = polling.wake().expect("due").max(now);
        let question = polling.next(now, there).expect("due");
        let falls = question.mailboxes.iter().any(|name| &**name == "u00@x");
        if !falls {
            shown.extend(question.mailboxes.iter().cloned());
        }
        let outcome = if falls { Outcome::Down(None) } else { all(&question, Fate::Shown) };
        polling.answered(&question, &outcome, now, 0);
        assert!(now < 60_000, "{now}: {shown:?}");
    }
}
