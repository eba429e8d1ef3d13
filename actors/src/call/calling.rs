//! The legs that a call calls: their addresses, their INVITEs, and what of the caller's may cross to them.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use ringpost::{
    call::{
        Event, Leg,
        wire::{self, History, Outgoing, Stand},
    },
    sip::{peer::Peer, relay::Passport, transaction::Owner},
};

use super::{CallActor, Told, What, call_id};
use crate::leg::LegActor;

impl CallActor {
    /// Calls a device or a UM server; one whose address cannot be told refuses at once.
    pub(super) fn invite(&mut self, leg: Leg, ctx: &mut Context<Self>) {
        let uri = self.uri_of(leg);
        let Some(uri) = uri else { return self.refused_at_once(leg, ctx) };
        if let Some(peer) = self.port.peer(uri.as_bytes()) {
            return self.send_invite(leg, uri.as_bytes(), peer, ctx);
        }
        let port = Rc::clone(&self.port);
        self.sought.push(leg);
        let found = async move { (port.resolve(uri.as_bytes()).await, uri) };
        ctx.spawn(found.into_actor(self).map(move |(peer, uri), call, ctx| {
            call.guarded(ctx, |call, ctx| call.found(leg, &uri, peer, ctx));
        }));
    }

    /// The address of a leg is known, or cannot be. A leg that was taken back meanwhile is not called any more.
    fn found(&mut self, leg: Leg, uri: &str, peer: Option<Peer>, ctx: &mut Context<Self>) {
        let Some(at) = self.sought.iter().position(|sought| *sought == leg) else { return };
        self.sought.swap_remove(at);
        match peer {
            _ if self.machine.is_over() => {}
            Some(peer) => self.send_invite(leg, uri.as_bytes(), peer, ctx),
            None => self.refused_at_once(leg, ctx),
        }
    }

    fn refused_at_once(&self, leg: Leg, ctx: &mut Context<Self>) {
        tracing::info!(call = %call_id(&self.invite), ?leg, "The leg's address cannot be reached");
        ctx.notify(Told { leg, what: What::Event(Event::Refused(leg, 503), None) });
    }

    fn send_invite(&mut self, leg: Leg, uri: &[u8], peer: Peer, ctx: &mut Context<Self>) {
        let diversion = self.diversion(leg);
        let history = self.is_own_um(leg).then(|| self.history().write());
        let keyed = self.machine.plan().keyed.has(leg);
        let offer = if keyed { self.open_question(leg, ctx) } else { None };
        if keyed && offer.is_none() {
            return self.refused_at_once(leg, ctx);
        }
        let passport = self.passport_to(leg);
        let port = Rc::clone(&self.port);
        let sent = self.switch.new_leg(|token| {
            let stand = Stand {
                transport: peer.transport,
                sent_by: &port.listeners[usize::from(peer.listener)].sent_by,
                token,
            };
            let outgoing = Outgoing {
                uri,
                stand,
                passport,
                mark: &self.mark,
                diversion: diversion.as_deref(),
                history: history.as_deref(),
                offer: offer.as_deref(),
            };
            let client =
                port.invite(peer, Owner::Leg(token), |branch| wire::invite(&self.invite, &outgoing, branch))?;
            let both = (Rc::clone(&port), Rc::clone(&self.switch));
            let offered = self.invite.has_body() || offer.is_some();
            Some(LegActor::called(both, ctx.address(), (leg, token), (client, peer, offered)).start())
        });
        match sent {
            Some(actor) => self.legs.push((leg, actor)),
            None => self.refused_at_once(leg, ctx),
        }
    }

    fn history(&self) -> History {
        History {
            call_id: call_id(&self.invite).into_owned(),
            came_in: self.came_in.as_millisecond(),
            rang_for: self.rang_for(),
        }
    }

    /// How long the devices have rung.
    pub(super) fn rang_for(&self) -> Duration {
        let until = self.ringing.until.unwrap_or_else(Instant::now);
        self.ringing.since.map_or(Duration::ZERO, |since| until.saturating_duration_since(since))
    }

    /// What may cross to that leg: identities only from a trusted trunk (RFC 3325 §5), a Diversion never to UM.
    pub(super) fn passport_to(&self, leg: Leg) -> Passport {
        match leg {
            Leg::Phone(_) => self.passport,
            Leg::Um(_) => Passport { diversion: false, ..self.passport },
            Leg::Caller => Passport { identity: false, diversion: true },
        }
    }
}
