//! R206: what a restart, tidy or not, leaves of subscriptions and publications; R57, R119: a reload drops none.

use std::{thread, time::Duration};

use crate::{
    support::{Over, Sip, until},
    watcher::{Watcher, lamp, site, tag, telephony},
};

fn sequence(notify: &Sip) -> u32 {
    notify.one("CSeq").split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Each watcher is told the whole state anew, in the same dialog, with numbers above those before; publications hold.
#[test]
fn subscriptions_and_publications_outlive_a_kill() {
    for over in Over::BOTH {
        let mut ringpost = site("users = \"full\"\nresume_within = \"1s\"")
            .user("1001", &[], "")
            .user("1002", &[], "")
            .start();
        let mut watcher = Watcher::new(&ringpost, over, "1002");
        let mut phone = Watcher::new(&ringpost, Over::Udp, "1001");
        watcher.subscribes("1001", "presence", "Expires: 600\r\n");
        let body = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1001@corp.test\"><tuple id=\"a\"><status><basic>open</basic>\
            </status><note>At my desk</note></tuple></presence>";
        let lines = "Event: presence\r\nExpires: 600\r\nContent-Type: application/pidf+xml\r\n";
        phone.asks("PUBLISH", "1001", lines, body);
        let published = tag(&phone.peer.expect("200"));
        let before = watcher.sees("At my desk");
        // They are written within a second or so.
        thread::sleep(Duration::from_millis(1_800));
        ringpost.kill();
        ringpost.restart();
        if over == Over::Tcp {
            watcher.peer.hangs_up();
        }
        let after = watcher.notified();
        assert!(after.body().contains("At my desk"), "{after}");
        assert_eq!((after.one("Call-ID"), after.one("From")), (before.one("Call-ID"), before.one("From")));
        assert!(sequence(&after) > sequence(&before));
        assert!(watcher.refreshes(600).body().contains("At my desk"));
        let lines = format!("Event: presence\r\nExpires: 0\r\nSIP-If-Match: {published}\r\n");
        phone.asks("PUBLISH", "1001", &lines, "");
        phone.peer.expect("200");
        let now = watcher.notified();
        assert!(!now.body().contains("At my desk"), "{now}");
        ringpost.is_well();
    }
}

/// A tidy end leaves on the disk what the last moment has brought.
#[test]
fn a_subscription_of_the_last_moment_outlives_a_tidy_end() {
    let mut ringpost =
        site("users = \"full\"\nresume_within = \"1s\"").user("1001", &[], "").user("1002", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    let before = watcher.subscribes("1001", "dialog", "Expires: 600\r\n");
    assert!(ringpost.terminate().success());
    ringpost.restart();
    let after = watcher.notified();
    assert_eq!((after.one("Call-ID"), after.one("From")), (before.one("Call-ID"), before.one("From")));
    ringpost.is_well();
}

/// Connections that nobody uses are closed, by either side: the watcher is told at its Contact then, and others as ever.
#[test]
fn a_subscription_outlives_its_connection() {
    let ringpost = site("users = \"full\"").user("1001", &[], "").user("1002", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Tcp, "1002");
    watcher.subscribes("1001", "presence", "Expires: 600\r\n");
    let mut phone = Watcher::new(&ringpost, Over::Udp, "1001");
    for note in ["Here", "There"] {
        watcher.peer.hangs_up();
        let body = format!(
            "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1001@corp.test\"><note>{note}</note></presence>"
        );
        let lines = "Event: presence\r\nContent-Type: application/pidf+xml\r\n";
        phone.asks("PUBLISH", "1001", lines, &body);
        phone.peer.expect("200");
        watcher.sees(note);
    }
    assert!(watcher.refreshes(600).one("Subscription-State").starts_with("active"));
    ringpost.is_well();
}

/// A call that a kill has ended is not on anybody's lamp any more.
#[test]
fn no_lamp_stays_lit_over_a_kill() {
    let site = site("users = \"full\"\nresume_within = \"1s\"");
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let mut ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "dialog", "Expires: 600\r\n");
    thread::sleep(Duration::from_millis(1_500));
    pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    watcher.sees("early");
    ringpost.kill();
    ringpost.restart();
    assert_eq!(lamp(&watcher.notified()), "-");
}

/// A reload changes what is seen, at once, and ends only what may not be any more.
#[test]
fn a_reload_drops_no_subscription() {
    let quiet = "[user.policy]\ndo_not_disturb = \"off\"";
    let ringpost =
        site("users = \"full\"").user("1001", &[], quiet).user("1002", &[], "").user("1003", &[], "").start();
    let mut stays = Watcher::new(&ringpost, Over::Udp, "1002");
    let mut ends = Watcher::new(&ringpost, Over::Udp, "1003");
    assert_eq!(telephony(&stays.subscribes("1001", "presence", "")), "offline");
    ends.subscribes("1001", "presence", "");
    let text = ringpost.site().replace("users = \"full\"", "users = \"reduced\"\nblock = [\"1003\"]");
    let text = text.replace("do_not_disturb = \"off\"", "do_not_disturb = \"busy\"");
    ringpost.reload(&text);
    until("the site was read", || ringpost.log().contains("Read the site file again"));
    stays.sees(">do-not-disturb</own:telephony>");
    let mut last = ends.notified();
    while last.one("Subscription-State").starts_with("active") {
        last = ends.notified();
    }
    assert_eq!(last.one("Subscription-State"), "terminated;reason=rejected");
    assert_eq!(ends.refresh(60).what(), "481");
    assert!(stays.refreshes(600).one("Subscription-State").starts_with("active"));
    ringpost.is_well();
}

/// Presence is turned off while it is used: each watcher is told that it is over, and later ones are refused as ever.
#[test]
fn a_site_that_turns_it_off_ends_every_subscription() {
    let ringpost = site("users = \"full\"").user("1001", &[], "").user("1002", &[], "").start();
    let mut watcher = Watcher::new(&ringpost, Over::Udp, "1002");
    watcher.subscribes("1001", "presence", "");
    ringpost.reload(&ringpost.site().replace("enabled = true", "enabled = false"));
    assert_eq!(watcher.notified().one("Subscription-State"), "terminated;reason=noresource");
    watcher.is_refused("1001", "Event: presence\r\n", 405);
    ringpost.stops_well();
}
