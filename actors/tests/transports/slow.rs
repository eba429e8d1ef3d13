//! T7, T8: handshakes, upgrades and messages that never end, and listeners without a file to open, on TLS, WS and WSS.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use crate::{
    authority::Authority,
    support::{Over, Peer, Ringpost, Site, metrics::number, ports, until, within},
    tls::{NAMES, options},
};

/// No trunk of the site.
const STRANGER: &str = "127.0.0.9";

struct Place {
    ringpost: Ringpost,
    metrics: u16,
    tls: SocketAddr,
    ws: SocketAddr,
    wss: SocketAddr,
    authority: Authority,
}

impl Place {
    /// One with these lines of `[tls]` and of `[security]`.
    fn new(tls_lines: &str, security: &str) -> Self {
        let authority = Authority::new("good");
        let site = Site::new();
        let keys = authority.site(site.folder.path(), &NAMES);
        let keys = keys.replace("handshake_timeout = \"1s\"\nhandshakes = 8", tls_lines);
        let own = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (sip, tls, ws, wss) = (site.sip, own(ports(1)), own(ports(1)), own(ports(1)));
        let metrics = ports(1);
        let ringpost = site
            .listen(&format!("[\"udp:{sip}\", \"tls:{tls}\", \"ws:{ws}\", \"wss:{wss}\"]"))
            .table(&keys)
            .table(&format!("[metrics]\nlisten = \"127.0.0.1:{metrics}\""))
            .table(&format!("[security]\n{security}"))
            .start();
        Self { ringpost, metrics, tls, ws, wss, authority }
    }

    fn number(&self, name: &str) -> u64 {
        number(self.metrics, name)
    }

    /// A trunk gets through whatever strangers do.
    fn takes_trunks(&self) {
        let mut trunk = self.authority.connect(self.tls, NAMES[0]);
        assert!(options(&mut trunk).expect("an answer").starts_with("SIP/2.0 200"));
        let mut trunk = upgraded(TcpStream::connect(self.ws).expect("it listens"));
        trunk.write_all(&frame(0x81, options_text().as_bytes())).expect("open");
        assert!(first(&mut trunk).starts_with("\u{fffd}~"), "a text frame of some length");
    }

    /// A stranger's connections behind their handshakes, one by WS and one by WSS.
    fn web(&self) -> Vec<Box<dyn Channel>> {
        let secure = self.authority.connect_from(STRANGER, self.wss, (NAMES[0], None));
        vec![Box::new(upgraded(from(STRANGER, self.ws))), Box::new(upgraded(secure))]
    }
}

trait Channel: Read + Write {}
impl<C: Read + Write> Channel for C {}

fn from(ip: &str, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let own: SocketAddr = format!("{ip}:0").parse().expect("an address");
    socket.bind(&own.into()).expect("loopback");
    socket.connect(&to.into()).expect("it listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream
}

/// Does the handshake of a WebSocket by hand.
fn upgraded<C: Channel>(mut channel: C) -> C {
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
    channel.write_all(request.as_bytes()).expect("open");
    let answer = first(&mut channel);
    assert!(answer.starts_with("HTTP/1.1 101") && answer.ends_with("\r\n\r\n"), "{answer}");
    channel
}

fn first(channel: &mut impl Read) -> String {
    let mut octets = [0; 4_096];
    let length = channel.read(&mut octets).expect("an answer");
    String::from_utf8_lossy(&octets[..length]).into_owned()
}

/// A client's frame of less than 64 KiB with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    [&[first, 0x80 | 126], &length[..], &[0; 4], payload].concat()
}

fn options_text() -> String {
    crate::tls::text("OPTIONS").replace("SIP/2.0/TLS", "SIP/2.0/WS")
}

/// Whether nothing more comes but the end.
fn is_closed(channel: &mut (impl Read + ?Sized)) -> bool {
    let mut octets = [0; 512];
    loop {
        match channel.read(&mut octets) {
            Ok(0) | Err(_) => return true,
            // A Ping, or what was said before.
            Ok(_) => {}
        }
    }
}

/// T7: half a handshake of TLS, half a request to upgrade, and none at all.
#[test]
fn t7_handshakes_that_do_not_end_are_cut_off_and_bounded_for_each_source() {
    let lines = "handshake_timeout = \"2s\"\nhandshakes = 30\nhandshakes_per_source = 5";
    let place = Place::new(lines, "connections_per_source = 100");
    let start = Instant::now();
    let beginnings: [(SocketAddr, &[u8]); 4] = [
        (place.tls, &[0x16, 0x03, 0x01, 0x02, 0x00]),
        (place.wss, &[0x16]),
        (place.ws, b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: "),
        (place.ws, b""),
    ];
    // Five of a source get a place, and thirty of all of them; which limit hits whom depends on who is accepted first.
    let mut crowd: Vec<TcpStream> = vec![];
    for source in 0..10 {
        for at in 0..10 {
            let (to, octets) = beginnings[at % beginnings.len()];
            let mut stream = from(&format!("127.0.1.{}", source + 1), to);
            // Those above the limit are closed already.
            let _ = stream.write_all(octets);
            crowd.push(stream);
        }
        until("the first source has its five", || {
            source > 0 || place.number("source_handshakes_refused_total") == 5
        });
    }
    until("those above the limits are refused", || {
        place.number("source_handshakes_refused_total") + place.number("handshakes_refused_total") == 70
    });
    assert!(place.number("handshakes_refused_total") > 0);
    place.takes_trunks();
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "the machine is too slow for this test: {:?}",
        start.elapsed()
    );
    // An octet now and then is no progress.
    for stream in &mut crowd {
        let _ = stream.write_all(b"X");
    }
    within(Duration::from_secs(8), "the others are cut off", || {
        place.number("handshakes_failed_total") >= 30
    });
    assert!(crowd.iter_mut().all(is_closed));
    // There is room again.
    let mut stranger = place.authority.connect_from(STRANGER, place.tls, (NAMES[0], None));
    assert!(options(&mut stranger).expect("an answer").starts_with("SIP/2.0 403"));
    drop((crowd, stranger));
    place.ringpost.back_to_baseline();
}

/// T7: a message in a WebSocket that never ends, in one frame or in many, whatever comes between.
#[test]
fn t7_a_websocket_message_that_does_not_end_is_cut_off() {
    let place = Place::new("handshake_timeout = \"10s\"", "message_timeout = \"2s\"");
    let text = options_text();
    let (begun, whole) = (frame(0x01, b"OPTIONS "), frame(0x81, text.as_bytes()));
    let kinds: [(&str, &[u8], Vec<u8>); 4] = [
        ("half a frame", &whole[..whole.len() / 2], vec![b'X']),
        ("half a header", &whole[..1], vec![]),
        ("fragments", &begun, frame(0x00, b"X")),
        ("Pings between fragments", &begun, frame(0x89, b"")),
    ];
    let mut ended = 0;
    for (kind, begin, more) in kinds {
        for mut channel in place.web() {
            // A whole message before it is heard, and does not count for it.
            channel.write_all(&whole).expect("open");
            assert!(!first(&mut channel).is_empty());
            let start = Instant::now();
            channel.write_all(begin).expect("open");
            while start.elapsed() < Duration::from_millis(1_500) {
                channel.write_all(&more).unwrap_or_else(|error| panic!("{kind}: too early: {error}"));
                let _ = channel.flush();
                thread::sleep(Duration::from_millis(100));
            }
            assert!(is_closed(&mut *channel), "{kind}");
            let took = start.elapsed();
            assert!((1_900..6_000).contains(&took.as_millis()), "{kind}: {took:?}");
            ended += 1;
            assert_eq!(place.number("half_sent_total"), ended, "{kind}");
        }
    }
    place.takes_trunks();
    place.ringpost.back_to_baseline();
}

/// Messages in fragments with Pings between them are messages, if they end in time.
#[test]
fn a_message_in_fragments_is_a_message() {
    let place = Place::new("handshake_timeout = \"10s\"", "");
    let text = options_text();
    for mut channel in place.web() {
        let (one, two) = text.as_bytes().split_at(40);
        for octets in [frame(0x01, one), frame(0x89, b"?"), frame(0x80, two)] {
            channel.write_all(&octets).expect("open");
        }
        let mut heard = String::new();
        while !heard.contains("403") {
            heard += &first(&mut channel);
        }
    }
    assert_eq!(place.number("half_sent_total"), 0);
    place.ringpost.back_to_baseline();
}

/// T7: behind the handshake TLS is a stream like TCP, and a source has so many connections, whatever their transport.
#[test]
fn t7_a_stranger_has_so_many_connections_and_a_message_so_much_time() {
    let place =
        Place::new("handshake_timeout = \"10s\"", "connections_per_source = 3\nmessage_timeout = \"2s\"");
    let mut slow = place.authority.connect_from(STRANGER, place.tls, (NAMES[0], None));
    assert!(options(&mut slow).expect("an answer").starts_with("SIP/2.0 403"));
    let web = place.web();
    let mut fourths = [place.tls, place.ws, place.wss].map(|to| from(STRANGER, to));
    assert!(fourths.iter_mut().all(is_closed));
    assert_eq!(place.number("source_connections_refused_total"), 3);
    place.takes_trunks();
    let start = Instant::now();
    slow.write_all(b"OPTIONS sip:").expect("open");
    while start.elapsed() < Duration::from_millis(1_500) {
        slow.write_all(b"x").expect("open");
        thread::sleep(Duration::from_millis(100));
    }
    assert!(is_closed(&mut slow));
    assert!((1_900..6_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(place.number("half_sent_total"), 1);
    drop(web);
    until("there is room again", || {
        place.authority.connect_from(STRANGER, place.tls, (NAMES[0], None)).write_all(b"\r\n\r\n").is_ok()
    });
    drop((slow, fourths));
    place.ringpost.back_to_baseline();
}

/// T8, T38: without files to open nobody can be accepted; it is told and counted, calls go on, and later they are.
#[test]
fn t8_listeners_outlive_a_time_without_files() {
    let place = Place::new("handshake_timeout = \"10s\"", "");
    // What the first of each needs for good is open by now.
    place.takes_trunks();
    let limit = |most: usize| {
        let limited = Command::new("prlimit")
            .args(["--pid", &place.ringpost.pid().to_string(), &format!("--nofile={most}:4096")])
            .status();
        limited.is_ok_and(|status| status.success())
    };
    if !limit(8) {
        println!("skipped: prlimit is missing or may not");
        return;
    }
    let waiting: Vec<TcpStream> = [place.tls, place.ws, place.wss]
        .iter()
        .map(|to| TcpStream::connect(to).expect("the kernel takes it"))
        .collect();
    until("nobody is accepted", || {
        place.ringpost.log().matches("Could not accept a connection").count() >= 3
    });
    let mut peer = Peer::new(Over::Udp, "127.0.0.1", place.ringpost.sip);
    peer.request("OPTIONS", &format!("sip:{}", place.ringpost.sip), "", "");
    peer.expect("200");
    assert!(limit(1_024));
    let [_, ws, _]: [TcpStream; 3] = waiting.try_into().expect("three");
    ws.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    upgraded(ws);
    place.takes_trunks();
    assert!(place.number("accept_failures_total") >= 3);
    assert_eq!(place.number("restarts_total"), 0);
}
