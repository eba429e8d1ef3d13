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
        wire::{self, History, Outgoing, Stand},
    },
    directory::{Origin, Target},
    registrar::{Device, Flow},
    sip::{
        Message as SipMessage, peer::Peer, relay::Passport, reliable::Wish, session_timer,
        text::split_commas, transaction::Owner, uri::NameAddr,
    },
};

use super::{CallActor, Reach, Told, What, call_id};
use crate::{
    gateways,
    leg::{Hurry, LegActor, Say},
    metrics::METRICS,
    pool::now,
    um::{DONE, MAILBOX},
};

/// Where a leg goes.
struct Place {
    /// The Request-URI.
    uri: String,
    /// The value of Route; empty: none.
    route: String,
    /// The way that a device has registered by.
    flow: Option<Peer>,
    /// The way that it leaves by.
    way: Option<Target>,
    /// A device has registered it which may not call by trunks as it likes.
    guarded: bool,
}

impl Place {
    fn at(uri: String) -> Self {
        Self { uri, route: String::new(), flow: None, way: None, guarded: false }
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
        if let Some((_, ways)) = self.ways.iter_mut().find(|(of, _)| *of == leg) {
            let way = ways.take(&self.switch.directory(), now())?;
            return Some(Place { way: Some(way.clone()), ..Place::at(way.uri) });
        }
        match leg {
            Leg::Phone(number) => {
                let device = self.devices.get(usize::from(number))?;
                let flow = device.flow.map_or(Some(None), |flow| self.way_back(&flow))?;
                let (route, guarded) = (device.route.clone(), device.guarded);
                Some(Place { flow, route, guarded, ..Place::at(device.uri.clone()) })
            }
            Leg::Um(_) if self.reach == Reach::Code => Some(Place::at(self.switch.desk_uri(DONE)?)),
            Leg::Um(_) if matches!(self.reach, Reach::Mailbox { .. }) => {
                let mut uri = self.switch.desk_uri(MAILBOX)?;
                if self.directory.of_address(&self.user.address).is_some() {
                    let bare = self.user.address.trim_start_matches("sip:").replace('@', "%40");
                    uri = format!("{uri};target={bare}");
                }
                let proven = self.reach == Reach::Mailbox { proven: true };
                Some(Place::at(if proven { uri + ";proven" } else { uri }))
            }
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

    /// Whether a leg has another trunk to try after this refusal: nobody has rung there, and the trunk or the way to it
    /// failed, not the number that was called.
    pub(super) fn goes_on(&mut self, leg: Leg, code: u16, said: Option<&SipMessage>) -> bool {
        let Some((_, ways)) = self.ways.iter_mut().find(|(of, _)| *of == leg) else { return false };
        let failed = match ways.are_routed() {
            true => gateways::failed(code, said),
            false => matches!(code, 408 | 500 | 502..=504),
        };
        if let Some((way, passage)) = ways.at().and_then(|way| Some((way, way.route.as_ref()?)))
            && (failed || said.is_some())
        {
            if failed {
                METRICS.routes.failed(&passage.route.name, &way.trunk.name);
            }
            self.switch.note_gateway(&way.trunk.name, gateways::sign(code, said));
        }
        if !failed {
            return false;
        }
        let more = ways.advance(&self.switch.directory(), now());
        if !more && ways.are_routed() {
            METRICS.routes_failed_total.one();
        }
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

    /// Nothing could be sent for want of something of our own: no gateway is to blame for that.
    fn refused_here(&self, leg: Leg, ctx: &mut Context<Self>) {
        if !self.ways.iter().any(|(of, ways)| *of == leg && ways.are_routed()) {
            return self.refused_at_once(leg, ctx);
        }
        tracing::warn!(call = %call_id(&self.invite), ?leg, "The leg could not be called");
        ctx.notify(Told { leg, by: None, what: What::Event(Event::Refused(leg, 500), None) });
    }

    fn send_invite(
        &mut self,
        leg: Leg,
        (place, peer, further): (Place, Peer, Vec<Peer>),
        ctx: &mut Context<Self>,
    ) {
        let Place { uri, route, way, .. } = place;
        let reason = self.diverted(leg);
        let diverting = way.as_ref().map(|way| self.directory.address_towards(&self.user, &way.trunk));
        let diverting = diverting.as_deref().unwrap_or(&self.user.address);
        let diverted = reason.map(|reason| (diverting, reason));
        let whose = (&*self.invite, &self.origin);
        let outside = way.as_ref().and_then(|way| self.directory.outside(way, whose, diverted));
        // A trunk reads it in the header of its own choice.
        let diversion = reason.filter(|_| outside.is_none()).map(|reason| reason.header(&self.user.address));
        // A copy for who needs it: the numbers of most calls are what they say.
        let rebuilt = match outside {
            Some(_) => None,
            None => self.directory.rebuilt(&self.invite, &self.origin, &self.caller),
        };
        let history = self.is_own_um(leg).then(|| self.history().write());
        let keyed = self.machine.plan().keyed.has(leg);
        let offer = if keyed { self.open_question(leg, ctx) } else { None };
        if keyed && offer.is_none() {
            return self.refused_here(leg, ctx);
        }
        let relays_offer = self.relays_offer(leg);
        let own_lines = session_timer::offer(self.directory.site.sip.session);
        let passport = self.passport_to(leg);
        let hurry = way.as_ref().map(|way| self.hurry(leg, way)).unwrap_or_default();
        let trunk = way.map(|way| way.trunk);
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
                rebuilt: rebuilt.as_ref(),
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
                actor.to_trunk(trunk, written, hurry);
            }
            Some(actor.start())
        });
        match sent {
            Some(actor) => {
                self.legs.push((leg, actor));
                self.watch_um(leg);
            }
            None => self.refused_here(leg, ctx),
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

    /// How long a trunk is waited for, and a word in the log where it is a gateway of a route. Where another one could take
    /// the call, the caller does not wait long for a dead one.
    fn hurry(&self, leg: Leg, way: &Target) -> Hurry {
        let Some((_, ways)) = self.ways.iter().find(|(of, _)| *of == leg) else { return Hurry::default() };
        let Some(passage) = &way.route else { return Hurry { silent: ways.has_more(), rings: None } };
        if ways.tries() == 1 {
            METRICS.routed_total.one();
        }
        let (route, gateway) = (&passage.route.name, &way.trunk.name);
        METRICS.routes.called(route, gateway);
        tracing::info!(call = %call_id(&self.invite), route, gateway, "A call takes a route");
        Hurry { silent: true, rings: way.trunk.far.as_ref().map(|far| far.ring_timeout) }
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
