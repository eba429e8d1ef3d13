//! T28: kill -9 at any moment, under load, with every channel.

use std::{
    collections::BTreeSet,
    env, thread,
    time::{Duration, Instant},
};

use crate::{
    load::Load,
    support::{Site, within},
    town::{Town, USERS, in_folder},
};

/// `RINGPOST_KILLS` is how often, `RINGPOST_SEED` at which moments.
#[test]
fn t28_killed_again_and_again_under_load_every_channel_tells_every_call_and_none_twice() {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let (kills, seed) = (number("RINGPOST_KILLS").unwrap_or(25), number("RINGPOST_SEED").unwrap_or(28));
    let mut moments = fastrand::Rng::with_seed(seed);
    let outbox = "first_retry = \"100ms\"\nlongest_retry = \"500ms\"";
    let (site, town, pbx, desk) = Town::new(Site::new().log_level("info"), outbox);
    let mut ringpost = site.start();
    let begun = Instant::now();
    let load = Load::begin(pbx, desk, USERS, Duration::from_millis(8));
    let mut killed = Vec::new();
    for kill in 0..kills {
        // Every other life sees calls come to their ends, however busy the machine is.
        let over = load.over().len();
        within(Duration::from_secs(30), "calls end", || kill % 2 == 1 || load.over().len() > over + 4);
        thread::sleep(Duration::from_micros(moments.u64(2_000..200_000)));
        let at = Instant::now();
        ringpost.kill();
        ringpost.restart();
        killed.push((at, Instant::now()));
    }
    let over = load.end();
    let took = begun.elapsed();
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let untold = town.untold(&over, &ringpost);
        if untold.is_empty() {
            break;
        }
        assert!(Instant::now() < end, "{} of {} calls are lost: {untold:?}", untold.len(), over.len());
        thread::sleep(Duration::from_millis(100));
    }
    // Whatever would come twice has come by then.
    town.settles(Duration::from_secs(60));
    let (again, folder) = (copies(&town, &killed), in_folder(&ringpost));
    assert_eq!(
        folder.iter().map(|(call, _)| call).collect::<BTreeSet<_>>().len(),
        folder.len(),
        "none twice"
    );
    assert!(over.len() > 2 * usize::try_from(kills).expect("few"), "calls came in: {}", over.len());
    println!("{kills} kills in {took:?}, seed {seed}: {} calls were over; {again}", over.len());
    ringpost.is_well();
    assert_eq!(ringpost.terminate().code(), Some(0), "{}", ringpost.log());
}

/// Every call has one key wherever it is told, and no more copies than kills from its first to its last one: each from the
/// kill to the next life, for what a life has sent may be read after its end. What was told, for people.
fn copies(town: &Town, killed: &[(Instant, Instant)]) -> String {
    let mut words = Vec::new();
    for (name, ledger) in town.ledgers() {
        let (mut notices, mut again) = (0, 0);
        for (call, told) in ledger.calls() {
            let keys: BTreeSet<&String> = told.iter().map(|told| &told.key).collect();
            assert_eq!(keys.len(), 1, "{name} has told {call} under several keys");
            let (first, last) = (told[0].at, told[told.len() - 1].at);
            let kills = killed.iter().filter(|(from, to)| *from <= last && first <= *to).count();
            assert!(told.len() - 1 <= kills, "{name} has told {call} too often: {told:?}");
            (notices, again) = (notices + 1, again + told.len() - 1);
        }
        words.push(format!("{name} {notices} and {again} copies"));
    }
    let (hook, mail) = (town.ledger("hook").calls(), town.ledger("mail").calls());
    for (call, told) in &hook {
        if let Some(mailed) = mail.get(call) {
            assert_eq!(told[0].key, mailed[0].key, "one key for all channels");
        }
    }
    words.join(", ")
}
