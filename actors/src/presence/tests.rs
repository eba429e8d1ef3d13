//! A fault in what is told of users (T39) costs what was to be told, and no call; the whole program runs, in this process. And
//! what is to be told where nobody could follow.

use std::{
    net::UdpSocket,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::System;
use arc_swap::ArcSwap;
use ringpost::{
    directory::{Directory, Origin},
    presence::{
        Kind, Source,
        input::{Phone, Said},
        subscription::Package,
    },
    sip::Message,
};

use super::{Presence, cell::Publication, lock};
use crate::{
    guard::BROKEN,
    load,
    metrics::METRICS,
    policies::Policies,
    registrar::Registrar,
    stage::Running,
    store::{Scribe, Sqlite},
};

/// A socket that is a caller, a phone or a watcher.
struct End(UdpSocket);

impl End {
    fn new(ringpost: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(("127.0.0.1", ringpost)).expect("loopback");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
        Self(socket)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("bound").port()
    }

    fn asks(&self, method: &str, name: &str, lines: &str, body: &str) {
        let port = self.port();
        let text = format!(
            "{method} sip:1@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{name};rport\r\n\
             From: <sip:2@lab.test>;tag={name}\r\nTo: <sip:1@lab.test>\r\nCall-ID: {name}\r\nMax-Forwards: 70\r\n\
             CSeq: 1 {method}\r\nContact: <sip:2@127.0.0.1:{port}>\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.send(text.as_bytes()).expect("sent");
    }

    /// The next message that begins so; those before it are passed over, but NOTIFYs are answered.
    fn hears(&self, start: &str, words: &str) -> String {
        let end = Instant::now() + Duration::from_secs(10);
        let mut buffer = [0; 4_096];
        loop {
            assert!(Instant::now() < end, "never: {start} with {words}");
            let Ok(length) = self.0.recv(&mut buffer) else { continue };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with("NOTIFY") {
                self.answers(&text, "200 OK", "");
            }
            if text.starts_with(start) && text.contains(words) {
                return text;
            }
        }
    }

    fn answers(&self, request: &str, status: &str, lines: &str) {
        let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        let head = request.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
        let head: String = head
            .map(|line| match line.starts_with("To:") && !line.contains("tag=") {
                true => format!("{line};tag=e\r\n"),
                false => format!("{line}\r\n"),
            })
            .collect();
        let text = format!("SIP/2.0 {status}\r\n{head}{lines}Content-Length: 0\r\n\r\n");
        self.0.send(text.as_bytes()).expect("sent");
    }
}

fn breaks(part: &'static str) {
    BROKEN.lock().expect("no test panics with it").insert(part);
}

fn site(lines: &str, users: &[u8]) -> Directory {
    let mut text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\ndomain = \"lab.test\"\n[store]\npath = \"store.db\"\n\
         [[trunk]]\nname = \"house\"\nsources = [\"127.0.0.6\"]\ntarget = \"sip:127.0.0.6\"\n\
         [presence]\nenabled = true\n{lines}"
    );
    for number in users {
        text += &format!(
            "[[user]]\naddress = \"sip:{number}@lab.test\"\nnumbers = [\"{number}\"]\nmissed_calls = \"off\"\n"
        );
    }
    Directory::of(load::text(Path::new("/lab/site.toml"), &text).expect("a good site"))
}

/// The presence of a site's users, without a network.
async fn known(directory: Directory) -> Arc<Presence> {
    let (scribe, _) = Scribe::start(Box::new(Sqlite::open(None).expect("a store"))).expect("a thread");
    let policies = Policies::load(scribe.clone()).await;
    let registrar = Arc::new(Registrar::new(&directory.site, None));
    Presence::new(Arc::new(ArcSwap::from_pointee(directory)), (policies, registrar), 1, Some(scribe))
}

/// Whoever is told unasked is told too where more counts have changed than could be followed, though nobody watches.
#[test]
fn r207_nobody_is_forgotten_where_more_counts_change_than_can_be_followed() {
    System::new().block_on(async {
        let presence = known(site("messages_to = [\"house\"]\n", &[1, 2])).await;
        presence.all_counted();
        assert_eq!(lock(&presence.elsewhere.owed).len(), 2);
    });
}

/// What a source said of a user who has left the site ends with the source as well: nothing of it comes back with the user.
#[test]
fn what_was_said_of_a_user_who_has_left_ends_with_its_source() {
    System::new().block_on(async {
        let presence = known(site("", &[1, 2])).await;
        let directory = presence.directory.load_full();
        let source = Source::new(Kind::Sip, "pbx");
        let phone = Phone::default();
        for user in &directory.site.users {
            presence.says(user, &source, Said { phone: Some(phone.clone()), ..Said::default() }, u64::MAX);
        }
        presence.directory.store(Arc::new(site("", &[1])));
        presence.reload();
        for user in &directory.site.users {
            presence.is_silent(&user.address, &source);
            assert!(presence.find(&user.address).is_none_or(|cell| cell.is_idle()), "{}", user.address);
        }
    });
}

/// A publication whose time is over when another comes is gone from the store and from the count as well.
#[test]
fn a_publication_that_has_ended_is_gone_for_good_where_the_next_one_finds_it() {
    let _alone = crate::keeper::tests::alone();
    System::new().block_on(async {
        let presence = known(site("publishers = [\"house\"]\n", &[1])).await;
        let directory = presence.directory.load_full();
        let source = Source::new(Kind::Endpoint, "old");
        let old =
            Publication { tag: 1, source, package: Package::Presence, ends: presence.now(), body: "".into() };
        presence.of(&directory.site.users[0]).lock().publications.push(old);
        METRICS.publications.up();
        let before = METRICS.publications.get();
        let body = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:1@lab.test\"/>";
        let text = format!(
            "PUBLISH sip:1@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:1@lab.test>;tag=1\r\n\
             To: <sip:1@lab.test>\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\nEvent: presence\r\nExpires: 600\r\n\
             Content-Type: application/pidf+xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let request = Message::read(text.into()).expect("a request");
        let trunk = Origin::Trunk(Arc::new(directory.site.trunks[0].clone()));
        presence.publish(&request, &trunk).expect("taken");
        assert_eq!(METRICS.publications.get(), before, "one has gone, one has come");
        let unwritten = lock(&presence.unwritten);
        let gone = unwritten.values().filter(|body| body.is_none()).count();
        assert_eq!((gone, unwritten.len()), (1, 2), "{unwritten:?}");
    });
}

/// A call whose every step meets a fault goes on; so does the next one, and its lamp is lit again.
#[test]
fn t39_a_fault_in_presence_or_remote_control_costs_no_call() {
    let _alone = crate::keeper::tests::alone();
    let folder = tempfile::tempdir().expect("a folder");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|probe| probe.local_addr())
        .expect("a port")
        .port();
    let [caller, phone, watcher] = [(); 3].map(|()| End::new(port));
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\nlanes = 1\ndrain = \"0s\"\ndomain = \"lab.test\"\n\
         [[trunk]]\nname = \"pbx\"\nsources = [\"127.0.0.1\"]\n[store]\npath = \"{}\"\n\
         [presence]\nenabled = true\nusers = \"full\"\nnotify_gap = \"0s\"\n[rcc]\nenabled = true\n\
         [[user]]\naddress = \"sip:1@lab.test\"\nnumbers = [\"1\"]\ndevices = [\"sip:desk@127.0.0.1:{}\"]\nmissed_calls = \"off\"\n\
         [[user]]\naddress = \"sip:2@lab.test\"\nnumbers = [\"2\"]\nmissed_calls = \"off\"\n",
        folder.path().join("store.db").display(),
        phone.port(),
    );
    let site = load::text(&folder.path().join("site.toml"), &text).expect("a good site");
    System::new().block_on(async move {
        let running = Running::start(site).await.expect("it starts");
        let faults = METRICS.faults_total.get();
        let play = move || {
            // A request that meets a fault is answered, at once; the next one is served.
            for (method, name, lines) in [
                ("SUBSCRIBE", "f1", "Event: dialog\r\nExpires: 600\r\n"),
                ("PUBLISH", "f2", "Event: presence\r\nExpires: 600\r\nContent-Type: application/pidf+xml\r\n"),
            ] {
                breaks("requests about presence");
                watcher.asks(method, name, lines, "");
                watcher.hears("SIP/2.0 500", name);
            }
            watcher.asks("SUBSCRIBE", "w", "Event: dialog\r\nExpires: 600\r\n", "");
            watcher.hears("NOTIFY", "state=\"full\"");
            let sdp = "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n";
            for (call, broken) in [("c1", true), ("c2", false)] {
                let hurts = || {
                    if broken {
                        breaks("presence");
                        breaks("remote call control");
                    }
                };
                hurts();
                caller.asks("INVITE", call, "Content-Type: application/sdp\r\n", sdp);
                let invite = phone.hears("INVITE", "");
                hurts();
                phone.answers(&invite, "180 Ringing", "Contact: <sip:desk@127.0.0.1:9>\r\n");
                caller.hears("SIP/2.0 180", call);
                if !broken {
                    watcher.hears("NOTIFY", "<state>early</state>");
                }
                hurts();
                caller.asks("CANCEL", call, "", "");
                caller.hears("SIP/2.0 487", call);
                phone.hears("CANCEL", "");
                phone.answers(&invite, "487 Request Terminated", "");
                phone.hears("ACK", "");
            }
            // The lamp is out in the end, whatever a fault has swallowed.
            watcher.asks("SUBSCRIBE", "w2", "Event: dialog\r\nExpires: 0\r\n", "");
            let last = watcher.hears("NOTIFY", "terminated");
            assert!(!last.contains("<dialog "), "{last}");
        };
        tokio::task::spawn_blocking(play).await.expect("it goes well");
        assert!(METRICS.faults_total.get() >= faults + 6, "each part has broken twice at least");
        running.stop().await;
    });
}
