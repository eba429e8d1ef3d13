//! A SIP peer that does what a test says and nothing else: phone, PBX or UM.

use std::{
    collections::HashSet,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::{PATIENCE, SDP, Sip};

/// The transport of a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Over {
    Udp,
    Tcp,
}

impl Over {
    pub const BOTH: [Self; 2] = [Self::Udp, Self::Tcp];
}

/// The peer. What is repeated octet for octet is a retransmission: it is counted and kept from the test.
pub struct Peer {
    pub over: Over,
    pub address: SocketAddr,
    pub repeated: usize,
    pub ringpost: SocketAddr,
    wire: Wire,
    seen: HashSet<Vec<u8>>,
}

enum Wire {
    Udp(UdpSocket),
    /// The connection that was last read from comes last.
    Tcp {
        listener: TcpListener,
        streams: Vec<(TcpStream, Vec<u8>)>,
    },
}

/// What one end knows of a dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: String,
    pub local: String,
    pub remote: String,
    pub target: String,
    pub sequence: u32,
    pub routes: Vec<String>,
}

impl Dialog {
    /// The dialog of who sent the INVITE.
    pub fn caller(invite: &Sip, ok: &Sip) -> Self {
        let mut routes: Vec<String> = ok.all("Record-Route").iter().map(|r| (*r).to_owned()).collect();
        routes.reverse();
        let (local, remote) = (invite.one("From").to_owned(), ok.one("To").to_owned());
        Self {
            call_id: ok.one("Call-ID").into(),
            local,
            remote,
            target: ok.contact().into(),
            sequence: 1,
            routes,
        }
    }

    /// The dialog of who answered it with `ok`.
    pub fn callee(invite: &Sip, ok: &Sip) -> Self {
        let routes = invite.all("Record-Route").iter().map(|r| (*r).to_owned()).collect();
        let (local, remote) = (ok.one("To").to_owned(), invite.one("From").to_owned());
        Self {
            call_id: ok.one("Call-ID").into(),
            local,
            remote,
            target: invite.contact().into(),
            sequence: 0,
            routes,
        }
    }
}

impl Peer {
    /// A peer of the Ringpost at that address, itself at `ip`.
    pub fn new(over: Over, ip: &str, ringpost: SocketAddr) -> Self {
        Self::at(over, (ip, 0), ringpost)
    }

    /// A peer with a port of the test's choice.
    pub fn at(over: Over, place: (&str, u16), ringpost: SocketAddr) -> Self {
        let wire = match over {
            Over::Udp => Wire::Udp(UdpSocket::bind(place).expect("a port")),
            Over::Tcp => {
                let listener = TcpListener::bind(place).expect("a port");
                listener.set_nonblocking(true).expect("a socket");
                Wire::Tcp { listener, streams: vec![] }
            }
        };
        let address = match &wire {
            Wire::Udp(socket) => socket.local_addr(),
            Wire::Tcp { listener, .. } => listener.local_addr(),
        };
        let address = address.expect("bound");
        Self { over, address, repeated: 0, ringpost, wire, seen: HashSet::new() }
    }

    /// Its URI, for the site.
    pub fn uri(&self) -> String {
        let transport = if self.over == Over::Tcp { ";transport=tcp" } else { "" };
        format!("sip:peer@{}{transport}", self.address)
    }

    fn via(&self, branch: &str) -> String {
        let transport = if self.over == Over::Tcp { "TCP" } else { "UDP" };
        format!("Via: SIP/2.0/{transport} {};branch={branch};rport\r\n", self.address)
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: &[u8]) {
        match &mut self.wire {
            Wire::Udp(socket) => drop(socket.send_to(octets, self.ringpost).expect("loopback takes it")),
            Wire::Tcp { streams, .. } => {
                if streams.is_empty() {
                    streams.push((connect(self.address, self.ringpost), vec![]));
                }
                let written = streams.last_mut().map(|(stream, _)| stream.write_all(octets));
                written.expect("just made").expect("the connection is open");
            }
        }
    }

    /// Sends on a connection that may be closed meanwhile; false where it is.
    pub fn sends(&mut self, octets: &[u8]) -> bool {
        match &mut self.wire {
            Wire::Udp(socket) => socket.send_to(octets, self.ringpost).is_ok(),
            Wire::Tcp { streams, .. } => {
                streams.last_mut().is_some_and(|(stream, _)| stream.write_all(octets).is_ok())
            }
        }
    }

    /// Closes its connections; it still listens.
    pub fn hangs_up(&mut self) {
        if let Wire::Tcp { streams, .. } = &mut self.wire {
            streams.clear();
        }
    }

    /// What comes next on the connection, cut or not.
    pub fn blank(&mut self, patience: Duration) -> Vec<u8> {
        let Wire::Tcp { streams, .. } = &mut self.wire else { return vec![] };
        let Some((stream, _)) = streams.last_mut() else { return vec![] };
        stream.set_read_timeout(Some(patience)).expect("a socket");
        let mut octets = vec![0; 64];
        let length = stream.read(&mut octets).unwrap_or(0);
        octets.truncate(length);
        octets
    }

    /// Sends a request outside any dialog and gives it back; `headers` are whole lines.
    pub fn request(&mut self, method: &str, uri: &str, headers: &str, body: &str) -> Sip {
        let text = self.draft(method, uri, headers, body);
        self.send(text.as_bytes());
        Sip::new(text.as_bytes())
    }

    /// A request that is not sent yet.
    pub fn draft(&self, method: &str, uri: &str, headers: &str, body: &str) -> String {
        let branch = format!("z9hG4bK{}", fresh());
        let (contact, via) = (self.uri(), self.via(&branch));
        let typed = body.is_empty() || headers.contains("Content-Type");
        let kind = if typed { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\n{via}Max-Forwards: 70\r\n\
             From: \"Ada Caller\" <sip:+4544890101@pbx.test>;tag=c{branch}\r\nTo: <{uri}>\r\n\
             Call-ID: call-{branch}\r\nCSeq: 1 {method}\r\nContact: <{contact}>\r\n{headers}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Calls a user.
    pub fn invite(&mut self, user: &str) -> Sip {
        let uri = format!("sip:{user}@{}", self.ringpost);
        self.request("INVITE", &uri, "", SDP)
    }

    /// Calls a user with further header lines.
    pub fn invite_with(&mut self, user: &str, headers: &str) -> Sip {
        let uri = format!("sip:{user}@{}", self.ringpost);
        self.request("INVITE", &uri, headers, SDP)
    }

    /// Takes the INVITE back.
    pub fn cancel(&mut self, invite: &Sip, headers: &str) {
        let text = self.of_invite(invite, "CANCEL", invite.one("To"), headers);
        self.send(text.as_bytes());
    }

    /// Expects this final refusal and acknowledges it.
    pub fn refused(&mut self, invite: &Sip, code: u16) -> Sip {
        let refusal = self.expect(&code.to_string());
        self.acknowledges(invite, &refusal);
        refusal
    }

    /// Acknowledges a final refusal: in its INVITE's transaction, unlike the ACK of a 200.
    pub fn acknowledges(&mut self, invite: &Sip, refusal: &Sip) {
        let text = self.of_invite(invite, "ACK", refusal.one("To"), "");
        self.send(text.as_bytes());
    }

    fn of_invite(&self, invite: &Sip, method: &str, to: &str, headers: &str) -> String {
        let one = |name| invite.first(name);
        let sequence = one("CSeq").split(' ').next().unwrap_or("1");
        format!(
            "{method} {} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {sequence} {method}\r\n\
             {headers}Content-Length: 0\r\n\r\n",
            invite.uri(),
            one("Via"),
            one("From"),
            one("Call-ID"),
        )
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Sip, code: u16) -> Sip {
        let body = if matches!(code, 183 | 200) && request.what() == "INVITE" { SDP } else { "" };
        self.answer_with(request, code, "", body)
    }

    /// Answers a request with further header lines and a body.
    pub fn answer_with(&mut self, request: &Sip, code: u16, headers: &str, body: &str) -> Sip {
        let tag = format!("t{}", self.address.port());
        self.answer_tagged(request, code, &tag, headers, body)
    }

    /// Answers with a To tag of the test's own.
    pub fn answer_tagged(&mut self, request: &Sip, code: u16, tag: &str, headers: &str, body: &str) -> Sip {
        let response = self.response(request, code, tag, headers, body);
        self.send(&response.raw);
        response
    }

    /// A response that is not sent yet.
    pub fn response(&self, request: &Sip, code: u16, tag: &str, headers: &str, body: &str) -> Sip {
        let mut text = format!("SIP/2.0 {code} As Told\r\n");
        for name in ["Via", "Record-Route"] {
            request.all(name).iter().for_each(|value| text += &format!("{name}: {value}\r\n"));
        }
        let to = request.one("To");
        let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag={tag}") };
        let (from, call_id, cseq) = (request.one("From"), request.one("Call-ID"), request.one("CSeq"));
        text += &format!("From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n");
        text += &format!("Contact: <{}>\r\n{headers}", self.uri());
        if !body.is_empty() && !headers.contains("Content-Type") {
            text += "Content-Type: application/sdp\r\n";
        }
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        Sip::new(text.as_bytes())
    }

    /// Sends a request inside a dialog. An ACK takes the number of the INVITE before it.
    pub fn inside(&mut self, dialog: &mut Dialog, method: &str, headers: &str, body: &str) -> Sip {
        dialog.sequence += u32::from(method != "ACK");
        let via = self.via(&format!("z9hG4bK{}", fresh()));
        let routes: String = dialog.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let contact = if method == "INVITE" || method == "UPDATE" {
            format!("Contact: <{}>\r\n", self.uri())
        } else {
            String::new()
        };
        let kind = if body.is_empty() || headers.contains("Content-Type") {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let Dialog { call_id, local, remote, target, sequence, .. } = dialog;
        let text = format!(
            "{method} {target} SIP/2.0\r\n{via}Max-Forwards: 70\r\n{routes}From: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\n\
             CSeq: {sequence} {method}\r\n{contact}{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(text.as_bytes());
        Sip::new(text.as_bytes())
    }

    /// The next new message; 100 is passed over. It must be this method or code.
    pub fn expect(&mut self, what: &str) -> Sip {
        let Some(message) = self.next(PATIENCE) else { panic!("{} waited for {what} in vain", self.address) };
        assert_eq!(message.what(), what, "at {}:\n{message}", self.address);
        message
    }

    /// The next new message, whatever it is.
    pub fn expect_any(&mut self) -> Sip {
        self.next(PATIENCE).unwrap_or_else(|| panic!("{} waited in vain", self.address))
    }

    /// Nothing new comes for that long.
    pub fn silent_for(&mut self, time: Duration) {
        if let Some(message) = self.next(time) {
            panic!("{} got what nobody expected:\n{message}", self.address);
        }
    }

    /// The next new message but 100, if one comes in time.
    pub fn next(&mut self, patience: Duration) -> Option<Sip> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let octets = self.octets(left)?;
            let message = Sip::new(&octets);
            if !self.seen.insert(octets) {
                self.repeated += 1;
            } else if message.what() != "100" {
                return Some(message);
            }
        }
    }

    /// The next message's octets, whatever they are.
    pub fn octets(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let end = Instant::now() + patience;
        match &mut self.wire {
            Wire::Udp(socket) => {
                socket.set_read_timeout(Some(patience.max(Duration::from_millis(1)))).expect("a socket");
                let mut octets = vec![0; 65_536];
                let (length, _) = socket.recv_from(&mut octets).ok()?;
                octets.truncate(length);
                Some(octets)
            }
            Wire::Tcp { listener, streams } => loop {
                if let Some(octets) = read_any(listener, streams) {
                    return Some(octets);
                }
                if Instant::now() >= end {
                    return None;
                }
                std::thread::sleep(Duration::from_millis(1));
            },
        }
    }

    /// Whether Ringpost has closed the connection within that time.
    pub fn closed_within(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            let _ = self.octets(Duration::from_millis(20));
            if matches!(&self.wire, Wire::Tcp { streams, .. } if streams.is_empty()) {
                return true;
            }
        }
        false
    }
}

/// The next whole message of any connection; those that Ringpost has closed are dropped.
fn read_any(listener: &TcpListener, streams: &mut Vec<(TcpStream, Vec<u8>)>) -> Option<Vec<u8>> {
    if let Ok((accepted, _)) = listener.accept() {
        streams.insert(0, (accepted, vec![]));
    }
    streams.retain_mut(|(stream, buffer)| {
        stream.set_read_timeout(Some(Duration::from_millis(1))).expect("a socket");
        let mut part = [0; 16_384];
        match stream.read(&mut part) {
            Ok(0) => !buffer.is_empty() && whole(buffer).is_some(),
            Ok(length) => {
                buffer.extend_from_slice(&part[..length]);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    });
    let at = streams.iter_mut().position(|(_, buffer)| whole(buffer).is_some())?;
    let mut found = streams.remove(at);
    let length = whole(&mut found.1).unwrap_or(0);
    let octets = found.1.drain(..length).collect();
    streams.push(found);
    Some(octets)
}

/// Opens a connection from the peer's own address.
fn connect(from: SocketAddr, to: SocketAddr) -> TcpStream {
    let kind = socket2::Type::STREAM;
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), kind, None).expect("a socket");
    socket.bind(&SocketAddr::new(from.ip(), 0).into()).expect("an address of this machine");
    socket.connect(&to.into()).expect("Ringpost listens");
    socket.into()
}

/// The length of the whole message at the start of a stream; keep-alives before it are dropped.
fn whole(buffer: &mut Vec<u8>) -> Option<usize> {
    while buffer.starts_with(b"\r\n") {
        buffer.drain(..2);
    }
    let head = buffer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let message = Sip::new(&buffer[..head]);
    let length: usize = message.first("Content-Length").parse().unwrap_or(0);
    (buffer.len() >= head + length).then_some(head + length)
}

/// A word that no other test of this process has.
pub fn fresh() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{:x}x{:x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
