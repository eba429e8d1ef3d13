//! The actor of one call: it asks the call machine and does what that says.

mod ending;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    address::Caller,
    call::{
        Call, Effect, Event, Leg, Plan, Timer,
        plan::um_order,
        wire::{self, Diverted, History, Outgoing, Stand},
    },
    directory::Directory,
    settings::{UmServer, User},
    sip::{
        Message as SipMessage,
        peer::Peer,
        relay::{self, Passport},
        token::Token,
        transaction::Owner,
    },
};
use smallvec::SmallVec;

use crate::{
    leg::{LegActor, Say},
    outbox::Outbox,
    port::{Alarm, Port},
    switch::Switch,
};

/// The actor.
pub struct CallActor {
    port: Rc<Port>,
    switch: Rc<Switch>,
    outbox: Addr<Outbox>,
    token: Token,
    directory: Arc<Directory>,
    user: Arc<User>,
    invite: Arc<SipMessage>,
    caller: Caller,
    passport: Passport,
    mark: [u8; 16],
    um: Vec<UmServer>,
    machine: Call,
    /// What the machine wants before anything has happened.
    opening: ringpost::call::Effects,
    legs: SmallVec<[(Leg, Addr<LegActor>); 4]>,
    /// The refusal of each device, for the caller.
    refusals: SmallVec<[(Leg, Arc<SipMessage>); 1]>,
    bridged: Option<Leg>,
    timers: [u32; 2],
    ringing: Ringing,
    came_in: Timestamp,
    answered_by: Option<String>,
    /// The notice is on its way to the disk; the caller's final response waits.
    holding: bool,
    held: Vec<Effect>,
}

/// What the caller has been told, and how long it rang.
#[derive(Default)]
struct Ringing {
    since: Option<Instant>,
    until: Option<Instant>,
    told: bool,
    media: Option<Leg>,
}

/// What a call is made of.
pub struct Setup {
    /// The call's name in the switch.
    pub token: Token,
    /// The snapshot that it keeps.
    pub directory: Arc<Directory>,
    /// Who is called.
    pub user: Arc<User>,
    /// The caller's INVITE.
    pub invite: Arc<SipMessage>,
    /// Whether the trunk's identities are believed.
    pub trusted: bool,
    /// The mark that tells a loop.
    pub mark: [u8; 16],
}

/// What a leg tells its call.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Told {
    /// Which leg.
    pub leg: Leg,
    /// What.
    pub what: What,
}

/// What happened on a leg.
pub enum What {
    /// An event of the machine, and the message that it came with.
    Event(Event, Option<Arc<SipMessage>>),
    /// A request inside the dialog, for the other leg.
    Inside(Token, Arc<SipMessage>),
    /// The peer's answer to a request of the other leg.
    Replied(Token, Arc<SipMessage>),
    /// A request of the other leg could not be passed on.
    Denied(Token, u16),
    /// The ACK of an answer, first or of a re-INVITE.
    Acknowledged(Arc<SipMessage>),
}

/// A timer of the call has run out.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Rang(pub u32);

/// End the call whatever its state.
#[derive(Message)]
#[rtype(result = "()")]
pub struct End;

impl CallActor {
    /// A call that rings as soon as it starts.
    pub fn new((port, switch): (Rc<Port>, Rc<Switch>), outbox: Addr<Outbox>, setup: Setup) -> Self {
        let Setup { token, directory, user, invite, trusted, mark } = setup;
        let um = directory.plan(&user).map(|plan| um_order(plan, directory.site.um.attempts, port.random()));
        let um = um.unwrap_or_default();
        let (machine, opening) = Call::start(Plan::of(&user, um.len()));
        let private = relay::is_private(&invite);
        let caller = directory.named(wire::caller(&invite, trusted));
        Self {
            passport: Passport { identity: trusted && !private, diversion: true },
            came_in: Timestamp::now(),
            legs: SmallVec::new(),
            refusals: SmallVec::new(),
            bridged: None,
            timers: [0; 2],
            ringing: Ringing::default(),
            answered_by: None,
            holding: false,
            held: vec![],
            port,
            switch,
            outbox,
            token,
            directory,
            user,
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
        match (event, message) {
            (Event::Rang(Leg::Phone(_)), _) => {
                self.ringing.since.get_or_insert_with(Instant::now);
            }
            (Event::Refused(leg, _), Some(message)) => self.refusals.push((leg, Arc::clone(message))),
            _ => {}
        }
        for effect in self.machine.on(event) {
            self.perform(effect, message, ctx);
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
                self.say(Leg::Caller, Say::Progress(181, None));
            }
            Effect::Cancel(leg, why) => self.say(leg, Say::Cancel(why)),
            Effect::Bye(leg, why) => self.say(leg, Say::Bye(why)),
            Effect::Bridge(leg) => self.bridge(leg, message),
            Effect::Refuse(leg) => match self.refusals.iter().find(|(of, _)| *of == leg) {
                Some((_, refusal)) => self.say(Leg::Caller, Say::Refuse(Arc::clone(refusal))),
                None => self.say(Leg::Caller, Say::Reject(480)),
            },
            Effect::Reject(code) => self.say(Leg::Caller, Say::Reject(code)),
            Effect::Start(timer) => self.start_timer(timer),
            Effect::Stop(timer) => self.timers[timer as usize] += 1,
            Effect::Report(outcome) => self.report(outcome, ctx),
            Effect::Leave => self.leave(ctx),
        }
    }

    fn say(&self, leg: Leg, say: Say) {
        if let Some((_, actor)) = self.legs.iter().find(|(of, _)| *of == leg) {
            actor.do_send(say);
        }
    }

    /// Calls a device or a UM server; one whose address cannot be told refuses at once.
    fn invite(&mut self, leg: Leg, ctx: &mut Context<Self>) {
        let uri = match leg {
            Leg::Phone(number) => self.user.devices.get(usize::from(number)).cloned(),
            Leg::Um(number) => self.um.get(usize::from(number)).and_then(|server| self.switch.um_uri(server)),
            Leg::Caller => None,
        };
        let Some(uri) = uri else { return self.refused_at_once(leg, ctx) };
        if let Some(peer) = self.port.peer(uri.as_bytes()) {
            return self.send_invite(leg, uri.as_bytes(), peer, ctx);
        }
        let port = Rc::clone(&self.port);
        let found = async move { (port.resolve(uri.as_bytes()).await, uri) };
        ctx.spawn(found.into_actor(self).map(move |(peer, uri), call, ctx| match peer {
            _ if call.machine.is_over() => {}
            Some(peer) => call.send_invite(leg, uri.as_bytes(), peer, ctx),
            None => call.refused_at_once(leg, ctx),
        }));
    }

    fn refused_at_once(&self, leg: Leg, ctx: &mut Context<Self>) {
        tracing::info!(call = %call_id(&self.invite), ?leg, "The leg's address cannot be reached");
        ctx.notify(Told { leg, what: What::Event(Event::Refused(leg, 503), None) });
    }

    fn send_invite(&mut self, leg: Leg, uri: &[u8], peer: Peer, ctx: &mut Context<Self>) {
        let diversion = matches!(leg, Leg::Um(_)).then(|| self.diversion()).flatten();
        let own =
            matches!(leg, Leg::Um(number) if self.um.get(usize::from(number)) == Some(&UmServer::Embedded));
        let history = own.then(|| self.history().write());
        let passport = match leg {
            Leg::Um(_) => Passport { diversion: false, ..self.passport },
            Leg::Caller | Leg::Phone(_) => self.passport,
        };
        let port = Rc::clone(&self.port);
        let sent = self.switch.new_leg(|token| {
            let stand = Stand {
                transport: peer.transport,
                sent_by: &port.listeners[usize::from(peer.listener)].sent_by,
                token,
            };
            let outgoing = Outgoing {
                uri,
                stand,
                passport,
                mark: &self.mark,
                diversion: diversion.as_deref(),
                history: history.as_deref(),
            };
            let client =
                port.invite(peer, Owner::Leg(token), |branch| wire::invite(&self.invite, &outgoing, branch))?;
            let both = (Rc::clone(&port), Rc::clone(&self.switch));
            let offered = self.invite.has_body();
            Some(LegActor::called(both, ctx.address(), (leg, token), (client, peer, offered)).start())
        });
        match sent {
            Some(actor) => self.legs.push((leg, actor)),
            None => self.refused_at_once(leg, ctx),
        }
    }

    fn history(&self) -> History {
        History {
            call_id: call_id(&self.invite).into_owned(),
            came_in: self.came_in.as_millisecond(),
            rang_for: self.rang_for(),
        }
    }

    /// How long the devices have rung.
    fn rang_for(&self) -> Duration {
        let until = self.ringing.until.unwrap_or_else(Instant::now);
        self.ringing.since.map_or(Duration::ZERO, |since| until.saturating_duration_since(since))
    }

    /// The one Diversion towards UM; none where the owner calls the own mailbox (PROTOCOLS §2).
    fn diversion(&self) -> Option<Vec<u8>> {
        let own = self.caller.number.as_deref().and_then(|number| self.directory.user(number));
        if own.is_some_and(|user| user.address == self.user.address) {
            return None;
        }
        let reason = if self.user.devices.is_empty() {
            Diverted::Unavailable
        } else if self.user.forward_to_voicemail {
            Diverted::Unconditional
        } else {
            let refusals = self.refusals.iter().filter(|(leg, _)| matches!(leg, Leg::Phone(_)));
            let codes: SmallVec<[u16; 8]> = refusals.filter_map(|(_, refusal)| refusal.code()).collect();
            Diverted::by(&codes, self.user.devices.len())
        };
        Some(reason.header(&self.user.address))
    }

    /// Tells the caller once that it rings; early media of one leg besides.
    fn ring(&mut self, leg: Leg, message: Option<&Arc<SipMessage>>) {
        let Some(message) = message else { return };
        let media = message.has_body() && self.ringing.media.is_none_or(|one| one == leg);
        if media {
            self.ringing.media = Some(leg);
        }
        if media || !std::mem::replace(&mut self.ringing.told, true) {
            let code = message.code().unwrap_or(180);
            self.say(Leg::Caller, Say::Progress(code, Some(Arc::clone(message))));
        }
    }

    fn bridge(&mut self, leg: Leg, message: Option<&Arc<SipMessage>>) {
        let Some(message) = message else { return };
        self.ringing.until.get_or_insert_with(Instant::now);
        self.bridged = Some(leg);
        self.answered_by = match leg {
            Leg::Phone(number) => self.user.devices.get(usize::from(number)).cloned(),
            Leg::Um(number) => self.um.get(usize::from(number)).and_then(|server| self.switch.um_uri(server)),
            Leg::Caller => None,
        };
        self.say(Leg::Caller, Say::Answer(Arc::clone(message)));
    }

    fn start_timer(&mut self, timer: Timer) {
        let after = match timer {
            Timer::NoAnswer => self.user.ring_for,
            Timer::UmSilent => self.directory.site.um.ring_limit,
        };
        let which = timer as usize;
        self.timers[which] += 1;
        let number = self.timers[which] << 1 | which as u32;
        self.port.alarm(after.as_millis() as u64, Alarm { owner: self.token, number });
    }

    fn leave(&mut self, ctx: &mut Context<Self>) {
        self.legs.iter().for_each(|(_, leg)| leg.do_send(Say::Leave));
        self.switch.forget_call(self.token);
        ctx.stop();
    }

    /// The leg that talks with this one.
    fn other(&self, leg: Leg) -> Option<Leg> {
        match leg {
            Leg::Caller => self.bridged,
            Leg::Phone(_) | Leg::Um(_) => self.bridged.filter(|one| *one == leg).map(|_| Leg::Caller),
        }
    }

    fn told(&mut self, leg: Leg, what: What, ctx: &mut Context<Self>) {
        match (what, self.other(leg)) {
            (What::Event(event, message), _) => self.happen(event, message.as_ref(), ctx),
            (What::Inside(server, request), Some(other)) => self.say(other, Say::Pass(server, request)),
            (What::Inside(server, _), None) => self.say(leg, Say::Deny(server, 480)),
            (What::Replied(server, said), Some(other)) => self.say(other, Say::Reply(server, said)),
            (What::Denied(server, code), Some(other)) => self.say(other, Say::Deny(server, code)),
            (What::Acknowledged(ack), Some(other)) => self.say(other, Say::Acknowledge(ack)),
            (What::Replied(..) | What::Denied(..) | What::Acknowledged(_), None) => {}
        }
    }
}

fn call_id(invite: &SipMessage) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(invite.call_id())
}

impl Actor for CallActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        for effect in std::mem::take(&mut self.opening) {
            self.perform(effect, None, ctx);
        }
    }
}

impl Handler<Told> for CallActor {
    type Result = ();

    fn handle(&mut self, Told { leg, what }: Told, ctx: &mut Context<Self>) {
        self.told(leg, what, ctx);
    }
}

impl Handler<Rang> for CallActor {
    type Result = ();

    fn handle(&mut self, Rang(number): Rang, ctx: &mut Context<Self>) {
        let timer = if number & 1 == 0 { Timer::NoAnswer } else { Timer::UmSilent };
        if self.timers[timer as usize] == number >> 1 {
            self.happen(Event::Expired(timer), None, ctx);
        }
    }
}

impl Handler<End> for CallActor {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Context<Self>) {
        self.happen(Event::Stopped, None, ctx);
    }
}
