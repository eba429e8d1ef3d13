//! The other servers that the URI of our INVITE leads to: each is tried where the one before does not answer or says 503,
//! with the same request in a new transaction (RFC 3263 §4.3). The call sees one leg.

use std::{collections::VecDeque, time::Duration};

use crate::call::What;
use actix::prelude::*;
use bytes::Bytes;
use ringpost::call::Event;
use ringpost::sip::{
    Message as SipMessage,
    build::elsewhere,
    peer::Peer,
    token::{MAGIC, Token},
    transaction::Owner,
};

use super::{LegActor, Side, trunk::ToTrunk};

/// The servers that are left, and the INVITE for them.
pub(super) struct Further {
    places: VecDeque<Peer>,
    invite: SipMessage,
}

impl LegActor {
    /// Has these tried as well; before it starts. `sent` is the INVITE as the first one got it.
    pub fn to_further(&mut self, places: Vec<Peer>, sent: Bytes) {
        if let Ok(invite) = SipMessage::read(sent)
            && !places.is_empty()
        {
            self.further = Some(Box::new(Further { places: places.into(), invite }));
        }
    }

    /// Whether a response is one after which the next server is tried, so that nobody else needs to hear of it.
    pub(super) fn passes_on(
        &mut self,
        client: Token,
        response: &SipMessage,
        ctx: &mut Context<Self>,
    ) -> bool {
        if !matches!(self.side, Side::Called { client: own, answered: false, .. } if own == client) {
            return false;
        }
        if response.code() == Some(503) {
            return self.tries_next(Some(response), ctx);
        }
        // The server lives: what it says counts.
        self.further = None;
        self.port.place_answered(&self.peer);
        false
    }

    /// Sends the INVITE to the next server, because this one failed; `said`: its 503. False where none is left.
    pub(super) fn tries_next(&mut self, said: Option<&SipMessage>, ctx: &mut Context<Self>) -> bool {
        let Some(further) = &mut self.further else { return false };
        self.port.place_failed(&self.peer, said);
        let next = further.places.pop_front().filter(|_| !self.leaving);
        let (Some(peer), Side::Called { client: own, answered: false, .. }) = (next, &self.side) else {
            self.further = None;
            return false;
        };
        let failed = *own;
        let before = std::mem::replace(&mut self.peer, peer);
        let Some(sent) = self.send_again(peer) else {
            self.peer = before;
            return false;
        };
        if let Side::Called { client, .. } = &mut self.side {
            *client = sent;
        }
        // What it still says is dealt with there: a late 180 is cancelled, a late 200 hung up.
        self.port.orphan(failed, None);
        self.watch(ctx);
        true
    }

    fn send_again(&mut self, peer: Peer) -> Option<Token> {
        let contact = self.stand().contact();
        let invite = &self.further.as_ref()?.invite;
        let sent_by = &self.port.listeners[usize::from(peer.listener)].sent_by;
        let mut written = Bytes::new();
        let sent = self.port.invite(peer, Owner::Leg(self.token), |branch| {
            let via: [&[u8]; 2] = [MAGIC, &branch.text()];
            written = elsewhere(invite, (peer.transport, sent_by, &via), &contact);
            written.clone()
        });
        if let Some(trunk) = &mut self.trunk {
            trunk.sends(written);
        }
        sent
    }

    /// Looks after a while whether the server has said anything, where another could.
    pub(super) fn watch(&mut self, ctx: &mut Context<Self>) {
        let Side::Called { client, .. } = self.side else { return };
        let left = self.further.as_ref().is_some_and(|further| !further.places.is_empty());
        let trunk = self.trunk.as_deref();
        let limit = match trunk.and_then(ToTrunk::limit) {
            Some(limit) => Some(limit),
            None if left => trunk.and_then(ToTrunk::patience).or_else(|| self.port.next_after()),
            None => None,
        };
        if let Some(limit) = limit.filter(|limit| *limit > Duration::ZERO) {
            ctx.run_later(limit, move |leg, ctx| {
                leg.guarded(ctx, |leg, ctx| leg.still_silent(client, ctx));
            });
        }
    }

    /// The time of a UM server is up: one that has said nothing at all is left to itself.
    pub(super) fn overdue(&mut self, ctx: &mut Context<Self>) {
        let Side::Called { client, answered: false, .. } = self.side else { return };
        if self.port.is_silent(client) && !self.tries_next(None, ctx) {
            self.port.orphan(client, None);
            self.tell(What::Event(Event::Refused(self.leg, 408), None));
        }
    }

    /// The time of a server is up.
    fn still_silent(&mut self, asked: Token, ctx: &mut Context<Self>) {
        let waits = matches!(self.side, Side::Called { client, answered: false, .. } if client == asked);
        if waits && self.port.is_silent(asked) && !self.tries_next(None, ctx) {
            self.silent();
        }
    }
}
