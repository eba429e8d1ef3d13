//! What programs see of a call that control users' telephones: one connection for each user, however many devices ring.
//! Nothing is done, but for one look at a flag, where the site has no remote call control.

mod legs;

use std::{borrow::Cow, sync::Arc, time::Instant};

use actix::Addr;
use ringpost::{
    call::Leg,
    rcc::view::{End, Seen},
    sip::{Message as SipMessage, Method, Name, sdp, text::split_commas, token::Token, uri::Uri},
};
use smallvec::SmallVec;

use super::{CallActor, What};
use crate::rcc::{Live, Look, Rcc, Times};

/// The call as its users' telephones have it.
#[derive(Default)]
pub(super) struct Lines {
    on: Option<Box<On>>,
}

struct On {
    rcc: Arc<Rcc>,
    id: Arc<str>,
    /// Who carries it; known when it starts.
    call: Option<Addr<CallActor>>,
    shown: SmallVec<[Shown; 2]>,
    /// What the telephones on legs do when they are asked.
    takes: SmallVec<[(Leg, Ask); 2]>,
    /// A re-INVITE that has no answer yet: whose, and whether it holds.
    asking: Option<(Token, Leg, bool)>,
    /// Where a program has sent the call.
    diverted: Option<String>,
    /// Which leg has referred the other one, and to whom.
    referred: Option<(Leg, Option<String>)>,
    /// Another call goes on with the connection under the same name.
    lent: bool,
}

/// What a telephone does when it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ask {
    /// It answers, or takes back what it holds.
    Talk,
    /// It holds.
    Hold,
}

impl Ask {
    /// The event package that asks for it.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Talk => "talk",
            Self::Hold => "hold",
        }
    }
}

struct Shown {
    user: Arc<str>,
    times: Times,
    legs: SmallVec<[Leg; 2]>,
    look: Look,
}

impl Lines {
    /// Of a call with that name.
    pub(super) fn of(rcc: &Arc<Rcc>, id: impl Into<Arc<str>>) -> Self {
        Self {
            on: Some(Box::new(On {
                rcc: Arc::clone(rcc),
                id: id.into(),
                call: None,
                shown: SmallVec::new(),
                takes: SmallVec::new(),
                asking: None,
                diverted: None,
                referred: None,
                lent: false,
            })),
        }
    }

    /// The name of the call.
    pub(super) fn name(&self) -> Option<Arc<str>> {
        self.on.as_ref().map(|on| Arc::clone(&on.id))
    }

    /// Another call goes on with the connection, under the same name.
    pub(super) fn lend(&mut self) {
        if let Some(on) = &mut self.on {
            on.lent = true;
        }
    }

    /// And has given it back.
    pub(super) fn take_back(&mut self) {
        if let Some(on) = &mut self.on {
            on.lent = false;
        }
    }

    /// A party refers the other one to that URI; `None`: that led nowhere.
    pub(super) fn refers(&mut self, by: Option<(Leg, &[u8])>) {
        if let Some(on) = &mut self.on {
            on.referred =
                by.map(|(leg, uri)| (leg, Uri::read(uri).and_then(|uri| uri.number()).map(Cow::into_owned)));
        }
    }

    /// A program sends the call there.
    pub(super) fn diverts(&mut self, to: String) {
        if let Some(on) = &mut self.on {
            on.diverted = Some(to);
        }
    }

    /// The legs of a user, whether the user is called, and how far it is.
    pub(super) fn of_user(&self, user: &str) -> Option<(SmallVec<[Leg; 2]>, bool, Seen)> {
        let one = self.on.as_ref()?.shown.iter().find(|one| *one.user == *user)?;
        Some((one.legs.clone(), one.look.incoming, one.look.state.clone()))
    }

    /// Whether the telephone on a leg does that when it is asked.
    pub(super) fn takes(&self, leg: Leg, ask: Ask) -> bool {
        self.on.as_ref().is_some_and(|on| on.takes.contains(&(leg, ask)))
    }

    /// A telephone says what it knows (RFC 6665 §8.2.2).
    fn learn(&mut self, leg: Leg, message: &SipMessage) {
        let Some(on) = &mut self.on else { return };
        let others = message.fields().filter(|field| field.name == Name::Other);
        let named = others.filter(|field| {
            let name = message.written_name(field);
            name.eq_ignore_ascii_case(b"Allow-Events") || name.eq_ignore_ascii_case(b"u")
        });
        for tag in named.flat_map(|field| split_commas(message.value(field))) {
            let ask = [Ask::Talk, Ask::Hold].into_iter().find(|ask| tag == ask.package().as_bytes());
            if let Some(ask) = ask.filter(|ask| !on.takes.contains(&(leg, *ask))) {
                on.takes.push((leg, ask));
            }
        }
    }

    /// A telephone holds its party, or takes it back: by a re-INVITE or UPDATE that the other side accepts.
    pub(super) fn hold(&mut self, leg: Leg, what: &What) {
        let Some(on) = &mut self.on else { return };
        match what {
            What::Inside(server, request)
                if matches!(request.method(), Some(Method::Invite | Method::Update))
                    && request.has_body() =>
            {
                on.asking = sdp::holds(&request.body()).map(|holds| (*server, leg, holds));
            }
            What::Replied(server, said) => {
                let Some((_, holder, holds)) = on.asking.filter(|asking| asking.0 == *server) else { return };
                match said.code().unwrap_or(0) {
                    ..200 => return,
                    200..300 => {
                        let state = if holds { Seen::Held } else { Seen::Talks };
                        let talks = |one: &Shown| {
                            one.legs.contains(&holder) && matches!(one.look.state, Seen::Held | Seen::Talks)
                        };
                        if let Some(at) = on.shown.iter().position(talks) {
                            on.is(at, state);
                        }
                    }
                    _ => {}
                }
                on.asking = None;
            }
            _ => {}
        }
    }

    pub(super) fn are_on(&self) -> bool {
        self.on.is_some()
    }

    /// The caller's call is refused; of one that a program has begun, the caller's own telephone did not take it.
    pub(super) fn refused(&mut self, code: u16, begun: bool) {
        let end = match code {
            487 => End::Cleared,
            _ if begun => End::NotTaken,
            486 | 600 => End::Busy,
            _ => End::Unreachable,
        };
        self.leave(Leg::Caller, &end);
    }

    fn leave(&mut self, leg: Leg, end: &End) {
        let Some(on) = &mut self.on else { return };
        let Some(at) = on.shown.iter().position(|one| one.legs.contains(&leg)) else { return };
        on.shown[at].legs.retain(|one| *one != leg);
        if on.shown[at].legs.is_empty() {
            on.end(at, &on.end_for(&[leg], end));
        }
    }

    fn is(&mut self, leg: Leg, state: Seen) {
        let Some(on) = &mut self.on else { return };
        if let Some(at) = on.shown.iter().position(|one| one.legs.contains(&leg)) {
            on.is(at, state);
        }
    }
}

impl On {
    fn tell(&self, one: &Shown) {
        let Some(call) = self.call.clone().filter(|_| !self.lent) else { return };
        self.rcc.call(
            &one.user,
            Live {
                id: Arc::clone(&self.id),
                look: one.look.clone(),
                times: one.times.clone(),
                call: Some(call),
            },
        );
    }

    fn is(&mut self, at: usize, state: Seen) {
        if self.shown[at].look.state != state {
            if state == Seen::Talks {
                self.shown[at].times.answered.get_or_insert_with(Instant::now);
            }
            self.shown[at].look.state = state;
            self.tell(&self.shown[at]);
        }
    }

    fn end(&mut self, at: usize, end: &End) {
        self.is(at, Seen::Over(end.clone()));
        self.shown.remove(at);
    }

    fn end_all(&mut self, end: &End) {
        while let Some(last) = self.shown.last() {
            let end = self.end_for(&last.legs, end);
            self.end(self.shown.len() - 1, &end);
        }
    }

    /// How a call ends for the device on these legs, which may have given it away.
    fn end_for(&self, legs: &[Leg], end: &End) -> End {
        match (&self.referred, end) {
            (Some((leg, to)), End::Cleared) if legs.contains(leg) => End::Transferred(to.clone()),
            _ => end.clone(),
        }
    }
}

impl Drop for Lines {
    /// No connection outlives its call, however that ended.
    fn drop(&mut self) {
        if let Some(on) = &mut self.on {
            on.end_all(&End::Cleared);
        }
    }
}
