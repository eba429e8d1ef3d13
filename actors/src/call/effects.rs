//! What the call machine wants done, done.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use ringpost::{
    call::{Effect, Leg, Timer},
    sip::{Message as SipMessage, Method},
};

use super::{CallActor, Reach};
use crate::{leg::Say, port::Alarm};

impl CallActor {
    /// Performs the effects one by one: one that panics must not take the others with it, the notice least of all.
    pub(super) fn perform_all(
        &mut self,
        effects: impl IntoIterator<Item = Effect>,
        message: Option<&Arc<SipMessage>>,
        ctx: &mut Context<Self>,
    ) {
        for effect in effects {
            self.guarded(ctx, |call, ctx| call.perform(effect, message, ctx));
        }
    }

    fn perform(&mut self, effect: Effect, message: Option<&Arc<SipMessage>>, ctx: &mut Context<Self>) {
        // A phone whose answer crosses the end is hung up at once: after Leave its leg would be gone.
        if self.holding && matches!(effect, Effect::Refuse(_) | Effect::Reject(_) | Effect::Leave) {
            return self.held.push(effect);
        }
        match effect {
            Effect::Invite(leg) => self.invite(leg, ctx),
            Effect::Ring(leg) => self.ring(leg, message),
            Effect::Forwarded => {
                self.ringing.until.get_or_insert_with(Instant::now);
                if !self.reach.is_desk() {
                    self.say(Leg::Caller, Say::Progress(181, None));
                }
            }
            Effect::Ask(leg) => self.ask(leg, message, ctx),
            Effect::Join(leg) => self.join(leg),
            Effect::Cancel(leg, why) => {
                self.end_question(leg);
                self.sought.retain(|sought| *sought != leg);
                self.give_up_flows(leg);
                self.ways.retain(|(of, _)| *of != leg);
                self.rung.stopped(leg);
                self.put_out(leg);
                self.take_line(leg, why);
                self.say(leg, Say::Cancel(why));
            }
            Effect::Bye(leg, why) => {
                self.end_question(leg);
                self.say(
                    leg,
                    Say::Bye(why, message.filter(|said| said.method() == Some(Method::Bye)).cloned()),
                );
            }
            Effect::Bridge(leg) if self.reach == Reach::Click => self.dial(leg, message, ctx),
            Effect::Bridge(leg) => self.bridge(leg, message),
            Effect::Refuse(leg) => match self.refusals.iter().find(|(of, _)| *of == leg) {
                Some((_, refusal)) => {
                    self.lines.refused(refusal.code().unwrap_or(480), self.reach == Reach::Click);
                    self.say(Leg::Caller, Say::Refuse(Arc::clone(refusal)));
                }
                None => self.say(Leg::Caller, Say::Reject(if self.gateways_failed() { 503 } else { 480 })),
            },
            Effect::Reject(code) => {
                self.lines.refused(code, self.reach == Reach::Click);
                self.say(Leg::Caller, Say::Reject(self.rejection(code)));
            }
            Effect::Start(timer) => self.start_timer(timer),
            Effect::Stop(timer) => self.timers[timer as usize] += 1,
            Effect::Report(outcome) => self.report(outcome, ctx),
            Effect::Leave => self.leave(ctx),
        }
    }

    fn start_timer(&mut self, timer: Timer) {
        let after = match timer {
            Timer::NoAnswer => self.machine.ring_for(),
            Timer::Delegates => self.machine.plan().join_after,
            Timer::UmSilent => self.directory.site.um.ring_limit,
        };
        let which = timer as usize;
        self.timers[which] += 1;
        let number = self.timers[which] << 2 | which as u32;
        self.port.alarm(after.as_millis() as u64, Alarm { owner: self.token, number });
    }

    pub(super) fn leave(&mut self, ctx: &mut Context<Self>) {
        self.left = true;
        self.put_all_out();
        self.end_lines();
        self.drop_claim();
        self.legs.iter().for_each(|(_, leg)| leg.do_send(Say::Leave));
        self.switch.forget_call(self.token);
        ctx.stop();
    }
}
