//! R104: people elsewhere, seen through the connector that serves their domain; one subscription for all who watch.

use std::time::Duration;

use crate::{
    pbx::{Pbx, pidf},
    support::{Over, Ringpost},
    watcher::{self, Watcher},
};

const EVE: &str = "eve@partner.example";

fn started() -> (Ringpost, Pbx) {
    let site = watcher::site(
        "[[presence.list]]\naddress = \"sip:team@corp.test\"\nmembers = [\"1001\", \"sip:eve@partner.example\", \"sip:x@nowhere.example\"]",
    );
    let pbx = Pbx::new(&site, Over::Udp);
    let table = pbx.table("keep_alive = \"60s\"\ntelephony = \"none\"\ndomains = [\"Partner.example\"]");
    let ringpost = site.table(&table).user("1001", &[], "").user("1002", &[], "").start();
    (ringpost, pbx)
}

#[test]
fn r104_a_foreign_address_is_subscribed_to_once_for_all_who_watch() {
    let (ringpost, mut pbx) = started();
    let mut one = Watcher::new(&ringpost, Over::Udp, "1001");
    one.subscribes(EVE, "presence", "");
    let asked = pbx.asked_for("eve");
    assert_eq!((asked.uri(), asked.one("Event")), ("sip:eve@partner.example", "presence"));
    let mut eve = pbx.grants(&asked, 600);
    let body = pidf("open", "on-the-phone", "in Rome");
    assert_eq!(pbx.says(&mut eve, "active;expires=600", "application/pidf+xml", &body), "200");
    let seen = one.sees(">busy</own:telephony>");
    assert!(
        seen.body().contains("in Rome") && seen.body().contains("entity=\"sip:eve@partner.example\""),
        "{seen}"
    );
    // The next one is told at once, and so is who watches a list that she is in.
    let mut two = Watcher::new(&ringpost, Over::Udp, "1002");
    assert!(two.subscribes(EVE, "presence", "").body().contains("in Rome"));
    let mut list = Watcher::new(&ringpost, Over::Tcp, "1002");
    let wants =
        "Supported: eventlist\r\nAccept: application/pidf+xml, application/rlmi+xml, multipart/related\r\n";
    let first = list.subscribes("team", "presence", wants);
    let (body, nowhere) = (
        first.body(),
        "uri=\"sip:x@nowhere.example\"><instance id=\"1\" state=\"terminated\" reason=\"noresource\"",
    );
    assert!(body.contains("in Rome") && body.contains(nowhere), "{body}");
    // What waits for her is nobody's here to tell.
    let mut counts = Watcher::new(&ringpost, Over::Tcp, "1002");
    let wants = wants.replace("pidf+xml", "simple-message-summary");
    let first = counts.subscribes("team", "message-summary", &wants);
    let rejected =
        "uri=\"sip:eve@partner.example\"><instance id=\"1\" state=\"terminated\" reason=\"rejected\"";
    assert!(first.body().contains(rejected) && !first.body().contains("Messages-Waiting"), "{first}");
    counts.refreshes(0);
    pbx.is_not_asked_for(Duration::from_millis(200));
    let body = pidf("open", "", "in Oslo");
    assert_eq!(pbx.says(&mut eve, "active;expires=600", "application/pidf+xml", &body), "200");
    for watcher in [&mut one, &mut two, &mut list] {
        watcher.sees("in Oslo");
    }
    // Whoever serves no such domain has no such people; and they are for users only.
    one.is_refused("x@nowhere.example", "Event: presence\r\n", 404);
    let mut stranger = Watcher::new(&ringpost, Over::Udp, "+4544890101");
    stranger.is_refused(EVE, "Event: presence\r\n", 403);
    // It ends after the last one has left, and begins with the next.
    one.refreshes(0);
    two.refreshes(0);
    pbx.is_not_asked_for(Duration::from_millis(200));
    list.refreshes(0);
    let last = pbx.asked_for("eve");
    assert_eq!(last.one("Expires"), "0", "{last}");
    pbx.peer.answer_with(&last, 200, "Expires: 0\r\n", "");
    let first = one.subscribes(EVE, "presence", "");
    assert!(!first.body().contains("in Oslo"), "{first}");
    assert_eq!(pbx.asked_for("eve").to_tag(), "");
    ringpost.is_well();
}

/// A user whose address is of such a domain is no stranger: the user says who sees what; and neither is a stranger who becomes one.
#[test]
fn r104_a_user_of_a_served_domain_is_seen_as_the_user_wishes() {
    let site = watcher::site("");
    let mut pbx = Pbx::new(&site, Over::Udp);
    let table = pbx.table("keep_alive = \"60s\"\ntelephony = \"none\"\ndomains = [\"partner.example\"]");
    let user = |name: &str, number: u32| {
        format!(
            "[[user]]\naddress = \"sip:{name}@partner.example\"\nnumbers = [\"{number}\"]\nmissed_calls = \"off\"\n\
             presence = {{ users = \"block\" }}\n"
        )
    };
    let ringpost = site
        .table(&format!("{table}{}# here", user("ada", 1_003)))
        .user("1001", &[], "")
        .user("1002", &[], "")
        .start();
    let mut one = Watcher::new(&ringpost, Over::Udp, "1001");
    for written in ["ada@partner.example", "ada@Partner.EXAMPLE"] {
        for package in ["presence", "dialog"] {
            one.is_refused(written, &format!("Event: {package}\r\n"), 403);
        }
    }
    one.subscribes(EVE, "presence", "");
    let mut eve = pbx.serves("eve");
    let kind = "application/pidf+xml";
    assert_eq!(pbx.says(&mut eve, "active;expires=600", kind, &pidf("open", "", "in Rome")), "200");
    one.sees("in Rome");
    ringpost.reload(&ringpost.site().replace("# here", &user("eve", 1_004)));
    let last = one.notified();
    assert!(last.one("Subscription-State").contains("noresource"), "{last}");
    one.is_refused(EVE, "Event: presence\r\n", 403);
    ringpost.is_well();
}

/// A watcher's subscription to a foreign address outlives a kill of Ringpost, and a reload that takes the domain away ends it.
#[test]
fn r104_subscriptions_to_foreign_addresses_outlive_a_kill_and_end_with_their_connector() {
    let (mut ringpost, mut pbx) = started();
    let mut one = Watcher::new(&ringpost, Over::Udp, "1001");
    one.subscribes(EVE, "presence", "");
    let mut eve = pbx.serves("eve");
    let kind = "application/pidf+xml";
    assert_eq!(pbx.says(&mut eve, "active;expires=600", kind, &pidf("open", "", "in Rome")), "200");
    one.sees("in Rome");
    let store = ringpost.folder.path().join("store.db");
    crate::support::until("the subscription is written", || {
        let rows = rusqlite::Connection::open(&store).and_then(|store| {
            store.query_row("SELECT count(*) FROM presence WHERE body LIKE '%eve@%'", [], |row| {
                row.get::<_, u32>(0)
            })
        });
        rows.is_ok_and(|rows| rows > 0)
    });
    ringpost.kill();
    ringpost.restart();
    let anew = pbx.asked_for("eve");
    assert_eq!(anew.to_tag(), "", "{anew}");
    let mut eve = pbx.grants(&anew, 600);
    assert_eq!(pbx.says(&mut eve, "active;expires=600", kind, &pidf("open", "", "in Oslo")), "200");
    one.sees("in Oslo");
    ringpost
        .reload(&ringpost.site().replace("domains = [\"Partner.example\"]", "domains = [\"other.example\"]"));
    let end = loop {
        let notify = one.notified();
        if notify.one("Subscription-State").starts_with("terminated") {
            break notify;
        }
    };
    assert!(end.one("Subscription-State").contains("noresource"), "{end}");
    ringpost.is_well();
}
