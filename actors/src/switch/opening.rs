//! What an INVITE opens: whether it may, and the actors of its call.

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use actix::prelude::*;
use ringpost::{
    call::wire,
    directory::{Origin, Target},
    settings::{Trunk, User},
    sip::{
        Message as SipMessage, Name, dialog, peer::Peer, relay, replaces::Replaces, session_timer,
        token::Token, transaction::Owner,
    },
};

use super::{Switch, dialled::Dialled};
use crate::{
    call::{CallActor, Reach, Setup},
    guard::caught,
    leg::{Arrival, LegActor},
    metrics::METRICS,
    port::Refusal,
    rcc::is_csta,
};

/// Seconds that a caller is asked to wait when Ringpost is full.
pub(super) const RETRY_AFTER: &[u8] = b"5";

/// Who calls, and where that leads.
pub(super) enum Admitted {
    /// A call of its own.
    Call(Origin, Dialled),
    /// Into the place of somebody who has a call already.
    Place(Origin, Replaces),
    /// No call: a program that controls telephones.
    Control(Origin),
}

impl Switch {
    /// The mark of a call to this user; it comes back only if the call has run in a circle.
    pub(super) fn mark(&self, user: &User) -> [u8; 16] {
        Token(self.shared.marks.hash_one(&user.address)).text()
    }

    pub(super) fn admits_invite(&self, invite: &SipMessage, origin: Origin) -> Result<Admitted, Refusal> {
        let offers = relay::takes_body(invite);
        let controls = !offers && self.directory().site.rcc.enabled && is_csta(invite);
        if !controls && !offers {
            return Err(Refusal::with(415, "Accept", b"application/sdp, multipart/mixed"));
        }
        if wire::max_forwards(invite) == 0 {
            return Err(Refusal::plain(483));
        }
        if dialog::caller_target(invite).is_none() {
            return Err(Refusal { phrase: "Bad Contact", ..Refusal::plain(400) });
        }
        let directory = self.shared.directory.load();
        let terms = self.terms();
        if session_timer::is_too_short(invite, terms) {
            return Err(Refusal::with(422, "Min-SE", terms.least.to_string().as_bytes()));
        }
        if controls {
            return match self.draining.get() {
                true => Err(Refusal { only_new: true, ..Refusal::with(503, "Retry-After", RETRY_AFTER) }),
                false => Ok(Admitted::Control(origin)),
            };
        }
        if let Some(replaces) =
            Replaces::of(invite).map_err(|phrase| Refusal { phrase, ..Refusal::plain(400) })?
        {
            return Ok(Admitted::Place(origin, replaces));
        }
        let dialled = self.dialled(&directory, invite, &origin)?;
        self.admits_call(invite, origin, dialled)
    }

    /// Whether there is room for a call to whom an INVITE leads, and it has not been there before.
    fn admits_call(
        &self,
        invite: &SipMessage,
        origin: Origin,
        dialled: Dialled,
    ) -> Result<Admitted, Refusal> {
        if let Some(most) = wire::max_breadth(invite)
            && self.shared.registrar.devices(dialled.user(), invite.uri()).len() > most as usize
        {
            METRICS.forks_refused_total.one();
            return Err(Refusal { phrase: "Max-Breadth Exceeded", ..Refusal::plain(440) });
        }
        let mark = self.mark(dialled.user());
        if invite.list(Name::Loop).any(|one| one == mark) {
            return Err(Refusal::plain(482));
        }
        if self.draining.get() || self.calls() >= self.most {
            METRICS.calls_refused_full_total.one();
            return Err(Refusal { only_new: true, ..Refusal::with(503, "Retry-After", RETRY_AFTER) });
        }
        Ok(Admitted::Call(origin, dialled))
    }

    pub(super) fn begin(&self, server: Token, message: SipMessage, from: Peer) {
        match self.admitted.take() {
            Some(Admitted::Call(origin, Dialled::User { user, reach, ways })) => {
                self.begin_with((server, message, from), (origin, user), (reach, ways));
            }
            Some(Admitted::Call(origin, Dialled::Code(user, change))) => {
                self.take_code((server, message, from), (origin, user), change);
            }
            Some(Admitted::Place(origin, replaces)) => {
                self.claim((server, message, from), origin, replaces);
            }
            Some(Admitted::Control(origin)) => self.dialogs.begin(self, (server, message, from), &origin),
            None => self.turn_away(server, &message, from, 404),
        }
    }

    /// Begins a call of a user.
    pub(super) fn begin_with(
        &self,
        (server, message, from): (Token, SipMessage, Peer),
        who: (Origin, Arc<User>),
        how: (Reach, Vec<Target>),
    ) {
        let invite = Arc::new(message);
        let named = who.0.trunk_that_names_us().cloned();
        let called = (server, Arc::clone(&invite), from);
        let caller = |call| self.caller_leg(call, called, named, |_| {});
        if let Err(code) = self.open_call(who, (how, None), &invite, caller) {
            self.turn_away(server, &invite, from, code);
        }
    }

    /// Begins the call of a leg that was referred to somebody.
    ///
    /// # Errors
    /// The code that `origin` would have got for such an INVITE.
    pub fn begin_transferred(
        &self,
        (origin, arrival): (Origin, Arrival),
        invite: SipMessage,
        leg: Addr<LegActor>,
    ) -> Result<Addr<CallActor>, u16> {
        let admitted = match self.received(&origin, &invite) {
            // Who comes from an attendant comes as itself, and only to whom that may lead it.
            Some(called) => called.and_then(|user| {
                let called = Dialled::User { user, reach: Reach::Rings, ways: vec![] };
                self.admits_call(&invite, arrival.origin.clone(), called)
            }),
            None => self.admits_invite(&invite, origin),
        };
        let admitted = admitted.map_err(|refusal| refusal.code)?;
        let Admitted::Call(origin, Dialled::User { user, reach, ways }) = admitted else {
            // A feature code is for who dials it, not for who is sent there.
            return Err(403);
        };
        self.open_call((origin, user), ((reach, ways), Some(arrival)), &Arc::new(invite), |_| Some(leg))
    }

    /// Whom an attendant leads its caller to, where it is one that refers.
    fn received(&self, referrer: &Origin, invite: &SipMessage) -> Option<Result<Arc<User>, Refusal>> {
        let Origin::User(user) = referrer else { return None };
        let directory = self.shared.directory.load();
        let reception = directory.reception_of(user)?;
        Some(match directory.reached_from(reception, invite.uri()) {
            _ if wire::max_forwards(invite) == 0 => Err(Refusal::plain(483)),
            called => called.cloned().ok_or(Refusal::plain(404)),
        })
    }

    /// Opens a call with the leg that `caller` makes for it; a code where it cannot be.
    pub(super) fn open_call(
        &self,
        (origin, user): (Origin, Arc<User>),
        ((reach, ways), arrival): ((Reach, Vec<Target>), Option<Arrival>),
        invite: &Arc<SipMessage>,
        caller: impl FnOnce(Addr<CallActor>) -> Option<Addr<LegActor>>,
    ) -> Result<Addr<CallActor>, u16> {
        let directory = self.shared.directory.load_full();
        tracing::debug!(call = %String::from_utf8_lossy(invite.call_id()), by = origin.name(), user = user.address, "Call");
        let mark = self.mark(&user);
        let token = self.calls.borrow_mut().insert(self.port.random(), None).ok_or(503u16)?;
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
        METRICS.calls_total.one();
        METRICS.calls_open.up();
        let mut devices = self.shared.registrar.devices(&user, invite.uri());
        if reach == Reach::Click {
            self.shared.rcc.narrow(&user.address, &mut devices);
        }
        if devices.len() > directory.site.security.forks {
            // Those with the lowest q do not ring.
            METRICS.forks_refused_total.one();
            devices.truncate(directory.site.security.forks);
        }
        let setup = Setup {
            token,
            directory,
            user,
            devices,
            invite: Arc::clone(invite),
            origin,
            reach,
            mark,
            ways,
            arrival,
        };
        let started = caught(|| self.start_call(setup, caller)).map_err(|fault| {
            tracing::error!(call = %String::from_utf8_lossy(invite.call_id()), fault, "A call could not start");
            500
        });
        let started = started.and_then(|call| call.ok_or(503));
        if started.is_err() {
            self.forget_call(token);
        }
        started
    }

    /// Starts the actors of a call; `None` where there is no room for its leg.
    fn start_call(
        &self,
        setup: Setup,
        caller: impl FnOnce(Addr<CallActor>) -> Option<Addr<LegActor>>,
    ) -> Option<Addr<CallActor>> {
        let (token, clicked) = (setup.token, setup.reach == Reach::Click);
        let both = (Rc::clone(&self.port), self.me());
        let mut actor = CallActor::new(both, self.shared.outbox.clone(), setup);
        let ctx = Context::<CallActor>::new();
        // Where a program has begun it, the caller is one of the telephones that are called.
        if !clicked {
            actor.with_caller(caller(ctx.address())?);
        }
        let call = ctx.run(actor);
        if let Some(place) = self.calls.borrow_mut().find_mut(token) {
            *place = Some(call.clone());
        }
        Some(call)
    }

    /// The leg that an INVITE came in on; `prepare` has it before it starts.
    pub(super) fn caller_leg(
        &self,
        call: Addr<CallActor>,
        (server, invite, from): (Token, Arc<SipMessage>, Peer),
        named: Option<Arc<Trunk>>,
        prepare: impl FnOnce(&mut LegActor),
    ) -> Option<Addr<LegActor>> {
        self.new_leg(|token| {
            self.port.adopt(server, Owner::Leg(token));
            let both = (Rc::clone(&self.port), self.me());
            let mut leg = LegActor::caller(both, call, token, (server, invite, from));
            if let Some(trunk) = named {
                leg.from_trunk(trunk);
            }
            prepare(&mut leg);
            Some(leg.start())
        })
    }

    /// Answers an INVITE that no call begins with.
    pub(super) fn turn_away(&self, server: Token, invite: &SipMessage, from: Peer, code: u16) {
        let refusal = ringpost::sip::build::plain_response(invite, from.address, code, &server.text());
        self.port.respond(server, code, refusal);
    }
}
