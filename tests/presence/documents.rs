//! The documents: golden ones that the published schemas take, and those that the RFCs print.

use std::{fs, process::Command};

use ringpost::presence::{
    Activity, Forward, Kind, Manual, Presence, Progress, Sight, Standard, Telephony,
    aggregate::Idle,
    dialog_info,
    input::{Calendar, Phone, Said, Slot, SlotKind},
    pidf,
    rlmi::{self, Instance, Resource},
    summary::{Counts, Summary},
};

use crate::{NOW, call, corpus, from, golden, inputs, phone};

const ENTITY: &str = "sip:o'brien&co@corp.test";

/// States that differ in what a document says, by name.
fn states() -> Vec<(&'static str, Presence)> {
    let idle = Idle::default();
    let mut busy = inputs();
    let hostile = Manual {
        state: Some(Standard::Busy),
        custom: Some("</rpid:other><x/> & \u{1}\"".into()),
        note: Some("Søren ]]> \u{202e} <note>".into()),
    };
    busy.put(&from(Kind::Endpoint, "e"), Said { user: Some(hostile), ..Said::default() }, NOW + 60);
    busy.call(&from(Kind::Own, ""), "c1", Some(call("c1", Progress::Confirmed)), NOW + 60);
    busy.call(&from(Kind::Own, ""), "c<2>", Some(call("c<2>", Progress::Early)), NOW + 60);
    let slot = Slot {
        from: NOW,
        until: NOW + 60,
        kind: SlotKind::Meeting,
        subject: Some("Budget".into()),
        location: Some("Room 7".into()),
    };
    let said = Said { calendar: Some(Calendar { slots: vec![slot] }), ..Said::default() };
    busy.put(&from(Kind::Sip, "c"), said, NOW + 60);
    let mut forwarded = inputs();
    forwarded.put(
        &from(Kind::Cti, "gate\"way"),
        phone(None, None, Some(Some(Forward::Number("+49<1>".into())))),
        NOW + 60,
    );
    let mut conference = inputs();
    let three = Phone { busy: true, conference: true, ..Phone::default() };
    conference.put(&from(Kind::Cti, "pbx"), Said { phone: Some(three), ..Said::default() }, NOW + 60);
    let busy = busy.sum(idle, NOW);
    vec![
        ("conference", conference.sum(idle, NOW)),
        ("available", inputs().sum(idle, NOW)),
        ("busy", busy.clone()),
        ("busy-reduced", busy.seen(Sight::Reduced)),
        ("polite", busy.seen(Sight::Polite)),
        ("forwarded", forwarded.sum(idle, NOW)),
        ("nothing", Presence::default()),
    ]
}

/// R101, R102: strict out.
#[test]
fn what_is_written_is_as_the_schemas_say() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/presence");
    let mut files = vec![];
    for (name, state) in states() {
        let (head, tail) = dialog_info::write(&state, ENTITY);
        let documents =
            [("pidf", pidf::write(&state, ENTITY, NOW)), ("dialog-info", format!("{head}7{tail}"))];
        for (kind, text) in documents {
            let file = format!("{name}.{kind}.xml");
            golden(&file, &text);
            files.push(folder.join(file));
        }
    }
    let Some(schema) = corpus("presence-xsd/all.xsd") else { return };
    let checked =
        Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).arg(schema).args(&files).output();
    let Ok(checked) = checked else { return println!("skipped: no xmllint") };
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    assert_eq!(said.matches(" validates").count(), files.len(), "{said}");
}

/// What Ringpost writes it reads again, with the states that the standard has no words for.
#[test]
fn what_is_written_is_read_again() {
    for (name, state) in states() {
        let read = pidf::read(pidf::write(&state, ENTITY, NOW).as_bytes()).expect("readable");
        assert_eq!((read.entity.as_str(), read.open), (ENTITY, Some(state.open)), "{name}");
        let said = read.inputs(|_| None, (NOW, NOW + 60));
        let mut known = inputs();
        known.own.reachable = false;
        known.put(&from(Kind::Endpoint, "e"), said, NOW + 60);
        let again = known.sum(Idle::default(), NOW);
        if state.telephony > Telephony::Available {
            assert_eq!(again.telephony, state.telephony, "{name}");
        }
        assert_eq!(again.rich.note.as_deref(), state.rich.note.as_deref(), "{name}");
        assert_eq!(again.rich.activities, state.rich.activities, "{name}");
        let (head, tail) = dialog_info::write(&state, ENTITY);
        let read = dialog_info::read(format!("{head}41{tail}").as_bytes()).expect("readable");
        assert_eq!((read.version, read.full, read.calls), (Some(41), true, state.calls), "{name}");
    }
}

/// Lenient in: whatever the RFCs print and XML can be made of is read; nothing of it panics.
#[test]
fn what_the_rfcs_print_is_read() {
    let Some(folder) = corpus("presence-xml") else { return };
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let (name, octets) = (
            path.file_name().expect("a name").to_string_lossy().into_owned(),
            fs::read(&path).expect("a file"),
        );
        let well_formed = !name.contains("notwf");
        if name.ends_with("-presence.xml") || name.contains("-presence.notwf") {
            assert_eq!(pidf::read(&octets).is_ok(), well_formed, "{name}");
        } else if name.contains("dialog-info") {
            assert_eq!(dialog_info::read(&octets).is_ok(), well_formed, "{name}");
        } else {
            assert!(pidf::read(&octets).is_err() && dialog_info::read(&octets).is_err(), "{name}");
        }
        count += 1;
    }
    assert!(count > 80, "{count}");
}

#[test]
fn samples_mean_what_their_rfcs_say() {
    let Some(folder) = corpus("presence-xml") else { return };
    let file = |name: &str| fs::read(folder.join(name)).expect("a sample");
    let rpid = pidf::read(&file("rfc4480-02-presence.xml")).expect("readable");
    assert_eq!((rpid.open, rpid.activities.as_slice()), (Some(true), &["away".to_owned()][..]));
    assert_eq!(rpid.note.as_deref(), Some("Scoring 120"));
    assert_eq!(rpid.idle_since, Some(1_098_382_800));
    let said = rpid.inputs(|_| None, (NOW, NOW + 60));
    assert_eq!(said.user.and_then(|user| user.state), Some(Standard::Away));
    let dialogs = dialog_info::read(&file("rfc4235-08-dialog-info.xml")).expect("readable");
    let tags: Vec<_> = dialogs.calls.iter().map(|call| (&*call.dialog.2, call.progress)).collect();
    assert_eq!(tags, [("456887766", Progress::Early), ("hh76a", Progress::Early)]);
    assert_eq!(
        rlmi::read(&file("rfc4825-05-resource-lists.xml"), 10).expect("readable"),
        Vec::<String>::new()
    );
}

/// R81: RPID's `other` is the user's own word, which the site maps.
#[test]
fn activities_of_others_become_inputs() {
    let document = |activities: &str| {
        format!(
            "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:d='urn:ietf:params:xml:ns:pidf:data-model' \
             xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' entity='sip:a@b'><tuple id='t'><status><basic>open</basic></status></tuple>\
             <d:person id='p'><r:activities>{activities}</r:activities></d:person></presence>"
        )
    };
    let rows = [
        ("<r:on-the-phone/>", Standard::Busy, Some(Activity::OnThePhone), None),
        ("<r:on-the-phone/><r:busy/>", Standard::Busy, Some(Activity::OnThePhone), None),
        ("<r:meeting/>", Standard::Busy, Some(Activity::Meeting), None),
        ("<r:vacation/>", Standard::Away, Some(Activity::OutOfOffice), None),
        ("<r:busy/>", Standard::Busy, None, None),
        ("<r:away/>", Standard::Away, None, None),
        ("<r:other>In the lab</r:other>", Standard::Busy, None, Some("In the lab")),
        ("<r:other>be-right-back</r:other>", Standard::BeRightBack, None, None),
        ("<r:other>Do Not Disturb</r:other>", Standard::DoNotDisturb, None, None),
        ("<r:other>DND</r:other>", Standard::DoNotDisturb, None, None),
        ("<r:activity>On-The-Phone</r:activity>", Standard::Busy, Some(Activity::OnThePhone), None),
        ("<r:presentation/><r:busy/>", Standard::Busy, None, Some("presentation")),
        ("<r:sleeping/>", Standard::Away, None, Some("sleeping")),
        ("<r:playing/>", Standard::Available, None, None),
    ];
    for (activities, state, activity, custom) in rows {
        let read = pidf::read(document(activities).as_bytes()).expect("readable");
        let said = read.inputs(|name| (name == "In the lab").then_some(Standard::Busy), (NOW, NOW + 60));
        let mut known = inputs();
        known.put(&from(Kind::Endpoint, "e"), said, NOW + 60);
        let rich = known.sum(Idle::default(), NOW).rich;
        assert_eq!(rich.state, Some(state), "{activities}");
        assert_eq!(rich.activities, Vec::from_iter(activity), "{activities}");
        assert_eq!(rich.custom.as_deref(), custom, "{activities}");
        if let Some(word) = custom {
            let told = pidf::write(&known.sum(Idle::default(), NOW), "sip:a@b", NOW);
            let element = activities.split("/>").next().unwrap_or(activities).replace("<r:", "<rpid:");
            let own = format!("<rpid:other>{word}</rpid:other>");
            assert!(told.contains(&format!("{element}/>")) || told.contains(&own), "{told}");
        }
    }
}

/// RFC 4235 itself calls the name `display` in its examples and `display-name` in its schema.
#[test]
fn a_name_is_read_by_either_attribute() {
    for attribute in ["display", "display-name"] {
        let document = format!(
            "<dialog-info xmlns='urn:ietf:params:xml:ns:dialog-info' version='0' state='full' entity='sip:a@b'><dialog id='1'>\
             <state>early</state><remote><identity {attribute}='Eve'>sip:eve@b</identity></remote></dialog></dialog-info>"
        );
        let read = dialog_info::read(document.as_bytes()).expect("readable");
        assert_eq!(read.calls[0].name.as_deref(), Some("Eve"), "{attribute}");
    }
}

/// RFC 4662: the root names each part, and each part is there.
#[test]
fn a_list_is_one_root_and_its_parts() {
    let resources = [
        Resource {
            uri: "sip:1001@corp.test",
            name: Some("Ada & Co"),
            instance: Instance::Active(pidf::TYPE, b"<presence/>"),
        },
        Resource { uri: "sip:1002@corp.test", name: None, instance: Instance::Terminated("rejected") },
        Resource { uri: "sip:1003@corp.test", name: None, instance: Instance::Empty },
    ];
    let (kind, body) = rlmi::write("sip:team@corp.test", (3, true), &resources, "b0undary");
    golden(
        "team.rlmi.txt",
        &format!("Content-Type: {kind}\r\n\r\n{}", String::from_utf8(body).expect("UTF-8")),
    );
}

/// RFC 3842.
#[test]
fn counts_are_written_and_read() {
    let counts = Counts { new: 2, old: 8, urgent_new: 0, urgent_old: 2 };
    let summary = Summary::of("sip:tu@contoso.com", counts);
    let text = "Messages-Waiting: yes\r\nMessage-Account: sip:tu@contoso.com\r\nVoice-Message: 2/8 (0/2)\r\n";
    assert_eq!((summary.write().as_str(), Summary::read(text.as_bytes())), (text, Ok(summary)));
    assert_eq!(
        Summary::of("sip:a@b", Counts::default()).write().lines().next(),
        Some("Messages-Waiting: no")
    );
    let lenient =
        Summary::read(b"messages-waiting:YES\nFax-Message: 1/1\nvoice-message : 8/3\n\nSubject: x\n")
            .expect("readable");
    assert_eq!(
        (lenient.waiting, lenient.voice),
        (true, Some(Counts { new: 8, old: 3, ..Counts::default() }))
    );
}
