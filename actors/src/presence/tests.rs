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
use ringpost::directory::Directory;

use super::{Presence, lock};
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

/// Whoever is told unasked is told too where more counts have changed than could be followed, though nobody watches.
#[test]
fn r207_nobody_is_forgotten_where_more_counts_change_than_can_be_followed() {
    let user = |number| {
        format!(
            "[[user]]\naddress = \"sip:{number}@lab.test\"\nnumbers = [\"{number}\"]\nmissed_calls = \"off\"\n"
        )
    };
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\ndomain = \"lab.test\"\n[store]\npath = \"store.db\"\n\
         [[trunk]]\nname = \"house\"\nsources = [\"127.0.0.6\"]\ntarget = \"sip:127.0.0.6\"\n\
         [presence]\nenabled = true\nmessages_to = [\"house\"]\n{}{}",
        user(1),
        user(2)
    );
    let site = load::text(Path::new("/lab/site.toml"), &text).expect("a good site");
    System::new().block_on(async move {
        let (scribe, _) = Scribe::start(Box::new(Sqlite::open(None).expect("a store"))).expect("a thread");
        let policies = Policies::load(scribe).await;
        let registrar = Arc::new(Registrar::new(&site, None));
        let directory = Arc::new(ArcSwap::from_pointee(Directory::of(site)));
        let presence = Presence::new(directory, (policies, registrar), 1, None);
        presence.all_counted();
        assert_eq!(lock(&presence.elsewhere.owed).len(), 2);
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
        assert!(METRICS.faults_total.get() >= faults + 4, "each part has broken twice at least");
        running.stop().await;
    });
}
