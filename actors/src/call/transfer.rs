//! What a call does with a transfer: it lets the referred leg go, and takes it back where that led nowhere.

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::{Leg, Why},
    directory::Origin,
    sip::{Name, refer::Refer, token::Token},
};

use super::{CallActor, Reach, call_id};
use crate::{
    leg::{Arrival, LegActor, Newcomer, Order, Say},
    metrics::METRICS,
};

impl CallActor {
    /// The peer of `leg` refers the other party to somebody else.
    pub(super) fn referred(&mut self, leg: Leg, refer: Refer) {
        self.say(leg, Say::Notify(100));
        // Tries count: each is a call that somebody may have to pay for.
        self.transfers += 1;
        if self.transfers > self.directory.site.sip.max_transfers {
            METRICS.transfers_refused_total.one();
            tracing::info!(call = %call_id(&self.invite), "Too many transfers");
            return self.say(leg, Say::Notify(403));
        }
        METRICS.transfers_total.one();
        let other = self.other(leg).filter(|_| !self.lent && self.claim.is_none());
        let at = other.and_then(|other| self.legs.iter().position(|(of, _)| *of == other));
        let (Some(at), Some(referrer)) = (at, self.leg(leg)) else { return self.say(leg, Say::Notify(480)) };
        let (other, transferred) = self.legs.remove(at);
        self.lent = true;
        self.lines.refers(Some((leg, &refer.uri)));
        let arrival = Arrival { origin: self.origin_of(other), transfers: self.transfers, line: None };
        let order = Order {
            origin: self.owner_at_mailbox(leg, &refer).unwrap_or_else(|| self.origin_of(leg)),
            refer,
            referrer: Some(referrer),
            arrival,
            invite: Arc::clone(&self.invite),
            who: self.party(other),
            by: self.party(leg),
        };
        transferred.do_send(Say::Transfer(Box::new(order)));
    }

    /// Whoever calls back out of a mailbox does so as its owner: Ringpost's own UM has seen the PIN (T20).
    fn owner_at_mailbox(&self, leg: Leg, refer: &Refer) -> Option<Origin> {
        if !matches!(self.reach, Reach::Mailbox { .. }) || !self.is_own_um(leg) {
            return None;
        }
        let owner = String::from_utf8_lossy(refer.by.as_deref()?);
        self.directory.of_address(&owner).cloned().map(Origin::User)
    }

    /// What the party on a leg may call (T19): one that came from another call, or that was called outside, not what its
    /// place would allow.
    pub(super) fn origin_of(&self, leg: Leg) -> Origin {
        let own = self.origins.iter().find(|(of, _)| *of == leg).map(|(_, origin)| origin.clone());
        own.unwrap_or_else(|| match leg {
            Leg::Caller => self.origin.clone(),
            Leg::Phone(_) | Leg::Um(_) => Origin::User(Arc::clone(&self.user)),
        })
    }

    /// Keeps that the party on a leg is of that origin.
    pub(super) fn set_origin(&mut self, leg: Leg, origin: Origin) {
        self.origins.retain(|(of, _)| *of != leg);
        self.origins.push((leg, origin));
    }

    /// A party of the call as From of another, without a tag.
    pub(super) fn party(&self, leg: Leg) -> Vec<u8> {
        let Leg::Caller = leg else {
            let name = self.user.name.as_deref().unwrap_or_default().replace(['"', '\\'], "");
            return format!("\"{name}\" <{}>", self.user.address).into_bytes();
        };
        let asserted = Some(Name::PAssertedIdentity).filter(|_| self.passport.identity);
        let asserted = asserted.and_then(|name| self.invite.list(name).next());
        match (asserted, self.invite.from()) {
            (Some(asserted), _) => asserted.to_vec(),
            (None, Some(from)) => [from.display, b" <", from.uri, b">"].concat(),
            (None, None) => b"<sip:anonymous@anonymous.invalid>".to_vec(),
        }
    }

    /// The leg that was let go talks with its old party again.
    pub(super) fn returned(&mut self, leg: Leg, actor: Addr<LegActor>) {
        self.lent = false;
        self.lines.refers(None);
        self.legs.push((leg, actor));
    }

    /// Another leg takes the place of `leg`, whose peer has heard that it would.
    pub(super) fn gives_place(&mut self, (leg, by): (Leg, Option<Token>), newcomer: Newcomer) {
        let Newcomer { leg: to, heard, arrival, .. } = newcomer;
        let place = self.legs.iter().position(|(of, _)| *of == leg);
        let free = !self.lent && self.claim.is_none();
        let (Some(other), Some(place)) = (self.other(leg).filter(|_| free), place) else {
            return to.do_send(Say::NoPlace);
        };
        let (_, old) = std::mem::replace(&mut self.legs[place], (leg, to.clone()));
        self.gone.extend(by);
        self.set_origin(leg, arrival.origin);
        self.moved(leg, &heard);
        self.transfers = self.transfers.max(arrival.transfers);
        old.do_send(Say::Bye(Why::Over, None));
        old.do_send(Say::Leave);
        self.say(other, Say::TurnTo(to, leg, heard));
    }

    fn leg(&self, leg: Leg) -> Option<Addr<LegActor>> {
        self.legs.iter().find(|(of, _)| *of == leg).map(|(_, actor)| actor.clone())
    }
}
