//! The actor of one call: it asks the call machine and does what that says.

mod asking;
mod calling;
mod click;
mod controlled;
mod effects;
mod ending;
mod gateway;
mod hearing;
mod lamps;
mod lines;
mod naming;
mod policy;
mod replaced;
mod rung;
mod telling;
#[cfg(test)]
mod tests;
mod transfer;
mod um;
mod words;

use std::{rc::Rc, sync::Arc, time::Instant};

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    address::Caller,
    call::{Call, Effect, Event, Leg, Timer, wire},
    directory::{Directory, Origin, Ways},
    policy::Planned,
    registrar::Device,
    settings::{UmServer, User},
    sip::{
        Message as SipMessage,
        relay::{self, Passport},
        token::Token,
    },
    um::pool::{Member, Order},
};
use smallvec::SmallVec;

pub use self::controlled::{Controlled, Deed};
pub(crate) use self::ending::COMMIT;
use self::telling::Ringing;
pub use self::words::{Broken, Claim, End, Rang, Reach, Setup, Told, What};
use crate::{
    guard::caught,
    identity::Seeking,
    leg::{LegActor, Say},
    outbox::Outbox,
    port::Port,
    switch::Switch,
    voicemail::MediaSession,
};

/// One call: its machine, its legs, and what it keeps of them until they are gone.
pub struct CallActor {
    port: Rc<Port>,
    switch: Rc<Switch>,
    outbox: Addr<Outbox>,
    token: Token,
    directory: Arc<Directory>,
    user: Arc<User>,
    devices: Vec<Device>,
    invite: Arc<SipMessage>,
    caller: Caller,
    /// The caller's name is being looked for.
    seeking: Option<Seeking>,
    passport: Passport,
    early_media: bool,
    /// What tells a loop, on every INVITE of the call.
    mark: [u8; 16],
    /// The UM servers, in the order they are tried; picked when the first one is.
    um: Order,
    machine: Call,
    /// Who the machine's legs stand for.
    planned: Planned,
    reach: Reach,
    /// The media of legs that are asked for the key.
    questions: SmallVec<[(Leg, Addr<MediaSession>); 1]>,
    /// What the machine wants before anything has happened.
    opening: ringpost::call::Effects,
    legs: SmallVec<[(Leg, Addr<LegActor>); 4]>,
    /// The refusal of each device, for the caller.
    refusals: SmallVec<[(Leg, Arc<SipMessage>); 1]>,
    /// What watchers see of it.
    lamps: lamps::Lamps,
    /// What programs see of it.
    lines: lines::Lines,
    /// Whose devices rang; kept only where a policy may ring those of others.
    rung: rung::Rung,
    /// The caller's side has taken the call back as spam.
    given_up_as_spam: bool,
    /// The leg that talks with the caller.
    bridged: Option<Leg>,
    origin: Origin,
    /// Legs that call a number outside, and the trunks that are still to be tried; the next one comes first.
    ways: Vec<(Leg, Ways)>,
    /// Legs whose address is being looked up.
    sought: SmallVec<[Leg; 2]>,
    /// How often each timer was started or stopped: an alarm of an earlier count is stale.
    timers: [u32; 3],
    ringing: Ringing,
    came_in: Timestamp,
    answered_by: Option<String>,
    /// The notice is on its way to the disk; the caller's final response waits.
    holding: bool,
    /// What the machine wanted meanwhile.
    held: Vec<Effect>,
    left: bool,
    /// The bridged leg that is not the referrer's is on its way to another party.
    lent: bool,
    /// How often its parties have been referred to others, in the calls before as well.
    transfers: usize,
    /// Parties that may call other numbers than their places say.
    origins: Vec<(Leg, Origin)>,
    /// An INVITE that wants the place of a leg, while the party that stays is asked.
    claim: Option<Box<(Leg, Claim)>>,
    /// The re-INVITE that was asked by, until the newcomer's ACK.
    renewed: Option<(Leg, Token)>,
    /// Legs that have lost their places: what they still had to say, a BYE that crossed ours above all, is not the new ones'.
    gone: Vec<Token>,
}

impl CallActor {
    /// A call that rings as soon as it starts.
    pub fn new((port, switch): (Rc<Port>, Rc<Switch>), outbox: Addr<Outbox>, setup: Setup) -> Self {
        let Setup { token, directory, user, devices, invite, origin, reach, mark, ways, arrival } = setup;
        let transfers = arrival.as_ref().map_or(0, |arrival| arrival.transfers);
        let trusted = origin.is_trusted();
        let (um, um_tries) = match reach {
            Reach::Code | Reach::Attendant | Reach::Mailbox { .. } => {
                (Order::from_iter([Arc::new(Member::new(UmServer::Embedded))]), 1)
            }
            Reach::Click => (Order::new(), 0),
            Reach::Rings | Reach::VoiceMail => {
                (Order::new(), directory.pool(&user).map_or(0, |pool| pool.tries(&directory.site.um)))
            }
        };
        let (mut planned, devices) =
            policy::planned(&switch, (&directory, &user, devices), (&invite, &origin), reach, um_tries);
        let (machine, opening) = Call::start(std::mem::take(&mut planned.plan));
        let private = relay::is_private(&invite);
        let caller = directory.named(directory.readable(wire::caller(&invite, trusted), &origin));
        let mut ways = if ways.is_empty() { vec![] } else { vec![(Leg::Phone(0), Ways::new(ways))] };
        ways.extend(policy::ways(&planned));
        let lines = match directory.site.rcc.follows_calls() {
            true => {
                let line = arrival.as_ref().and_then(|arrival| arrival.line.clone());
                lines::Lines::of(switch.rcc(), line.unwrap_or_else(|| format!("{:016x}", token.0).into()))
            }
            false => lines::Lines::default(),
        };
        Self {
            passport: Passport {
                identity: trusted && !private,
                diversion: true,
                software: port.product().is_none(),
            },
            early_media: origin.relays_early_media(),
            came_in: Timestamp::now(),
            legs: SmallVec::new(),
            refusals: SmallVec::new(),
            lamps: lamps::Lamps::of(switch.presence(), reach),
            lines,
            rung: rung::Rung::default(),
            given_up_as_spam: false,
            bridged: None,
            sought: SmallVec::new(),
            timers: [0; 3],
            questions: SmallVec::new(),
            planned,
            reach,
            origin,
            ways,
            ringing: Ringing::default(),
            answered_by: None,
            seeking: None,
            holding: false,
            held: vec![],
            left: false,
            lent: false,
            transfers,
            origins: arrival.map(|arrival| (Leg::Caller, arrival.origin)).into_iter().collect(),
            claim: None,
            renewed: None,
            gone: vec![],
            port,
            switch,
            outbox,
            token,
            directory,
            user,
            devices,
            invite,
            caller,
            mark,
            um,
            machine,
            opening,
        }
    }

    /// Gives the call its caller's leg; before it starts.
    pub fn with_caller(&mut self, leg: Addr<LegActor>) {
        self.legs.push((Leg::Caller, leg));
    }

    fn happen(&mut self, event: Event, message: Option<&Arc<SipMessage>>, ctx: &mut Context<Self>) {
        tracing::debug!(call = %call_id(&self.invite), state = self.machine.state_number(), ?event, "Event");
        if self.lamps.are_on() {
            self.show(event, message);
        }
        match (event, message) {
            (Event::Rang(leg @ Leg::Phone(_)), _) => {
                self.ringing.since.get_or_insert_with(Instant::now);
                self.seek_name();
                // Where it has rung, no other trunk is tried.
                self.gateway_works(leg);
                self.ways.retain(|(of, _)| *of != leg);
                if !self.planned.parties.is_empty() && self.machine.rings(leg) {
                    self.rung.rang(leg);
                }
            }
            (Event::Answered(leg @ Leg::Phone(_)), _) => self.gateway_works(leg),
            (Event::GaveUp { .. }, Some(cancel)) => self.given_up_as_spam = relay::rejected_as_spam(cancel),
            (Event::HungUp(leg), _) | (Event::Refused(leg, _) | Event::Lost(leg), None) => {
                self.end_question(leg)
            }
            (Event::Refused(leg, _), Some(message)) => {
                self.rung.stopped(leg);
                self.refusals.push((leg, Arc::clone(message)));
            }
            _ => {}
        }
        let effects = self.machine.on(event);
        if self.lines.are_on() {
            self.follow(event, message);
        }
        self.note_um(event, message, &effects);
        self.perform_all(effects, message, ctx);
    }

    /// Does `work`; a panic in it ends this call and no other (T39).
    fn guarded(&mut self, ctx: &mut Context<Self>, work: impl FnOnce(&mut Self, &mut Context<Self>)) {
        if let Err(fault) = caught(|| work(self, ctx)) {
            ctx.notify(Broken { leg: None, fault });
        }
    }

    /// Ends the call after a fault: as the machine would, or, where that knows no way any more, by force.
    fn broken(&mut self, Broken { leg, fault }: Broken, ctx: &mut Context<Self>) {
        tracing::error!(call = %call_id(&self.invite), ?leg, fault, "A fault ends a call");
        if !self.machine.is_over() && caught(|| self.happen(Event::Stopped, None, ctx)).is_ok() {
            return;
        }
        if !self.left && !self.holding {
            self.say(Leg::Caller, Say::Reject(500));
            self.leave(ctx);
        }
    }

    fn say(&self, leg: Leg, say: Say) {
        if let Some((_, actor)) = self.legs.iter().find(|(of, _)| *of == leg) {
            actor.do_send(say);
        }
    }
}

fn call_id(invite: &SipMessage) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(invite.call_id())
}

impl Actor for CallActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if self.lamps.are_on() {
            self.light_caller();
        }
        if self.lines.are_on() {
            self.begin_lines(ctx.address());
        }
        let opening = std::mem::take(&mut self.opening);
        self.perform_all(opening, None, ctx);
    }
}

impl Drop for CallActor {
    /// However it ended: no leg outlives its call, and the call is counted no more.
    fn drop(&mut self) {
        self.drop_claim();
        if !self.left {
            self.legs.iter().for_each(|(_, leg)| leg.do_send(Say::Leave));
        }
        if self.planned.outside > 0 {
            self.switch.policies().came_back(&self.user, self.planned.outside);
        }
        self.switch.forget_call(self.token);
    }
}

impl Handler<Rang> for CallActor {
    type Result = ();

    fn handle(&mut self, Rang(number): Rang, ctx: &mut Context<Self>) {
        let timer = match number & 3 {
            0 => Timer::NoAnswer,
            1 => Timer::Delegates,
            2 => Timer::UmSilent,
            _ => return self.say(Leg::Um((number >> 2) as u8), Say::Overdue),
        };
        if self.timers[timer as usize] == number >> 2 {
            self.guarded(ctx, |call, ctx| call.happen(Event::Expired(timer), None, ctx));
        }
    }
}

impl Handler<Broken> for CallActor {
    type Result = ();

    fn handle(&mut self, broken: Broken, ctx: &mut Context<Self>) {
        self.broken(broken, ctx);
    }
}

impl Handler<End> for CallActor {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Context<Self>) {
        self.guarded(ctx, |call, ctx| call.happen(Event::Stopped, None, ctx));
    }
}
