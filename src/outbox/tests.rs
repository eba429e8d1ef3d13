use super::*;
use crate::{
    address::{Caller, Language},
    call::Outcome,
    notify::Kind,
};

fn item(way: Way) -> Item {
    let notice = Notice {
        kind: Kind::Missed,
        user: "sip:tu@contoso.com".into(),
        user_name: None,
        mail: None,
        language: Language::En,
        time_zone: "UTC".into(),
        call_id: "7f3c@pbx".into(),
        caller: Caller::default(),
        came_in: Timestamp::UNIX_EPOCH,
        rang_for: Duration::ZERO,
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    };
    Item::new(notice, way, Timestamp::UNIX_EPOCH)
}

fn chain(names: &[&str]) -> Chain {
    names.iter().map(|name| ChannelName::from(*name)).collect()
}

fn um(own: &[&[&str]]) -> Way {
    let own = own.iter().map(|names| chain(names)).collect();
    Way::Um { plan: "main".into(), eum_proxy_address: "EUM:tu@contoso.com".into(), own }
}

const SCHEDULE: settings::Outbox = settings::Outbox {
    first_retry: secs(2),
    longest_retry: secs(300),
    give_up_after: secs(3 * 86_400),
    patience: secs(600),
};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn later(not_before: Option<Duration>) -> Delivery {
    Delivery::Later { reason: "busy".into(), not_before }
}

#[test]
fn the_pause_doubles_up_to_the_ceiling_and_honours_the_other_side() {
    let mail = item(Way::mail());
    for (tries, jitter, not_before, wait) in [
        (0, 1.0, None, Duration::from_secs(2)),
        (0, 0.0, None, Duration::from_secs(1)),
        (1, 1.0, None, secs(4)),
        (2, 0.5, None, secs(6)),
        (7, 1.0, None, secs(256)),
        (8, 1.0, None, secs(300)),
        (u32::MAX, 0.0, None, secs(150)),
        (0, 7.0, None, secs(2)),
        (3, 1.0, Some(secs(90)), secs(90)),
        (8, 1.0, Some(secs(90)), secs(300)),
    ] {
        let effort = Effort { tries, waited: secs(10) };
        let step = after(&mail, effort, later(not_before), &SCHEDULE, jitter);
        let effort = Effort { tries: tries.saturating_add(1), waited: secs(10) + wait };
        assert_eq!(step, Step::Again { wait, effort, reason: "busy".into() }, "{tries} {jitter}");
    }
}

#[test]
fn each_delivery_has_its_step() {
    let never = || Delivery::Never { reason: "415".into() };
    let down = || Delivery::Down { reason: "busy".into(), not_before: None };
    let give_up = |reason: &str| Step::GiveUp { reason: reason.into() };
    let next = |way: &Way, reason: &str| Step::NextChannel { ways: way.next(), reason: reason.into() };
    let fresh = Effort::default();
    let tired = Effort { tries: 20, waited: SCHEDULE.patience };
    let exhausted = Effort { tries: 900, waited: SCHEDULE.give_up_after };
    let again = |wait, effort| Step::Again { wait, effort, reason: "busy".into() };
    let own: &[&[&str]] = &[&["mail"]];
    let first = Way::by(&chain(&["graph", "mail"]));
    let last = first.next().remove(0);
    for (way, effort, delivery, step) in [
        (Way::mail(), fresh, Delivery::Delivered, Step::Done),
        (um(own), fresh, Delivery::Delivered, Step::Done),
        (Way::mail(), fresh, never(), give_up("415")),
        (um(own), fresh, never(), next(&um(own), "415")),
        (um(&[]), fresh, never(), give_up("415")),
        (um(own), tired, later(None), next(&um(own), "busy")),
        (um(&[]), tired, later(None), again(secs(300), Effort { tries: 21, waited: secs(900) })),
        (um(&[]), exhausted, later(None), give_up("busy")),
        (Way::mail(), exhausted, later(None), give_up("busy")),
        (first.clone(), fresh, down(), again(secs(2), Effort { tries: 1, waited: secs(2) })),
        (first.clone(), tired, down(), next(&first, "busy")),
        (first.clone(), fresh, never(), next(&first, "415")),
        (last.clone(), fresh, never(), give_up("415")),
        (last, tired, down(), again(secs(300), Effort { tries: 21, waited: secs(900) })),
    ] {
        let item = item(way);
        assert_eq!(after(&item, effort, delivery, &SCHEDULE, 1.0), step, "{:?} {effort:?}", item.way);
    }
}

/// R16: the caller has gone, so UM is told again and again; the user's own channels take over where there are any.
#[test]
fn an_info_is_tried_for_minutes_before_anybody_else_tells() {
    let own: &[&[&str]] = &[&["mail"]];
    for (own, tries, at_least, at_most) in
        [(own, 8, secs(300), secs(600)), (&[], 800, secs(2 * 86_400), secs(3 * 86_400))]
    {
        let item = item(um(own));
        let (mut effort, mut steps) = (Effort::default(), 0);
        let end = loop {
            match after(&item, effort, later(None), &SCHEDULE, 1.0) {
                Step::Again { effort: next, .. } => (effort, steps) = (next, steps + 1),
                end => break end,
            }
        };
        assert!(steps >= tries && (at_least..=at_most).contains(&effort.waited), "{steps} {effort:?}");
        match own.is_empty() {
            true => assert_eq!(end, Step::GiveUp { reason: "busy".into() }),
            false => assert_eq!(end, Step::NextChannel { ways: item.way.next(), reason: "busy".into() }),
        }
    }
}

#[test]
fn what_is_held_back_waits_all_the_same_and_moves_on_in_time() {
    let first = item(Way::by(&chain(&["graph", "mail"])));
    let rest = |waited, held| {
        let effort = Effort { tries: 3, waited };
        after_rest(&first, effort, held, "down".into(), &SCHEDULE)
    };
    let again = |waited| Step::Again {
        wait: Duration::ZERO,
        effort: Effort { tries: 3, waited },
        reason: "down".into(),
    };
    assert_eq!(rest(secs(300), secs(300)), again(secs(600)));
    let next = Step::NextChannel { ways: first.way.next(), reason: "down".into() };
    assert_eq!(rest(secs(300), secs(301)), next);
}

#[test]
fn a_chain_is_walked_and_keeps_its_entry() {
    let mut way = Way::by(&chain(&["graph", "ews", "mail"]));
    for (channel, more) in [("graph", 1), ("ews", 1), ("mail", 0)] {
        assert_eq!((way.channel().as_str(), way.entry().as_str()), (channel, "graph"));
        let mut next = way.next();
        assert_eq!((next.len(), way.has_next()), (more, more > 0));
        way = next.pop().unwrap_or(way);
    }
    let um = um(&[&["graph", "mail"], &["hook"]]);
    let next: Vec<String> = um.next().iter().map(|way| way.channel().to_string()).collect();
    assert_eq!((um.channel().as_str(), next), ("um", vec!["graph".to_owned(), "hook".to_owned()]));
}

#[test]
fn ways_that_older_versions_have_written_are_understood() {
    for (written, way) in [
        (r#""mail""#, Way::mail()),
        (
            r#"{"um":{"plan":"main","eum_proxy_address":"EUM:tu@contoso.com","mail_if_refused":true}}"#,
            um(&[&["mail"]]),
        ),
        (
            r#"{"um":{"plan":"main","eum_proxy_address":"EUM:tu@contoso.com","mail_if_refused":false}}"#,
            um(&[]),
        ),
        (r#"{"by":{"chain":["a","b"],"at":1}}"#, Way::by(&chain(&["a", "b"])).next().remove(0)),
    ] {
        let read: Way = serde_json::from_str(written).expect("a way");
        assert_eq!(read, way, "{written}");
        let again = serde_json::to_string(&way).expect("text");
        assert_eq!(serde_json::from_str::<Way>(&again).expect("a way"), way);
    }
}

#[test]
fn the_key_tells_apart_user_call_and_kind_and_nothing_else() {
    let first = item(Way::mail()).notice;
    assert_eq!(Key::of(&first).as_str(), "1c43106b8088ee644809e50a3daf77ee");
    let later = Notice { came_in: Timestamp::MAX, language: Language::Da, ..first.clone() };
    assert_eq!(Key::of(&first), Key::of(&later));
    let shifted = Notice { user: "sip:tu@contoso.com7".into(), call_id: "f3c@pbx".into(), ..first.clone() };
    let kind = Kind::VoiceMail { recording: "a.wav".into(), duration: secs(3), urgent: false };
    let others = [
        Notice { user: "sip:b@contoso.com".into(), ..first.clone() },
        Notice { call_id: "7f3d@pbx".into(), ..first.clone() },
        Notice { kind, ..first.clone() },
        shifted,
    ];
    for other in others {
        assert_ne!(Key::of(&first), Key::of(&other), "{other:?}");
    }
}

#[test]
fn statuses_are_named_and_read_back() {
    for status in Status::ALL {
        assert_eq!(status.to_string().parse(), Ok(status));
    }
    assert_eq!("gone".parse::<Status>(), Err(UnknownStatus));
}
