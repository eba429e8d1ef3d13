use super::*;
use crate::{
    address::{Caller, Language},
    call::Outcome,
    notify::Kind,
};

fn item(way: Way, mail: Option<&str>) -> Item {
    let notice = Notice {
        kind: Kind::Missed,
        user: "sip:tu@contoso.com".into(),
        user_name: None,
        mail: mail.map(str::to_owned),
        language: Language::En,
        time_zone: "UTC".into(),
        call_id: "7f3c@pbx".into(),
        caller: Caller::default(),
        came_in: Timestamp::UNIX_EPOCH,
        rang_for: Duration::ZERO,
        outcome: Outcome::GaveUpRinging,
    };
    Item { notice, way, posted: Timestamp::UNIX_EPOCH }
}

fn um(mail_if_refused: bool) -> Way {
    Way::Um { plan: "main".into(), eum_proxy_address: "EUM:tu@contoso.com".into(), mail_if_refused }
}

const SCHEDULE: settings::Outbox =
    settings::Outbox { first_retry: secs(2), longest_retry: secs(300), give_up_after: secs(3 * 86_400) };

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn later(not_before: Option<Duration>) -> Delivery {
    Delivery::Later { reason: "busy".into(), not_before }
}

#[test]
fn the_pause_doubles_up_to_the_ceiling_and_honours_the_other_side() {
    let mail = item(Way::Mail, Some("tu@contoso.com"));
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
    let give_up = |reason: &str| Step::GiveUp { reason: reason.into() };
    let mail_instead = |reason: &str| Step::MailInstead { reason: reason.into() };
    let address = Some("tu@contoso.com");
    let tired = Effort { tries: 20, waited: UM_PATIENCE };
    let exhausted = Effort { tries: 900, waited: SCHEDULE.give_up_after };
    let again = |wait, effort| Step::Again { wait, effort, reason: "busy".into() };
    for (way, mail, effort, delivery, step) in [
        (Way::Mail, address, Effort::default(), Delivery::Delivered, Step::Done),
        (um(true), address, Effort::default(), Delivery::Delivered, Step::Done),
        (Way::Mail, address, Effort::default(), never(), give_up("415")),
        (um(true), address, Effort::default(), never(), mail_instead("415")),
        (um(false), address, Effort::default(), never(), give_up("415")),
        (um(true), None, Effort::default(), never(), give_up("415")),
        (um(true), address, tired, later(None), mail_instead("busy")),
        (um(false), address, tired, later(None), again(secs(300), Effort { tries: 21, waited: secs(900) })),
        (um(false), address, exhausted, later(None), give_up("busy")),
        (Way::Mail, address, exhausted, later(None), give_up("busy")),
    ] {
        let item = item(way, mail);
        assert_eq!(
            after(&item, effort, delivery, &SCHEDULE, 1.0),
            step,
            "{:?} {mail:?} {effort:?}",
            item.way
        );
    }
}

#[test]
fn the_key_tells_apart_user_call_and_kind_and_nothing_else() {
    let first = item(Way::Mail, None).notice;
    assert_eq!(Key::of(&first).as_str(), "1c43106b8088ee644809e50a3daf77ee");
    let later = Notice { came_in: Timestamp::MAX, language: Language::Da, ..first.clone() };
    assert_eq!(Key::of(&first), Key::of(&later));
    let shifted = Notice { user: "sip:tu@contoso.com7".into(), call_id: "f3c@pbx".into(), ..first.clone() };
    let kind = Kind::VoiceMail { recording: "a.wav".into(), duration: secs(3) };
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
