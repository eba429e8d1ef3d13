//! The sample site for Exchange on premises, as it stands but for addresses: a missed call becomes an item.

use std::fs;

use crate::{
    emulator::Emulator,
    program::{Over, Peer, Ringpost, ports, sample, until},
};

#[test]
fn a_call_that_nobody_takes_is_an_item_in_the_inbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    fs::write(folder.path().join("exchange.password"), "pw\n").expect("a file");
    let port = ports(1);
    let sip = format!("127.0.0.1:{port}").parse().expect("an address");
    let mut pbx = Peer::new(Over::Udp, "127.0.0.1", sip);
    let mut desk = Peer::new(Over::Udp, "127.0.0.1", sip);
    let site = sample("exchange-on-premises.toml")
        .replace("192.0.2.5:5060", &format!("127.0.0.1:{port}"))
        .replace("sip:desk@192.0.2.22", &desk.uri())
        .replace("192.0.2.5", "127.0.0.1")
        .replace("192.0.2.10", "127.0.0.1")
        .replace("https://mail.corp.example/EWS/Exchange.asmx", &exchange.url())
        .replace("#ca = \"/etc/ringpost/corp-ca.pem\"", "ca = \"ca/own.pem\"");
    let ringpost = Ringpost::of(folder, sip, &site);
    let invite = pbx.invite("1002");
    let rings = desk.expect("INVITE");
    desk.answer(&rings, 180);
    pbx.expect("180");
    pbx.cancel(&invite, "");
    let cancel = desk.expect("CANCEL");
    desk.answer(&cancel, 200);
    desk.answer(&rings, 487);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut items = Vec::new();
    until("the item is there", || {
        items = runtime.block_on(exchange.items("bo@corp.example"));
        !items.is_empty()
    });
    assert_eq!((items.len(), items[0]["class"].as_str()), (1, Some("IPM.Note.Microsoft.Missed.Voice")));
    assert_eq!(runtime.block_on(exchange.count("ntlm")), 1);
    ringpost.is_well();
}
