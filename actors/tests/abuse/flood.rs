//! T10: a flood of INVITEs over the limit is told to come again; what runs goes on.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    office::Office,
    support::{Over, Peer, SDP, Sip, metrics::number, until},
    watched,
};

#[test]
fn a_flood_of_invites_is_told_to_come_again_and_the_calls_that_run_can_end() {
    let (site, port) = watched("trunk_requests_per_second = 30");
    let mut office = Office::on(site, Over::Udp, "missed_calls = \"off\"");
    let talk = office.talks();
    let mut flood = Peer::new(Over::Udp, "127.0.0.1", office.ringpost.sip);
    let uri = format!("sip:9999@{}", office.ringpost.sip);
    let mut heard: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..500 {
        flood.request("INVITE", &uri, "", SDP);
        let refusal = Sip::new(&flood.octets(Duration::from_secs(5)).expect("an answer to each"));
        if refusal.what() == "503" {
            assert_eq!(refusal.one("Retry-After"), "5");
        }
        *heard.entry(refusal.what().to_owned()).or_default() += 1;
    }
    assert_eq!(heard.values().sum::<usize>(), 500);
    assert!(heard["503"] > 300, "{heard:?}");
    assert_eq!(number(port, "over_rate_total"), heard["503"] as u64);
    // The same source: its call goes on and ends, for that is in a dialog.
    office.hangs_up(talk);
    drop(flood);
    until("the trunk may call again", || {
        office.pbx.invite("1001");
        office.pbx.next(Duration::from_millis(200)).is_none_or(|answer| answer.what() != "503")
    });
}

#[test]
fn strangers_in_a_flood_take_no_memory_and_a_trunks_call_completes() {
    // T9, T10: no transaction is kept for them, whatever they send.
    let (site, port) = watched("sources = 100\nban_after = 0");
    let mut office = Office::on(site, Over::Udp, "missed_calls = \"off\"");
    let before = office.ringpost.resident();
    for host in 2..250 {
        let mut stranger = Peer::new(Over::Udp, &format!("127.0.1.{host}"), office.ringpost.sip);
        let uri = format!("sip:1001@{}", office.ringpost.sip);
        for method in ["INVITE", "REGISTER", "OPTIONS"].iter().cycle().take(60) {
            stranger.request(method, &uri, "", SDP);
        }
    }
    // What the kernel could not keep of the flood is lost, and so would be a call in the midst of it.
    office.ringpost.is_well();
    let talk = office.talks();
    office.hangs_up(talk);
    let after = office.ringpost.resident();
    assert!(after < before + 10_240, "{before} KiB before, {after} KiB after");
    assert!(number(port, "sources") <= 100);
    assert_eq!(number(port, "calls_total"), 1);
    office.ends();
}
