//! Kamailio as the presence server that Ringpost publishes at; a watcher there sees the calls that run here.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    server::Kamailio,
    support::{Over, PATIENCE, Peer, Sip, Site, metrics, peer::Dialog, ports, until, within},
};

/// A watcher of 1001 at Kamailio.
struct Watcher {
    peer: Peer,
    /// What Kamailio says meanwhile, for whoever looks at a failure.
    log: PathBuf,
    package: &'static str,
}

impl Watcher {
    fn new(kamailio: &Kamailio, package: &'static str) -> Self {
        let mut peer = Peer::new(Over::Udp, "127.0.0.1", kamailio.address);
        let lines = format!("Event: {package}\r\nExpires: 600\r\n");
        peer.request("SUBSCRIBE", "sip:1001@corp.test", &lines, "");
        Self { peer, log: kamailio.log_file(), package }
    }

    /// The first NOTIFY whose body is so; those before it are answered too.
    fn sees(&mut self, what: &str, so: impl Fn(&str) -> bool) -> Sip {
        let end = Instant::now() + PATIENCE;
        let (mut last, mut answered) = (String::new(), None);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Some(message) = self.peer.next(left) else {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                panic!(
                    "the watcher of {} never saw {what}; the last was {last:?} after {answered:?}; {log}",
                    self.package
                )
            };
            if message.what() != "NOTIFY" {
                assert!(message.what().starts_with('2'), "{message}");
                answered = Some(message.what().to_owned());
                continue;
            }
            self.peer.answer_with(&message, 200, "", "");
            last = message.body().to_owned();
            if so(&last) {
                return message;
            }
        }
    }
}

fn busy(body: &str) -> bool {
    body.contains(">busy</own:telephony>") && body.contains("on-the-phone")
}

fn free(body: &str) -> bool {
    body.contains(">available</own:telephony>") && !body.contains("busy")
}

fn talks(body: &str) -> bool {
    body.contains("<state>confirmed</state>")
}

/// A call from `pbx` that `phone` has answered.
fn talk(pbx: &mut Peer, phone: &mut Peer) -> Dialog {
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    pbx.talks(&invite, phone, &ringing)
}

/// A Ringpost that is killed in a call and started again changes what it has published, and leaves no second publication
/// there: Kamailio tells the dialogs of all of them together.
#[test]
fn r206_a_kill_leaves_no_second_publication() {
    let address = SocketAddr::from(([127, 0, 0, 22], ports(1)));
    let Some(kamailio) = Kamailio::start(address, &[]) else { return };
    let site = Site::new();
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let mut ringpost = site
        .table(&format!(
            "[presence]\nenabled = true\n[presence.publish.front]\nserver = \"sip:{address}\"\naccess = \"full\"\n\
             packages = [\"presence\", \"dialog\"]\nusers = [\"1001\"]\npublish_gap = \"50ms\"\nkeep_alive = \"1s\""
        ))
        .user("1001", &[&phone], "")
        .start();
    let (mut presence, mut dialog) = (Watcher::new(&kamailio, "presence"), Watcher::new(&kamailio, "dialog"));
    let _call = talk(&mut pbx, &mut phone);
    presence.sees("busy", busy);
    dialog.sees("a call", talks);
    let store = rusqlite::Connection::open(ringpost.folder.path().join("store.db")).expect("a store");
    let kept = || -> Vec<String> {
        let mut rows = store.prepare("SELECT body FROM presence WHERE name LIKE 'o %'").expect("a table");
        let rows = rows.query_map([], |row| row.get(0)).expect("readable");
        rows.collect::<Result<_, _>>().expect("rows")
    };
    // Each publication has changed once: the second tag is on the disk some hundredths of a second after its answer.
    let first = kept();
    until("both tags are kept", || kept().len() == 2);
    std::thread::sleep(Duration::from_millis(if first == kept() { 300 } else { 600 }));
    ringpost.kill();
    ringpost.restart();
    presence.sees("free", free);
    dialog.sees("no call", |body| !talks(body));
    // Its publications are one again: the next call shows, and goes.
    let call = talk(&mut pbx, &mut phone);
    dialog.sees("a call", |body| body.matches("<state>confirmed</state>").count() == 1);
    hang_up(&mut pbx, &mut phone, call);
    dialog.sees("no call", |body| !talks(body));
    drop((pbx, phone));
    ringpost.stops_well();
    assert!(kept().is_empty(), "what is taken back has no tag: {:?}", kept());
}

fn hang_up(pbx: &mut Peer, phone: &mut Peer, mut talk: Dialog) {
    pbx.ends(&mut talk, phone);
}

/// A Kamailio that grants less than was asked for: the publication is prolonged in time, a call shows all the while, and its end.
#[test]
fn kamailio_grants_less_than_was_asked_for() {
    let address = SocketAddr::from(([127, 0, 0, 26], ports(1)));
    let Some(kamailio) = Kamailio::start(address, &["MAX_EXPIRES=8"]) else { return };
    let site = Site::new();
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let mut dialog = Watcher::new(&kamailio, "dialog");
    let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
    let ringpost = site
        .table(&format!(
            "[metrics]\nlisten = \"{health}\"\n[presence]\nenabled = true\n[presence.publish.front]\nserver = \"sip:{address}\"\n\
             access = \"full\"\npackages = [\"dialog\"]\nusers = [\"1001\"]\npublish_gap = \"50ms\"\nkeep_alive = \"5m\"\nexpires = \"1h\""
        ))
        .user("1001", &[&phone], "")
        .start();
    let number = |name| metrics::number(health.port(), name);
    until("it is taken", || number("publications_out") == 1);
    let call = talk(&mut pbx, &mut phone);
    dialog.sees("a call", talks);
    // Longer than it has granted, once and a half; watchers are granted no more, and so there is another one then.
    let sent = number("publishes_sent_total");
    within(Duration::from_secs(14), "prolonged again and again", || {
        number("publishes_sent_total") >= sent + 3
    });
    let mut dialog = Watcher::new(&kamailio, "dialog");
    hang_up(&mut pbx, &mut phone, call);
    dialog.sees("no call", |body| body.contains("<dialog-info") && !talks(body));
    assert_eq!(number("publish_failures_total"), 0, "no tag was lost");
    drop((pbx, phone));
    ringpost.stops_well();
}

/// A watcher at Kamailio sees busy when a call runs through Ringpost, and free after; T31: a Kamailio that is killed in the
/// middle and comes back without its memory is told the state of now within five seconds, and never the old one.
#[test]
fn kamailio_is_told_and_told_again_when_it_is_back() {
    for (over, last) in [(Over::Udp, 22), (Over::Tcp, 23)] {
        let address = SocketAddr::from(([127, 0, 0, last], ports(1)));
        let Some(mut kamailio) = Kamailio::start(address, &[]) else { return };
        let site = Site::new();
        let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
        let health = SocketAddr::from(([127, 0, 0, 1], ports(1)));
        let transport = if over == Over::Tcp { ";transport=tcp" } else { "" };
        let mut presence = Watcher::new(&kamailio, "presence");
        let mut dialog = Watcher::new(&kamailio, "dialog");
        let ringpost = site
            .table(&format!(
                "[metrics]\nlisten = \"{health}\"\n[presence]\nenabled = true\n[presence.publish.front]\n\
                 server = \"sip:{address}{transport}\"\npackages = [\"presence\", \"dialog\"]\naccess = \"full\"\n\
                 users = [\"1001\"]\npublish_gap = \"50ms\"\nkeep_alive = \"1s\""
            ))
            .user("1001", &[&phone], "")
            .user("1002", &[], "")
            .start();
        presence.sees("free", free);
        for _ in 0..2 {
            let call = talk(&mut pbx, &mut phone);
            presence.sees("busy", busy);
            dialog.sees("a call", talks);
            hang_up(&mut pbx, &mut phone, call);
            presence.sees("free", free);
            dialog.sees("no call", |body| !talks(body));
        }
        let call = talk(&mut pbx, &mut phone);
        presence.sees("busy", busy);
        drop(kamailio);
        let part = "presence server front";
        let of = |colour: &str| {
            let text = metrics::ask(health.port(), "GET /health HTTP/1.0\r\n\r\n");
            text.contains(&format!("{colour} {part}"))
        };
        until("yellow", || of("yellow"));
        hang_up(&mut pbx, &mut phone, call);
        kamailio = Kamailio::start(address, &[]).expect("it was there before");
        let back = Instant::now();
        let mut presence = Watcher::new(&kamailio, "presence");
        let mut seen = vec![];
        while !seen.last().is_some_and(|body: &String| free(body)) {
            let notify = presence.sees("anything", |_| true);
            seen.push(notify.body().to_owned());
        }
        let took = back.elapsed();
        println!("{over:?}: told again {took:?} after it was back");
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(!seen.iter().any(|body| body.contains("busy")), "{seen:?}");
        until("green", || of("green"));
        let number = |name| metrics::number(health.port(), name);
        until("both told again", || number("publish_failures_total") >= 2 && number("publications_out") == 2);
        // Killed and back between two questions: the next change, or the next turn, finds it out.
        drop(kamailio);
        kamailio = Kamailio::start(address, &[]).expect("it was there before");
        let back = Instant::now();
        let mut presence = Watcher::new(&kamailio, "presence");
        let mut dialog = Watcher::new(&kamailio, "dialog");
        let call = talk(&mut pbx, &mut phone);
        dialog.sees("a call", talks);
        presence.sees("busy", busy);
        assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
        hang_up(&mut pbx, &mut phone, call);
        presence.sees("free", free);
        // Whoever stops takes it back.
        drop((pbx, phone));
        ringpost.stops_well();
        presence.sees("nobody", |body| body.contains("<basic>closed</basic>"));
    }
}
