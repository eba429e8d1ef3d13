//! What a call does with a transfer: it lets the referred leg go, and takes it back where that led nowhere.

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::{Leg, Why},
    directory::Origin,
    sip::{Message as SipMessage, Name, refer::Refer},
};

use super::CallActor;
use crate::leg::{LegActor, Order, Say};

impl CallActor {
    /// The peer of `leg` refers the other party to somebody else.
    pub(super) fn referred(&mut self, leg: Leg, refer: Refer) {
        self.say(leg, Say::Notify(100));
        let other = self.other(leg).filter(|_| !self.lent);
        let at = other.and_then(|other| self.legs.iter().position(|(of, _)| *of == other));
        let (Some(at), Some(referrer)) = (at, self.leg(leg)) else { return self.say(leg, Say::Notify(480)) };
        let (other, transferred) = self.legs.remove(at);
        self.lent = true;
        let origin = match leg {
            Leg::Caller => self.origin.clone(),
            Leg::Phone(_) | Leg::Um(_) => Origin::User(Arc::clone(&self.user)),
        };
        let (who, by) = (self.party(other), self.party(leg));
        transferred.do_send(Say::Transfer(Box::new(Order { refer, referrer, origin, who, by })));
    }

    /// A party of the call as From of another, without a tag.
    fn party(&self, leg: Leg) -> Vec<u8> {
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
        self.legs.push((leg, actor));
    }

    /// Another leg takes the place of `leg`, whose peer has heard that it would.
    pub(super) fn gives_place(&mut self, leg: Leg, to: Addr<LegActor>, heard: Arc<SipMessage>) {
        let place = self.legs.iter().position(|(of, _)| *of == leg);
        let (Some(other), Some(place)) = (self.other(leg).filter(|_| !self.lent), place) else {
            return to.do_send(Say::NoPlace);
        };
        let (_, old) = std::mem::replace(&mut self.legs[place], (leg, to.clone()));
        old.do_send(Say::Bye(Why::Over));
        old.do_send(Say::Leave);
        self.say(other, Say::TurnTo(to, leg, heard));
    }

    fn leg(&self, leg: Leg) -> Option<Addr<LegActor>> {
        self.legs.iter().find(|(of, _)| *of == leg).map(|(_, actor)| actor.clone())
    }
}
