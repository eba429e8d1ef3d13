//! A monitored line, by scripted events and by the events that our own gateway tells.

use ringpost::rcc::{
    Connection, Edition, Event, Happened, Local, event, event_body,
    line::{How, Left, Line, Phone, same_device},
    view::{End, Seen, View, Why, events},
};

const US: &str = "tel:+4544890101;ext=200";

fn told(happened: Happened, of: &str, cause: &str) -> Event {
    Event {
        monitor: "m".into(),
        happened,
        connection: Connection { call: "c1".into(), device: of.into() },
        device: Some(of.into()),
        calling: Some("tel:+4511".into()),
        called: Some(US.into()),
        redirection: None,
        second: None,
        joined: vec![],
        when: None,
        to: None,
        on: None,
        local: None,
        cause: cause.into(),
    }
}

/// What each script of (event, whose, cause) leaves: the phone's states on the way, and how the call has left.
#[test]
fn r52_events_amount_to_a_phones_state() {
    use Happened::{
        ConnectionCleared, Delivered, Diverted, Established, Failed, Held, Originated, Retrieved,
    };
    use Phone::{Calling, Idle, Ringing, Talking};
    type Script<'s> = (&'s [(Happened, &'s str, &'s str)], &'s [Phone], Option<How>);
    let other = "tel:+4511";
    let colleague = "tel:201";
    let scripts: [Script<'_>; 12] = [
        (
            &[(Delivered, US, ""), (Established, US, ""), (ConnectionCleared, US, "normalClearing")],
            &[Ringing, Talking, Idle],
            Some(How::Done),
        ),
        // A vendor that names the device by its extension.
        (&[(Delivered, "200", ""), (Established, "tel:200", "")], &[Ringing, Talking], None),
        (
            &[(Delivered, US, ""), (ConnectionCleared, US, "normalClearing")],
            &[Ringing, Idle],
            Some(How::Missed),
        ),
        // The caller's end goes first.
        (
            &[(Delivered, US, ""), (ConnectionCleared, other, ""), (ConnectionCleared, US, "")],
            &[Ringing, Ringing, Idle],
            Some(How::Missed),
        ),
        (&[(Delivered, US, ""), (Diverted, US, "redirected")], &[Ringing, Idle], Some(How::Diverted(None))),
        (&[(Delivered, US, ""), (Established, colleague, "")], &[Ringing, Idle], Some(How::Elsewhere)),
        (
            &[(Delivered, US, ""), (ConnectionCleared, US, "callPickup")],
            &[Ringing, Idle],
            Some(How::Elsewhere),
        ),
        (
            &[(Delivered, US, ""), (Established, US, ""), (Held, US, ""), (Retrieved, US, "")],
            &[Ringing, Talking, Talking, Talking],
            None,
        ),
        (
            &[(Originated, US, ""), (Delivered, other, ""), (Established, other, ""), (Held, other, "")],
            &[Calling, Calling, Talking, Talking],
            None,
        ),
        (
            &[(Originated, US, ""), (Failed, other, "busy"), (ConnectionCleared, US, "")],
            &[Calling, Idle, Idle],
            Some(How::Done),
        ),
        (&[(ConnectionCleared, US, "")], &[Idle], None),
        // It was answered, and what was put on hold calls back: nobody has missed that.
        (
            &[
                (Delivered, US, ""),
                (Established, US, ""),
                (Held, US, ""),
                (Delivered, US, "recall"),
                (ConnectionCleared, US, "normalClearing"),
            ],
            &[Ringing, Talking, Talking, Ringing, Idle],
            Some(How::Done),
        ),
    ];
    for (script, states, how) in scripts {
        let mut line = Line::new(US);
        let mut left = None;
        for ((happened, of, cause), state) in script.iter().zip(states) {
            left = left.or(line.on(&told(*happened, of, cause), 0));
            assert_eq!(line.phone(), *state, "{happened:?} of {script:?}");
        }
        assert_eq!(left.map(|left| left.how), how, "{script:?}");
    }
}

#[test]
fn two_calls_are_two_and_features_and_conferences_are_known() {
    let mut line = Line::new(US);
    line.on(&told(Happened::Delivered, US, ""), 0);
    line.on(&told(Happened::Established, US, ""), 0);
    let mut second = told(Happened::Delivered, US, "");
    second.connection.call = "c2".into();
    line.on(&second, 0);
    assert_eq!(line.phone(), Phone::Talking);
    assert_eq!(line.on(&told(Happened::ConnectionCleared, US, ""), 0).map(|left| left.how), Some(How::Done));
    assert_eq!(line.phone(), Phone::Ringing);
    second.happened = Happened::Established;
    line.on(&second, 0);
    second.happened = Happened::Conferenced;
    line.on(&second, 0);
    assert_eq!(line.phone(), Phone::Conference);
    let quiet = Event { on: Some(true), ..told(Happened::DoNotDisturb, US, "") };
    line.on(&quiet, 0);
    line.on(&Event { on: Some(true), to: Some("tel:9".into()), ..told(Happened::Forwarding, US, "") }, 0);
    assert_eq!((line.do_not_disturb, line.forwarded.as_deref()), (Some(true), Some("tel:9")));
    line.forget();
    assert_eq!((line.phone(), line.do_not_disturb, line.forwarded), (Phone::Idle, None, None));
}

/// R10: a call that the device has made itself is never missed, however it rings there.
#[test]
fn r10_own_calls_that_call_back_are_not_missed() {
    let mut line = Line::new(US);
    let own = |happened, of| Event { calling: Some(US.into()), ..told(happened, of, "") };
    line.on(&own(Happened::Originated, US), 0);
    line.on(&own(Happened::Delivered, US), 0);
    assert_eq!(line.phone(), Phone::Ringing);
    assert!(line.calls().all(|(_, call)| !call.incoming));
    let left = line.on(&own(Happened::ConnectionCleared, US), 0);
    assert_eq!(left.map(|left| left.how), Some(How::Done));
    // Another telephone of the group rings first: the call is missed here all the same.
    line.on(&told(Happened::Delivered, "tel:201", ""), 0);
    line.on(&told(Happened::Delivered, US, ""), 0);
    let left = line.on(&told(Happened::ConnectionCleared, US, ""), 0);
    assert_eq!(left.map(|left| left.how), Some(How::Missed));
}

/// A gateway may name the telephone otherwise than it was asked for: what it says of the monitored one counts.
#[test]
fn r10_the_local_state_counts_more_than_names() {
    let with = |happened, of, local| Event { local: Some(local), ..told(happened, of, "") };
    let mut line = Line::new("tel:+4544890101");
    line.on(&with(Happened::Delivered, "1001", Local::Alerting), 0);
    assert_eq!(line.phone(), Phone::Ringing);
    let left = line.on(&with(Happened::ConnectionCleared, "1001", Local::Null), 0);
    assert_eq!(left.map(|left| left.how), Some(How::Missed));
    line.on(&with(Happened::Delivered, "1001", Local::Alerting), 0);
    assert_eq!(line.on(&with(Happened::Established, "1001", Local::Connected), 0), None);
    assert_eq!(line.phone(), Phone::Talking);
    let left = line.on(&with(Happened::ConnectionCleared, "1001", Local::Null), 0);
    assert_eq!(left.map(|left| left.how), Some(How::Done));
}

/// R10: who hides the number is nobody, and not the group that was called.
#[test]
fn r10_the_group_that_is_called_is_not_the_caller() {
    let mut line = Line::new(US);
    let hidden =
        |happened| Event { calling: None, called: Some("tel:+4544890800".into()), ..told(happened, US, "") };
    line.on(&hidden(Happened::Delivered), 0);
    line.on(&hidden(Happened::Delivered), 0);
    let left = line.on(&hidden(Happened::ConnectionCleared), 0);
    assert_eq!(left.map(|left| (left.how, left.caller)), Some((How::Missed, None)));
    // Whom the device calls itself is known by that.
    line.on(&Event { calling: Some(US.into()), ..hidden(Happened::Originated) }, 0);
    assert!(line.calls().all(|(_, call)| call.other.as_deref() == Some("tel:+4544890800")));
}

#[test]
fn no_gateway_fills_the_memory() {
    let mut line = Line::new(US);
    for call in 0..10_000 {
        let mut ringing = told(Happened::Delivered, US, "");
        ringing.connection.call = call.to_string();
        line.on(&ringing, 0);
    }
    let left = (0..10_000).filter_map(|call: u32| {
        let mut cleared = told(Happened::ConnectionCleared, US, "");
        cleared.connection.call = call.to_string();
        line.on(&cleared, 0)
    });
    assert_eq!(left.count(), 64);
}

#[test]
fn names_of_one_device_are_known_as_one() {
    for (one, other, same) in [
        (US, "tel:+4544890101;ext=200", true),
        (US, "tel:+45-4489 0101;EXT=200", true),
        (US, "sip:+4544890101;ext=200@x.test;user=phone", true),
        (US, "200", true),
        ("tel:200", "tel:200;phone-context=dialstring", true),
        (US, "tel:+4544890101;ext=201", false),
        (US, "tel:+4544890101", false),
        ("tel:200", "tel:2000", false),
        ("sip:tu@x", "sip:TU@X", true),
    ] {
        let other = other.replace(' ', "");
        assert_eq!(same_device(one, &other), same, "{one} {other}");
        assert_eq!(same_device(&other, one), same, "{other} {one}");
    }
}

/// The states that a call of ours goes through, by what a client that follows the events knows of each.
#[test]
fn our_own_calls_are_understood_by_a_client() {
    use Phone::{Calling, Idle, Ringing, Talking};
    let over = |end| Seen::Over(end);
    let diverted = || over(End::Diverted(Some("tel:9".into()), Why::NoAnswer));
    type Story = (bool, Vec<Seen>, Vec<Phone>, Option<How>);
    let stories: Vec<Story> = vec![
        (
            true,
            vec![Seen::Rings, Seen::Talks, over(End::Cleared)],
            vec![Ringing, Talking, Idle],
            Some(How::Done),
        ),
        (true, vec![Seen::Talks], vec![Talking], None),
        (true, vec![Seen::Rings, over(End::Cleared)], vec![Ringing, Idle], Some(How::Missed)),
        (true, vec![Seen::Rings, over(End::Elsewhere)], vec![Ringing, Idle], Some(How::Elsewhere)),
        (true, vec![Seen::Rings, diverted()], vec![Ringing, Idle], Some(How::Diverted(Some("tel:9".into())))),
        (true, vec![over(End::Cleared)], vec![Idle], None),
        (
            true,
            vec![Seen::Talks, over(End::Transferred(Some("tel:9".into())))],
            vec![Talking, Idle],
            Some(How::Done),
        ),
        (
            false,
            vec![Seen::Dialled, Seen::Rings, Seen::Talks, Seen::Held, Seen::Talks, over(End::Cleared)],
            vec![Calling, Calling, Talking, Talking, Talking, Idle],
            Some(How::Done),
        ),
        (false, vec![Seen::Dialled, over(End::Busy)], vec![Calling, Idle], Some(How::Done)),
    ];
    for (incoming, states, phones, how) in stories {
        let (mut line, mut before, mut left) = (Line::new(US), None, None::<Left>);
        for (state, phone) in states.iter().zip(phones) {
            let other = Some("tel:+4511".to_owned());
            let view = view(incoming, other, None, state.clone());
            for told in events("m", before.as_ref(), &view) {
                // As it arrives.
                let told =
                    event(event_body(Edition(3), &told).as_bytes()).expect("an event").expect("followed");
                assert_eq!(
                    told.local == Some(Local::Null),
                    matches!(state, Seen::Over(_)) && told.happened != Happened::Failed
                );
                left = left.or(line.on(&told, 0));
            }
            assert_eq!(events("m", Some(&view), &view), [], "nothing has changed");
            assert_eq!(line.phone(), phone, "{states:?} at {state:?}");
            before = Some(view);
        }
        assert_eq!(left.map(|left| left.how), how, "{states:?}");
    }
}

fn view(incoming: bool, other: Option<String>, redirected: Option<&str>, state: Seen) -> View {
    let redirected = redirected.map(str::to_owned);
    View { call: "c1".into(), device: US.into(), incoming, other, redirected, state }
}

/// Who rings, who has answered, who has sent the call on and why: of calls that went elsewhere than they were dialled.
#[test]
fn redirected_calls_name_who_has_them() {
    let told = |incoming: bool, redirected, states: &[Seen]| {
        let other = Some("tel:201".to_owned());
        let views: Vec<_> =
            states.iter().map(|state| view(incoming, other.clone(), redirected, state.clone())).collect();
        let before = views.len().checked_sub(2).map(|at| &views[at]);
        events("m", before, &views[views.len() - 1])
    };
    let over = |end| [Seen::Rings, Seen::Over(end)];
    let to = || Some("tel:9".to_owned());
    // The caller's side: whose telephone rings or has answered; else as dialled.
    for (redirected, there, by) in [(None, "tel:201", None), (Some("tel:202"), "tel:202", Some("tel:201"))] {
        for states in [&[Seen::Dialled, Seen::Rings][..], &[Seen::Rings, Seen::Talks]] {
            let told = told(false, redirected, states);
            assert_eq!(told[0].device.as_deref(), Some(there));
            assert_eq!(told[0].connection.device, there);
            assert_eq!(told[0].called.as_deref(), Some("tel:201"), "as dialled");
            assert_eq!(told[0].redirection.as_deref(), by);
        }
    }
    // The called side: who has sent it here.
    let came = told(true, Some("tel:200"), &[Seen::Rings]);
    assert_eq!((came[0].device.as_deref(), came[0].redirection.as_deref()), (Some(US), Some("tel:200")));
    let read = event(event_body(Edition(3), &came[0]).as_bytes()).expect("an event").expect("followed");
    assert_eq!(read.redirection.as_deref(), Some("tel:200"));
    for (why, cause) in [
        (Why::Redirected, "redirected"),
        (Why::Busy, "callForwardBusy"),
        (Why::NoAnswer, "callForwardNoAnswer"),
    ] {
        let gone = told(true, None, &over(End::Diverted(to(), why)));
        assert_eq!((gone[0].cause.as_str(), &gone[0].to), (cause, &to()));
    }
    // The own telephone did not take the call that it was to make: it has failed, and not who would have been called.
    let failed = told(false, None, &[Seen::Dialled, Seen::Over(End::NotTaken)]);
    let of: Vec<_> = failed.iter().map(|told| (told.happened, told.connection.device.as_str())).collect();
    assert_eq!(of, [(Happened::Failed, US), (Happened::ConnectionCleared, US)]);
}

#[test]
fn a_device_is_read_in_every_way_it_is_written() {
    for (written, number, extension) in [
        ("tel:+45 44 89-01.01;ext=200", "+4544890101", Some("200")),
        ("tel:73124;phone-context=dialstring", "73124", None),
        ("SIP:Ada@corp.test;user=phone", "ada", None),
        ("200", "200", None),
        ("", "", None),
    ] {
        let read = ringpost::rcc::line::Device::of(written);
        assert_eq!((read.number.as_str(), read.extension.as_deref()), (number, extension), "{written}");
    }
}

/// Calls that become one: by whom, in what words, what the device is then in, and with whom.
#[test]
fn transfers_and_conferences() {
    use Phone::{Conference, Idle, Talking};
    let new = |call: &str, device: &str| Connection { call: call.into(), device: device.into() };
    let (other, third) = ("tel:+4511", "tel:+4522");
    type Row<'r> = (Happened, &'r str, Vec<Connection>, Phone, Option<&'r str>);
    let rows: Vec<Row<'_>> = vec![
        // The device gives its caller to somebody else.
        (Happened::Transferred, US, vec![new("c9", other), new("c9", third)], Idle, None),
        // It is given to somebody else itself, in a call of another name.
        (Happened::Transferred, other, vec![new("c9", US), new("c9", third)], Talking, Some("c9")),
        // By a gateway that tells no new name.
        (Happened::Transferred, other, vec![], Talking, Some("c1")),
        (
            Happened::Conferenced,
            US,
            vec![new("c9", US), new("c9", other), new("c9", third)],
            Conference,
            Some("c9"),
        ),
        (Happened::Conferenced, other, vec![], Conference, Some("c1")),
        // Two are no conference.
        (Happened::Conferenced, US, vec![new("c9", US), new("c9", other)], Talking, Some("c9")),
    ];
    for (happened, by, joined, phone, name) in rows {
        let mut line = Line::new(US);
        line.on(&told(Happened::Delivered, US, ""), 0);
        line.on(&told(Happened::Established, US, ""), 0);
        let consulted = Event {
            connection: new("c2", US),
            calling: Some(US.into()),
            ..told(Happened::Originated, US, "")
        };
        line.on(&consulted, 0);
        let event = Event {
            second: Some(new("c2", US)),
            to: Some(third.into()),
            joined: joined.clone(),
            ..told(happened, by, "")
        };
        // As it arrives.
        let event = ringpost::rcc::event(event_body(Edition(3), &event).as_bytes()).expect("an event");
        line.on(&event.expect("followed"), 0);
        assert_eq!(line.phone(), phone, "{happened:?} by {by}: {joined:?}");
        let calls: Vec<_> = line.calls().map(|(name, call)| (name, call.other.as_deref())).collect();
        let party = if happened == Happened::Transferred { third } else { other };
        assert_eq!(calls, name.map(|name| (name, Some(party))).into_iter().collect::<Vec<_>>());
    }
}

/// The spelling of the standard and the usual one; states of calls in one word.
#[test]
fn words_that_vendors_write_otherwise() {
    let namespace = "xmlns=\"http://www.ecma-international.org/standards/ecma-323/csta/ed4\"";
    for name in ["TransferedEvent", "TransferredEvent"] {
        let body = format!(
            "<{name} {namespace}><monitorCrossRefID>m</monitorCrossRefID><primaryOldCall><callID>c1</callID></primaryOldCall></{name}>"
        );
        let read = event(body.as_bytes()).expect("an event").expect("followed");
        assert_eq!(read.happened, Happened::Transferred);
    }
    for (word, local) in [
        ("callReceived", Some(Local::Alerting)),
        ("callEstablished", Some(Local::Connected)),
        ("callEstablishedHeld", Some(Local::Hold)),
        ("callDelivered", Some(Local::Queued)),
        ("callOfTheWild", None),
    ] {
        let body = format!(
            "<SnapshotDeviceResponse {namespace}><crossRefIDorSnapshotData><snapshotData><snapshotDeviceResponseInfo>\
             <connectionIdentifier><callID>c1</callID><deviceID>tel:1</deviceID></connectionIdentifier><localCallState>\
             <simpleCallState>{word}</simpleCallState></localCallState></snapshotDeviceResponseInfo></snapshotData>\
             </crossRefIDorSnapshotData></SnapshotDeviceResponse>"
        );
        let connection = Connection { call: "c1".into(), device: "tel:1".into() };
        let expected = local.map(|local| (connection, local)).into_iter().collect();
        let read = ringpost::rcc::response(body.as_bytes());
        assert_eq!(read, Ok(ringpost::rcc::Response::Snapshot(expected)), "{word}");
    }
}

/// R10: the monitor is lost while it rings. What still rings when the next one begins is missed as any call is, with its caller and
/// the whole of its time; of what has ended meanwhile nobody knows whether it was answered.
#[test]
fn r10_a_call_that_rang_when_the_monitor_was_lost() {
    let ours = |local| vec![(Connection { call: "c1".into(), device: US.into() }, local)];
    let cleared = || told(Happened::ConnectionCleared, US, "normalClearing");
    type Then<'t> = &'t [(Option<Option<Local>>, Option<Event>)];
    let rows: [(&str, Then<'_>, Option<How>); 9] = [
        ("it rings yet", &[(Some(Some(Local::Alerting)), None), (None, Some(cleared()))], Some(How::Missed)),
        (
            "it was picked up later",
            &[
                (Some(Some(Local::Alerting)), None),
                (None, Some(told(Happened::ConnectionCleared, US, "callPickup"))),
            ],
            Some(How::Elsewhere),
        ),
        (
            "it was answered",
            &[(Some(Some(Local::Connected)), None), (None, Some(cleared()))],
            Some(How::Done),
        ),
        ("it is over", &[(Some(None), None)], Some(How::Unknown)),
        ("it is null", &[(Some(Some(Local::Null)), None)], Some(How::Unknown)),
        ("no snapshots are made", &[(None, None)], Some(How::Unknown)),
        ("it ends before the snapshot", &[(None, Some(cleared()))], Some(How::Unknown)),
        (
            "it goes elsewhere before the snapshot",
            &[(None, Some(told(Happened::Diverted, US, "")))],
            Some(How::Diverted(None)),
        ),
        (
            "it is told of again",
            &[(None, Some(told(Happened::Delivered, US, ""))), (None, Some(cleared()))],
            Some(How::Missed),
        ),
    ];
    for (what, then, how) in rows {
        let mut line = Line::new(US);
        line.on(&told(Happened::Delivered, US, ""), 1_000);
        line.forget();
        assert_eq!((line.phone(), line.calls().count()), (Phone::Idle, 0), "{what}");
        let mut left = vec![];
        for (snapshot, event) in then {
            if let Some(local) = snapshot {
                let connections = local.map(ours).unwrap_or_default();
                left.extend(line.lacks(Some(&connections), 20_000));
                line.is_as(&connections, 20_000);
            } else if event.is_none() {
                left.extend(line.lacks(None, 20_000));
            }
            left.extend(event.as_ref().and_then(|event| line.on(event, 21_000)));
        }
        let [left] = left.as_slice() else { panic!("{what}: {left:?}") };
        assert_eq!((Some(&left.how), left.began), (how.as_ref(), 1_000), "{what}");
        assert_eq!(left.caller.as_deref(), Some("tel:+4511"), "{what}");
        assert!(line.lacks(Some(&[]), 22_000).is_empty(), "{what}: once");
    }
    // Whose name comes back after ten minutes may be another call.
    let mut line = Line::new(US);
    line.on(&told(Happened::Delivered, US, ""), 1_000);
    line.forget();
    let left = line.lacks(Some(&ours(Local::Alerting)), 700_000);
    assert_eq!(left.first().map(|left| &left.how), Some(&How::Unknown));
    line.is_as(&ours(Local::Alerting), 700_000);
    let left = line.on(&cleared(), 705_000).expect("it has left");
    assert_eq!((left.how, left.caller, left.lasted), (How::Missed, None, 5_000));
    // What was answered before is not missed, and not remembered.
    let mut line = Line::new(US);
    line.on(&told(Happened::Delivered, US, ""), 0);
    line.on(&told(Happened::Established, US, ""), 0);
    line.forget();
    assert!(line.lacks(Some(&[]), 1).is_empty());
}

/// The end of a call that rang is lost, and the monitor is not: nobody knows how it ended either.
#[test]
fn r10_a_call_whose_end_was_lost() {
    let mut line = Line::new(US);
    line.on(&told(Happened::Delivered, US, ""), 0);
    let left = line.lacks(Some(&[]), 60_000);
    assert_eq!(left.iter().map(|left| &left.how).collect::<Vec<_>>(), [&How::Unknown]);
    assert_eq!(line.phone(), Phone::Idle);
}
