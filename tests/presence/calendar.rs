//! Calendars as Exchange and Graph tell them (R17, R22, R53, R82; T5, T6), and who is asked for when, with time as an input.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use ringpost::{
    calendar::{
        Schedule, Window, ews, graph,
        polling::{Fate, Outcome, Polling, Question, Terms},
        slot_start,
    },
    presence::{SlotKind, microsoft::calendar::Slot},
    settings::{Ews, EwsAccess, EwsLogin, EwsServer, EwsVersion, Secret},
};
use serde_json::json;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn window() -> Window {
    Window::at(at("2026-11-21T10:07:00Z"), 8)
}

fn boxes(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn settings() -> Ews {
    Ews {
        server: EwsServer::Url("https://mail.corp.test/EWS/Exchange.asmx".into()),
        login: EwsLogin::Basic { user: "svc".into(), password: Secret("pw".into()) },
        from: "um@corp.test".into(),
        access: EwsAccess::Impersonation,
        version: EwsVersion::Exchange2013,
        ca: None,
        request_timeout: Duration::from_secs(1),
        password_rest: Duration::from_secs(1),
    }
}

/// The answer about one mailbox.
fn view(inside: &str) -> String {
    format!(
        "<FreeBusyResponse><ResponseMessage ResponseClass=\"Success\"><ResponseCode>NoError</ResponseCode></ResponseMessage>\
         <FreeBusyView><FreeBusyViewType>DetailedMerged</FreeBusyViewType>{inside}</FreeBusyView></FreeBusyResponse>"
    )
}

fn answer(views: &[String]) -> String {
    format!(
        "<s:Envelope xmlns:s=\"x\"><s:Body><GetUserAvailabilityResponse><FreeBusyResponseArray>{}</FreeBusyResponseArray>\
         </GetUserAvailabilityResponse></s:Body></s:Envelope>",
        views.concat()
    )
}

fn one(inside: &str) -> Result<Schedule, String> {
    let read = ews::read(answer(&[view(inside)]).as_bytes(), &boxes(&["a@x"]), window());
    read.expect("an answer").remove(0)
}

#[test]
fn a_window_begins_with_a_slot_and_a_question_names_nobody_by_markup() {
    assert_eq!(slot_start(at("2026-11-21T10:14:59Z")), at("2026-11-21T10:00:00Z"));
    assert_eq!(slot_start(at("1969-12-31T23:59:59Z")), at("1969-12-31T23:45:00Z"));
    assert_eq!(window().end(), at("2026-11-21T12:00:00Z"));
    let text = ews::request(&settings(), &boxes(&["a&b@x", "<c>@x"]), window());
    assert!(
        text.contains("<t:Address>a&amp;b@x</t:Address>")
            && text.contains("<t:Address>&lt;c&gt;@x</t:Address>")
    );
    assert!(!text.contains("ConnectingSID"), "one question is for many mailboxes");
    // Exchange wants a day at least.
    assert!(text.contains(
        "<t:StartTime>2026-11-21T10:00:00</t:StartTime><t:EndTime>2026-11-22T10:00:00</t:EndTime>"
    ));
}

#[test]
fn digits_are_slots_and_busy_ones_a_meeting() {
    let schedule = one("<MergedFreeBusy>0122043</MergedFreeBusy>").expect("a schedule");
    use Slot::{Busy, Free, OutOfOffice, Tentative};
    assert_eq!(schedule.slots, [Free, Tentative, Busy, Busy, Free, Free, OutOfOffice, Free]);
    assert_eq!(schedule.events, None);
    let input = schedule.input().slots;
    let shown: Vec<_> = input.iter().map(|slot| (slot.until - slot.from, slot.kind)).collect();
    assert_eq!(shown, [(1_800, SlotKind::Meeting), (900, SlotKind::OutOfOffice)]);
    assert_eq!(input[0].from, u64::try_from(at("2026-11-21T10:30:00Z").as_second()).expect("after 1970"));
    for (inside, reason) in [
        ("", "it shows no free and busy times"),
        ("<MergedFreeBusy>01x</MergedFreeBusy>", "its free and busy times cannot be read"),
        ("<MergedFreeBusy>5</MergedFreeBusy>", "its free and busy times cannot be read"),
    ] {
        assert_eq!(one(inside), Err(reason.to_owned()));
    }
    assert_eq!(
        one(&format!("<MergedFreeBusy>{}</MergedFreeBusy>", "2".repeat(90_000)))
            .map(|known| known.slots.len()),
        Ok(8)
    );
}

#[test]
fn events_are_told_by_what_they_are_and_private_ones_without_words() {
    let event = |times: &str, busy: &str, details: &str| {
        format!("<CalendarEvent>{times}<BusyType>{busy}</BusyType>{details}</CalendarEvent>")
    };
    let times = "<StartTime>2026-11-21T10:05:00</StartTime><EndTime>2026-11-21T10:50:00Z</EndTime>";
    let details = |private: bool, meeting: bool| {
        format!(
            "<CalendarEventDetails><Subject>R&amp;D\r\nx</Subject><Location> </Location><IsMeeting>{meeting}</IsMeeting>\
             <IsPrivate>{private}</IsPrivate></CalendarEventDetails>"
        )
    };
    let backwards = "<StartTime>2026-11-21T11:00:00</StartTime><EndTime>2026-11-21T10:00:00</EndTime>";
    let long = "<StartTime>2026-11-21T11:00:00</StartTime><EndTime>2036-11-21T10:00:00</EndTime>";
    let events = [
        event(times, "Busy", &details(false, true)),
        event(times, "Busy", &details(true, false)),
        event(long, "OOF", ""),
        event(times, "Tentative", ""),
        event(times, "Free", ""),
        event(backwards, "Busy", ""),
        event("<StartTime>soon</StartTime><EndTime/>", "Busy", ""),
    ];
    let inside = format!(
        "<MergedFreeBusy>22222222</MergedFreeBusy><CalendarEventArray>{}</CalendarEventArray><WorkingHours><TimeZone>\
         <Bias>-60</Bias><StandardTime><Bias>0</Bias><Time>03:00:00</Time><DayOrder>5</DayOrder><Month>10</Month>\
         <DayOfWeek>Sunday</DayOfWeek></StandardTime><DaylightTime><Bias>-60</Bias><Time>02:00:00</Time><DayOrder>5</DayOrder>\
         <Month>3</Month><DayOfWeek>Sunday</DayOfWeek></DaylightTime></TimeZone><WorkingPeriodArray><WorkingPeriod>\
         <DayOfWeek>Monday Friday</DayOfWeek><StartTimeInMinutes>480</StartTimeInMinutes><EndTimeInMinutes>1020\
         </EndTimeInMinutes></WorkingPeriod></WorkingPeriodArray></WorkingHours>",
        events.concat()
    );
    let schedule = one(&inside).expect("a schedule");
    let hours = schedule.hours.clone().expect("hours");
    let [standard, daylight] = hours.changes.clone().expect("changes");
    assert_eq!((hours.bias, standard.month, daylight.bias, hours.periods.len()), (-60, 10, -60, 1));
    assert_eq!(
        (hours.periods[0].days.as_str(), hours.periods[0].start, hours.periods[0].end),
        ("Monday Friday", 480, 1_020)
    );
    let shown: Vec<_> =
        schedule.input().slots.into_iter().map(|slot| (slot.kind, slot.subject, slot.location)).collect();
    let words: Option<Arc<str>> = Some("R&D x".into());
    assert_eq!(
        shown,
        [
            (SlotKind::Meeting, words, None),
            (SlotKind::Appointment, None, None),
            (SlotKind::OutOfOffice, None, None)
        ]
    );
    let ends: Vec<_> = schedule.input().slots.iter().map(|slot| slot.until).collect();
    assert_eq!(
        ends[2],
        u64::try_from(schedule.end().as_second()).expect("after 1970"),
        "nothing lasts beyond the answer"
    );
}

/// T5 T6.
#[test]
fn hostile_answers_are_none() {
    let two = boxes(&["a@x", "b@x"]);
    for body in [
        "<!DOCTYPE a [<!ENTITY b \"b\">]><a>&b;</a>".to_owned(),
        "<a>".repeat(100_000),
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>".to_owned(),
        answer(&[view("")]),
        answer(&[view(""), view(""), view("")]),
        "x".repeat(2 << 20),
        String::new(),
    ] {
        assert!(ews::read(body.as_bytes(), &two, window()).is_err(), "{:.60}", body);
    }
    let huge = "<MergedFreeBusy>0</MergedFreeBusy><WorkingHours><TimeZone><Bias>99999999999999</Bias></TimeZone></WorkingHours>";
    assert_eq!(one(huge).expect("a schedule").hours, None);
    let refused = view("<MergedFreeBusy>0</MergedFreeBusy>").replace("NoError", "ErrorMailRecipientNotFound");
    let both =
        ews::read(answer(&[refused, view("<MergedFreeBusy>2</MergedFreeBusy>")]).as_bytes(), &two, window());
    let both = both.expect("an answer");
    assert_eq!(both[0], Err("ErrorMailRecipientNotFound".to_owned()));
    assert_eq!(both[1].as_ref().map(|known| &*known.mailbox), Ok("b@x"));
    for body in ["", "[]", "{\"value\": 1}", "{\"value\": [{\"scheduleId\": 1}]}", "\u{0}"] {
        assert_eq!(graph::read(body.as_bytes(), &two, window()), None, "{body}");
    }
}

#[test]
fn graph_tells_the_same() {
    let body = json!({"value": [
        {"scheduleId": "B@x", "availabilityView": "20000000", "scheduleItems": [
            {"status": "busy", "subject": "Budget", "location": "Room 1", "isPrivate": false,
             "start": {"dateTime": "2026-11-21T10:00:00.0000000", "timeZone": "UTC"}, "end": {"dateTime": "2026-11-21T10:15:00.0000000", "timeZone": "UTC"}},
            {"status": "workingElsewhere", "start": {"dateTime": "2026-11-21T10:00:00", "timeZone": "UTC"}, "end": {"dateTime": "2026-11-21T12:00:00", "timeZone": "UTC"}},
            {"status": "busy", "start": {"dateTime": "2026-11-21T10:00:00", "timeZone": "Pacific Standard Time"}, "end": {"dateTime": "2026-11-21T12:00:00", "timeZone": "UTC"}},
        ]},
        {"scheduleId": "a@x", "error": {"message": "x", "responseCode": "ErrorMailRecipientNotFound"}},
    ]});
    let read = graph::read(body.to_string().as_bytes(), &boxes(&["a@x", "b@x", "c@x"]), window())
        .expect("an answer");
    assert_eq!(read[0], Err("ErrorMailRecipientNotFound".to_owned()));
    let slots = read[1].as_ref().expect("a schedule").input().slots;
    assert_eq!(
        (slots.len(), slots[0].kind, slots[0].subject.as_deref()),
        (1, SlotKind::Meeting, Some("Budget"))
    );
    assert!(read[2].is_err());
    let asked = graph::request(&boxes(&["a@x"]), window());
    assert_eq!(asked["startTime"], json!({"dateTime": "2026-11-21T10:00:00", "timeZone": "UTC"}));
    // R82: out of office by automatic replies, within what was asked for.
    let replies = |status: &str, from: &str, until: &str| {
        let moment = |at: &str| json!({"dateTime": at, "timeZone": "UTC"});
        let body = json!({"status": status, "scheduledStartDateTime": moment(from), "scheduledEndDateTime": moment(until)});
        graph::read_replies(body.to_string().as_bytes(), window())
    };
    let (start, end) = (window().start, window().end());
    assert_eq!(replies("alwaysEnabled", "", ""), Some(Some((start, end))));
    assert_eq!(replies("disabled", "", ""), Some(None));
    assert_eq!(
        replies("scheduled", "2026-11-01T00:00:00", "2026-11-21T11:00:00.0000000"),
        Some(Some((start, at("2026-11-21T11:00:00Z"))))
    );
    assert_eq!(replies("scheduled", "2026-12-01T00:00:00", "2026-12-21T11:00:00"), Some(None));
    assert_eq!(graph::read_replies(b"{}", window()), None);
}

#[test]
fn what_has_only_moved_on_is_no_news() {
    let schedule = |start: &str, digits: &str| Schedule {
        mailbox: "a@x".into(),
        start: at(start),
        slots: digits.chars().map(|digit| Slot::of_digit(digit).expect("a digit")).collect(),
        events: None,
        away: None,
        hours: None,
    };
    let older = schedule("2026-11-21T10:00:00Z", "02211000");
    for (start, digits, is_news) in [
        ("2026-11-21T10:00:00Z", "02211000", false),
        ("2026-11-21T10:15:00Z", "22110003", false),
        ("2026-11-21T10:15:00Z", "22110300", true),
        ("2026-11-21T09:45:00Z", "00221100", true),
        ("2026-11-21T12:00:00Z", "00000000", true),
        ("2026-11-21T10:00:00Z", "0221100", true),
    ] {
        assert_eq!(schedule(start, digits).differs_from(&older), is_news, "{start} {digits}");
    }
}

const TERMS: Terms = Terms { every: 900_000, batch: 100 };

fn there(_: &str) -> Arc<str> {
    "mail".into()
}

fn all(question: &Question, fate: Fate) -> Outcome {
    Outcome::Told(vec![fate; question.mailboxes.len()], None)
}

/// All mailboxes are asked for in batches, each again after its time, and spread; a server that is down is asked seldom, and
/// one question is under way at a time.
#[test]
fn everybody_is_asked_for_in_time_and_a_server_that_is_down_seldom() {
    let names: Vec<Arc<str>> = (0..250).map(|n| Arc::from(format!("u{n}@x"))).collect();
    let mut polling = Polling::new(TERMS);
    polling.sets(TERMS, names.iter().cloned(), 0, u32::MAX / 2);
    assert_eq!(polling.next(0, there), None, "not all at once at a start");
    let mut now = polling.wake().expect("due");
    assert!(now <= 15_000, "{now}");
    let mut seen = 0;
    while let Some(question) = polling.next(now, there) {
        assert!(
            question.mailboxes.len() <= 100 && polling.next(now, there).is_none(),
            "one at a time at a server"
        );
        seen += question.mailboxes.len();
        polling.answered(&question, &all(&question, Fate::Shown), now, 7);
    }
    assert_eq!((seen, polling.count()), (250, 250));
    let first = now;
    now = polling.wake().expect("due");
    assert!((first + 810_000..=first + 900_000).contains(&now), "{now}");
    // Down: half a second to a second, then more, never more than `every`; what it asks for is kept.
    let mut waits = vec![];
    for _ in 0..12 {
        let question = polling.next(now, there).expect("due");
        polling.answered(&question, &Outcome::Down(None), now, u32::MAX / 2);
        waits.push(polling.wake().expect("again") - now);
        now = polling.wake().expect("again");
    }
    assert!(polling.is_down() && waits[0] <= 1_000 && waits.iter().all(|wait| *wait <= 900_000), "{waits:?}");
    assert!(waits.is_sorted() && waits[11] >= 450_000, "{waits:?}");
    let question = polling.next(now, there).expect("due");
    polling.answered(&question, &Outcome::Down(Some(3_600_000)), now, 0);
    assert_eq!(polling.next(now + 3_599_999, there), None);
    now += 3_600_000;
    // Back: few at first, and soon as many as before.
    let mut sizes = vec![];
    while sizes.last() != Some(&100) {
        let question = polling.next(now, there).expect("due");
        sizes.push(question.mailboxes.len());
        match question.mailboxes.len() {
            100 => polling.answered(&question, &Outcome::TooMuch, now, 0),
            _ => polling.answered(&question, &all(&question, Fate::Shown), now, 0),
        }
    }
    assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 100]);
    // Too much for one answer: halves, down to one, which is left alone then.
    let mut sizes = vec![];
    for _ in 0..7 {
        let question = polling.next(now, there).expect("due");
        sizes.push(question.mailboxes.len());
        polling.answered(&question, &Outcome::TooMuch, now, 0);
    }
    assert_eq!(sizes, [50, 25, 12, 6, 3, 1, 1]);
    let question = polling.next(now, there).expect("due");
    polling.answered(&question, &all(&question, Fate::Hidden), now, 0);
    assert!(!polling.is_down());
    // Whoever is not asked for any more.
    polling.sets(TERMS, names[..3].iter().cloned(), now, 0);
    assert_eq!(polling.count(), 3);
}

/// A server that is down, or wants to be left alone, delays nobody at another; who moves to another is asked for there.
#[test]
fn every_server_has_a_pace_of_its_own() {
    let at = |mailbox: &str| Arc::from(if mailbox.starts_with('a') { "alive" } else { "dead" });
    let names: Vec<Arc<str>> =
        (0..400).map(|n| Arc::from(format!("{}{n}@x", if n % 2 == 0 { "a" } else { "d" }))).collect();
    let mut polling = Polling::new(TERMS);
    polling.sets(TERMS, names.iter().cloned(), 0, 0);
    let [one, other] = [0, 0].map(|now| polling.next(now, at).expect("a question for each"));
    assert_eq!(polling.next(0, at), None);
    assert_eq!(polling.wake(), None, "both are being asked");
    let (alive, dead) = if &*one.place == "alive" { (one, other) } else { (other, one) };
    assert_eq!((&*alive.place, &*dead.place), ("alive", "dead"));
    assert!(alive.mailboxes.iter().all(|name| name.starts_with('a')));
    // The dead one hangs: the other one has told of everybody before that is even known.
    polling.answered(&alive, &all(&alive, Fate::Shown), 10, 0);
    let next = polling.next(10, at).expect("the second half");
    polling.answered(&next, &all(&next, Fate::Shown), 20, 0);
    assert_eq!((polling.next(20, at), polling.is_down()), (None, false));
    polling.answered(&dead, &Outcome::Down(None), 30_000, 0);
    assert!(polling.is_down());
    let wake = polling.wake().expect("again");
    assert!((30_500..=31_000).contains(&wake), "{wake}");
    // Its mailboxes have moved: nothing stands in their way.
    let question = polling.next(30_000, |_| "alive".into()).expect("a question");
    assert!(question.mailboxes.iter().all(|name| name.starts_with('d')));
    assert!(!polling.is_down(), "nobody is asked for at the dead one");
    // Wants to be left alone, in an answer.
    polling.answered(&question, &Outcome::Told(vec![Fate::Shown; 100], Some(5_000)), 30_000, 0);
    assert_eq!(polling.next(34_999, |_| "alive".into()), None);
    assert!(polling.next(35_000, |_| "alive".into()).is_some());
}

/// A server that is found is asked at once; one that is found again and again is not looked for without an end. Of whom nothing
/// can be said now is asked for before long.
#[test]
fn who_is_found_is_asked_at_once_and_who_is_not_soon_again() {
    let mut polling = Polling::new(TERMS);
    polling.sets(TERMS, boxes(&["a@x", "b@x"]), 0, 0);
    let question = polling.next(0, |_| "autodiscover".into()).expect("a question");
    polling.answered(&question, &Outcome::Told(vec![Fate::Found, Fate::Later], None), 5, 0);
    let found = polling.next(5, there).expect("at once");
    assert_eq!((&*found.place, &found.mailboxes[..]), ("mail", &boxes(&["a@x"])[..]));
    polling.answered(&found, &Outcome::Told(vec![Fate::Found], None), 6, 0);
    let wake = polling.wake().expect("later");
    assert!((135_000..=225_006).contains(&wake), "{wake}");
    assert!(!polling.shows_nobody());
    let both = polling.next(wake, there).expect("a question");
    polling.answered(&both, &all(&both, Fate::Hidden), wake, 0);
    assert!(polling.shows_nobody());
}

/// One mailbox that a server falls over hides no other: those behind it come first, and then it is found out.
#[test]
fn one_mailbox_that_a_server_falls_over_hides_no_other() {
    let names: Vec<Arc<str>> = (0..60).map(|n| Arc::from(format!("u{n:02}@x"))).collect();
    let terms = Terms { every: 900_000, batch: 20 };
    let (mut polling, mut now) = (Polling::new(terms), 0);
    polling.sets(terms, names.iter().cloned(), 0, 0);
    let mut shown = std::collections::HashSet::new();
    while shown.len() < 59 {
        now = polling.wake().expect("due").max(now);
        let question = polling.next(now, there).expect("due");
        let falls = question.mailboxes.iter().any(|name| &**name == "u00@x");
        if !falls {
            shown.extend(question.mailboxes.iter().cloned());
        }
        let outcome = if falls { Outcome::Down(None) } else { all(&question, Fate::Shown) };
        polling.answered(&question, &outcome, now, 0);
        assert!(now < 60_000, "{now}: {shown:?}");
    }
}
