//! SIP servers by their names (RFC 3263) against a DNS server that does what a test says, and against NSD: which server is
//! called, who is called next, what a dead or lying DNS costs (T23); requests too large for UDP (RFC 3261 §18.1.1).

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod authority;
#[path = "../registrar/phone.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod phone;

mod connections;
mod dead;
mod dns;
mod large;
mod next;
mod nsd;
mod outside;

use std::time::Duration;

use dns::Dns;
use support::{Over, Peer, Ringpost, Site, metrics, ports};

/// A site whose user 1001 has one device, `sip:desk@` this; `dns` are lines of `[dns]`.
struct Office {
    pbx: Peer,
    ringpost: Ringpost,
    /// Where it tells its numbers.
    http: u16,
}

impl Office {
    fn of(site: Site, dns: &Dns, lines: &str, device: &str) -> Self {
        Self::ringing_for(site, dns, lines, (device, "8s"))
    }

    fn ringing_for(site: Site, dns: &Dns, lines: &str, (device, time): (&str, &str)) -> Self {
        let http = ports(1);
        let site = site.table(&dns.table(lines)).table(&format!(
            "[metrics]\nlisten = \"127.0.0.1:{http}\"\n[[user]]\naddress = \"sip:1001@corp.test\"\n\
             numbers = [\"1001\"]\nmissed_calls = \"off\"\nring_for = {time:?}\ndevices = [\"sip:desk@{device}\"]"
        ));
        let pbx = site.peer(Over::Udp);
        Self { pbx, ringpost: site.start(), http }
    }

    fn health(&self) -> String {
        metrics::ask(self.http, "GET /health HTTP/1.0\r\n\r\n")
    }

    fn number(&self, name: &str) -> u64 {
        metrics::number(self.http, name)
    }
}

/// A port that is free at every loopback address.
fn port() -> u16 {
    ports(1)
}

/// What a quick site says of names.
const QUICK: &str = "timeout = \"2s\"\ntarget_timeout = \"1s\"";

/// Shorter than any of these, and long enough for a busy machine.
const SOON: Duration = Duration::from_millis(900);
/// Longer than a server may be silent.
const LATER: Duration = Duration::from_millis(1_300);
