//! The sample site, played: phones register, watch each other's lamps and their own message counts.

use std::fs;

use crate::support::{Over, Ringpost, Sip, ports, rtp_ports, sample, until};

#[path = "../registrar/phone.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
pub mod phone;

use phone::Phone;

/// The sample at local addresses.
fn started() -> (Ringpost, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let sip = std::net::SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let text = sample("lamps-and-presence.toml")
        .replace("192.0.2.5:5060", &sip.to_string())
        .replace("sources = [\"192.0.2.10\"]", "sources = [\"127.0.0.1\"]")
        .replace("smtp://mail.example.com:587?starttls=required", "maildir:mail")
        .replace("\"change me\"", "\"correct horse\"")
        .replace("\"change me too\"", "\"correct horse\"")
        .replace("\"change this as well\"", "\"correct horse\"")
        .replace(
            "[store]",
            &format!("[voicemail]\n{}\n[security]\nrefusals_per_second = 1000\n[store]", rtp_ports()),
        );
    let path = folder.path().to_owned();
    (Ringpost::of(folder, sip, &text), path)
}

/// A registered phone of a user, at an address of its own.
fn registered(ringpost: &Ringpost, user: &str, ip: &str) -> Phone {
    let mut phone = Phone::new(Over::Udp, ip, ringpost, user);
    phone.domain = "example.com".into();
    let ok = phone.registers("");
    assert_eq!(ok.what(), "200", "{ok}");
    phone
}

/// Subscribes with the password; the first NOTIFY.
fn subscribes(phone: &mut Phone, user: &str, package: &str) -> Result<Sip, String> {
    phone.call_id = format!("sub-{}", crate::support::peer::fresh());
    let lines = format!("Contact: {}\r\nEvent: {package}\r\nExpires: 600\r\n", phone.contact);
    let (_, answer) = phone.asks("SUBSCRIBE", &format!("sip:{user}@example.com"), &lines, "", 0);
    if answer.what() != "200" {
        return Err(answer.what().to_owned());
    }
    let notify = phone.peer.expect("NOTIFY");
    phone.peer.answer_with(&notify, 200, "", "");
    Ok(notify)
}

#[test]
fn the_sample_shows_lamps_and_messages() {
    let (mut ringpost, folder) = started();
    let mut ada = registered(&ringpost, "1001", "127.0.0.2");
    let mut ben = registered(&ringpost, "1002", "127.0.0.3");
    let mut reception = registered(&ringpost, "1000", "127.0.0.4");
    for watcher in [&mut ben, &mut reception] {
        let first = subscribes(watcher, "1001", "dialog").expect("taken");
        assert!(!first.body().contains("<dialog "), "{first}");
    }
    // Whose phone is not registered any more is offline (R21); Ben is not.
    assert!(
        subscribes(&mut ada, "1002", "presence")
            .expect("taken")
            .body()
            .contains(">available</own:telephony>")
    );
    assert!(
        subscribes(&mut ada, "1001", "message-summary")
            .expect("taken")
            .body()
            .starts_with("Messages-Waiting: no\r\nMessage-Account: sip:5000@example.com\r\n")
    );
    assert_eq!(subscribes(&mut ada, "1000", "message-summary"), Err("403".to_owned()));
    // A phone may ask for its counts where it calls for the messages.
    let own = subscribes(&mut ada, "5000", "message-summary").expect("taken");
    assert!(
        own.one("To").contains("sip:1001@") && own.body().starts_with("Messages-Waiting: no\r\n"),
        "{own}"
    );
    assert_eq!(subscribes(&mut ada, "5000", "presence"), Err("404".to_owned()));
    // T12: nobody is somebody else.
    let uri = "sip:1000@example.com";
    let proof = ada.proof("SUBSCRIBE", uri);
    let lines = format!("Contact: {}\r\nEvent: presence\r\n{proof}", ada.contact);
    let text = ada.draft("SUBSCRIBE", uri, &lines, "");
    ada.peer.send(text.replace("From: <sip:1001@", "From: <sip:1002@").as_bytes());
    ada.peer.expect("403");
    let contact = format!("Contact: {}\r\nExpires: 0\r\n", ben.contact);
    ben.call_id = "reg-ben".into();
    ben.asks("REGISTER", "sip:example.com", &contact, "", 0);
    let offline = loop {
        let notify = ada.peer.expect("NOTIFY");
        ada.peer.answer_with(&notify, 200, "", "");
        if notify.body().contains("offline</own:telephony>") {
            break notify;
        }
    };
    assert!(offline.body().contains("<basic>closed</basic>"), "{offline}");
    // R207: right straight after a restart.
    ringpost.kill();
    let store = rusqlite::Connection::open(folder.join("ringpost.db")).expect("the store");
    let recording = folder.join("recordings/x.wav");
    fs::write(&recording, "RIFF").expect("written");
    store
        .execute(
            "INSERT INTO message (user, recording, caller, came_in, duration, urgent, state)
             VALUES ('sip:1001@example.com', ?1, '{\"name\":null,\"number\":null,\"uri\":null,\"private\":false}', 0, 4000, 0, 'new')",
            [recording.to_string_lossy()],
        )
        .expect("written");
    drop(store);
    ringpost.restart();
    let mut ada = registered(&ringpost, "1001", "127.0.0.2");
    let waiting = subscribes(&mut ada, "1001", "message-summary").expect("taken");
    assert!(waiting.body().starts_with("Messages-Waiting: yes\r\n"), "{waiting}");
    assert!(waiting.body().contains("Voice-Message: 1/0 (0/0)\r\n"), "{waiting}");
    until("nothing went wrong", || !ringpost.log().contains("panicked"));
}

/// R207: phones that never ask are told at every registration, where the site says so.
#[test]
fn devices_are_told_what_waits_unasked() {
    let site = crate::watcher::site("unsolicited_messages = true\n[security]\nrefusals_per_second = 1000");
    let login = "password = \"correct horse\"\nmissed_calls = \"off\"";
    let ringpost = site.user("1001", &[], login).start();
    for over in Over::BOTH {
        let mut phone = Phone::new(over, "127.0.0.2", &ringpost, "1001");
        phone.domain = "corp.test".into();
        assert_eq!(phone.registers("").what(), "200");
        let notify = phone.peer.expect("NOTIFY");
        phone.peer.answer_with(&notify, 481, "", "");
        assert_eq!((notify.one("Event"), notify.one("To")), ("message-summary", "<sip:1001@corp.test>"));
        assert!(notify.one("Subscription-State").starts_with("terminated"), "{notify}");
        assert!(notify.body().starts_with("Messages-Waiting: no\r\n"), "{notify}");
        assert_eq!(phone.registers("Expires: 0\r\n").what(), "200");
    }
    ringpost.is_well();
}
