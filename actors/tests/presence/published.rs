//! RFC 3903: what endpoints and other systems publish (R59, R63, R81, R117; T31).

use std::time::Duration;

use crate::{
    support::Over,
    watcher::{Watcher, site, tag, telephony},
};

const KIND: &str = "Content-Type: application/pidf+xml\r\n";

fn pidf(activities: &str, note: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
         xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:1001@corp.test\"><tuple id=\"a\"><status><basic>open</basic></status>\
         </tuple><dm:person id=\"p\"><rpid:activities>{activities}</rpid:activities><dm:note>{note}</dm:note></dm:person></presence>"
    )
}

/// Publish, prolong, modify, remove; each has a new tag, and an old one is 412.
#[test]
fn a_publication_lives_until_it_is_removed_or_ends() {
    let states = "users = \"full\"\n[[presence.state]]\nname = \"In the lab\"\nmeans = \"busy\"";
    let ringpost = site(states).user("1001", &[], "").user("1002", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    let mut phone = Watcher::new(&ringpost, Over::Udp, "1001");
    watcher.subscribes("1001", "presence", "");
    let publish = |phone: &mut Watcher, lines: &str, body: &str, code: &str| {
        let lines = format!("Event: presence\r\n{lines}");
        phone.asks("PUBLISH", "1001", &lines, body);
        phone.peer.expect(code)
    };
    // R81 and R117: the user's own words, and what they mean.
    let lab = pidf("<rpid:other>In the lab</rpid:other>", "Back at 3");
    let ok = publish(&mut phone, &format!("Expires: 600\r\n{KIND}"), &lab, "200");
    assert_eq!(ok.one("Expires"), "600");
    let told = watcher.sees("In the lab");
    assert!(
        told.body().contains("<own:rich>busy<") && told.body().contains("<dm:note>Back at 3</dm:note>"),
        "{told}"
    );
    let first = tag(&ok);
    let prolonged = publish(&mut phone, &format!("Expires: 600\r\nSIP-If-Match: {first}\r\n"), "", "200");
    let second = tag(&prolonged);
    assert_ne!(first, second);
    watcher.sees_nothing_for(Duration::from_millis(200));
    publish(&mut phone, &format!("SIP-If-Match: {first}\r\n"), "", "412");
    let away = pidf("<rpid:away/>", "Lunch");
    let modified = publish(&mut phone, &format!("SIP-If-Match: {second}\r\n{KIND}"), &away, "200");
    watcher.sees("<own:rich>away<");
    let removed =
        publish(&mut phone, &format!("Expires: 0\r\nSIP-If-Match: {}\r\n", tag(&modified)), "", "200");
    assert_eq!(removed.one("Expires"), "0");
    watcher.sees("<own:rich>offline<");
    // It ends by itself (R206, R60).
    publish(&mut phone, &format!("Expires: 1\r\n{KIND}"), &away, "200");
    watcher.sees("<own:rich>away<");
    watcher.sees("<own:rich>offline<");
    ringpost.is_well();
}

/// A phone's dialogs count where Ringpost does not see its calls.
#[test]
fn dialogs_are_published_too() {
    let ringpost = site("users = \"full\"").user("1001", &[], "").user("1002", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    let mut phone = Watcher::new(&ringpost, Over::Udp, "1001");
    assert_eq!(telephony(&watcher.subscribes("1001", "presence", "")), "offline");
    let body = "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"1\" state=\"full\" \
        entity=\"sip:1001@corp.test\"><dialog id=\"d\"><state>confirmed</state></dialog></dialog-info>";
    let lines = "Event: dialog\r\nExpires: 60\r\nContent-Type: application/dialog-info+xml\r\n";
    phone.asks("PUBLISH", "1001", lines, body);
    phone.peer.expect("200");
    assert_eq!(telephony(&watcher.sees("on-the-phone")), "busy");
    ringpost.is_well();
}

/// T12: nobody publishes for others, unless the site lets a trunk (R63).
#[test]
fn t12_nobody_publishes_for_others() {
    let lines = "users = \"full\"\npublishers = [\"pbx\"]";
    for (lines, code) in [("users = \"full\"", "403"), (lines, "200")] {
        let ringpost = site(lines).user("1001", &[], "").user("1002", &[], "").start();
        let mut other = Watcher::new(&ringpost, Over::Udp, "1002");
        other.asks("PUBLISH", "1001", &format!("Event: presence\r\n{KIND}"), &pidf("<rpid:busy/>", ""));
        other.peer.expect(code);
        let mut system = Watcher::new(&ringpost, Over::Udp, "middleware");
        system.asks("PUBLISH", "1001", &format!("Event: presence\r\n{KIND}"), &pidf("<rpid:busy/>", ""));
        system.peer.expect(code);
        ringpost.stops_well();
    }
}

/// 423, 415, 412 for a tag of 50 KB (T31), 404, and no more publications than the site allows.
#[test]
fn what_cannot_be_published_is_refused() {
    let ringpost = site("max_publications = 2\nmin_expires = \"30s\"")
        .replace("min_expires = \"1s\"\n", "")
        .user("1001", &[], "")
        .start();
    let mut phone = Watcher::new(&ringpost, Over::Tcp, "1001");
    let (body, long) = (pidf("<rpid:busy/>", ""), format!("SIP-If-Match: {}\r\n", "e".repeat(50_000)));
    let rows = [
        (format!("Event: presence\r\nExpires: 1\r\n{KIND}"), &body[..], "423"),
        ("Event: presence\r\nContent-Type: text/plain\r\n".to_owned(), &body, "415"),
        (format!("Event: conference\r\n{KIND}"), &body, "489"),
        (format!("Event: presence\r\n{long}"), "", "412"),
        ("Event: presence\r\n".to_owned(), "", "400"),
        (format!("Event: presence\r\n{KIND}"), "<presence><broken", "400"),
        (format!("Event: presence\r\n{KIND}"), &body, "200"),
        (format!("Event: presence\r\n{KIND}"), &body, "200"),
        (format!("Event: presence\r\n{KIND}"), &body, "503"),
    ];
    for (lines, body, code) in rows {
        phone.asks("PUBLISH", "1001", &lines, body);
        let answer = phone.peer.expect_any();
        assert_eq!(answer.what(), code, "{lines:.80}\n{answer}");
    }
    ringpost.is_well();
}

/// Message counts are published too (RFC 3903, RFC 3842; R207), by a UM that may tell them: they are added to those of the own
/// mailbox, outlive a kill -9, change by their tag and end by their time.
#[test]
fn r207_message_counts_are_published_too() {
    let lines = "messages_from = [\"pbx\"]\nresume_within = \"1s\"";
    let mut ringpost = site(lines).user("1001", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    watcher.subscribes("1001", "message-summary", "Expires: 600\r\n");
    let mut um = Watcher::new(&ringpost, Over::Udp, "um");
    let mut publish = |tag: &str, expires: u32, body: &str, code: &str| {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/simple-message-summary\r\n" };
        let tag = if tag.is_empty() { String::new() } else { format!("SIP-If-Match: {tag}\r\n") };
        um.asks(
            "PUBLISH",
            "1001",
            &format!("Event: message-summary\r\nExpires: {expires}\r\n{kind}{tag}"),
            body,
        );
        um.peer.expect(code)
    };
    publish("", 600, "garbage", "400");
    let first = publish("", 600, "Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n", "200");
    watcher.sees("Voice-Message: 2/8 (0/2)");
    let second = publish(&tag(&first), 600, "Messages-Waiting: yes\r\nVoice-Message: 1/9\r\n", "200");
    watcher.sees("Voice-Message: 1/9 (0/0)");
    let third = publish(&tag(&second), 600, "", "200");
    publish(&tag(&first), 600, "", "412");
    let kept = format!("\"tag\":{},", u64::from_str_radix(&tag(&third), 16).expect("a tag of ours"));
    crate::support::until("it is written", || {
        let store = rusqlite::Connection::open(ringpost.folder.path().join("store.db")).expect("the store");
        let rows = "SELECT count(*) FROM presence WHERE name LIKE 'p %' AND instr(body, ?1) > 0";
        store.query_row(rows, [&kept], |row| row.get::<_, u32>(0)).expect("rows") == 1
    });
    ringpost.kill();
    ringpost.restart();
    let mut late = Watcher::new(&ringpost, Over::Udp, "1001");
    let told = late.subscribes("1001", "message-summary", "");
    assert!(told.body().contains("Voice-Message: 1/9 (0/0)"), "straight after a restart: {told}");
    publish(&tag(&third), 1, "", "200");
    late.sees("Messages-Waiting: no");
    ringpost.is_well();
}
