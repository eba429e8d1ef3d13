//! Microsoft's enhanced presence: the published samples, the vector of the bit order (R22), versions and their recovery, and
//! what is published of a user (R54, R82).

use std::fs;

use jiff::Timestamp;
use ringpost::{
    calendar::{Change, Hours, Period, Schedule},
    presence::{
        Activity, Apart, Presence, Rich, Standard,
        microsoft::{
            calendar::{self, SLOTS, Slot},
            ledger::{Batch, Ledger, Piece, mark_of},
            picture::{Frame, endpoint, picture},
            state::{IN_A_MEETING, Kind, ON_THE_PHONE, State, availability, element},
        },
        summary::Summary,
    },
    voicemail::Counts,
    xml::{Element, elements},
};

use crate::corpus;

#[test]
fn r22_slots_lie_in_the_lowest_bits_first() {
    let slots: Option<Vec<Slot>> = "0000022221111333300".chars().map(Slot::of_digit).collect();
    let slots = slots.expect("digits");
    assert_eq!(calendar::pack(&slots), "AKhW/QM=");
    let back = calendar::unpack("AKhW/QM=").expect("Base64");
    assert_eq!(back[..19], slots);
    assert_eq!(back[19..], [Slot::Free], "four to an octet");
    assert_eq!(
        (Slot::of_digit('4'), Slot::of_digit('5'), Slot::of_digit('x')),
        (Some(Slot::Free), None, None)
    );
    assert_eq!(calendar::pack(&[]), "");
    assert_eq!(calendar::unpack("A"), None);
    assert_eq!(calendar::unpack(&calendar::pack(&[Slot::Busy; SLOTS])), Some(vec![Slot::Busy; SLOTS]));
}

fn names(element: &Element) -> Vec<&str> {
    let mut names: Vec<_> = element.attributes.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn calendar_data_is_of_the_form_of_the_sample() {
    let start = "2009-10-27T07:00:00Z".parse().expect("a time");
    let ours = calendar::write("bob@contoso.com", start, &[Slot::Free; SLOTS]);
    let ours = elements(ours.as_bytes()).expect("XML");
    assert_eq!(elements(calendar::nothing().as_bytes()).expect("XML").len(), 1);
    let Some(file) = corpus("ms-presence/calendardata-category-instance-value-element-2.xml") else { return };
    let sample = elements(&fs::read(file).expect("readable")).expect("XML");
    for (ours, sample) in ours.iter().zip(&sample) {
        assert_eq!((&ours.name, names(ours)), (&sample.name, names(sample)));
        for name in ["startTime", "granularity", "encodingVersion", "mailboxID"] {
            assert_eq!(ours.attribute(name), sample.attribute(name));
        }
    }
    let slots = calendar::unpack(&sample[1].text).expect("Base64");
    assert_eq!(calendar::pack(&slots), sample[1].text);
    assert!(slots.contains(&Slot::Busy) && slots.contains(&Slot::Tentative), "{slots:?}");
}

/// The elements below the one of a sample, held against ours: names, attributes.
fn is_of_the_form(ours: &str, path: &str) {
    let Some(file) = corpus(&format!("ms-presence/{path}")) else { return };
    let ours = elements(ours.as_bytes()).expect("XML");
    let sample = elements(&fs::read(file).expect("readable")).expect("XML");
    assert_eq!(ours.len(), sample.len(), "{path}");
    for (ours, sample) in ours.iter().zip(&sample) {
        assert_eq!((&ours.name, names(ours)), (&sample.name, names(sample)), "{path}");
        assert_eq!(ours.attribute("type"), sample.attribute("type"), "{path}");
        assert_eq!(ours.attribute("token").is_some(), sample.attribute("token").is_some());
    }
}

#[test]
fn states_are_of_the_form_of_the_samples() {
    let phone = State {
        availability: availability(Standard::Busy),
        activity: Some(ON_THE_PHONE),
        ..State::default()
    };
    is_of_the_form(&element(Kind::Phone, &phone), "state-element_1-1.xml");
    let meeting = State {
        activity: Some(IN_A_MEETING),
        mailbox: Some("kdeding@exchange.microsoft.com".into()),
        since: Some("2009-11-13T20:30:00Z".parse().expect("a time")),
        subject: Some("A MeetNow meeting".into()),
        location: Some("At your desk".into()),
        ..phone
    };
    is_of_the_form(&element(Kind::Calendar, &meeting), "state-element_3-1.xml");
    let chosen = State { availability: availability(Standard::Available), ..State::default() };
    is_of_the_form(&element(Kind::User, &chosen), "state-element-1.xml");
    let hours = Hours {
        bias: 480,
        changes: Some([0, 60].map(|bias| Change {
            bias,
            time: "02:00:00".into(),
            order: 1,
            month: 11,
            day: "Sunday".into(),
        })),
        periods: vec![Period {
            days: "Monday Tuesday Wednesday Thursday Friday".into(),
            start: 480,
            end: 1_020,
        }],
    };
    is_of_the_form(
        &calendar::hours("bob@contoso.com", &hours),
        "calendardata-category-instance-value-element-1.xml",
    );
}

#[test]
fn instances_carry_their_kind_and_the_endpoint() {
    for (kind, instance) in [
        (Kind::User, 0x2000_0000),
        (Kind::Machine, 0x3ABC_DEF0),
        (Kind::Calendar, 0x4ABC_DEF0),
        (Kind::OutOfOffice, 0x5ABC_DEF0),
        (Kind::Phone, 0x8ABC_DEF0),
    ] {
        assert_eq!(kind.instance(0xFABC_DEF0), instance);
    }
    assert_eq!(Kind::Phone.instance(0x0800_0000), 2_281_701_376);
    let states: Vec<_> = Standard::ALL.into_iter().map(availability).collect();
    assert_eq!(states, [3_500, 5_000, 15_500, 12_500, 6_500, 9_500, 18_500]);
    // The same in each run and each version of Ringpost, or its own publications would be strangers' to it.
    assert_eq!(endpoint("ocs", "sip:tu@contoso.com"), endpoint("ocs", "sip:tu@contoso.com"));
    assert_eq!(endpoint("ocs", "sip:tu@contoso.com"), 0x0245_5F25);
    assert_ne!(endpoint("ocs", "sip:tu@contoso.com"), endpoint("ocs2", "sip:tu@contoso.com"));
}

const FRAME: Frame = Frame { message_waiting: true, calendar: true, endpoint: 7 };

fn of(activities: &[Activity]) -> Presence {
    let rich = Rich { activities: activities.to_vec(), subject: Some("<Budget>".into()), ..Rich::default() };
    Presence { rich, ..Presence::default() }
}

fn schedule() -> Schedule {
    Schedule {
        mailbox: "tu@contoso.com".into(),
        start: Timestamp::from_second(1_800_000_000).expect("a time"),
        slots: vec![Slot::Busy; SLOTS],
        events: None,
        away: None,
        hours: Some(Hours::default()),
    }
}

/// `category instance container`, and the content.
fn shown(batch: &Batch) -> Vec<(String, String)> {
    let text = batch.write();
    let all = elements(text.as_bytes()).expect("XML");
    let publications = all.iter().filter(|one| one.name == "publication");
    publications
        .map(|one| {
            let of = |name| one.attribute(name).unwrap_or_default();
            let key = format!(
                "{} {:08x} {}",
                of("categoryName"),
                of("instance").parse::<u32>().expect("a number"),
                of("container")
            );
            (
                key,
                format!(
                    "v{} {}{}",
                    of("version"),
                    of("expireType"),
                    one.attribute("expires").unwrap_or_default()
                ),
            )
        })
        .collect()
}

/// Each input is published as it is; R57 R21: what other endpoints of the user write as well is not taken back unseen.
#[test]
fn a_user_is_published_whole_at_first_and_by_what_changes_then() {
    let summary = Summary::of("sip:1001@x", Counts { new: 2, old: 3, ..Counts::default() });
    let mut ledger = Ledger::new("sip:a&b@contoso.com".into());
    let free = picture(FRAME, &of(&[]), &summary, None);
    let first = ledger.batch(&free, true);
    let keys: Vec<_> = shown(&first).into_iter().map(|(key, what)| format!("{key} {what}")).collect();
    assert_eq!(
        keys[..9],
        [
            "state 30000007 2 v0 endpoint0",
            "state 30000007 3 v0 endpoint0",
            "state 40000007 2 v0 endpoint0",
            "state 40000007 3 v0 endpoint0",
            "state 50000007 2 v0 endpoint0",
            "state 50000007 3 v0 endpoint0",
            "state 80000007 2 v0 endpoint0",
            "state 80000007 3 v0 endpoint0",
            "mwi 00000007 1 v0 endpoint",
        ]
    );
    let free_busy: Vec<_> = [200, 300, 400, 1, 100, 32_000]
        .map(|container| format!("calendarData 40000007 {container} v0 endpoint0"))
        .into();
    assert_eq!(keys[9..], free_busy);
    assert!(first.write().contains("uri=\"sip:a&amp;b@contoso.com\""));
    assert!(first.write().contains("<unreadVoiceMailCount>2</unreadVoiceMailCount><readVoiceMailCount>3<"));
    ledger.took(&first);
    assert!(ledger.batch(&free, false).is_empty(), "R23: nothing has changed");
    let all = shown(&ledger.batch(&free, true));
    assert_eq!(all, [("mwi 00000007 1".to_owned(), "v1 endpoint".to_owned())]);
    let talks = picture(FRAME, &of(&[Activity::OnThePhone]), &summary, None);
    assert_ne!(mark_of(&free), mark_of(&talks));
    let busy = ledger.batch(&talks, false);
    assert_eq!(shown(&busy).len(), 2);
    assert!(busy.write().contains("<availability>6500</availability><activity token=\"on-the-phone\""));
    ledger.took(&busy);
    let over = ledger.batch(&free, false);
    let taken_back = [("state 80000007 2", "v1 endpoint0"), ("state 80000007 3", "v1 endpoint0")];
    assert_eq!(shown(&over), taken_back.map(|(key, what)| (key.to_owned(), what.to_owned())));
    ledger.took(&over);
    assert!(ledger.batch(&free, false).is_empty());
    // R22: the containers that see times, and those that are told there are none; working hours are of no endpoint.
    let known = schedule();
    let times = shown(&ledger.batch(&picture(FRAME, &of(&[]), &summary, Some(&known)), false));
    let keys: Vec<_> = times.iter().map(|(key, what)| format!("{key} {what}")).collect();
    let of = |instance: &'static str, kind: &'static str| {
        [200, 300, 400, 1, 100, 32_000]
            .map(move |container| format!("calendarData {instance} {container} v0 {kind}"))
    };
    assert_eq!(keys, [of("40000007", "endpoint"), of("00000000", "static")].concat());
}

/// What the site wants to be told no more is taken back; what others write too is no loss where it is gone.
#[test]
fn what_is_no_more_told_is_taken_back() {
    let summary = Summary::of("sip:1001@x", Counts::default());
    let apart = Apart { user: Some(Standard::BeRightBack), ..Apart::default() };
    let presence = Presence { apart, ..of(&[]) };
    let mut ledger = Ledger::new("sip:tu@contoso.com".into());
    let whole = ledger.batch(&picture(FRAME, &presence, &summary, Some(&schedule())), true);
    ledger.took(&whole);
    let less = picture(
        Frame { message_waiting: false, calendar: false, ..FRAME },
        &presence,
        &summary,
        Some(&schedule()),
    );
    let back = ledger.batch(&less, false);
    let keys: Vec<_> = shown(&back).into_iter().map(|(key, what)| format!("{key} {what}")).collect();
    assert_eq!(keys.len(), 13, "{keys:?}");
    assert!(keys.contains(&"mwi 00000007 1 v1 endpoint0".to_owned()), "{keys:?}");
    assert!(keys.contains(&"calendarData 00000000 200 v1 static0".to_owned()), "{keys:?}");
    ledger.took(&back);
    assert!(ledger.batch(&less, false).is_empty());
    // The user's client has taken the choice back, and Ringpost another one of it.
    let mut next = ledger.batch(&less, true);
    let gone = fault("<operation index=\"1\" curVersion=\"0\"/><operation index=\"2\" curVersion=\"0\"/>");
    assert_eq!(next.refused(gone.as_bytes()), Ok(true));
    assert_eq!((versions(&next), next.has_lost), (vec!["v0".to_owned(), "v0".to_owned()], false));
}

#[test]
fn r82_out_of_office_is_away_and_takes_the_place_of_busy() {
    let all = [Activity::Meeting, Activity::OnThePhone, Activity::OutOfOffice];
    let apart = Apart { user: Some(Standard::BeRightBack), device: Some(Standard::Inactive), since: None };
    let presence = Presence { apart, ..of(&all) };
    let text = |pieces: &[Piece], nibble: u32| {
        let one = pieces.iter().find(|one| one.key.instance >> 28 == nibble).expect("a state");
        one.content.clone()
    };
    let pieces =
        picture(Frame { calendar: false, ..FRAME }, &presence, &Summary::default(), Some(&schedule()));
    let oof = text(&pieces, 5).expect("out of office");
    assert!(
        oof.contains("token=\"out-of-office\" minAvailability=\"12000\"/>") && oof.contains(">15500<"),
        "{oof}"
    );
    assert!(oof.contains("uri=\"tu@contoso.com\""), "{oof}");
    assert_eq!(text(&pieces, 4), None);
    assert!(text(&pieces, 2).expect("chosen").contains("manual=\"true\"") && text(&pieces, 3).is_some());
    let many = [Activity::OnThePhone, Activity::InConference];
    let phone = text(&picture(FRAME, &of(&many), &Summary::default(), None), 8).expect("a call of three");
    let word =
        "<availability>7000</availability><activity token=\"in-a-conference\" minAvailability=\"7000\"";
    assert!(phone.contains(word), "{phone}");
    let pieces = picture(FRAME, &of(&[Activity::Meeting]), &Summary::default(), None);
    let meeting = text(&pieces, 4).expect("a meeting");
    assert!(meeting.contains("<meetingSubject>&lt;Budget&gt;</meetingSubject>"), "{meeting}");
}

fn fault(operations: &str) -> String {
    format!(
        "<Fault xmlns=\"http://schemas.microsoft.com/2006/09/sip/service-fault\"><Faultcode>Client.BadCall.WrongDelta\
         </Faultcode><details>{operations}</details></Fault>"
    )
}

fn versions(batch: &Batch) -> Vec<String> {
    shown(batch).into_iter().map(|(_, what)| what.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn versions_follow_the_server() {
    let summary = Summary::default();
    let frame = Frame { message_waiting: false, calendar: false, endpoint: 7 };
    let mut ledger = Ledger::new("sip:a@contoso.com".into());
    let talks = picture(frame, &of(&[Activity::OnThePhone]), &summary, None);
    let mut first = ledger.batch(&talks, true);
    // After a restart: the server knows more than we do, and one is counted from 1.
    let known = fault(
        "<operation index=\"7\" version=\"0\" curVersion=\"5\"/><operation index=\"8\" curVersion=\"6\"/>\
         <operation index=\"0\" curVersion=\"9\"/><operation index=\"99\" curVersion=\"9\"/><operation index=\"x\"/>",
    );
    assert_eq!(first.refused(known.as_bytes()), Ok(true));
    assert_eq!(versions(&first), ["v0", "v0", "v0", "v0", "v0", "v0", "v5", "v6"]);
    assert_eq!(first.refused(known.as_bytes()), Ok(false), "the same again would go in a circle");
    assert!(!first.has_lost);
    ledger.took(&first);
    let mut again = ledger.batch(&talks, true);
    assert_eq!(versions(&again), ["v6", "v7"]);
    let other = known.replace("WrongDelta", "NotAuthorized");
    assert_eq!(again.refused(other.as_bytes()), Ok(false));
    for hostile in ["<!DOCTYPE x><x/>", "<x>&y;</x>", "\u{0}", "<a>"] {
        assert!(again.refused(hostile.as_bytes()).is_err(), "T6: {hostile}");
    }
    assert!(again.refused("<a>".repeat(100_000).as_bytes()).is_err(), "T6");
    assert!(again.refused(b"\xFF\xFE<\0").is_err(), "T6");
    // A server that has lost its memory.
    let lost = fault("<operation index=\"1\" curVersion=\"0\"/><operation index=\"2\" curVersion=\"0\"/>");
    assert_eq!(again.refused(lost.as_bytes()), Ok(true));
    assert!(again.has_lost);
    ledger.took(&again);
    assert_eq!(versions(&ledger.batch(&talks, true)), ["v1", "v1"]);
    // Whoever may not take back what is not there does without.
    let mut blind = Ledger::new("sip:a@contoso.com".into()).batch(&talks, true);
    assert!(blind.sees_nothing_blindly() && !blind.sees_nothing_blindly());
    assert_eq!(shown(&blind).len(), 2);
}
