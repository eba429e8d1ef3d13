//! Clients that may not, and bodies that nobody should send (T5, T6, T12).

use std::time::{Duration, Instant};

use crate::{
    client::{Client, KIND, site},
    support::{Over, Peer, Ringpost, Site},
};

/// T5, T6: each costs its own refusal within 50 ms (a second where suites share the machine), and nothing else.
#[test]
fn hostile_bodies_are_refused() {
    let ringpost = site("").user("1001", &[], "missed_calls = \"off\"").start();
    let mut client = Client::new(&ringpost, Over::Tcp, "1001");
    let laughs = "<!DOCTYPE a [<!ENTITY b \"ha\"><!ENTITY c \"&b;&b;&b;&b;\">]><RequestSystemStatus>&c;</RequestSystemStatus>";
    let file = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><RequestSystemStatus>&x;</RequestSystemStatus>";
    let deep = format!("{}{}", "<a>".repeat(5_000), "</a>".repeat(5_000));
    let bodies =
        [laughs, file, &deep, "", "<", "\u{0}\u{1}", "<RequestSystemStatus/>", "<a xmlns=\"urn:x\"/>"];
    for body in bodies {
        let text = client.invite("", body);
        let begun = Instant::now();
        client.peer.send(text.as_bytes());
        let refusal = client.peer.expect_any();
        assert!(refusal.what().starts_with('4'), "{body:.60}: {refusal}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{body:.60}");
        client.peer.acknowledges(&crate::support::Sip::new(text.as_bytes()), &refusal);
    }
    client.opens("");
    for body in bodies.into_iter().filter(|body| !body.is_empty()) {
        let request = client.inside("INFO", KIND, body);
        let refusal = client.peer.expect_any();
        assert_eq!((refusal.what(), refusal.one("CSeq")), ("400", request.one("CSeq")), "{body:.60}");
    }
    // Whoever only asks whether the dialog is there is told so (RFC 2976 §2.2).
    client.inside("INFO", "", "");
    client.peer.expect("200");
    client.inside("INFO", "Content-Type: text/plain\r\n", "hello");
    assert_eq!(client.peer.expect_any().one("Accept"), "application/csta+xml");
    client.inside("MESSAGE", "Content-Type: text/plain\r\n", "hello");
    client.peer.expect("405");
    client.is_denied("MonitorStart", "<monitorObject/>", "generic");
    client.is_denied("MakeCoffee", "", "invalidFeature");
    let long = format!("<monitorObject><deviceObject>{}</deviceObject></monitorObject>", "9".repeat(30_000));
    client.is_denied("MonitorStart", &long, "generic");
    for _ in 0..32 {
        client.monitors("tel:1001");
    }
    let more = "<monitorObject><deviceObject>tel:1001</deviceObject></monitorObject>";
    client.is_denied("MonitorStart", more, "resourceBusy");
    drop(client);
    ringpost.back_to_baseline();
}

/// T12: the own line, those of delegates, and nothing else; a stranger nothing at all.
#[test]
fn nobody_controls_the_lines_of_others() {
    let lines = "[[rcc.delegate]]\nuser = \"1002\"\nlines = [\"1001\"]";
    let site = ["1001", "1002", "1003"]
        .iter()
        .fold(site(lines), |site, user| site.user(user, &[], "missed_calls = \"off\""));
    let ringpost = site.start();
    let device = |of: &str| format!("<monitorObject><deviceObject>tel:{of}</deviceObject></monitorObject>");
    let mut own = Client::new(&ringpost, Over::Udp, "1001");
    own.opens("");
    own.monitors("tel:1001");
    for other in ["1002", "1003", "4711", "1001;ext=1002"] {
        own.is_denied("MonitorStart", &device(other), "securityViolation");
    }
    own.is_denied("GetDoNotDisturb", "<device>tel:1002</device>", "securityViolation");
    let mut delegate = Client::new(&ringpost, Over::Udp, "1002");
    delegate.opens("");
    delegate.monitors("tel:1001");
    delegate.is_denied("MonitorStart", &device("1003"), "securityViolation");
    // Nobody of the site: a trunk that may not control users.
    let stranger = Client::new(&ringpost, Over::Udp, "stranger");
    refused(stranger, 403);
    // Somebody else's line is asked for already in the INVITE.
    let mut wrong = Client::new(&ringpost, Over::Udp, "1003");
    let hint = "<extensions><privateData><private><lcs:line xmlns:lcs=\"urn:x\">tel:1001</lcs:line></private></privateData></extensions>";
    let text = wrong.invite("", &wrong.body("RequestSystemStatus", hint));
    wrong.peer.send(text.as_bytes());
    wrong.peer.expect("403");
    ringpost.is_well();
}

fn refused(mut client: Client, code: u16) {
    let text = client.invite("", &client.body("RequestSystemStatus", ""));
    client.peer.send(text.as_bytes());
    client.peer.expect(&code.to_string());
}

/// T12: a trunk that is trusted with identities, and that may not control every user, controls nobody by a From, which anybody may
/// write; the user whom it asserts controls the own line, and one whom an untrusted trunk asserts nothing.
#[test]
fn a_from_that_nobody_asserts_controls_nothing() {
    let unasserted = |ringpost: &Ringpost| {
        let mut client = Client::new(ringpost, Over::Udp, "1001");
        client.asserted = false;
        client
    };
    let trusted = site("").user("1001", &[], "missed_calls = \"off\"").start();
    refused(unasserted(&trusted), 403);
    let mut other = unasserted(&trusted);
    let asserts = "P-Asserted-Identity: <sip:4711@corp.test>\r\n";
    let text = other.invite(asserts, &other.body("RequestSystemStatus", ""));
    other.peer.send(text.as_bytes());
    other.peer.expect("403");
    let mut older = unasserted(&trusted);
    older.opens("Privacy: id\r\nRemote-Party-ID: <sip:1001@corp.test>;party=calling\r\n");
    older.monitors("tel:1001");
    let mut own = Client::new(&trusted, Over::Udp, "1001");
    own.opens("");
    own.monitors("tel:1001");
    trusted.is_well();
    let untrusted = site("").trunk_line("trust_identity = false");
    let untrusted = untrusted.user("1001", &[], "missed_calls = \"off\"").start();
    refused(Client::new(&untrusted, Over::Udp, "1001"), 403);
    refused(unasserted(&untrusted), 403);
}

/// T12: without credentials 401; with remote call control off 415, as ever; a trunk by name controls everybody.
#[test]
fn strangers_sites_without_it_and_trusted_trunks() {
    let with_password = "password = \"correct horse\"\nmissed_calls = \"off\"";
    let closed = site("").user("1001", &[], with_password).start();
    let mut stranger = Client::new(&closed, Over::Udp, "1001");
    stranger.peer = Peer::new(Over::Udp, "127.0.0.2", closed.sip);
    refused(stranger, 401);
    let off = Site::new().user("1001", &[], "missed_calls = \"off\"").start();
    refused(Client::new(&off, Over::Udp, "1001"), 415);
    let open = site("trunks = [\"pbx\"]").user("1001", &[], "missed_calls = \"off\"").start();
    let mut server = Client::new(&open, Over::Udp, "server");
    let text = server.invite("", &server.body("RequestSystemStatus", ""));
    server.peer.send(text.as_bytes());
    let ok = server.peer.expect("200");
    server.dialog =
        Some(crate::support::peer::Dialog::caller(&crate::support::Sip::new(text.as_bytes()), &ok));
    server.inside("ACK", "", "");
    server.monitors("tel:1001");
    let nobody = "<monitorObject><deviceObject>tel:4711</deviceObject></monitorObject>";
    server.is_denied("MonitorStart", nobody, "invalidDeviceID");
    open.is_well();
}

/// T5, T6: a body with a hundred thousand elements in one another, values of 100 KB, other encodings than are read; each costs
/// its own refusal, in either role, and the next request is served on the same connection.
#[test]
fn t5_t6_deep_large_and_foreign_bodies() {
    let site = site("").sip("max_message = \"2MiB\"");
    let mut pbx = crate::pbx::Pbx::new(&site, Over::Tcp);
    let table = pbx.table("");
    let ringpost = site.table(&table).user("1001", &[], "missed_calls = \"off\"").start();
    pbx.begins(1);
    let mut client = Client::new(&ringpost, Over::Tcp, "1001");
    client.opens("");
    let monitor = client.monitors("tel:1001");
    // As deep as fits into a body, and deeper.
    let nested = |depth| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let deepest = nested(100_000);
    let inside = format!("<monitorCrossRefID>{monitor}</monitorCrossRefID>{deepest}");
    let (deep_stop, deep_event) =
        (client.body("MonitorStop", &inside), client.body("DeliveredEvent", &inside));
    let utf16 = |text: &str| -> String {
        // As octets of UTF-16 that are characters of their own: no body in UTF-8.
        text.chars().flat_map(|letter| [letter, '\0']).collect()
    };
    let foreign = format!("<?xml version=\"1.0\" encoding=\"EBCDIC-CP-US\"?>{}", "<RequestSystemStatus/>");
    let large = |length| {
        format!("<monitorObject><deviceObject>{}</deviceObject></monitorObject>", "9".repeat(length))
    };
    for (body, code) in [
        (deep_stop, "413"),
        (client.body("MonitorStop", &nested(9_000)), "400"),
        (utf16("<RequestSystemStatus/>"), "400"),
        (foreign, "400"),
        (client.body("MonitorStart", &large(100_000)), "413"),
        (client.body("MonitorStart", &large(50_000)), "200"),
        (client.body("RequestSystemStatus", ""), "200"),
    ] {
        let begun = Instant::now();
        let request = client.inside("INFO", KIND, &body);
        let answer = client.peer.expect_any();
        assert_eq!((answer.what(), answer.one("CSeq")), (code, request.one("CSeq")), "{body:.90}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{body:.60}");
    }
    for (body, code) in [
        (deep_event, "413"),
        (client.body("DeliveredEvent", &nested(9_000)), "400"),
        (utf16("<DeliveredEvent/>"), "400"),
        (
            client.body(
                "DeliveredEvent",
                &format!("<monitorCrossRefID>{}</monitorCrossRefID>", "9".repeat(50_000)),
            ),
            "200",
        ),
        (client.body("RequestSystemStatus", ""), "200"),
    ] {
        let answer = pbx.informs(&body);
        assert_eq!(answer.what(), code, "{body:.90}");
    }
    ringpost.is_well();
}

/// Each service that is refused has an error of CSTA of its own.
#[test]
fn every_service_says_why_not() {
    let ringpost = site("").user("1001", &[], "missed_calls = \"off\"").user("1002", &[], "").start();
    let mut client = Client::new(&ringpost, Over::Udp, "1001");
    client.opens("");
    let own = "<callID>none</callID><deviceID>tel:1001</deviceID>";
    let others = "<callID>none</callID><deviceID>tel:1002</deviceID>";
    for (service, element) in [
        ("AnswerCall", "callToBeAnswered"),
        ("ClearConnection", "connectionToBeCleared"),
        ("HoldCall", "callToBeHeld"),
        ("RetrieveCall", "callToBeRetrieved"),
    ] {
        client.is_denied(service, &format!("<{element}>{own}</{element}>"), "invalidConnectionID");
        client.is_denied(service, &format!("<{element}>{others}</{element}>"), "securityViolation");
        client.is_denied(service, "", "generic");
    }
    let divert = |of: &str| {
        format!("<callToBeDiverted>{of}</callToBeDiverted><newDestination>tel:1002</newDestination>")
    };
    client.is_denied("DeflectCall", &divert(own), "invalidConnectionID");
    client.is_denied("DeflectCall", &divert(others), "securityViolation");
    let call = |from: &str, to: &str| {
        format!("<callingDevice>{from}</callingDevice><calledDirectoryNumber>{to}</calledDirectoryNumber>")
    };
    client.is_denied("MakeCall", &call("tel:1002", "tel:1001"), "securityViolation");
    client.is_denied("MakeCall", &call("tel:1001", "tel:4711"), "invalidDestination");
    // Nothing rings that could dial.
    client.is_denied("MakeCall", &call("tel:1001", "tel:1002"), "invalidConnectionState");
    client.is_denied("SnapshotDevice", "<snapshotObject>tel:1002</snapshotObject>", "securityViolation");
    client.is_denied("SnapshotDevice", "", "generic");
    client.is_denied(
        "MonitorStart",
        "<monitorObject><deviceObject>tel:1002</deviceObject></monitorObject>",
        "securityViolation",
    );
    client.is_denied("MonitorStop", "<monitorCrossRefID>9</monitorCrossRefID>", "invalidMonitorCrossRefID");
    client.is_denied("GetForwarding", "<device>tel:1002</device>", "securityViolation");
    client.is_denied("GetDoNotDisturb", "", "generic");
    let forward = |to: &str| {
        format!("<device>tel:1001</device><activateForward>true</activateForward><forwardDN>{to}</forwardDN>")
    };
    client.is_denied("SetForwarding", &forward("tel:4711"), "invalidDestination");
    client.is_denied("SetForwarding", "<device>tel:1001</device>", "generic");
    client.is_denied(
        "SetDoNotDisturb",
        "<device>tel:1002</device><doNotDisturbOn>true</doNotDisturbOn>",
        "securityViolation",
    );
    client.is_denied("ParkCall", "", "invalidFeature");
    ringpost.is_well();
}
