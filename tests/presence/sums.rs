//! What the inputs come to, over time.

use ringpost::presence::{
    Access, Activity, Calendar, Device, Forward, Inputs, Kind, Manual, Own, Phone, Progress, Sight, Slot,
    SlotKind, Source, Standard, Telephony, aggregate::Idle, input::Said, pidf,
};

use crate::{NOW, call, from, inputs, phone};

const IDLE: Idle = Idle { inactive: 300, away: 900 };

fn says(state: Standard, custom: Option<&str>, note: Option<&str>) -> Said {
    let user = Manual { state: Some(state), custom: custom.map(Into::into), note: note.map(Into::into) };
    Said { user: Some(user), ..Said::default() }
}

fn slot(from: u64, until: u64, kind: SlotKind) -> Slot {
    Slot { from, until, kind, subject: Some("Budget".into()), location: Some("Room 7".into()) }
}

fn device(touched: u64) -> Said {
    Said { device: Some(Device { open: true, touched: Some(touched) }), ..Said::default() }
}

/// R54: each input counts by itself, and the others stay when one ends. R206: nothing outlives its end.
#[test]
fn the_four_inputs_are_kept_apart_and_end_apart() {
    let mut known = inputs();
    known.put(&from(Kind::Endpoint, "e1"), says(Standard::BeRightBack, None, Some("Lunch")), NOW + 40);
    known.put(&from(Kind::Own, ""), phone(Some(Progress::Confirmed), None, None), NOW + 30);
    let slots = vec![slot(NOW, NOW + 20, SlotKind::Meeting)];
    let said = Said { calendar: Some(Calendar { slots }), ..Said::default() };
    known.put(&from(Kind::Sip, "calendar"), said, NOW + 3_600);
    known.put(&from(Kind::Endpoint, "e2"), device(NOW), NOW + 50);
    // (seconds, state, activities, telephony)
    let rows = [
        (0, Standard::Busy, vec![Activity::OnThePhone, Activity::Meeting], Telephony::Busy),
        (20, Standard::Busy, vec![Activity::OnThePhone], Telephony::Busy),
        (30, Standard::BeRightBack, vec![], Telephony::Available),
        (40, Standard::Available, vec![], Telephony::Available),
        (50, Standard::Available, vec![], Telephony::Available),
    ];
    for (after, state, activities, telephony) in rows {
        let sum = known.sum(IDLE, NOW + after);
        assert_eq!((sum.rich.state, &sum.rich.activities), (Some(state), &activities), "{after} s");
        assert_eq!(sum.telephony, telephony, "{after} s");
        assert_eq!(sum.rich.note.is_some(), after < 40);
    }
    // Each of these edges is told before it comes.
    let mut at = NOW;
    let mut edges = vec![];
    while let Some(next) = known.next_change(IDLE, at).filter(|next| *next <= NOW + 50) {
        edges.push(next - NOW);
        at = next;
    }
    assert_eq!(edges, [20, 30, 40, 50]);
    assert!(known.expire(NOW + 50) && !known.expire(NOW + 50));
    assert_eq!((known.user.len(), known.phone.len(), known.device.len(), known.calendar.len()), (0, 0, 0, 1));
}

/// A telephone that a PBX knows is there, though its user has signed in nowhere; unless the user wants to be nowhere.
#[test]
fn a_telephone_at_a_pbx_can_be_reached() {
    let mut known = Inputs::default();
    known.own = Own { has_address: true, has_number: true, ..Own::default() };
    assert!(!known.sum(IDLE, NOW).open);
    let there = Phone { reachable: Some(true), ..Phone::default() };
    known.put(&from(Kind::Cti, "pbx"), Said { phone: Some(there), ..Said::default() }, NOW + 60);
    let sum = known.sum(IDLE, NOW);
    assert_eq!((sum.open, &sum.telephony), (true, &Telephony::Available));
    assert_eq!(sum.rich.state, Some(Standard::Offline), "the person is nowhere");
    let written = pidf::write(&sum, "sip:ada@corp.test", 0);
    let basic: Vec<_> = written.split("<basic>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    assert_eq!(basic, ["open", "closed"], "the telephone, then the person");
    known.put(&from(Kind::Endpoint, "e"), says(Standard::Offline, None, None), NOW + 60);
    assert!(!known.sum(IDLE, NOW).open);
    assert!(!known.sum(IDLE, NOW + 60).open, "nothing outlives its end");
}

/// R56: a device is active, inactive, then idle, by time alone; of several the one in use counts.
#[test]
fn a_device_that_nobody_touches_is_inactive_then_away() {
    let mut known = inputs();
    known.put(&from(Kind::Endpoint, "desk"), device(NOW), u64::MAX);
    known.put(&from(Kind::Endpoint, "pad"), device(NOW - 10_000), u64::MAX);
    for (after, state) in [
        (0, Standard::Available),
        (299, Standard::Available),
        (300, Standard::Inactive),
        (899, Standard::Inactive),
        (900, Standard::Away),
    ] {
        assert_eq!(known.sum(IDLE, NOW + after).rich.state, Some(state), "{after} s");
    }
    assert_eq!(known.next_change(IDLE, NOW), Some(NOW + 300));
    assert_eq!(known.next_change(IDLE, NOW + 300), Some(NOW + 900));
    assert_eq!(known.next_change(IDLE, NOW + 900), None);
    known.put(&from(Kind::Endpoint, "pad"), device(NOW + 900), u64::MAX);
    assert_eq!(known.sum(IDLE, NOW + 901).rich.state, Some(Standard::Available));
}

/// R21: who signs out leaves nothing behind but what others know.
#[test]
fn signing_out_removes_what_endpoints_said() {
    let mut known = inputs();
    known.put(&from(Kind::Endpoint, "e1"), says(Standard::Busy, None, Some("x")), NOW + 1_000);
    known.put(&from(Kind::Sip, "pbx"), phone(Some(Progress::Confirmed), None, None), NOW + 1_000);
    known.own.reachable = false;
    known.signed_out();
    let sum = known.sum(IDLE, NOW);
    assert_eq!((sum.rich.note, sum.telephony), (None, Telephony::Busy));
}

/// R81, R82, R117.
#[test]
fn custom_states_notes_and_out_of_office_are_told() {
    let mut known = inputs();
    known.put(
        &from(Kind::Endpoint, "e"),
        says(Standard::Busy, Some("In the lab"), Some("Back at 3")),
        NOW + 100,
    );
    let sum = known.sum(IDLE, NOW);
    assert_eq!(sum.rich.custom.as_deref(), Some("In the lab"));
    assert_eq!((sum.rich.state, sum.rich.note.as_deref()), (Some(Standard::Busy), Some("Back at 3")));
    let slots = vec![slot(NOW - 60, NOW + 1_000, SlotKind::OutOfOffice)];
    known.remove(&from(Kind::Endpoint, "e"));
    known.put(
        &from(Kind::Sip, "c"),
        Said { calendar: Some(Calendar { slots }), ..Said::default() },
        NOW + 100,
    );
    let sum = known.sum(IDLE, NOW);
    assert_eq!((sum.rich.state, sum.rich.activities), (Some(Standard::Away), vec![Activity::OutOfOffice]));
    // Nobody is free who does not want to be disturbed, whatever else happens; nor there who wants to seem away.
    for state in [Standard::DoNotDisturb, Standard::Offline] {
        known.put(&from(Kind::Own, ""), phone(Some(Progress::Confirmed), None, None), NOW + 100);
        known.put(&from(Kind::Endpoint, "e"), says(state, None, None), NOW + 100);
        assert_eq!(known.sum(IDLE, NOW).rich.state, Some(state));
    }
}

/// R102, R103: what is missing reads "not configured", and says nothing of the other.
#[test]
fn telephony_and_rich_presence_are_two_fields() {
    let known = Inputs::new(NOW * 1_000);
    let sum = known.sum(IDLE, NOW);
    assert_eq!((sum.telephony, sum.rich.state), (Telephony::NotConfigured, None));
    let only_number = Own { has_number: true, reachable: true, ..Own::default() };
    let sum = Inputs::new(0).owning(only_number).sum(IDLE, NOW);
    assert_eq!((sum.telephony, sum.rich.state), (Telephony::Available, None));
    let only_address = Own { has_address: true, reachable: true, ..Own::default() };
    let sum = Inputs::new(0).owning(only_address).sum(IDLE, NOW);
    assert_eq!((sum.telephony, sum.rich.state), (Telephony::NotConfigured, Some(Standard::Available)));
    let offline = Own { has_number: true, has_address: true, ..Own::default() };
    let sum = Inputs::new(0).owning(offline).sum(IDLE, NOW);
    assert_eq!(
        (sum.telephony, sum.rich.state, sum.open),
        (Telephony::Offline, Some(Standard::Offline), false)
    );
}

/// R55, R108, R114: own calls and remote call control each make busy; SIP servers count where neither preferred one nor
/// remote call control speaks.
#[test]
fn cti_beats_sip_and_the_preferred_server_the_others() {
    let mut known = inputs();
    let preferred = Source { preferred: true, ..from(Kind::Sip, "first") };
    known.put(&preferred, phone(None, Some(true), None), NOW + 10);
    known.put(&from(Kind::Sip, "second"), phone(None, None, Some(Some(Forward::VoiceMail))), NOW + 20);
    let sum = known.sum(IDLE, NOW);
    assert_eq!((sum.telephony, sum.telephony_by.as_deref()), (Telephony::DoNotDisturb, Some("first")));
    assert_eq!(known.sum(IDLE, NOW + 10).telephony, Telephony::ForwardedToVoiceMail);
    known.put(&from(Kind::Cti, "gateway"), phone(Some(Progress::Confirmed), None, Some(None)), NOW + 5);
    let sum = known.sum(IDLE, NOW);
    assert_eq!((sum.telephony, sum.telephony_by.as_deref()), (Telephony::Busy, Some("gateway")));
    known.put(&from(Kind::Cti, "gateway"), phone(None, None, Some(None)), NOW + 5);
    known.put(&from(Kind::Own, ""), phone(Some(Progress::Confirmed), None, None), NOW + 5);
    assert_eq!(known.sum(IDLE, NOW).telephony, Telephony::Busy);
}

/// R108: of a person, too, the preferred server is believed as long as it says something; endpoints of the user's own count beside it.
#[test]
fn the_preferred_server_is_believed_of_a_person() {
    let mut known = inputs();
    let first = Source { preferred: true, ..from(Kind::Sip, "first") };
    known.put(&first, says(Standard::Away, None, Some("in Rome")), NOW + 10);
    known.put(&from(Kind::Sip, "second"), says(Standard::Busy, None, Some("in Oslo")), NOW + 60);
    let rich = |known: &Inputs, at: u64| known.sum(Idle::default(), at).rich;
    let seen = rich(&known, NOW);
    assert_eq!((seen.state, seen.note.as_deref()), (Some(Standard::Away), Some("in Rome")));
    let later = rich(&known, NOW + 10);
    assert_eq!((later.state, later.note.as_deref()), (Some(Standard::Busy), Some("in Oslo")));
    known.put(&from(Kind::Endpoint, "own"), says(Standard::DoNotDisturb, None, None), NOW + 60);
    assert_eq!(rich(&known, NOW).state, Some(Standard::DoNotDisturb));
}

/// R54: several calls, of which any that talks makes busy; one that several sources see is one.
#[test]
fn several_calls_are_kept_until_each_ends() {
    let (mut known, own) = (inputs(), from(Kind::Own, ""));
    known.call(&own, "a", Some(call("a", Progress::Early)), NOW + 60);
    assert_eq!(known.sum(IDLE, NOW).telephony, Telephony::Available);
    known.call(&own, "b", Some(call("b", Progress::Confirmed)), NOW + 60);
    known.call(&own, "a", Some(call("a", Progress::Confirmed)), NOW + 60);
    let also = Phone { calls: vec![call("b", Progress::Confirmed)], ..Phone::default() };
    known.put(&from(Kind::Cti, "x"), Said { phone: Some(also), ..Said::default() }, NOW + 60);
    assert_eq!(known.sum(IDLE, NOW).calls.len(), 2);
    known.remove(&from(Kind::Cti, "x"));
    known.call(&own, "b", None, NOW);
    assert_eq!(known.sum(IDLE, NOW).telephony, Telephony::Busy);
    known.call(&own, "a", None, NOW);
    assert!(known.is_bare());
    assert_eq!(known.sum(IDLE, NOW).telephony, Telephony::Available);
}

/// More than two in a call: besides being on the phone, as long as somebody talks.
#[test]
fn a_conference_is_one_while_it_talks() {
    let mut known = inputs();
    for (busy, conference, activities) in [
        (true, true, &[Activity::OnThePhone, Activity::InConference][..]),
        (true, false, &[Activity::OnThePhone]),
        (false, true, &[]),
    ] {
        let phone = Phone { busy, conference, ..Phone::default() };
        known.put(&from(Kind::Cti, "x"), Said { phone: Some(phone), ..Said::default() }, NOW + 60);
        assert_eq!(known.sum(IDLE, NOW).rich.activities, activities);
    }
}

/// R206: versions only grow, also over a restart.
#[test]
fn versions_only_grow() {
    let mut known = Inputs::new(NOW * 1_000);
    let mut last = known.version();
    for step in 0..500 {
        known.call(&from(Kind::Own, ""), "a", (step % 2 == 0).then(|| call("a", Progress::Early)), NOW + 60);
        assert!(known.version() > last);
        last = known.version();
    }
    assert!(Inputs::new((NOW + 1) * 1_000).version() > last, "a run that begins a second later is above");
}

/// R18, R58: what is left for each watcher.
#[test]
fn a_view_leaves_what_its_watcher_may_see() {
    let mut known = inputs();
    known.own.forward = Some(Forward::Number("4711".into()));
    known.put(&from(Kind::Own, ""), phone(Some(Progress::Confirmed), None, None), NOW + 60);
    let slots = vec![slot(NOW, NOW + 60, SlotKind::Meeting)];
    known.put(
        &from(Kind::Sip, "c"),
        Said { calendar: Some(Calendar { slots }), ..Said::default() },
        NOW + 60,
    );
    let sum = known.sum(IDLE, NOW);
    assert_eq!(sum.seen(Sight::Full), sum);
    let reduced = format!("{:?}", sum.seen(Sight::Reduced));
    for secret in ["Budget", "Room", "4711", "Ada", "4544890101", "c@pbx"] {
        assert!(!reduced.contains(secret) && format!("{sum:?}").contains(secret), "{secret} in {reduced}");
    }
    assert_eq!(sum.seen(Sight::Reduced).rich.activities, [Activity::OnThePhone, Activity::Meeting]);
    let polite = sum.seen(Sight::Polite);
    assert_eq!((polite.telephony, polite.open, polite.calls.len()), (Telephony::Offline, false, 0));
    assert_eq!(
        Access::ALL.map(Access::sight),
        [None, Some(Sight::Polite), Some(Sight::Reduced), Some(Sight::Full)]
    );
}
