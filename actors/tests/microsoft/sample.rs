//! The sample site for Lync and Exchange, as it stands but for addresses: a call and a meeting are told.

use std::{
    fs,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use crate::{
    emulator::Emulator,
    ocs::{Kept, Ocs},
    program::{Over, Peer, Ringpost, peer::Dialog, ports},
};

const ADA: &str = "sip:1001@corp.example";

#[test]
fn a_call_and_a_meeting_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    fs::write(folder.path().join("exchange.password"), "pw\n").expect("a file");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let meeting = json!({"ada@corp.example": {"events": [[now - 60, now + 3_600, "Busy", "Budget", true]]}});
    runtime.block_on(exchange.schedules(&meeting));
    let port = ports(1);
    let sip = format!("127.0.0.1:{port}").parse().expect("an address");
    let (mut pbx, mut desk) =
        (Peer::new(Over::Udp, "127.0.0.1", sip), Peer::new(Over::Udp, "127.0.0.1", sip));
    let lync = Ocs::start(SocketAddr::from(([127, 0, 0, 35], ports(1))), Kept::default());
    let sample = format!("{}/../examples/sites/presence-microsoft.toml", env!("CARGO_MANIFEST_DIR"));
    let site = fs::read_to_string(sample)
        .expect("the sample")
        .replace("192.0.2.5:5060", &format!("127.0.0.1:{port}"))
        .replace("sip:desk@192.0.2.21", &desk.uri())
        .replace("192.0.2.10", "127.0.0.1")
        .replace("sip:lync.corp.example:5061;transport=tls", &format!("sip:{};transport=tcp", lync.address))
        .replace("https://mail.corp.example/EWS/Exchange.asmx", &exchange.url())
        .replace("#ca = \"/etc/ringpost/corp-ca.pem\"", "ca = \"ca/own.pem\"")
        // A quarter of an hour would do as well, but the first question waits for up to a sixtieth of it.
        .replace("channel = \"exchange\"\n\n", "channel = \"exchange\"\nevery = \"2s\"\n\n");
    let ringpost = Ringpost::of(folder, sip, &site);
    lync.until("a meeting", |lync| {
        lync.state(ADA, 4).is_some_and(|state| state.contains("meetingSubject Budget"))
    });
    lync.until("free and busy times", |lync| lync.category(ADA, "calendarData").len() == 12);
    let invite = pbx.invite("1001");
    let rings = desk.expect("INVITE");
    desk.answer(&rings, 200);
    let mut talk = Dialog::caller(&invite, &pbx.expect("200"));
    pbx.inside(&mut talk, "ACK", "", "");
    desk.expect("ACK");
    lync.until("on the phone", |lync| lync.state(ADA, 8).is_some_and(|state| state.contains("on-the-phone")));
    pbx.inside(&mut talk, "BYE", "", "");
    pbx.expect("200");
    let bye = desk.expect("BYE");
    desk.answer(&bye, 200);
    lync.until("off the phone", |lync| lync.state(ADA, 8).is_none());
    assert!(runtime.block_on(exchange.count("ntlm")) >= 1);
    ringpost.is_well();
}
