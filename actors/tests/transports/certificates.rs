//! Which certificate is shown, which are believed, until when, and who is told (R41, R87, T21).

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use rcgen::CertificateParams;
use tokio_tungstenite::tungstenite::{self, ClientRequestBuilder, Message};

use crate::{
    authority::{Authority, Pair, Server, params},
    dns::Dns,
    support::{Over, Site, metrics::number, ports, until, within},
    tls::{NAMES, options, site},
};

/// A certificate's content that ends in so many seconds; below zero: it has ended.
fn ends_in(mut params: CertificateParams, seconds: i64) -> CertificateParams {
    let now = SystemTime::now();
    let moment = |seconds: i64| match u64::try_from(seconds) {
        Ok(later) => now + Duration::from_secs(later),
        Err(_) => now - Duration::from_secs(seconds.unsigned_abs()),
    };
    params.not_before = moment(seconds.min(0) - 86_400).into();
    params.not_after = moment(seconds).into();
    params
}

/// Several certificates, each for who asks for its name by SNI; of two for one name the one that is good now.
#[test]
fn the_certificate_of_the_name_that_was_asked_for_is_shown() {
    let authority = Authority::new("good");
    let site = Site::new();
    let keys = authority.site(site.folder.path(), &NAMES);
    let pairs = [
        ("b", authority.signs(&params(&["b.corp.test", "*.web.test"]))),
        ("old", authority.signs(&ends_in(params(&["c.corp.test"]), -60))),
        ("new", authority.signs(&params(&["c.corp.test"]))),
    ];
    pairs.iter().for_each(|(name, pair)| pair.writes(site.folder.path(), name));
    let keys = keys
        .replace("[\"own.pem\"]", "[\"own.pem\", \"b.pem\", \"old.pem\", \"new.pem\"]")
        .replace("[\"own.key\"]", "[\"own.key\", \"b.key\", \"old.key\", \"new.key\"]");
    let (sip, tls, wss) = (site.sip, loopback(), loopback());
    let ringpost =
        site.listen(&format!("[\"udp:{sip}\", \"tls:{tls}\", \"wss:{wss}\"]")).table(&keys).start();
    for (name, shown) in [
        (NAMES[0], true),
        ("b.corp.test", true),
        ("x.web.test", true),
        ("c.corp.test", true),
        ("other.test", false),
    ] {
        assert_eq!(options(&mut authority.connect(tls, name)).is_ok(), shown, "{name}");
        let mut web = authority.connect(wss, name);
        assert_eq!(web.conn.complete_io(&mut web.sock).is_ok(), shown, "{name} by wss");
    }
    // Which ends and which has ended is told.
    ringpost.logs("A certificate ends soon, or has ended file=");
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], ports(1)))
}

/// R41: browsers see a renewed certificate too, and an open WebSocket goes on.
#[test]
fn r41_a_renewed_certificate_is_shown_to_browsers() {
    let authority = Authority::new("good");
    let site = Site::new();
    let keys = authority.site(site.folder.path(), &NAMES);
    let (sip, wss) = (site.sip, loopback());
    let ringpost = site.listen(&format!("[\"udp:{sip}\", \"wss:{wss}\"]")).table(&keys).start();
    let opens = |name: &str| {
        let uri = format!("wss://{name}/").parse().expect("a URI");
        let request = ClientRequestBuilder::new(uri).with_sub_protocol("sip");
        tungstenite::client(request, authority.connect(wss, name)).map(|(socket, _)| socket).ok()
    };
    let mut before = opens(NAMES[0]).expect("its name");
    let mut answers = || {
        let text = crate::tls::text("OPTIONS").replace("SIP/2.0/TLS", "SIP/2.0/WSS");
        before.send(Message::text(text)).expect("it is open");
        before.read().expect("an answer").into_text().expect("UTF-8").starts_with("SIP/2.0 200")
    };
    assert!(answers());
    assert!(opens("new.corp.test").is_none(), "not its name yet");
    authority.renews(ringpost.folder.path(), &["new.corp.test"]);
    until("the new name", || opens("new.corp.test").is_some());
    assert!(answers());
}

/// R87: what the certificate of a server by a name has to say. The DNS says where, not who (RFC 5922 §4).
#[test]
fn r87_a_server_by_its_name_shows_a_certificate_of_that_name() {
    for (wildcards, names, taken) in [
        (true, "desk.corp.test", true),
        (true, "*.corp.test", true),
        (false, "desk.corp.test", true),
        (false, "*.corp.test", false),
        (true, "127.0.0.1", false),
        (true, "*.desk.corp.test", false),
    ] {
        let authority = Authority::new("good");
        let server = Server::new(&authority.signs(&params(&[names])));
        let (site, _) = site(&authority);
        let mut pbx = site.peer(Over::Udp);
        let dns = Dns::new("desk.corp.test A 127.0.0.1");
        let uri = server.uri().replace("127.0.0.1", "desk.corp.test");
        let ringpost = site
            .replace("handshakes = 8", &format!("handshakes = 8\nwildcards = {wildcards}"))
            .table(&dns.table(""))
            .table(&format!(
                "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\nmissed_calls = \"off\"\ndevices = [{uri:?}]"
            ))
            .start();
        pbx.invite("1001");
        let heard = server.hears();
        assert_eq!(heard.is_ok_and(|heard| heard.starts_with("INVITE ")), taken, "{names}, {wildcards}");
        if !taken {
            ringpost.logs("NotValidForName");
        }
    }
}

/// Names are kept as long as Ringpost runs, so there are only so many of them.
#[test]
fn above_its_number_of_names_another_name_counts_as_not_found() {
    let authority = Authority::new("good");
    let servers = ["a.corp.test", "b.corp.test"].map(|name| Server::new(&authority.signs(&params(&[name]))));
    let (site, _) = site(&authority);
    let mut pbx = site.peer(Over::Udp);
    let (metrics, dns) = (ports(1), Dns::new("a.corp.test A 127.0.0.1\nb.corp.test A 127.0.0.1"));
    let user = |at: usize, name: &str| {
        let uri = servers[at].uri().replace("127.0.0.1", name);
        format!(
            "[[user]]\naddress = \"sip:100{at}@corp.test\"\nnumbers = [\"100{at}\"]\nmissed_calls = \"off\"\ndevices = [{uri:?}]"
        )
    };
    let _ringpost = site
        .replace("handshakes = 8", "handshakes = 8\nmax_names = 1")
        .table(&dns.table(""))
        .table(&format!("[metrics]\nlisten = \"127.0.0.1:{metrics}\""))
        .table(&user(0, "a.corp.test"))
        .table(&user(1, "b.corp.test"))
        .start();
    pbx.invite("1000");
    assert!(servers[0].hears().expect("the first name").starts_with("INVITE "));
    assert_eq!(number(metrics, "tls_names_refused_total"), 0);
    pbx.invite("1001");
    until("the second is refused", || number(metrics, "tls_names_refused_total") > 0);
}

/// RFC 5922 §7.2 to the letter, for who comes in as well.
#[test]
fn r87_without_wildcards_a_trunk_has_its_own_name() {
    let authority = Authority::new("good");
    let (site, tls) = site(&authority);
    let _ringpost = site
        .replace("handshakes = 8", "handshakes = 8\nwildcards = false")
        .table("[[trunk]]\nname = \"cloud\"\ntls_names = [\"pbx.example.com\"]")
        .start();
    for (name, taken) in [("pbx.example.com", true), ("*.example.com", false)] {
        let pair = authority.signs(&params(&[name]));
        let mut client = authority.connect_from("127.0.0.9", tls, (NAMES[0], Some(&pair)));
        let answer = options(&mut client).expect("an answer");
        assert_eq!(answer.starts_with("SIP/2.0 200"), taken, "{name}: {answer}");
    }
}

/// T21: what was good when it was first seen is refused from its last second on, also where a session goes on.
#[test]
fn t21_a_certificate_that_ends_while_ringpost_runs_is_refused_from_then_on() {
    let authority = Authority::new("good");
    let pair: Pair = authority.signs(&ends_in(params(&["127.0.0.1"]), 4));
    let server = Server::new(&pair);
    let (site, tls) = site(&authority);
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site
        .table("[[trunk]]\nname = \"cloud\"\ntls_names = [\"127.0.0.1\"]")
        .table(&format!(
            "[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\nmissed_calls = \"off\"\ndevices = [{:?}]",
            server.uri()
        ))
        .start();
    let client = authority.caller(NAMES[0], Some(&pair));
    let comes = || options(&mut client.connect_from("127.0.0.9", tls));
    pbx.invite("1001");
    assert!(server.hears().expect("it is good").starts_with("INVITE "));
    assert!(comes().expect("it is good").starts_with("SIP/2.0 200"));
    within(Duration::from_secs(15), "it has ended", || {
        !comes().is_ok_and(|told| told.starts_with("SIP/2.0 200"))
    });
    pbx.invite("1001");
    assert!(!server.hears().is_ok_and(|heard| heard.contains("SIP/2.0")));
    ringpost.logs("xpired");
    until("both are refused", || ringpost.log().contains("Could not connect"));
    ringpost.logs("A handshake failed");
}

/// R41: a CA of the folder is believed from its first second to its last, and no longer.
#[test]
fn r41_an_authority_is_believed_as_long_as_it_is_good() {
    let own = Authority::new("own");
    let ending = Authority::of("ending", ends_in(CertificateParams::default(), 5));
    let ended = Authority::of("ended", ends_in(CertificateParams::default(), -5));
    let (site, tls) = site(&own);
    for (name, authority) in [("ending", &ending), ("ended", &ended)] {
        fs::write(site.folder.path().join(format!("ca/{name}.pem")), authority.pem()).expect("a file");
    }
    let ringpost = site.table("[[trunk]]\nname = \"cloud\"\ntls_names = [\"pbx.example.com\"]").start();
    let comes = |authority: &Authority| {
        let pair = authority.signs(&params(&["pbx.example.com"]));
        options(&mut own.connect_from("127.0.0.9", tls, (NAMES[0], Some(&pair))))
            .is_ok_and(|told| told.starts_with("SIP/2.0 200"))
    };
    assert!(comes(&own) && comes(&ending));
    assert!(!comes(&ended));
    ringpost.logs("its time is not now");
    within(Duration::from_secs(15), "it has ended", || !comes(&ending));
    assert!(comes(&own));
    ringpost.logs("Read the certificates again");
}

/// R41: the end is told ahead.
#[test]
fn r41_a_certificate_that_ends_soon_is_told_in_the_log_the_numbers_and_the_health_report() {
    let authority = Authority::new("good");
    let (site, _) = site(&authority);
    let folder = site.folder.path().to_owned();
    let end =
        |days: i64| authority.signs(&ends_in(params(&NAMES), days * 86_400 + 60)).writes(&folder, "own");
    end(20);
    let metrics = ports(1);
    let ringpost = site.table(&format!("[metrics]\nlisten = \"127.0.0.1:{metrics}\"")).start();
    let health = || crate::support::metrics::ask(metrics, "GET /health HTTP/1.0\r\n\r\n");
    ringpost.logs("days=20");
    assert_eq!(number(metrics, "certificates_ending"), 1);
    assert!(health().contains("ends in 20 days"), "{}", health());
    end(31);
    until("the new one is read", || number(metrics, "certificates_ending") == 0);
    assert!(!health().contains("ends in"), "{}", health());
    let told = number(metrics, "certificate_end");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    assert!((30..=31).contains(&((told - now) / 86_400)), "{told}");
}
