//! Remote call control (R52, PROTOCOLS §3): bodies both ways, the state of a monitored line, and our own calls as events.

mod client;
mod learning;
mod lines;
mod same;

use std::path::PathBuf;

use ringpost::{
    rcc::{
        Connection, Edition, Event, Forwarding, Happened, Local, Refusal, Request, Response, Unread,
        error_body, event, event_body, request, request_body, response, response_body,
    },
    xml::XmlError,
};

const ED: &str = "http://www.ecma-international.org/standards/ecma-323/csta/ed";

fn end() -> Connection {
    Connection { call: "c1".into(), device: "tel:200".into() }
}

fn device() -> String {
    "tel:200".into()
}

fn every_request() -> Vec<Request> {
    let kinds = Forwarding::ALL.into_iter().flat_map(|(when, _)| {
        [(true, Some("tel:9".into())), (false, None)].map(|(on, to)| Request::SetForwarding {
            device: device(),
            when,
            on,
            to,
        })
    });
    let mut all = vec![
        Request::SystemStatus { line: None },
        Request::SystemStatus { line: Some("tel:+4544890101;ext=200".into()) },
        Request::Features,
        Request::MonitorStart { device: device() },
        Request::SnapshotDevice { device: device() },
        Request::MonitorStop { monitor: "99fda87c".into() },
        Request::MakeCall { device: device(), called: "tel:+4533".into() },
        Request::AnswerCall(end()),
        Request::ClearConnection(end()),
        Request::DeflectCall { connection: end(), to: "tel:9".into() },
        Request::HoldCall(end()),
        Request::RetrieveCall(end()),
        Request::GetForwarding { device: device() },
        Request::SetDoNotDisturb { device: device(), on: true },
        Request::SetDoNotDisturb { device: device(), on: false },
        Request::GetDoNotDisturb { device: device() },
    ];
    all.extend(kinds);
    all
}

#[test]
fn requests_cross_in_the_edition_of_whoever_asks() {
    for edition in [3, 4, 5] {
        for asked in every_request() {
            let body = request_body(Edition(edition), &asked);
            assert_eq!(request(body.as_bytes()), Ok((Edition(edition), asked)), "{body}");
        }
    }
}

#[test]
fn responses_cross() {
    for said in [
        Response::SystemStatus { normal: true },
        Response::SystemStatus { normal: false },
        Response::Features,
        Response::MonitorStart { monitor: "1".into() },
        Response::Snapshot(vec![]),
        Response::Snapshot(Local::ALL.into_iter().map(|(local, _)| (end(), local)).collect()),
        Response::MakeCall(end()),
        Response::Forwarding(vec![]),
        Response::Forwarding(vec![
            (Forwarding::Busy, "tel:9".into()),
            (Forwarding::Immediate, "tel:8".into()),
        ]),
        Response::DoNotDisturb { on: true },
        Response::Done("AnswerCall".into()),
    ] {
        let body = response_body(Edition(4), &said);
        assert!(body.contains(&format!("{ED}4\"")), "{body}");
        assert_eq!(response(body.as_bytes()), Ok(said), "{body}");
    }
    let body = error_body(Edition(3), Refusal::InvalidDevice);
    assert_eq!(
        response(body.as_bytes()),
        Ok(Response::Refused("operation invalidDeviceID".into())),
        "{body}"
    );
}

#[test]
fn events_cross_with_hostile_names() {
    for happened in [
        Happened::ServiceInitiated,
        Happened::Originated,
        Happened::Delivered,
        Happened::Established,
        Happened::Held,
        Happened::Retrieved,
        Happened::Diverted,
        Happened::Failed,
        Happened::ConnectionCleared,
    ] {
        let parties = !matches!(
            happened,
            Happened::ServiceInitiated | Happened::Held | Happened::Retrieved | Happened::ConnectionCleared
        );
        let by = Some("sip:\"&<b>]]>@x".to_owned());
        let told = Event {
            monitor: "m".into(),
            happened,
            connection: end(),
            device: by.clone(),
            calling: by.clone().filter(|_| parties),
            called: None,
            redirection: None,
            second: None,
            joined: vec![],
            when: None,
            to: Some("tel:9".into()).filter(|_| happened == Happened::Diverted),
            on: None,
            local: Some(Local::Hold),
            cause: "newCall".into(),
        };
        let body = event_body(Edition(3), &told);
        assert_eq!(event(body.as_bytes()), Ok(Some(told)), "{body}");
    }
    for (happened, on) in [(Happened::DoNotDisturb, true), (Happened::Forwarding, false)] {
        let told = Event {
            monitor: "m".into(),
            happened,
            connection: Connection::default(),
            device: Some(device()),
            calling: None,
            called: None,
            redirection: None,
            second: None,
            joined: vec![],
            when: None,
            to: None,
            on: Some(on),
            local: None,
            cause: String::new(),
        };
        let body = event_body(Edition(3), &told);
        assert_eq!(event(body.as_bytes()), Ok(Some(told)), "{body}");
    }
}

#[test]
fn what_vendors_do_otherwise_is_read() {
    let prefixed = format!(
        "<c:SetForwarding xmlns:c=\"{ED}5\"><c:forwardDN>tel:9</c:forwardDN><c:forwardingType>forwardImmediateExt\
         </c:forwardingType><c:ringCount>3</c:ringCount><c:activateForward>1</c:activateForward>\
         <c:device typeOfNumber=\"dialingNumber\">tel:200</c:device></c:SetForwarding>"
    );
    let asked = Request::SetForwarding {
        device: device(),
        when: Forwarding::Immediate,
        on: true,
        to: Some("tel:9".into()),
    };
    assert_eq!(request(prefixed.as_bytes()), Ok((Edition(5), asked)));
    let lone = format!(
        "<AnswerCall xmlns=\"{ED}3\"><callToBeAnswered><deviceID>tel:200</deviceID></callToBeAnswered></AnswerCall>"
    );
    let answer = Request::AnswerCall(Connection { call: String::new(), device: device() });
    assert_eq!(request(lone.as_bytes()), Ok((Edition(3), answer)));
    let unknown = format!("<ParkCall xmlns=\"{ED}3\"/>");
    assert_eq!(request(unknown.as_bytes()), Ok((Edition(3), Request::Unknown("ParkCall".into()))));
    let unfollowed = format!(
        "<DigitsGeneratedEvent xmlns=\"{ED}3\"><monitorCrossRefID>m</monitorCrossRefID></DigitsGeneratedEvent>"
    );
    assert_eq!(event(unfollowed.as_bytes()), Ok(None));
}

#[test]
fn t5_t6_bodies_that_are_none_are_refused() {
    let wrong = |inside: &str| format!("<MakeCall xmlns=\"{ED}3\">{inside}</MakeCall>");
    let long = format!("<callingDevice>{}</callingDevice>", "9".repeat(257));
    let entity = format!("<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>{}", wrong("&b;"));
    let deep = format!("<MakeCall xmlns=\"{ED}3\">{}", "<a>".repeat(100_000));
    for (body, why) in [
        (wrong(""), Unread::Missing("callingDevice")),
        (wrong("<callingDevice/>"), Unread::Missing("callingDevice")),
        (wrong("<callingDevice>tel:1</callingDevice>"), Unread::Missing("calledDirectoryNumber")),
        (wrong("<callingDevice>a&#9;b</callingDevice>"), Unread::Missing("callingDevice")),
        (wrong(&long), Unread::Missing("callingDevice")),
        ("<MakeCall/>".to_owned(), Unread::Foreign),
        (format!("<MakeCall xmlns=\"{ED}x\"/>"), Unread::Foreign),
        ("<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"/>".to_owned(), Unread::Foreign),
        (String::new(), Unread::Xml(XmlError::NotXml)),
        (entity, Unread::Xml(XmlError::Dtd)),
        (deep, Unread::Xml(XmlError::TooLarge)),
    ] {
        assert_eq!(request(body.as_bytes()), Err(why), "{:.120}", body);
    }
}

/// A gateway that knows no SnapshotDevice but says that it is done says nothing of calls, not that there are none.
#[test]
fn a_snapshot_without_data_is_none() {
    let read = |inside: &str| {
        let body = format!("<SnapshotDeviceResponse xmlns=\"{ED}3\">{inside}</SnapshotDeviceResponse>");
        response(body.as_bytes()).expect("a response")
    };
    assert_eq!(read(""), Response::Done("SnapshotDevice".into()));
    let none = "<crossRefIDorSnapshotData><snapshotData/></crossRefIDorSnapshotData>";
    assert_eq!(read(none), Response::Snapshot(vec![]));
}

/// The shared samples, written from the same facts by somebody else.
#[test]
fn the_shared_samples_are_understood() {
    let folder = std::env::var_os("RINGPOST_CORPORA")
        .map_or_else(|| PathBuf::from("../shared/corpora"), PathBuf::from);
    let Ok(files) = std::fs::read_dir(folder.join("uacsta")) else {
        println!("skipped: the shared uaCSTA samples are missing");
        return;
    };
    let mut read = 0;
    for file in files {
        let path = file.expect("a file").path();
        let (name, body) =
            (path.file_stem().expect("a name").to_string_lossy(), std::fs::read(&path).expect("a body"));
        if name.ends_with("Event") {
            let told = event(&body).expect("an event").expect("one that is followed");
            assert_eq!((told.happened, told.local), (Happened::Delivered, Some(Local::Alerting)), "{name}");
            assert_eq!(event(event_body(Edition(3), &told).as_bytes()), Ok(Some(told)));
        } else if name.ends_with("Response") {
            assert!(!matches!(response(&body), Ok(Response::Done(_)) | Err(_)), "{name}");
        } else {
            let (edition, asked) = request(&body).expect("a request");
            assert!(edition == Edition(3) && !matches!(asked, Request::Unknown(_)), "{name}");
            assert_eq!(request(request_body(edition, &asked).as_bytes()), Ok((edition, asked)));
        }
        read += 1;
    }
    assert_eq!(read, 11);
}

/// Why not, in the words of ECMA-269 §12.2.14 by their categories, and in the edition of whoever asks.
#[test]
fn errors_are_said_in_the_words_of_the_standard() {
    for (refusal, words) in [
        (Refusal::InvalidDevice, "<operation>invalidDeviceID</operation>"),
        (Refusal::InvalidCall, "<operation>invalidConnectionID</operation>"),
        (Refusal::InvalidMonitor, "<operation>invalidMonitorCrossRefID</operation>"),
        (Refusal::InvalidDestination, "<operation>invalidDestination</operation>"),
        (Refusal::NotSupported, "<operation>invalidFeature</operation>"),
        (Refusal::Incomplete, "<operation>generic</operation>"),
        (Refusal::State, "<stateIncompatibility>invalidConnectionState</stateIncompatibility>"),
        (Refusal::Resources, "<systemResourceAvailability>resourceBusy</systemResourceAvailability>"),
        (Refusal::Security, "<operation>securityViolation</operation>"),
    ] {
        for edition in [3, 4, 5] {
            let body = error_body(Edition(edition), refusal);
            let root = format!("<CSTAErrorCode xmlns=\"{ED}{edition}\">{words}</CSTAErrorCode>");
            assert!(body.contains(&root), "{body}");
        }
    }
}
