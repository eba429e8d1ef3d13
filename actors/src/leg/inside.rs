//! Requests inside a leg's dialog: the peer's go to the other leg, the other leg's come here.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use actix::prelude::*;
use ringpost::{
    call::{Event, Leg, UmPhase, wire},
    sip::{
        Message as SipMessage, Method, Name,
        build::{phrase, response},
        dialog::Dialog,
        peer::Peer,
        relay::{self, Passport},
        reliable::{Heard, Wish, with_answer},
        session_timer,
        token::Token,
        transaction::Owner,
    },
};

use super::{LegActor, Side};
use crate::call::What;

/// A request of the peer that the other leg's peer has to answer.
pub(super) struct Asked {
    server: Token,
    request: Arc<SipMessage>,
    source: SocketAddr,
    /// A re-INVITE that has its 2xx and waits for the ACK.
    answered: bool,
}

/// A request of ours that carries one of the other leg.
pub(super) struct Passed {
    /// Our transaction.
    pub client: Token,
    /// The transaction to answer there.
    pub server: Token,
    method: Method,
    pub sequence: u32,
    /// Reliable provisional responses to a re-INVITE, and the SDP in them.
    pub heard: Option<Heard>,
    pub answer: Option<Arc<SipMessage>>,
}

impl LegActor {
    /// A request of the peer inside the dialog.
    pub(super) fn requested(
        &mut self,
        server: Token,
        message: SipMessage,
        from: Peer,
        ctx: &mut Context<Self>,
    ) {
        let refreshing = self.is_refreshing() || self.is_meeting();
        let Some(dialog) = &mut self.dialog else { return self.requested_early(server, message, from, ctx) };
        if !dialog.owns(&message) {
            return self.answer(server, &message, from, 481);
        }
        if message.method() == Some(Method::Prack) {
            // Its dialog may be the early one beside this one, whose numbers are its own.
            return self.pracked(server, &message, from, ctx);
        }
        if !dialog.in_order(&message) {
            return self.answer(server, &message, from, 500);
        }
        match message.method().unwrap_or(Method::Other) {
            Method::Bye => {
                self.dialog = None;
                self.answer(server, &message, from, 200);
                self.forget_session(ctx);
                self.refuse_asked(ctx);
                // Why it hung up, where it says so (RFC 3326), is for the other side as well.
                let why = message.first(Name::Reason).is_some().then(|| Arc::new(message));
                self.tell(What::Event(Event::HungUp(self.leg), why));
            }
            Method::Info if matches!(self.leg, Leg::Um(_)) && is_report(&message) => {
                self.answer(server, &message, from, 200);
                if let Some(phase) = reported(&message) {
                    self.tell(What::Event(Event::Reported(phase), None));
                }
            }
            Method::Refer => self.refers(server, &message, from),
            Method::Subscribe | Method::Notify | Method::Publish | Method::Register => {
                self.answer(server, &message, from, 405)
            }
            // Glare (RFC 3261 §14.2): our own re-INVITE is under way here.
            Method::Invite | Method::Update
                if refreshing || self.passed.iter().any(|p| p.method == Method::Invite) =>
            {
                self.answer(server, &message, from, 491);
            }
            // §14.2 again: the peer's earlier one has no answer yet.
            Method::Invite | Method::Update if self.asked.iter().any(Asked::is_open_invite) => {
                self.answer(server, &message, from, 500);
            }
            Method::Invite | Method::Update if session_timer::is_too_short(&message, self.switch.terms()) => {
                self.answer(server, &message, from, 422);
            }
            Method::Invite | Method::Update => {
                dialog.refresh_target(&message);
                self.follow_target(ctx);
                if let Some(lines) = self.lives_on(&message, ctx) {
                    let alive = wire::upstream(&message, from.address, &self.stand(), 200, None, &lines);
                    return self.port.respond(server, 200, alive);
                }
                self.hand_on(server, message, from);
            }
            Method::Ack
            | Method::Cancel
            | Method::Options
            | Method::Info
            | Method::Message
            | Method::Prack
            | Method::Other => self.hand_on(server, message, from),
        }
    }

    /// A request before the answer, or after the end: a caller may say BYE to what is only ringing (RFC 3261 §15).
    fn requested_early(&mut self, server: Token, message: SipMessage, from: Peer, ctx: &mut Context<Self>) {
        let (early, called) = match &self.side {
            Side::Caller { invite, answered: false, .. } => {
                (Dialog::uas(invite, &self.token.text()).is_some_and(|dialog| dialog.owns(&message)), false)
            }
            Side::Caller { .. } => (false, false),
            Side::Called { .. } => (self.is_early(&message), true),
        };
        match message.method() {
            _ if !early => self.answer(server, &message, from, 481),
            Some(Method::Prack) if !called => self.pracked(server, &message, from, ctx),
            Some(Method::Bye) if !called => {
                self.answer(server, &message, from, 200);
                self.gives_up(relay::answered_elsewhere(&message), Some(&message));
            }
            Some(Method::Update) => self.updated_early(server, message, from),
            _ => self.answer(server, &message, from, 500),
        }
    }

    /// An UPDATE before the answer (RFC 3311 §5.2): it crosses where the SDP of the early dialogs is settled.
    fn updated_early(&mut self, server: Token, message: SipMessage, from: Peer) {
        let (asked, passed) = (!self.asked.is_empty(), !self.passed.is_empty());
        let too_short = session_timer::is_too_short(&message, self.switch.terms());
        let settled = self.settled().filter(|dialog| dialog.owns(&message));
        let Some(dialog) = settled else { return self.answer(server, &message, from, 500) };
        let code = match () {
            () if passed => 491,
            () if too_short => 422,
            () if asked || !dialog.in_order(&message) => 500,
            () => {
                dialog.refresh_target(&message);
                return self.hand_on(server, message, from);
            }
        };
        self.answer(server, &message, from, code);
    }

    /// Has the other leg ask its peer.
    pub(super) fn hand_on(&mut self, server: Token, message: SipMessage, from: Peer) {
        self.port.adopt(server, Owner::Leg(self.token));
        let request = Arc::new(message);
        let asked = Asked { server, request: Arc::clone(&request), source: from.address, answered: false };
        self.asked.push(asked);
        if matches!(request.method(), Some(Method::Invite | Method::Update | Method::Prack)) {
            self.hears(&request);
        }
        self.tell(What::Inside(server, request));
    }

    pub(super) fn answer(&self, server: Token, request: &SipMessage, from: Peer, code: u16) {
        let tag = self.token.text();
        let mut draft = response(request, from.address, code, phrase(code).as_bytes(), &tag);
        match code {
            405 => drop(draft.header("Allow", &[relay::ALLOW])),
            422 => drop(draft.header("Min-SE", &[self.switch.terms().least.to_string().as_bytes()])),
            // RFC 3261 §14.2: a random time, so that both ends do not try again together.
            500 => drop(draft.header("Retry-After", &[(self.port.random() % 11).to_string().as_bytes()])),
            _ => {}
        }
        self.port.respond(server, code, draft.empty());
    }

    /// Sends the other leg's request inside our dialog.
    pub(super) fn pass(&mut self, server: Token, request: &Arc<SipMessage>, passport: Passport) {
        let contact = self.stand().contact();
        // What is acknowledged there is not what is acknowledged here: an offer in a PRACK becomes an UPDATE (RFC 3311).
        let (method, name) = match request.method().unwrap_or(Method::Other) {
            Method::Prack => (Method::Update, &b"UPDATE"[..]),
            method => (method, request.method_name()),
        };
        let busy = self.is_refreshing()
            || self.is_meeting()
            || self.passed.iter().any(|passed| passed.method == Method::Invite);
        if busy && matches!(method, Method::Invite | Method::Update) {
            return self.tell(What::Denied(server, 491));
        }
        let (port, mut peer, owner) = (Rc::clone(&self.port), self.peer, Owner::Leg(self.token));
        let dialog = match &mut self.dialog {
            Some(dialog) => dialog,
            None => {
                let early = self.settled().filter(|_| method == Method::Update);
                let Some(early) = early.map(|dialog| dialog.next_hop().to_vec()) else {
                    return self.tell(What::Denied(server, 481));
                };
                peer = port.peer(&early).map_or(peer, |hop| self.toward(hop));
                let Some(dialog) = self.settled() else { return };
                dialog
            }
        };
        let mut draft = dialog.request(name);
        let sequence = dialog.local_seq();
        let build = |branch| {
            port.via(&mut draft, &peer, branch);
            if let Some(product) = port.product() {
                draft.header("User-Agent", &[product]);
            }
            relay::inside(draft, request, &contact, passport)
        };
        let client = match method {
            Method::Invite => self.port.invite(peer, owner, build),
            _ => self.port.ask(peer, owner, build),
        };
        match client {
            Some(client) => {
                self.passed.push(Passed { client, server, method, sequence, heard: None, answer: None });
                if matches!(method, Method::Invite | Method::Update) {
                    self.has_said(request);
                }
            }
            None => self.tell(What::Denied(server, 503)),
        }
    }

    /// Answers a request inside the dialog.
    pub(super) fn reply(
        &mut self,
        server: Token,
        code: u16,
        said: Option<&Arc<SipMessage>>,
        ctx: &mut Context<Self>,
    ) {
        let Some(at) = self.asked.iter().position(|asked| asked.server == server) else { return };
        let Asked { request, source, .. } = &self.asked[at];
        let (request, source) = (Arc::clone(request), *source);
        let (invite, prack) =
            (request.method() == Some(Method::Invite), request.method() == Some(Method::Prack));
        // The PRACK itself is taken, whatever becomes of the offer in it.
        let code = if prack && code >= 300 { 488 } else { code };
        if code < 200 && Wish::of(&request) == Wish::Must {
            if code > 100 {
                self.progress_inside((server, request, source), code, ctx);
            }
            return;
        }
        if code >= 200 {
            self.finish_inside(server);
        }
        let renews = (200..300).contains(&code) && (invite || request.method() == Some(Method::Update));
        let lines = if renews { self.session_lines(&request, ctx) } else { vec![] };
        if let Some(said) = said.filter(|_| renews || prack && code < 300) {
            self.has_said(said);
        }
        let said = said.map(|said| &**said);
        let bytes = wire::upstream(&request, source, &self.stand(), code, said, &lines);
        self.port.respond(server, code, bytes);
        if (200..300).contains(&code) && invite {
            self.asked[at].answered = true;
        } else if code >= 200 {
            self.asked.swap_remove(at);
        }
    }

    /// The dialog is over: what the peer has asked and nobody will answer any more gets 487 (RFC 3261 §15.1.2).
    pub(super) fn refuse_asked(&mut self, ctx: &mut Context<Self>) {
        let open: Vec<Token> = self.asked.iter().filter(|a| !a.answered).map(|a| a.server).collect();
        open.into_iter().for_each(|server| self.reply(server, 487, None, ctx));
    }

    /// A response to a request of the other leg that we passed on.
    pub(super) fn passed_response(
        &mut self,
        client: Token,
        message: SipMessage,
        code: u16,
        ctx: &mut Context<Self>,
    ) {
        let mut message = Arc::new(message);
        let Some(at) = self.passed.iter().position(|passed| passed.client == client) else { return };
        if code < 200 && !self.takes_progress_inside(at, &message) {
            return;
        }
        let Passed { server, method, ref answer, .. } = self.passed[at];
        if let Some(early) = answer.as_ref().filter(|_| (200..300).contains(&code) && !message.has_body()) {
            message = with_answer(&message, early).map_or(message, Arc::new);
        }
        if (200..300).contains(&code) && matches!(method, Method::Invite | Method::Update) {
            if let Some(dialog) = &mut self.dialog {
                dialog.refresh_target(&message);
            }
            self.follow_target(ctx);
            self.session_agreed(&message, ctx);
            self.hears(&message);
        }
        // A re-INVITE stays until its ACK is passed on as well.
        if code >= 200 && !(code < 300 && method == Method::Invite) {
            self.passed.swap_remove(at);
        }
        self.tell(What::Replied(server, message));
        if code == 481 {
            self.tell(What::Event(Event::Lost(self.leg), None));
        }
    }

    /// The peer's re-INVITE with that number, if it has no answer yet.
    pub(super) fn asked_as(&self, sequence: u32) -> Option<Token> {
        let asked = self.asked.iter().find(|asked| asked.is_open_invite() && asked.numbered(sequence));
        asked.map(|asked| asked.server)
    }

    /// The other leg's peer takes back the re-INVITE that we passed on.
    pub(super) fn withdraw(&mut self, server: Token) {
        if let Some(passed) = self.passed.iter().find(|passed| passed.server == server) {
            self.port.cancel(passed.client, None);
        }
    }

    /// The peer has acknowledged the answer to its re-INVITE.
    pub(super) fn acknowledged_inside(&mut self, sequence: u32, ack: Arc<SipMessage>) {
        let Some(at) = self.asked.iter().position(|a| a.answered && a.numbered(sequence)) else { return };
        let Asked { server, .. } = self.asked.swap_remove(at);
        self.port.acknowledged(server);
        self.tell(What::Acknowledged(Some(server), ack));
    }

    /// The other leg's peer has acknowledged the answer to the re-INVITE that we passed on.
    pub(super) fn acknowledge_passed(&mut self, server: Token, ack: &SipMessage) {
        let Some(at) = self.passed.iter().position(|passed| passed.server == server) else { return };
        let Passed { client, sequence, .. } = self.passed.swap_remove(at);
        self.send_ack(client, sequence, Some(ack));
    }
}

impl Asked {
    fn is_open_invite(&self) -> bool {
        !self.answered && self.request.method() == Some(Method::Invite)
    }

    fn numbered(&self, sequence: u32) -> bool {
        self.request.cseq().is_some_and(|own| own.0 == sequence)
    }
}

fn is_report(info: &SipMessage) -> bool {
    info.first(Name::ContentType).is_some_and(|kind| kind.eq_ignore_ascii_case(wire::UM_REPORT))
}

fn reported(info: &SipMessage) -> Option<UmPhase> {
    match &info.body()[..] {
        b"greeting" => Some(UmPhase::Greeting),
        b"recording" => Some(UmPhase::Recording),
        _ => None,
    }
}
