//! Many watchers at once (T33, R206): storms of subscriptions while calls go on, all watchers lost at once, and kills in the
//! middle. `RINGPOST_STORM=10000` for the full size.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{
    crowd::{Crowd, Manner},
    support::{Over, Peer, Ringpost, Site, faketime, metrics, ports, within},
    watcher::site,
};

/// How many, unless told.
fn size() -> usize {
    std::env::var("RINGPOST_STORM").ok().and_then(|size| size.parse().ok()).unwrap_or(1_500)
}

/// One call from the PBX to a user's phone, answered and ended.
fn talks(pbx: &mut Peer, (user, phone): (&str, &mut Peer), during: impl FnOnce()) {
    let invite = pbx.invite(user);
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    pbx.expect("180");
    let mut talk = pbx.talks(&invite, phone, &ringing);
    during();
    pbx.ends(&mut talk, phone);
}

/// Has a user called, time and again, as long as something goes on: each call has to get through. How many they were.
fn calls_during<T>(user: &str, parties: &mut (Peer, Peer), work: impl FnOnce() -> T + Send) -> (T, usize)
where
    T: Send,
{
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let done = work();
            over.store(true, Ordering::Relaxed);
            done
        });
        let mut calls = 0;
        while !over.load(Ordering::Relaxed) && !work.is_finished() {
            talks(&mut parties.0, (user, &mut parties.1), || ());
            calls += 1;
        }
        (work.join().expect("it is over"), calls)
    })
}

/// Starts a site with a phone of users 1001, whom all watch, and 1003, whom nobody does, and the PBX that calls it. They speak
/// TCP: what a full buffer drops of UDP has to be sent again, and these parties do not.
fn starts(site: Site) -> (Ringpost, (Peer, Peer)) {
    let (pbx, phone) = (site.peer(Over::Tcp), site.peer(Over::Tcp));
    let ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").user("1003", &[&phone], "").start();
    (ringpost, (pbx, phone))
}

fn measured(lines: &str) -> (Site, u16) {
    let port = ports(1);
    let site = site(&format!("users = \"full\"\n{lines}"));
    (site.log_level("info").table(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\"")), port)
}

#[test]
fn t33_a_storm_of_subscriptions_costs_no_call_and_leaves_nothing() {
    let count = size();
    let (site, port) = measured("");
    let (ringpost, mut parties) = starts(site);
    let before = ringpost.resident();
    let mut crowd = Crowd::new(&ringpost);
    let (took, calls) = calls_during("1003", &mut parties, || crowd.storms(0..count, 1));
    assert!(crowd.hears(Duration::from_secs(30), |crowd| crowd.all_told(count, "-")), "{}", crowd.told.len());
    println!("{count} subscriptions in {took:?} beside {calls} calls, noisy machine");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(calls > 0);
    let grown = ringpost.resident().saturating_sub(before);
    println!("{} octets for each subscription with its first NOTIFY's transaction", grown * 1_024 / count);
    let subscriptions = || metrics::number(port, "subscriptions");
    within(Duration::from_secs(5), "all of them are counted", || subscriptions() as usize == count);
    // One change, told to all.
    let (pbx, phone) = &mut parties;
    let since = Instant::now();
    talks(pbx, ("1001", phone), || {
        let all = crowd.hears(Duration::from_secs(30), |crowd| crowd.all_told(count, "confirmed"));
        assert!(all, "{:?}", crowd.told.values().filter(|state| *state != "confirmed").count());
        println!("a change told to {count} in {:?}, noisy machine", since.elapsed());
    });
    assert!(crowd.hears(Duration::from_secs(30), |crowd| crowd.all_told(count, "-")));
    // None of them knows of it any more: nothing of them stays.
    crowd.manner = Manner::Says(481);
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    within(Duration::from_secs(30), "no subscription is left", || {
        crowd.hears(Duration::from_millis(300), |_| false);
        subscriptions() == 0
    });
    pbx.cancel(&invite, "");
    ringpost.is_well();
}

/// R206: kill -9 in the middle of it. Those that are on the disk are told anew, one after the other; whoever refreshes, or
/// begins anew at a 481, has the right state. Calls go on as soon as Ringpost is back.
#[test]
fn a_kill_in_the_middle_of_a_storm_leaves_no_wrong_state() {
    let count = size();
    let (mut ringpost, (mut pbx, mut phone)) =
        starts(site("users = \"full\"\nresume_within = \"3s\"").log_level("info"));
    let mut crowd = Crowd::new(&ringpost);
    pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    pbx.expect("180");
    crowd.storms(0..count / 2, 1);
    assert!(crowd.hears(Duration::from_secs(20), |crowd| crowd.all_told(count / 2, "early")));
    // What has come until now is on the disk a second later, and something new is coming in.
    crowd.hears(Duration::from_millis(2_500), |_| false);
    (count / 2..count).for_each(|number| crowd.subscribe(number, 1));
    ringpost.kill();
    ringpost.restart();
    let back = Instant::now();
    crowd.first.clear();
    let mut parties = (site_peer(&ringpost), phone);
    let (by_themselves, calls) = calls_during("1003", &mut parties, || {
        // Those that were written are told by themselves; the others when they refresh.
        crowd.hears(Duration::from_secs(5), |_| false);
        let told = (0..count / 2).filter(|number| crowd.first.contains_key(number)).count();
        refreshes(&mut crowd, count, back);
        told
    });
    println!("{by_themselves} of {} were told by themselves, beside {calls} calls", count / 2);
    assert!(by_themselves >= count / 2 - count / 20, "what was written a second before is resumed");
    assert!(calls > 0);
    // No more than its share of them at once: a tenth of the time has no third of the NOTIFYs.
    let mut at: Vec<_> = (0..count / 2).filter_map(|number| crowd.first.get(&number)).collect();
    at.sort();
    let busiest = at.iter().enumerate().map(|(first, from)| {
        at[first..].iter().take_while(|one| one.duration_since(**from) < Duration::from_millis(200)).count()
    });
    assert!(busiest.max().is_some_and(|most| most * 3 < at.len()), "they came all at once");
    assert!(crowd.all_told(count, "-"));
    ringpost.is_well();
}

/// Has all who were not told since the start, or what was so before it, refresh, or begin anew, until each knows.
fn refreshes(crowd: &mut Crowd, count: usize, back: Instant) {
    let knows = |crowd: &Crowd, number: &usize| {
        crowd.first.contains_key(number) && crowd.told.get(number).is_some_and(|state| state == "-")
    };
    let mut turn = 10;
    loop {
        let waiting: Vec<_> = (0..count).filter(|number| !knows(crowd, number)).collect();
        if waiting.is_empty() {
            return;
        }
        assert!(back.elapsed() < Duration::from_secs(30), "{} of {count}", waiting.len());
        turn += 1;
        waiting.iter().for_each(|number| crowd.subscribe(*number, turn));
        crowd.hears(Duration::from_millis(700), |crowd| waiting.iter().all(|number| knows(crowd, number)));
    }
}

/// Another PBX: the one of before the kill still waits for answers to its INVITE.
fn site_peer(ringpost: &Ringpost) -> Peer {
    Peer::new(Over::Tcp, "127.0.0.1", ringpost.sip)
}

/// T33: all watchers vanish at once, half of them without a word, half so that ICMP says it. Each is written to as often as
/// RFC 3261 §17.1.2.2 has it and no more, nothing of them stays, in memory or on the disk, and no call suffers.
#[test]
fn t33_watchers_that_vanish_at_once_leave_nothing() {
    // The 32 seconds of each NOTIFY in four.
    let Some(library) = faketime() else { return };
    let (site, port) = measured("");
    let fast = site.env("LD_PRELOAD", &library.display().to_string()).env("FAKETIME", "+0 x8");
    let (ringpost, mut parties) = starts(fast);
    let subscriptions = || metrics::number(port, "subscriptions") as usize;
    let count = size();
    let mut sizes = vec![];
    for turn in 0..2 {
        let mut crowd = Crowd::new(&ringpost);
        crowd.storms(0..count, 1);
        // So that each has answered, and was heard.
        crowd.hears(Duration::from_millis(500), |_| false);
        assert_eq!(subscriptions(), count);
        crowd.manner = Manner::IsSilent;
        crowd.half_leaves();
        crowd.heard = 0;
        let ((), calls) = calls_during("1001", &mut parties, || {
            within(Duration::from_secs(60), "no subscription is left", || {
                crowd.hears(Duration::from_millis(100), |_| false);
                subscriptions() == 0
            });
        });
        println!("{} NOTIFYs to {} that were silent, beside {calls} calls", crowd.heard, count / 2);
        assert!(calls > 0);
        // Eleven times at most; what changed meanwhile is not told to who has not answered yet.
        assert!((count / 2..=11 * (count / 2)).contains(&crowd.heard), "{}", crowd.heard);
        let (pbx, phone) = &mut parties;
        crowd.heard = 0;
        talks(pbx, ("1001", phone), || {
            crowd.hears(Duration::from_millis(300), |_| false);
        });
        assert_eq!(crowd.heard, 0, "nobody is told any more");
        sizes.push(ringpost.resident());
        println!("{} KiB after round {turn}", sizes[turn]);
    }
    assert!(sizes[1] < sizes[0] + sizes[0] / 10 + 4_096, "{sizes:?} KiB");
    within(Duration::from_secs(10), "the disk has forgotten them", || {
        let db = rusqlite::Connection::open(ringpost.folder.path().join("store.db"));
        let rows =
            db.and_then(|db| db.query_row("SELECT count(*) FROM presence", [], |row| row.get::<_, i64>(0)));
        rows.is_ok_and(|rows| rows == 0)
    });
    ringpost.is_well();
}
