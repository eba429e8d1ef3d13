//! The legs that a call calls: their addresses, their INVITEs, and what of the caller's may cross to them.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use bytes::Bytes;
use ringpost::{
    call::{
        Event, Leg,
        wire::{self, Diverted, History, Outgoing, Stand},
    },
    directory::Target,
    settings::Trunk,
    sip::{
        outside::{Facts, Outside},
        peer::Peer,
        relay::Passport,
        session_timer,
        transaction::Owner,
    },
};

use super::{CallActor, Told, What, call_id};
use crate::{
    leg::{LegActor, Say},
    metrics::METRICS,
};

impl CallActor {
    /// Calls a device, a number outside or a UM server; one whose address cannot be told refuses at once.
    pub(super) fn invite(&mut self, leg: Leg, ctx: &mut Context<Self>) {
        let way = self.next_way(leg);
        let uri = way.as_ref().map(|way| way.uri.clone()).or_else(|| self.uri_of(leg));
        let trunk = way.map(|way| way.trunk);
        let Some(uri) = uri else { return self.refused_at_once(leg, ctx) };
        if let Some(peer) = self.port.peer(uri.as_bytes()) {
            return self.send_invite(leg, (uri.as_bytes(), peer, trunk), ctx);
        }
        let port = Rc::clone(&self.port);
        self.sought.push(leg);
        let found = async move { (port.resolve(uri.as_bytes()).await, uri) };
        ctx.spawn(found.into_actor(self).map(move |(peer, uri), call, ctx| {
            call.guarded(ctx, |call, ctx| call.found(leg, (&uri, peer, trunk), ctx));
        }));
    }

    /// The trunk that comes next for a leg that calls a number outside.
    fn next_way(&mut self, leg: Leg) -> Option<Target> {
        if self.ways.is_empty() {
            return None;
        }
        let (_, ways) = self.ways.iter_mut().find(|(of, _)| *of == leg)?;
        (!ways.is_empty()).then(|| ways.remove(0))
    }

    /// Whether a leg has another trunk to try after this refusal: nobody has rung there, and the trunk or the way to it
    /// failed, not the number that was called.
    pub(super) fn goes_on(&mut self, leg: Leg, code: u16) -> bool {
        if self.ways.is_empty() || !matches!(code, 408 | 500 | 502..=504) {
            return false;
        }
        let more = self.ways.iter().any(|(of, ways)| *of == leg && !ways.is_empty());
        if more && let Some(at) = self.legs.iter().position(|(of, _)| *of == leg) {
            self.legs.swap_remove(at).1.do_send(Say::Leave);
        }
        if more {
            METRICS.trunk_next_total.one();
            tracing::info!(call = %call_id(&self.invite), code, "A trunk did not take a call: the next one is tried");
        }
        more
    }

    /// The address of a leg is known, or cannot be. A leg that was taken back meanwhile is not called any more.
    fn found(
        &mut self,
        leg: Leg,
        (uri, peer, trunk): (&str, Option<Peer>, Option<Arc<Trunk>>),
        ctx: &mut Context<Self>,
    ) {
        let Some(at) = self.sought.iter().position(|sought| *sought == leg) else { return };
        self.sought.swap_remove(at);
        match peer {
            _ if self.machine.is_over() => {}
            Some(peer) => self.send_invite(leg, (uri.as_bytes(), peer, trunk), ctx),
            None => self.refused_at_once(leg, ctx),
        }
    }

    fn refused_at_once(&self, leg: Leg, ctx: &mut Context<Self>) {
        tracing::info!(call = %call_id(&self.invite), ?leg, "The leg's address cannot be reached");
        ctx.notify(Told { leg, what: What::Event(Event::Refused(leg, 503), None) });
    }

    fn send_invite(
        &mut self,
        leg: Leg,
        (uri, peer, trunk): (&[u8], Peer, Option<Arc<Trunk>>),
        ctx: &mut Context<Self>,
    ) {
        let reason = self.diverted(leg);
        let outside = trunk.as_deref().and_then(|trunk| self.outside(trunk, uri, reason));
        // A trunk reads it in the header of its own choice.
        let diversion = reason.filter(|_| outside.is_none()).map(|reason| reason.header(&self.user.address));
        let history = self.is_own_um(leg).then(|| self.history().write());
        let keyed = self.machine.plan().keyed.has(leg);
        let offer = if keyed { self.open_question(leg, ctx) } else { None };
        if keyed && offer.is_none() {
            return self.refused_at_once(leg, ctx);
        }
        let own_lines = session_timer::offer(self.directory.site.sip.session);
        let passport = self.passport_to(leg);
        // Where another trunk could take the call, the caller does not wait long for a dead one.
        let hasty = self.ways.iter().any(|(of, ways)| *of == leg && !ways.is_empty());
        let port = Rc::clone(&self.port);
        let sent = self.switch.new_leg(|token| {
            let stand = Stand {
                transport: peer.transport,
                sent_by: &port.listeners[usize::from(peer.listener)].sent_by,
                token,
                host: outside.as_ref().and_then(|outside| outside.host.as_deref()),
            };
            let outgoing = Outgoing {
                uri,
                stand,
                passport,
                mark: &self.mark,
                diversion: diversion.as_deref(),
                history: history.as_deref(),
                offer: offer.as_deref(),
                own: &own_lines,
                outside: outside.as_ref(),
            };
            let mut written = Bytes::new();
            let client = port.invite(peer, Owner::Leg(token), |branch| {
                let invite = wire::invite(&self.invite, &outgoing, branch);
                if trunk.is_some() {
                    written = invite.clone();
                }
                invite
            })?;
            let both = (Rc::clone(&port), Rc::clone(&self.switch));
            let mut actor = LegActor::called(both, ctx.address(), (leg, token), (client, peer, &self.invite));
            if keyed {
                actor.asks();
            }
            if let Some(trunk) = trunk {
                actor.to_trunk(trunk, written, hasty);
            }
            Some(actor.start())
        });
        match sent {
            Some(actor) => self.legs.push((leg, actor)),
            None => self.refused_at_once(leg, ctx),
        }
    }

    /// The headers for a trunk.
    fn outside(&self, trunk: &Trunk, uri: &[u8], reason: Option<Diverted>) -> Option<Outside> {
        let caller = self.directory.caller_outside(&self.invite, &self.origin);
        Some(Outside::of(&Facts {
            trunk,
            far: trunk.far.as_ref()?,
            numbering: &self.directory.site.outbound.numbering,
            domain: &self.directory.site.sip.domain,
            uri: std::str::from_utf8(uri).ok()?,
            caller: &caller,
            diverted: reason.map(|reason| (self.user.address.as_str(), reason)),
            invite: &self.invite,
        }))
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
