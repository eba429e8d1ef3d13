//! What comes back for our INVITE: the answers, the dialog that a 2xx makes, its ACK.

use std::{rc::Rc, sync::Arc};

use actix::prelude::*;
use ringpost::{
    call::{Event, Why, wire},
    sip::{
        Message as SipMessage,
        dialog::Dialog,
        peer::Peer,
        relay::{Passport, copy_crossing},
        token::{MAGIC, Token},
    },
};

use super::{LegActor, Side, inside::Passed};
use crate::call::What;

impl LegActor {
    /// A response to our INVITE, or to a request that we passed on.
    pub(super) fn responded(&mut self, client: Token, mut message: SipMessage, ctx: &mut Context<Self>) {
        let code = message.code().unwrap_or(500);
        if self.further.is_some() && self.passes_on(client, &message, ctx) {
            return;
        }
        if self.trunk.is_some() && self.goes_on(client, &message) {
            return;
        }
        match self.side {
            Side::Called { client: own, answered, .. } if own == client => {
                if code < 200 && !self.takes_provisional(client, &message) {
                    return;
                }
                if (200..300).contains(&code) {
                    if answered {
                        // A device that forks behind our back: each further 2xx is a dialog that nobody wants.
                        return self.port.decline(client, &message, Why::Elsewhere.reason());
                    }
                    self.answered(client, &message, ctx);
                    if self.dialog.is_none() {
                        return self.tell(What::Event(Event::Refused(self.leg, 502), None));
                    }
                    if !self.early.is_empty() {
                        message = self.confirm_early(message);
                    }
                }
                if let Some(event) = wire::event(self.leg, code) {
                    let message = Arc::new(message);
                    if code >= 200 {
                        self.rang = None;
                        self.hears(&message);
                    } else {
                        self.has_rung(&message);
                    }
                    self.tell(What::Event(event, Some(message)));
                }
            }
            Side::Called { .. } | Side::Caller { .. } => {
                if !self.refreshed(client, &message, ctx) && !self.met(client, &message, ctx) {
                    self.passed_response(client, message, code, ctx);
                }
            }
        }
    }

    /// The peer's first 2xx makes the dialog; without an offer of ours its ACK waits for the caller's.
    pub(super) fn answered(&mut self, client: Token, message: &SipMessage, ctx: &mut Context<Self>) {
        let Side::Called { offered, answered, acked, .. } = &mut self.side else { return };
        *answered = true;
        *acked = *offered;
        let offered = *offered;
        self.dialog = self.port.sent_invite(client).and_then(|invite| Dialog::uac(&invite, message));
        if let (Some(dialog), Some(early)) = (&mut self.dialog, self.rung.take()) {
            dialog.count_on(&early);
        }
        self.follow_target(ctx);
        self.session_agreed(message, ctx);
        if offered {
            self.send_ack(client, self.sequence, None);
        }
    }

    /// Turns to the dialog's next hop. A host name is looked up; until it is found, and where it is not, requests go
    /// where the INVITE went or came from.
    pub(super) fn follow_target(&mut self, ctx: &mut Context<Self>) {
        let Some(dialog) = &self.dialog else { return };
        if let Some(hop) = self.port.peer(dialog.next_hop()) {
            self.peer = self.toward(hop);
            return;
        }
        if let Some(hops) = self.port.at_hand(dialog.next_hop()) {
            return self.turn_toward(&hops);
        }
        let (port, hop) = (Rc::clone(&self.port), dialog.next_hop().to_vec());
        let found = async move { port.locate(&hop).await };
        ctx.spawn(found.into_actor(self).map(|found, leg, _| leg.turn_toward(&found)));
    }

    fn turn_toward(&mut self, hops: &[Peer]) {
        if let Some(hop) = hops.first() {
            self.peer = self.toward(*hop);
        }
    }

    /// The hop through the listener and the connection that the dialog has, where those fit.
    pub(super) fn toward(&self, hop: Peer) -> Peer {
        let Peer { transport, listener, connection, .. } = self.peer;
        if hop.transport != transport {
            return if self.peer.has_connection() { self.peer } else { hop };
        }
        let listener = if self.port.reaches(listener, hop.address) { listener } else { hop.listener };
        let connection = if self.peer.has_connection() { connection } else { hop.connection };
        Peer { listener, connection, ..hop }
    }

    pub(super) fn send_ack(&self, client: Token, sequence: u32, body: Option<&SipMessage>) {
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
                let software = self.port.product().is_none();
                copy_crossing(&mut draft, message, Passport { identity: false, diversion: false, software });
                draft.body(&message.body())
            }
            Some(_) | None => draft.empty(),
        };
        self.port.acknowledge(client, self.peer, ack);
    }

    pub(super) fn failed(&mut self, client: Token, code: u16, ctx: &mut Context<Self>) {
        match self.side {
            Side::Called { client: own, answered: false, .. } if own == client => {
                if self.further.is_some() && self.tries_next(None, ctx) {
                    return;
                }
                if let Some(trunk) = &mut self.trunk {
                    trunk.over();
                }
                self.tell(What::Event(Event::Refused(self.leg, code), None));
            }
            Side::Called { .. } | Side::Caller { .. } => {
                if self.refresh_failed(client) || self.met_nobody(client) {
                    return;
                }
                let Some(at) = self.passed.iter().position(|passed| passed.client == client) else { return };
                let Passed { server, .. } = self.passed.swap_remove(at);
                self.tell(What::Denied(server, code));
                // RFC 3261 §12.2.1.2: no answer inside a dialog means that the peer is gone.
                self.tell(What::Event(Event::Lost(self.leg), None));
            }
        }
    }
}
