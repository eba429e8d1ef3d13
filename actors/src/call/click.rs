//! A program has a user call somebody: the user's own telephones ring, and whoever takes one is transferred to the number, as
//! if it had been dialled there (RFC 3725 §4.4: the phone's offer goes along, and is held until somebody answers).

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::{Event, Leg, Why},
    directory::Origin,
    sip::{Message as SipMessage, build::Draft, refer::Refer, sdp},
};

use super::{CallActor, Told, What};
use crate::leg::{Arrival, LegActor, Order, Say};

impl CallActor {
    /// A telephone of the user has answered: it dials.
    pub(super) fn dial(&mut self, leg: Leg, message: Option<&Arc<SipMessage>>, ctx: &mut Context<Self>) {
        self.bridged = Some(leg);
        let at = self.legs.iter().position(|(of, _)| *of == leg);
        let uri = self.invite.from().map(|from| from.uri.to_vec());
        let (Some(at), Some(uri), Some(ack)) = (at, uri, message.and_then(|said| self.held(said))) else {
            // It offers nothing that could be held.
            self.say(leg, Say::Bye(Why::Over, None));
            return ctx.notify(Told { leg, by: None, what: What::Event(Event::HungUp(leg), None) });
        };
        self.say(leg, Say::Acknowledge(None, Arc::new(ack)));
        let (_, telephone) = self.legs.remove(at);
        self.lent = true;
        self.lines.lend();
        let origin = Origin::User(Arc::clone(&self.user));
        let arrival = Arrival { origin: origin.clone(), transfers: 0, line: self.lines.name() };
        let who = self.party(leg);
        let order = Order {
            refer: Refer { uri, replaces: None, id: 0, notified: false, by: None },
            referrer: None,
            origin,
            arrival,
            invite: Arc::clone(&self.invite),
            by: who.clone(),
            who,
        };
        telephone.do_send(Say::Transfer(Box::new(order)));
    }

    /// The ACK of a telephone that waits for its party.
    fn held(&self, said: &SipMessage) -> Option<SipMessage> {
        let local = self.port.listeners.first()?.bound.address;
        let answer = sdp::hold(&said.body(), local, u64::from(self.port.random())).ok()?;
        let mut draft = Draft::request(b"ACK", self.invite.uri());
        draft.header("CSeq", &[b"1 ACK"]).header("Content-Type", &[b"application/sdp"]);
        SipMessage::read(draft.body(&answer)).ok()
    }

    /// The number was not reached: the telephone is hung up.
    pub(super) fn dialled_in_vain(&mut self, leg: Leg, telephone: Addr<LegActor>, ctx: &mut Context<Self>) {
        self.returned(leg, telephone);
        self.lines.take_back();
        self.happen(Event::Stopped, None, ctx);
    }
}
