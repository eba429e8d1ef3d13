//! What programs do to a call that a user has.

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::{Event, Leg, Why},
    policy::{Party, Planned},
    rcc::{Refusal, view::Seen},
    settings::{Policy, To},
};
use smallvec::SmallVec;

use super::{CallActor, lines::Ask, policy};
use crate::leg::Say;

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Deed {
    /// The user's telephone answers.
    Answer,
    /// The user leaves the call, or does not want it.
    Clear,
    /// It goes to that number instead.
    Deflect(String),
    /// The user's telephone holds it.
    Hold,
    /// And takes it back.
    Retrieve,
}

/// A program wants something done in the name of a user, by address.
#[derive(Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct Controlled(pub Arc<str>, pub Deed);

impl Handler<Controlled> for CallActor {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, Controlled(user, deed): Controlled, ctx: &mut Context<Self>) -> Self::Result {
        let mut done = Err(Refusal::State);
        self.guarded(ctx, |call, ctx| done = call.controlled(&user, deed, ctx));
        done
    }
}

impl CallActor {
    fn controlled(&mut self, user: &str, deed: Deed, ctx: &mut Context<Self>) -> Result<(), Refusal> {
        let (legs, incoming, state) = self.lines.of_user(user).ok_or(Refusal::InvalidCall)?;
        let rings_here = incoming && state == Seen::Rings;
        if self.holding || self.claim.is_some() {
            return Err(Refusal::State);
        }
        match deed {
            Deed::Clear => self.clear(&legs, (incoming, &state), ctx),
            Deed::Answer if rings_here => return self.ask_one(&legs, Ask::Talk),
            Deed::Hold if state == Seen::Talks => return self.ask_one(&legs, Ask::Hold),
            Deed::Retrieve if state == Seen::Held => return self.ask_one(&legs, Ask::Talk),
            Deed::Deflect(to) if rings_here => return self.deflect(user, to, ctx),
            Deed::Answer | Deed::Hold | Deed::Retrieve | Deed::Deflect(_) => return Err(Refusal::State),
        }
        Ok(())
    }

    /// Asks a telephone that has said that it does such things.
    fn ask_one(&mut self, legs: &[Leg], ask: Ask) -> Result<(), Refusal> {
        let leg = legs.iter().find(|leg| self.lines.takes(**leg, ask)).ok_or(Refusal::NotSupported)?;
        self.say(*leg, Say::Ask(ask.package()));
        Ok(())
    }

    fn clear(&mut self, legs: &[Leg], (incoming, state): (bool, &Seen), ctx: &mut Context<Self>) {
        match (incoming, state) {
            // As if the user had declined: it goes on to voice mail, or to whoever else rings.
            (true, Seen::Rings) => {
                for leg in legs.iter().filter(|leg| matches!(leg, Leg::Phone(_))) {
                    if self.machine.rings(*leg) {
                        self.say(*leg, Say::Cancel(Why::Over));
                        self.happen(Event::Refused(*leg, 603), None, ctx);
                    }
                }
            }
            (false, Seen::Dialled | Seen::Rings) => {
                self.happen(Event::GaveUp { elsewhere: false }, None, ctx);
            }
            _ => {
                if let Some(leg) = legs.first() {
                    self.say(*leg, Say::Bye(Why::Over, None));
                    self.happen(Event::HungUp(*leg), None, ctx);
                }
            }
        }
    }

    /// The call goes to another number, as the user's policy could have sent it there, and under the same guards (T19).
    fn deflect(&mut self, user: &str, to: String, ctx: &mut Context<Self>) -> Result<(), Refusal> {
        // A colleague whose telephone rings along has no word in where the call goes.
        if user != self.user.address {
            return Err(Refusal::Security);
        }
        let used = self.devices.len();
        let policy = Policy { always: Some(To::Number(to.clone())), ..Policy::default() };
        let servers = usize::from(self.machine.plan().um_servers);
        let whose = (&*self.directory, &self.user, vec![]);
        let (planned, devices) =
            policy::by_policy(&self.switch, whose, (&self.invite, &self.origin), (&policy, false, servers));
        // Counted from now on, whatever becomes of it: the call gives it back at its end.
        self.planned.outside += planned.outside;
        let room = usize::from(ringpost::call::Legs::MOST);
        let stage = planned.plan.stages.first().cloned();
        let Some(mut stage) = stage.filter(|_| used + devices.len() <= room && !devices.is_empty()) else {
            return self.goes_to_voice_mail(&planned, &to, ctx);
        };
        let after = used as u8;
        let mut ways = policy::ways(&planned);
        ways.iter_mut().for_each(|(leg, _)| *leg = shifted(*leg, after));
        self.ways.extend(ways);
        if self.planned.parties.is_empty() {
            let own = (0..used).map(|number| Party::Device(Arc::clone(&self.user), number));
            self.planned.parties = own.collect();
        }
        self.planned.parties.extend(planned.parties);
        self.devices.extend(devices);
        (stage.first, stage.later) = (stage.first.after(after), stage.later.after(after));
        self.lines.diverts(to);
        let effects = self.machine.deflect(stage, planned.plan.others.after(after)).ok_or(Refusal::State)?;
        self.perform_all(effects, None, ctx);
        Ok(())
    }

    /// Nobody rings there: voice mail, where that is what was meant.
    fn goes_to_voice_mail(
        &mut self,
        planned: &Planned,
        to: &str,
        ctx: &mut Context<Self>,
    ) -> Result<(), Refusal> {
        let meant = planned.unconditional && planned.plan.refuse.is_none();
        if !meant || planned.plan.um_servers == 0 || self.directory.mailbox(to).is_none() {
            return Err(Refusal::InvalidDestination);
        }
        let own = self.legs.iter().map(|(leg, _)| *leg).filter(|leg| self.is_own_phone(*leg));
        let ringing: SmallVec<[Leg; 4]> = own.collect();
        self.lines.diverts(to.to_owned());
        for leg in ringing {
            if self.machine.rings(leg) {
                self.say(leg, Say::Cancel(Why::Over));
                self.happen(Event::Refused(leg, 603), None, ctx);
            }
        }
        Ok(())
    }

    fn is_own_phone(&self, leg: Leg) -> bool {
        matches!(leg, Leg::Phone(_)) && !self.machine.plan().others.has(leg)
    }
}

fn shifted(leg: Leg, after: u8) -> Leg {
    match leg {
        Leg::Phone(number) => Leg::Phone(number + after),
        leg => leg,
    }
}
