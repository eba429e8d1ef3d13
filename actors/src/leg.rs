//! One leg of a call: its INVITE, its dialog, and its end.

mod inside;

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use actix::prelude::*;
use ringpost::{
    call::{Event, Leg, Why, wire},
    sip::{
        Message as SipMessage, Method,
        dialog::Dialog,
        peer::Peer,
        relay::{self, Passport, copy_crossing},
        token::{MAGIC, Token},
    },
};

use crate::{
    call::{CallActor, Told, What},
    port::Port,
    switch::Switch,
};

/// The actor of one leg.
pub struct LegActor {
    port: Rc<Port>,
    switch: Rc<Switch>,
    call: Addr<CallActor>,
    leg: Leg,
    token: Token,
    peer: Peer,
    side: Side,
    dialog: Option<Dialog>,
    /// Our request inside the dialog that carries one of the other leg, and the transaction to answer there.
    passed: Vec<(Token, Token, Method)>,
    /// The peer's requests inside the dialog that the other leg's peer has not answered yet; a re-INVITE until its ACK.
    asked: Vec<Asked>,
    leaving: bool,
}

/// A request of the peer inside the dialog.
struct Asked {
    server: Token,
    request: Arc<SipMessage>,
    source: SocketAddr,
}

/// Which end of the INVITE we are.
enum Side {
    /// The peer called us.
    Caller {
        server: Token,
        invite: Arc<SipMessage>,
        source: SocketAddr,
        answered: bool,
        acked: bool,
        bye: Option<Why>,
    },
    /// We call the peer; `cancelled` is why we took the INVITE back, if we did.
    Called { client: Token, offered: bool, answered: bool, acked: bool, cancelled: Why },
}

/// What the switch has for a leg.
#[derive(Message)]
#[rtype(result = "()")]
pub enum LegNews {
    /// A response to a request of the leg.
    Response(Token, SipMessage),
    /// A request of the leg failed without response.
    Failed(Token, u16),
    /// A request inside the dialog.
    Request(Token, SipMessage, Peer),
    /// An ACK inside the dialog.
    Ack(SipMessage),
    /// The caller took the INVITE back.
    Cancelled(SipMessage),
    /// The caller never acknowledged the answer.
    Unacknowledged,
}

/// What the call tells a leg to do.
#[derive(Message)]
#[rtype(result = "()")]
pub enum Say {
    /// Send a provisional response with this code, and what the other leg said.
    Progress(u16, Option<Arc<SipMessage>>),
    /// Answer with what the other leg said.
    Answer(Arc<SipMessage>),
    /// Refuse with what the other leg said.
    Refuse(Arc<SipMessage>),
    /// Refuse with a code of ours.
    Reject(u16),
    /// Take the INVITE back.
    Cancel(Why),
    /// End the dialog.
    Bye(Why),
    /// Acknowledge the answer, with the SDP of the caller's ACK.
    Acknowledge(Arc<SipMessage>),
    /// Send the other leg's request inside this dialog; answers go to its transaction.
    Pass(Token, Arc<SipMessage>),
    /// Answer a request inside this dialog with what the other leg's peer said.
    Reply(Token, Arc<SipMessage>),
    /// Answer a request inside this dialog with a code of ours.
    Deny(Token, u16),
    /// The call is over: leave as soon as nothing is owed.
    Leave,
}

impl LegActor {
    /// The leg of an INVITE that came in.
    pub fn caller(
        (port, switch): (Rc<Port>, Rc<Switch>),
        call: Addr<CallActor>,
        token: Token,
        (server, invite, peer): (Token, Arc<SipMessage>, Peer),
    ) -> Self {
        let source = peer.address;
        let side = Side::Caller { server, invite, source, answered: false, acked: false, bye: None };
        Self {
            port,
            switch,
            call,
            leg: Leg::Caller,
            token,
            peer,
            side,
            dialog: None,
            passed: vec![],
            asked: vec![],
            leaving: false,
        }
    }

    /// The leg of an INVITE that went out; `offered`: it carried SDP.
    pub fn called(
        (port, switch): (Rc<Port>, Rc<Switch>),
        call: Addr<CallActor>,
        (leg, token): (Leg, Token),
        (client, peer, offered): (Token, Peer, bool),
    ) -> Self {
        let side = Side::Called { client, offered, answered: false, acked: false, cancelled: Why::Over };
        Self {
            port,
            switch,
            call,
            leg,
            token,
            peer,
            side,
            dialog: None,
            passed: vec![],
            asked: vec![],
            leaving: false,
        }
    }

    fn tell(&self, what: What) {
        self.call.do_send(Told { leg: self.leg, what });
    }

    fn stand(&self) -> wire::Stand<'_> {
        let sent_by = &self.port.listeners[usize::from(self.peer.listener)].sent_by;
        wire::Stand { transport: self.peer.transport, sent_by, token: self.token }
    }

    /// A response to our INVITE, or to a request that we passed on.
    fn responded(&mut self, client: Token, message: SipMessage) {
        let code = message.code().unwrap_or(500);
        match &mut self.side {
            Side::Called { client: own, offered, answered, .. } if *own == client => {
                if (200..300).contains(&code) {
                    if *answered {
                        // A device that forks behind our back: each further 2xx is a dialog that nobody wants.
                        return self.port.decline(client, &message, Why::Elsewhere.reason());
                    }
                    *answered = true;
                    let offered = *offered;
                    let Some(invite) = self.port.sent_invite(client) else { return };
                    self.dialog = Dialog::uac(&invite, &message);
                    if self.dialog.is_none() {
                        return self.tell(What::Event(Event::Refused(self.leg, 502), None));
                    }
                    self.peer = self.next_peer();
                    if offered {
                        *acked_of(&mut self.side) = true;
                        self.send_ack(client, 1, None);
                    }
                }
                if let Some(event) = wire::event(self.leg, code) {
                    self.tell(What::Event(event, Some(Arc::new(message))));
                }
            }
            Side::Called { .. } | Side::Caller { .. } => self.passed_response(client, message, code),
        }
    }

    /// Where requests inside the dialog go: the next hop where it is a literal address, else where the INVITE went.
    fn next_peer(&self) -> Peer {
        let hop = self.dialog.as_ref().and_then(|dialog| self.port.peer(dialog.next_hop()));
        match hop {
            Some(hop) if hop.transport == self.peer.transport => {
                Peer { connection: self.peer.connection, ..hop }
            }
            Some(hop) if self.peer.connection == 0 => hop,
            Some(_) | None => self.peer,
        }
    }

    fn send_ack(&self, client: Token, sequence: u32, body: Option<&SipMessage>) {
        let Some(dialog) = &self.dialog else { return };
        let mut draft = dialog.ack(sequence);
        let random = self.port.random();
        draft.via(
            self.peer.transport,
            &self.port.listeners[usize::from(self.peer.listener)].sent_by,
            &[MAGIC, &Token(client.0 ^ u64::from(random)).text(), b"a"],
        );
        let ack = match body {
            Some(message) if message.has_body() => {
                copy_crossing(&mut draft, message, Passport { identity: false, diversion: false });
                draft.body(&message.body())
            }
            Some(_) | None => draft.empty(),
        };
        self.port.acknowledge(client, self.peer, ack);
    }

    fn failed(&mut self, client: Token, code: u16) {
        match self.side {
            Side::Called { client: own, answered: false, .. } if own == client => {
                self.tell(What::Event(Event::Refused(self.leg, code), None));
            }
            Side::Called { .. } | Side::Caller { .. } => {
                let Some((_, server, _)) = take(&mut self.passed, client) else { return };
                self.tell(What::Denied(server, code));
                // RFC 3261 §12.2.1.2: no answer inside a dialog means that the peer is gone.
                self.tell(What::Event(Event::Lost(self.leg), None));
            }
        }
    }

    fn acknowledged(&mut self, message: SipMessage) {
        let (first, sequence) = match (&mut self.side, message.cseq()) {
            (Side::Caller { server, invite, answered: true, acked, .. }, Some((sequence, _)))
                if invite.cseq().is_some_and(|own| own.0 == sequence) =>
            {
                let first = !std::mem::replace(acked, true);
                self.port.acknowledged(*server);
                (first, None)
            }
            (_, Some((sequence, _))) => (false, Some(sequence)),
            (_, None) => return,
        };
        if first {
            self.tell(What::Acknowledged(Arc::new(message)));
            if let Side::Caller { bye: Some(why), .. } = self.side {
                self.bye(why);
            }
        } else if let Some(sequence) = sequence {
            let of_it = |asked: &Asked| asked.request.cseq().is_some_and(|own| own.0 == sequence);
            if let Some(at) = self.asked.iter().position(of_it) {
                self.port.acknowledged(self.asked.swap_remove(at).server);
                self.tell(What::Acknowledged(Arc::new(message)));
            }
        }
    }

    fn say(&mut self, say: Say, ctx: &mut Context<Self>) {
        match say {
            Say::Progress(code, said) => self.respond(code, said.as_deref()),
            Say::Answer(said) => self.accept(&said),
            Say::Refuse(said) => self.respond(said.code().unwrap_or(480), Some(&said)),
            Say::Reject(code) => self.respond(code, None),
            Say::Cancel(why) => {
                if let Side::Called { client, cancelled, .. } = &mut self.side {
                    *cancelled = why;
                    self.port.cancel(*client, why.reason());
                }
            }
            Say::Bye(why) => self.bye(why),
            Say::Acknowledge(ack) => {
                if let Side::Called { client, acked: acked @ false, .. } = &mut self.side {
                    *acked = true;
                    let client = *client;
                    self.send_ack(client, 1, Some(&ack));
                } else {
                    self.acknowledge_passed(&ack);
                }
            }
            Say::Pass(server, message) => self.pass(server, &message),
            Say::Reply(server, said) => self.reply(server, said.code().unwrap_or(500), Some(&said)),
            Say::Deny(server, code) => self.reply(server, code, None),
            Say::Leave => {
                self.leaving = true;
                self.leave(ctx);
            }
        }
    }

    fn respond(&self, code: u16, said: Option<&SipMessage>) {
        if let Side::Caller { server, invite, source, .. } = &self.side {
            let bytes = wire::upstream(invite, *source, &self.stand(), code, said);
            self.port.respond(*server, code, bytes);
        }
    }

    fn accept(&mut self, said: &SipMessage) {
        let tag = self.token.text();
        if let Side::Caller { invite, answered, .. } = &mut self.side {
            self.dialog = Dialog::uas(invite, &tag);
            *answered = true;
        }
        self.respond(said.code().unwrap_or(200), Some(said));
        self.peer = self.next_peer();
    }

    /// Ends the dialog. RFC 3261 §15: the one that was called says no BYE before the ACK.
    fn bye(&mut self, why: Why) {
        match &mut self.side {
            Side::Caller { acked: false, bye, .. } => {
                *bye = Some(why);
                return;
            }
            Side::Called { client, acked: acked @ false, .. } => {
                *acked = true;
                let client = *client;
                self.send_ack(client, 1, None);
            }
            Side::Caller { .. } | Side::Called { .. } => {}
        }
        let Some(mut dialog) = self.dialog.take() else { return };
        let mut draft = dialog.request(b"BYE");
        let peer = self.peer;
        self.port.ask(peer, ringpost::sip::transaction::Owner::Nobody, |branch| {
            self.port.via(&mut draft, &peer, branch);
            if let Some(reason) = why.reason() {
                draft.header("Reason", &[reason.as_bytes()]);
            }
            draft.empty()
        });
    }

    /// Goes, unless a BYE still waits for its ACK.
    fn leave(&mut self, ctx: &mut Context<Self>) {
        if let Side::Caller { bye: Some(_), acked: false, .. } = self.side {
            return;
        }
        if let Side::Called { client, answered, cancelled, .. } = self.side {
            // The call had gone when it was told of this answer: nobody else hangs the phone up.
            if answered {
                self.bye(cancelled);
            }
            self.port.orphan(client, None);
        }
        for (client, ..) in &self.passed {
            self.port.orphan(*client, None);
        }
        self.switch.forget_leg(self.token);
        ctx.stop();
    }
}

fn acked_of(side: &mut Side) -> &mut bool {
    match side {
        Side::Caller { acked, .. } | Side::Called { acked, .. } => acked,
    }
}

fn take(passed: &mut Vec<(Token, Token, Method)>, client: Token) -> Option<(Token, Token, Method)> {
    let at = passed.iter().position(|(own, ..)| *own == client)?;
    Some(passed.swap_remove(at))
}

impl Actor for LegActor {
    type Context = Context<Self>;
}

impl Handler<LegNews> for LegActor {
    type Result = ();

    fn handle(&mut self, news: LegNews, ctx: &mut Context<Self>) {
        match news {
            LegNews::Response(client, message) => self.responded(client, message),
            LegNews::Failed(client, code) => self.failed(client, code),
            LegNews::Request(server, message, from) => self.requested(server, message, from),
            LegNews::Ack(message) => self.acknowledged(message),
            LegNews::Cancelled(message) => {
                let elsewhere = relay::answered_elsewhere(&message);
                self.tell(What::Event(Event::GaveUp { elsewhere }, None));
            }
            LegNews::Unacknowledged => {
                if let Side::Caller { acked, .. } = &mut self.side {
                    *acked = true;
                }
                self.tell(What::Event(Event::Lost(self.leg), None));
                if let Side::Caller { bye: Some(why), .. } = self.side {
                    self.bye(why);
                }
            }
        }
        if self.leaving {
            self.leave(ctx);
        }
    }
}

impl Handler<Say> for LegActor {
    type Result = ();

    fn handle(&mut self, say: Say, ctx: &mut Context<Self>) {
        self.say(say, ctx);
    }
}
