//! What happens on a call's legs, as its users' telephones have it.

use std::{sync::Arc, time::Instant};

use actix::Addr;
use ringpost::{
    call::{Event, Leg, Why, wire},
    policy::Party,
    rcc::view::{self, End, Seen},
    settings::User,
    sip::{Message as SipMessage, uri::Uri},
};
use smallvec::SmallVec;

use super::{
    super::{CallActor, Reach},
    Shown,
};
use crate::rcc::{Look, Times};

impl CallActor {
    /// The call begins: its caller has dialled.
    pub(in crate::call) fn begin_lines(&mut self, call: Addr<CallActor>) {
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
    pub(in crate::call) fn follow(&mut self, event: Event, message: Option<&Arc<SipMessage>>) {
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
    pub(in crate::call) fn lines_talk(&mut self, leg: Leg) {
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
    pub(in crate::call) fn take_line(&mut self, leg: Leg, why: Why) {
        if self.lines.are_on() {
            let end = self.end_of(why, view::Why::NoAnswer);
            self.lines.leave(leg, &end);
        }
    }

    /// Somebody else has the place of a leg, who may be a user.
    pub(in crate::call) fn line_moved(&mut self, leg: Leg) {
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
    pub(in crate::call) fn end_lines(&mut self) {
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
