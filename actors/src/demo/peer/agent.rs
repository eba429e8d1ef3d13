//! The user agent behind a [`super::Peer`]: a socket, the transactions of RFC 3261, and one call at a time.

use std::{net::SocketAddr, time::Instant};

use bytes::Bytes;
use ringpost::{
    settings::Transport,
    sip::{
        Message, Method,
        build::{Draft, phrase, plain_response, response},
        dialog::Dialog,
        peer::Peer as Place,
        sdp,
        token::{MAGIC, Token},
        transaction::{News, Output, Owner, Transactions},
    },
};
use tokio::{net::UdpSocket, sync::mpsc, time};

use super::{
    super::ladder::{Ladder, Party},
    Order, Seen,
};
use crate::entropy;

/// Every request of an agent is its own; the table only must not take it for nobody's.
const OWN: Owner = Owner::Errand(Token(0));
const ALLOW: &[u8] = b"INVITE, ACK, CANCEL, BYE, INFO";

/// The agent.
pub struct Agent {
    party: Party,
    socket: UdpSocket,
    address: SocketAddr,
    ringpost: Place,
    sound: SocketAddr,
    transactions: Transactions,
    began: Instant,
    call: Call,
    ladder: Ladder,
    tell: mpsc::UnboundedSender<Seen>,
}

/// The one call of an agent.
enum Call {
    None,
    /// It called, and there is no answer yet.
    Calling(Token),
    /// It is called, and rings.
    Ringing(Token, Box<Message>, SocketAddr),
    /// It is called and has answered; the ACK is awaited.
    Accepted(Token, Dialog, Box<sdp::Agreed>),
    /// Sound can flow.
    Talking(Dialog),
}

impl Agent {
    /// An agent on that socket, whose own address comes with it, and where Ringpost is; `sound`: where it hears.
    pub fn new(
        party: Party,
        (socket, address, ringpost): (UdpSocket, SocketAddr, SocketAddr),
        sound: SocketAddr,
        (ladder, tell): (Ladder, mpsc::UnboundedSender<Seen>),
    ) -> Self {
        let sent_by = vec![address.to_string().into_bytes().into()];
        Self {
            party,
            socket,
            address,
            ringpost: place(ringpost),
            sound,
            transactions: Transactions::new(0, sent_by, entropy::source()),
            began: Instant::now(),
            call: Call::None,
            ladder,
            tell,
        }
    }

    /// Works until its peer goes.
    pub async fn work(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut datagram = vec![0; 65_536];
        loop {
            let due = self.transactions.due().unwrap_or(u64::MAX);
            let sleep = time::Duration::from_millis(due.saturating_sub(self.now()).min(3_600_000));
            let mut out = Output::default();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order, &mut out),
                    None => return,
                },
                received = self.socket.recv_from(&mut datagram) => {
                    // Else it is the ICMP echo of a datagram whose receiver has gone: its transaction sees to that.
                    if let Ok((length, from)) = received {
                        self.received(&datagram[..length], from, &mut out);
                    }
                }
                () = time::sleep(sleep) => self.transactions.tick(self.now(), &mut out),
            }
            self.flush(out).await;
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Sends what is to be sent and does what the news ask for, until there is nothing left.
    async fn flush(&mut self, mut out: Output) {
        while !(out.transmit.is_empty() && out.news.is_empty()) {
            for transmit in out.transmit.drain(..) {
                if let Ok(message) = Message::read(transmit.bytes.clone()) {
                    self.ladder.passed(self.party, Party::Ringpost, &message);
                }
                if let Err(error) = self.socket.send_to(&transmit.bytes, transmit.peer.address).await {
                    self.say(Seen::Failed(format!("could not send: {error}")));
                }
            }
            let news = std::mem::take(&mut out.news);
            news.into_iter().for_each(|news| self.heed(news, &mut out));
        }
    }

    fn received(&mut self, datagram: &[u8], from: SocketAddr, out: &mut Output) {
        let Ok(message) = Message::read(Bytes::copy_from_slice(datagram)) else { return };
        if message.fault().is_none() {
            self.ladder.passed(Party::Ringpost, self.party, &message);
            self.transactions.received(message, place(from), self.now(), out);
        }
    }

    fn say(&self, seen: Seen) {
        // The peer goes first only at the end of the demonstration.
        let _ = self.tell.send(seen);
    }

    fn obey(&mut self, order: Order, out: &mut Output) {
        let now = self.now();
        match (order, std::mem::replace(&mut self.call, Call::None)) {
            (Order::Call { number, call_id }, _) => self.dial(&number, &call_id, out),
            (Order::GiveUp, Call::Calling(client)) => {
                self.transactions.cancel(client, None, now, out);
                self.call = Call::Calling(client);
            }
            (Order::Answer, Call::Ringing(server, invite, from)) => self.accept(server, &invite, from, out),
            (Order::HangUp, Call::Talking(mut dialog)) => {
                let (from, address) = (self.ringpost, self.address);
                self.transactions.request(from, OWN, now, out, |branch| {
                    via(dialog.request(b"BYE"), address, branch).empty()
                });
            }
            (Order::Forget, _) => {}
            (order, call) => {
                self.call = call;
                self.say(Seen::Failed(format!("cannot do that now: {order:?}")));
            }
        }
    }

    fn dial(&mut self, number: &str, call_id: &str, out: &mut Output) {
        let (now, address) = (self.now(), self.address);
        let uri = format!("sip:{number}@{}", self.ringpost.address);
        let offer = sdp::offer(self.sound, u64::from(self.transactions.random()));
        let tag = Token(u64::from(self.transactions.random())).text();
        let client = self.transactions.invite(self.ringpost, OWN, now, out, |branch| {
            let mut draft = via(Draft::request(b"INVITE", uri.as_bytes()), address, branch);
            let caller = format!("\"Luka A\" <sip:+15550142@{address}>");
            draft
                .header("Max-Forwards", &[b"70"])
                .header("From", &[caller.as_bytes(), b";tag=", &tag])
                .header("To", &[b"<", uri.as_bytes(), b">"])
                .header("Call-ID", &[call_id.as_bytes()])
                .header("CSeq", &[b"1 INVITE"])
                .header("Contact", &[contact(address).as_bytes()])
                .header("P-Asserted-Identity", &[b"\"Luka A\" <tel:+15550142>"])
                .header("Allow", &[ALLOW])
                .header("Content-Type", &[b"application/sdp"]);
            draft.body(&offer)
        });
        match client {
            Some(client) => self.call = Call::Calling(client),
            None => self.say(Seen::Failed("has no room for a call".into())),
        }
    }

    fn accept(&mut self, server: Token, invite: &Message, from: SocketAddr, out: &mut Output) {
        let now = self.now();
        let answer = sdp::answer(&invite.body(), self.sound, server.0 >> 1);
        let (Ok(answer), Some(dialog)) = (answer, Dialog::uas(invite, &server.text())) else {
            let refusal = plain_response(invite, from, 488, &server.text());
            self.transactions.respond(server, 488, refusal, now, out);
            return self.say(Seen::Failed("was called with nothing to talk by".into()));
        };
        let mut draft = response(invite, from, 200, phrase(200).as_bytes(), &server.text());
        draft
            .copy(invite, ringpost::sip::Name::RecordRoute)
            .header("Contact", &[contact(self.address).as_bytes()])
            .header("Allow", &[ALLOW])
            .header("Content-Type", &[b"application/sdp"]);
        self.transactions.respond(server, 200, draft.body(&answer.sdp), now, out);
        self.call = Call::Accepted(server, dialog, Box::new(answer.agreed));
    }

    fn heed(&mut self, news: News, out: &mut Output) {
        match news {
            News::Request { server, message, from } => self.asked(server, message, from.address, out),
            News::Ack { .. } => match std::mem::replace(&mut self.call, Call::None) {
                Call::Accepted(server, dialog, agreed) => {
                    self.transactions.acknowledged(server);
                    self.call = Call::Talking(dialog);
                    self.say(Seen::Answered(agreed));
                }
                call => self.call = call,
            },
            News::Cancelled { message, .. } => self.taken_back(&message, out),
            News::Response { client, message, .. } => self.answered(client, &message, out),
            News::Unacknowledged { .. } => self.say(Seen::Failed("waited in vain for an ACK".into())),
            News::Failed { code, .. } => {
                self.say(Seen::Failed(format!("had no response to a request ({code})")))
            }
        }
    }

    fn asked(&mut self, server: Token, request: Message, from: SocketAddr, out: &mut Output) {
        let now = self.now();
        let (code, seen) = match (request.method(), &self.call) {
            (Some(Method::Invite), Call::None) => (180, Some(Seen::Ringing)),
            (Some(Method::Invite), _) => (486, None),
            (Some(Method::Bye), Call::Talking(_)) => (200, Some(Seen::HungUp)),
            (Some(Method::Bye), _) => (481, None),
            (Some(Method::Info), _) => {
                (200, Some(Seen::Told(String::from_utf8_lossy(&request.body()).into_owned())))
            }
            (Some(Method::Options), _) => (200, None),
            _ => (501, None),
        };
        let mut draft = response(&request, from, code, phrase(code).as_bytes(), &server.text());
        draft.header("Contact", &[contact(self.address).as_bytes()]);
        self.transactions.respond(server, code, draft.empty(), now, out);
        match seen {
            Some(Seen::Ringing) => self.call = Call::Ringing(server, Box::new(request), from),
            Some(Seen::HungUp) => self.call = Call::None,
            Some(_) | None => {}
        }
        if let Some(seen) = seen {
            self.say(seen);
        }
    }

    fn taken_back(&mut self, cancel: &Message, out: &mut Output) {
        let now = self.now();
        let Call::Ringing(server, invite, from) = std::mem::replace(&mut self.call, Call::None) else {
            return;
        };
        let over = plain_response(&invite, from, 487, &server.text());
        self.transactions.respond(server, 487, over, now, out);
        let reason = cancel.fields().find(|f| cancel.written_name(f).eq_ignore_ascii_case(b"Reason"));
        let reason = reason.map(|field| String::from_utf8_lossy(cancel.value(field)).into_owned());
        self.say(Seen::TakenBack(reason));
    }

    /// A response to a request of its own.
    fn answered(&mut self, client: Token, message: &Message, out: &mut Output) {
        let code = message.code().unwrap_or(0);
        match (message.cseq_method(), code) {
            (Some(Method::Invite), ..=199) => self.say(Seen::Progress(code)),
            (Some(Method::Invite), 200..=299) => self.confirm(client, message, out),
            (Some(Method::Invite), _) => {
                self.call = Call::None;
                self.say(Seen::Refused(code));
            }
            (Some(Method::Bye), 200..=299) => self.say(Seen::Over),
            (_, 300..) => self.say(Seen::Failed(format!("was refused a request with {code}"))),
            _ => {}
        }
    }

    fn confirm(&mut self, client: Token, answer: &Message, out: &mut Output) {
        let invite = self.transactions.invite_request(client);
        let dialog = invite.and_then(|invite| Dialog::uac(&invite, answer));
        let agreed = sdp::accept_answer(&answer.body(), self.sound);
        let (Some(dialog), Ok(agreed)) = (dialog, agreed) else {
            return self.say(Seen::Failed("had an answer that is none".into()));
        };
        let branch = Token(u64::from(self.transactions.random()));
        let ack = via(dialog.ack(1), self.address, branch).empty();
        let now = self.now();
        self.transactions.acknowledge(client, self.ringpost, ack, now, out);
        self.call = Call::Talking(dialog);
        self.say(Seen::Answered(Box::new(agreed)));
    }
}

fn place(address: SocketAddr) -> Place {
    Place { transport: Transport::Udp, address, listener: 0, connection: 0 }
}

fn via(mut draft: Draft, address: SocketAddr, branch: Token) -> Draft {
    draft.via(Transport::Udp, address.to_string().as_bytes(), &[MAGIC, &branch.text()]);
    draft
}

fn contact(address: SocketAddr) -> String {
    format!("<sip:{address}>")
}
