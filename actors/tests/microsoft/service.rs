//! SERVICE: what a call makes of the user at the server (R21, R23, R54), and every answer (T6, T31).

use std::{
    fs,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{RootCertStore, ServerConfig, pki_types::pem::PemObject, server::WebPkiClientVerifier};

use crate::{
    authority::{Authority, params},
    ocs::{Kept, Next, Ocs, wrong_delta},
    program::{Over, Peer, Ringpost, Site, metrics, peer::Dialog, ports, until},
};

const USER: &str = "sip:1001@corp.test";
const PHONE: u32 = 8;

/// The server, and a call that makes changes.
struct Stage {
    ocs: Ocs,
    pbx: Peer,
    phone: Peer,
    ringpost: Ringpost,
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 31], ports(1)))
}

fn started(lines: &str) -> Stage {
    let ocs = Ocs::start(address(), Kept::default());
    with(ocs, Site::new(), lines)
}

fn with(ocs: Ocs, site: Site, lines: &str) -> Stage {
    fs::write(site.folder.path().join("password"), "correct horse\n").expect("written");
    let (pbx, phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site
        .table(&format!(
            "[presence]\nenabled = true\n[presence.publish.ocs]\nkind = \"microsoft\"\npublish_gap = \"10ms\"\n\
             server = \"sip:{};transport=tcp\"\nusers = [\"1001\"]\n{lines}",
            ocs.address
        ))
        .user("1001", &[&phone], "")
        .start();
    Stage { ocs, pbx, phone, ringpost }
}

/// The phone's state at the server: nothing, or in a call.
fn talks(ocs: &Ocs) -> bool {
    ocs.state(USER, PHONE).is_some_and(|state| {
        assert!(state.contains("type=phoneState") && state.contains("availability 6500"), "{state}");
        state.contains("activity token=on-the-phone minAvailability=6500 maxAvailability=8999")
    })
}

impl Stage {
    fn call(&mut self) -> Dialog {
        let invite = self.pbx.invite("1001");
        let ring = self.phone.expect("INVITE");
        self.pbx.talks(&invite, &mut self.phone, &ring)
    }

    fn hang_up(&mut self, mut talk: Dialog) {
        self.pbx.ends(&mut talk, &mut self.phone);
    }

    fn is_told_at_first(&self) {
        self.ocs.until("told at first", |ocs| ocs.served().iter().any(|one| one.code == 200));
    }
}

/// A call is the phone's state for everybody, both containers, and nothing afterwards; nothing is sent while nothing changes;
/// whoever stops takes all back (R21, R23).
#[test]
fn a_call_is_told_and_taken_back_and_nothing_is_told_twice() {
    let mut stage = started("keep_alive = \"1s\"");
    stage.is_told_at_first();
    let waiting = stage.ocs.category(USER, "mwi");
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert!(waiting.values().all(|text| text.contains("messageWaiting false")), "{waiting:?}");
    for round in 1..=2 {
        let call = stage.call();
        stage.ocs.until("busy", talks);
        stage.hang_up(call);
        stage.ocs.until("free", |ocs| ocs.state(USER, PHONE).is_none());
        assert_eq!(stage.ocs.served().len(), 1 + 2 * round, "{:#?}", stage.ocs.served());
    }
    assert_eq!(stage.ocs.is_left_alone(3), 0, "R23");
    assert!(stage.ocs.served().iter().all(|one| one.code == 200));
    assert!(stage.ocs.served().iter().all(|one| one.request.contains("expireType=\"endpoint\"")));
    let Stage { ocs, pbx, phone, ringpost } = stage;
    drop((pbx, phone));
    ringpost.stops_well();
    ocs.until("all is taken back", |ocs| ocs.kept().held.is_empty());
}

/// Other writers, a server that has other versions all the time, one that lets nobody take back what is not there, and
/// answers that are none (T6): the state of now gets there.
#[test]
fn every_answer_leads_to_the_present_state() {
    let mut stage = started("keep_alive = \"30s\"");
    stage.is_told_at_first();
    stage.ocs.is_written_by_another();
    let call = stage.call();
    stage.ocs.until("busy", talks);
    stage.ocs.is_written_by_another();
    stage.hang_up(call);
    stage.ocs.until("free", |ocs| ocs.state(USER, PHONE).is_none());
    assert!(stage.ocs.served().iter().any(|one| one.code == 409));
    let deep = "<a>".repeat(100_000);
    let endless =
        |n: u32| Next::Says(409, "", wrong_delta(&format!("<operation index=\"1\" curVersion=\"{n}\"/>")));
    for (what, next) in [
        ("WrongDelta without an end", (50..54).map(endless).collect::<Vec<_>>()),
        ("500", vec![Next::Says(500, "", String::new())]),
        ("503", vec![Next::Says(503, "Retry-After: 1\r\n", String::new())]),
        ("entities", vec![Next::Says(409, "", "<!DOCTYPE a [<!ENTITY b \"b\">]><a>&b;</a>".into())]),
        ("depth", vec![Next::Says(409, "", deep)]),
        (
            "another code",
            vec![Next::Says(400, "", "\u{FEFF}<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>".into())],
        ),
        ("no body", vec![Next::Says(409, "", String::new())]),
    ] {
        let before = stage.ocs.served().len();
        let many = next.len();
        stage.ocs.does_next(next);
        let call = stage.call();
        stage.ocs.until(what, talks);
        let tries = stage.ocs.served().len() - before;
        assert!(tries <= many + 2, "{what}: {tries}");
        stage.hang_up(call);
        stage.ocs.until(what, |ocs| ocs.state(USER, PHONE).is_none());
    }
    stage.ringpost.is_well();
}

/// At first much is taken back that may not be there; a server that does not have that is told only what there is.
#[test]
fn what_is_not_there_need_not_be_taken_back() {
    let ocs = Ocs::start(address(), Kept::default());
    ocs.does_next([Next::Says(404, "", String::new())]);
    let stage = with(ocs, Site::new(), "keep_alive = \"30s\"");
    stage.is_told_at_first();
    let served = stage.ocs.served();
    assert_eq!((served[0].code, served[1].code, served[1].operations), (404, 200, 1), "{served:#?}");
}

/// Killed in a call, Ringpost has no version any more, and nothing says that the call is over but that it is not there: the
/// server is told both at the start.
#[test]
fn a_restart_of_ringpost_leaves_no_call_behind() {
    let mut stage = started("keep_alive = \"30s\"");
    stage.is_told_at_first();
    for _ in 0..3 {
        let call = stage.call();
        stage.ocs.until("busy", talks);
        stage.hang_up(call);
        stage.ocs.until("free", |ocs| ocs.state(USER, PHONE).is_none());
    }
    let _call = stage.call();
    stage.ocs.until("busy", talks);
    let before = stage.ocs.served().len();
    stage.ringpost.kill();
    stage.ringpost.restart();
    stage.ocs.until("free", |ocs| ocs.state(USER, PHONE).is_none());
    let served = &stage.ocs.served()[before..];
    assert_eq!(served.iter().map(|one| one.code).collect::<Vec<_>>(), [409, 200], "{served:#?}");
    let call = stage.call();
    stage.ocs.until("busy", talks);
    stage.hang_up(call);
    stage.ocs.until("free", |ocs| ocs.state(USER, PHONE).is_none());
}

/// T31: a server that was away, with or without its memory, has the state of now within five seconds, and is told no old one.
#[test]
fn a_server_that_is_back_is_told_the_state_of_now() {
    let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let mut stage = started(&format!("keep_alive = \"1s\"\n[metrics]\nlisten = \"{health}\""));
    stage.is_told_at_first();
    let of = |colour: &str| {
        let text = metrics::ask(health.port(), "GET /health HTTP/1.0\r\n\r\n");
        text.contains(&format!("{colour} presence server ocs"))
    };
    for remembers in [true, false] {
        let call = stage.call();
        stage.ocs.until("busy", talks);
        let address = stage.ocs.address;
        let kept = stage.ocs.killed();
        assert!(kept.held.keys().any(|(_, _, instance, _)| instance >> 28 == PHONE));
        until("yellow", || of("yellow"));
        stage.ocs = Ocs::start(address, if remembers { kept } else { Kept::default() });
        let back = Instant::now();
        if remembers {
            let mut pbx = stage.pbx;
            let mut talk = call;
            pbx.inside(&mut talk, "BYE", "", "");
            pbx.expect("200");
            let bye = stage.phone.expect("BYE");
            stage.phone.answer(&bye, 200);
            stage.pbx = pbx;
            stage.ocs.until("free", |ocs| ocs.state(USER, PHONE).is_none());
        } else {
            stage.ocs.until("busy", talks);
            stage.ocs.until("all of it", |ocs| ocs.category(USER, "mwi").len() == 1);
            stage.hang_up(call);
        }
        let took = back.elapsed();
        println!("with its memory: {remembers}; told {took:?} after it was back");
        assert!(took < Duration::from_secs(5), "{took:?}");
        until("green", || of("green"));
        stage.ocs.until("free", |ocs| ocs.state(USER, PHONE).is_none());
    }
    // A request that nobody answers is sent again, with whatever versions the server has by then.
    stage.ocs.does_next([Next::Silent]);
    let call = stage.call();
    stage.ocs.until("busy", talks);
    stage.hang_up(call);
    stage.ocs.until("free", |ocs| ocs.state(USER, PHONE).is_none());
    stage.ringpost.is_well();
}

/// A trusted server shows its certificate (mutual TLS); digest works beside it.
#[test]
fn a_trusted_server_shows_its_certificate_and_answers_digest() {
    let site = Site::new();
    let authority = Authority::new("ours");
    let lines = authority.site(site.folder.path(), &["ringpost.corp.test", "127.0.0.1"]);
    let pair = authority.signs(&params(&["127.0.0.31"]));
    let mut roots = RootCertStore::empty();
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(authority.pem().as_bytes());
    roots.add(certificate.expect("a certificate")).expect("a CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![pair.certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(pair.key.serialize_der()).expect("a key"),
        )
        .expect("a pair");
    let ocs = Ocs::with(address(), Kept::default(), Some(Arc::new(tls)));
    ocs.wants_digest("ocs.test");
    let listen = format!("[\"udp:{0}\", \"tcp:{0}\", \"tls:127.0.0.1:{1}\"]", site.sip, ports(1));
    let login = "login = \"ringpost\"\npassword_file = \"password\"\nrealm = \"ocs.test\"";
    let server = format!("server = \"sip:{};transport=tls\"", ocs.address);
    let site = site.listen(&listen).table(&lines);
    let (pbx, phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    fs::write(site.folder.path().join("password"), "correct horse\n").expect("written");
    let ringpost = site
        .table(&format!(
            "[presence]\nenabled = true\n[presence.publish.ocs]\nkind = \"microsoft\"\n{server}\n{login}"
        ))
        .user("1001", &[&phone], "")
        .start();
    let mut stage = Stage { ocs, pbx, phone, ringpost };
    stage.is_told_at_first();
    assert_eq!(stage.ocs.certificates(), 1);
    let call = stage.call();
    stage.ocs.until("busy", talks);
    stage.hang_up(call);
    stage.ocs.until("free", |ocs| ocs.state(USER, PHONE).is_none());
}

/// A user whom the site tells of no more, what it wants to be told no more, and a server that it has no more: all is taken back,
/// also where the gap between two changes is long.
#[test]
fn what_the_site_tells_no_more_is_taken_back_at_once() {
    let ocs = Ocs::start(address(), Kept::default());
    let mut stage = with(ocs, Site::new(), "keep_alive = \"30s\"");
    stage.is_told_at_first();
    let _call = stage.call();
    stage.ocs.until("busy", talks);
    let site = stage.ringpost.site();
    stage.ringpost.reload(&site.replace("publish_gap", "message_waiting = false\npublish_gap"));
    stage.ocs.until("no counts", |ocs| ocs.category(USER, "mwi").is_empty());
    assert!(talks(&stage.ocs));
    stage.ringpost.reload(&site.replace("users = [\"1001\"]", "users = [\"1002\"]"));
    stage.ocs.until("all is taken back", |ocs| ocs.kept().held.is_empty());
    stage.ringpost.reload(&site.replace("publish_gap = \"10ms\"", "publish_gap = \"10m\""));
    stage.ocs.until("busy", talks);
    let (before, _) = site.split_once("[presence.publish.ocs]").expect("the table");
    let (_, users) = site.split_once("[[user]]").expect("a user");
    stage.ringpost.reload(&format!("{before}[[user]]{users}"));
    stage.ocs.until("all is taken back", |ocs| ocs.kept().held.is_empty());
    stage.ringpost.is_well();
}

/// R46–R50: whoever has no flag is not told of; `ringpost stage` says who is where.
#[test]
fn whoever_is_without_the_flag_is_not_told_of() {
    let ocs = Ocs::start(address(), Kept::default());
    let site = Site::new();
    let phone = site.peer(Over::Udp);
    let ringpost = site
        .table(&format!(
            "[presence]\nenabled = true\n[presence.publish.ocs]\nkind = \"microsoft\"\nserver = \"sip:{};transport=tcp\"\nkeep_alive = \"1s\"",
            ocs.address
        ))
        .user("1001", &[&phone], "[user.presence]\nenhanced = false")
        .user("1002", &[&phone], "[user.presence]\nenhanced = true\nrich_mode = true")
        .user("1003", &[&phone], "")
        .start();
    ocs.until("both are told of", |ocs| {
        ["sip:1002@corp.test", "sip:1003@corp.test"].iter().all(|user| !ocs.category(user, "mwi").is_empty())
    });
    ocs.is_left_alone(2);
    assert!(ocs.served().iter().all(|one| !one.request.contains("sip:1001@")), "{:#?}", ocs.served());
    let asked = |more: &[&str]| {
        let site = ringpost.folder.path().join("site.toml");
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args(["stage", "--config"])
            .arg(site)
            .args(more)
            .output()
            .expect("it runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("UTF-8")
    };
    let text = asked(&[]);
    for line in [
        "1  sip:1001@corp.test  told at nowhere; not at ocs\n",
        "3  sip:1002@corp.test  told at ocs\n",
        "stage 3: 1",
        "no stage known: 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&asked(&["--json"])).expect("JSON");
    assert_eq!((&json["stages"], &json["users"][1]["stage"]), (&serde_json::json!([1, 0, 1]), &3.into()));
}
