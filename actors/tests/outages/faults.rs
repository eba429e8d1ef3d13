//! T35, and outages with calls running: no fault of a channel's server delays a call, each notice comes once when it is back,
//! and that is soon.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use crate::{
    load::{Load, Over},
    proxy::Fault::{self, Blackhole, Pass, Refuse, Reset, Trickle},
    support::{Site, within},
    town::{REMOTE, Town, USERS, in_folder},
};

/// What is asked of an answer.
const SOON: Duration = Duration::from_millis(300);

/// A channel's time from its server's return to its first notice.
struct Back {
    channel: &'static str,
    first: Duration,
    opened: usize,
}

/// Breaks these channels and UM for so long while calls come in, and waits until they tell again.
fn breaks(town: &Town, fault: Fault, channels: &[&'static str], time: Duration) -> Vec<Back> {
    let opened: Vec<usize> = channels.iter().map(|name| town.proxy(name).opened()).collect();
    channels.iter().for_each(|name| town.proxy(name).set(fault));
    town.um_answers(false);
    let begun = Instant::now();
    thread::sleep(time.saturating_sub(Duration::from_millis(500)));
    if fault != Trickle {
        for name in channels {
            within(Duration::from_secs(20), "the breaker opens", || town.is_down(name));
        }
    }
    thread::sleep(time.saturating_sub(begun.elapsed()));
    let opened: Vec<usize> =
        channels.iter().zip(opened).map(|(name, before)| town.proxy(name).opened() - before).collect();
    let back = Instant::now();
    let before: Vec<usize> = channels.iter().map(|name| town.ledger(name).len()).collect();
    let informed = town.ledger("um").len();
    channels.iter().for_each(|name| town.proxy(name).set(Pass));
    town.um_answers(true);
    let mut backs = Vec::new();
    for ((channel, opened), before) in channels.iter().copied().zip(opened).zip(before) {
        within(Duration::from_secs(150), "the channel tells again", || town.ledger(channel).len() > before);
        let first = town.ledger(channel).told()[before].at - back;
        backs.push(Back { channel, first, opened });
    }
    within(Duration::from_secs(60), "UM is told again", || town.ledger("um").len() > informed);
    backs.push(Back { channel: "um", first: town.ledger("um").told()[informed].at - back, opened: 0 });
    for name in channels {
        within(Duration::from_secs(10), "the breaker closes", || !town.is_down(name));
    }
    backs
}

/// Times of a user's calls, the slowest last.
fn times(over: &[Over], is: impl Fn(&str) -> bool) -> Vec<Duration> {
    let mut times: Vec<Duration> =
        over.iter().filter(|over| is(over.user)).flat_map(|over| over.took).collect();
    times.sort();
    times
}

/// `RINGPOST_OUTAGE` is how many seconds each fault lasts.
#[test]
fn t35_no_fault_of_a_channel_delays_a_call_and_all_is_told_once_soon_after_it() {
    let seconds = env::var("RINGPOST_OUTAGE").map_or(4, |seconds| seconds.parse().expect("a number"));
    let time = Duration::from_secs(seconds);
    // The defaults: these are the pauses that a site has.
    let (site, town, pbx, desk) = Town::new(Site::new().log_level("info"), "first_retry = \"2s\"");
    let ringpost = site.start();
    let load = Load::begin(pbx, desk, USERS, Duration::from_millis(40));
    thread::sleep(Duration::from_secs(1));
    // Mail and Graph wait for an answer for a minute and more: only a long outage shows how they come back from a silence.
    let silent: &[&'static str] = if seconds > 100 { &REMOTE } else { &["hook", "exchange"] };
    for (fault, channels) in
        [(Refuse, &REMOTE[..]), (Reset, &REMOTE), (Blackhole, silent), (Trickle, &REMOTE)]
    {
        let begun = Instant::now();
        let backs = breaks(&town, fault, channels, time);
        let over: Vec<Over> = load.over().into_iter().filter(|over| over.at > begun).collect();
        let (healthy, dead) = (times(&over, |user| user == "1002"), times(&over, |user| user != "1002"));
        let at = |times: &[Duration], share: f64| times[(times.len() as f64 * share) as usize];
        println!(
            "{fault:?} for {time:?}: an answer takes {:?}, of 20 one {:?}, at most {:?}; with a healthy channel {:?}, {:?}, {:?}",
            at(&dead, 0.5),
            at(&dead, 0.95),
            at(&dead, 1.0 - f64::EPSILON),
            at(&healthy, 0.5),
            at(&healthy, 0.95),
            at(&healthy, 1.0 - f64::EPSILON),
        );
        // A busy machine may lose a race or two.
        assert!(at(&dead, 0.95) < SOON, "{fault:?} delays calls: {dead:?}");
        for Back { channel, first, opened } in backs {
            println!("  {channel}: {opened} connections meanwhile, told again after {first:?}");
            assert!(first < Duration::from_secs(5), "{fault:?}: {channel} is back only after {first:?}");
        }
    }
    let over = load.end();
    within(Duration::from_secs(60), "every call is told", || town.untold(&over, &ringpost).is_empty());
    town.settles(Duration::from_secs(30));
    for (name, ledger) in town.ledgers() {
        for (call, told) in ledger.calls() {
            assert!(
                told.iter().all(|one| one.key == told[0].key),
                "{name} has told {call} under several keys"
            );
        }
    }
    println!("{} calls; {} in the Maildir", over.len(), in_folder(&ringpost).len());
    ringpost.is_well();
}
