//! What comes in: read, checked, judged at the door, handed to its lane or its transaction.

use std::rc::Rc;

use bytes::Bytes;
use ringpost::sip::{
    Message, Method,
    build::{phrase, reply_peer, response},
    check,
    peer::{CERTIFIED, Peer, Transmit},
    token::{MAGIC, Token},
    transaction::stateless_tag,
};

use super::{Port, Refusal, TransactionUser};

impl Port {
    /// One datagram, or one message off a stream.
    pub fn received(self: &Rc<Self>, octets: Bytes, from: Peer) {
        let message = match Message::read(octets) {
            Ok(message) => message,
            Err(reason) => return tracing::debug!(from = %from.address, %reason, "Not SIP"),
        };
        let ip = from.address.ip();
        if self.door_for(&from).is_some_and(|door| !self.trusts(door, &from) && !door.hears(&message, ip)) {
            return;
        }
        match message.method() {
            None if !check::response(&message) => {
                tracing::debug!(from = %from.address, "Dropped a malformed response")
            }
            None => {
                match message.via().and_then(|via| Token::of_branch(via.branch()?.get(..MAGIC.len() + 16)?)) {
                    Some(branch) if self.is_elsewhere(branch.lane()) => {
                        self.lanes.hand_over(branch.lane(), message, from)
                    }
                    Some(_) => self.take(message, from),
                    None => tracing::debug!(from = %from.address, "Dropped a response to nothing of ours"),
                }
            }
            Some(method) => self.request(method, message, from),
        }
    }

    fn request(self: &Rc<Self>, method: Method, message: Message, from: Peer) {
        if let Err(rejection) = check::request(&message) {
            tracing::debug!(from = %from.address, code = rejection.code, reason = rejection.phrase, "Rejected");
            if method != Method::Ack {
                let refusal = Refusal { phrase: rejection.phrase, ..Refusal::plain(rejection.code) };
                self.refuse(&message, &from, &refusal);
            }
            return;
        }
        if from.connection & CERTIFIED != 0 {
            self.note_alias(&message, &from);
        }
        let lane = self.lane_of(&message);
        if self.is_elsewhere(lane) {
            return self.lanes.hand_over(lane, message, from);
        }
        if let Some(door) = self.door_for(&from) {
            let known = || self.transactions.borrow().knows(&message);
            match door.admits(&message, from.address.ip(), self.trusts(door, &from), known) {
                Ok(()) => {}
                Err(_) if method == Method::Ack => return,
                Err(refusal) => return self.refuse(&message, &from, &refusal),
            }
        }
        // A forged source must not be told of calls that never were, however often it asks.
        if method == Method::Cancel
            && self.door_for(&from).is_some_and(|door| !self.trusts(door, &from))
            && !self.transactions.borrow().knows(&message)
        {
            return self.refuse(&message, &from, &Refusal::plain(481));
        }
        if !matches!(method, Method::Ack | Method::Cancel)
            && let Err(refusal) = self.user().admits(&message, &from)
            && !(refusal.only_new && self.transactions.borrow().knows(&message))
        {
            return self.refuse(&message, &from, &refusal);
        }
        self.take(message, from);
    }

    /// RFC 5923 §7.2: whoever shows a certificate of the name in its Via may be called on its connection, if it says so.
    fn note_alias(&self, message: &Message, from: &Peer) {
        let Some(via) = message.via().filter(|via| via.param("alias").is_some()) else { return };
        if let (Some(tls), Ok(host)) = (self.tls(), std::str::from_utf8(via.host)) {
            tls.alias(from, &host.to_ascii_lowercase(), via.port.unwrap_or(5061));
        }
    }

    /// A message that is this lane's.
    pub fn take(self: &Rc<Self>, message: Message, from: Peer) {
        let now = self.now();
        self.transactions.borrow_mut().received(message, from, now, &mut self.output.borrow_mut());
        self.flush();
    }

    pub(super) fn user(&self) -> Rc<dyn TransactionUser> {
        self.user.borrow().clone().expect("a lane serves somebody before its sockets open")
    }

    /// The lane whose tag a request carries; outside a dialog the Call-ID decides, so that a CANCEL finds its INVITE.
    fn lane_of(&self, request: &Message) -> u8 {
        let tag = request.to().and_then(|to| to.tag()).and_then(Token::read);
        // Before a restart there may have been more of them.
        tag.filter(|tag| self.lanes.has(tag.lane()))
            .map_or_else(|| self.lanes.of_call(request.call_id()), Token::lane)
    }

    /// Whether another lane of that number is there.
    pub fn is_elsewhere(&self, lane: u8) -> bool {
        lane != self.lane && self.lanes.has(lane)
    }

    /// Answers without a transaction (RFC 3261 §8.2.7).
    pub(super) fn refuse(self: &Rc<Self>, request: &Message, from: &Peer, refusal: &Refusal) {
        if self
            .door_for(from)
            .is_some_and(|door| !self.trusts(door, from) && !door.may_refuse(from.address.ip(), refusal.code))
        {
            return;
        }
        let phrase = if refusal.phrase.is_empty() { phrase(refusal.code) } else { refusal.phrase };
        let tag = stateless_tag(request);
        let mut draft = response(request, from.address, refusal.code, phrase.as_bytes(), &tag);
        for (name, value) in &refusal.headers {
            draft.header(name, &[value]);
        }
        self.transmit(Transmit { peer: reply_peer(request, *from), bytes: draft.empty() });
    }
}
