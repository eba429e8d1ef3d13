//! Who rings, in which order, and why.

use std::{fmt, sync::Arc};

use smallvec::SmallVec;

use super::Past;
use crate::{
    call::{Leg, Legs, Outcome, Plan, Stage},
    directory::{Directory, Mailbox, Target},
    settings::{Policy, PolicyLimits, Quiet, To, User},
};

/// A call to be planned, and the world around it.
pub struct Ask<'a> {
    /// Users and numbers.
    pub directory: &'a Directory,
    /// Who is called.
    pub user: &'a Arc<User>,
    /// What the user wants, changes by feature codes included.
    pub policy: &'a Policy,
    /// How many UM servers there are to try.
    pub servers: usize,
    /// A number of voice mail was dialled: straight to UM (R115).
    pub voicemail: bool,
    /// What the call has been through.
    pub past: Past,
    /// How many numbers outside the user's calls may still ring now.
    pub room: usize,
    /// How many devices a user has.
    pub devices: &'a dyn Fn(&Arc<User>) -> usize,
    /// Whether a colleague does not want to be disturbed.
    pub is_quiet: &'a dyn Fn(&Arc<User>) -> bool,
    /// The ways to a number outside, none where it may not be called: the one guard against toll fraud (T19).
    pub ways_out: &'a dyn Fn(&str) -> Vec<Target>,
}

/// Who a leg of the plan stands for.
#[derive(Clone, Debug)]
pub enum Party {
    /// A device of a user, by its number.
    Device(Arc<User>, usize),
    /// A number outside, and the trunks that lead there.
    Outside(Vec<Target>),
}

/// A call that is planned.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// For the call machine.
    pub plan: Plan,
    /// Who the legs `Phone(0)` and so on stand for.
    pub parties: SmallVec<[Party; 2]>,
    /// The call is forwarded whatever the devices would say.
    pub unconditional: bool,
    /// How many numbers outside are in it.
    pub outside: usize,
    /// Why it is so (R211).
    pub rules: SmallVec<[Rule; 2]>,
}

/// A rule that has shaped a plan.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rule {
    /// A number of voice mail was dialled.
    VoiceMailNumber,
    /// Every call is forwarded.
    ForwardAlways,
    /// The user does not want to be disturbed.
    DoNotDisturb,
    /// Other numbers ring as well.
    RingAlso,
    /// Delegates ring later.
    Delegates,
    /// Another place where the devices are busy.
    ForwardBusy,
    /// Another place where nobody answers.
    ForwardNoAnswer,
    /// Others are tried one after the other.
    Hunt,
    /// A number is left out: it may not be called, no trunk serves it, or it leads back to the user.
    NoWay,
    /// A colleague is left out, who does not want to be disturbed or has no device.
    Colleague,
    /// A number outside is left out: too many of the user's calls ring outside already.
    TooManyOutside,
    /// The call was diverted too often, or by this user before: it is not forwarded again.
    Loop,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VoiceMailNumber => "a number of voice mail was dialled",
            Self::ForwardAlways => "forward always",
            Self::DoNotDisturb => "do not disturb",
            Self::RingAlso => "other numbers ring as well",
            Self::Delegates => "delegates ring later",
            Self::ForwardBusy => "forward when busy",
            Self::ForwardNoAnswer => "forward when nobody answers",
            Self::Hunt => "hunt",
            Self::NoWay => "a number is left out: not allowed or not served",
            Self::Colleague => "a colleague is left out: not to be disturbed or without device",
            Self::TooManyOutside => "a number is left out: too many ring outside already",
            Self::Loop => "not forwarded: the call was diverted too often or by this user before",
        })
    }
}

/// The plan of a call. Forwarding always comes before do not disturb, that before everything else.
pub fn plan(ask: &Ask<'_>) -> Planned {
    let mut draft = Draft::new(ask);
    if ask.voicemail {
        draft.because(Rule::VoiceMailNumber);
        return draft.done(None);
    }
    match &ask.policy.always {
        Some(To::Um) if ask.servers > 0 => {
            draft.because(Rule::ForwardAlways);
            return draft.away().done(None);
        }
        Some(To::Number(number)) => {
            draft.because(Rule::ForwardAlways);
            if draft.is_voicemail(number) {
                return draft.away().done(None);
            }
            let legs = draft.add_others(std::slice::from_ref(number), false);
            draft.stage(legs, u8::MAX, u8::MAX, ask.user.ring_for);
            let looped = draft.planned.rules.contains(&Rule::Loop) && legs.is_empty();
            return draft.away().done(looped.then_some((482, Outcome::ForwardUnanswered)));
        }
        Some(To::Um) | None => {}
    }
    if let Some(quiet) = ask.policy.do_not_disturb {
        draft.because(Rule::DoNotDisturb);
        let busy = quiet == Quiet::Busy || ask.servers == 0;
        return draft.done(busy.then_some((486, Outcome::NotDisturbed)));
    }
    if ask.user.forward_to_voicemail && ask.servers > 0 {
        draft.because(Rule::ForwardAlways);
        return draft.away().done(None);
    }
    draft.rings();
    draft.done(None)
}

/// A plan that is being made.
struct Draft<'a> {
    ask: &'a Ask<'a>,
    planned: Planned,
}

impl<'a> Draft<'a> {
    fn new(ask: &'a Ask<'a>) -> Self {
        let plan = Plan { um_servers: ask.servers.min(16) as u8, ..Plan::default() };
        Self { ask, planned: Planned { plan, ..Planned::default() } }
    }

    fn because(&mut self, rule: Rule) {
        if !self.planned.rules.contains(&rule) {
            self.planned.rules.push(rule);
        }
    }

    fn away(mut self) -> Self {
        self.planned.unconditional = true;
        self
    }

    fn done(self, refuse: Option<(u16, Outcome)>) -> Planned {
        let mut planned = self.planned;
        planned.plan.refuse = refuse;
        planned
    }

    /// The devices with whoever rings beside them, and the stages after them.
    fn rings(&mut self) {
        let Policy { ring_also, delegates, delegates_after, hunt, hunt_step, .. } = self.ask.policy;
        let mut first = self.add_devices(self.ask.user);
        let beside = self.add_others(ring_also, true);
        if !beside.is_empty() {
            self.because(Rule::RingAlso);
            first = first.and(beside);
        }
        let later = self.add_others(delegates, true);
        if !later.is_empty() {
            self.because(Rule::Delegates);
        }
        let ring_for = self.ask.user.ring_for;
        self.planned.plan.join_after = delegates_after.0;
        self.planned.plan.stages.push(Stage { first, later, ring_for, on_busy: 1, on_silence: 1 });
        for number in hunt {
            let legs = self.add_others(std::slice::from_ref(number), true);
            let next = self.planned.plan.stages.len() as u8 + 1;
            if self.stage(legs, next, next, hunt_step.0) {
                self.because(Rule::Hunt);
            }
        }
        let end = u8::MAX;
        let (busy, no_answer) = (self.ask.policy.busy.as_ref(), self.ask.policy.no_answer.as_ref());
        // The last stages, so that a hunt does not run into them.
        let hunted = self.planned.plan.stages.len();
        let on_busy = self.forward(busy, Rule::ForwardBusy);
        let on_silence = match no_answer == busy {
            true => on_busy,
            false => self.forward(no_answer, Rule::ForwardNoAnswer),
        };
        if no_answer.is_some() {
            self.because(Rule::ForwardNoAnswer);
        }
        let stages = &mut self.planned.plan.stages;
        if let Some(last) = stages.get_mut(hunted - 1).filter(|_| hunted > 1) {
            (last.on_busy, last.on_silence) = (end, end);
        }
        let after = if hunted > 1 { 1 } else { end };
        stages[0].on_busy = on_busy.unwrap_or(after);
        stages[0].on_silence = on_silence.unwrap_or(after);
        // Nobody to ring at all: the call is at once where an unanswered one would go.
        if stages[0].first.and(stages[0].later).is_empty() {
            self.skip_first();
        }
    }

    /// Where the first stage goes when it fails; `None`: as if nothing were set.
    fn forward(&mut self, to: Option<&To>, rule: Rule) -> Option<u8> {
        let number = match to? {
            To::Um => None,
            To::Number(number) => Some(number).filter(|number| !self.is_voicemail(number)),
        };
        self.because(rule);
        let Some(number) = number else { return (self.ask.servers > 0).then_some(u8::MAX) };
        let legs = self.add_others(std::slice::from_ref(number), false);
        let stage = self.planned.plan.stages.len() as u8;
        // A number that is left out leaves UM.
        Some(if self.stage(legs, u8::MAX, u8::MAX, self.ask.user.ring_for) { stage } else { u8::MAX })
    }

    /// The first stage has nobody, so the machine begins with the one for silence.
    fn skip_first(&mut self) {
        let stages = &mut self.planned.plan.stages;
        let next = usize::from(stages[0].on_silence);
        let chain = if next == 1 {
            stages.drain(1..).collect()
        } else {
            stages.get(next).cloned().into_iter().collect()
        };
        let mut chain: SmallVec<[Stage; 1]> = chain;
        for stage in &mut chain {
            stage.on_busy = stage.on_busy.saturating_sub(u8::from(stage.on_busy != u8::MAX));
            stage.on_silence = stage.on_silence.saturating_sub(u8::from(stage.on_silence != u8::MAX));
        }
        *stages = chain;
    }

    /// One stage more, unless nobody is in it.
    fn stage(&mut self, first: Legs, on_busy: u8, on_silence: u8, ring_for: std::time::Duration) -> bool {
        if first.is_empty() {
            return false;
        }
        let later = Legs::NONE;
        self.planned.plan.stages.push(Stage { first, later, ring_for, on_busy, on_silence });
        true
    }

    fn is_voicemail(&self, number: &str) -> bool {
        match self.ask.directory.mailbox(number) {
            Some(Mailbox::Pilot) => true,
            Some(Mailbox::Reception(_)) => false,
            Some(Mailbox::Of(user)) => user.address == self.ask.user.address,
            None => false,
        }
    }

    fn add(&mut self, party: Party) -> Option<Leg> {
        let number = self.planned.parties.len();
        if number >= usize::from(Legs::MOST) {
            return None;
        }
        self.planned.parties.push(party);
        Some(Leg::Phone(number as u8))
    }

    fn add_devices(&mut self, user: &Arc<User>) -> Legs {
        let mut legs = Legs::NONE;
        for number in 0..(self.ask.devices)(user) {
            if let Some(leg) = self.add(Party::Device(Arc::clone(user), number)) {
                legs.add(leg);
            }
        }
        legs
    }

    /// Everybody behind those numbers; `keyed`: who is outside has to press the key, if there is one.
    fn add_others(&mut self, numbers: &[String], keyed: bool) -> Legs {
        let mut all = Legs::NONE;
        if numbers.is_empty() {
            return all;
        }
        let Past { diversions, by_user } = self.ask.past;
        let PolicyLimits { max_diversions, .. } = self.ask.directory.site.policy;
        if by_user || diversions > max_diversions {
            self.because(Rule::Loop);
            return all;
        }
        for number in numbers {
            let legs = match self.ask.directory.user(number) {
                Some(user) if user.address == self.ask.user.address => {
                    self.because(Rule::NoWay);
                    continue;
                }
                Some(user) => self.add_colleague(&Arc::clone(user)),
                None => self.add_outside(number, keyed),
            };
            all = all.and(legs);
        }
        self.planned.plan.others = self.planned.plan.others.and(all);
        all
    }

    fn add_colleague(&mut self, user: &Arc<User>) -> Legs {
        let legs = if (self.ask.is_quiet)(user) { Legs::NONE } else { self.add_devices(user) };
        if legs.is_empty() {
            self.because(Rule::Colleague);
        }
        legs
    }

    fn add_outside(&mut self, number: &str, keyed: bool) -> Legs {
        let mut legs = Legs::NONE;
        if self.planned.outside >= self.ask.room {
            self.because(Rule::TooManyOutside);
            return legs;
        }
        let ways = (self.ask.ways_out)(number);
        if ways.is_empty() {
            self.because(Rule::NoWay);
            return legs;
        }
        if let Some(leg) = self.add(Party::Outside(ways)) {
            self.planned.outside += 1;
            legs.add(leg);
            if keyed && self.ask.policy.accept_key.0 {
                self.planned.plan.keyed.add(leg);
            }
        }
        legs
    }
}
