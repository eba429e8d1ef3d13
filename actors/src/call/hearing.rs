//! What the legs tell their call: events for the machine, and what only crosses to the leg that they talk with.

use actix::prelude::*;
use ringpost::call::{Event, Leg};

use super::{CallActor, Reach, Told, What};
use crate::leg::Say;

impl Handler<Told> for CallActor {
    type Result = ();

    fn handle(&mut self, told: Told, ctx: &mut Context<Self>) {
        self.guarded(ctx, |call, ctx| call.told(told, ctx));
    }
}

impl CallActor {
    /// The leg that talks with this one.
    pub(super) fn other(&self, leg: Leg) -> Option<Leg> {
        match leg {
            Leg::Caller => self.bridged,
            Leg::Phone(_) | Leg::Um(_) => self.bridged.filter(|one| *one == leg).map(|_| Leg::Caller),
        }
    }

    fn told(&mut self, Told { leg, by, what }: Told, ctx: &mut Context<Self>) {
        let own = matches!(what, What::Event(..) | What::Inside(..) | What::Referred(_));
        if own && by.is_some_and(|by| self.gone.contains(&by)) {
            return;
        }
        let Some(what) = self.while_asked(leg, what, ctx) else { return };
        let Some(what) = self.while_claimed(what) else { return };
        let other = self.other(leg).or_else(|| self.early_other(leg, &what));
        if self.lines.are_on() {
            self.lines.hold(leg, &what);
        }
        match (what, other) {
            (What::Event(Event::Refused(leg, code), message), _)
                if self.goes_on(leg, code, message.as_deref())
                    || self.tries_another_flow(leg, code, message.as_deref()) =>
            {
                self.invite(leg, ctx);
            }
            (What::Event(event, message), _) => self.happen(event, message.as_ref(), ctx),
            (What::Referred(refer), _) => self.referred(leg, *refer),
            (What::Returned(actor), _) if self.reach == Reach::Click => self.dialled_in_vain(leg, actor, ctx),
            (What::Returned(actor), _) => self.returned(leg, actor),
            (What::GivesPlace(newcomer), _) => self.gives_place((leg, by), *newcomer),
            (What::Claimed(claim), _) => self.claimed(leg, *claim, ctx),
            // The other party is on its way to somebody else, or somebody else to it.
            (What::Inside(server, _), Some(_)) if self.lent || self.claim.is_some() => {
                self.say(leg, Say::Deny(server, 491));
            }
            (What::Inside(server, request), Some(other)) => {
                self.say(other, Say::Pass(server, request, self.passport_to(other)));
            }
            (What::Inside(server, _), None) => self.say(leg, Say::Deny(server, 480)),
            (What::Replied(server, said), Some(other)) => self.say(other, Say::Reply(server, said)),
            (What::Denied(server, code), Some(other)) => self.say(other, Say::Deny(server, code)),
            (What::Acknowledged(of, ack), Some(other)) => {
                let of = of.or_else(|| self.renewed_by(leg));
                self.say(other, Say::Acknowledge(self.acknowledged_as(of), ack));
            }
            (What::Pracked(prack), Some(other)) => self.say(other, Say::Prack(prack)),
            (What::Withdrawn(server), Some(other)) => self.say(other, Say::Withdraw(server)),
            (
                What::Replied(..)
                | What::Denied(..)
                | What::Acknowledged(..)
                | What::Pracked(_)
                | What::Withdrawn(_),
                None,
            ) => {}
        }
    }
}
