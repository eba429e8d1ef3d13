//! Counts that a UM elsewhere tells by NOTIFY outside any dialog (PROTOCOLS §5; T5).

use std::{io::Read, time::Duration};

use crate::{
    baresip::Phone as Baresip,
    device::{PASSWORD, Phone},
    support::{Over, Peer, Ringpost, Sip, Site, metrics, ports, within},
    watcher::{Watcher, site},
};

/// The UM is at 127.0.0.7, and believed; 1001's phones register.
fn um_site(lines: &str) -> Site {
    let login = format!("password = \"{PASSWORD}\"\nmissed_calls = \"off\"");
    site(&format!("messages_from = [\"um\"]\n{lines}\n[security]\nrefusals_per_second = 1000"))
        .table("[[trunk]]\nname = \"um\"\nsources = [\"127.0.0.7\"]\n[um]\npilots = [\"5000\"]")
        .user("1001", &[], &login)
        .user("1002", &[], &login)
}

fn um(ringpost: &Ringpost, over: Over) -> Peer {
    Peer::new(over, "127.0.0.7", ringpost.sip)
}

/// A NOTIFY as Exchange 2010 sends it: From and To are the user. Its answer.
fn tells(um: &mut Peer, user: &str, lines: &str, body: &str) -> Sip {
    let lines =
        format!("Event: message-summary\r\n{lines}Content-Type: application/simple-message-summary\r\n");
    sends(um, user, &lines, body)
}

fn sends(um: &mut Peer, user: &str, lines: &str, body: &str) -> Sip {
    let text = um.draft("NOTIFY", &format!("sip:{user}@corp.test"), lines, body);
    let text = text.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", &format!("<sip:{user}@corp.test>"));
    um.send(text.as_bytes());
    um.expect_any()
}

fn exchange(new: u64, old: u64) -> String {
    let waiting = if new > 0 { "yes" } else { "no" };
    format!(
        "Messages-Waiting: {waiting}\r\nMessage-Account: sip:1001@corp.test\r\nVoice-Message: {new}/{old}\r\n"
    )
}

const TERMINATED: &str = "Subscription-State: terminated\r\n";

/// Watchers and registered phones hear of it at once, with the number of ours to call; a kill loses nothing that was taken.
#[test]
fn r207_counts_of_an_um_elsewhere_reach_watchers_and_phones_and_outlive_a_kill() {
    let mut ringpost = um_site("unsolicited_messages = true").start();
    let mut um = um(&ringpost, Over::Udp);
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    assert_eq!(phone.registers("").what(), "200");
    let first = phone.peer.expect("NOTIFY");
    phone.peer.answer_with(&first, 200, "", "");
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    assert!(
        watcher.subscribes("1001", "message-summary", "").body().contains("Voice-Message: 0/0 (0/0)\r\n")
    );
    assert_eq!(tells(&mut um, "1001", TERMINATED, &exchange(8, 3)).what(), "200");
    let seen = watcher.notified();
    assert_eq!(
        seen.body(),
        "Messages-Waiting: yes\r\nMessage-Account: sip:5000@corp.test\r\nVoice-Message: 8/3 (0/0)\r\n"
    );
    let unasked = phone.peer.expect("NOTIFY");
    phone.peer.answer_with(&unasked, 200, "", "");
    assert_eq!(unasked.body(), seen.body());
    // The same again is nothing new; keys in other letters, LF alone and no word of a subscription are understood.
    assert_eq!(
        tells(&mut um, "1001", "Subscription-State: active;expires=60\r\n", &exchange(8, 3)).what(),
        "200"
    );
    watcher.sees_nothing_for(Duration::from_millis(100));
    phone.peer.silent_for(Duration::from_millis(100));
    let odd = "messages-waiting: YES\nVOICE-MESSAGE : 9 / 3 ( 1 / 0 )\nfax-message: 1/0\n";
    assert_eq!(tells(&mut um, "1001", "", odd).what(), "200");
    assert!(watcher.notified().body().contains("Voice-Message: 9/3 (1/0)\r\n"));
    ringpost.kill();
    ringpost.restart();
    let mut fresh = Watcher::new(&ringpost, Over::Udp, "1001");
    let straight = fresh.subscribes("1001", "message-summary", "");
    assert!(straight.body().contains("Voice-Message: 9/3 (1/0)\r\n"), "{straight}");
    assert_eq!(tells(&mut um, "1001", TERMINATED, &exchange(0, 12)).what(), "200");
    assert!(fresh.sees("0/12").body().starts_with("Messages-Waiting: no\r\n"));
    // Whom the site does not believe any more has told nothing.
    ringpost.reload(&ringpost.site().replace("messages_from = [\"um\"]", "messages_from = []"));
    fresh.sees("Voice-Message: 0/0 (0/0)");
    assert_eq!(tells(&mut um, "1001", TERMINATED, &exchange(1, 0)).what(), "405");
    ringpost.is_well();
}

/// A real phone watches its own mailbox, and sees it filled and emptied.
#[test]
fn r207_baresips_lamp_shows_what_waits_elsewhere() {
    let port = ports(1);
    let lines = "messages_from = [\"um\"]\n[security]\nrefusals_per_second = 1000\n[registrar]\nalgorithms = [\"MD5\"]";
    let site = site(&format!("{lines}\n[metrics]\nlisten = \"127.0.0.1:{port}\""))
        .table("[[trunk]]\nname = \"um\"\nsources = [\"127.0.0.7\"]\n[um]\npilots = [\"5000\"]")
        .user("1001", &[], "password = \"secret\"\nmissed_calls = \"off\"");
    let folder = site.folder.path().to_owned();
    let ringpost = site.start();
    let mut um = um(&ringpost, Over::Udp);
    let Some(phone) = Baresip::with_lamp("1001", &folder, &ringpost.sip.to_string()) else { return };
    let mut events = phone.events();
    events.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
    within(Duration::from_secs(20), "it watches", || metrics::number(port, "subscriptions") == 1);
    let mut heard = String::new();
    for (new, old, words) in [(8, 3, "8\\/3 (0\\/0)"), (0, 11, "0\\/11 (0\\/0)")] {
        assert_eq!(tells(&mut um, "1001", TERMINATED, &exchange(new, old)).what(), "200");
        within(Duration::from_secs(20), words, || {
            let mut octets = [0; 4_096];
            let length = events.read(&mut octets).unwrap_or(0);
            heard.push_str(&String::from_utf8_lossy(&octets[..length]));
            heard.contains(words) && heard.contains("MWI_NOTIFY")
        });
    }
    drop(phone);
    ringpost.is_well();
}

/// Nothing sticks: a count that is not told again ends.
#[test]
fn r207_a_count_that_is_not_told_again_ends() {
    let mut ringpost = um_site("messages_last = \"2s\"").start();
    let mut um = um(&ringpost, Over::Tcp);
    assert_eq!(tells(&mut um, "1001", TERMINATED, &exchange(1, 0)).what(), "200");
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    assert!(watcher.subscribes("1001", "message-summary", "").body().contains("1/0"));
    watcher.sees("Voice-Message: 0/0 (0/0)");
    ringpost.kill();
    ringpost.restart();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    assert!(watcher.subscribes("1001", "message-summary", "").body().contains("0/0 (0/0)"));
    ringpost.is_well();
}

/// What is told in the moment in which the count before it ends is kept: the end of that one is written later.
#[test]
fn r207_a_count_outlives_the_end_of_the_one_before() {
    let ringpost = um_site("messages_last = \"5s\"").start();
    let mut um = um(&ringpost, Over::Tcp);
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    watcher.subscribes("1001", "message-summary", "");
    assert_eq!(tells(&mut um, "1001", TERMINATED, &exchange(1, 0)).what(), "200");
    watcher.sees("Voice-Message: 1/0");
    watcher.sees("Voice-Message: 0/0 (0/0)");
    assert_eq!(tells(&mut um, "1001", TERMINATED, &exchange(2, 0)).what(), "200");
    // Whatever waits to be written is written a second later at the latest.
    std::thread::sleep(Duration::from_millis(1_500));
    let store = rusqlite::Connection::open(ringpost.folder.path().join("store.db")).expect("the store");
    let body: rusqlite::Result<String> =
        store.query_row("SELECT body FROM presence WHERE name LIKE 'm %'", [], |row| row.get(0));
    assert!(body.expect("it is kept").contains("\"new\":2"));
    ringpost.is_well();
}

/// T5, T12: 4xx or the largest number, and the transport still answers; nobody but the UM is believed.
#[test]
fn t5_hostile_counts_are_refused_or_cut_and_strangers_are_not_heard() {
    let ringpost = um_site("").trunk_at(&["127.0.0.1"]).start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    watcher.subscribes("1001", "message-summary", "");
    let mut um = um(&ringpost, Over::Tcp);
    let long = format!("Messages-Waiting: yes\r\nMessage-Account: sip:{}@b\r\n", "a".repeat(40_000));
    let larger = format!("Messages-Waiting: yes\r\nMessage-Account: sip:{}@b\r\n", "a".repeat(100_000));
    let many = format!("Messages-Waiting: yes\r\n{}", "Fax-Message: 1/1\r\n".repeat(2_000));
    let rows = [("", 200), (long.as_str(), 400), (many.as_str(), 400), ("Voice-Message: 8/3\r\n", 400)];
    let odd = [("\u{0}\u{1}", 400), ("\r\n\r\n", 400), ("<presence/>", 400), ("yes", 400)];
    for (body, code) in rows.into_iter().chain(odd) {
        let answer = tells(&mut um, "1001", TERMINATED, body);
        assert_eq!(answer.what(), code.to_string(), "{body:.40}: {answer}");
        ringpost.is_well();
    }
    // Larger than any message may be: the connection may go, the listener does not.
    let text = um.draft("NOTIFY", "sip:1001@corp.test", "Event: message-summary\r\n", &larger);
    um.sends(text.as_bytes());
    ringpost.is_well();
    let mut um = self::um(&ringpost, Over::Udp);
    let other =
        sends(&mut um, "1001", "Event: dialog\r\nContent-Type: application/dialog-info+xml\r\n", "<a/>");
    assert_eq!((other.what(), other.one("Allow-Events")), ("489", "presence, dialog, message-summary"));
    let kind = sends(&mut um, "1001", "Event: message-summary\r\nContent-Type: text/plain\r\n", "hello");
    assert_eq!(kind.what(), "415");
    assert_eq!(tells(&mut um, "4711", TERMINATED, &exchange(1, 0)).what(), "404");
    watcher.sees_nothing_for(Duration::from_millis(100));
    // The account of somebody else is not told on; what no number holds is the largest.
    let hostile = "Messages-Waiting: yes\r\nMessage-Account: sip:evil@198.51.100.1\r\nVoice-Message: 18446744073709551616/1 (0/99999999999999999999)\r\n";
    assert_eq!(tells(&mut um, "1001", TERMINATED, hostile).what(), "200");
    let seen = watcher.notified();
    assert_eq!(
        seen.body(),
        "Messages-Waiting: yes\r\nMessage-Account: sip:5000@corp.test\r\nVoice-Message: 4294967295/1 (0/4294967295)\r\n"
    );
    // T12: a PBX that is no UM, and a stranger without and with a user's password.
    let mut pbx = Peer::new(Over::Udp, "127.0.0.1", ringpost.sip);
    assert_eq!(tells(&mut pbx, "1001", TERMINATED, &exchange(7, 7)).what(), "405");
    let mut stranger = Peer::new(Over::Udp, "127.0.0.9", ringpost.sip);
    assert_eq!(tells(&mut stranger, "1001", TERMINATED, &exchange(7, 7)).what(), "401");
    let mut phone = Phone::new(Over::Udp, "127.0.0.2", &ringpost, "1001");
    let lines =
        format!("Event: message-summary\r\n{TERMINATED}Content-Type: application/simple-message-summary\r\n");
    let (_, answer) = phone.asks("NOTIFY", "sip:1001@corp.test", &lines, &exchange(7, 7), 0);
    assert_eq!(answer.what(), "405");
    watcher.sees_nothing_for(Duration::from_millis(100));
    assert!(!ringpost.log().contains("panicked"));
    ringpost.is_well();
}

/// A NOTIFY that was overtaken by a later one of its series counts for nothing.
#[test]
fn r207_an_overtaken_notify_counts_for_nothing() {
    let ringpost = um_site("").start();
    let mut um = um(&ringpost, Over::Udp);
    let lines = "Event: message-summary\r\nContent-Type: application/simple-message-summary\r\n";
    let draft =
        um.draft("NOTIFY", "sip:1001@corp.test", lines, &exchange(2, 0)).replace("CSeq: 1 ", "CSeq: 7 ");
    um.send(draft.as_bytes());
    assert_eq!(um.expect_any().what(), "200");
    let late = draft.replace("CSeq: 7 ", "CSeq: 6 ").replace("2/0", "1/0").replace("z9hG4bK", "z9hG4bKlate");
    // The Call-ID is made of the branch: it is that of the first one again.
    let call_id = Sip::new(draft.as_bytes()).one("Call-ID").to_owned();
    let own = Sip::new(late.as_bytes()).one("Call-ID").to_owned();
    um.send(late.replace(&own, &call_id).as_bytes());
    assert_eq!(um.expect_any().what(), "500");
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    assert!(watcher.subscribes("1001", "message-summary", "").body().contains("Voice-Message: 2/0 (0/0)"));
    ringpost.is_well();
}
