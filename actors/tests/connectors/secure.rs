//! Subscriptions by TLS: another Ringpost with a good certificate, and with one that is none of that server's (R87).

use crate::{
    authority::Authority,
    support::{Over, metrics, ports, until},
    watcher::{self, Watcher},
};

#[test]
fn r87_a_server_by_tls_is_believed_for_its_certificate_only() {
    let authority = Authority::new("good");
    for (name, good) in [("127.0.0.1", true), ("elsewhere.test", false)] {
        let site = watcher::site("trunks = \"full\"");
        let (sip, tls) = (site.sip, std::net::SocketAddr::from(([127, 0, 0, 1], ports(1))));
        let keys = authority.site(site.folder.path(), &[name]);
        let listen = |sip, tls| format!("[\"udp:{sip}\", \"tcp:{sip}\", \"tls:{tls}\"]");
        let there = site.listen(&listen(sip, tls)).table(&keys).user("1001", &[], "").start();
        let site = watcher::site("");
        let (own, own_tls) = (site.sip, std::net::SocketAddr::from(([127, 0, 0, 1], ports(1))));
        let keys = authority.site(site.folder.path(), &["127.0.0.1"]);
        let health = std::net::SocketAddr::from(([127, 0, 0, 1], ports(1)));
        let here = site
            .listen(&listen(own, own_tls))
            .table(&format!(
                "{keys}\n[metrics]\nlisten = \"{health}\"\n[[presence.connector]]\nname = \"node\"\nserver = \"{tls}\"\ntransport = \"tls\"\n\
                 domain = \"corp.test\"\nkeep_alive = \"1s\"\nuri = \"sip:node@other.test\""
            ))
            .user("1001", &[], "")
            .start();
        let mut local = Watcher::new(&here, Over::Udp, "1001");
        local.subscribes("1001", "presence", "");
        if good {
            let mut publisher = Watcher::new(&there, Over::Udp, "1001");
            let lines = "Event: dialog\r\nExpires: 600\r\nContent-Type: application/dialog-info+xml\r\n";
            publisher.asks("PUBLISH", "1001", lines, &crate::pbx::dialogs((1, true), &[("a", "confirmed")]));
            publisher.peer.expect("200");
            local.sees(" by=\"node\">busy<");
        } else {
            let part = "connector node: its server does not answer";
            until("it is not believed", || {
                metrics::ask(health.port(), "GET /health HTTP/1.0\r\n\r\n").contains(part)
            });
            assert_eq!(metrics::number(health.port(), "subscribes_sent_total"), 0);
        }
        here.is_well();
    }
}
