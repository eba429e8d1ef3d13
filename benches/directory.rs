//! A directory of 500,000 people: how long it takes from its snapshot to the first lookup, how much memory it takes, and how
//! long a lookup takes. `cargo bench -p ringpost --bench directory`.

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use bytes::Bytes;
use divan::{Bencher, black_box};
use ringpost::{
    directory::{
        ldap::Id,
        people::{Change, People, Roster, snapshot},
        person::{Kind, Number, Person},
        reverse::Rule,
    },
    identity::contact,
    numbers::{Numbering, Tel},
};

const PEOPLE: u32 = 500_000;

static FILE: LazyLock<Bytes> =
    LazyLock::new(|| Bytes::from(snapshot::encode(&Roster::of((0..PEOPLE).map(person), vec![], vec![]))));

static LOADED: LazyLock<People> =
    LazyLock::new(|| indexed(snapshot::decode(FILE.clone()).expect("our own snapshot")));

/// Prints figures once, then lets divan measure.
fn main() {
    let file = FILE.len();
    let before = resident();
    let clock = clock();
    let roster = snapshot::decode(FILE.clone()).expect("our own snapshot");
    let decoded = clock.elapsed();
    let people = indexed(roster);
    let (whole, after) = (clock.elapsed(), resident());
    let (mb, grown) = (people.octets() as f64 / 1e6, after.saturating_sub(before) as f64 / 1e6);
    println!("{PEOPLE} people, {} numbers, a snapshot of {:.1} MB", people.numbers(), file as f64 / 1e6);
    println!("from the snapshot: read in {decoded:?}, with its index in {whole:?}");
    println!(
        "memory: {mb:.1} MB counted; the process grew by {grown:.1} MB (the file's octets were there before)"
    );
    drop(people);
    LazyLock::force(&LOADED);
    divan::main();
}

#[divan::bench(sample_count = 50, sample_size = 1000)]
fn by_whole_number(bencher: Bencher<'_, '_>) {
    looked_up(bencher, |at| format!("+4544{at:06}"));
}

#[divan::bench(sample_count = 50, sample_size = 1000)]
fn by_extension(bencher: Bencher<'_, '_>) {
    looked_up(bencher, |at| format!("{at:06}"));
}

#[divan::bench(sample_count = 50, sample_size = 1000)]
fn by_last_digits(bencher: Bencher<'_, '_>) {
    looked_up(bencher, |at| format!("2{at:07}"));
}

#[divan::bench(sample_count = 50, sample_size = 1000)]
fn of_nobody(bencher: Bencher<'_, '_>) {
    looked_up(bencher, |at| format!("+33{at:09}"));
}

#[divan::bench(sample_count = 5)]
fn from_the_snapshot(bencher: Bencher<'_, '_>) {
    bencher.bench(|| indexed(snapshot::decode(FILE.clone()).expect("our own snapshot")));
}

#[divan::bench(sample_count = 5)]
fn with_one_change(bencher: Bencher<'_, '_>) {
    let changed = || Change::Put(Box::new(person(4711)));
    bencher.bench(|| indexed(LOADED.roster().with([changed()], None, vec![])));
}

/// Numbers in no order, so that the caches help no more than in a real day.
fn looked_up(bencher: Bencher<'_, '_>, number: impl Fn(u32) -> String + Sync) {
    let here = here();
    let mut dice = fastrand::Rng::with_seed(1);
    bencher.with_inputs(move || number(dice.u32(..PEOPLE))).bench_local_refs(|number| {
        black_box(LOADED.name(number, |number| here.normal(number)).map(str::len))
    });
}

fn here() -> Numbering {
    Numbering { country: Some("45".into()), national: "0".into(), international: "00".into() }
}

fn indexed(roster: Roster) -> People {
    let here = here();
    let normal = |number: &str| contact::normal(number, &here);
    People::of(Arc::new(roster), &Rule { normal: &normal, last_digits: 7 })
}

fn person(at: u32) -> Person {
    let number = |kind, text: String| Number { kind, text };
    let line = format!("tel:+4544{at:06};ext={at:06}");
    Person {
        id: Id(u128::from(at).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes()),
        dn: format!("cn=User {at},ou=Users,dc=corp,dc=test"),
        name: format!("Nachname{at}, Jörg"),
        given: Some("Jörg".into()),
        surname: Some(format!("Nachname{at}")),
        company: Some("Contoso".into()),
        department: Some(format!("Department {}", at % 200)),
        title: Some("Engineer".into()),
        mails: vec![format!("user{at}@corp.test")],
        sip: Some(format!("sip:user{at}@corp.test")),
        line: Tel::read(&line).ok(),
        numbers: vec![
            number(Kind::Line, line),
            number(Kind::Telephone, format!("+45 44 {at:06}")),
            number(Kind::Mobile, format!("+45 2{at:07}")),
        ],
        ..Person::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn clock() -> Instant {
    Instant::now()
}

/// The memory of the process, in octets; 0 where the system does not say.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).map_or(0, |kib| kib * 1024)
}
