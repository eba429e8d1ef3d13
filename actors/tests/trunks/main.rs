//! Calls that leave by trunks, and registrations at providers.

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../registrar/phone.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod phone;

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod authority;

mod challenges;
mod forwarding;
mod kamailio;
mod lines;
mod locations;
mod offices;
mod outbound;
mod policies;
mod referred;
mod registering;
mod relay;
mod sites;
mod ways;

use support::{Over, Peer, Ringpost, Site};

/// A PBX that may call through Ringpost, and trunks behind it, each at an address of its own.
struct Exchange {
    pbx: Peer,
    trunks: Vec<Peer>,
    /// 1001's.
    phone: Peer,
    ringpost: Ringpost,
}

impl Exchange {
    /// Each trunk serves every number; `lines` are its further lines. `[outbound]` allows +49 and +45, country is 49.
    fn new(over: Over, pbx: &str, trunks: &[&str]) -> Self {
        Self::on(Site::new(), over, pbx, trunks)
    }

    fn on(site: Site, over: Over, pbx: &str, trunks: &[&str]) -> Self {
        let mut site = site.table(&format!(
            "[outbound]\nallowed_prefixes = [\"+49\", \"+45\"]\ncountry = \"49\"\nring_for = \"60s\"\n\
             [[trunk]]\nname = \"office\"\nsources = [\"127.0.0.5\"]\n{pbx}"
        ));
        let mut peers = vec![];
        for (at, lines) in trunks.iter().enumerate() {
            let ip = format!("127.0.0.{}", 11 + at);
            let peer = Peer::new(over, &ip, site.sip);
            let target = peer.uri().replace("peer@", "");
            site = site.table(&format!(
                "[[trunk]]\nname = \"trunk{at}\"\nsources = [{ip:?}]\ntarget = {target:?}\nprefixes = [\"+\"]\n{lines}"
            ));
            peers.push(peer);
        }
        let pbx = Peer::new(over, "127.0.0.5", site.sip);
        let phone = site.peer(over);
        let ringpost = site.user("1001", &[&phone], "missed_calls = \"off\"").start();
        Self { pbx, trunks: peers, phone, ringpost }
    }
}
