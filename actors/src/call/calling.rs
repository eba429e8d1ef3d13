//! The legs that a call calls: their addresses, their INVITEs, and what of the caller's may cross to them.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use ringpost::{
    call::{
        Event, Leg,
        wire::{self, Diverted, History, Outgoing, Stand},
    },
    registrar::Device,
    settings::UmServer,
    sip::{
        Message as SipMessage, peer::Peer, relay::Passport, text::split_commas, transaction::Owner,
        uri::NameAddr,
    },
};
use smallvec::SmallVec;

use super::{CallActor, Told, What, call_id};
use crate::leg::{LegActor, Say};

/// The only way to a device is no more.
struct Dead;

/// Where a request goes first: the first URI of its Route, else its Request-URI.
fn first_hop((uri, route): &(String, String)) -> &[u8] {
    let hop = split_commas(route.as_bytes()).next().and_then(NameAddr::read);
    hop.map_or(uri.as_bytes(), |hop| hop.uri)
}

impl CallActor {
    /// Calls a device or a UM server; one whose address cannot be told refuses at once.
    pub(super) fn invite(&mut self, leg: Leg, ctx: &mut Context<Self>) {
        let place = match leg {
            Leg::Phone(number) => {
                self.devices.get(usize::from(number)).map(|d| (d.uri.clone(), d.route.clone()))
            }
            Leg::Um(number) => self
                .um
                .get(usize::from(number))
                .and_then(|server| Some((self.switch.um_uri(server)?, String::new()))),
            Leg::Caller => None,
        };
        let Some(place) = place else { return self.refused_at_once(leg, ctx) };
        let flow = match self.flow(leg) {
            Ok(flow) => flow,
            Err(Dead) => return self.refused_at_once(leg, ctx),
        };
        let hop = first_hop(&place);
        if let Some(peer) = flow.or_else(|| self.port.peer(hop)) {
            return self.send_invite(leg, &place, peer, ctx);
        }
        let (port, hop) = (Rc::clone(&self.port), hop.to_vec());
        self.sought.push(leg);
        let found = async move { (port.resolve(&hop).await, place) };
        ctx.spawn(found.into_actor(self).map(move |(peer, place), call, ctx| {
            call.guarded(ctx, |call, ctx| call.found(leg, &place, peer, ctx));
        }));
    }

    /// The way that a device has registered by, where calls go back that way.
    fn flow(&self, leg: Leg) -> Result<Option<Peer>, Dead> {
        let Leg::Phone(number) = leg else { return Ok(None) };
        let Some(flow) = self.devices.get(usize::from(number)).and_then(|device| device.flow) else {
            return Ok(None);
        };
        match flow.only {
            _ if !flow.peer.is_reliable() => Ok(Some(flow.peer)),
            false => Ok(Some(flow.peer).filter(|peer| self.switch.has_flow(peer.connection))),
            true if self.switch.has_flow(flow.peer.connection) => {
                Ok(Some(flow.peer.by_its_connection_only()))
            }
            true => Err(Dead),
        }
    }

    /// Whether a device that refused is called again by another of its flows, because this one is dead (RFC 5626 §5.3).
    pub(super) fn tries_another_flow(&mut self, leg: Leg, code: u16, said: Option<&SipMessage>) -> bool {
        let Leg::Phone(number) = leg else { return false };
        let Some(device) = self.devices.get_mut(usize::from(number)) else { return false };
        let failed = code == 430 || said.is_none() && matches!(code, 408 | 503);
        let Some(flow) = device.flow.filter(|_| failed) else { return false };
        self.switch.flow_failed(&self.user, &flow);
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

    /// The address of a leg is known, or cannot be. A leg that was taken back meanwhile is not called any more.
    fn found(&mut self, leg: Leg, place: &(String, String), peer: Option<Peer>, ctx: &mut Context<Self>) {
        let Some(at) = self.sought.iter().position(|sought| *sought == leg) else { return };
        self.sought.swap_remove(at);
        match peer {
            _ if self.machine.is_over() => {}
            Some(peer) => self.send_invite(leg, place, peer, ctx),
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
        (uri, route): &(String, String),
        peer: Peer,
        ctx: &mut Context<Self>,
    ) {
        let diversion = matches!(leg, Leg::Um(_)).then(|| self.diversion()).flatten();
        let own =
            matches!(leg, Leg::Um(number) if self.um.get(usize::from(number)) == Some(&UmServer::Embedded));
        let history = own.then(|| self.history().write());
        let passport = self.passport_to(leg);
        let port = Rc::clone(&self.port);
        let sent = self.switch.new_leg(|token| {
            let stand = Stand {
                transport: peer.transport,
                sent_by: &port.listeners[usize::from(peer.listener)].sent_by,
                token,
            };
            let outgoing = Outgoing {
                uri: uri.as_bytes(),
                route: route.as_bytes(),
                stand,
                passport,
                mark: &self.mark,
                diversion: diversion.as_deref(),
                history: history.as_deref(),
            };
            let client =
                port.invite(peer, Owner::Leg(token), |branch| wire::invite(&self.invite, &outgoing, branch))?;
            let both = (Rc::clone(&port), Rc::clone(&self.switch));
            let offered = self.invite.has_body();
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

    /// The one Diversion towards UM; none where the owner calls the own mailbox (PROTOCOLS §2).
    fn diversion(&self) -> Option<Vec<u8>> {
        let own = self.caller.number.as_deref().and_then(|number| self.directory.user(number));
        if own.is_some_and(|user| user.address == self.user.address) {
            return None;
        }
        let reason = if self.devices.is_empty() {
            Diverted::Unavailable
        } else if self.user.forward_to_voicemail {
            Diverted::Unconditional
        } else {
            let refusals = self.refusals.iter().filter(|(leg, _)| matches!(leg, Leg::Phone(_)));
            let codes: SmallVec<[u16; 8]> = refusals.filter_map(|(_, refusal)| refusal.code()).collect();
            Diverted::by(&codes, self.devices.len())
        };
        Some(reason.header(&self.user.address))
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
