//! The sample site, played: a registered desk phone, and a client of the assistant.

use std::time::Instant;

use crate::{
    client::{Client, KIND, root},
    support::{Over, Ringpost, SDP, peer::Dialog, ports, rtp_ports, sample},
};

#[path = "../registrar/phone.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod phone;

pub use phone::Phone;

fn started() -> Ringpost {
    let folder = tempfile::tempdir().expect("a folder");
    let sip = std::net::SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let text = sample("remote-call-control.toml")
        .replace("192.0.2.5:5060", &sip.to_string())
        .replace("192.0.2.10", "127.0.0.1")
        .replace("\"change me\"", "\"correct horse\"")
        .replace("\"change me too\"", "\"correct horse\"")
        .replace("[store]", &format!("[voicemail]\n{}\n[store]", rtp_ports()));
    Ringpost::of(folder, sip, &text)
}

/// T12: the client proves with its user's password whose lines it may control.
#[test]
fn the_sample_site_is_played() {
    let ringpost = started();
    let mut desk = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    desk.domain = "example.com".into();
    let ok = desk.registers("");
    assert_eq!(ok.what(), "200", "{ok}");
    let mut program = Phone::new(Over::Udp, "127.0.0.3", &ringpost, "1002");
    program.domain = "example.com".into();
    program.call_id = "rcc".into();
    let mut client = Client::new(&ringpost, Over::Udp, "1002");
    let body = client.body("RequestSystemStatus", "");
    let lines = format!("Contact: {}\r\n{KIND}", program.contact);
    let (sent, answer) = program.asks("INVITE", "sip:1002@example.com", &lines, &body, 0);
    assert_eq!((answer.what(), root(&answer).as_str()), ("200", "RequestSystemStatusResponse"), "{answer}");
    client.dialog = Some(Dialog { sequence: 100, ..Dialog::caller(&sent, &answer) });
    client.peer = program.peer;
    client.inside("ACK", "", "");
    client.monitors("tel:1001");
    client.is_denied(
        "MonitorStart",
        "<monitorObject><deviceObject>tel:1003</deviceObject></monitorObject>",
        "securityViolation",
    );
    let mut pbx = crate::support::Peer::new(Over::Udp, "127.0.0.1", ringpost.sip);
    let since = Instant::now();
    let invite = pbx.request("INVITE", "sip:1001@example.com", "", SDP);
    let ringing = desk.peer.expect("INVITE");
    desk.peer.answer(&ringing, 180);
    pbx.expect("180");
    client.hears_at_once("DeliveredEvent", since);
    desk.peer.answer(&ringing, 486);
    desk.peer.expect("ACK");
    pbx.refused(&invite, 486);
    client.hears("ConnectionClearedEvent");
    ringpost.is_well();
}

/// The desk phones stay at the PBX: their lamps are seen here, and a call that one of them has missed is told by mail (R10, R52).
#[test]
fn the_sample_of_desk_phones_at_a_pbx_is_played() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("pbx.password"), "correct horse\n").expect("written");
    let sip = std::net::SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let site = crate::support::Site::new();
    let mut pbx = crate::pbx::Pbx::new(&site, Over::Tcp);
    pbx.peer = crate::support::Peer::new(Over::Tcp, "127.0.0.1", sip);
    let server = pbx.peer.uri();
    let text = sample("desk-phones-at-a-pbx.toml")
        .replace("192.0.2.5:5060", &sip.to_string())
        .replace("sip:csta@192.0.2.10:5060;transport=tcp", &server)
        .replace("192.0.2.10", "127.0.0.1")
        .replace("example.com", "corp.test")
        .replace("[store]", &format!("[voicemail]\n{}\n[store]", rtp_ports()));
    let ringpost = Ringpost::of(folder, sip, &text);
    let invite = pbx.peer.expect("INVITE");
    let challenge = "WWW-Authenticate: Digest realm=\"pbx.corp.test\", nonce=\"n1\", qop=\"auth\"\r\n";
    pbx.peer.answer_with(&invite, 401, challenge, "");
    pbx.peer.expect("ACK");
    pbx.begins(2);
    let mut watcher = crate::watcher::Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    pbx.off_hook("tel:1001", "c1");
    watcher.sees(">busy</own:telephony>");
    pbx.clears("tel:1001", "c1", "normalClearing");
    watcher.sees(">available</own:telephony>");
    pbx.rings("tel:1001", "c2", "tel:1002");
    pbx.clears("tel:1001", "c2", "normalClearing");
    let mails = ringpost.has_mails("ada@corp.test", 1);
    assert!(mails[0].1.contains("Missed call from Ben"), "{}", mails[0].1);
    ringpost.is_well();
}
