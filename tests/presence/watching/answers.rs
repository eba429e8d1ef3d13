//! Each answer, each reason of an end and each silence has its rule; nothing is asked faster than allowed.

use ringpost::{
    presence::{
        Telephony,
        subscription::Package,
        watching::{Answer, Effect, Key, Status, Trouble, connector::Lists},
    },
    sip::Message,
};

use super::{World, key, one};

#[test]
fn each_answer_to_the_first_subscribe_has_its_rule() {
    for (answer, trouble, from, until) in [
        (Answer::Denied, Trouble::AccessDenied, 45_000, 60_000),
        (Answer::Unproved, Trouble::AccessDenied, 45_000, 60_000),
        (Answer::NotFound, Trouble::NotFound, 45_000, 60_000),
        (Answer::Unknown(489), Trouble::Error, 45_000, 60_000),
        (Answer::Gone, Trouble::Error, 500, 1_000),
        (Answer::Silent, Trouble::Error, 500, 1_000),
        (Answer::Refused(480, None), Trouble::Error, 500, 1_000),
        (Answer::Refused(486, Some(30)), Trouble::Error, 30_000, 30_000),
        (Answer::Ill(None), Trouble::Error, 500, 1_000),
        (Answer::Ill(Some(20)), Trouble::Error, 20_000, 20_000),
        // Longer than any server needs.
        (Answer::Ill(Some(u32::MAX)), Trouble::Error, 3_600_000, 3_600_000),
        // Granted nothing; and taken, but no NOTIFY ever comes: Timer N.
        (Answer::Taken(Some(600)), Trouble::Requesting, 32_000, 34_000),
        (Answer::Brief(Some(60)), Trouble::Error, 500, 1_000),
        (Answer::Brief(None), Trouble::Error, 500, 1_000),
    ] {
        let mut world = one();
        assert_eq!(world.telephony("1001"), Err(Trouble::NotRequested));
        let sent = world.next().expect("at once");
        assert_eq!((sent.is_new, sent.expires), (true, 600));
        assert_eq!(world.telephony("1001"), Err(Trouble::Requesting));
        let then = world.now;
        world.answer(&sent, answer.clone());
        assert_eq!(world.telephony("1001"), Err(trouble), "{answer:?}");
        let again = world.waits();
        let waited = world.now - then;
        assert!((from..=until + 20).contains(&waited), "{answer:?}: {waited} ms");
        assert!(again.is_new && again.tag != sent.tag, "{answer:?}");
    }
    let mut world = one();
    let sent = world.waits();
    world.answer(&sent, Answer::Brief(Some(7_200)));
    let longer = world.next().expect("at once");
    assert_eq!(longer.expires, 7_200);
    // A server that always wants more gets no second try at once.
    world.answer(&longer, Answer::Brief(Some(8_000)));
    assert!(world.next().is_none());
}

#[test]
fn each_reason_of_an_end_has_its_rule() {
    for (reason, trouble, from, until) in [
        ("deactivated", Trouble::Requesting, 0, 0),
        ("timeout", Trouble::Requesting, 0, 0),
        ("unheard-of", Trouble::Requesting, 0, 0),
        ("unheard-of;retry-after=9", Trouble::Error, 9_000, 9_000),
        ("probation", Trouble::Error, 500, 1_000),
        ("probation;retry-after=20", Trouble::Error, 20_000, 20_000),
        ("giveup;retry-after=20", Trouble::Error, 20_000, 20_000),
        ("rejected", Trouble::AccessDenied, 45_000, 60_000),
        ("noresource", Trouble::NotFound, 45_000, 60_000),
        ("invariant", Trouble::NotFound, 45_000, 60_000),
    ] {
        let mut world = one();
        let sent = world.waits();
        world.answer(&sent, Answer::Taken(Some(600)));
        assert_eq!(world.tell(&sent, 600, "busy"), 200);
        assert_eq!(world.telephony("1001"), Ok(Telephony::Busy));
        let then = world.now;
        assert_eq!(world.state(&sent, &format!("terminated;reason={reason}")), 200);
        let followed = trouble == Trouble::Requesting;
        assert_eq!(
            world.telephony("1001").is_ok(),
            followed,
            "{reason}: what is followed at once may stay a moment"
        );
        assert_eq!(world.state(&sent, "active;expires=600"), 481, "{reason}: it is over");
        let again = world.waits();
        let waited = world.now - then;
        assert!((from..=until + 20).contains(&waited), "{reason}: {waited} ms");
        assert!(again.is_new && again.tag != sent.tag);
        if followed {
            world.now += 6_000;
            assert_eq!(
                world.telephony("1001"),
                Err(Trouble::Requesting),
                "{reason}: a moment is not for ever"
            );
        }
    }
    // A server that ends each at once is not asked at once for ever.
    let mut world = one();
    let began = world.now;
    for _ in 0..8 {
        let sent = world.waits();
        world.answer(&sent, Answer::Taken(None));
        world.state(&sent, "active;expires=600");
        world.state(&sent, "terminated;reason=deactivated");
    }
    assert!(world.now - began > 20_000, "{}", world.now - began);
}

#[test]
fn a_subscription_is_prolonged_before_its_end_and_known_no_longer_than_granted() {
    for (granted, from, until) in [(600, 270_000, 300_000), (3_600, 2_700_000, 3_000_000), (10, 4_500, 5_000)]
    {
        let mut world = one();
        let sent = world.waits();
        assert_eq!(world.tell(&sent, granted, "busy"), 200);
        world.answer(&sent, Answer::Taken(Some(granted)));
        let then = world.now;
        let refresh = world.waits();
        assert!(!refresh.is_new && refresh.tag == sent.tag);
        assert!((from..=until + 20).contains(&(world.now - then)), "{granted}: {}", world.now - then);
        // No answer: it stays known as long as was granted, and no longer (T31).
        world.now = then + u64::from(granted) * 1_000 - 1;
        assert_eq!(world.telephony("1001"), Ok(Telephony::Busy));
        world.now += 2;
        assert!(world.telephony("1001").is_err());
    }
    // A refresh that is taken prolongs what is known, without another word.
    let mut world = one();
    let sent = world.waits();
    world.answer(&sent, Answer::Taken(None));
    world.tell(&sent, 600, "busy");
    let then = world.now;
    let refresh = world.waits();
    world.connector.effects();
    world.answer(&refresh, Answer::Taken(Some(600)));
    assert_eq!(world.connector.effects(), [Effect::Prolonged(key("1001", Package::Presence))]);
    world.now = then + 700_000;
    assert_eq!(world.telephony("1001"), Ok(Telephony::Busy));
    // 481 begins it anew, at once.
    let refresh = world.waits();
    world.answer(&refresh, Answer::Gone);
    assert!(world.next().expect("at once").is_new);
}

#[test]
fn a_silent_server_is_left_alone_and_what_it_said_counts_no_more() {
    let mut world = World::new(Lists::None);
    let users: Vec<String> = (0..100).map(|n| format!("{n}")).collect();
    users.iter().for_each(|user| world.connector.add(key(user, Package::Presence)));
    for _ in &users {
        let sent = world.waits();
        world.answer(&sent, Answer::Taken(Some(600)));
        world.tell(&sent, 600, "busy");
    }
    assert_eq!((world.connector.held(), world.connector.status()), (100, Status::UpAndRunning));
    world.silence();
    assert_eq!(world.connector.status(), Status::ConnectionError);
    assert!(users.iter().all(|user| world.telephony(user) == Err(Trouble::Error)));
    world.now += 60_000;
    assert!(world.next().is_none());
    // Back: each is prolonged; the first that was lost shows that all may be.
    world.connector.answers(true);
    let mut begun = 0;
    let back = world.now;
    while begun < 100 {
        let sent = world.waits();
        if sent.is_new {
            begun += 1;
            world.answer(&sent, Answer::Taken(Some(600)));
            world.tell(&sent, 600, "");
        } else {
            world.answer(&sent, Answer::Gone);
        }
    }
    assert!(world.now - back < 30_000, "{}", world.now - back);
    assert!(users.iter().all(|user| world.telephony(user).is_ok()));
}

/// A server that never answers OPTIONS is found out by one SUBSCRIBE at a time, lives as long as it answers those, and is silent
/// when it does not.
#[test]
fn a_server_that_ignores_options_is_asked_by_a_subscribe() {
    let mut world = World::unknown(Lists::None);
    ["1", "2", "3"].iter().for_each(|user| world.connector.add(key(user, Package::Presence)));
    assert!(world.next().is_none(), "OPTIONS comes first");
    world.connector.asks();
    world.connector.is_not_reached();
    assert!(world.next().is_none(), "where that cannot be sent nothing can");
    world.silence();
    let probe = world.next().expect("one");
    assert!(world.next().is_none(), "and no other");
    assert_eq!(world.connector.status(), Status::ConnectionError);
    world.now += 5_000;
    world.silence();
    assert!(world.next().is_none(), "while that one is under way");
    world.now += 30_000;
    world.answer(&probe, Answer::Silent);
    let probe = world.next().expect("it was asked by OPTIONS meanwhile");
    world.now += 35_000;
    world.answer(&probe, Answer::Silent);
    assert!(world.next().is_none(), "not before it is asked by OPTIONS again");
    world.now += 60_000;
    world.silence();
    let probe = world.next().expect("one");
    // Even a refusal is life.
    world.answer(&probe, Answer::Denied);
    assert_eq!(world.connector.status(), Status::Forbidden);
    let mut open = vec![];
    for _ in 0..2 {
        let sent = world.waits();
        assert!(sent.uri != probe.uri, "a refusal for good rests");
        world.answer(&sent, Answer::Taken(Some(600)));
        assert_eq!(world.tell(&sent, 600, "busy"), 200);
        open.push(sent);
    }
    assert_eq!(world.connector.status(), Status::UpAndRunning);
    // It goes on to ignore OPTIONS: each time one subscription is prolonged instead, and nothing is taken back.
    for turn in 0..10 {
        world.now += 5_000;
        world.silence();
        let sent = world.waits();
        assert!(!sent.is_new && world.connector.lives(), "{turn}");
        world.answer(&sent, Answer::Taken(Some(600)));
        assert_eq!(world.connector.held(), 2);
    }
    // It is gone: the refresh gets no answer.
    world.now += 5_000;
    world.silence();
    let refresh = world.waits();
    world.silence();
    world.now += 30_000;
    world.answer(&refresh, Answer::Silent);
    assert_eq!(world.connector.status(), Status::ConnectionError);
    assert!(open.iter().all(|sent| {
        world
            .connector
            .known(&Key { uri: sent.uri.clone(), ..key("", Package::Presence) }, world.now)
            .is_err()
    }));
    // A NOTIFY of its own is life too, and all are prolonged at once.
    assert_eq!(world.tell(&open[0], 600, "busy"), 200);
    assert_eq!(world.connector.status(), Status::UpAndRunning);
    let prolonged = (0..3).any(|_| !world.waits().is_new);
    assert!(prolonged);
}

/// One that has answered OPTIONS before is left alone where it is silent; but not for ever.
#[test]
fn a_server_that_has_left_off_answering_options_is_found_again() {
    let mut world = one();
    let sent = world.waits();
    world.answer(&sent, Answer::Taken(Some(600)));
    world.tell(&sent, 600, "busy");
    let mut asked = 0;
    for _ in 0..24 {
        world.silence();
        world.now += 1_000;
        asked += usize::from(world.next().is_some());
    }
    assert_eq!(asked, 1, "the first is still under way");
    // Once is chance: such a server may have died behind its NOTIFY.
    let mut world = one();
    let sent = world.waits();
    world.answer(&sent, Answer::Taken(Some(600)));
    world.connector.asks();
    world.tell(&sent, 600, "busy");
    world.connector.answers(false);
    assert!(world.connector.lives());
    world.silence();
    assert!(!world.connector.lives());
}

#[test]
fn no_more_than_allowed_are_asked_at_once_and_in_a_second() {
    let mut world = World::new(Lists::None);
    (0..5_000).for_each(|n| world.connector.add(key(&n.to_string(), Package::Presence)));
    // The login is shown to it once before it is shown by many.
    let first = world.next().expect("one");
    assert!(world.next().is_none());
    world.answer(&first, Answer::Taken(Some(600)));
    let mut open = vec![];
    while let Some(sent) = world.next() {
        open.push(sent);
    }
    assert_eq!(open.len(), 8);
    let (mut answered, began) = (0, world.now);
    while answered < 2_000 {
        let sent = open.pop().unwrap_or_else(|| world.waits());
        world.answer(&sent, Answer::Taken(Some(600)));
        world.tell(&sent, 600, "");
        answered += 1;
    }
    assert!((1_900..2_100).contains(&(world.now - began)), "{}", world.now - began);
}

/// A wrong password is shown once in ten minutes and not once for each user; one that was right before, a few times.
#[test]
fn a_login_that_is_not_taken_is_not_shown_for_each_user() {
    let mut world = World::new(Lists::None);
    (0..1_000).for_each(|n| world.connector.add(key(&n.to_string(), Package::Presence)));
    let hour = world.now + 3_600_000;
    let mut shown = 0;
    while world.now < hour {
        let sent = world.waits();
        assert!(world.next().is_none(), "one at a time");
        world.answer(&sent, Answer::Unproved);
        shown += 1;
    }
    // `recheck` is a minute here.
    assert!((50..=62).contains(&shown), "{shown}");
    assert_eq!(world.connector.status(), Status::Forbidden);
    // It is right now: everybody is asked for as fast as allowed.
    let sent = world.waits();
    world.answer(&sent, Answer::Taken(Some(600)));
    assert_eq!(world.tell(&sent, 600, "away"), 200);
    assert_eq!(world.connector.status(), Status::UpAndRunning);
    let open: Vec<_> = std::iter::from_fn(|| world.next()).collect();
    assert_eq!(open.len(), 8);
    // One of them has a server of its own behind; the login is good for others.
    world.answer(&open[0], Answer::Unproved);
    world.answer(&open[1], Answer::Taken(Some(600)));
    assert_eq!(world.tell(&open[1], 600, "away"), 200);
    assert_eq!(world.connector.status(), Status::UpAndRunning);
    // It was changed there: what was under way finds out, and nothing else is sent.
    open[2..].iter().for_each(|sent| world.answer(sent, Answer::Unproved));
    world.now += 30_000;
    assert!(world.next().is_none());
    assert_eq!(world.connector.status(), Status::Forbidden);
    // An admin's trial goes all the same, and alone.
    world.connector.add(Key { trial: 1, ..key("7", Package::Presence) });
    let tried = world.next().expect("the trial");
    assert!(&*tried.uri == "sip:7@pbx.test" && world.next().is_none());
    world.answer(&tried, Answer::Taken(Some(600)));
    assert!(world.next().is_some(), "and shows that it is right");
}

/// 503 is said of the server, 500 of one request: the other users are asked for.
#[test]
fn one_request_that_fails_does_not_silence_the_server() {
    for (code, others) in [(500, true), (504, true), (503, false)] {
        let mut world = World::new(Lists::None);
        world.connector.add(key("1", Package::Presence));
        let sent = world.waits();
        let text = format!(
            "SIP/2.0 {code} No\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n\
             Call-ID: c\r\nCSeq: 1 SUBSCRIBE\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::read(bytes::Bytes::from(text)).expect("a message");
        world.answer(&sent, Answer::read(code, Some(&message)));
        world.connector.add(key("2", Package::Presence));
        world.now += 1_000;
        assert_eq!(
            world.next().map(|sent| sent.uri.to_string()),
            others.then(|| "sip:2@pbx.test".to_owned())
        );
        // The one that failed waits as long as it was told to, in any case.
        world.now += 3_500_000;
        assert!(world.next().is_none_or(|sent| &*sent.uri != "sip:1@pbx.test"));
    }
}

#[test]
fn what_is_not_wanted_any_more_is_ended_and_nothing_is_left() {
    let mut world = one();
    let sent = world.waits();
    world.answer(&sent, Answer::Taken(Some(600)));
    world.tell(&sent, 600, "busy");
    world.connector.effects();
    world.connector.remove(&key("1001", Package::Presence));
    let last = world.next().expect("at once");
    assert_eq!((last.is_new, last.expires), (false, 0));
    world.answer(&last, Answer::Taken(Some(0)));
    assert!(
        world.next().is_none() && world.connector.wake(world.now).is_none_or(|at| at > world.now + 1_000)
    );
    assert_eq!((world.connector.held(), world.connector.status()), (0, Status::NotConfigured));
    assert!(world.connector.effects().contains(&Effect::Ends(sent.tag)));
    assert_eq!(world.state(&sent, "active;expires=600"), 481);
}
