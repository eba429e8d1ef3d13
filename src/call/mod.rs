//! One call to one user as a pure machine: an event in, effects out. No clock, no socket, no actor.
//!
//! The four states of REQUIREMENTS R1–R6 are `Ringing` (1), `Forwarding` (2) and `WithUm` (3 and 4, by its phase).

pub mod legs;
pub mod outcome;
pub mod plan;
mod refusal;
pub mod wire;

use smallvec::SmallVec;

pub use legs::{Leg, Legs};
pub use outcome::Outcome;
pub use plan::Plan;
use refusal::{Best, better, is_for_the_caller};

/// The effects of one event; most events have few.
pub type Effects = SmallVec<[Effect; 8]>;

/// What the machine waits for; each is started and stopped by an effect.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Timer {
    /// When to stop ringing the devices: the user's own time-out (R2).
    NoAnswer,
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
    /// The devices in `phones` ring; `best` is the refusal that would be shown to the caller.
    Ringing { phones: Legs, best: Best },
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
    state: State,
}

impl Call {
    /// Begins a call: every device rings at once (R1), or UM is called at once where none can (R8).
    pub fn start(plan: Plan) -> (Self, Effects) {
        let mut effects = Effects::new();
        let phones = Legs::first(plan.phones);
        let state = if phones.is_empty() {
            forward(&plan, 0, Legs::NONE, None, &mut effects)
        } else {
            effects.extend(phones.iter().map(Effect::Invite));
            effects.push(Effect::Start(Timer::NoAnswer));
            State::Ringing { phones, best: None }
        };
        (Self { plan, state }, effects)
    }

    /// Whether the call is over.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// The number of the state in REQUIREMENTS, for logs: 1 to 4, 5 connected, 0 over.
    pub fn state_number(&self) -> u8 {
        match &self.state {
            State::Ringing { .. } => 1,
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
            State::Ringing { phones, best } => self.ringing(phones, best, event, &mut effects),
            State::Forwarding { um, late, best } => self.forwarding(um, late, best, event, &mut effects),
            State::WithUm { um, phase } => with_um(um, phase, event, &mut effects),
            State::Connected(leg) => connected(leg, event, &mut effects),
            State::Ended(why) => ended(why, event, &mut effects),
        };
        effects
    }

    fn ringing(&self, mut phones: Legs, best: Best, event: Event, effects: &mut Effects) -> State {
        match event {
            Event::Rang(leg) => {
                if phones.has(leg) {
                    effects.push(Effect::Ring(leg));
                }
                State::Ringing { phones, best }
            }
            Event::Answered(leg) if phones.has(leg) => {
                phones.remove(leg);
                effects.push(Effect::Stop(Timer::NoAnswer));
                effects.push(Effect::Bridge(leg));
                cancel(phones, Why::Elsewhere, effects);
                State::Connected(leg)
            }
            Event::Refused(leg, code) if phones.has(leg) => {
                phones.remove(leg);
                let best = better(best, (leg, code));
                // RFC 3261 §16.7: a 6xx speaks for the user, so no other device goes on ringing.
                if code >= 600 || phones.is_empty() {
                    effects.push(Effect::Stop(Timer::NoAnswer));
                    cancel(phones, Why::Over, effects);
                    return forward(&self.plan, 0, phones, best, effects);
                }
                State::Ringing { phones, best }
            }
            Event::Expired(Timer::NoAnswer) => {
                cancel(phones, Why::Over, effects);
                forward(&self.plan, 0, phones, best, effects)
            }
            // RFC 3261 §15: a caller may also end an early dialog by BYE.
            Event::HungUp(Leg::Caller) | Event::Lost(Leg::Caller) => {
                self.ringing(phones, best, Event::GaveUp { elsewhere: false }, effects)
            }
            Event::GaveUp { elsewhere } => {
                effects.push(Effect::Stop(Timer::NoAnswer));
                cancel(phones, why(elsewhere), effects);
                gave_up(elsewhere, Outcome::GaveUpRinging, effects)
            }
            Event::Stopped => {
                effects.push(Effect::Stop(Timer::NoAnswer));
                cancel(phones, Why::Over, effects);
                reject(503, Outcome::Unanswered, effects)
            }
            Event::Answered(late) => hang_up_late(late, Why::Over, State::Ringing { phones, best }, effects),
            Event::Refused(..)
            | Event::HungUp(_)
            | Event::Lost(_)
            | Event::Reported(_)
            | Event::Expired(Timer::UmSilent) => State::Ringing { phones, best },
        }
    }

    fn forwarding(&self, um: u8, mut late: Legs, best: Best, event: Event, effects: &mut Effects) -> State {
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
                forward(&self.plan, um + 1, late, best, effects)
            }
            Event::Refused(leg, _) => {
                late.remove(leg);
                State::Forwarding { um, late, best }
            }
            Event::Expired(Timer::UmSilent) => {
                effects.push(Effect::Cancel(this, Why::Over));
                forward(&self.plan, um + 1, late, best, effects)
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
            Event::HungUp(_) | Event::Lost(_) | Event::Reported(_) | Event::Expired(Timer::NoAnswer) => {
                State::Forwarding { um, late, best }
            }
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
        | Event::Expired(_) => State::WithUm { um, phase },
    }
}

fn connected(with: Leg, event: Event, effects: &mut Effects) -> State {
    match event {
        Event::HungUp(Leg::Caller) => over(&[with], Outcome::Talked, effects),
        Event::HungUp(leg) if leg == with => over(&[Leg::Caller], Outcome::Talked, effects),
        Event::Lost(leg) if leg == with || leg == Leg::Caller => {
            over(&[Leg::Caller, with], Outcome::Talked, effects)
        }
        Event::Stopped => over(&[Leg::Caller, with], Outcome::Talked, effects),
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
        | Event::Expired(_) => State::Connected(with),
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

/// Calls UM server number `um`, or gives up where the plan has no further one.
fn forward(plan: &Plan, um: u8, late: Legs, best: Best, effects: &mut Effects) -> State {
    if um < plan.um_servers {
        if um == 0 {
            effects.push(Effect::Forwarded);
        }
        effects.extend([Effect::Invite(Leg::Um(um)), Effect::Start(Timer::UmSilent)]);
        return State::Forwarding { um, late, best };
    }
    let outcome = if plan.um_servers == 0 { Outcome::Unanswered } else { Outcome::UmUnreachable };
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
    State::Ended(if outcome == Outcome::Talked { Why::Elsewhere } else { Why::Over })
}

fn cancel(phones: Legs, reason: Why, effects: &mut Effects) {
    effects.extend(phones.iter().map(|leg| Effect::Cancel(leg, reason)));
}

fn why(elsewhere: bool) -> Why {
    if elsewhere { Why::Elsewhere } else { Why::Over }
}
