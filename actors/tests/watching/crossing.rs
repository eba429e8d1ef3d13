//! T33 from the server's side: messages that cross, and subscriptions that end while a NOTIFY is under way.

use std::time::Duration;

use crate::{
    support::{Over, Ringpost, metrics, ports, until},
    watcher::{Watcher, lamp, site},
};

fn started() -> (Ringpost, u16) {
    let port = ports(1);
    let site = site(&format!("users = \"full\"\n[metrics]\nlisten = \"127.0.0.1:{port}\""));
    (site.user("1001", &[], "").user("1002", &[], "").start(), port)
}

fn open(port: u16) -> u64 {
    metrics::number(port, "subscriptions")
}

/// The watcher ends it while a NOTIFY waits for its answer: one last NOTIFY, and whatever the old one is answered means nothing
/// any more.
#[test]
fn t33_an_unsubscribe_crosses_a_notify() {
    for code in [200, 481, 503] {
        let (ringpost, port) = started();
        let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
        watcher.subscribes("1001", "dialog", "");
        until("one subscription", || open(port) == 1);
        watcher.refresh(600);
        let pending = watcher.peer.expect("NOTIFY");
        assert_eq!(watcher.refresh(0).what(), "200");
        let last = watcher.peer.expect("NOTIFY");
        assert_eq!(last.one("Subscription-State"), "terminated;reason=timeout");
        // The older one is answered last.
        watcher.peer.answer_with(&last, 200, "", "");
        watcher.peer.answer_with(&pending, code, "Retry-After: 1\r\n", "");
        watcher.sees_nothing_for(Duration::from_millis(1_300));
        until("no subscription", || open(port) == 0);
        assert_eq!(watcher.refresh(60).what(), "481");
        ringpost.stops_well();
    }
}

/// The site takes it away while a NOTIFY waits for its answer; the watcher is told, and a late answer breaks nothing.
#[test]
fn t33_a_subscription_is_taken_away_while_a_notify_is_pending() {
    let (ringpost, port) = started();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "dialog", "");
    watcher.refresh(600);
    let pending = watcher.peer.expect("NOTIFY");
    ringpost.reload(&ringpost.site().replace("users = \"full\"", "users = \"block\""));
    let last = watcher.peer.expect("NOTIFY");
    assert_eq!(last.one("Subscription-State"), "terminated;reason=rejected");
    assert!(last.body().is_empty(), "{last}");
    watcher.peer.answer_with(&pending, 481, "", "");
    watcher.peer.answer_with(&last, 481, "", "");
    until("no subscription", || open(port) == 0);
    watcher.sees_nothing_for(Duration::from_millis(200));
    ringpost.stops_well();
}

/// Two refreshes cross on their way: the later one counts, the overtaken one is told so and changes nothing.
#[test]
fn t33_a_refresh_that_was_overtaken_changes_nothing() {
    let (ringpost, _) = started();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "dialog", "Expires: 600\r\n");
    let before = watcher.dialog.clone();
    assert_eq!(lamp(&watcher.refreshes(600)), "-");
    watcher.dialog = before;
    // The same number again, by another branch: an Expires of 0 that was sent before the refresh.
    assert_eq!(watcher.refresh(0).what(), "500");
    watcher.sees_nothing_for(Duration::from_millis(200));
    watcher.dialog.as_mut().expect("subscribed").sequence += 5;
    assert!(watcher.refreshes(600).one("Subscription-State").starts_with("active"));
    ringpost.is_well();
}
