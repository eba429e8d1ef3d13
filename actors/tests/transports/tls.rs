//! TLS as a server and as a client.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rcgen::{SanType, date_time_ymd};

use crate::{
    authority::{Authority, Client, Server, params},
    support::{Over, Ringpost, Site, ports, until},
};

pub const NAMES: [&str; 1] = ["ringpost.corp.test"];

/// A site that listens on TLS as well, and where.
pub fn site(authority: &Authority) -> (Site, SocketAddr) {
    let site = Site::new();
    let (sip, tls) = (site.sip, SocketAddr::from(([127, 0, 0, 1], ports(1))));
    let keys = authority.site(site.folder.path(), &NAMES);
    (site.listen(&format!("[\"udp:{sip}\", \"tcp:{sip}\", \"tls:{tls}\"]")).table(&keys), tls)
}

pub fn options(client: &mut Client) -> Result<String, std::io::Error> {
    client.write_all(text("OPTIONS").as_bytes())?;
    hears(client)
}

pub fn text(method: &str) -> String {
    format!(
        "{method} sip:1001@corp.test SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK{0};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@pbx.test>;tag=a\r\nTo: <sip:1001@corp.test>\r\nCall-ID: {0}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:a@127.0.0.1:9;transport=tls>\r\nContent-Length: 0\r\n\r\n",
        fastrand::u64(..)
    )
}

pub fn hears(client: &mut Client) -> Result<String, std::io::Error> {
    let mut octets = [0; 4_096];
    let length = client.read(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets[..length]).into_owned())
}

/// T21, R87: what a device shows is refused and the reason told, or taken.
#[test]
fn t21_a_bad_certificate_is_refused_and_the_reason_logged() {
    let (good, other) = (Authority::new("good"), Authority::new("other"));
    let named = params(&["127.0.0.1"]);
    let (mut expired, mut early, mut nul) = (named.clone(), named.clone(), named.clone());
    (expired.not_before, expired.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    early.not_before = date_time_ymd(2090, 1, 1);
    early.not_after = date_time_ymd(2091, 1, 1);
    nul.subject_alt_names.push(SanType::DnsName("a.test\0.evil.test".try_into().expect("ASCII")));
    let mut many = named.clone();
    let name = |at: usize| SanType::DnsName(format!("n{at}.corp.test").try_into().expect("ASCII"));
    many.subject_alt_names.extend((0..1_000).map(name));
    let (selfsigned, key) =
        (rcgen::KeyPair::generate().map(|key| (named.self_signed(&key), key))).expect("a key");
    let selfsigned = crate::authority::Pair { certificate: selfsigned.expect("a certificate"), key };
    for (kind, pair, reason) in [
        ("wrongname", good.signs(&params(&["127.0.0.2", "a.test"])), Some("NotValidForName")),
        ("expired", good.signs(&expired), Some("xpired")),
        ("notyet", good.signs(&early), Some("not valid yet")),
        ("selfsigned", selfsigned, Some("invalid peer certificate")),
        ("unknownca", other.signs(&named), Some("UnknownIssuer")),
        ("nosan", good.signs(&params(&[])), Some("NotValidForName")),
        ("nulsan", good.signs(&nul), Some("BadEncoding")),
        ("good", good.signs(&named), None),
        ("manysan", good.signs(&many), None),
    ] {
        let server = Server::new(&pair);
        let (site, _) = site(&good);
        let mut pbx = site.peer(Over::Udp);
        let user = format!(
            "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\nmissed_calls = \"off\"\ndevices = [{:?}]",
            server.uri()
        );
        let ringpost = site.table(&user).start();
        pbx.invite("1001");
        let heard = server.hears();
        match reason {
            Some(reason) => {
                assert!(!heard.is_ok_and(|heard| heard.contains("SIP/2.0")), "{kind}");
                until("the reason", || {
                    ringpost
                        .log()
                        .lines()
                        .any(|line| line.contains("Could not connect") && line.contains(reason))
                });
            }
            None => {
                let heard = heard.unwrap_or_else(|error| panic!("{kind}: {error}"));
                assert!(
                    heard.starts_with("INVITE ") && heard.contains("Via: SIP/2.0/TLS "),
                    "{kind}: {heard}"
                );
                assert!(heard.contains(";transport=tls>"), "Contact says so: {heard}");
            }
        }
    }
}

/// R87: a certificate of a trunk's name makes its bearer that trunk, whatever its address; a wildcard's bearer too.
#[test]
fn a_trunk_is_known_by_its_certificate() {
    let authority = Authority::new("good");
    let (site, tls) = site(&authority);
    let ringpost = site.table("[[trunk]]\nname = \"cloud\"\ntls_names = [\"pbx.example.com\"]").start();
    for (names, taken) in
        [(&["pbx.example.com"], true), (&["*.example.com"], true), (&["other.example.org"], false)]
    {
        let pair = authority.signs(&params(names));
        let mut client = authority.connect_from("127.0.0.9", tls, (NAMES[0], Some(&pair)));
        let answer = options(&mut client).expect("an answer");
        assert_eq!(answer.starts_with("SIP/2.0 200"), taken, "{names:?}: {answer}");
    }
    let stranger =
        options(&mut authority.connect_from("127.0.0.9", tls, (NAMES[0], None))).expect("an answer");
    assert!(stranger.starts_with("SIP/2.0 403"), "{stranger}");
    // A certificate that nobody whom we believe has signed ends the handshake.
    let forged = Authority::new("good").signs(&params(&["pbx.example.com"]));
    assert!(options(&mut authority.connect_from("127.0.0.9", tls, (NAMES[0], Some(&forged)))).is_err());
    ringpost.logs("A handshake failed");
}

/// T3 on TLS: octet by octet. T7: handshakes that do not go on are cut off, and others go through meanwhile.
#[test]
fn t3_t7_octet_by_octet_and_slow_handshakes() {
    let authority = Authority::new("good");
    let (site, tls) = site(&authority);
    let ringpost = site.start();
    let mut client = authority.connect(tls, NAMES[0]);
    for octet in text("OPTIONS").as_bytes() {
        client.write_all(&[*octet]).expect("the connection is open");
        client.flush().expect("the connection is open");
    }
    assert!(hears(&mut client).expect("an answer").starts_with("SIP/2.0 200"));
    let mut slow: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(tls).expect("a connection")).collect();
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        let _ = stream.write(&[0x16, 0x03]);
        let ended = stream.read(&mut [0; 16]);
        assert!(!matches!(ended, Ok(1..)), "nothing is said to who says nothing");
    }
    ringpost.logs("it took too long");
    let mut client = authority.connect(tls, NAMES[0]);
    assert!(options(&mut client).expect("an answer").starts_with("SIP/2.0 200"));
}

/// A renewed certificate is shown to the next peer, and the open connection goes on (R41).
#[test]
fn r41_certificates_are_renewed_while_ringpost_runs() {
    let authority = Authority::new("good");
    let (site, tls) = site(&authority);
    let ringpost: Ringpost = site.start();
    ringpost.logs("A certificate is good");
    let mut before = authority.connect(tls, NAMES[0]);
    assert!(options(&mut before).is_ok());
    assert!(options(&mut authority.connect(tls, "new.corp.test")).is_err(), "not its name yet");
    authority.renews(ringpost.folder.path(), &["new.corp.test"]);
    ringpost.logs("Read the certificates again");
    until("the new name", || options(&mut authority.connect(tls, "new.corp.test")).is_ok());
    assert!(options(&mut before).expect("an answer").starts_with("SIP/2.0 200"));
}
