//! One call to one user as a pure machine: an event in, effects out. No clock, no socket, no actor.
//!
//! The four states of REQUIREMENTS R1–R6 are `Ringing` (1), `Forwarding` (2) and `WithUm` (3 and 4, by its phase).

pub mod legs;
pub mod outcome;
pub mod plan;
mod refusal;
mod ringing;
pub mod wire;

use std::time::Duration;

use smallvec::SmallVec;

pub use legs::{Leg, Legs};
pub use outcome::Outcome;
pub use plan::{Plan, Stage};
use refusal::{Best, is_for_the_caller};
use ringing::Ringing;

/// The effects of one event; most events have few.
pub type Effects = SmallVec<[Effect; 8]>;

/// What the machine waits for; each is started and stopped by an effect.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Timer {
    /// When to stop ringing the devices: the user's own time-out (R2), or that of a later stage.
    NoAnswer,
    /// When the delegates ring too.
    Delegates,
    /// When a UM server has rung for too long and the next one is tried (R15).
    UmSilent,
}

/// What happened, in the past tense.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Event {
    /// A leg sent 180 or another 18x.
    Rang(Leg),
    /// A leg sent 2xx to its INVITE.
    Answered(Leg),
    /// A leg sent a final failure, or stayed silent until its transaction gave up (408), or could not be reached (503).
    Refused(Leg, u16),
    /// The caller sent CANCEL (or BYE before the answer, RFC 3261 §15: `HungUp`, the same); `elsewhere` where its Reason says that somebody else answered (RFC 3326).
    GaveUp {
        /// `Reason: SIP;cause=200` came with it.
        elsewhere: bool,
    },
    /// A leg of a running dialog sent BYE.
    HungUp(Leg),
    /// A leg of a running dialog is gone without BYE: no ACK came, or a request in the dialog failed with 408 or 481.
    Lost(Leg),
    /// Whoever answered a leg that asks for a key has pressed it.
    Accepted(Leg),
    /// No key came in time.
    NotAccepted(Leg),
    /// UM told how far it is.
    Reported(UmPhase),
    /// A timer ran out.
    Expired(Timer),
    /// Ringpost itself ends the call: the drain limit, or a fault in one of its actors.
    Stopped,
}

/// What UM tells about a call it has answered.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum UmPhase {
    /// Nothing: most UMs do not report.
    Unknown,
    /// The greeting plays (3).
    Greeting,
    /// The recording runs (4).
    Recording,
}

/// What to do, in the imperative.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Effect {
    /// Send INVITE on a new leg.
    Invite(Leg),
    /// Tell the caller that it rings, with what this leg said.
    Ring(Leg),
    /// Tell the caller that the call is forwarded (181).
    Forwarded,
    /// Ask whoever answered this leg for the key.
    Ask(Leg),
    /// The key was pressed: lead the caller's media to this leg; its answer is the next `Answered`.
    Join(Leg),
    /// Take a ringing leg back.
    Cancel(Leg, Why),
    /// End an answered leg.
    Bye(Leg, Why),
    /// Answer the caller with this leg's 2xx.
    Bridge(Leg),
    /// Refuse the caller with this leg's own response.
    Refuse(Leg),
    /// Refuse the caller with a status code of ours.
    Reject(u16),
    /// Start a timer; the plan says how long.
    Start(Timer),
    /// Stop a timer.
    Stop(Timer),
    /// The call is over; comes once, before the caller's final response.
    Report(Outcome),
    /// Nothing is left to do.
    Leave,
}

/// Why a leg is ended, for its Reason header (PROTOCOLS §6).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Why {
    /// Somebody answered elsewhere: `SIP;cause=200;text="Call completed elsewhere"`.
    Elsewhere,
    /// Anything else: no Reason.
    Over,
}

/// Each state holds what only that state knows.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum State {
    /// A stage of the plan rings.
    Ringing(Ringing),
    /// UM server number `um` is being called; a late answer of a cancelled device still wins.
    Forwarding { um: u8, late: Legs, best: Best },
    /// UM has answered.
    WithUm { um: u8, phase: UmPhase },
    /// A device has answered.
    Connected(Leg),
    /// Over. A device whose answer crosses our CANCEL is hung up with this.
    Ended(Why),
}

/// One call.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Call {
    plan: Plan,
    /// The caller knows that the call is forwarded.
    forwarded: bool,
    state: State,
}

impl Call {
    /// Begins a call: the first stage rings (R1), or UM is called at once where none can (R8).
    pub fn start(plan: Plan) -> (Self, Effects) {
        let (mut effects, mut forwarded) = (Effects::new(), false);
        let state = match plan.refuse {
            Some((code, outcome)) => reject(code, outcome, &mut effects),
            None => Ringing::begin(0, &plan, &mut forwarded, &mut effects),
        };
        (Self { plan, forwarded, state }, effects)
    }

    /// How long the stage that rings may ring.
    pub fn ring_for(&self) -> Duration {
        let State::Ringing(ringing) = &self.state else { return Duration::ZERO };
        let stage = self.plan.stages.get(usize::from(ringing.stage()));
        stage.map_or(Duration::ZERO, |stage| stage.ring_for)
    }

    /// Who rings when.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether a leg rings whose answer would be the call's.
    pub fn rings(&self, leg: Leg) -> bool {
        matches!(&self.state, State::Ringing(ringing) if ringing.rings(leg)) && !self.plan.keyed.has(leg)
    }

    /// Somebody who is not the user answers in place of that leg.
    pub fn picked_up(&mut self, leg: Leg) {
        self.plan.others.add(leg);
    }

    /// Whoever rings is taken back, and the call goes to a further stage: `None` where nobody rings.
    pub fn deflect(&mut self, stage: Stage, others: Legs) -> Option<Effects> {
        let State::Ringing(ringing) = &self.state else { return None };
        let ringing = *ringing;
        self.plan.others = self.plan.others.and(others);
        self.plan.stages.push(stage);
        let (number, mut effects) = (self.plan.stages.len() - 1, Effects::new());
        self.state = ringing.deflect(number as u8, &self.plan, &mut self.forwarded, &mut effects);
        Some(effects)
    }

    /// Whether the call is over.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// The number of the state in REQUIREMENTS, for logs: 1 to 4, 5 connected, 0 over.
    pub fn state_number(&self) -> u8 {
        match &self.state {
            State::Ringing(_) => 1,
            State::Forwarding { .. } => 2,
            State::WithUm { phase: UmPhase::Recording, .. } => 4,
            State::WithUm { .. } => 3,
            State::Connected(_) => 5,
            State::Ended(_) => 0,
        }
    }

    /// Turns one event into effects. An event that the state has no use for changes nothing.
    pub fn on(&mut self, event: Event) -> Effects {
        let mut effects = Effects::new();
        let state = std::mem::replace(&mut self.state, State::Ended(Why::Over));
        self.state = match state {
            State::Ringing(ringing) => ringing.on(event, &self.plan, &mut self.forwarded, &mut effects),
            State::Forwarding { um, late, best } => self.forwarding(um, late, best, event, &mut effects),
            State::WithUm { um, phase } => with_um(um, phase, event, &mut effects),
            State::Connected(leg) => self.connected(leg, event, &mut effects),
            State::Ended(why) => ended(why, event, &mut effects),
        };
        effects
    }

    fn forwarding(
        &mut self,
        um: u8,
        mut late: Legs,
        best: Best,
        event: Event,
        effects: &mut Effects,
    ) -> State {
        let this = Leg::Um(um);
        match event {
            Event::Answered(leg) if leg == this => {
                effects.push(Effect::Stop(Timer::UmSilent));
                effects.push(Effect::Bridge(leg));
                State::WithUm { um, phase: UmPhase::Unknown }
            }
            // DESIGN decision 2: a person beats a machine as long as the machine has not answered.
            Event::Answered(leg) if late.has(leg) => {
                effects.extend([Effect::Stop(Timer::UmSilent), Effect::Bridge(leg)]);
                effects.push(Effect::Cancel(this, Why::Elsewhere));
                State::Connected(leg)
            }
            Event::Refused(leg, _) if leg == this => {
                effects.push(Effect::Stop(Timer::UmSilent));
                self.forward(um + 1, (late, best), effects)
            }
            Event::Refused(leg, _) => {
                late.remove(leg);
                State::Forwarding { um, late, best }
            }
            Event::Expired(Timer::UmSilent) => {
                effects.push(Effect::Cancel(this, Why::Over));
                self.forward(um + 1, (late, best), effects)
            }
            Event::HungUp(Leg::Caller) | Event::Lost(Leg::Caller) => {
                self.forwarding(um, late, best, Event::GaveUp { elsewhere: false }, effects)
            }
            Event::GaveUp { elsewhere } => {
                effects.extend([Effect::Stop(Timer::UmSilent), Effect::Cancel(this, why(elsewhere))]);
                gave_up(elsewhere, Outcome::GaveUpForwarding, effects)
            }
            Event::Stopped => {
                effects.extend([Effect::Stop(Timer::UmSilent), Effect::Cancel(this, Why::Over)]);
                reject(503, Outcome::UmUnreachable, effects)
            }
            Event::Rang(leg) => {
                if leg == this {
                    effects.push(Effect::Ring(leg));
                }
                State::Forwarding { um, late, best }
            }
            Event::Answered(other) => {
                hang_up_late(other, Why::Over, State::Forwarding { um, late, best }, effects)
            }
            Event::HungUp(_)
            | Event::Lost(_)
            | Event::Reported(_)
            | Event::Accepted(_)
            | Event::NotAccepted(_)
            | Event::Expired(Timer::NoAnswer | Timer::Delegates) => State::Forwarding { um, late, best },
        }
    }

    /// The next UM server.
    fn forward(&mut self, um: u8, waiting: (Legs, Best), effects: &mut Effects) -> State {
        forward(&self.plan, (um, Outcome::UmUnreachable), &mut self.forwarded, waiting, effects)
    }

    fn connected(&self, with: Leg, event: Event, effects: &mut Effects) -> State {
        let outcome = if self.plan.others.has(with) { Outcome::TakenByOther } else { Outcome::Talked };
        match event {
            Event::HungUp(Leg::Caller) => over(&[with], outcome, effects),
            Event::HungUp(leg) if leg == with => over(&[Leg::Caller], outcome, effects),
            Event::Lost(leg) if leg == with || leg == Leg::Caller => {
                over(&[Leg::Caller, with], outcome, effects)
            }
            Event::Stopped => over(&[Leg::Caller, with], outcome, effects),
            Event::Answered(late) if late != with => {
                hang_up_late(late, Why::Elsewhere, State::Connected(with), effects)
            }
            Event::Rang(_)
            | Event::Answered(_)
            | Event::Refused(..)
            | Event::GaveUp { .. }
            | Event::HungUp(_)
            | Event::Lost(_)
            | Event::Reported(_)
            | Event::Accepted(_)
            | Event::NotAccepted(_)
            | Event::Expired(_) => State::Connected(with),
        }
    }
}

fn with_um(um: u8, phase: UmPhase, event: Event, effects: &mut Effects) -> State {
    let this = Leg::Um(um);
    let outcome = match phase {
        UmPhase::Unknown => Outcome::TakenByUm,
        UmPhase::Greeting => Outcome::GaveUpInGreeting,
        UmPhase::Recording => Outcome::LeftMessage,
    };
    match event {
        Event::Reported(phase) => State::WithUm { um, phase },
        Event::HungUp(Leg::Caller) => over(&[this], outcome, effects),
        Event::HungUp(leg) if leg == this => over(&[Leg::Caller], outcome, effects),
        Event::Lost(leg) if leg == this || leg == Leg::Caller => over(&[Leg::Caller, this], outcome, effects),
        Event::Stopped => over(&[Leg::Caller, this], outcome, effects),
        Event::Answered(late) if late != this => {
            hang_up_late(late, Why::Elsewhere, State::WithUm { um, phase }, effects)
        }
        Event::Rang(_)
        | Event::Answered(_)
        | Event::Refused(..)
        | Event::GaveUp { .. }
        | Event::HungUp(_)
        | Event::Lost(_)
        | Event::Accepted(_)
        | Event::NotAccepted(_)
        | Event::Expired(_) => State::WithUm { um, phase },
    }
}

fn ended(reason: Why, event: Event, effects: &mut Effects) -> State {
    if let Event::Answered(late) = event {
        effects.push(Effect::Bye(late, reason));
    }
    State::Ended(reason)
}

/// A 200 that crossed our CANCEL: that leg is off-hook, so it is acknowledged and hung up.
fn hang_up_late(late: Leg, reason: Why, state: State, effects: &mut Effects) -> State {
    effects.push(Effect::Bye(late, reason));
    state
}

/// Calls UM server number `um`, or gives up where the plan has no further one; `unanswered` is how it ended where it has
/// none at all.
fn forward(
    plan: &Plan,
    (um, unanswered): (u8, Outcome),
    forwarded: &mut bool,
    (late, best): (Legs, Best),
    effects: &mut Effects,
) -> State {
    if um < plan.um_servers {
        if !std::mem::replace(forwarded, true) {
            effects.push(Effect::Forwarded);
        }
        effects.extend([Effect::Invite(Leg::Um(um)), Effect::Start(Timer::UmSilent)]);
        return State::Forwarding { um, late, best };
    }
    let outcome = if plan.um_servers == 0 { unanswered } else { Outcome::UmUnreachable };
    match best {
        Some((leg, code)) if is_for_the_caller(code) => {
            effects.extend([Effect::Report(outcome), Effect::Refuse(leg), Effect::Leave]);
            State::Ended(Why::Over)
        }
        _ => reject(480, outcome, effects),
    }
}

fn reject(code: u16, outcome: Outcome, effects: &mut Effects) -> State {
    effects.extend([Effect::Report(outcome), Effect::Reject(code), Effect::Leave]);
    State::Ended(Why::Over)
}

fn gave_up(elsewhere: bool, outcome: Outcome, effects: &mut Effects) -> State {
    let outcome = if elsewhere { Outcome::CompletedElsewhere } else { outcome };
    effects.extend([Effect::Report(outcome), Effect::Reject(487), Effect::Leave]);
    State::Ended(why(elsewhere))
}

fn over(legs: &[Leg], outcome: Outcome, effects: &mut Effects) -> State {
    effects.extend(legs.iter().map(|leg| Effect::Bye(*leg, Why::Over)));
    effects.extend([Effect::Report(outcome), Effect::Leave]);
    let taken = matches!(outcome, Outcome::Talked | Outcome::TakenByOther);
    State::Ended(if taken { Why::Elsewhere } else { Why::Over })
}

fn why(elsewhere: bool) -> Why {
    if elsewhere { Why::Elsewhere } else { Why::Over }
}
