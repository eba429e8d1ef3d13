//! Which connection a message takes: the one that a TLS peer has opened and says `alias` on (RFC 5923), from every lane; a new
//! one to the Via's port for a response whose connection has gone (RFC 3261 §18.2.2).

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use crate::{
    QUICK,
    authority::{Authority, Client, params},
    dns::Dns,
    support::{Over, Peer, Site, ports},
};

/// What the other end sends next.
fn hears(client: &mut Client) -> String {
    let mut octets = [0; 8_192];
    let length = client.read(&mut octets).expect("the connection is open");
    String::from_utf8_lossy(&octets[..length]).into_owned()
}

fn options(client: &mut Client, sent_by: &str, params: &str) {
    let text = format!(
        "OPTIONS sip:1001@corp.test SIP/2.0\r\nVia: SIP/2.0/TLS {sent_by};branch=z9hG4bK{0}{params}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@pbx.test>;tag=a\r\nTo: <sip:1001@corp.test>\r\nCall-ID: {0}\r\nCSeq: 1 OPTIONS\r\n\
         Contact: <sip:a@{sent_by};transport=tls>\r\nContent-Length: 0\r\n\r\n",
        fastrand::u64(..)
    );
    client.write_all(text.as_bytes()).expect("the connection is open");
    let answer = hears(client);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
}

#[test]
fn a_peer_is_called_on_its_own_connection_only_where_its_certificate_says_that_it_is_that_peer() {
    for (what, names, params_of_via, reused) in [
        ("alias", &["sbc.test"], ";alias", true),
        ("no alias", &["sbc.test"], "", false),
        ("another's name", &["other.test"], ";alias", false),
    ] {
        let authority = Authority::new("good");
        let site = Site::new();
        let (sip, tls) = (site.sip, SocketAddr::from(([127, 0, 0, 1], ports(1))));
        let keys = authority.site(site.folder.path(), &["ringpost.corp.test"]);
        // The peer's own listener: refuses TLS, but tells that it was called there.
        let listener = TcpListener::bind("127.0.0.9:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let place = format!("sbc.test:{}", listener.local_addr().expect("bound").port());
        let dns = Dns::new("sbc.test A 127.0.0.9");
        let mut pbx = site.peer(Over::Udp);
        let ringpost = site
            .listen(&format!("[\"udp:{sip}\", \"tcp:{sip}\", \"tls:{tls}\"]"))
            .sip("lanes = 2")
            .trunk_line("transit = true")
            .table(&keys)
            .table(&dns.table(QUICK))
            .table("[outbound]\nallowed_prefixes = [\"+49\"]")
            .table(&format!(
                "[[trunk]]\nname = \"sbc\"\nsources = [\"127.0.0.9\"]\ntls_names = [\"sbc.test\"]\nprefixes = [\"+\"]\n\
                 target = \"sip:{place};transport=tls\""
            ))
            .start();
        let pair = authority.signs(&params(names));
        let mut client = authority.connect_from("127.0.0.9", tls, ("ringpost.corp.test", Some(&pair)));
        options(&mut client, &place, params_of_via);
        client.sock.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket");
        // Calls of both lanes: their Call-IDs decide.
        for _ in 0..6 {
            pbx.invite("+4930123");
            if reused {
                let heard = hears(&mut client);
                assert!(heard.starts_with("INVITE sip:+4930123@sbc.test"), "{what}: {heard}");
                assert!(heard.contains(";alias;"), "we say so, too: {heard}");
            }
        }
        match reused {
            true => assert!(listener.accept().is_err(), "{what}: no connection was opened"),
            false => crate::support::until(what, || listener.accept().is_ok()),
        }
        drop((client, ringpost));
    }
}

#[test]
fn a_response_whose_connection_has_gone_goes_to_the_port_of_the_via() {
    let site = Site::new();
    let mut phone = site.peer(Over::Udp);
    let mut caller = Peer::new(Over::Tcp, "127.0.0.1", site.sip);
    let ringpost = site.user("1001", &[&phone], "missed_calls = \"off\"").start();
    let draft = caller.draft("INVITE", &format!("sip:1001@{}", ringpost.sip), "", crate::support::SDP);
    let mut stream = TcpStream::connect(ringpost.sip).expect("it listens");
    stream.write_all(draft.as_bytes()).expect("sent");
    let out = phone.expect("INVITE");
    drop(stream);
    ringpost.logs("Connection closed");
    phone.answer(&out, 180);
    assert_eq!(caller.expect("180").one("CSeq"), "1 INVITE");
}
