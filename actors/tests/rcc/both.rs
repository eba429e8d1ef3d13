//! Both roles at once: what a PBX's gateway tells is seen by the watchers and by the programs of this site (R52, R55, R114).

use std::time::{Duration, Instant};

use crate::{
    client::{Client, value},
    pbx::Pbx,
    support::{Over, PATIENCE, Ringpost, SDP, Site, peer::Dialog},
    watcher::{Watcher, lamp, telephony},
};

const LINE: &str = "tel:1001";

fn site() -> Site {
    crate::watcher::site("users = \"full\"\npublishers = [\"pbx\"]").table("[rcc]\nenabled = true")
}

fn softphone(ringpost: &Ringpost) -> Client {
    let mut softphone = Client::new(ringpost, Over::Udp, "1001");
    softphone.opens("");
    softphone.monitors(LINE);
    softphone
}

/// Off the hook at the desk shows on the softphone within 100 ms: as an event of uaCSTA and as NOTIFY. Printed; asserted with the
/// room that a machine needs which runs whole suites.
#[test]
fn off_hook_at_the_desk_shows_on_the_softphone() {
    let site = site();
    let mut pbx = Pbx::new(&site, Over::Udp);
    let ringpost = site.table(&pbx.table("")).user("1001", &[], "").user("1002", &[], "").start();
    pbx.begins(2);
    let mut softphone = softphone(&ringpost);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    let (mut told, mut notified) = (vec![], vec![]);
    for round in 0..20 {
        let call = format!("c{round}");
        let since = Instant::now();
        pbx.off_hook(LINE, &call);
        let originated = softphone.hears("OriginatedEvent");
        told.push(since.elapsed());
        assert_eq!(value(&originated, "callID"), format!("pbx-{call}"));
        watcher.sees(">busy</own:telephony>");
        notified.push(since.elapsed());
        pbx.clears(LINE, &call, "normalClearing");
        softphone.hears("ConnectionClearedEvent");
        watcher.sees(">available</own:telephony>");
    }
    told.sort_unstable();
    notified.sort_unstable();
    eprintln!(
        "off the hook at the PBX: told by uaCSTA after {:?} (median), {:?} (worst); by NOTIFY after {:?}, {:?}",
        told[10], told[19], notified[10], notified[19]
    );
    assert!(told[10] < Duration::from_millis(500) && notified[10] < Duration::from_millis(500));
    // The whole of a call that rings at the desk, which nobody here can act on.
    pbx.rings(LINE, "in", "tel:+4544890101");
    let rings = softphone.hears("DeliveredEvent");
    assert_eq!((value(&rings, "localConnectionInfo"), value(&rings, "deviceIdentifier")), ("alerting", LINE));
    assert!(rings.contains("tel:+4544890101"), "{rings}");
    let connection = format!("<callID>{}</callID><deviceID>{LINE}</deviceID>", value(&rings, "callID"));
    softphone.is_denied(
        "AnswerCall",
        &format!("<callToBeAnswered>{connection}</callToBeAnswered>"),
        "invalidFeature",
    );
    let snapshot = softphone.does("SnapshotDevice", &format!("<snapshotObject>{LINE}</snapshotObject>"));
    assert_eq!(value(&snapshot, "localConnectionState"), "alerting");
    pbx.talks(LINE, "in");
    softphone.hears("EstablishedEvent");
    // The gateway goes, and with it all that it has told.
    let dialog = pbx.dialog.as_mut().expect("open");
    pbx.peer.inside(dialog, "BYE", "", "");
    pbx.peer.expect("200");
    softphone.hears("ConnectionClearedEvent");
    let snapshot = softphone.does("SnapshotDevice", &format!("<snapshotObject>{LINE}</snapshotObject>"));
    assert!(!snapshot.contains("connectionIdentifier"), "{snapshot}");
}

/// R55: a call through Ringpost that the PBX tells of too is one call for the programs; either makes the user busy, and the user
/// is busy until both are over.
#[test]
fn r55_a_call_that_both_see_is_one() {
    let site = site();
    let (mut pbx, mut caller, mut phone) =
        (Pbx::new(&site, Over::Udp), site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.table(&pbx.table("")).user("1001", &[&phone], "").user("1002", &[], "").start();
    pbx.begins(2);
    let mut softphone = softphone(&ringpost);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    let invite = caller.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    caller.expect("180");
    softphone.hears("DeliveredEvent");
    pbx.rings(LINE, "c1", "tel:+4544890101");
    let ok = phone.answer_with(&ringing, 200, "", SDP);
    let mut talk = Dialog::caller(&invite, &caller.expect("200"));
    caller.inside(&mut talk, "ACK", "", "");
    phone.expect("ACK");
    softphone.hears("EstablishedEvent");
    watcher.sees(">busy</own:telephony>");
    pbx.talks(LINE, "c1");
    pbx.clears(LINE, "c1", "normalClearing");
    softphone.peer.silent_for(Duration::from_millis(200));
    watcher.sees_nothing_for(Duration::from_millis(100));
    pbx.off_hook(LINE, "c2");
    softphone.hears("OriginatedEvent");
    let mut own = Dialog::callee(&ringing, &ok);
    phone.inside(&mut own, "BYE", "", "");
    phone.expect("200");
    let bye = caller.expect("BYE");
    caller.answer(&bye, 200);
    softphone.hears("ConnectionClearedEvent");
    watcher.sees_nothing_for(Duration::from_millis(200));
    pbx.clears(LINE, "c2", "normalClearing");
    watcher.sees(">available</own:telephony>");
}

/// R114: what CTI says beats what a PBX publishes by SIP, its source and the details of its calls are shown, and when it has gone
/// the other counts again.
#[test]
fn r114_cti_beats_sip_and_its_details_are_shown() {
    let site = site();
    let mut pbx = Pbx::new(&site, Over::Udp);
    let ringpost = site.table(&pbx.table("")).user("1001", &[], "").user("1002", &[], "").start();
    pbx.begins(2);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    let first = watcher.subscribes("1001", "presence", "");
    assert_eq!(telephony(&first), "available");
    assert!(first.body().contains("pbx"), "where it is known from: {first}");
    let mut lamps = Watcher::new(&ringpost, Over::Udp, "1002");
    lamps.subscribes("1001", "dialog", "");
    // The server says busy by SIP, the gateway says that nobody talks.
    let mut server = Watcher::new(&ringpost, Over::Udp, "server");
    let body = "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" state=\"full\" \
                entity=\"sip:1001@corp.test\"><dialog id=\"d1\" direction=\"initiator\"><state>confirmed</state></dialog></dialog-info>";
    let headers = "Event: dialog\r\nExpires: 600\r\nContent-Type: application/dialog-info+xml\r\n";
    server.asks("PUBLISH", "1001", headers, body);
    server.peer.expect("200");
    watcher.sees_nothing_for(Duration::from_millis(300));
    pbx.rings(LINE, "c1", "tel:1002");
    pbx.talks(LINE, "c1");
    let talks = lamps.sees("confirmed");
    assert!(
        lamp(&talks) == "confirmed" && talks.body().contains("User 1002") && !talks.body().contains("d1"),
        "{talks}"
    );
    watcher.sees(">busy</own:telephony>");
    pbx.clears(LINE, "c1", "normalClearing");
    watcher.sees(">available</own:telephony>");
    let dialog = pbx.dialog.as_mut().expect("open");
    pbx.peer.inside(dialog, "BYE", "", "");
    pbx.peer.expect("200");
    watcher.sees(">busy</own:telephony>");
    let again = Instant::now();
    while pbx.peer.next(PATIENCE).expect("called again").what() != "INVITE" {
        assert!(again.elapsed() < PATIENCE);
    }
}

/// Several lanes: programs, calls and the gateway are on different ones, and everybody hears of everything, in order.
#[test]
fn programs_of_every_lane_hear_of_calls_of_every_lane() {
    let site = site().sip("lanes = 4");
    let mut pbx = Pbx::new(&site, Over::Tcp);
    let (mut caller, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let table = pbx.table("users = [\"1001\"]");
    let ringpost = site.table(&table).user("1001", &[&phone], "").start();
    pbx.begins(1);
    let mut programs: Vec<Client> = (0..6).map(|_| softphone(&ringpost)).collect();
    for round in 0..8 {
        let invite = caller.invite("1001");
        let ringing = phone.expect("INVITE");
        phone.answer(&ringing, 180);
        caller.expect("180");
        phone.answer(&ringing, 486);
        phone.expect("ACK");
        caller.refused(&invite, 486);
        let call = format!("c{round}");
        pbx.off_hook(LINE, &call);
        pbx.clears(LINE, &call, "normalClearing");
        for program in &mut programs {
            // Each call's own events are in order; the two calls are on lanes of their own.
            let mut heard: Vec<String> = (0..4)
                .map(|_| {
                    let info = program.peer.expect("INFO");
                    program.peer.answer_with(&info, 200, "", "");
                    let of_pbx = info.body().contains("pbx-");
                    format!("{of_pbx} {}", crate::client::root(&info))
                })
                .collect();
            heard.sort_by_key(|event| event.starts_with("true"));
            assert_eq!(
                heard,
                [
                    "false DeliveredEvent",
                    "false ConnectionClearedEvent",
                    "true OriginatedEvent",
                    "true ConnectionClearedEvent"
                ]
            );
        }
    }
    ringpost.is_well();
}
