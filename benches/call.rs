//! What a call costs the pure half: the call machine, and the transactions' share of an answered call with two devices.
//! `cargo bench --bench call`.

use std::{hint::black_box, net::SocketAddr};

use bytes::Bytes;
use divan::Bencher;
use ringpost::{
    call::{Call, Event::*, Leg::*, Plan, Timer, UmPhase},
    settings::Transport,
    sip::{
        Message,
        build::{self, Draft},
        peer::Peer,
        token::Token,
        transaction::{News, Output, Owner, Transactions},
    },
};

fn main() {
    divan::main();
}

#[divan::bench]
fn machine_answered_call() -> Call {
    let (mut call, effects) = Call::start(black_box(Plan::plain(2, 2, std::time::Duration::from_secs(20))));
    black_box(effects);
    for event in [Rang(Phone(0)), Rang(Phone(1)), Answered(Phone(0)), Refused(Phone(1), 487), HungUp(Caller)]
    {
        black_box(call.on(black_box(event)));
    }
    call
}

#[divan::bench]
fn machine_forwarded_call() -> Call {
    let (mut call, effects) = Call::start(black_box(Plan::plain(2, 2, std::time::Duration::from_secs(20))));
    black_box(effects);
    for event in [
        Rang(Phone(0)),
        Rang(Phone(1)),
        Expired(Timer::NoAnswer),
        Refused(Phone(0), 487),
        Refused(Phone(1), 487),
        Answered(Um(0)),
        Reported(UmPhase::Greeting),
        Reported(UmPhase::Recording),
        HungUp(Um(0)),
    ] {
        black_box(call.on(black_box(event)));
    }
    call
}

/// INVITE in and 180, 200 out; two INVITEs out with 180 in; one 200, one CANCEL with 200 and 487; ACKs; BYE in, BYE out;
/// with the reading of each message that comes in. Time goes on by a minute per call, so that entries also end.
#[divan::bench]
fn transactions_of_an_answered_call(bencher: Bencher) {
    let mut lane = Lane::new();
    bencher.bench_local(|| lane.answered_call(60_000));
    assert!(lane.transactions.len() < 100, "every call's entries have ended");
}

/// The same while 50,000 other transactions are open.
#[divan::bench]
fn transactions_of_an_answered_call_among_50_000(bencher: Bencher) {
    let mut lane = Lane::new();
    for n in 0..50_000 {
        let out = &mut Output::default();
        lane.transactions.received(read(&incoming("INVITE", 1_000_000_000 + n)), lane.peer, 0, out);
    }
    lane.transactions.tick(1_000, &mut Output::default()); // they all say 100
    lane.now = 1_000;
    bencher.bench_local(|| lane.answered_call(10));
}

struct Lane {
    transactions: Transactions,
    peer: Peer,
    now: u64,
    call: u64,
    out: Output,
}

impl Lane {
    fn new() -> Self {
        let mut dice = fastrand::Rng::with_seed(1);
        let address: SocketAddr = "192.0.2.9:5070".parse().expect("an address");
        let sent_by = vec![Box::from(&b"192.0.2.1:5060"[..])];
        Self {
            transactions: Transactions::new(0, sent_by, Box::new(move || dice.u32(..))),
            peer: Peer { transport: Transport::Udp, address, listener: 0, connection: 0 },
            now: 0,
            call: 0,
            out: Output::default(),
        }
    }

    fn answered_call(&mut self, pause: u64) {
        self.call += 1;
        let invite = self.receive(&incoming("INVITE", self.call));
        let (server, request) = invite.expect("a new call");
        self.transactions.adopt(server, Owner::Leg(Token(7)));
        let [desk, soft] = [self.send("INVITE"), self.send("INVITE")];
        for client in [desk, soft] {
            self.receive(&answer(client, 180, "INVITE"));
        }
        self.respond(server, &request, 180);
        self.receive(&answer(desk, 200, "INVITE"));
        self.respond(server, &request, 200);
        let ack = draft("ACK", Token(1)).empty();
        self.transactions.acknowledge(desk, self.peer, ack, self.now, &mut self.out);
        self.transactions.cancel(soft, Some("SIP;cause=200"), self.now, &mut self.out);
        self.receive(&answer(soft, 200, "CANCEL"));
        self.receive(&answer(soft, 487, "INVITE"));
        self.receive(&incoming("ACK", self.call).replace("z9hG4bK", "z9hG4bKa"));
        self.transactions.acknowledged(server);
        let (bye, request) = self.receive(&incoming("BYE", self.call)).expect("a request");
        self.respond(bye, &request, 200);
        let bye = self.send("BYE");
        self.receive(&answer(bye, 200, "BYE"));
        black_box(std::mem::take(&mut self.out));
        self.now += pause;
        self.transactions.tick(self.now, &mut self.out);
    }

    fn receive(&mut self, text: &str) -> Option<(Token, Message)> {
        self.transactions.received(read(text), self.peer, self.now, &mut self.out);
        self.out.news.drain(..).fold(None, |found, news| match news {
            News::Request { server, message, .. } => Some((server, message)),
            _ => found,
        })
    }

    fn respond(&mut self, server: Token, request: &Message, code: u16) {
        let response = build::plain_response(request, self.peer.address, code, b"0000000000000007");
        self.transactions.respond(server, code, response, self.now, &mut self.out);
    }

    fn send(&mut self, method: &'static str) -> Token {
        let (owner, build) = (Owner::Leg(Token(7)), |name| draft(method, name).empty());
        let client = match method {
            "INVITE" => self.transactions.invite(self.peer, owner, self.now, &mut self.out, build),
            _ => self.transactions.request(self.peer, owner, self.now, &mut self.out, build),
        };
        client.expect("room")
    }
}

fn read(text: &str) -> Message {
    Message::read(Bytes::copy_from_slice(text.as_bytes())).expect("SIP")
}

fn draft(method: &str, name: Token) -> Draft {
    let mut draft = Draft::request(method.as_bytes(), b"sip:1001@192.0.2.9:5070");
    draft
        .via(Transport::Udp, b"192.0.2.1:5060", &[b"z9hG4bK", &name.text()])
        .header("From", &[b"<sip:1000@lab.test>;tag=us"])
        .header("To", &[b"<sip:1001@lab.test>"])
        .header("Call-ID", &[b"0123456789abcdef"])
        .header("CSeq", &[b"1 ", method.as_bytes()])
        .header("Contact", &[b"<sip:192.0.2.1:5060>"])
        .header("Max-Forwards", &[b"69"]);
    draft
}

fn incoming(method: &str, call: u64) -> String {
    format!(
        "{method} sip:1001@lab.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK{call};rport\r\n\
         From: \"A Caller\" <sip:1000@lab.test>;tag=p\r\nTo: <sip:1001@lab.test>\r\nCall-ID: {call}@lab.test\r\n\
         CSeq: 1 {method}\r\nContact: <sip:pbx@192.0.2.9:5070>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

fn answer(client: Token, code: u16, method: &str) -> String {
    let name = client.text();
    let branch = String::from_utf8_lossy(&name);
    format!(
        "SIP/2.0 {code} X\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch};rport=5060\r\n\
         From: <sip:1000@lab.test>;tag=us\r\nTo: <sip:1001@lab.test>;tag=them\r\nCall-ID: 0123456789abcdef\r\n\
         CSeq: 1 {method}\r\nContact: <sip:1001@192.0.2.9:5070>\r\nContent-Length: 0\r\n\r\n"
    )
}
