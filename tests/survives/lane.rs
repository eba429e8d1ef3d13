//! Messages, answers and time against the transactions of a lane: nobody hears a thing twice, one message brings one or
//! two, and when time has passed nothing is left.

use std::{collections::HashMap, net::SocketAddr};

use bytes::Bytes;
use ringpost::{
    settings::Transport,
    sip::{
        Message, Method, Name,
        build::{Draft, plain_response},
        check,
        message::Fault,
        peer::{Peer, Transmit},
        token::{MAGIC, Token},
        transaction::{News, Output, Owner, Transactions},
    },
};

use super::Dice;

const METHODS: [&str; 8] = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "PRACK", "STRANGE"];
const CODES: [u16; 12] = [100, 180, 183, 200, 202, 301, 401, 404, 481, 486, 503, 603];
const TAGS: [&str; 4] = ["", ";tag=a", ";tag=b", ";tag=\"c;d\""];
const LEG: Owner = Owner::Leg(Token(0x0200_0001_0000_0042));
const MOST_STEPS: usize = 120;
/// An INVITE that everybody has forgotten is kept for an hour; what its end says, for 64*T1 once or twice more.
const FOR_EVER: u64 = 3_600_000 + 200_000;

/// What a client transaction may still say to its owner.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hears {
    Anything,
    Answers,
    Nothing,
}

struct Lane {
    transactions: Transactions,
    now: u64,
    peer: Peer,
    clients: Vec<Token>,
    servers: Vec<Token>,
    /// Requests of ours that went out, and the last answer to any.
    sent: Vec<Message>,
    answered: Option<Message>,
    hears: HashMap<Token, Hears>,
}

/// The first octet says the transport; each step is an octet that says what, and what it takes.
pub fn survives(octets: &[u8]) {
    let mut dice = Dice(octets);
    let transport = *dice.one(&[Transport::Udp, Transport::Tcp]);
    let mut lane = Lane::new(transport);
    for step in 1..=MOST_STEPS {
        if dice.is_empty() {
            break;
        }
        lane.step(&mut dice);
        assert!(lane.transactions.len() <= 2 * step, "{} transactions after {step}", lane.transactions.len());
    }
    lane.wait(FOR_EVER);
    assert_eq!(lane.transactions.len(), 0, "a transaction is left");
    lane.wait(110_000);
    assert_eq!(lane.transactions.due(), None, "a timer is left");
}

impl Lane {
    fn new(transport: Transport) -> Self {
        let address: SocketAddr = "192.0.2.9:5070".parse().expect("an address");
        let mut random = 7_u32;
        let dice = move || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random
        };
        Self {
            transactions: Transactions::new(2, vec![Box::from(&b"192.0.2.1:5060"[..])], Box::new(dice)),
            now: 0,
            peer: Peer { transport, address, listener: 0, connection: 0 },
            clients: vec![],
            servers: vec![],
            sent: vec![],
            answered: None,
            hears: HashMap::new(),
        }
    }

    fn step(&mut self, dice: &mut Dice) {
        match dice.octet() % 14 {
            0 => self.wait(u64::from(dice.word())),
            1 => self.wait(u64::from(dice.octet()) * 4),
            2 => self.asks(dice.octet().is_multiple_of(2)),
            3 => {
                let (server, code) = (which(&self.servers, dice), *dice.one(&CODES));
                self.responds(server, code);
            }
            4 => drop(self.transactions.acknowledged(which(&self.servers, dice))),
            5 => {
                let client = which(&self.clients, dice);
                self.with(2, |it, now, out| it.cancel(client, Some("SIP;cause=200"), now, out));
            }
            6 => {
                let client = which(&self.clients, dice);
                self.transactions.orphan(client, None);
                self.hears.insert(client, Hears::Nothing);
            }
            7 => {
                let client = which(&self.clients, dice);
                self.with(0, |it, now, out| it.undeliverable(client, now, out));
            }
            8 => self.transactions.adopt(which(&self.servers, dice), LEG),
            9 => {
                let (client, peer) = (which(&self.clients, dice), self.peer);
                let Some(answer) = &self.answered else { return };
                let to = answer.first(Name::To).unwrap_or(b"");
                let ack = request("ACK", b"z9hG4bKack", to, b"ours", 1);
                self.with(1, |it, now, out| it.acknowledge(client, peer, ack, now, out));
            }
            10 => {
                let client = which(&self.clients, dice);
                let Some(answer) = self.answered.clone() else { return };
                self.with(2, |it, now, out| it.refuse(client, &answer, None, now, out));
            }
            11 | 12 => {
                let response = self.response(dice);
                self.comes(response);
            }
            _ => {
                let request = incoming(dice);
                self.comes(request);
            }
        }
    }

    /// Sends a request of ours.
    fn asks(&mut self, invite: bool) {
        let (peer, name) = (self.peer, if invite { "INVITE" } else { "INFO" });
        let build =
            |branch: Token| request(name, &[MAGIC, &branch.text()].concat(), b"<sip:u@h>", &branch.text(), 1);
        let mut client = None;
        self.with(1, |it, now, out| {
            client = match invite {
                true => it.invite(peer, LEG, now, out, build),
                false => it.request(peer, LEG, now, out, build),
            };
        });
        let client = client.expect("the table is not full");
        self.hears.insert(client, Hears::Anything);
        self.clients.push(client);
    }

    fn responds(&mut self, server: Token, code: u16) {
        let source = self.peer.address;
        // What it says does not matter to a transaction; that it is well-formed does to us.
        let asked = request("OPTIONS", b"z9hG4bKx", b"<sip:u@h>", b"x", 1);
        let asked = Message::read(asked).expect("ours");
        let response = plain_response(&asked, source, code, &server.text());
        self.with(1, |it, now, out| it.respond(server, code, response, now, out));
    }

    /// A response to a request of ours, perhaps spoilt.
    fn response(&self, dice: &mut Dice) -> Vec<u8> {
        let (code, tag) = (*dice.one(&CODES), *dice.one(&TAGS));
        let which = usize::from(dice.octet());
        let Some(request) = self.sent.get(which % self.sent.len().max(1)) else { return vec![] };
        let mut draft = Draft::status(code, b"As Told");
        draft
            .copy(request, Name::Via)
            .copy(request, Name::From)
            .header("To", &[request.first(Name::To).unwrap_or(b""), tag.as_bytes()])
            .copy(request, Name::CallId)
            .copy(request, Name::CSeq)
            .header("Contact", &[b"<sip:peer@192.0.2.9:5070>"]);
        spoilt(draft.empty().to_vec(), dice)
    }

    /// What the port does with octets.
    fn comes(&mut self, octets: Vec<u8>) {
        let Ok(message) = Message::read(Bytes::from(octets)) else { return };
        let peer = self.peer;
        let request = message.method().is_some();
        if request && check::request(&message).is_err() || !request && !check::response(&message) {
            return;
        }
        if !request {
            self.answered = Some(message.clone());
        }
        // An answer that nobody wants brings ACK and BYE; everything else one message at most.
        self.with(if request { 1 } else { 2 }, |it, now, out| it.received(message, peer, now, out));
    }

    fn wait(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(due) = self.transactions.due().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            let most = 2 * self.transactions.len();
            self.with(most, |it, now, out| it.tick(now, out));
        }
        self.now = until;
    }

    /// Lets something happen that may send up to `most` messages, and looks at all that comes of it.
    fn with(&mut self, most: usize, what: impl FnOnce(&mut Transactions, u64, &mut Output)) {
        let mut out = Output::default();
        what(&mut self.transactions, self.now, &mut out);
        assert!(out.transmit.len() <= most, "{} messages where {most} may go", out.transmit.len());
        out.transmit.into_iter().for_each(|transmit| self.sends(transmit));
        out.news.into_iter().for_each(|news| self.told(news));
    }

    fn sends(&mut self, Transmit { peer, bytes }: Transmit) {
        assert_eq!(peer.address.ip(), self.peer.address.ip());
        let message = Message::read(bytes.clone()).expect("ours is SIP");
        // With an answer to 256 Vias goes a Content-Length.
        assert!(matches!(message.fault(), None | Some(Fault::TooMany)), "{:?}: {message:?}", message.fault());
        assert_eq!(message.raw().len(), bytes.len(), "one message and nothing behind it");
        match message.method() {
            Some(Method::Ack) | None => {}
            Some(_) if self.sent.len() < 16 => self.sent.push(message),
            Some(_) => {}
        }
    }

    fn told(&mut self, news: News) {
        match news {
            News::Request { server, .. } => {
                assert!(!self.servers.contains(&server), "a request is told twice");
                self.servers.push(server);
            }
            News::Response { client, message, owner } => {
                assert_eq!(owner, LEG);
                let code = message.code().expect("a response");
                let hears = self.hears.insert(client, after(code)).expect("a client of ours");
                let fits = hears == Hears::Anything || hears == Hears::Answers && (200..300).contains(&code);
                assert!(fits, "{code} where {hears:?} may come");
            }
            News::Failed { client, owner, .. } => {
                assert_eq!(owner, LEG);
                let hears = self.hears.insert(client, Hears::Nothing).expect("a client of ours");
                assert_eq!(hears, Hears::Anything, "it fails after it has ended");
            }
            News::Ack { .. } | News::Cancelled { .. } | News::Unacknowledged { .. } => {}
        }
    }
}

/// What may follow a response.
fn after(code: u16) -> Hears {
    match code {
        ..200 => Hears::Anything,
        200..300 => Hears::Answers,
        300.. => Hears::Nothing,
    }
}

fn which(of: &[Token], dice: &mut Dice) -> Token {
    let which = usize::from(dice.octet());
    of.get(which % of.len().max(1)).copied().unwrap_or(Token(9))
}

/// A request of a few that have much in common, perhaps spoilt.
fn incoming(dice: &mut Dice) -> Vec<u8> {
    let method = *dice.one(&METHODS);
    let branch = *dice.one(&["z9hG4bK1", "z9hG4bK2", "z9hG4bK", "old"]);
    let to = format!("<sip:u@h>{}", dice.one(&TAGS));
    let (call_id, sequence) = (*dice.one(&["x", "y"]), u32::from(dice.octet() % 2));
    let written = request(method, branch.as_bytes(), to.as_bytes(), call_id.as_bytes(), sequence);
    spoilt(written.to_vec(), dice)
}

/// Up to three places of a message changed: an octet set, octets left out, octets put in.
fn spoilt(mut octets: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    for _ in 0..dice.octet() % 4 {
        let at = usize::from(dice.word()) % octets.len().max(1);
        let count = usize::from(dice.octet() % 24);
        match dice.octet() % 3 {
            0 => octets.get_mut(at).into_iter().for_each(|octet| *octet = count as u8),
            1 => drop(octets.drain(at..(at + count).min(octets.len()))),
            _ => drop(octets.splice(at..at, dice.take(count).to_vec())),
        }
    }
    octets
}

fn request(method: &str, branch: &[u8], to: &[u8], call_id: &[u8], sequence: u32) -> Bytes {
    let mut draft = Draft::request(method.as_bytes(), b"sip:u@h");
    draft
        .header("Via", &[b"SIP/2.0/UDP 192.0.2.9:5070;branch=", branch])
        .header("From", &[b"<sip:p@h>;tag=p"])
        .header("To", &[to])
        .header("Call-ID", &[call_id])
        .header("CSeq", &[sequence.to_string().as_bytes(), b" ", method.as_bytes()])
        .header("Contact", &[b"<sip:p@192.0.2.9:5070>"]);
    draft.empty()
}
