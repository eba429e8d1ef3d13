//! Many users at one connector: asked for at its pace, known soon, and no call waits for it. `RINGPOST_CROWD=5000` for more.

use std::{
    fmt::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    support::{Over, Site, metrics, ports, within},
    watcher::{self, Watcher},
};

#[test]
fn a_crowd_is_known_soon_and_costs_no_call() {
    let count = std::env::var("RINGPOST_CROWD").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let users = |site: Site| {
        let mut all = String::new();
        for number in 10_000..10_000 + count {
            let user = format!(
                "[[user]]\naddress = \"sip:{number}@corp.test\"\nnumbers = [\"{number}\"]\nmissed_calls = \"off\"\n"
            );
            all.write_str(&user).expect("a String takes every text");
        }
        site.table(&all).log_level("info")
    };
    let there = users(watcher::site("trunks = \"full\"")).start();
    let site = watcher::site("");
    let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let table = format!(
        "[metrics]\nlisten = \"{health}\"\n[[presence.connector]]\nname = \"node\"\nserver = \"{}\"\ndomain = \"corp.test\"\n\
         telephony = \"dialog\"\nuri = \"sip:node@other.test\"\nkeep_alive = \"1s\"\nat_once = 64\nper_second = 500",
        there.sip
    );
    let before = Instant::now();
    let mut phone = site.peer(Over::Udp);
    let here = users(site.table(&table)).user("1001", &[&phone], "").start();
    let empty = here.resident();
    // One more than the server knows.
    let held = || metrics::number(health.port(), "subscriptions_out");
    let patience = Duration::from_secs(20) + Duration::from_millis(20) * count;
    let mut caller = crate::support::Peer::new(Over::Udp, "127.0.0.1", here.sip);
    caller.invite("1001");
    phone.expect("INVITE");
    within(patience, "all are subscribed to", || held() >= u64::from(count));
    let (took, grown) = (before.elapsed(), here.resident().saturating_sub(empty));
    println!("noisy machine: {count} users known after {took:?}, {grown} KiB more");
    assert!(took > Duration::from_millis(2) * count, "no faster than allowed: {took:?}");
    assert_eq!(held(), u64::from(count), "nobody who is not known there");
    let last = 10_000 + count - 1;
    let mut local = Watcher::new(&here, Over::Udp, &last.to_string());
    local.subscribes("10000", "presence", "");
    let mut publisher = Watcher::new(&there, Over::Udp, "10000");
    let lines = "Event: dialog\r\nExpires: 600\r\nContent-Type: application/dialog-info+xml\r\n";
    publisher.asks("PUBLISH", "10000", lines, &crate::pbx::dialogs((1, true), &[("a", "confirmed")]));
    publisher.peer.expect("200");
    local.sees(">busy</own:telephony>");
    here.is_well();
}
