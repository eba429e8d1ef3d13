//! Subscribing outwards without a socket: each answer and each reason has its rule (RFC 6665 §4.1), and whatever a server does,
//! nothing is known longer than it was said for, and nothing is sent faster than allowed (T31, T33).

use std::{collections::HashMap, sync::Arc};

use ringpost::{
    presence::{
        Forward, Telephony,
        subscription::Package,
        watching::{
            Answer, Connector, Effect, Key, Status, Trouble,
            connector::{Lists, Pace},
            meaning::{self, Reading},
            subscription::Terms,
        },
    },
    sip::{Message, token::Token},
};

use crate::NOW;

const TERMS: Terms = Terms { expires: 600, recheck: 60_000 };
const PACE: Pace = Pace { terms: TERMS, at_once: 8, per_second: 1_000 };

/// A connector, and the server that it speaks to.
struct World {
    connector: Connector,
    now: u64,
    tag: u64,
    /// CSeq of the server's NOTIFYs.
    sequence: u32,
}

struct Sent {
    at: usize,
    serial: u32,
    tag: u64,
    is_new: bool,
    expires: u32,
    uri: Arc<str>,
    list: Option<Vec<Arc<str>>>,
}

fn key(user: &str, package: Package) -> Key {
    Key { uri: format!("sip:{user}@pbx.test").into(), package, trial: 0 }
}

impl World {
    fn new(lists: Lists) -> Self {
        let mut connector = Connector::new(PACE, lists, true);
        connector.answers(true);
        Self { connector, now: 1_000, tag: 1, sequence: 0 }
    }

    fn next(&mut self) -> Option<Sent> {
        let tag = &mut self.tag;
        let order = self.connector.next(self.now, || {
            *tag = tag.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *tag & 0x00ff_ffff_ffff_ffff
        })?;
        Some(Sent {
            at: order.subscription,
            serial: order.request.serial,
            tag: order.request.tag,
            is_new: order.request.within.is_none(),
            expires: order.request.expires,
            uri: order.uri,
            list: order.list,
        })
    }

    /// The next request, whenever that goes.
    fn waits(&mut self) -> Sent {
        for _ in 0..1_000 {
            if let Some(sent) = self.next() {
                return sent;
            }
            let wake = self.connector.wake(self.now).expect("something is planned");
            self.now = self.now.max(wake);
        }
        panic!("nothing is ever sent")
    }

    fn answer(&mut self, sent: &Sent, answer: Answer) {
        self.connector.answered(sent.at, (sent.serial, 1), answer, self.now, 1 << 31);
    }

    /// A NOTIFY of the server's; the code that it gets.
    fn notify(&mut self, tag: u64, from: &str, head: &str, body: &str) -> u16 {
        self.sequence += 1;
        let tag = String::from_utf8_lossy(&Token(tag).text()).into_owned();
        let text = format!(
            "NOTIFY sip:ringpost@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{}\r\nFrom: <sip:1001@pbx.test>;tag={from}\r\n\
             To: <sip:ringpost@here>;tag={tag}\r\nCall-ID: c\r\nCSeq: {} NOTIFY\r\nContact: <sip:pbx@127.0.0.1:5070>\r\n{head}\r\n{body}",
            self.sequence, self.sequence
        );
        let message = Message::read(bytes::Bytes::from(text)).expect("a message");
        let owner = Token::read(message.to().and_then(|to| to.tag()).unwrap_or(b"")).map_or(0, |tag| tag.0);
        self.connector.notified(owner, &message, |_| None, (self.now, NOW), 1 << 31)
    }

    fn state(&mut self, sent: &Sent, state: &str) -> u16 {
        self.notify(sent.tag, "s", &format!("Event: presence\r\nSubscription-State: {state}\r\n"), "")
    }

    fn tell(&mut self, sent: &Sent, expires: u32, activity: &str) -> u16 {
        let head = format!(
            "Event: presence\r\nSubscription-State: active;expires={expires}\r\nContent-Type: application/pidf+xml\r\n"
        );
        self.notify(sent.tag, "s", &head, &pidf(activity))
    }

    fn telephony(&self, user: &str) -> Result<Telephony, Trouble> {
        let known = self.connector.known(&key(user, Package::Presence), self.now);
        known.map(|(meant, _)| meaning::telephony(&meant.phone.unwrap_or_default()))
    }
}

fn pidf(activity: &str) -> String {
    format!(
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1001@pbx.test\"><tuple id=\"t\"><status><basic>open</basic></status>\
         </tuple><person><activities><{activity}/></activities></person></presence>"
    )
}

fn one() -> World {
    let mut world = World::new(Lists::None);
    world.connector.add(key("1001", Package::Presence));
    world
}

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
    world.connector.answers(false);
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

#[test]
fn no_more_than_allowed_are_asked_at_once_and_in_a_second() {
    let mut world = World::new(Lists::None);
    (0..5_000).for_each(|n| world.connector.add(key(&n.to_string(), Package::Presence)));
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

/// A list's NOTIFY.
fn rlmi(version: u32, full: bool, resources: &[(&str, &str, &str)]) -> (String, String) {
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

const ACTIVE: &str = "state=\"active\"";

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
    assert_eq!(take("18446744073709551615", "full"), meaning::Read::Whole);
    assert_eq!(take("x", "partial"), meaning::Read::Whole);
    assert_eq!(take("18446744073709551615", "partial"), meaning::Read::Old);
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
        gaps += u32::from(read.expect("a document") == meaning::Read::Gap);
        let calls = &reading.meant.phone.as_ref().expect("a telephone").calls;
        assert!(calls.len() <= 256 && calls.last().is_some_and(|call| *call.id == *version.to_string()));
    }
    assert_eq!(gaps, 2_000 - 256);
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

/// 200 random histories: whatever answers, NOTIFYs, losses and kills come, once the server is well every user is known rightly
/// within 30 s or the next refresh, and what is known before is never older than its grant.
#[test]
fn t31_random_histories_end_in_the_right_state() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new(Lists::None);
        let users: Vec<String> = (0..5).map(|n| format!("{n}")).collect();
        users.iter().for_each(|user| world.connector.add(key(user, Package::Presence)));
        // What the server holds: the tag of each user's subscription, and when that ends.
        let mut held: HashMap<Arc<str>, (Sent, u64)> = HashMap::new();
        let end = world.now + 300_000;
        let mut ill = true;
        while world.now < end + 40_000 {
            if ill && world.now >= end {
                ill = false;
                world.connector.answers(true);
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
                    3..5 => world.connector.answers(false),
                    5..10 => world.connector.answers(true),
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

/// R110, R113: what documents mean, one line each.
#[test]
fn what_documents_mean_for_a_telephone() {
    let open = |inside: &str, note: &str| {
        format!(
            "<presence entity=\"sip:1001@pbx.test\"><tuple id=\"t\"><status><basic>open</basic></status></tuple>\
             <person><activities>{inside}</activities>{note}</person></presence>"
        )
    };
    let whole = |inside: &str| format!("<presence entity=\"sip:1001@pbx.test\">{inside}</presence>");
    let ours = |state: &str| {
        whole(&format!(
            "<tuple id=\"phone\"><status><basic>open</basic><telephony{state}</telephony></status></tuple>"
        ))
    };
    let note = |text: &str| open("", &format!("<note>{text}</note>"));
    let contact = |uri: &str| {
        whole(&format!(
            "<tuple id=\"t\"><status><basic>open</basic></status><contact>{uri}</contact></tuple>"
        ))
    };
    let dialogs = |states: &[&str]| {
        let one = |state: &&str| format!("<dialog id=\"{state}\"><state>{state}</state></dialog>");
        format!(
            "<dialog-info version=\"1\" state=\"full\">{}</dialog-info>",
            states.iter().map(one).collect::<String>()
        )
    };
    let presence = [
        ("open", open("", "")),
        ("closed", whole("<tuple id=\"t\"><status><basic>closed</basic></status></tuple>")),
        ("nothing", whole("")),
        ("RPID on-the-phone", open("<on-the-phone/>", "")),
        ("RPID busy", open("<busy/>", "")),
        ("RPID away", open("<away/>", "")),
        ("busy on a telephone that is closed", "<presence><tuple id=\"t\"><status><basic>closed</basic></status></tuple><person><activities><busy/></activities></person></presence>".to_owned()),
        ("activity dnd", open("<dnd/>", "")),
        ("other do-not-disturb", open("<other>Do Not Disturb</other>", "")),
        ("note DND, while it talks", open("<on-the-phone/>", "<note>DND</note>")),
        ("note: forwarded to a number", note("Forwarded to 2002")),
        ("note: forwarded, while it talks", open("<on-the-phone/>", "<note>Call forward: all calls to +45 4489 0101</note>")),
        ("note: forwarded to voice mail", note("Forwarded to voicemail")),
        ("note: DND before forwarded", open("<dnd/>", "<note>Forwarded to 2002</note>")),
        ("a note that only begins so", note("forwarded")),
        ("contact: a telephone elsewhere", contact("tel:+4544890101")),
        ("contact: its own number", contact("tel:1001")),
        ("contact: a device", contact("sip:1001@192.0.2.7:5062")),
        ("ours: available", ours(">available")),
        ("ours: busy", ours(">busy")),
        ("ours: offline", ours(">offline")),
        ("ours: not configured", ours(">not-configured")),
        ("ours: do not disturb", ours(">do-not-disturb")),
        ("ours: forwarded to a number", ours(" to=\"+4544890101\">forwarded-to-number")),
        ("ours: forwarded to voice mail", ours(">forwarded-to-voice-mail")),
    ];
    let calls = [
        ("no dialog", dialogs(&[])),
        ("trying", dialogs(&["trying"])),
        ("early", dialogs(&["early"])),
        ("confirmed", dialogs(&["confirmed"])),
        ("early and confirmed", dialogs(&["early", "confirmed"])),
        ("terminated", dialogs(&["terminated"])),
    ];
    let mut table =
        String::from("What a server writes, and what its telephone is taken for (R110, R113).\n\n");
    let presence = presence.into_iter().map(|(name, body)| (Package::Presence, name, body));
    for (package, name, body) in presence.chain(calls.map(|(name, body)| (Package::Dialog, name, body))) {
        let mut reading = Reading::default();
        reading.take(package, body.as_bytes(), |_| None, (NOW, NOW + 600)).expect("it is read");
        let telephony = meaning::telephony(&reading.meant.phone.clone().unwrap_or_default());
        let to = match &telephony {
            Telephony::ForwardedToNumber(number) => format!(" {number}"),
            _ => String::new(),
        };
        table += &format!("{:<9} {name:<40} {}{to}\n", package.name(), telephony.name());
    }
    crate::golden("connector.txt", &table);
}

/// R115: the same number, however it is written.
#[test]
fn numbers_are_compared_without_what_only_makes_them_easier_to_read() {
    for (written, number) in [
        ("2002", "2002"),
        ("sip:2002@pbx.test;user=phone", "2002"),
        ("tel:+45-44-89(01)01", "+4544890101"),
        ("+45 4489 0101", "+4544890101"),
        ("<sip:x", "x"),
        ("voice", "voice"),
    ] {
        assert_eq!(&*meaning::number(written), number, "{written}");
    }
    assert_eq!(Forward::Number(meaning::number("5000")), Forward::Number("5000".into()));
}
