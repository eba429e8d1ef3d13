//! Requests inside a leg's dialog: answered here, or passed to the other leg and back.

use std::{rc::Rc, sync::Arc};

use ringpost::{
    call::{Event, Leg, UmPhase, wire},
    sip::{
        Message as SipMessage, Method,
        build::{phrase, plain_response, response},
        dialog::Dialog,
        peer::Peer,
        relay,
        token::Token,
    },
};

use super::{Asked, LegActor};
use crate::call::What;

impl LegActor {
    /// A request of the peer inside the dialog.
    pub(super) fn requested(&mut self, server: Token, message: SipMessage, from: Peer) {
        let method = message.method().unwrap_or(Method::Other);
        let Some(dialog) = &mut self.dialog else { return self.answer(server, &message, from, 481) };
        if !dialog.owns(&message) {
            return self.answer(server, &message, from, 481);
        }
        if !dialog.in_order(&message) {
            return self.answer(server, &message, from, 500);
        }
        match method {
            Method::Bye => {
                self.dialog = None;
                self.answer(server, &message, from, 200);
                self.tell(What::Event(Event::HungUp(self.leg), None));
            }
            Method::Info if matches!(self.leg, Leg::Um(_)) && is_report(&message) => {
                self.answer(server, &message, from, 200);
                if let Some(phase) = reported(&message) {
                    self.tell(What::Event(Event::Reported(phase), None));
                }
            }
            Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Register
            | Method::Prack => {
                self.answer(server, &message, from, 405);
            }
            Method::Invite | Method::Update if self.passed.iter().any(|p| p.2 == Method::Invite) => {
                // Glare (RFC 3261 §14.2): our own re-INVITE is under way here.
                self.answer(server, &message, from, 491);
            }
            Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Options
            | Method::Info
            | Method::Update
            | Method::Message
            | Method::Other => {
                if matches!(method, Method::Invite | Method::Update) {
                    dialog.refresh_target(&message);
                }
                self.port.adopt(server, ringpost::sip::transaction::Owner::Leg(self.token));
                let request = Arc::new(message);
                self.asked.push(Asked { server, request: Arc::clone(&request), source: from.address });
                self.tell(What::Inside(server, request));
            }
        }
    }

    pub(super) fn answer(&self, server: Token, request: &SipMessage, from: Peer, code: u16) {
        let tag = self.token.text();
        let bytes = if code == 405 {
            let mut draft = response(request, from.address, code, phrase(code).as_bytes(), &tag);
            draft.header("Allow", &[relay::ALLOW]);
            draft.empty()
        } else {
            plain_response(request, from.address, code, &tag)
        };
        self.port.respond(server, code, bytes);
    }

    /// A response to a request of the other leg that we passed on.
    pub(super) fn passed_response(&mut self, client: Token, message: SipMessage, code: u16) {
        let Some(at) = self.passed.iter().position(|(own, ..)| *own == client) else { return };
        let (_, server, method) = self.passed[at];
        if (200..300).contains(&code)
            && matches!(method, Method::Invite | Method::Update)
            && let Some(dialog) = &mut self.dialog
        {
            dialog.refresh_target(&message);
        }
        // A re-INVITE stays until its ACK is passed on as well.
        if code >= 200 && !(code < 300 && method == Method::Invite) {
            self.passed.swap_remove(at);
        }
        self.tell(What::Replied(server, Arc::new(message)));
        if code == 481 {
            self.tell(What::Event(Event::Lost(self.leg), None));
        }
    }

    /// Sends the other leg's request inside our dialog.
    pub(super) fn pass(&mut self, server: Token, request: &SipMessage) {
        let contact = self.stand().contact();
        let Some(dialog) = &mut self.dialog else { return self.tell(What::Denied(server, 481)) };
        let method = request.method().unwrap_or(Method::Other);
        let mut draft = dialog.request(request.method_name());
        let (port, peer) = (Rc::clone(&self.port), self.peer);
        let owner = ringpost::sip::transaction::Owner::Leg(self.token);
        let build = |branch| {
            port.via(&mut draft, &peer, branch);
            relay::inside(draft, request, &contact)
        };
        let client = if method == Method::Invite {
            self.port.invite(peer, owner, build)
        } else {
            self.port.ask(peer, owner, build)
        };
        match client {
            Some(client) => self.passed.push((client, server, method)),
            None => self.tell(What::Denied(server, 503)),
        }
    }

    /// The other leg's peer has acknowledged the re-INVITE that we passed on.
    pub(super) fn acknowledge_passed(&mut self, ack: &SipMessage) {
        let Some(at) = self.passed.iter().position(|p| p.2 == Method::Invite) else { return };
        let (client, ..) = self.passed.swap_remove(at);
        let sequence = self.dialog.as_ref().map_or(1, Dialog::local_seq);
        self.send_ack(client, sequence, Some(ack));
    }

    /// Answers a request inside the dialog.
    pub(super) fn reply(&mut self, server: Token, code: u16, said: Option<&SipMessage>) {
        let Some(at) = self.asked.iter().position(|asked| asked.server == server) else { return };
        let asked = &self.asked[at];
        let bytes = wire::upstream(&asked.request, asked.source, &self.stand(), code, said);
        let invite = asked.request.method() == Some(Method::Invite);
        self.port.respond(server, code, bytes);
        if code >= 200 && !(invite && code < 300) {
            self.asked.swap_remove(at);
        }
    }
}

fn is_report(info: &SipMessage) -> bool {
    info.first(ringpost::sip::Name::ContentType)
        .is_some_and(|kind| kind.eq_ignore_ascii_case(wire::UM_REPORT))
}

fn reported(info: &SipMessage) -> Option<UmPhase> {
    match &info.body()[..] {
        b"greeting" => Some(UmPhase::Greeting),
        b"recording" => Some(UmPhase::Recording),
        _ => None,
    }
}
