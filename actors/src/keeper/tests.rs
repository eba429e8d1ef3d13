//! Every task of a running Ringpost is killed once (T8), and one of them too often (T39).

use std::{
    collections::BTreeSet,
    future::Future,
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix::System;

use super::{Ends, LIMIT, SPAN};
use crate::{
    load,
    metrics::{METRICS, State},
    stage::{Running, Signals, StartError},
};

/// The parts that shall break now.
static BREAK: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// For as long as it is held, no other test of these runs a whole Ringpost: health, numbers and the parts to break are the
/// process's.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A task that a test can break.
pub async fn breakable(part: String, task: impl Future<Output = ()>) {
    let broken = async {
        while !BREAK.lock().expect("no test panics with it").remove(&part) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        () = task => {}
        () = broken => panic!("broken by the test"),
    }
}

fn state(part: &str) -> Option<State> {
    METRICS.health.parts().into_iter().find(|(name, _)| name == part).map(|(_, state)| state)
}

async fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Breaks a part; it is red, and green again within a second.
async fn breaks(part: &str) {
    BREAK.lock().expect("no test panics with it").insert(part.to_owned());
    until(part, || state(part) == Some(State::Red("broken by the test".into()))).await;
    let red = Instant::now();
    until(part, || state(part) == Some(State::Green)).await;
    assert!(red.elapsed() < Duration::from_secs(1), "{part} took {:?}", red.elapsed());
}

/// A free port for UDP and TCP, and a socket that is the only phone; `more` are further listeners.
fn site(port: u16, more: &[(&str, u16)], phone: u16, folder: &Path) -> String {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("own.pem"), pair.cert.pem()).expect("a file");
    std::fs::write(folder.join("own.key"), pair.signing_key.serialize_pem()).expect("a file");
    std::fs::create_dir_all(folder.join("ca")).expect("a folder");
    let more: String =
        more.iter().map(|(transport, port)| format!(", \"{transport}:127.0.0.1:{port}\"")).collect();
    format!(
        "[tls]\ncertificates = [\"own.pem\"]\nkeys = [\"own.key\"]\nca = \"ca\"\n\
         [sip]\nlisten = [\"udp:127.0.0.1:{port}\", \"tcp:127.0.0.1:{port}\"{more}]\nlanes = 1\ndrain = \"0s\"\n\
         [[trunk]]\nname = \"pbx\"\nsources = [\"127.0.0.1\"]\n[store]\npath = \"{}\"\n\
         [[user]]\naddress = \"sip:1@lab.test\"\nnumbers = [\"1\"]\ndevices = [\"sip:desk@127.0.0.1:{phone}\"]\n\
         missed_calls = \"off\"\n",
        folder.join("store.db").display()
    )
}

fn request(method: &str, transport: &str, branch: &str) -> String {
    format!(
        "{method} sip:1@lab.test SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bK{branch};rport\r\n\
         From: <sip:a@h>;tag={branch}\r\nTo: <sip:1@lab.test>\r\nCall-ID: {branch}\r\nMax-Forwards: 70\r\n\
         CSeq: 1 {method}\r\nContact: <sip:a@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n"
    )
}

fn free_port() -> u16 {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr());
    port.expect("a port").port()
}

/// The listener answers what is no handshake, or one for another subprotocol.
fn begins_handshakes(transport: &str, port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).expect("sent");
    let mut start = [0; 2];
    stream.read_exact(&mut start).expect("an answer");
    // An alert of TLS (RFC 8446 §5.1), and HTTP's refusal.
    let expected: &[u8] = if transport == "ws" { b"HT" } else { &[21, 3] };
    assert_eq!(start, expected, "{transport}");
}

/// What comes on a socket, until it is `start`.
fn hears(socket: &UdpSocket, start: &str) {
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    let mut buffer = [0; 4_096];
    loop {
        let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no {start}: {error}"));
        if buffer[..length].starts_with(start.as_bytes()) {
            return;
        }
    }
}

#[test]
fn what_ends_is_red_and_starts_again_within_a_second_until_it_ends_too_often() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let phone = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = free_port();
    let more = ["tls", "ws", "wss"].map(|transport| (transport, free_port()));
    let caller = UdpSocket::bind("127.0.0.1:0").expect("a port");
    caller.connect(("127.0.0.1", port)).expect("loopback");
    let gateway = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let site = site(port, &more, phone.local_addr().expect("bound").port(), folder.path());
    let place = gateway.local_addr().expect("bound");
    let site = format!("{site}[rcc.gateway.pbx]\nserver = \"sip:{place}\"\n");
    let site = load::text(&folder.path().join("site.toml"), &site).expect("a good site");
    let ended = System::new().block_on(async move {
        let signals = Signals::listen().expect("the system has signals");
        let running = Running::start(site).await.expect("it starts");
        let udp = format!("lane 0 udp 127.0.0.1:{port}");
        breaks(&udp).await;
        let asked = caller.try_clone().expect("a socket");
        let answered = move || {
            asked.send(request("OPTIONS", "UDP", "o1").as_bytes()).expect("sent");
            hears(&asked, "SIP/2.0 200");
        };
        aside(answered).await;

        breaks(&format!("lane 0 tcp 127.0.0.1:{port}")).await;
        aside(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
            stream.write_all(request("OPTIONS", "TCP", "o2").as_bytes()).expect("sent");
            let mut start = [0; 11];
            stream.read_exact(&mut start).expect("an answer");
            assert_eq!(&start, b"SIP/2.0 200");
        })
        .await;

        for (transport, port) in more {
            breaks(&format!("lane 0 {transport} 127.0.0.1:{port}")).await;
            aside(move || begins_handshakes(transport, port)).await;
        }

        for part in ["presence", "message counts", "publications", "publishing", "message counts for PBXs"] {
            breaks(part).await;
        }
        // A PBX's gateway is called anew, in a dialog of another name.
        for part in ["rcc gateways", "rcc gateway pbx"] {
            let gateway = gateway.try_clone().expect("a socket");
            aside(move || hears(&gateway, "INVITE ")).await;
            breaks(part).await;
        }
        breaks("lane 0 clock").await;
        aside(move || {
            caller.send(request("INVITE", "UDP", "i1").as_bytes()).expect("sent");
            hears(&phone, "INVITE ");
            // Timer A: time goes on.
            hears(&phone, "INVITE ");
        })
        .await;

        breaks("lane 0 inbox").await;
        // The end comes by the inbox, and is the end only where it ends too often.
        let ends = async {
            for _ in 0..LIMIT {
                breaks(&udp).await;
            }
            BREAK.lock().expect("no test panics with it").insert(udp.clone());
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = running.until_told(Path::new("none"), signals) => ended,
            () = ends => unreachable!("it waits for ever"),
        }
    });
    match ended {
        Err(StartError::Broken(part)) => assert!(part.starts_with("lane 0 udp "), "{part}"),
        other => panic!("it should have ended: {other:?}"),
    }
}

async fn aside(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.expect("it goes well");
}

#[test]
fn six_ends_in_a_minute_are_too_many() {
    let start = Instant::now();
    let mut ends = Ends::default();
    for second in 0..LIMIT as u64 {
        assert!(!ends.too_many(start + Duration::from_secs(second)));
    }
    let mut seldom = Ends::default();
    for times in 0..20 {
        assert!(!seldom.too_many(start + SPAN / 4 * times), "one in fifteen seconds");
    }
    assert!(ends.too_many(start + SPAN - Duration::from_secs(1)));
}
