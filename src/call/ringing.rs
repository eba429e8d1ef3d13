//! A stage of targets rings: what may end it, and what comes after it.

use super::{
    Effect, Effects, Event, Leg, Legs, Outcome, Plan, State, Timer, Why, forward, gave_up, hang_up_late,
    refusal::{Best, better},
    reject, why,
};

/// A stage that rings.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Ringing {
    stage: u8,
    /// Whose INVITE is out.
    phones: Legs,
    /// Who rings after a delay.
    later: Legs,
    /// Who has answered and is asked for the key.
    asking: Legs,
    /// Who has pressed it and is not connected yet.
    joining: Legs,
    /// Whoever was taken back in an earlier stage; a late answer still wins.
    late: Legs,
    /// The refusal that would be shown to the caller.
    best: Best,
    /// A device of the user was busy.
    busy: bool,
}

impl Ringing {
    /// Begins a stage, or goes to UM where the plan has no such stage.
    pub(super) fn begin(stage: u8, plan: &Plan, forwarded: &mut bool, effects: &mut Effects) -> State {
        Self { stage, ..Self::default() }.enter(plan, forwarded, effects, Outcome::Unanswered)
    }

    /// The number of the stage.
    pub(super) fn stage(&self) -> u8 {
        self.stage
    }

    pub(super) fn rings(&self, leg: Leg) -> bool {
        self.phones.has(leg)
    }

    fn enter(
        mut self,
        plan: &Plan,
        forwarded: &mut bool,
        effects: &mut Effects,
        unanswered: Outcome,
    ) -> State {
        let Some(stage) = plan.stages.get(usize::from(self.stage)) else {
            return forward(plan, (0, unanswered), forwarded, (self.late, self.best), effects);
        };
        if plan.is_away(self.stage) && !std::mem::replace(forwarded, true) {
            effects.push(Effect::Forwarded);
        }
        (self.phones, self.later) = match stage.first.is_empty() {
            true => (stage.later, Legs::NONE),
            false => (stage.first, stage.later),
        };
        effects.extend(self.phones.iter().map(Effect::Invite));
        effects.push(Effect::Start(Timer::NoAnswer));
        if !self.later.is_empty() {
            effects.push(Effect::Start(Timer::Delegates));
        }
        State::Ringing(self)
    }

    pub(super) fn on(
        mut self,
        event: Event,
        plan: &Plan,
        forwarded: &mut bool,
        effects: &mut Effects,
    ) -> State {
        match event {
            Event::Rang(leg) => {
                if self.phones.has(leg) {
                    effects.push(Effect::Ring(leg));
                }
                State::Ringing(self)
            }
            Event::Answered(leg) if self.phones.has(leg) && plan.keyed.has(leg) => {
                self.phones.remove(leg);
                self.asking.add(leg);
                effects.push(Effect::Ask(leg));
                State::Ringing(self)
            }
            Event::Answered(leg) if self.phones.and(self.joining).and(self.late).has(leg) => {
                self.connect(leg, plan, effects)
            }
            Event::Answered(late) => hang_up_late(late, Why::Over, State::Ringing(self), effects),
            Event::Accepted(leg) => {
                if self.asking.has(leg) {
                    self.asking.remove(leg);
                    self.joining.add(leg);
                    effects.push(Effect::Join(leg));
                }
                State::Ringing(self)
            }
            Event::Refused(leg, code) => self.refused(leg, code, plan, forwarded, effects),
            Event::NotAccepted(leg) if self.asking.has(leg) => {
                effects.push(Effect::Bye(leg, Why::Over));
                self.lose(leg, plan, forwarded, effects)
            }
            Event::HungUp(Leg::Caller) | Event::Lost(Leg::Caller) => self.gave_up(false, plan, effects),
            Event::GaveUp { elsewhere } => self.gave_up(elsewhere, plan, effects),
            Event::HungUp(leg) if self.asking.and(self.joining).has(leg) => {
                self.lose(leg, plan, forwarded, effects)
            }
            Event::Lost(leg) if self.asking.and(self.joining).has(leg) => {
                effects.push(Effect::Bye(leg, Why::Over));
                self.lose(leg, plan, forwarded, effects)
            }
            Event::Expired(Timer::Delegates) => {
                self.join(effects);
                State::Ringing(self)
            }
            Event::Expired(Timer::NoAnswer) => {
                self.release(plan, Why::Over, effects);
                self.follow(false, plan, forwarded, effects)
            }
            Event::Stopped => {
                effects.push(Effect::Stop(Timer::NoAnswer));
                self.release(plan, Why::Over, effects);
                reject(503, self.unanswered(plan), effects)
            }
            Event::NotAccepted(_)
            | Event::HungUp(_)
            | Event::Lost(_)
            | Event::Reported(_)
            | Event::Expired(Timer::UmSilent) => State::Ringing(self),
        }
    }

    fn connect(mut self, leg: Leg, plan: &Plan, effects: &mut Effects) -> State {
        self.phones.remove(leg);
        self.joining.remove(leg);
        effects.extend([Effect::Stop(Timer::NoAnswer), Effect::Bridge(leg)]);
        self.release(plan, Why::Elsewhere, effects);
        State::Connected(leg)
    }

    fn refused(
        mut self,
        leg: Leg,
        code: u16,
        plan: &Plan,
        forwarded: &mut bool,
        effects: &mut Effects,
    ) -> State {
        if self.joining.has(leg) {
            // It pressed the key, and its telephone does not take the caller's media.
            effects.push(Effect::Bye(leg, Why::Over));
            return self.lose(leg, plan, forwarded, effects);
        }
        self.late.remove(leg);
        if !self.phones.has(leg) {
            return State::Ringing(self);
        }
        let own = !plan.others.has(leg);
        if own || code < 600 {
            self.best = better(self.best, (leg, code));
        }
        self.busy |= own && matches!(code, 486 | 600);
        // RFC 3261 §16.7: a 6xx speaks for the user, so nobody else goes on ringing. A colleague's speaks for him alone.
        if own && code >= 600 {
            self.phones.remove(leg);
            effects.push(Effect::Stop(Timer::NoAnswer));
            self.release(plan, Why::Over, effects);
            return match code {
                600 => self.follow(true, plan, forwarded, effects),
                _ => forward(plan, (0, self.unanswered(plan)), forwarded, (self.late, self.best), effects),
            };
        }
        self.lose(leg, plan, forwarded, effects)
    }

    /// Goes to a stage that was not planned when the call began.
    pub(super) fn deflect(
        mut self,
        stage: u8,
        plan: &Plan,
        forwarded: &mut bool,
        effects: &mut Effects,
    ) -> State {
        effects.push(Effect::Stop(Timer::NoAnswer));
        self.release(plan, Why::Over, effects);
        self.stage = stage;
        self.enter(plan, forwarded, effects, Outcome::ForwardUnanswered)
    }

    /// A leg rings no more; whoever waits for that, or the next stage, comes when nobody else does.
    fn lose(mut self, leg: Leg, plan: &Plan, forwarded: &mut bool, effects: &mut Effects) -> State {
        self.phones.remove(leg);
        self.asking.remove(leg);
        self.joining.remove(leg);
        if !self.phones.and(self.asking).and(self.joining).is_empty() {
            return State::Ringing(self);
        }
        if !self.later.is_empty() {
            effects.push(Effect::Stop(Timer::Delegates));
            self.join(effects);
            return State::Ringing(self);
        }
        effects.push(Effect::Stop(Timer::NoAnswer));
        let busy = self.busy;
        self.follow(busy, plan, forwarded, effects)
    }

    fn join(&mut self, effects: &mut Effects) {
        effects.extend(self.later.iter().map(Effect::Invite));
        self.phones = self.phones.and(std::mem::take(&mut self.later));
    }

    /// Nobody of this stage rings any more.
    fn follow(self, busy: bool, plan: &Plan, forwarded: &mut bool, effects: &mut Effects) -> State {
        let stage = plan.stages.get(usize::from(self.stage));
        let next = stage.map_or(u8::MAX, |stage| if busy { stage.on_busy } else { stage.on_silence });
        let unanswered = self.unanswered(plan);
        Self { stage: next, late: self.late, best: self.best, ..Self::default() }
            .enter(plan, forwarded, effects, unanswered)
    }

    /// Ends whatever this stage has going but for its time-out.
    fn release(&mut self, plan: &Plan, reason: Why, effects: &mut Effects) {
        if !std::mem::take(&mut self.later).is_empty() {
            effects.push(Effect::Stop(Timer::Delegates));
        }
        effects.extend(self.phones.iter().map(|leg| Effect::Cancel(leg, reason)));
        effects.extend(self.asking.and(self.joining).iter().map(|leg| Effect::Bye(leg, reason)));
        // An answer without the key is no answer, however late it comes.
        self.late = self.late.and(std::mem::take(&mut self.phones).without(plan.keyed));
        (self.asking, self.joining) = (Legs::NONE, Legs::NONE);
    }

    fn gave_up(mut self, elsewhere: bool, plan: &Plan, effects: &mut Effects) -> State {
        let outcome = match plan.is_away(self.stage) {
            true => Outcome::ForwardUnanswered,
            false => Outcome::GaveUpRinging,
        };
        effects.push(Effect::Stop(Timer::NoAnswer));
        self.release(plan, why(elsewhere), effects);
        gave_up(elsewhere, outcome, effects)
    }

    fn unanswered(&self, plan: &Plan) -> Outcome {
        if plan.is_away(self.stage) { Outcome::ForwardUnanswered } else { Outcome::Unanswered }
    }
}
