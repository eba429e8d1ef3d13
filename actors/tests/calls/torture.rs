//! RFC 4475, RFC 5118 and noise against the running program (T1, T2).

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio_tungstenite::tungstenite;

use crate::{
    authority::lasting,
    office::Office,
    support::{Over, Peer, Sip, Site, ports},
};

/// Each message and the code of its answer by datagram and by stream; 0: none.
const MESSAGES: [(&str, u16, u16); 62] = [
    ("rfc4475/badaspec.dat", 400, 400),
    ("rfc4475/badbranch.dat", 200, 200),
    ("rfc4475/baddate.dat", 400, 400),
    ("rfc4475/baddn.dat", 400, 0),
    ("rfc4475/badinv01.dat", 400, 400),
    ("rfc4475/badvers.dat", 505, 505),
    ("rfc4475/bcast.dat", 0, 0),
    ("rfc4475/bext01.dat", 420, 420),
    ("rfc4475/bigcode.dat", 0, 0),
    ("rfc4475/clerr.dat", 400, 0),
    ("rfc4475/cparam01.dat", 405, 405),
    ("rfc4475/cparam02.dat", 405, 405),
    ("rfc4475/dblreq.dat", 405, 405),
    ("rfc4475/esc01.dat", 404, 404),
    ("rfc4475/esc02.dat", 405, 405),
    ("rfc4475/escnull.dat", 405, 405),
    ("rfc4475/escruri.dat", 400, 400),
    ("rfc4475/insuf.dat", 400, 400),
    ("rfc4475/intmeth.dat", 405, 405),
    ("rfc4475/inv2543.dat", 404, 400),
    ("rfc4475/invut.dat", 415, 415),
    ("rfc4475/longreq.dat", 404, 404),
    ("rfc4475/ltgtruri.dat", 400, 400),
    ("rfc4475/lwsdisp.dat", 200, 200),
    ("rfc4475/lwsruri.dat", 400, 400),
    ("rfc4475/lwsstart.dat", 400, 400),
    ("rfc4475/mcl01.dat", 400, 400),
    ("rfc4475/mismatch01.dat", 400, 400),
    ("rfc4475/mismatch02.dat", 400, 400),
    ("rfc4475/mpart01.dat", 405, 405),
    ("rfc4475/multi01.dat", 400, 400),
    ("rfc4475/ncl.dat", 400, 400),
    ("rfc4475/noreason.dat", 0, 0),
    ("rfc4475/novelsc.dat", 416, 416),
    ("rfc4475/quotbal.dat", 400, 400),
    ("rfc4475/regaut01.dat", 405, 405),
    ("rfc4475/regbadct.dat", 400, 400),
    ("rfc4475/regescrt.dat", 405, 405),
    ("rfc4475/scalar02.dat", 400, 400),
    ("rfc4475/scalarlg.dat", 0, 0),
    ("rfc4475/sdp01.dat", 404, 404),
    ("rfc4475/semiuri.dat", 200, 200),
    ("rfc4475/test.dat", 0, 0),
    ("rfc4475/transports.dat", 200, 200),
    ("rfc4475/trws.dat", 400, 400),
    ("rfc4475/unkscm.dat", 416, 416),
    ("rfc4475/unksm2.dat", 405, 405),
    ("rfc4475/unreason.dat", 0, 0),
    ("rfc4475/wsinv.dat", 481, 481),
    ("rfc4475/zeromf.dat", 483, 483),
    ("rfc5118/ipv4-mapped-ipv6", 404, 404),
    ("rfc5118/ipv6-bad", 400, 400),
    ("rfc5118/ipv6-bug-abnf-3-colons", 200, 200),
    ("rfc5118/ipv6-correct-abnf-2-colons", 200, 200),
    ("rfc5118/ipv6-good", 405, 405),
    ("rfc5118/ipv6-in-sdp", 404, 404),
    ("rfc5118/mult-ip-in-header", 481, 481),
    ("rfc5118/mult-ip-in-sdp", 404, 404),
    ("rfc5118/port-ambiguous", 405, 405),
    ("rfc5118/port-unambiguous", 405, 405),
    ("rfc5118/via-received-param-no-delim", 200, 200),
    ("rfc5118/via-received-param-with-delim", 481, 481),
];

/// Answers go to the ports that the messages name: one test at a time.
static PORTS: Mutex<()> = Mutex::new(());

#[test]
fn every_torture_message_has_its_answer() {
    let Some(folder) = corpora() else { return };
    let _alone = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    // A server of its own for each transport: by the second way the same message is a repetition.
    let (datagrams, streams) = (tormented(), tormented());
    for (path, by_datagram, by_stream) in MESSAGES {
        let octets = fs::read(folder.join(path)).expect(path);
        let octets = if path.starts_with("rfc5118/") { mended(octets, path) } else { octets };
        assert_eq!(datagram(&datagrams, &octets), by_datagram, "{path}");
        datagrams.ringpost.is_well();
        assert_eq!(stream(streams.ringpost.sip, &octets), by_stream, "{path} by TCP");
        streams.ringpost.is_well();
    }
    for mut office in [datagrams, streams] {
        let talk = office.talks();
        office.hangs_up(talk);
        office.ends();
    }
}

/// T1 over TLS and WebSocket: a stream is a stream, and a frame a datagram.
#[test]
fn every_torture_message_has_its_answer_over_tls_and_websocket() {
    let Some(folder) = corpora() else { return };
    let _alone = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let authority = lasting("own");
    let listening = |transport: &str| {
        let (site, own) = (site(), SocketAddr::from(([127, 0, 0, 1], ports(1))));
        let keys = authority.site(site.folder.path(), &["localhost"]).replace("\"1s\"", "\"10s\"");
        let sip = site.sip;
        let site = site.listen(&format!("[\"udp:{sip}\", \"{transport}:{own}\"]")).table(&keys);
        (Office::on(site, Over::Udp, "missed_calls = \"off\""), own)
    };
    let ((secure, tls), (web, ws)) = (listening("tls"), listening("ws"));
    let tunnel = authority.tunnel(tls, "localhost");
    for (path, by_datagram, by_stream) in MESSAGES {
        let octets = fs::read(folder.join(path)).expect(path);
        let octets = if path.starts_with("rfc5118/") { mended(octets, path) } else { octets };
        assert_eq!(stream(tunnel, &octets), by_stream, "{path} by TLS");
        secure.ringpost.is_well();
        assert_eq!(frame(ws, &octets), by_datagram, "{path} by WebSocket");
        web.ringpost.is_well();
    }
    for mut office in [secure, web] {
        let talk = office.talks();
        office.hangs_up(talk);
        office.ends();
    }
}

/// RFC 4475 §3.3.7 among them: where devices may register, a REGISTER without digest credentials that we know is challenged,
/// whatever its addresses are; one that is malformed is told so all the same.
#[test]
fn every_torture_register_is_challenged() {
    let Some(folder) = corpora() else { return };
    let _alone = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let door = |over| Office::on(site(), over, "password = \"secret\"\nmissed_calls = \"off\"");
    let (datagrams, streams) = (door(Over::Udp), door(Over::Udp));
    let mut challenged = 0;
    for (path, by_datagram, by_stream) in MESSAGES {
        let octets = fs::read(folder.join(path)).expect(path);
        if !octets.starts_with(b"REGISTER ") {
            continue;
        }
        let octets = if path.starts_with("rfc5118/") { mended(octets, path) } else { octets };
        let proved = |code| if code == 405 { 401 } else { code };
        assert_eq!(datagram(&datagrams, &octets), proved(by_datagram), "{path}");
        datagrams.ringpost.is_well();
        assert_eq!(stream(streams.ringpost.sip, &octets), proved(by_stream), "{path} by TCP");
        streams.ringpost.is_well();
        challenged += usize::from(by_datagram == 405);
    }
    assert_eq!(challenged, 10);
    datagrams.ends();
    streams.ends();
}

/// The answers to a datagram go to the port of its Via, so the sender has an address of its own.
fn tormented() -> Office {
    Office::on(site(), Over::Udp, "missed_calls = \"off\"")
}

fn site() -> Site {
    let sources = tormentor();
    Site::new().table(&format!("[[trunk]]\nname = \"tormentor\"\nsources = [\"{sources}\"]"))
}

/// Of this process alone: another run of the tests on this machine binds the same ports.
fn tormentor() -> Ipv4Addr {
    let [.., high, low] = process::id().to_be_bytes();
    Ipv4Addr::new(127, 5, high, low)
}

/// The archive of RFC 5118 is not exact: two messages lack the empty line, and Content-Lengths are off by a few. Some of
/// them share a branch, so that one would be a repetition of the other.
fn mended(octets: Vec<u8>, path: &str) -> Vec<u8> {
    let text = String::from_utf8(octets).expect("RFC 5118 is ASCII").replace("\r\n", "\n");
    let text = text.replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{}", path.len()), 1);
    let (header, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let (before, _) = header.split_once("Content-Length:").expect("the last field of each message");
    let body = body.replace('\n', "\r\n");
    format!("{}Content-Length: {}\r\n\r\n{body}", before.replace('\n', "\r\n"), body.len()).into_bytes()
}

fn datagram(office: &Office, octets: &[u8]) -> u16 {
    let message = Sip::new(octets);
    let via = ["Via", "v"].iter().find_map(|name| message.all(name).first().map(|via| (*via).to_owned()));
    let sent_by = via.unwrap_or_default().split(';').next().unwrap_or("").to_owned();
    let after_host = sent_by.rsplit(']').next().unwrap_or("");
    let port = after_host.rsplit_once(':').and_then(|(_, port)| port.trim().parse().ok()).unwrap_or(5060);
    let socket = UdpSocket::bind((tormentor(), port)).expect("a port of its own address");
    socket.send_to(octets, office.ringpost.sip).expect("loopback takes it");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
    let mut answer = [0; 65_536];
    loop {
        let Ok((length, _)) = socket.recv_from(&mut answer) else { return 0 };
        let code = Sip::new(&answer[..length]).what().parse().unwrap_or(0);
        if code > 100 {
            return code;
        }
    }
}

fn stream(to: SocketAddr, octets: &[u8]) -> u16 {
    let mut peer = Peer::new(Over::Tcp, &tormentor().to_string(), to);
    peer.send(octets);
    peer.next(Duration::from_millis(150)).map_or(0, |answer| answer.what().parse().unwrap_or(0))
}

/// A frame is a datagram, whatever Content-Length says (RFC 7118 §5).
fn frame(to: SocketAddr, octets: &[u8]) -> u16 {
    let stream = connected(to);
    let request = tungstenite::ClientRequestBuilder::new(format!("ws://{to}/").parse().expect("a URI"));
    let (mut socket, _) = tungstenite::client(request.with_sub_protocol("sip"), stream).expect("it is taken");
    socket.get_ref().set_read_timeout(Some(Duration::from_millis(150))).expect("a socket");
    socket.send(tungstenite::Message::binary(octets.to_vec())).expect("sent");
    loop {
        let Ok(answer) = socket.read() else { return 0 };
        let code = Sip::new(&answer.into_data()).what().parse().unwrap_or(0);
        if code > 100 {
            return code;
        }
    }
}

/// A connection from the tormentor's own address.
fn connected(to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((tormentor(), 0)).into()).expect("an address of this machine");
    socket.connect(&to.into()).expect("it listens");
    socket.into()
}

#[test]
fn five_thousand_datagrams_of_noise_do_no_harm() {
    let mut office = Office::new(Over::Udp, "missed_calls = \"off\"");
    let mut noise = Noise(0x5EED_0000_0000_0001);
    let uri = format!("sip:9999@{}", office.ringpost.sip);
    let nobody = Peer::new(Over::Udp, "127.0.0.1", office.ringpost.sip);
    let usual: Vec<Vec<u8>> = ["INVITE", "OPTIONS", "BYE", "CANCEL", "ACK", "INFO"]
        .iter()
        .map(|method| nobody.draft(method, &uri, "", "v=0\r\n").into_bytes())
        .collect();
    let before = office.ringpost.resident();
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for run in 0..5_000 {
        let octets = match run % 3 {
            0 => (0..noise.below(1_400)).map(|_| noise.below(256) as u8).collect(),
            _ => {
                let which = noise.below(usual.len());
                noise.mutilated(&usual[which])
            }
        };
        sender.send_to(&octets, office.ringpost.sip).expect("loopback takes it");
        if run % 100 == 99 {
            office.ringpost.is_well();
        }
    }
    let grown = office.ringpost.resident().saturating_sub(before);
    assert!(grown < 20 * 1_024, "{grown} KiB");
    let talk = office.talks();
    office.hangs_up(talk);
    office.ends();
}

/// Numbers that are the same in every run (xorshift).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    /// A message with a few octets changed, cut out or doubled.
    fn mutilated(&mut self, message: &[u8]) -> Vec<u8> {
        let mut octets = message.to_vec();
        for _ in 0..1 + self.below(4) {
            let (at, length) = (self.below(octets.len()), self.below(12));
            let end = (at + length).min(octets.len());
            match self.below(3) {
                0 => octets[at..end].fill_with(|| 0),
                1 => drop(octets.drain(at..end)),
                _ => drop(
                    octets.splice(at..at, message[at.min(message.len())..end.min(message.len())].to_vec()),
                ),
            }
            if let Some(octet) = octets.get_mut(at) {
                *octet = self.below(256) as u8;
            }
        }
        octets
    }
}

fn corpora() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let folder = env::var_os("RINGPOST_CORPORA").map_or_else(beside, PathBuf::from);
    if folder.join("rfc4475").is_dir() {
        return Some(folder);
    }
    println!("skipped: no torture messages in {}", folder.display());
    None
}
