//! Every feasible history of a call, and long random ones, against what must never happen (DESIGN decision 1, T36).

mod call_world;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use call_world::World;
use ringpost::call::{
    Event::{Answered, Expired, Rang},
    Leg::{Phone, Um},
    Legs, Outcome, Plan, Stage, Timer,
};

const LONGEST: u32 = 8;

/// Worlds that are equal have the same future, so each is gone through once and counted as often as it is reached.
#[test]
fn every_feasible_history_keeps_the_promises() {
    for (phones, um_servers) in [(2, 0), (2, 1), (2, 2), (0, 2), (0, 0), (3, 1)] {
        let mut known = HashMap::new();
        let count = histories(World::new(phones, um_servers), LONGEST, &mut known);
        println!("{phones} devices, {um_servers} UM: {count} histories of up to {LONGEST} events");
        assert!(count > 0);
    }
}

/// R65, R66, R208: the shapes that a user's policy gives a call.
fn policies() -> Vec<(&'static str, Plan)> {
    let legs = |numbers: &[u8]| {
        let mut legs = Legs::NONE;
        numbers.iter().for_each(|number| legs.add(Phone(*number)));
        legs
    };
    let stage = |first: &[u8], later: &[u8], on_busy, on_silence| Stage {
        first: legs(first),
        later: legs(later),
        ring_for: Duration::from_secs(20),
        on_busy,
        on_silence,
    };
    let plan = |stages: Vec<Stage>, others: &[u8], keyed: &[u8], um_servers| Plan {
        stages: stages.into(),
        others: legs(others),
        keyed: legs(keyed),
        join_after: Duration::from_secs(5),
        um_servers,
        refuse: None,
    };
    let refused = Plan { refuse: Some((486, Outcome::NotDisturbed)), ..Plan::default() };
    vec![
        ("a mobile with the accept key", plan(vec![stage(&[0, 1], &[], 1, 1)], &[1], &[1], 1)),
        ("the same without UM", plan(vec![stage(&[0, 1], &[], 1, 1)], &[1], &[1], 0)),
        ("delegates ring later", plan(vec![stage(&[0], &[1], 1, 1)], &[1], &[], 1)),
        ("delegates and a mobile", plan(vec![stage(&[0, 1], &[2], 1, 1)], &[1, 2], &[1], 1)),
        ("a hunt", plan(vec![stage(&[0], &[], 1, 1), stage(&[1], &[], 2, 2)], &[1], &[1], 1)),
        (
            "busy here, no answer there",
            plan(
                vec![stage(&[0], &[], 1, 2), stage(&[1], &[], 9, 9), stage(&[2], &[], 9, 9)],
                &[1, 2],
                &[],
                1,
            ),
        ),
        ("forwarded always, no UM", plan(vec![stage(&[0], &[], 9, 9)], &[0], &[], 0)),
        ("a hunt without UM", plan(vec![stage(&[0], &[], 1, 1), stage(&[1], &[], 9, 9)], &[1], &[], 0)),
        ("do not disturb", refused),
    ]
}

#[test]
fn every_policy_keeps_the_promises() {
    for (name, plan) in policies() {
        let (mut seen, mut open, mut still) = (HashSet::new(), vec![World::of(&plan)], 0);
        while let Some(world) = open.pop() {
            if !seen.insert(world.clone()) {
                continue;
            }
            still += usize::from(world.is_still());
            open.extend(world.possible().into_iter().map(|event| {
                let mut next = world.clone();
                next.happen(event);
                next
            }));
        }
        println!("{name}: {} worlds, {still} of them at rest", seen.len());
        assert!(still > 0, "{name}");
    }
}

/// How many histories of up to `left` events go on from here, the empty one included.
fn histories(world: World, left: u32, known: &mut HashMap<(World, u32), u64>) -> u64 {
    if left == 0 {
        return 1;
    }
    let key = (world, left);
    if let Some(count) = known.get(&key) {
        return *count;
    }
    let mut count = 1;
    for event in key.0.possible() {
        let mut next = key.0.clone();
        next.happen(event);
        count += histories(next, left - 1, known);
    }
    known.insert(key, count);
    count
}

/// The worlds are finitely many: this covers histories of any length.
#[test]
fn every_world_that_can_be_reached_keeps_the_promises() {
    for (phones, um_servers) in [(2, 1), (2, 2), (3, 2)] {
        let mut seen = HashSet::new();
        let mut open = vec![World::new(phones, um_servers)];
        let mut still = 0;
        while let Some(world) = open.pop() {
            if !seen.insert(world.clone()) {
                continue;
            }
            still += usize::from(world.is_still());
            open.extend(world.possible().into_iter().map(|event| {
                let mut next = world.clone();
                next.happen(event);
                next
            }));
        }
        println!("{phones} devices, {um_servers} UM: {} worlds, {still} of them at rest", seen.len());
        assert!(still > 0);
    }
}

#[test]
fn random_long_histories_come_to_rest() {
    for seed in 0..10_000 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut world = World::new(dice.u8(0..=6), dice.u8(0..=3));
        walk(&mut world, &mut dice);
        assert!(world.report().is_some(), "seed {seed}");
    }
}

/// T36 on the floor of the call machine: desk phone and softphone answer in the same millisecond.
#[test]
fn of_two_phones_that_answer_in_the_same_millisecond_one_is_connected() {
    let mut won = [0, 0];
    for seed in 0..10_000 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut world = World::new(2, dice.u8(0..=2));
        let mut prelude = [Rang(Phone(0)), Rang(Phone(1))].to_vec();
        dice.shuffle(&mut prelude);
        prelude.truncate(dice.usize(0..=2));
        // Sometimes the user's time-out has just passed, and the answers cross our CANCELs.
        if dice.u8(0..4) == 0 && world.possible().iter().any(|event| matches!(event, Expired(_))) {
            prelude.push(Expired(Timer::NoAnswer));
        }
        prelude.into_iter().for_each(|event| world.happen(event));
        if world.report().is_some() {
            continue; // without UM the time-out has ended the call
        }
        let (first, second) = if dice.bool() { (0, 1) } else { (1, 0) };
        world.happen(Answered(Phone(first)));
        world.happen(Answered(Phone(second)));
        assert_eq!(world.bridged(), Some(Phone(first)), "seed {seed}");
        won[usize::from(first)] += 1;
        walk(&mut world, &mut dice);
        assert_eq!(world.report(), Some(Outcome::Talked), "seed {seed}");
    }
    println!("desk phone {}, softphone {}", won[0], won[1]);
    assert!(won.iter().all(|wins| *wins > 4_000));
}

#[test]
fn um_and_a_late_phone_answer_in_the_same_millisecond() {
    for (order, winner) in
        [([Answered(Um(0)), Answered(Phone(1))], Um(0)), ([Answered(Phone(1)), Answered(Um(0))], Phone(1))]
    {
        let mut world = World::new(2, 2);
        world.happen(Expired(Timer::NoAnswer));
        order.into_iter().for_each(|event| world.happen(event));
        assert_eq!(world.bridged(), Some(winner));
    }
}

/// Whatever can happen happens, until nothing can any more.
fn walk(world: &mut World, dice: &mut fastrand::Rng) {
    for _ in 0..1_000 {
        match dice.choice(world.possible()) {
            Some(event) => world.happen(event),
            None => return,
        }
    }
}
