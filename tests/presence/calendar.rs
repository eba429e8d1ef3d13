//! Calendars as Exchange and Graph tell them (R17, R22, R53, R82; T5, T6).

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use ringpost::{
    calendar::{Schedule, Window, ews, graph, slot_start},
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

/// All is in UTC: a night in which the clocks change has as many slots as any other, and what crosses midnight, lasts a day
/// elsewhere in the world, or begins behind the window is what it is.
#[test]
fn r22_midnight_summer_time_and_other_zones_are_no_edges() {
    // Berlin's clocks go from 03:00 back to 02:00 at 01:00 UTC.
    let night = Window::at(at("2026-10-24T22:07:00Z"), 128);
    assert_eq!((night.start, night.end()), (at("2026-10-24T22:00:00Z"), at("2026-10-26T06:00:00Z")));
    // Half-hour and quarter-hour zones (Kathmandu, UTC+5:45) have their slots where everybody has.
    assert_eq!(slot_start(at("2026-10-24T23:59:59+05:45")), at("2026-10-24T18:00:00Z"));
    let event = |from: &str, until: &str, busy: &str| {
        format!(
            "<CalendarEvent><StartTime>{from}</StartTime><EndTime>{until}</EndTime><BusyType>{busy}</BusyType></CalendarEvent>"
        )
    };
    let events = [
        // Across midnight and the change of the clocks.
        event("2026-10-24T23:30:00", "2026-10-25T02:30:00", "Busy"),
        // A whole day in Auckland (UTC+13), told with its offset.
        event("2026-10-25T00:00:00+13:00", "2026-10-26T00:00:00+13:00", "OOF"),
        // Behind the window, and before it.
        event("2026-10-27T00:00:00", "2026-10-27T01:00:00", "Busy"),
    ];
    let merged = format!("<MergedFreeBusy>{}</MergedFreeBusy>", "0".repeat(128));
    let inside = format!("{merged}<CalendarEventArray>{}</CalendarEventArray>", events.concat());
    let read = ews::read(answer(&[view(&inside)]).as_bytes(), &boxes(&["a@x"]), night);
    let schedule = read.expect("an answer").remove(0).expect("a schedule");
    assert_eq!(schedule.slots.len(), 128);
    let shown: Vec<_> =
        schedule.input().slots.into_iter().map(|slot| (slot.kind, slot.from, slot.until)).collect();
    let second = |text: &str| u64::try_from(at(text).as_second()).expect("after 1970");
    assert_eq!(
        shown,
        [
            (SlotKind::Meeting, second("2026-10-24T23:30:00Z"), second("2026-10-25T02:30:00Z")),
            (SlotKind::OutOfOffice, second("2026-10-24T11:00:00Z"), second("2026-10-25T11:00:00Z")),
        ]
    );
    // The clock was set back, or jumps ahead: that is news, and nothing overflows.
    for other in ["2026-10-24T21:00:00Z", "2036-10-24T22:00:00Z", "1971-01-01T00:00:00Z"] {
        assert!(Schedule { start: at(other), ..schedule.clone() }.differs_from(&schedule), "{other}");
    }
    // What is published is over before the next answer.
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert!(!schedule.ends_within(at("2026-10-24T22:00:00Z"), minutes(15)));
    assert!(schedule.ends_within(at("2026-10-26T05:30:00Z"), minutes(15)));
}
