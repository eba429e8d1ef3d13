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
    directory::{Origin, Target},
    registrar::{Device, Flow},
    settings::Trunk,
    sip::{
        Message as SipMessage,
        outside::{Facts, Outside},
        peer::Peer,
        relay::Passport,
        reliable::Wish,
        session_timer,
        text::split_commas,
        transaction::Owner,
        uri::NameAddr,
    },
};

use super::{CallActor, Reach, Told, What, call_id};
use crate::{
    leg::{LegActor, Say},
    metrics::METRICS,
    um::DONE,
};

/// Where a leg goes.
struct Place {
    /// The Request-URI.
    uri: String,
    /// The value of Route; empty: none.
    route: String,
    /// The way that a device has registered by.
    flow: Option<Peer>,
    /// The trunk that it leaves by.
    trunk: Option<Arc<Trunk>>,
    /// A device has registered it which may not call by trunks as it likes.
    guarded: bool,
}

impl Place {
    fn at(uri: String) -> Self {
        Self { uri, route: String::new(), flow: None, trunk: None, guarded: false }
    }

    /// Where its requests go first: the first URI of the Route, else the Request-URI.
    fn first_hop(&self) -> &[u8] {
        let hop = split_commas(self.route.as_bytes()).next().and_then(NameAddr::read);
        hop.map_or(self.uri.as_bytes(), |hop| hop.uri)
    }
}

impl CallActor {
    /// Calls a device, a number outside or a UM server; one whose address cannot be told refuses at once.
    pub(super) fn invite(&mut self, leg: Leg, ctx: &mut Context<Self>) {
        let Some(place) = self.place(leg) else { return self.refused_at_once(leg, ctx) };
        if let Some(peer) = place.flow.or_else(|| self.port.peer(place.first_hop())) {
            return self.send_invite(leg, (place, peer, vec![]), ctx);
        }
        self.sought.push(leg);
        if let Some(peers) = self.port.at_hand(place.first_hop()) {
            return self.found(leg, (place, peers), ctx);
        }
        let port = Rc::clone(&self.port);
        let found = async move { (port.locate(place.first_hop()).await, place) };
        ctx.spawn(found.into_actor(self).map(move |(peers, place), call, ctx| {
            call.guarded(ctx, |call, ctx| call.found(leg, (place, peers), ctx));
        }));
    }

    /// Where a leg goes next; `None` where nothing leads there.
    fn place(&mut self, leg: Leg) -> Option<Place> {
        if let Some(Target { uri, trunk }) = self.next_way(leg) {
            return Some(Place { trunk: Some(trunk), ..Place::at(uri) });
        }
        match leg {
            Leg::Phone(number) => {
                let device = self.devices.get(usize::from(number))?;
                let flow = device.flow.map_or(Some(None), |flow| self.way_back(&flow))?;
                let (route, guarded) = (device.route.clone(), device.guarded);
                Some(Place { flow, route, guarded, ..Place::at(device.uri.clone()) })
            }
            Leg::Um(_) if self.reach == Reach::Code => Some(Place::at(self.switch.desk_uri(DONE)?)),
            Leg::Um(_) if self.reach == Reach::Attendant => {
                let desk = self.directory.reception_of(&self.user)?.desk();
                Some(Place::at(self.switch.desk_uri(&desk)?))
            }
            Leg::Um(number) => {
                let server = self.um_server(number)?;
                Some(Place::at(self.switch.um_uri(&server.server)?))
            }
            Leg::Caller => None,
        }
    }

    /// The way that a device has registered by, `Some(None)` where its URI serves instead; `None` where nothing does.
    fn way_back(&self, flow: &Flow) -> Option<Option<Peer>> {
        let open = !flow.peer.is_reliable() || self.switch.has_flow(flow.peer.connection);
        match (open, flow.only) {
            (true, true) => Some(Some(flow.peer.by_its_connection_only())),
            (true, false) => Some(Some(flow.peer)),
            (false, true) => None,
            (false, false) => Some(None),
        }
    }

    /// Whether a device that refused is called again by another of its flows, because this one is dead (RFC 5626 §5.3).
    pub(super) fn tries_another_flow(&mut self, leg: Leg, code: u16, said: Option<&SipMessage>) -> bool {
        let Leg::Phone(number) = leg else { return false };
        let Some(device) = self.devices.get_mut(usize::from(number)) else { return false };
        let failed = code == 430 || said.is_none() && matches!(code, 408 | 503);
        let Some(flow) = device.flow.filter(|_| failed) else { return false };
        // Silence may be the phone's, or a caller's who gave up at once: no reason to forget where it is.
        if code != 408 {
            self.switch.flow_failed(&self.user, &flow);
        }
        let mut others = std::mem::take(&mut device.others).into_iter();
        let Some(next) = others.next() else { return false };
        *device = Device { others: others.collect(), ..next };
        if let Some(at) = self.legs.iter().position(|(of, _)| *of == leg) {
            self.legs.swap_remove(at).1.do_send(Say::Leave);
        }
        true
    }

    /// A device that was taken back is not called by another flow.
    pub(super) fn give_up_flows(&mut self, leg: Leg) {
        if let Leg::Phone(number) = leg
            && let Some(device) = self.devices.get_mut(usize::from(number))
        {
            device.others.clear();
        }
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
    fn found(&mut self, leg: Leg, (place, mut peers): (Place, Vec<Peer>), ctx: &mut Context<Self>) {
        let Some(at) = self.sought.iter().position(|sought| *sought == leg) else { return };
        self.sought.swap_remove(at);
        if place.guarded {
            // What the DNS says of a name that a device has registered must not lead past `allowed_prefixes` (T19).
            peers.retain(|peer| self.directory.trunk(peer.address.ip()).is_none());
        }
        if self.machine.is_over() {
            return;
        }
        match peers.is_empty() {
            true => self.refused_at_once(leg, ctx),
            false => {
                let first = peers.remove(0);
                self.send_invite(leg, (place, first, peers), ctx);
            }
        }
    }

    fn refused_at_once(&self, leg: Leg, ctx: &mut Context<Self>) {
        tracing::info!(call = %call_id(&self.invite), ?leg, "The leg's address cannot be reached");
        ctx.notify(Told { leg, by: None, what: What::Event(Event::Refused(leg, 503), None) });
    }

    fn send_invite(
        &mut self,
        leg: Leg,
        (place, peer, further): (Place, Peer, Vec<Peer>),
        ctx: &mut Context<Self>,
    ) {
        let Place { uri, route, trunk, .. } = place;
        let reason = self.diverted(leg);
        let outside = trunk.as_deref().and_then(|trunk| self.outside(trunk, uri.as_bytes(), reason));
        // A trunk reads it in the header of its own choice.
        let diversion = reason.filter(|_| outside.is_none()).map(|reason| reason.header(&self.user.address));
        let history = self.is_own_um(leg).then(|| self.history().write());
        let keyed = self.machine.plan().keyed.has(leg);
        let offer = if keyed { self.open_question(leg, ctx) } else { None };
        if keyed && offer.is_none() {
            return self.refused_at_once(leg, ctx);
        }
        let relays_offer = self.relays_offer(leg);
        let own_lines = session_timer::offer(self.directory.site.sip.session);
        let passport = self.passport_to(leg);
        // Where another trunk could take the call, the caller does not wait long for a dead one.
        let hasty = self.ways.iter().any(|(of, ways)| *of == leg && !ways.is_empty());
        if let Some(trunk) = &trunk {
            self.set_origin(leg, Origin::Trunk(Arc::clone(trunk)));
        }
        let port = Rc::clone(&self.port);
        let sent = self.switch.new_leg(|token| {
            let stand = Stand {
                transport: peer.transport,
                sent_by: &port.listeners[usize::from(peer.listener)].sent_by,
                token,
                host: outside.as_ref().and_then(|outside| outside.host.as_deref()),
                product: port.product(),
            };
            let outgoing = Outgoing {
                uri: uri.as_bytes(),
                route: route.as_bytes(),
                stand,
                passport,
                mark: &self.mark,
                diversion: diversion.as_deref(),
                history: history.as_deref(),
                offer: offer.as_deref(),
                relays_offer,
                own: &own_lines,
                outside: outside.as_ref(),
            };
            let mut written = Bytes::new();
            let client = port.invite(peer, Owner::Leg(token), |branch| {
                let invite = wire::invite(&self.invite, &outgoing, branch);
                if trunk.is_some() || !further.is_empty() {
                    written = invite.clone();
                }
                invite
            })?;
            let both = (Rc::clone(&port), Rc::clone(&self.switch));
            let mut actor = LegActor::called(both, ctx.address(), (leg, token), (client, peer, &self.invite));
            if keyed {
                actor.asks();
            }
            if relays_offer {
                actor.relays_offer();
            }
            if !further.is_empty() {
                actor.to_further(further, written.clone());
            }
            if let Some(trunk) = trunk {
                actor.to_trunk(trunk, written, hasty);
            }
            Some(actor.start())
        });
        match sent {
            Some(actor) => {
                self.legs.push((leg, actor));
                self.watch_um(leg);
            }
            None => self.refused_at_once(leg, ctx),
        }
    }

    /// Whether an offer in a reliable 18x of this leg can go to the caller, whose PRACK then answers it (RFC 3262 §5): the
    /// caller knows how, and there is no second device whose offer would be left without an answer.
    fn relays_offer(&self, leg: Leg) -> bool {
        !self.invite.has_body()
            && self.early_media
            && Wish::of(&self.invite) != Wish::None
            && self.machine.plan().rings_alone(leg)
            && !self.machine.plan().keyed.has(leg)
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
            filter: self.filter(&self.user),
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
            Leg::Caller => Passport { identity: false, diversion: true, ..self.passport },
        }
    }
}
