//! RFC 4662 and RFC 5367: several users in one subscription.

use crate::{
    support::Over,
    watcher::{Watcher, site},
};

const TAKES: &str = "Supported: eventlist\r\nAccept: application/pidf+xml, application/dialog-info+xml\r\n\
    Accept: application/rlmi+xml, multipart/related\r\n";

#[test]
fn a_list_of_the_site_is_one_subscription() {
    let lines = "users = \"full\"\n[[presence.list]]\naddress = \"sip:team@corp.test\"\nmembers = [\"1001\", \"1002\", \"4711\", \"1003\"]";
    let site = site(lines);
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site
        .user("1001", &[&phone], "")
        .user("1002", &[], "[user.presence]\nblock = [\"1003\"]")
        .user("1003", &[], "")
        .start();
    let mut watcher = Watcher::new(&ringpost, Over::Tcp, "1003");
    let refusal = watcher.is_refused("team", "Event: dialog\r\n", 421);
    assert_eq!(refusal.one("Require"), "eventlist");
    let first = watcher.subscribes("team", "dialog", TAKES);
    assert_eq!(first.one("Require"), "eventlist");
    let kind = first.one("Content-Type").to_owned();
    assert!(kind.starts_with("multipart/related;type=\"application/rlmi+xml\""), "{kind}");
    let body = first.body();
    assert!(body.contains("fullState=\"true\"") && body.matches("<resource ").count() == 4, "{body}");
    assert!(body.contains("<resource uri=\"sip:1002@corp.test\"><name>User 1002</name><instance id=\"1\" state=\"terminated\" reason=\"rejected\"/>"), "{body}");
    assert!(
        body.contains(
            "<resource uri=\"4711\"><instance id=\"1\" state=\"terminated\" reason=\"noresource\"/>"
        ),
        "{body}"
    );
    assert_eq!(body.matches("<dialog-info ").count(), 2, "{body}");
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    let told = watcher.sees("<state>early</state>");
    // What has changed, and nothing else.
    assert!(
        told.body().contains("fullState=\"false\"") && told.body().matches("<resource ").count() == 1,
        "{told}"
    );
    pbx.cancel(&invite, "");
    watcher.notified();
    let again = watcher.refreshes(600);
    assert!(again.body().contains("fullState=\"true\""), "{again}");
    let last = watcher.refreshes(0);
    assert!(last.one("Subscription-State").starts_with("terminated"));
    ringpost.is_well();
}

/// R58, R119: a reload changes who is in a list and what of them may be seen, in the same subscription; one that is gone ends.
#[test]
fn a_reload_changes_a_list_and_drops_no_subscription() {
    let lines = "users = \"full\"\n[[presence.list]]\naddress = \"sip:team@corp.test\"\nmembers = [\"1001\"]";
    let site = site(lines);
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost =
        ["1001", "1002", "1003"].iter().fold(site, |site, user| site.user(user, &[&phone], "")).start();
    let mut watcher = Watcher::new(&ringpost, Over::Tcp, "1003");
    // RFC 4662 §4.2: the option tag is enough.
    let first = watcher.subscribes("team", "presence", "Supported: eventlist\r\n");
    assert_eq!(first.body().matches("<resource ").count(), 1, "{first}");
    // What presence does not show is no news for a list either.
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    watcher.sees_nothing_for(std::time::Duration::from_millis(300));
    pbx.cancel(&invite, "");
    let both = ringpost.site().replace("members = [\"1001\"]", "members = [\"1001\", \"1002\"]");
    ringpost.reload(&both);
    let told = watcher.notified();
    assert!(told.body().contains("fullState=\"true\""), "{told}");
    assert_eq!(told.body().matches("state=\"active\"").count(), 2, "{told}");
    // Whoever was in it before is heard of as ever.
    let busy = "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"1\" state=\"full\" \
        entity=\"sip:1001@corp.test\"><dialog id=\"d\"><state>confirmed</state></dialog></dialog-info>";
    let lines = "Event: dialog\r\nExpires: 60\r\nContent-Type: application/dialog-info+xml\r\n";
    let mut device = Watcher::new(&ringpost, Over::Udp, "1001");
    device.asks("PUBLISH", "1001", lines, busy);
    device.peer.expect("200");
    watcher.sees("on-the-phone");
    ringpost.reload(&both.replace("users = \"full\"", "users = \"full\"\nblock = [\"1003\"]"));
    let told = watcher.notified();
    assert_eq!(told.body().matches("reason=\"rejected\"").count(), 2, "{told}");
    ringpost.reload(&both.replace("sip:team@", "sip:others@"));
    assert_eq!(watcher.notified().one("Subscription-State"), "terminated;reason=noresource");
    assert_eq!(watcher.refresh(60).what(), "481");
    ringpost.is_well();
}

#[test]
fn a_list_may_come_with_the_subscribe() {
    let ringpost = site("users = \"full\"\nmax_list = 2").user("1001", &[], "").user("1002", &[], "").start();
    let list = |uris: &[&str]| {
        let entries: String = uris.iter().map(|uri| format!("<entry uri=\"{uri}\"/>")).collect();
        format!(
            "<?xml version=\"1.0\"?><resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>{entries}</list></resource-lists>"
        )
    };
    let mut watcher = Watcher::new(&ringpost, Over::Tcp, "1002");
    let lines = format!(
        "Event: presence\r\n{TAKES}Require: recipient-list-subscribe\r\nContent-Type: application/resource-lists+xml\r\n"
    );
    watcher.asks(
        "SUBSCRIBE",
        "any",
        &lines.replace("Require: recipient-list-subscribe\r\n", ""),
        &list(&["sip:1001@corp.test", "sip:1001@elsewhere.test"]),
    );
    watcher.peer.expect("200");
    let told = watcher.notified();
    assert_eq!(told.body().matches("<presence ").count(), 1, "{told}");
    assert!(told.body().contains("reason=\"noresource\""), "{told}");
    let three = list(&["sip:1@a", "sip:2@a", "sip:3@a"]);
    watcher.asks("SUBSCRIBE", "any", &lines.replace("Require: recipient-list-subscribe\r\n", ""), &three);
    watcher.peer.expect("400");
    ringpost.is_well();
}
