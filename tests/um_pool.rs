//! The pool of UM servers (R14–R16): tables of what happens to a server, and random histories of a whole pool.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use ringpost::{
    settings::{Um, UmPlan, UmServer},
    um::{
        health::{Health, Probe, Rules, Sign},
        pool::{Change, Member, Pool, Strategy as Picks},
    },
};

const FIRST: u64 = 5_000;

fn um(attempts: u8, strategy: Picks, probe: Probe) -> Um {
    let secs = Duration::from_secs;
    let rules = Rules { failures: 1, probe, first: secs(5), longest: secs(60), ramp: secs(30) };
    Um { attempts, ring_limit: secs(10), silence: secs(4), strategy, rules, pilots: vec![] }
}

fn pool(names: &[&str]) -> Pool {
    let server = |name: &&str| match *name {
        "embedded" => UmServer::Embedded,
        name => UmServer::Sip(name.to_owned()),
    };
    let plan = UmPlan { name: "lab".into(), servers: names.iter().map(server).collect() };
    Pool::of(&plan, |server| Arc::new(Member::new(server.clone())))
}

fn names(pool: &Pool, um: &Um, now: u64, pick: u32) -> String {
    let name = |member: &Arc<Member>| match &member.server {
        UmServer::Sip(uri) => uri.clone(),
        UmServer::Embedded => "E".into(),
    };
    pool.order(um, now, pick).iter().map(name).collect()
}

#[test]
fn two_attempts_never_a_third_and_never_the_same_server() {
    // R15.
    let pool_of_three = pool(&["a", "b", "c", "a"]);
    for (attempts, pick, order) in
        [(2, 0, "ab"), (2, 1, "bc"), (2, 2, "ca"), (2, 3, "ab"), (9, 1, "bca"), (0, 0, "")]
    {
        assert_eq!(names(&pool_of_three, &um(attempts, Picks::Random, Probe::Options), 0, pick), order);
    }
    let turns = um(2, Picks::RoundRobin, Probe::Options);
    let orders: Vec<String> = (0..4).map(|_| names(&pool_of_three, &turns, 0, 7)).collect();
    assert_eq!(orders, ["ab", "bc", "ca", "ab"]);
    assert_eq!(names(&pool(&[]), &turns, 0, 7), "");
}

#[test]
fn what_a_response_says_of_its_server() {
    let rest = Some(Duration::from_secs(30));
    for (code, rest, sign) in [
        (200, None, Sign::Good),
        (486, rest, Sign::Good),
        (404, None, Sign::Good),
        (603, None, Sign::Good),
        (501, None, Sign::Good),
        (513, None, Sign::Good),
        (408, None, Sign::Silent),
        (500, rest, Sign::Failed),
        (503, None, Sign::Failed),
        (503, rest, Sign::Busy(Duration::from_secs(30))),
        (503, Some(Duration::from_secs(u64::MAX)), Sign::Busy(Duration::from_secs(3600))),
        (504, None, Sign::Failed),
    ] {
        assert_eq!(Sign::of(code, rest), sign, "{code}");
    }
}

#[test]
fn a_server_leaves_is_probed_ever_later_and_comes_back() {
    // R16: (when, what it shows; what becomes of it).
    let rules = um(2, Picks::Random, Probe::Options).rules;
    let out = |until, strikes, held| Health::Out { until, strikes, held };
    let mut health = Health::In { failures: 0 };
    for (now, sign, after) in [
        (0, Sign::Good, Health::In { failures: 0 }),
        (1, Sign::Silent, out(1 + FIRST, 0, true)),
        // A call that was under way fails as well: neither a probe nor a longer pause.
        (900, Sign::Silent, out(1 + FIRST, 0, true)),
        (901, Sign::Failed, out(1 + FIRST, 0, true)),
        // Probes fail: twice, four times … at most a minute.
        (6_000, Sign::Silent, out(16_000, 1, true)),
        (16_000, Sign::Failed, out(36_000, 2, false)),
        (36_000, Sign::Failed, out(76_000, 3, false)),
        (76_000, Sign::Failed, out(136_000, 4, false)),
        (136_000, Sign::Busy(Duration::from_secs(120)), out(256_000, 5, true)),
        (256_000, Sign::Good, Health::In { failures: 0 }),
        (256_001, Sign::Busy(Duration::ZERO), out(261_001, 0, true)),
        (256_002, Sign::Busy(Duration::from_secs(9)), out(265_002, 0, true)),
    ] {
        health = health.on(sign, now, &rules);
        assert_eq!(health, after, "{now} {sign:?}");
        assert_eq!(Health::unpack(health.pack()), health);
    }
    assert!(health.is_held(265_001) && !health.is_held(265_002));
    assert!(!health.wants_options(265_001, &rules) && health.wants_options(265_002, &rules));
    let trial = health.answered_options(265_100);
    assert_eq!(trial, Health::Trial { since: 265_100, strikes: 0 });
    assert_eq!(trial.on(Sign::Failed, 265_200, &rules), out(275_200, 1, false));
}

#[test]
fn several_failures_in_a_row_may_be_asked_for() {
    let rules = Rules { failures: 3, ..um(2, Picks::Random, Probe::Calls).rules };
    let play = |signs: &[Sign]| {
        signs.iter().fold(Health::In { failures: 0 }, |health, sign| health.on(*sign, 0, &rules))
    };
    let (bad, good) = (Sign::Failed, Sign::Good);
    assert_eq!(play(&[bad, bad, good, bad, bad]), Health::In { failures: 2 });
    assert!(matches!(play(&[bad, Sign::Silent, bad]), Health::Out { .. }));
    assert!(matches!(play(&[Sign::Busy(Duration::ZERO)]), Health::Out { .. }), "who asks for a rest gets it");
}

#[test]
fn a_server_on_trial_gets_more_and_more_of_the_calls() {
    // R16. Two others work; the third has failed and is probed by calls.
    let (um, pool) = (um(2, Picks::Random, Probe::Calls), pool(&["a", "b", "c"]));
    let member = &pool.members()[2];
    assert_eq!(member.note(Sign::Failed, 0, &um.rules), Some(Change::Left));
    let share = |now| {
        let mut random = 7_u32;
        let first = (0..20_000).filter(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            names(&pool, &um, now, random ^ random >> 16).starts_with('c')
        });
        first.count() as f64 / 20_000.0
    };
    let shares: Vec<f64> = [4_999, 5_000, 12_500, 20_000, 35_000, 95_000].map(share).to_vec();
    for (share, wanted) in shares.iter().zip([0.0, 0.030, 0.111, 0.2, 0.333, 0.333]) {
        assert!((share - wanted).abs() < 0.02, "{shares:?}");
    }
    assert_eq!(member.note(Sign::Good, 95_000, &um.rules), Some(Change::Readmitted));
    assert_eq!(names(&pool, &um, 95_000, 2), "ca");
}

#[test]
fn with_nobody_left_one_is_tried_unless_it_must_be_left_alone() {
    let (um, pool) = (um(2, Picks::Random, Probe::Options), pool(&["a", "b"]));
    let note = |at: usize, sign, now| pool.members()[at].note(sign, now, &um.rules);
    note(0, Sign::Failed, 10);
    assert_eq!(names(&pool, &um, 20, 0), "b", "a dead server is no second try");
    note(1, Sign::Failed, 20);
    assert_eq!(names(&pool, &um, 30, 1), "a", "it answers, so nobody waits");
    note(0, Sign::Busy(Duration::from_secs(60)), 30);
    assert_eq!(names(&pool, &um, 40, 1), "b");
    note(1, Sign::Silent, 50);
    assert_eq!(names(&pool, &um, 60, 1), "", "nobody waits for the dead twice");
    assert_eq!(names(&pool, &um, 20 + FIRST, 1), "b");
    let own = self::pool(&["embedded"]);
    assert_eq!(own.members()[0].note(Sign::Silent, 0, &um.rules), None);
    assert_eq!(names(&own, &um, 0, 0), "E", "Ringpost's own stays");
}

proptest! {
    /// Whatever happens: no server twice, never more than `attempts`, none that is held, no failed one before its time,
    /// somebody as long as anybody is in the set, and a server that works is back in the end.
    #[test]
    fn histories(
        servers in 1_usize..5,
        attempts in 1_u8..4,
        by_calls: bool,
        round_robin: bool,
        steps in prop::collection::vec((0_usize..5, 0_u8..5, 0_u64..20_000, any::<u32>()), 0..200),
    ) {
        let probe = if by_calls { Probe::Calls } else { Probe::Options };
        let um = um(attempts, if round_robin { Picks::RoundRobin } else { Picks::Random }, probe);
        let pool = pool(&["a", "b", "c", "d", "e"][..servers]);
        let mut now = 0;
        for (at, sign, later, pick) in steps {
            now += later;
            let member = &pool.members()[at % servers];
            match sign {
                0 => drop(member.note(Sign::Good, now, &um.rules)),
                1 => drop(member.note(Sign::Failed, now, &um.rules)),
                2 => drop(member.note(Sign::Silent, now, &um.rules)),
                3 => drop(member.note(Sign::Busy(Duration::from_millis(later)), now, &um.rules)),
                _ => drop(member.answered_options(now)),
            }
            let health = member.health(now, &um.rules);
            prop_assert_eq!(Health::unpack(health.pack()), health);
            let order = pool.order(&um, now, pick);
            prop_assert!(order.len() <= usize::from(attempts));
            for (at, one) in order.iter().enumerate() {
                prop_assert!(!one.is_held(now));
                prop_assert!(!order[..at].iter().any(|before| Arc::ptr_eq(before, one)));
            }
            let states: Vec<Health> = pool.members().iter().map(|one| one.health(now, &um.rules)).collect();
            let some_in = states.iter().any(|one| matches!(one, Health::In { .. }));
            let usable = states.iter().any(|one| !one.is_held(now));
            prop_assert_eq!(!order.is_empty(), usable);
            if some_in {
                let out = |one: &Arc<Member>| matches!(one.health(now, &um.rules), Health::Out { .. });
                prop_assert!(!order.iter().any(out), "a failed server while others work");
            }
        }
        // All work again: probes and calls bring every one of them back.
        let mut random = 1_u32;
        for _ in 0..4_000 {
            now += 1_000;
            for member in pool.members() {
                if member.health(now, &um.rules).wants_options(now, &um.rules) {
                    member.answered_options(now);
                }
            }
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if let Some(first) = pool.order(&um, now, random ^ random >> 16).first() {
                first.note(Sign::Good, now, &um.rules);
            }
        }
        let back = |one: &Arc<Member>| matches!(one.health(now, &um.rules), Health::In { .. });
        prop_assert!(pool.members().iter().all(back));
    }
}
