//! A lane without sockets: messages in, a log of all that goes out, and a clock that is moved by hand.

use std::net::SocketAddr;

use bytes::Bytes;
use ringpost::{
    settings::Transport,
    sip::{
        Message,
        build::Draft,
        peer::Peer,
        token::Token,
        transaction::{News, Output, Owner, Transactions},
    },
};

/// The leg that hears everything.
pub const LEG: Owner = Owner::Leg(Token(0x0200_0001_0000_0042));
/// What our INVITEs offer.
pub const OFFER: &[u8] = b"v=0\r\n";
/// The Reason that losers get.
pub const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// The transactions of lane 2, their log and their clock.
pub struct Lane {
    /// The machine.
    pub transactions: Transactions,
    /// Milliseconds.
    pub now: u64,
    /// Where messages come from and go to.
    pub peer: Peer,
    /// The server transaction of the latest request.
    pub server: Token,
    /// Everything that was sent, with where to.
    pub sent: Vec<(Peer, Message)>,
    log: Vec<String>,
}

/// A far end by transport.
pub fn peer(transport: Transport) -> Peer {
    let address: SocketAddr = "192.0.2.9:5070".parse().expect("an address");
    Peer { transport, address, listener: 0, connection: 0 }
}

impl Lane {
    /// A lane whose far end speaks UDP.
    pub fn udp() -> Self {
        Self::new(peer(Transport::Udp))
    }

    /// A lane whose far end speaks TCP.
    pub fn tcp() -> Self {
        Self::new(peer(Transport::Tcp))
    }

    /// A lane on UDP that gives a silent peer up after so many milliseconds.
    pub fn impatient(patience: u64) -> Self {
        let lane = Self::udp();
        Self { transactions: lane.transactions.with_patience(patience), ..lane }
    }

    fn new(peer: Peer) -> Self {
        let mut dice = fastrand::Rng::with_seed(7);
        let sent_by = [&b"192.0.2.1:5060"[..], b"192.0.2.1:5062"].map(Box::from).into();
        Self {
            transactions: Transactions::new(2, sent_by, Box::new(move || dice.u32(..))),
            now: 0,
            peer,
            server: Token(0),
            sent: vec![],
            log: vec![],
        }
    }

    /// What was sent (`>`) and told (`*`) since the last time, with its millisecond.
    pub fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// The latest message sent whose first line starts so.
    pub fn last(&self, start: &str) -> &Message {
        let found = self.sent.iter().rev().find(|(_, message)| message.raw().starts_with(start.as_bytes()));
        &found.expect("such a message was sent").1
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Time goes on.
    pub fn until(&mut self, then: u64) {
        while let Some(due) = self.transactions.due().filter(|due| *due <= then) {
            self.now = due.max(self.now);
            self.with(|lane, now, out| lane.tick(now, out));
        }
        self.now = then;
        self.with(|lane, now, out| lane.tick(now, out));
    }

    /// Does something with the transactions, and logs what comes of it.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut Transactions, u64, &mut Output) -> T) -> T {
        let mut out = Output::default();
        let result = act(&mut self.transactions, self.now, &mut out);
        for transmit in out.transmit {
            let message = Message::read(transmit.bytes).expect("what we send is SIP");
            assert_eq!(message.fault(), None, "what we send is right");
            self.log.push(format!("{} > {}", self.now, title(&message)));
            self.sent.push((transmit.peer, message));
        }
        for news in out.news {
            if let News::Request { server, .. } = &news {
                self.server = *server;
            }
            self.log.push(format!("{} * {}", self.now, told(&news)));
        }
        result
    }

    /// Sends an INVITE with a body.
    pub fn invite(&mut self) -> Token {
        let peer = self.peer;
        self.with(|lane, now, out| lane.invite(peer, LEG, now, out, |name| request(b"INVITE", peer, name)))
            .expect("room")
    }

    /// Sends another request.
    pub fn request(&mut self, method: &'static str) -> Token {
        let peer = self.peer;
        self.with(|lane, now, out| {
            lane.request(peer, LEG, now, out, |name| request(method.as_bytes(), peer, name))
        })
        .expect("room")
    }

    /// A response to a request of ours comes in, with this method in its CSeq and this To tag.
    pub fn response(&mut self, client: Token, code: u16, method: &str, tag: &str) {
        let name = client.text();
        let branch = String::from_utf8_lossy(&name);
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        self.receive(&format!(
            "SIP/2.0 {code} Whatever\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch};rport=5060\r\n\
             From: <sip:us@lab.test>;tag=us\r\nTo: <sip:1001@lab.test>{tag}\r\nCall-ID: call-1\r\n\
             CSeq: 7 {method}\r\nContact: <sip:1001@192.0.2.9:5070;x=1>\r\nContent-Length: 0\r\n\r\n"
        ));
    }

    /// A message comes in.
    pub fn receive(&mut self, text: &str) {
        let message = Message::read(Bytes::from(text.to_owned())).expect("SIP");
        let from = self.peer;
        self.with(|lane, now, out| lane.received(message, from, now, out));
    }

    /// The ACK for a 2xx to an INVITE of ours, as the transaction user makes it.
    pub fn acknowledge(&mut self, client: Token, peer: Peer, tag: &str) {
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let mut ack = Draft::request(b"ACK", b"sip:1001@192.0.2.9:5070;x=1");
        ack.via(peer.transport, b"192.0.2.1:5060", &[b"z9hG4bKack", tag.as_bytes()])
            .header("From", &[b"<sip:us@lab.test>;tag=us"])
            .header("To", &[b"<sip:1001@lab.test>", tag.as_bytes()])
            .header("Call-ID", &[b"call-1"])
            .header("CSeq", &[b"7 ACK"]);
        let ack = ack.empty();
        self.with(|lane, now, out| lane.acknowledge(client, peer, ack, now, out));
    }

    /// Answers the latest request that came in.
    pub fn respond(&mut self, code: u16) {
        let server = self.server;
        let response = format!(
            "SIP/2.0 {code} Whatever\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKin\r\nCSeq: 3 INVITE\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.with(|lane, now, out| lane.respond(server, code, Bytes::from(response), now, out));
    }
}

fn request(method: &[u8], peer: Peer, name: Token) -> Bytes {
    let mut draft = Draft::request(method, b"sip:1001@192.0.2.9:5070");
    draft
        .via(peer.transport, b"192.0.2.1:5060", &[b"z9hG4bK", &name.text()])
        .header("Route", &[b"<sip:proxy.lab.test;lr>"])
        .header("From", &[b"<sip:us@lab.test>;tag=us"])
        .header("To", &[b"<sip:1001@lab.test>"])
        .header("Call-ID", &[b"call-1"])
        .header("CSeq", &[b"7 ", method])
        .header("Contact", &[b"<sip:192.0.2.1:5060>"])
        .header("Max-Forwards", &[b"69"])
        .header("Supported", &[b"timer"]);
    draft.body(if method == b"INVITE" { OFFER } else { b"" })
}

/// `INVITE`, or `486 INVITE` for a response.
fn title(message: &Message) -> String {
    match message.code() {
        Some(code) => {
            let method = message.cseq().map_or(&b"?"[..], |(_, method)| method);
            format!("{code} {}", String::from_utf8_lossy(method))
        }
        None => String::from_utf8_lossy(message.method_name()).into(),
    }
}

fn told(news: &News) -> String {
    match news {
        News::Request { message, .. } => format!("Request {}", title(message)),
        News::Ack { .. } => "Ack".into(),
        News::Cancelled { owner, .. } => format!("Cancelled{}", to(*owner)),
        News::Unacknowledged { owner } => format!("Unacknowledged{}", to(*owner)),
        News::Response { owner, message, .. } => format!("Response {}{}", title(message), to(*owner)),
        News::Failed { owner, code, .. } => format!("Failed {code}{}", to(*owner)),
    }
}

fn to(owner: Owner) -> &'static str {
    if owner == LEG { "" } else { " to somebody else" }
}
