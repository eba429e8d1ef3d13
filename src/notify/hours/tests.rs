//! R209: tables over nights, weeks, holidays and clocks that are put forward and back.

use std::time::Duration;

use jiff::civil::DateTime;

use super::*;
use crate::{
    address::{Caller, Language},
    call::Outcome,
};

const BERLIN: &str = "Europe/Berlin";

fn windows(texts: &[&str]) -> Vec<Window> {
    texts.iter().map(|text| text.parse().expect("a window")).collect()
}

fn quiet(texts: &[&str]) -> Hours {
    Hours { quiet: windows(texts), ..Hours::default() }
}

fn office() -> Hours {
    Hours {
        work_days: Days::named(["mon", "tue", "wed", "thu", "fri"]),
        work_hours: windows(&["08:00-12:00", "13:00-17:00"]),
        ..Hours::default()
    }
}

/// The release of what happens at that instant, both as `2026-01-31T21:59:59Z`.
fn release(hours: &Hours, zone: &str, at: &str) -> String {
    let zone = TimeZone::get(zone).expect("a zone");
    match hours.release(&zone, at.parse().expect("an instant")) {
        Some(release) => release.to_string(),
        None => "at once".to_owned(),
    }
}

fn plays(hours: &Hours, zone: &str, rows: &[(&str, &str)]) {
    for (at, expected) in rows {
        assert_eq!(release(hours, zone, at), *expected, "{at} in {zone}, {hours:?}");
    }
}

#[test]
fn a_quiet_night_ends_in_the_morning() {
    plays(
        &quiet(&["22:00-07:00"]),
        BERLIN,
        &[
            ("2026-01-30T20:59:59.999Z", "at once"),
            ("2026-01-30T21:00:00Z", "2026-01-31T06:00:00Z"),
            ("2026-01-30T23:30:00Z", "2026-01-31T06:00:00Z"),
            ("2026-01-31T05:59:59.999Z", "2026-01-31T06:00:00Z"),
            ("2026-01-31T06:00:00Z", "at once"),
            // Summer time, an hour earlier.
            ("2026-07-30T19:59:59Z", "at once"),
            ("2026-07-30T20:00:00Z", "2026-07-31T05:00:00Z"),
        ],
    );
    // Windows that touch or overlap are one.
    let joined = quiet(&["20:00-23:00", "22:00-24:00", "00:00-06:30"]);
    plays(&joined, "UTC", &[("2026-01-30T20:00:00Z", "2026-01-31T06:30:00Z")]);
    plays(&quiet(&["12:00:30-12:00:45"]), "UTC", &[("2026-01-30T12:00:44Z", "2026-01-30T12:00:45Z")]);
    plays(&Hours::default(), BERLIN, &[("2026-01-30T23:30:00Z", "at once")]);
}

#[test]
fn the_night_that_is_an_hour_short_loses_nothing() {
    // 29 March 2026: 01:59:59 +01 is followed by 03:00:00 +02, at 01:00 UTC.
    plays(
        &quiet(&["22:00-07:00"]),
        BERLIN,
        &[
            ("2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z"),
            ("2026-03-29T00:59:59Z", "2026-03-29T05:00:00Z"),
            ("2026-03-29T01:00:00Z", "2026-03-29T05:00:00Z"),
            ("2026-03-29T05:00:00Z", "at once"),
        ],
    );
    // An end that the night leaves out is when the clock jumps, and so is a beginning.
    plays(&quiet(&["22:00-02:30"]), BERLIN, &[("2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z")]);
    plays(
        &quiet(&["02:30-06:00"]),
        BERLIN,
        &[("2026-03-29T00:59:59Z", "at once"), ("2026-03-29T01:00:00Z", "2026-03-29T04:00:00Z")],
    );
    // A window that is left out as a whole holds nothing.
    plays(
        &quiet(&["02:10-02:50"]),
        BERLIN,
        &[("2026-03-29T00:59:59Z", "at once"), ("2026-03-29T01:00:00Z", "at once")],
    );
    // Work hours that are left out as a whole come back on the next day.
    let night_watch = Hours { work_hours: windows(&["02:10-02:50"]), ..Hours::default() };
    plays(&night_watch, BERLIN, &[("2026-03-29T00:30:00Z", "2026-03-30T00:10:00Z")]);
}

#[test]
fn the_night_that_is_an_hour_long_is_quiet_to_its_second_end() {
    // 25 October 2026: 02:59:59 +02 is followed by 02:00:00 +01, at 01:00 UTC.
    plays(
        &quiet(&["22:00-07:00"]),
        BERLIN,
        &[("2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z"), ("2026-10-25T00:30:00Z", "2026-10-25T06:00:00Z")],
    );
    plays(
        &quiet(&["22:00-02:30"]),
        BERLIN,
        &[
            ("2026-10-25T00:00:00Z", "2026-10-25T01:30:00Z"),
            ("2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z"),
            ("2026-10-25T01:30:00Z", "at once"),
        ],
    );
    plays(&quiet(&["02:30-02:45"]), BERLIN, &[("2026-10-25T01:00:00Z", "2026-10-25T01:45:00Z")]);
}

#[test]
fn work_days_and_work_hours_begin_in_the_morning() {
    plays(
        &office(),
        BERLIN,
        &[
            // Friday 2 October 2026.
            ("2026-10-02T05:59:59Z", "2026-10-02T06:00:00Z"),
            ("2026-10-02T06:00:00Z", "at once"),
            ("2026-10-02T10:30:00Z", "2026-10-02T11:00:00Z"),
            ("2026-10-02T14:59:59Z", "at once"),
            ("2026-10-02T15:00:00Z", "2026-10-05T06:00:00Z"),
            // Saturday 24 October, and the Monday after the clock was put back.
            ("2026-10-24T10:00:00Z", "2026-10-26T07:00:00Z"),
        ],
    );
    let days = Hours { work_hours: vec![], ..office() };
    plays(
        &days,
        BERLIN,
        &[("2026-10-02T21:59:59Z", "at once"), ("2026-10-02T22:00:00Z", "2026-10-04T22:00:00Z")],
    );
    // A night shift belongs to the day that it begins on: it goes on into Saturday, and there is none on Sunday.
    let shift = Hours { work_hours: windows(&["22:00-06:00"]), ..office() };
    plays(
        &shift,
        "UTC",
        &[
            ("2026-10-03T02:00:00Z", "at once"),
            ("2026-10-03T06:00:00Z", "2026-10-05T22:00:00Z"),
            ("2026-10-05T02:00:00Z", "2026-10-05T22:00:00Z"),
        ],
    );
    // Quiet hours count on work days too.
    let both = Hours { quiet: windows(&["11:00-14:00"]), ..office() };
    plays(
        &both,
        "UTC",
        &[("2026-10-02T11:30:00Z", "2026-10-02T14:00:00Z"), ("2026-10-02T10:30:00Z", "at once")],
    );
}

#[test]
fn holidays_are_no_work_days() {
    let holidays = ["12-25", "12-26", "2026-12-28"].map(|day| day.parse().expect("a day")).to_vec();
    let hours = Hours { holidays, ..office() };
    plays(
        &hours,
        "UTC",
        &[
            // Thursday 24 December, in the evening: Friday, the weekend and that one Monday are off.
            ("2026-12-24T18:00:00Z", "2026-12-29T08:00:00Z"),
            ("2025-12-24T18:00:00Z", "2025-12-29T08:00:00Z"),
            ("2027-12-28T07:00:00Z", "2027-12-28T08:00:00Z"),
        ],
    );
}

#[test]
fn clocks_that_jump_at_midnight_or_over_a_whole_day_hold_nothing_for_ever() {
    // Havana goes from 23:59:59 on 7 March 2026 to 01:00:00 on the 8th, a Sunday, at 05:00 UTC.
    plays(
        &quiet(&["21:00-24:00"]),
        "America/Havana",
        &[("2026-03-08T04:00:00Z", "2026-03-08T05:00:00Z"), ("2026-03-08T05:00:00Z", "at once")],
    );
    let sundays = Hours { work_days: Days::named(["sun"]), ..Hours::default() };
    plays(&sundays, "America/Havana", &[("2026-03-08T04:00:00Z", "2026-03-08T05:00:00Z")]);
    // Apia had no 30 December 2011: midnight at the end of the 29th was midnight at the beginning of the 31st.
    plays(&quiet(&["22:00-07:00"]), "Pacific/Apia", &[("2011-12-30T09:00:00Z", "2011-12-30T17:00:00Z")]);
    let fridays = Hours { work_days: Days::named(["fri"]), ..Hours::default() };
    plays(&fridays, "Pacific/Apia", &[("2011-12-30T09:00:00Z", "2012-01-05T10:00:00Z")]);
}

#[test]
fn whatever_is_set_no_instant_waits_longer_than_the_longest() {
    let never = quiet(&["00:00-12:00", "12:00-24:00"]);
    assert!(!never.leave_time());
    plays(&never, BERLIN, &[("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")]);
    let off = (1..=31).map(|day| format!("01-{day:02}").parse().expect("a day")).collect();
    let holidays = Hours { holidays: off, ..office() };
    assert!(holidays.leave_time(), "holidays come and go");
    for hours in [&never, &holidays, &office(), &quiet(&["22:00-07:00"]), &quiet(&["07:00-06:59:59"])] {
        for zone in [BERLIN, "America/Havana", "Asia/Kathmandu", "Australia/Lord_Howe"] {
            let zone = TimeZone::get(zone).expect("a zone");
            for step in 0..1_400 {
                let at = Timestamp::from_second(1_767_222_000 + step * 22_900).expect("an instant");
                let Some(release) = hours.release(&zone, at) else { continue };
                assert!(release > at && release.duration_since(at) <= LONGEST, "{at} {hours:?}");
                if release.duration_since(at) < LONGEST {
                    assert_eq!(
                        hours.release(&zone, release),
                        None,
                        "{at}: what is released is not held again"
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_no_window_and_no_day_is_refused() {
    for text in
        ["", "22:00", "22-07", "25:00-07:00", "22:00-22:00", "7:00-8:00", "22:00-07:00-08:00", "T22:00-07:00"]
    {
        assert_eq!(text.parse::<Window>(), Err(NotAWindow), "{text}");
    }
    let whole: Window = "00:00-24:00".parse().expect("a whole day");
    assert_eq!(whole, Window::DAY);
    assert!(!Hours { quiet: vec![whole], ..Hours::default() }.leave_time());
    for text in ["", "12", "13-01", "2026-02-29", "2026-02", "25.12.", "2026-12-25T00:00"] {
        assert_eq!(text.parse::<Holiday>(), Err(NotADay), "{text}");
    }
    let leap: Holiday = "02-29".parse().expect("a day");
    let date = |text: &str| text.parse::<DateTime>().expect("a date").date();
    assert!(leap.is(date("2028-02-29T00:00")) && !leap.is(date("2028-03-01T00:00")));
    assert_eq!(Days::named(Days::NAMES), Days::ALL);
}

#[test]
fn a_notice_waits_and_says_why_but_a_voice_mail_only_where_it_should() {
    let notice = |kind| Notice {
        kind,
        user: "sip:1001@corp.test".into(),
        user_name: None,
        mail: None,
        language: Language::En,
        time_zone: BERLIN.into(),
        call_id: "1".into(),
        caller: Caller::default(),
        came_in: Timestamp::UNIX_EPOCH,
        rang_for: Duration::ZERO,
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    };
    let missed = notice(Kind::Missed);
    let voice_mail = notice(Kind::VoiceMail {
        recording: "a.wav".into(),
        duration: Duration::from_secs(3),
        urgent: false,
    });
    let quiet = Hours { quiet: windows(&["22:00-07:00"]), ..office() };
    let at_once = Hours { voice_mail_at_once: true, ..quiet.clone() };
    let night = "2026-10-02T21:00:00Z";
    for (hours, notice, at, expected) in [
        (&quiet, &missed, night, Some(("2026-10-05T06:00:00Z", "quiet hours"))),
        (&quiet, &voice_mail, night, Some(("2026-10-05T06:00:00Z", "quiet hours"))),
        (&at_once, &missed, night, Some(("2026-10-05T06:00:00Z", "quiet hours"))),
        (&at_once, &voice_mail, night, None),
        (&quiet, &missed, "2026-10-02T16:00:00Z", Some(("2026-10-05T06:00:00Z", "not in work hours"))),
        (&quiet, &missed, "2026-10-02T09:00:00Z", None),
        (&Hours::default(), &missed, night, None),
    ] {
        let hold = hours.hold(notice, at.parse().expect("an instant"));
        let hold = hold.map(|hold| (hold.until.to_string(), hold.why));
        let expected = expected.map(|(until, why)| (until.to_owned(), why.to_owned()));
        assert_eq!(hold, expected, "{at} {:?}", notice.kind);
    }
    // A zone that this system does not know any more counts as UTC.
    let lost = Notice { time_zone: "Mars/Olympus".into(), ..missed };
    let hold = quiet.hold(&lost, "2026-10-02T06:30:00Z".parse().expect("an instant"));
    assert_eq!(hold.map(|hold| hold.until.to_string()).as_deref(), Some("2026-10-02T08:00:00Z"));
}
