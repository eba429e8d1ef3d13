//! Places that INVITEs with Replaces want (RFC 3891): whether this leg is the one that is named, and the leg that such an
//! INVITE came in on until it has the place.

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::Leg,
    sip::{Message as SipMessage, replaces::Replaces, token::Token},
};

use super::{LegActor, Side};
use crate::call::CallActor;

/// Asks a leg whether it is the one that is to be replaced.
#[derive(Message)]
#[rtype(result = "Result<Place, u16>")]
pub struct Named(pub Replaces);

/// A place in a call.
pub struct Place {
    /// The call.
    pub call: Addr<CallActor>,
    /// The place.
    pub leg: Leg,
    /// The name of the leg that has it.
    pub token: Token,
    /// Its device rings and has not answered.
    pub early: bool,
}

impl LegActor {
    /// Makes this the leg of an INVITE that wants that place; before it starts.
    pub fn claims(&mut self, place: Leg) {
        (self.leg, self.claiming) = (place, true);
    }

    /// The place of this leg; else the code of §3: 481 it is another dialog, or an early one of a caller, 486 it is up and
    /// was wanted early only, 603 it has ended. A party that is on its way to somebody else: 491.
    fn place(&self, replaces: &Replaces) -> Result<Place, u16> {
        let early = match (&self.dialog, &self.side) {
            (Some(dialog), _) if !dialog.is_named(replaces) => return Err(481),
            (Some(_), _) if replaces.early_only => return Err(486),
            (Some(_), _) => false,
            (None, Side::Called { answered: false, .. }) if self.rings_as(replaces) => true,
            (None, Side::Called { answered: false, .. } | Side::Caller { answered: false, .. }) => {
                return Err(481);
            }
            (None, Side::Called { .. } | Side::Caller { .. }) => return Err(603),
        };
        match self.leaving || self.moving.is_some() {
            true => Err(491),
            false => Ok(Place { call: self.call.clone(), leg: self.leg, token: self.token, early }),
        }
    }

    /// Whether the latest early dialog with the device is the one that is named.
    fn rings_as(&self, replaces: &Replaces) -> bool {
        self.rang.as_ref().is_some_and(|rang| {
            rang.call_id() == replaces.call_id
                && replaces.has_tags(&self.token.text(), rang.to().and_then(|to| to.tag()))
        })
    }

    /// Keeps what names the early dialog with the device.
    pub(super) fn has_rung(&mut self, message: &Arc<SipMessage>) {
        self.rang = Some(Arc::clone(message));
    }
}

impl Handler<Named> for LegActor {
    type Result = Result<Place, u16>;

    fn handle(&mut self, Named(replaces): Named, _: &mut Context<Self>) -> Self::Result {
        self.place(&replaces)
    }
}
