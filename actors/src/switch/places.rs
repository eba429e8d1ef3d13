//! Places in calls that are up: legs of other lanes, and INVITEs with Replaces that want to be in their place (RFC 3891).

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    directory::Origin,
    sip::{Message as SipMessage, peer::Peer, replaces::Replaces, token::Token},
};
use tokio::sync::oneshot;

use super::Switch;
use crate::{
    call::{Claim, Told, What},
    leg::{LegActor, Named},
    port::lanes::Parcel,
};

impl Switch {
    /// The leg of that tag, whichever lane it is on.
    pub fn seek(&self, tag: &[u8]) -> impl Future<Output = Option<Addr<LegActor>>> + use<> {
        let token = Token::read(tag);
        let here = token.filter(|token| token.lane() == self.port.lane).and_then(|token| self.leg(token));
        let there = token.filter(|token| self.port.is_elsewhere(token.lane())).and_then(|token| {
            let (answer, answered) = oneshot::channel();
            self.port.lanes.send(token.lane(), Parcel::Seek(token, answer)).then_some(answered)
        });
        async move {
            match there {
                Some(there) => there.await.ok(),
                None => here,
            }
        }
    }

    /// Has an INVITE's leg take the place of the one that it names, if that may be.
    pub(super) fn claim(
        &self,
        (server, message, from): (Token, SipMessage, Peer),
        origin: Origin,
        replaces: Replaces,
    ) {
        let (switch, invite) = (self.me(), Arc::new(message));
        let sought = self.seek(&replaces.to_tag);
        actix::spawn(async move {
            let Some(old) = sought.await else { return switch.turn_away(server, &invite, from, 481) };
            let place = match old.send(Named(replaces)).await {
                Ok(Ok(place)) => place,
                Ok(Err(code)) => return switch.turn_away(server, &invite, from, code),
                Err(_) => return switch.turn_away(server, &invite, from, 481),
            };
            let named = origin.trunk_that_names_us().cloned();
            let came = (server, Arc::clone(&invite), from);
            let new = switch.caller_leg(place.call.clone(), came, named, |leg| leg.claims(place.leg));
            let Some(new) = new else { return switch.turn_away(server, &invite, from, 503) };
            let claim = Claim {
                new: new.clone(),
                old: (old, place.token),
                early: place.early,
                server,
                invite,
                origin,
            };
            let told = Told { leg: place.leg, by: None, what: What::Claimed(Box::new(claim)) };
            if place.call.send(told).await.is_err() {
                // The call has ended meanwhile.
                new.do_send(crate::leg::Say::Reject(481));
                new.do_send(crate::leg::Say::Leave);
            }
        });
    }
}
