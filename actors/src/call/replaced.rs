//! INVITEs with Replaces (RFC 3891): one takes the place of a party that talks, or picks up what rings elsewhere.
//!
//! The party that stays is asked by a re-INVITE with the newcomer's media, and what it answers is the answer to the INVITE.
//! Until then the old one keeps its place. Where nobody talks yet, each side's offer is the answer to the other's.

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::{Event, Leg, Why, wire},
    directory::Origin,
    sip::{sdp, token::Token},
};

use super::{CallActor, Claim, What, call_id};
use crate::{leg::Say, metrics::METRICS};

impl CallActor {
    /// An INVITE wants the place of `leg`.
    pub(super) fn claimed(&mut self, leg: Leg, claim: Claim, ctx: &mut Context<Self>) {
        if let Err(code) = self.may_claim(leg, &claim) {
            tracing::debug!(call = %call_id(&self.invite), by = claim.origin.name(), code, "Not replaced");
            return turned_away(&claim, Say::Reject(code));
        }
        if claim.early {
            return self.picks_up(leg, claim, ctx);
        }
        let Some(other) = self.other(leg) else { return turned_away(&claim, Say::Reject(481)) };
        self.say(other, Say::Pass(claim.server, Arc::clone(&claim.invite), self.passport_to(other)));
        self.claim = Some(Box::new((leg, claim)));
    }

    fn may_claim(&self, leg: Leg, claim: &Claim) -> Result<(), u16> {
        let there = self.legs.iter().any(|(of, actor)| *of == leg && *actor == claim.old.0);
        let party = if claim.early { Some(Leg::Caller) } else { self.other(leg) };
        let (true, Some(party)) = (there, party) else { return Err(481) };
        if self.lent || self.claim.is_some() {
            return Err(491);
        }
        if claim.early && !self.machine.rings(leg) {
            return Err(481);
        }
        // Whose call was for a trunk, or came by one, is nobody's but that trunk's, the site's users' and those trunks'
        // that may call through Ringpost anyway (T19).
        let allowed = match (&claim.origin, self.origin_of(party)) {
            (Origin::User(_), _) | (Origin::Trunk(_), Origin::User(_)) => true,
            (Origin::Trunk(own), Origin::Trunk(theirs)) => own.transit || own.name == theirs.name,
        };
        let offers = || sdp::could_answer(&claim.invite.body(), &self.invite.body());
        match allowed {
            false => Err(403),
            true if claim.early && !offers() => Err(488),
            true => Ok(()),
        }
    }

    /// Somebody takes the call of a device that rings.
    fn picks_up(&mut self, leg: Leg, claim: Claim, ctx: &mut Context<Self>) {
        let answers = (wire::as_answer(&claim.invite), wire::as_answer(&self.invite));
        let (Some(theirs), Some(callers)) = answers else {
            return turned_away(&claim, Say::Reject(488));
        };
        let is_own = matches!(&claim.origin, Origin::User(user) if user.address == self.user.address);
        if !is_own {
            self.machine.picked_up(leg);
        }
        let by = claim.invite.from().map(|from| String::from_utf8_lossy(from.uri).into_owned());
        self.take_place(leg, &claim, Say::Cancel(Why::Elsewhere));
        claim.new.do_send(Say::Answer(Arc::new(callers)));
        self.happen(Event::Answered(leg), Some(&Arc::new(theirs)), ctx);
        self.answered_by = by;
    }

    /// Puts the new leg in its place, and has the old one end.
    fn take_place(&mut self, leg: Leg, claim: &Claim, end: Say) {
        METRICS.replaced_total.one();
        if let Some((_, actor)) = self.legs.iter_mut().find(|(of, _)| *of == leg) {
            *actor = claim.new.clone();
        }
        self.set_origin(leg, claim.origin.clone());
        self.moved(leg, &claim.invite);
        let (old, name) = &claim.old;
        self.gone.push(*name);
        old.do_send(end);
        old.do_send(Say::Leave);
    }

    /// What the party that stays says to the re-INVITE for a claim; what is none of that comes back.
    pub(super) fn while_claimed(&mut self, what: What) -> Option<What> {
        if self.claim.is_none() {
            return Some(what);
        }
        let (of, code, said) = match &what {
            What::Replied(of, said) => (*of, said.code().unwrap_or(500), Some(Arc::clone(said))),
            What::Denied(of, code) => (*of, *code, None),
            _ => return Some(what),
        };
        let Some((leg, claim)) = self.claim.take_if(|claim| claim.1.server == of).map(|claim| *claim) else {
            return Some(what);
        };
        match (code, said) {
            (..200, _) => self.claim = Some(Box::new((leg, claim))),
            (200..300, Some(said)) => {
                self.take_place(leg, &claim, Say::Bye(Why::Over, None));
                self.renewed = Some((leg, claim.server));
                claim.new.do_send(Say::Answer(said));
            }
            (_, Some(said)) => turned_away(&claim, Say::Refuse(said)),
            (_, None) => turned_away(&claim, Say::Reject(code)),
        }
        None
    }

    /// The call ends: whoever wanted a place in it gets none.
    pub(super) fn drop_claim(&mut self) {
        if let Some(claim) = self.claim.take() {
            turned_away(&claim.1, Say::Reject(481));
        }
    }

    /// The re-INVITE that the ACK of a newcomer's INVITE belongs to.
    pub(super) fn renewed_by(&mut self, leg: Leg) -> Option<Token> {
        self.renewed.take_if(|(of, _)| *of == leg).map(|(_, server)| server)
    }
}

fn turned_away(claim: &Claim, say: Say) {
    claim.new.do_send(say);
    claim.new.do_send(Say::Leave);
}
