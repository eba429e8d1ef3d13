//! Counts of a UM elsewhere that is asked for them: `messages` of a connector (RFC 3842).

use std::time::Duration;

use crate::{
    server::Pbx,
    support::{Over, Ringpost, Sip},
    watcher::{Watcher, site},
};

const KIND: &str = "application/simple-message-summary";

fn fetched(ringpost: &Ringpost) -> Sip {
    Watcher::new(ringpost, Over::Udp, "1001").subscribes("1001", "message-summary", "Expires: 0\r\n")
}

/// Watchers hear what the UM tells; a reload drops nothing of it, and straight after a kill it is there though the UM is silent.
#[test]
fn r207_counts_that_a_connector_asks_for_outlive_a_reload_and_a_kill() {
    let site = site("");
    let mut um = Pbx::new(&site, Over::Udp);
    let table = um.table("telephony = \"none\"\nmessages = true\nusers = [\"1001\"]");
    let mut ringpost = site.table(&table).user("1001", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1001");
    watcher.subscribes("1001", "message-summary", "");
    let mut asked = um.serves("1001");
    assert_eq!(asked.package, "message-summary");
    let body = "Messages-Waiting: yes\r\nMessage-Account: sip:vm@pbx.test\r\nVoice-Message: 5/2 (1/0)\r\n";
    assert_eq!(um.says(&mut asked, "active;expires=600", KIND, body), "200");
    let seen = watcher.sees("Voice-Message: 5/2 (1/0)");
    assert!(!seen.body().contains("vm@pbx.test"), "{seen}");
    // Lamps without a count, and a body that is none: the latter is refused and changes nothing.
    assert_ne!(um.says(&mut asked, "active;expires=600", KIND, "Voice-Message: 1/0\r\n"), "200");
    assert_eq!(um.says(&mut asked, "active;expires=600", KIND, "Messages-Waiting: yes\n"), "200");
    let seen = watcher.notified();
    assert!(seen.body().starts_with("Messages-Waiting: yes\r\n") && !seen.body().contains("Voice"), "{seen}");
    assert_eq!(um.says(&mut asked, "active;expires=600", KIND, body), "200");
    watcher.sees("5/2");
    ringpost.reload(&format!("{}\n# the same\n", ringpost.site()));
    ringpost.logs("Read the site file again");
    watcher.sees_nothing_for(Duration::from_millis(600));
    assert!(fetched(&ringpost).body().contains("5/2"));
    um.lives = false;
    std::thread::sleep(Duration::from_millis(1_200));
    ringpost.kill();
    ringpost.restart();
    assert!(fetched(&ringpost).body().contains("Voice-Message: 5/2 (1/0)"));
    ringpost.reload(&ringpost.site().replace("messages = true", "rich = true"));
    crate::support::until("it is not asked for any more", || fetched(&ringpost).body().contains("0/0"));
    ringpost.is_well();
}
