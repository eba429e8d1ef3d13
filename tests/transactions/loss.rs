//! T37 on the floor of the transactions: two ends over a network that loses every fifth datagram, turns their order round,
//! and now and then doubles one.

use std::{collections::BTreeMap, net::SocketAddr};

use bytes::Bytes;
use ringpost::{
    settings::Transport,
    sip::{
        Message,
        build::{Draft, plain_response},
        dialog::Dialog,
        peer::Peer,
        token::Token,
        transaction::{News, Output, Owner, Transactions},
    },
};

const CALLS: u64 = 1_000;

#[test]
fn a_thousand_calls_survive_a_network_that_loses_every_fifth_datagram() {
    let mut net = Net::new(0.2);
    net.run();
    let answered = net.ends.iter().filter(|end| **end == Some(200)).count();
    let refused = net.ends.iter().filter(|end| matches!(end, Some(486 | 487))).count();
    let silent = net.ends.iter().filter(|end| **end == Some(408)).count();
    println!("answered {answered}, refused or cancelled {refused}, timed out {silent}");
    println!("hung up {}, without an ACK {}", net.hung_up, net.unacknowledged);
    assert_eq!(answered + refused + silent, CALLS as usize, "every call has one end");
    assert!(silent <= 5 && net.unacknowledged <= 5, "the repetitions carry nearly every call");
    assert!(net.hung_up + 5 >= answered, "the BYEs arrive");
    assert_eq!(net.sides.each_ref().map(|side| side.len()), [0, 0]);
}

#[test]
fn without_loss_nothing_is_lost() {
    let mut net = Net::new(0.0);
    net.run();
    let answered = net.ends.iter().filter(|end| **end == Some(200)).count();
    assert_eq!((net.hung_up, net.unacknowledged), (answered, 0));
    assert!(!net.ends.contains(&Some(408)) && !net.ends.contains(&None));
    assert_eq!(net.sides.each_ref().map(|side| side.len()), [0, 0]);
}

/// What is going to happen.
enum Soon {
    Arrives { at: usize, bytes: Bytes },
    Calls(u64),
    Cancels { client: Token },
    Answers { server: Token, request: Box<Message>, code: u16 },
    HangsUp { dialog: Box<Dialog> },
}

struct Net {
    /// The caller and the called side.
    sides: [Transactions; 2],
    agenda: BTreeMap<(u64, u64), Soon>,
    now: u64,
    dice: fastrand::Rng,
    loss: f64,
    /// The caller's final response of each call; 408 where none came.
    ends: Vec<Option<u16>>,
    hung_up: usize,
    unacknowledged: usize,
    /// INVITEs that the called side has not answered yet.
    open: BTreeMap<u64, (Token, Message)>,
}

impl Net {
    fn new(loss: f64) -> Self {
        let side = |seed| {
            let mut dice = fastrand::Rng::with_seed(seed);
            Transactions::new(
                seed as u8,
                vec![Box::from(&b"192.0.2.1:5060"[..])],
                Box::new(move || dice.u32(..)),
            )
        };
        let mut net = Self {
            sides: [side(1), side(2)],
            agenda: BTreeMap::new(),
            now: 0,
            dice: fastrand::Rng::with_seed(37),
            loss,
            ends: vec![None; CALLS as usize],
            hung_up: 0,
            unacknowledged: 0,
            open: BTreeMap::new(),
        };
        (0..CALLS).for_each(|call| net.soon(call * 50, Soon::Calls(call)));
        net
    }

    fn soon(&mut self, after: u64, what: Soon) {
        let order = self.dice.u64(..);
        self.agenda.insert((self.now + after, order), what);
    }

    /// Until nobody has anything left to do.
    fn run(&mut self) {
        loop {
            let timer = self.sides.iter().filter_map(Transactions::due).min();
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let Some(now) = timer.into_iter().chain(next).min() else { return };
            self.now = now.max(self.now);
            for side in [0, 1] {
                self.with(side, |it, now, out| it.tick(now, out));
            }
            if let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let soon = entry.remove();
                self.perform(soon);
            }
        }
    }

    fn perform(&mut self, soon: Soon) {
        match soon {
            Soon::Arrives { at, bytes } => {
                let message = Message::read(bytes).expect("what the other side sends is SIP");
                let from = peer();
                self.with(at, |it, now, out| it.received(message, from, now, out));
            }
            Soon::Calls(call) => {
                let owner = Owner::Leg(Token(call));
                let client = self
                    .with(0, |it, now, out| it.invite(peer(), owner, now, out, |name| invite(call, name)));
                if self.dice.u8(0..4) == 0 {
                    let after = self.dice.u64(0..2_000);
                    self.soon(after, Soon::Cancels { client: client.expect("room") });
                }
            }
            Soon::Cancels { client } => self.with(0, |it, now, out| it.cancel(client, None, now, out)),
            Soon::Answers { server, request, code } => {
                let response = plain_response(&request, peer().address, code, b"them");
                self.with(1, |it, now, out| it.respond(server, code, response, now, out));
            }
            Soon::HangsUp { mut dialog } => {
                let draft = dialog.request(b"BYE");
                self.with(0, |it, now, out| {
                    it.request(peer(), Owner::Nobody, now, out, |name| sent(draft, name))
                });
            }
        }
    }

    fn with<T>(&mut self, side: usize, act: impl FnOnce(&mut Transactions, u64, &mut Output) -> T) -> T {
        let mut out = Output::default();
        let result = act(&mut self.sides[side], self.now, &mut out);
        for transmit in out.transmit {
            let copies =
                if self.dice.f64() < self.loss { 0 } else { 1 + usize::from(self.dice.u8(0..50) == 0) };
            for _ in 0..copies {
                let delay = self.dice.u64(1..80);
                self.soon(delay, Soon::Arrives { at: 1 - side, bytes: transmit.bytes.clone() });
            }
        }
        for news in out.news {
            if side == 0 { self.caller_hears(news) } else { self.called_hears(news) }
        }
        result
    }

    fn caller_hears(&mut self, news: News) {
        let (owner, code) = match &news {
            News::Response { owner, message, .. } => (*owner, message.code().expect("a response")),
            News::Failed { owner, code, .. } => (*owner, *code),
            other => panic!("not for a caller: {other:?}"),
        };
        let Owner::Leg(Token(call)) = owner else { panic!("a call's owner is its leg") };
        if code < 200 {
            return;
        }
        let end = self.ends[call as usize].replace(code);
        assert_eq!(end, None, "a second final response to call {call}");
        if let (200, News::Response { client, message, .. }) = (code, news) {
            let invite = self.sides[0].invite_request(client).expect("the INVITE is kept for its ACK");
            let dialog = Dialog::uac(&invite, &message).expect("a dialog");
            let ack = sent(dialog.ack(1), Token(call));
            self.with(0, |it, now, out| it.acknowledge(client, peer(), ack, now, out));
            let talk = self.dice.u64(0..5_000);
            self.soon(talk, Soon::HangsUp { dialog: Box::new(dialog) });
        }
    }

    fn called_hears(&mut self, news: News) {
        match news {
            News::Request { server, message, .. } if message.method_name() == b"INVITE" => {
                let call = call_of(&message);
                assert!(
                    self.open.insert(call, (server, message.clone())).is_none(),
                    "call {call} came twice"
                );
                self.sides[1].adopt(server, Owner::Leg(Token(call)));
                let code = if self.dice.u8(0..5) == 0 { 486 } else { 200 };
                for (after, code) in [(self.dice.u64(0..100), 180), (self.dice.u64(100..2_000), code)] {
                    self.soon(after, Soon::Answers { server, request: Box::new(message.clone()), code });
                }
            }
            News::Request { server, message, .. } => {
                self.hung_up += 1;
                self.soon(0, Soon::Answers { server, request: Box::new(message), code: 200 });
            }
            News::Ack { message } => {
                let server = self.open.get(&call_of(&message)).expect("the ACK of a call").0;
                self.sides[1].acknowledged(server);
            }
            News::Cancelled { message, .. } => {
                let (server, request) =
                    self.open.get(&call_of(&message)).expect("the CANCEL of a call").clone();
                self.soon(0, Soon::Answers { server, request: Box::new(request), code: 487 });
            }
            News::Unacknowledged { .. } => self.unacknowledged += 1,
            News::Response { .. } | News::Failed { .. } => panic!("the called side asks nothing"),
        }
    }
}

fn peer() -> Peer {
    let address: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
    Peer { transport: Transport::Udp, address, listener: 0, connection: 0 }
}

fn call_of(message: &Message) -> u64 {
    std::str::from_utf8(message.call_id()).expect("a number").parse().expect("a number")
}

fn sent(mut draft: Draft, name: Token) -> Bytes {
    draft.via(Transport::Udp, b"192.0.2.1:5060", &[b"z9hG4bK", &name.text()]);
    draft.empty()
}

fn invite(call: u64, name: Token) -> Bytes {
    let mut draft = Draft::request(b"INVITE", b"sip:1001@lab.test");
    draft
        .header("From", &[b"<sip:us@lab.test>;tag=us"])
        .header("To", &[b"<sip:1001@lab.test>"])
        .header("Call-ID", &[call.to_string().as_bytes()])
        .header("CSeq", &[b"1 INVITE"])
        .header("Contact", &[b"<sip:us@192.0.2.1>"]);
    sent(draft, name)
}
