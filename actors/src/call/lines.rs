//! What programs see of a call that control users' telephones: one connection for each user, however many devices ring.
//! Nothing is done, but for one look at a flag, where the site has no remote call control.

use std::{borrow::Cow, sync::Arc, time::Instant};

use actix::Addr;
use ringpost::{
    call::{Event, Leg, Why, wire},
    policy::Party,
    rcc::view::{self, End, Seen},
    settings::User,
    sip::{Message as SipMessage, Method, Name, sdp, text::split_commas, token::Token, uri::Uri},
};
use smallvec::SmallVec;

use super::{CallActor, Reach, What};
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

impl CallActor {
    /// The call begins: its caller has dialled.
    pub(super) fn begin_lines(&mut self, call: Addr<CallActor>) {
        if let Some(on) = &mut self.lines.on {
            on.call = Some(call);
        }
        // Whoever dials a feature code calls nobody.
        if self.reach == Reach::Code {
            return;
        }
        let Some(user) = self.user_calling().cloned() else { return };
        let clicked = (self.reach == Reach::Click).then(|| self.caller.number.clone()).flatten();
        self.lines.learn(Leg::Caller, &self.invite);
        if let (Some(on), Some(Ok(contact))) =
            (&self.lines.on, self.invite.contact().map(std::str::from_utf8))
        {
            on.rcc.uses(&user.address, contact);
        }
        let dialled =
            clicked.or_else(|| wire::dialled(&self.invite)).unwrap_or_else(|| self.user.address.clone());
        self.put_line(Leg::Caller, &user, (false, Some(dialled.into()), None), Seen::Dialled);
    }

    /// Something happened on a leg, and the machine knows.
    pub(super) fn follow(&mut self, event: Event, message: Option<&Arc<SipMessage>>) {
        if self.reach == Reach::Click {
            return;
        }
        if let (Event::Rang(leg @ Leg::Phone(_)) | Event::Answered(leg @ Leg::Phone(_)), Some(message)) =
            (event, message)
        {
            self.lines.learn(leg, message);
        }
        match event {
            Event::Rang(leg @ (Leg::Phone(_) | Leg::Um(_))) => {
                self.reaches(leg);
                self.put_phone(leg);
            }
            Event::Refused(leg, _) | Event::HungUp(leg) | Event::Lost(leg) => {
                let end = self.end_of(
                    Why::Over,
                    match event {
                        Event::Refused(_, 486 | 600) => view::Why::Busy,
                        _ => view::Why::Redirected,
                    },
                );
                self.lines.leave(leg, &end);
            }
            _ => {}
        }
    }

    /// Two legs talk.
    pub(super) fn lines_talk(&mut self, leg: Leg) {
        if !self.lines.are_on() {
            return;
        }
        self.put_phone(leg);
        self.redirects(leg);
        self.lines.is(Leg::Caller, Seen::Talks);
        self.lines.is(leg, Seen::Talks);
        if let Leg::Phone(number) = leg {
            self.uses(leg, self.devices.get(usize::from(number)).map(|device| device.uri.as_str()));
        }
        let Some(on) = &mut self.lines.on else { return };
        for at in (0..on.shown.len()).rev() {
            let legs = &mut on.shown[at].legs;
            if legs.contains(&leg) {
                legs.retain(|one| *one == leg);
            } else if !legs.contains(&Leg::Caller) {
                on.end(at, &End::Elsewhere);
            }
        }
    }

    fn uses(&self, leg: Leg, device: Option<&str>) {
        if let (Some(on), Some(user), Some(device)) = (&self.lines.on, self.user_on(leg), device) {
            on.rcc.uses(&user.address, device);
        }
    }

    /// A leg that rang is taken back.
    pub(super) fn take_line(&mut self, leg: Leg, why: Why) {
        if self.lines.are_on() {
            let end = self.end_of(why, view::Why::NoAnswer);
            self.lines.leave(leg, &end);
        }
    }

    /// Somebody else has the place of a leg, who may be a user.
    pub(super) fn line_moved(&mut self, leg: Leg) {
        if !self.lines.are_on() {
            return;
        }
        if self.bridged.is_none() {
            // It rang there, and somebody has picked it up.
            return self.lines.leave(leg, &End::Elsewhere);
        }
        self.lines.leave(leg, &End::Cleared);
        match self.user_on(leg) {
            Some(user) if leg == Leg::Caller => {
                let other = self.user.numbers.first().unwrap_or(&self.user.address).as_str();
                self.put_line(leg, &user, (false, Some(other.into()), None), Seen::Talks);
            }
            _ => self.put_phone(leg),
        }
        self.lines.is(leg, Seen::Talks);
    }

    /// The call is over.
    pub(super) fn end_lines(&mut self) {
        if let Some(on) = &mut self.lines.on {
            on.end_all(&End::Cleared);
        }
    }

    /// How a call ends for a device that it leaves: it may go on elsewhere, for that reason where no program wants it.
    fn end_of(&self, why: Why, reason: view::Why) -> End {
        let by_program = || self.lines.on.as_ref().and_then(|on| on.diverted.clone());
        match (why, self.machine.state_number(), by_program()) {
            (Why::Elsewhere, ..) => End::Elsewhere,
            (Why::Over, 1 | 2, Some(to)) => End::Diverted(Some(to), view::Why::Redirected),
            (Why::Over, 1, None) => {
                let plan = self.machine.plan();
                let legs = (0..self.devices.len()).map(|number| Leg::Phone(number as u8));
                let mut away = legs.filter(|leg| self.machine.rings(*leg) && plan.is_forwarded(*leg));
                End::Diverted(away.next().and_then(|leg| self.place_of(leg)), reason)
            }
            (Why::Over, 2, None) => End::Diverted(self.place_of(Leg::Um(0)), reason),
            (Why::Over, ..) => End::Cleared,
        }
    }

    /// The number that a leg stands for that is no device of the user's: somebody else's, or that of voice mail.
    fn place_of(&self, leg: Leg) -> Option<String> {
        match (leg, self.stands_for(leg)) {
            (Leg::Um(_), _) => self.directory.site.um.pilots.first().cloned(),
            (Leg::Phone(_), Some(Party::Device(user, _))) if user.address != self.user.address => {
                Some(user.numbers.first().unwrap_or(&user.address).clone())
            }
            (Leg::Phone(number), Some(Party::Outside(_))) => {
                let device = self.devices.get(usize::from(number))?;
                Some(Uri::read(device.uri.as_bytes())?.number()?.into_owned())
            }
            _ => None,
        }
    }

    /// The caller has got through to a leg that may stand for somebody else than was called.
    fn redirects(&mut self, leg: Leg) {
        if !self.lines.are_on() || !(matches!(leg, Leg::Um(_)) || self.machine.plan().is_forwarded(leg)) {
            return;
        }
        let place = self.place_of(leg);
        let Some(on) = &mut self.lines.on else { return };
        let called = |one: &&mut Shown| {
            one.legs.contains(&Leg::Caller) && one.look.other != place.as_deref().map(Into::into)
        };
        if let (Some(one), Some(place)) = (on.shown.iter_mut().find(called), &place) {
            one.look.redirected = Some(place.as_str().into());
        }
    }

    fn reaches(&mut self, by: Leg) {
        self.redirects(by);
        let Some(on) = &mut self.lines.on else { return };
        let dialled = |one: &Shown| one.legs.contains(&Leg::Caller) && one.look.state == Seen::Dialled;
        if let Some(at) = on.shown.iter().position(dialled) {
            on.is(at, Seen::Rings);
        }
    }

    /// A device of a user rings, or answers without.
    fn put_phone(&mut self, leg: Leg) {
        let Leg::Phone(_) = leg else { return };
        let Some(user) = self.user_on(leg).filter(|_| self.lines.are_on()) else { return };
        let (uri, number) = (self.caller.uri.as_deref(), self.caller.number.as_deref());
        let other = number.or(uri).filter(|_| !self.caller.private).map(Into::into);
        let by = (user.address != self.user.address && self.machine.plan().is_forwarded(leg))
            .then(|| self.user.numbers.first().unwrap_or(&self.user.address).as_str().into());
        self.put_line(leg, &user, (true, other, by), Seen::Rings);
    }

    fn put_line(
        &mut self,
        leg: Leg,
        user: &User,
        (incoming, other, redirected): (bool, Option<Arc<str>>, Option<Arc<str>>),
        state: Seen,
    ) {
        let Some(on) = &mut self.lines.on else { return };
        if on.shown.iter().any(|one| one.legs.contains(&leg)) {
            return;
        }
        let same = |one: &Shown| *one.user == user.address && one.look.incoming == incoming;
        if let Some(at) = on.shown.iter().position(same) {
            on.shown[at].legs.push(leg);
            if on.rcc.has_gateways() {
                on.shown[at].times.rang.push(Instant::now());
                on.tell(&on.shown[at]);
            }
            return;
        }
        let look = Look { incoming, other, redirected, state };
        let (user, legs) = (user.address.as_str().into(), SmallVec::from_slice(&[leg]));
        let shown = Shown { user, times: Times::now(), legs, look };
        on.tell(&shown);
        on.shown.push(shown);
    }
}
