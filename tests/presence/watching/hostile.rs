//! T31: whatever a server says, forgets or repeats, and in whatever order.

use std::{collections::HashMap, sync::Arc};

use ringpost::presence::{
    Telephony,
    subscription::Package,
    watching::{
        Answer,
        connector::Lists,
        meaning::{Read, Reading},
    },
};

use super::{
    Sent, World, key,
    lists::{ACTIVE, rlmi},
};
use crate::NOW;

/// T31: a version that no number follows is no fault of ours, in lists and in documents.
#[test]
fn t31_the_largest_version_is_followed_by_a_gap() {
    let mut world = World::new(Lists::Server("sip:all@pbx.test".into()));
    world.connector.add(key("1", Package::Presence));
    let sent = world.waits();
    world.answer(&sent, Answer::Taken(Some(600)));
    for (version, full, activity) in [(u64::MAX, true, "busy"), (7, true, "away"), (u64::MAX, false, "busy")]
    {
        let (head, body) = rlmi(0, full, &[("1", ACTIVE, activity)]);
        let body = body.replace("version=\"0\"", &format!("version=\"{version}\""));
        assert_eq!(world.notify(sent.tag, "s", &head, &body), 200);
        let (head, body) = rlmi(0, false, &[("1", ACTIVE, activity)]);
        let body = body.replace("version=\"0\"", "version=\"18446744073709551615\"");
        assert_eq!(world.notify(sent.tag, "s", &head, &body), 200);
    }
    let mut reading = Reading::default();
    let mut take = |version: &str, state: &str| {
        let document = format!(
            "<dialog-info version=\"{version}\" state=\"{state}\" entity=\"sip:1@b\">\
             <dialog id=\"a\"><state>confirmed</state></dialog></dialog-info>"
        );
        reading.take(Package::Dialog, document.as_bytes(), |_| None, (NOW, NOW + 600)).expect("a document")
    };
    assert_eq!(take("18446744073709551615", "full"), Read::Whole);
    assert_eq!(take("x", "partial"), Read::Whole);
    assert_eq!(take("18446744073709551615", "partial"), Read::Old);
}

/// A server that never tells that calls end does not fill the memory, and is asked for the whole.
#[test]
fn t31_calls_that_never_end_are_bounded() {
    let mut reading = Reading::default();
    let mut gaps = 0;
    for version in 0..2_000 {
        let state = if version == 0 { "full" } else { "partial" };
        let document = format!(
            "<dialog-info version=\"{version}\" state=\"{state}\" entity=\"sip:1@b\">\
             <dialog id=\"{version}\"><state>confirmed</state></dialog></dialog-info>"
        );
        let read = reading.take(Package::Dialog, document.as_bytes(), |_| None, (NOW, NOW + 600));
        gaps += u32::from(read.expect("a document") == Read::Gap);
        let calls = &reading.meant.phone.as_ref().expect("a telephone").calls;
        assert!(calls.len() <= 256 && calls.last().is_some_and(|call| *call.id == *version.to_string()));
    }
    assert_eq!(gaps, 2_000 - 256);
}

/// 200 random histories: whatever answers, NOTIFYs, losses and kills come, once the server is well every user is known rightly
/// within 30 s or the next refresh, and what is known before is never older than its grant.
#[test]
fn t31_random_histories_end_in_the_right_state() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        // Every other server never answers OPTIONS.
        let deaf = seed % 2 == 1;
        let mut world = if deaf { World::unknown(Lists::None) } else { World::new(Lists::None) };
        let users: Vec<String> = (0..5).map(|n| format!("{n}")).collect();
        users.iter().for_each(|user| world.connector.add(key(user, Package::Presence)));
        // What the server holds: the tag of each user's subscription, and when that ends.
        let mut held: HashMap<Arc<str>, (Sent, u64)> = HashMap::new();
        let end = world.now + 300_000;
        let mut ill = true;
        while world.now < end + 40_000 {
            if ill && world.now >= end {
                ill = false;
                if !deaf {
                    world.connector.answers(true);
                }
            }
            if deaf && (world.now / 250).is_multiple_of(10) {
                world.silence();
            }
            while let Some(sent) = world.next() {
                let known =
                    held.get(&sent.uri).is_some_and(|(one, ends)| one.tag == sent.tag && *ends > world.now);
                let lost = ill && random.u8(..) < 60;
                let answer = match random.u8(0..8) {
                    0 if ill => Answer::Ill(None),
                    1 if ill => Answer::Ill(Some(2)),
                    2 if ill => Answer::Gone,
                    3 if ill => Answer::Refused(480, None),
                    _ if !sent.is_new && !known => Answer::Gone,
                    _ => Answer::Taken(Some(30)),
                };
                if let Answer::Taken(_) = answer {
                    let (uri, ends) = (Arc::clone(&sent.uri), world.now + 30_000);
                    if !lost {
                        assert!(world.tell(&sent, 30, if ill { "busy" } else { "away" }) / 100 != 1);
                    }
                    world.answer(&sent, if lost { Answer::Silent } else { answer });
                    held.insert(uri, (sent, ends));
                } else {
                    world.answer(&sent, answer);
                }
            }
            if ill {
                match random.u8(..) {
                    0..3 => held.clear(),
                    3..5 => world.silence(),
                    5..10 if !deaf => world.connector.answers(true),
                    10..14 => {
                        let user = format!("sip:{}@pbx.test", random.u8(0..5));
                        if let Some((sent, _)) = held.remove(&*user) {
                            world.state(&sent, "terminated;reason=deactivated");
                        }
                    }
                    _ => {}
                }
            }
            world.now += 250;
        }
        for user in &users {
            assert_eq!(world.telephony(user), Ok(Telephony::Available), "seed {seed}, user {user}");
        }
    }
}
