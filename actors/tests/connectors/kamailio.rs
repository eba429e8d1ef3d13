//! Kamailio as the presence server that Ringpost subscribes to: on UDP and TCP, with and without a password; killed and back.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    pbx::{dialogs, pidf},
    server::Kamailio,
    support::{Over, Peer, metrics, ports, until},
    watcher::{self, Watcher},
};

/// Whoever publishes there, for one package.
struct Publisher {
    peer: Peer,
    package: &'static str,
    kind: &'static str,
    tag: String,
}

impl Publisher {
    fn new(kamailio: &Kamailio, package: &'static str, kind: &'static str) -> Self {
        let peer = Peer::new(Over::Udp, "127.0.0.1", kamailio.address);
        Self { peer, package, kind, tag: String::new() }
    }

    fn publishes(&mut self, body: &str) {
        let with =
            if self.tag.is_empty() { String::new() } else { format!("SIP-If-Match: {}\r\n", self.tag) };
        let lines =
            format!("Event: {}\r\nExpires: 600\r\nContent-Type: {}\r\n{with}", self.package, self.kind);
        self.peer.request("PUBLISH", "sip:1001@corp.test", &lines, body);
        let ok = self.peer.expect("200");
        self.tag = ok.one("SIP-ETag").to_owned();
    }
}

const BUSY: &str = ">busy</own:telephony>";
const FREE: &str = ">available</own:telephony>";
const NOWHERE: &str = ">offline</own:telephony>";

/// What is published there is seen here at once; while Kamailio is dead nothing of it is, and when it is back, without its memory,
/// the state of now is seen within 30 s (T31).
#[test]
fn t31_what_kamailio_knows_is_seen_and_right_again_when_it_is_back() {
    for (over, last, digest) in [(Over::Udp, 32, true), (Over::Tcp, 33, false)] {
        let address = SocketAddr::from(([127, 0, 0, last], ports(1)));
        let defines: &[&str] = if digest { &["DIGEST=1"] } else { &[] };
        let Some(mut kamailio) = Kamailio::start(address, defines) else { return };
        let site = watcher::site("full = [\"1002\"]");
        std::fs::write(site.folder.path().join("password"), "correct horse\n").expect("written");
        let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
        let transport = if over == Over::Tcp { "tcp" } else { "udp" };
        let login = if digest { "login = \"ringpost\"\npassword_file = \"password\"" } else { "" };
        let connector = |name: &str, telephony: &str| {
            format!(
                "[[presence.connector]]\nname = \"{name}\"\nserver = \"{address}\"\ntransport = \"{transport}\"\ndomain = \"corp.test\"\n\
                 telephony = \"{telephony}\"\nkeep_alive = \"1s\"\nexpires = \"20s\"\nusers = [\"1001\"]\n{login}\n"
            )
        };
        let ringpost = site
            .table(&format!(
                "[metrics]\nlisten = \"{health}\"\n{}{}",
                connector("states", "presence"),
                connector("lamps", "dialog")
            ))
            .user("1001", &[], "")
            .user("1002", &[], "")
            .start();
        let mut presence = Watcher::new(&ringpost, Over::Udp, "1002");
        presence.subscribes("1001", "presence", "");
        let mut lamp = Watcher::new(&ringpost, Over::Udp, "1002");
        lamp.subscribes("1001", "dialog", "");
        let publishers = |kamailio: &Kamailio| {
            (
                Publisher::new(kamailio, "presence", "application/pidf+xml"),
                Publisher::new(kamailio, "dialog", "application/dialog-info+xml"),
            )
        };
        let held = || metrics::number(health.port(), "subscriptions_out") == 2;
        until("both are subscribed to", held);
        let (mut states, mut lamps) = publishers(&kamailio);
        states.publishes(&pidf("open", "on-the-phone", ""));
        lamps.publishes(&dialogs((1, true), &[("a", "confirmed")]));
        presence.sees(BUSY);
        lamp.sees("<state>confirmed");
        lamps.publishes(&dialogs((2, true), &[]));
        assert_eq!(watcher::lamp(&lamp.sees("dialog-info")), "-");
        states.publishes(&pidf("open", "", ""));
        presence.sees(FREE);
        states.publishes(&pidf("open", "on-the-phone", ""));
        presence.sees(BUSY);
        drop(kamailio);
        let gone = Instant::now();
        presence.sees(NOWHERE);
        println!("{over:?}: not busy any more after {:?}", gone.elapsed());
        kamailio = Kamailio::start(address, defines).expect("it was there before");
        let back = Instant::now();
        let (mut states, mut lamps) = publishers(&kamailio);
        states.publishes(&pidf("open", "busy", ""));
        lamps.publishes(&dialogs((1, true), &[("b", "early")]));
        presence.sees(BUSY);
        lamp.sees("<state>early");
        println!("{over:?}: right {:?} after it was back", back.elapsed());
        assert!(back.elapsed() < Duration::from_secs(30), "{:?}", back.elapsed());
        // Killed and back between two questions: that is found out by prolonging one after the other.
        drop(kamailio);
        kamailio = Kamailio::start(address, defines).expect("it was there before");
        let back = Instant::now();
        let (mut states, _) = publishers(&kamailio);
        states.publishes(&pidf("open", "", ""));
        presence.sees(FREE);
        println!("{over:?}: right {:?} after it was fast to come back", back.elapsed());
        until("both are subscribed to", held);
        drop((presence, lamp));
        ringpost.stops_well();
    }
}
