//! A small model of the world around one call: it offers only what can happen, and objects to what must not.

use std::time::Duration;

use ringpost::call::{
    Call,
    Effect::{self, *},
    Event::{self, *},
    Leg::{self, *},
    Legs, Outcome, Plan,
    Timer::{self, *},
    UmPhase,
    Why::{self, *},
};

/// What a leg knows of itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Line {
    /// No INVITE yet.
    Idle,
    /// INVITE is out; whether it has rung.
    Invited { rang: bool },
    /// Answered, and asked for the key.
    Asking,
    /// The key was pressed; the caller's media is offered.
    Joining,
    /// CANCEL is out; the leg may not have seen it.
    Cancelled,
    /// Off-hook.
    Up,
    /// BYE is out; the leg's own BYE may cross it.
    Byed,
    /// Refused, or hung up.
    Dead,
}

/// The caller's side.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Upstream {
    Waiting,
    GaveUp {
        elsewhere: bool,
    },
    Answered {
        cancel_crossed: bool,
    },
    /// A failure went out.
    Refused,
    Byed,
    Dead,
}

/// A call and everything that it has to do with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct World {
    call: Call,
    lines: Vec<(Leg, Line)>,
    caller: Upstream,
    plan: Plan,
    running: [bool; 3],
    bridged: Option<Leg>,
    phase: UmPhase,
    forwarded: bool,
    report: Option<Outcome>,
    left: bool,
    stopped: bool,
    /// Who has pressed the key.
    accepted: Vec<Leg>,
}

impl World {
    /// A call that has just come in.
    pub fn new(phones: u8, um_servers: u8) -> Self {
        Self::of(&Plan::plain(phones, um_servers, Duration::from_secs(20)))
    }

    /// A call with a plan of its own.
    pub fn of(plan: &Plan) -> Self {
        let phones = plan.stages.iter().fold(Legs::NONE, |all, stage| all.and(stage.first).and(stage.later));
        let legs = phones.iter().chain((0..plan.um_servers).map(Um));
        let (call, opening) = Call::start(plan.clone());
        let mut world = Self {
            call,
            lines: legs.map(|leg| (leg, Line::Idle)).collect(),
            caller: Upstream::Waiting,
            plan: plan.clone(),
            running: [false; 3],
            bridged: None,
            phase: UmPhase::Unknown,
            forwarded: false,
            report: None,
            left: false,
            stopped: false,
            accepted: vec![],
        };
        opening.into_iter().for_each(|effect| world.perform(effect));
        world.settled();
        world
    }

    /// Everything that can happen next.
    pub fn possible(&self) -> Vec<Event> {
        let mut events: Vec<Event> = self.lines.iter().flat_map(|(leg, line)| of_line(*leg, *line)).collect();
        match self.caller {
            Upstream::Waiting => {
                events.extend([GaveUp { elsewhere: false }, GaveUp { elsewhere: true }, HungUp(Caller)]);
            }
            Upstream::Answered { cancel_crossed } => {
                events.extend([HungUp(Caller), Lost(Caller)]);
                events.extend((!cancel_crossed).then_some(GaveUp { elsewhere: false }));
            }
            Upstream::Byed => events.push(HungUp(Caller)),
            Upstream::GaveUp { .. } | Upstream::Refused | Upstream::Dead => {}
        }
        let timers =
            [NoAnswer, Delegates, UmSilent].into_iter().filter(|timer| self.running[*timer as usize]);
        events.extend(timers.map(Expired));
        if let Some(Um(_)) = self.bridged.filter(|_| self.report.is_none()) {
            let phases = [UmPhase::Greeting, UmPhase::Recording];
            events.extend(phases.into_iter().filter(|phase| *phase != self.phase).map(Reported));
        }
        events.extend((!self.stopped && !self.left).then_some(Stopped));
        events
    }

    /// Lets it happen, and checks all that the call does about it.
    pub fn happen(&mut self, event: Event) {
        self.note(event);
        let effects = self.call.on(event);
        let had_left = self.left;
        for effect in effects {
            if had_left {
                assert!(matches!(effect, Bye(..)), "after Leave only late answers are hung up: {effect:?}");
            }
            self.perform(effect);
        }
        self.settled();
    }

    /// Whether the call is over and no leg has anything left to say.
    pub fn is_still(&self) -> bool {
        self.left && self.possible().is_empty()
    }

    /// How it was reported.
    pub fn report(&self) -> Option<Outcome> {
        self.report
    }

    /// The device or UM that the caller was connected with.
    pub fn bridged(&self) -> Option<Leg> {
        self.bridged
    }

    /// The world's side of an event.
    fn note(&mut self, event: Event) {
        match event {
            Rang(leg) => self.set(leg, Line::Invited { rang: true }),
            Answered(leg) if self.is_asked(leg) => self.set(leg, Line::Asking),
            Answered(leg) => self.set(leg, Line::Up),
            Accepted(leg) => {
                self.accepted.push(leg);
                self.set(leg, Line::Joining);
            }
            // The telephone stays off-hook until it is hung up.
            NotAccepted(leg) => self.set(leg, Line::Up),
            Refused(leg, _) if self.line(leg) == Line::Joining => self.set(leg, Line::Up),
            Refused(leg, _) => self.set(leg, Line::Dead),
            GaveUp { elsewhere } => {
                self.caller = match self.caller {
                    Upstream::Waiting => Upstream::GaveUp { elsewhere },
                    _ => Upstream::Answered { cancel_crossed: true },
                }
            }
            HungUp(Caller) if self.caller == Upstream::Waiting => {
                self.caller = Upstream::GaveUp { elsewhere: false };
            }
            HungUp(Caller) => self.caller = Upstream::Dead,
            HungUp(leg) => self.set(leg, Line::Dead),
            // A lost leg still gets its BYE: what we do not hear may hear us.
            Lost(_) => {}
            Reported(phase) => self.phase = phase,
            Expired(timer) => self.running[timer as usize] = false,
            Stopped => self.stopped = true,
        }
    }

    /// One effect, with everything that forbids it.
    fn perform(&mut self, effect: Effect) {
        match effect {
            Invite(leg) => {
                assert_eq!((self.line(leg), self.caller, self.left), (Line::Idle, Upstream::Waiting, false));
                if let Um(_) = leg {
                    let ringing = self.lines.iter().any(|(_, line)| matches!(line, Line::Invited { .. }));
                    assert!(!ringing, "R27: UM is called while something else rings");
                    let asked =
                        self.lines.iter().any(|(_, line)| matches!(line, Line::Asking | Line::Joining));
                    assert!(!asked, "UM is called while somebody is asked for the key");
                }
                self.set(leg, Line::Invited { rang: false });
            }
            Ring(leg) => {
                assert_eq!((self.line(leg), self.caller), (Line::Invited { rang: true }, Upstream::Waiting));
            }
            Ask(leg) => {
                assert_eq!(self.line(leg), Line::Asking);
                assert!(self.plan.keyed.has(leg) && self.bridged.is_none(), "nobody asks {leg:?}");
            }
            Join(leg) => assert_eq!(self.line(leg), Line::Joining),
            Forwarded => {
                assert!(!self.forwarded && self.caller == Upstream::Waiting, "one 181, to a waiting caller");
                self.forwarded = true;
            }
            Cancel(leg, why) => {
                assert!(matches!(self.line(leg), Line::Invited { .. }), "CANCEL to {leg:?}: {self:?}");
                self.check_reason(why);
                if self.bridged.is_some() {
                    assert_eq!(why, Elsewhere, "R201: a loser of an answered call is told so");
                }
                self.set(leg, Line::Cancelled);
            }
            Bye(Caller, why) => {
                assert!(matches!(self.caller, Upstream::Answered { .. }), "BYE to the caller: {self:?}");
                assert_eq!(why, Over);
                self.caller = Upstream::Byed;
            }
            Bye(leg, why) => self.hang_up(leg, why),
            Bridge(leg) => {
                assert_eq!((self.line(leg), self.caller), (Line::Up, Upstream::Waiting));
                let accepted = !self.plan.keyed.has(leg) || self.accepted.contains(&leg);
                assert!(accepted, "R65: {leg:?} was connected without the key");
                assert_eq!(self.bridged.replace(leg), None, "two legs are bridged");
                self.caller = Upstream::Answered { cancel_crossed: false };
            }
            Refuse(leg) => {
                assert_eq!(self.line(leg), Line::Dead, "the response of a leg that gave none");
                self.refuse();
            }
            Reject(code) => {
                assert!((400..600).contains(&code));
                self.refuse();
            }
            Start(timer) => assert!(!std::mem::replace(&mut self.running[timer as usize], true)),
            Stop(timer) => assert!(std::mem::replace(&mut self.running[timer as usize], false)),
            Report(outcome) => self.check_report(outcome),
            Leave => {
                assert!(self.report.is_some() && !self.left, "Leave without Report, or twice");
                let over = matches!(self.caller, Upstream::Refused | Upstream::Byed | Upstream::Dead);
                assert!(over, "the caller is left waiting: {self:?}");
                self.left = true;
            }
        }
    }

    /// Whether the leg's answer counts only with the key.
    fn is_asked(&self, leg: Leg) -> bool {
        self.plan.keyed.has(leg) && matches!(self.line(leg), Line::Invited { .. })
    }

    fn hang_up(&mut self, leg: Leg, why: Why) {
        let off_hook = matches!(self.line(leg), Line::Up | Line::Asking | Line::Joining);
        assert!(off_hook, "BYE to {leg:?}: {self:?}");
        self.check_reason(why);
        if let Some(Phone(_)) = self.bridged.filter(|winner| *winner != leg) {
            assert_eq!(why, Elsewhere, "R201: a loser of an answered call is told so");
        }
        self.set(leg, Line::Byed);
    }

    fn refuse(&mut self) {
        let open = matches!(self.caller, Upstream::Waiting | Upstream::GaveUp { .. });
        assert!(open && self.bridged.is_none(), "a second final response: {self:?}");
        self.caller = Upstream::Refused;
    }

    /// R201: nobody is told of an answer elsewhere where there was none.
    fn check_reason(&self, why: Why) {
        if why == Elsewhere {
            let told = self.report == Some(Outcome::CompletedElsewhere)
                || self.caller == Upstream::GaveUp { elsewhere: true };
            assert!(self.bridged.is_some() || told, "no one has answered: {self:?}");
        }
    }

    fn check_report(&mut self, outcome: Outcome) {
        assert_eq!(self.report.replace(outcome), None, "a second report");
        assert_eq!(self.running, [false; 3], "a timer runs on: {self:?}");
        for (leg, line) in &self.lines {
            assert!(
                !matches!(line, Line::Invited { .. } | Line::Asking | Line::Joining | Line::Up),
                "{leg:?} is left behind: {self:?}"
            );
        }
        assert!(!matches!(self.caller, Upstream::Answered { .. }), "the caller is left behind: {self:?}");
        let expected: &[Outcome] = match (self.bridged, self.caller, self.phase) {
            (Some(leg @ Phone(_)), ..) if self.plan.others.has(leg) => &[Outcome::TakenByOther],
            (Some(Phone(_) | Caller), ..) => &[Outcome::Talked],
            (Some(Um(_)), _, UmPhase::Unknown) => &[Outcome::TakenByUm],
            (Some(Um(_)), _, UmPhase::Greeting) => &[Outcome::GaveUpInGreeting],
            (Some(Um(_)), _, UmPhase::Recording) => &[Outcome::LeftMessage],
            (None, Upstream::GaveUp { elsewhere: true }, _) => &[Outcome::CompletedElsewhere],
            (None, ..) if self.plan.refuse.is_some() => &[Outcome::NotDisturbed],
            (None, Upstream::GaveUp { elsewhere: false }, _) if self.um_was_called() => {
                &[Outcome::GaveUpForwarding]
            }
            (None, Upstream::GaveUp { elsewhere: false }, _) if self.forwarded => {
                &[Outcome::ForwardUnanswered]
            }
            (None, Upstream::GaveUp { elsewhere: false }, _) => &[Outcome::GaveUpRinging],
            (None, ..) if self.um_was_called() => &[Outcome::UmUnreachable],
            (None, ..) if self.forwarded => &[Outcome::ForwardUnanswered],
            (None, ..) => &[Outcome::Unanswered],
        };
        assert_eq!([outcome], *expected, "{self:?}");
    }

    /// What holds whenever the machine waits.
    fn settled(&self) {
        for (leg, line) in &self.lines {
            let alone = *line == Line::Up && self.bridged != Some(*leg);
            assert!(!alone, "{leg:?} is off-hook with nobody: {self:?}");
        }
        if self.caller == Upstream::Waiting {
            let [rings, _, um] = self.running;
            assert!(rings != um, "a waiting caller is bounded by one timer: {self:?}");
            assert!(rings || !self.running[Delegates as usize], "nobody joins where nothing rings: {self:?}");
        }
        let over = matches!(self.caller, Upstream::Refused | Upstream::Byed | Upstream::Dead);
        assert_eq!((self.report.is_some(), self.left), (over, over), "{self:?}");
        assert_eq!(self.call.is_over(), over);
    }

    fn um_was_called(&self) -> bool {
        self.line(Um(0)) != Line::Idle
    }

    fn line(&self, leg: Leg) -> Line {
        self.lines.iter().find(|(known, _)| *known == leg).map_or(Line::Idle, |(_, line)| *line)
    }

    fn set(&mut self, leg: Leg, line: Line) {
        let known = self.lines.iter_mut().find(|(known, _)| *known == leg);
        known.expect("the call knows the legs of its plan only").1 = line;
    }
}

fn of_line(leg: Leg, line: Line) -> Vec<Event> {
    let refusals: &[u16] = if let Um(_) = leg { &[503] } else { &[486, 603] };
    let refused = refusals.iter().map(|code| Refused(leg, *code));
    match line {
        Line::Invited { rang: false } => refused.chain([Rang(leg), Answered(leg)]).collect(),
        Line::Invited { rang: true } => refused.chain([Answered(leg)]).collect(),
        Line::Asking => vec![Accepted(leg), NotAccepted(leg), HungUp(leg), Lost(leg)],
        Line::Joining => vec![Answered(leg), Refused(leg, 488), HungUp(leg), Lost(leg)],
        Line::Cancelled => vec![Refused(leg, 487), Answered(leg)],
        Line::Up => vec![HungUp(leg), Lost(leg)],
        Line::Byed => vec![HungUp(leg)],
        Line::Idle | Line::Dead => vec![],
    }
}

/// The timers have their places in [`World::running`].
const _: () =
    assert!(Timer::NoAnswer as usize == 0 && Timer::Delegates as usize == 1 && Timer::UmSilent as usize == 2);
