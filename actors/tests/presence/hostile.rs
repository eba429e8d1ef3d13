//! Bodies of enemies (T5, T6): refused, and the transport still answers.

use crate::{
    support::Over,
    watcher::{Watcher, site},
};

#[test]
fn t6_hostile_bodies_are_refused_and_the_transport_answers() {
    let ringpost = site("").user("1001", &[], "").start();
    let mut phone = Watcher::new(&ringpost, Over::Tcp, "1001");
    let laughs = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;\">]><presence entity=\"sip:a@b\">&c;</presence>";
    let outside =
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><presence entity=\"sip:a@b\">&b;</presence>";
    let deep = format!("<presence>{}", "<a>".repeat(15_000));
    for (package, kind) in [("presence", "application/pidf+xml"), ("dialog", "application/dialog-info+xml")] {
        for body in [laughs, outside, &deep, "", "\u{0}\u{1}", "<presence", "\u{feff}"] {
            let lines = format!("Event: {package}\r\nContent-Type: {kind}\r\n");
            phone.asks("PUBLISH", "1001", &lines, body);
            assert_eq!(phone.peer.expect_any().what(), "400", "{body:.40}");
            ringpost.is_well();
        }
    }
    // T5: nobody has asked for a NOTIFY.
    let account = format!(
        "Messages-Waiting: yes\r\nMessage-Account: sip:{}@b\r\nVoice-Message: 18446744073709551616/1\r\n",
        "a".repeat(40_000)
    );
    let lines = "Event: message-summary\r\nSubscription-State: active\r\nContent-Type: application/simple-message-summary\r\n";
    phone.asks("NOTIFY", "1001", lines, &account);
    assert_eq!(phone.peer.expect_any().what(), "405");
    ringpost.is_well();
    assert!(!ringpost.log().contains("panicked"));
}
