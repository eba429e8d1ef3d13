//! Lists: one subscription whose resources have states of their own, and what becomes of them where a server has none (RFC 4662).

use std::sync::Arc;

use ringpost::presence::{
    Telephony,
    subscription::Package,
    watching::{Answer, Effect, Trouble, connector::Lists},
};

use super::{PACE, Sent, World, key, pidf};

/// A list's NOTIFY.
pub fn rlmi(version: u32, full: bool, resources: &[(&str, &str, &str)]) -> (String, String) {
    let mut root = format!(
        "<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"sip:all@pbx.test\" version=\"{version}\" fullState=\"{full}\">"
    );
    let mut parts = String::new();
    for (user, state, activity) in resources {
        let cid = if activity.is_empty() { String::new() } else { format!(" cid=\"{user}@x\"") };
        root +=
            &format!("<resource uri=\"sip:{user}@PBX.test\"><instance id=\"1\" {state}{cid}/></resource>");
        if !activity.is_empty() {
            parts += &format!(
                "--b\r\nContent-ID: <{user}@x>\r\nContent-Type: application/pidf+xml\r\n\r\n{}\r\n",
                pidf(activity)
            );
        }
    }
    let head = "Event: presence\r\nSubscription-State: active;expires=600\r\nRequire: eventlist\r\n\
         Content-Type: multipart/related;type=\"application/rlmi+xml\";start=\"<r@x>\";boundary=\"b\"\r\n";
    let body = format!(
        "--b\r\nContent-ID: <r@x>\r\nContent-Type: application/rlmi+xml\r\n\r\n{root}</list>\r\n{parts}--b--\r\n"
    );
    (head.to_owned(), body)
}

pub const ACTIVE: &str = "state=\"active\"";

#[test]
fn a_list_is_one_subscription_whose_resources_have_states_of_their_own() {
    let mut world = World::new(Lists::Server("sip:all@pbx.test".into()));
    ["1", "2", "3", "4"].iter().for_each(|user| world.connector.add(key(user, Package::Presence)));
    let sent = world.waits();
    assert_eq!((&*sent.uri, sent.list.as_deref()), ("sip:all@pbx.test", Some(&[][..])));
    assert!(world.next().is_none());
    world.answer(&sent, Answer::Taken(Some(600)));
    let say = |world: &mut World, version, full, resources: &[(&str, &str, &str)]| {
        let (head, body) = rlmi(version, full, resources);
        world.notify(sent.tag, "s", &head, &body)
    };
    let rejected = "state=\"terminated\" reason=\"rejected\"";
    assert_eq!(
        say(&mut world, 0, true, &[("1", ACTIVE, "busy"), ("2", ACTIVE, ""), ("3", rejected, "")]),
        200
    );
    let states = |world: &World| ["1", "2", "3", "4"].map(|user| world.telephony(user));
    let (busy, free) = (Ok(Telephony::Busy), Ok(Telephony::Available));
    let denied = Err(Trouble::AccessDenied);
    assert_eq!(
        states(&world),
        [busy.clone(), Err(Trouble::Requesting), denied.clone(), Err(Trouble::NotFound)]
    );
    assert_eq!(say(&mut world, 1, false, &[("2", ACTIVE, "away")]), 200);
    assert_eq!(states(&world), [busy.clone(), free.clone(), denied.clone(), Err(Trouble::NotFound)]);
    assert!(world.next().is_none(), "nothing was lost");
    // One was lost: what came counts, and the whole is asked for at once.
    assert_eq!(say(&mut world, 3, false, &[("1", "state=\"terminated\" reason=\"noresource\"", "")]), 200);
    assert_eq!(states(&world), [Err(Trouble::NotFound), free.clone(), denied, Err(Trouble::NotFound)]);
    let refresh = world.next().expect("at once");
    assert!(!refresh.is_new);
    world.answer(&refresh, Answer::Taken(Some(600)));
    assert_eq!(say(&mut world, 4, true, &[("1", ACTIVE, "busy"), ("4", ACTIVE, "busy")]), 200);
    assert_eq!(states(&world), [busy.clone(), Err(Trouble::NotFound), Err(Trouble::NotFound), busy]);
    // An old one, and what is no list, change nothing.
    assert_eq!(say(&mut world, 2, false, &[("1", ACTIVE, "away")]), 200);
    let (head, body) = rlmi(5, true, &[]);
    assert_eq!(world.notify(sent.tag, "s", &head, &body.replace("--b--", "")), 400);
    assert_eq!(world.notify(sent.tag, "s", &head.replace("boundary=\"b\"", ""), &body), 400);
    assert_eq!(world.telephony("1"), Ok(Telephony::Busy));
    // Somebody else of that name is at another domain; the server may write its address for its own.
    for (version, host, telephony) in
        [(6, "elsewhere.test", Telephony::Busy), (7, "192.0.2.7", Telephony::Available)]
    {
        let (head, body) = rlmi(version, false, &[("1", ACTIVE, "away")]);
        assert_eq!(world.notify(sent.tag, "s", &head, &body.replace("PBX.test", host)), 200);
        assert_eq!(world.telephony("1"), Ok(telephony), "{host}");
    }
}

/// The state of the list's own URI is not that of any of its resources.
#[test]
fn a_server_that_takes_a_list_for_one_resource_is_asked_for_each() {
    let mut world = World::new(Lists::Server("sip:all@pbx.test".into()));
    ["1", "2"].iter().for_each(|user| world.connector.add(key(user, Package::Presence)));
    let sent = world.waits();
    world.answer(&sent, Answer::Taken(Some(600)));
    world.tell(&sent, 600, "busy");
    assert!(world.connector.effects().contains(&Effect::NoLists));
    assert!(["1", "2"].iter().all(|user| world.telephony(user).is_err()));
    let mut asked = vec![];
    while asked.len() < 2 {
        let single = world.waits();
        if single.list.is_none() {
            asked.push(single.uri);
        }
    }
    asked.sort();
    assert_eq!(asked.iter().map(|uri| &**uri).collect::<Vec<_>>(), ["sip:1@pbx.test", "sip:2@pbx.test"]);
}

/// What a list had said of its resources ends with it, though the server goes on with something else in its dialog.
#[test]
fn what_a_list_said_ends_when_it_turns_out_to_be_none() {
    let mut world = World::new(Lists::Server("sip:all@pbx.test".into()));
    ["1", "2"].iter().for_each(|user| world.connector.add(key(user, Package::Presence)));
    let sent = world.waits();
    world.answer(&sent, Answer::Taken(Some(600)));
    let (head, body) = rlmi(0, true, &[("1", ACTIVE, "busy"), ("2", ACTIVE, "busy")]);
    assert_eq!(world.notify(sent.tag, "s", &head, &body), 200);
    assert_eq!(world.telephony("1"), Ok(Telephony::Busy));
    world.tell(&sent, 600, "busy");
    assert!(["1", "2"].iter().all(|user| world.telephony(user).is_err()));
    let one = loop {
        let asked = world.waits();
        if &*asked.uri == "sip:1@pbx.test" {
            break asked;
        }
    };
    world.answer(&one, Answer::Taken(Some(600)));
    assert_eq!(world.tell(&one, 600, "away"), 200);
    assert_eq!(world.telephony("1"), Ok(Telephony::Available));
}

/// A list that was refused is asked for once more when a refusal for good is; until it is told, everybody has the subscription of
/// before, and nobody is unknown meanwhile.
#[test]
fn a_list_that_was_refused_is_tried_again_beside_what_there_is() {
    for lists in [Lists::Server("sip:all@pbx.test".into()), Lists::Request("sip:all@pbx.test".into(), 2)] {
        let mut world = World::new(lists.clone());
        let most = if matches!(lists, Lists::Request(..)) { 2 } else { 3 };
        let users = ["1", "2", "3"];
        users.iter().for_each(|user| world.connector.add(key(user, Package::Presence)));
        let sent = world.waits();
        world.answer(&sent, Answer::Unknown(489));
        let alone = |world: &mut World| {
            let mut sent: Vec<Sent> = vec![];
            while sent.len() < 3 {
                let single = world.waits();
                if single.list.is_none() {
                    world.answer(&single, Answer::Taken(Some(600)));
                    assert_eq!(world.tell(&single, 600, "busy"), 200);
                    sent.push(single);
                }
            }
            sent
        };
        let singles = alone(&mut world);
        let all_are = |world: &World, telephony: Telephony| {
            users.iter().for_each(|user| assert_eq!(world.telephony(user), Ok(telephony.clone()), "{user}"));
        };
        all_are(&world, Telephony::Busy);
        world.connector.effects();
        // Refused once more: nothing changes, and it is no news.
        let refused = world.now;
        let again = world.waits();
        assert!(
            again.list.is_some() && (45_000..=61_000).contains(&(world.now - refused)),
            "{}",
            world.now - refused
        );
        world.answer(&again, Answer::Unknown(489));
        assert!(!world.connector.effects().contains(&Effect::NoLists));
        // The site is read: it is tried at once, and taken this time.
        world.connector.adjust(PACE, true);
        let (mut taken, mut ended) = (0, 0);
        while taken < 3 || ended < 3 {
            let sent = world.waits();
            if sent.list.is_none() {
                assert_eq!(sent.expires, 0, "{}", sent.uri);
                assert!(singles.iter().any(|single| single.tag == sent.tag));
                ended += 1;
                world.answer(&sent, Answer::Taken(Some(0)));
                continue;
            }
            all_are(&world, Telephony::Busy);
            world.answer(&sent, Answer::Taken(Some(600)));
            all_are(&world, Telephony::Busy);
            let uris = sent.list.clone().filter(|uris| !uris.is_empty());
            let uris =
                uris.unwrap_or_else(|| users.iter().map(|user| key(user, Package::Presence).uri).collect());
            assert!(uris.len() <= most && sent.expires > 0);
            let told: Vec<(&str, &str, &str)> = uris.iter().map(|uri| (&uri[4..5], ACTIVE, "busy")).collect();
            let (head, body) = rlmi(1, true, &told);
            assert_eq!(world.notify(sent.tag, "l", &head, &body), 200);
            taken += uris.len();
            all_are(&world, Telephony::Busy);
        }
        world.now += 10_000;
        all_are(&world, Telephony::Busy);
        assert_eq!(world.connector.held(), 3_usize.div_ceil(most));
        // Whoever comes now is on a list.
        world.connector.add(key("4", Package::Presence));
        assert!(world.waits().list.is_some());
    }
}

/// A server that takes lists of one package alone: when lists are tried again, the refusal of the other one takes nothing away from
/// the list that stands, not even for a moment.
#[test]
fn a_list_that_is_refused_again_leaves_those_of_other_packages_alone() {
    let mut world = World::new(Lists::Server("sip:all@pbx.test".into()));
    let (lamp, person) = (key("1", Package::Dialog), key("1", Package::Presence));
    [&lamp, &person].iter().for_each(|key| world.connector.add((*key).clone()));
    let first = world.waits();
    assert!(first.list.is_some());
    world.answer(&first, Answer::Unknown(489));
    let mut alone = 0;
    while alone < 2 {
        let single = world.waits();
        assert!(single.list.is_none());
        world.answer(&single, Answer::Taken(Some(600)));
        alone += 1;
        if single.package == Package::Presence {
            assert_eq!(world.tell(&single, 600, "busy"), 200);
        }
    }
    assert_eq!(world.telephony("1"), Ok(Telephony::Busy));
    // Both are tried, again and again; the one of persons is told, the one of lamps is refused before or after that.
    let mut refused = 0;
    while refused < 3 {
        let sent = world.waits();
        if sent.list.is_none() || sent.expires == 0 || !sent.is_new {
            world.answer(&sent, Answer::Taken(Some(sent.expires)));
            continue;
        }
        let (head, body) = rlmi(1, true, &[("1", ACTIVE, "busy")]);
        if sent.package == Package::Presence {
            world.answer(&sent, Answer::Taken(Some(600)));
            assert_eq!(world.notify(sent.tag, "l", &head, &body), 200);
        } else {
            world.answer(&sent, Answer::Unknown(489));
            refused += 1;
        }
        assert_eq!(world.telephony("1"), Ok(Telephony::Busy), "after {refused}");
        world.connector.effects();
    }
    let lists = world.connector.known(&person, world.now).map(|(_, ends)| ends > world.now + 10_000);
    assert_eq!(lists, Ok(true), "the list stands");
}

#[test]
fn where_lists_are_refused_each_resource_is_asked_for() {
    for lists in [Lists::Server("sip:all@pbx.test".into()), Lists::Request("sip:all@pbx.test".into(), 2)] {
        for answer in [Answer::Unknown(420), Answer::Unknown(489), Answer::NotFound, Answer::Denied] {
            let mut world = World::new(lists.clone());
            ["1", "2", "3"].iter().for_each(|user| world.connector.add(key(user, Package::Presence)));
            let sent = world.waits();
            let brings = sent.list.as_ref().map_or(0, Vec::len);
            assert_eq!(brings, if matches!(lists, Lists::Request(..)) { 2 } else { 0 });
            world.answer(&sent, answer.clone());
            assert!(world.connector.effects().contains(&Effect::NoLists));
            let mut asked: Vec<Arc<str>> = vec![];
            while asked.len() < 3 {
                let single = world.waits();
                if single.list.is_none() {
                    world.answer(&single, Answer::Taken(Some(600)));
                    asked.push(single.uri);
                }
            }
            asked.sort();
            assert_eq!(
                asked.iter().map(|uri| &**uri).collect::<Vec<_>>(),
                ["sip:1@pbx.test", "sip:2@pbx.test", "sip:3@pbx.test"]
            );
        }
    }
}
