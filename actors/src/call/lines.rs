//! What programs see of a call that control users' telephones: one connection for each user, however many devices ring.
//! Nothing is done, but for one look at a flag, where the site has no remote call control.

use std::sync::Arc;

use actix::Addr;
use ringpost::{
    call::{Event, Leg, Why, wire},
    rcc::view::{End, Seen},
    settings::User,
};
use smallvec::SmallVec;

use super::{CallActor, Reach};
use crate::rcc::{Live, Look, Rcc};

/// The call as its users' telephones have it.
#[derive(Default)]
pub(super) struct Lines {
    on: Option<On>,
}

struct On {
    rcc: Arc<Rcc>,
    id: Arc<str>,
    /// Who carries it; known when it starts.
    call: Option<Addr<CallActor>>,
    shown: SmallVec<[Shown; 2]>,
}

struct Shown {
    user: Arc<str>,
    legs: SmallVec<[Leg; 2]>,
    look: Look,
}

impl Lines {
    /// Of a call with that name.
    pub(super) fn of(rcc: &Arc<Rcc>, id: impl Into<Arc<str>>) -> Self {
        Self { on: Some(On { rcc: Arc::clone(rcc), id: id.into(), call: None, shown: SmallVec::new() }) }
    }

    pub(super) fn are_on(&self) -> bool {
        self.on.is_some()
    }

    /// The caller's call is refused.
    pub(super) fn refused(&mut self, code: u16) {
        let end = match code {
            486 | 600 => End::Busy,
            487 => End::Cleared,
            _ => End::Unreachable,
        };
        self.leave(Leg::Caller, &end);
    }

    fn leave(&mut self, leg: Leg, end: &End) {
        let Some(on) = &mut self.on else { return };
        let Some(at) = on.shown.iter().position(|one| one.legs.contains(&leg)) else { return };
        on.shown[at].legs.retain(|one| *one != leg);
        if on.shown[at].legs.is_empty() {
            on.end(at, end);
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
        let Some(call) = self.call.clone() else { return };
        self.rcc.call(&one.user, Live { id: Arc::clone(&self.id), look: one.look.clone(), call });
    }

    fn is(&mut self, at: usize, state: Seen) {
        if self.shown[at].look.state != state {
            self.shown[at].look.state = state;
            self.tell(&self.shown[at]);
        }
    }

    fn end(&mut self, at: usize, end: &End) {
        self.is(at, Seen::Over(end.clone()));
        self.shown.remove(at);
    }

    fn end_all(&mut self, end: &End) {
        while !self.shown.is_empty() {
            self.end(self.shown.len() - 1, end);
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
        let Some(user) = self.directory.user_calling(&self.caller, &self.origin).cloned() else { return };
        let dialled = wire::dialled(&self.invite).unwrap_or_else(|| self.user.address.clone());
        self.put_line(Leg::Caller, &user, (false, Some(dialled.into())), Seen::Dialled);
    }

    /// Something happened on a leg, and the machine knows.
    pub(super) fn follow(&mut self, event: Event) {
        match event {
            Event::Rang(leg @ Leg::Phone(_)) => {
                self.reaches(Leg::Caller);
                self.put_phone(leg);
            }
            Event::Rang(Leg::Um(_)) => self.reaches(Leg::Caller),
            Event::Refused(leg, _) | Event::HungUp(leg) | Event::Lost(leg) => {
                let end = self.end_of(Why::Over);
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
        self.lines.is(Leg::Caller, Seen::Talks);
        self.lines.is(leg, Seen::Talks);
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

    /// A leg that rang is taken back.
    pub(super) fn take_line(&mut self, leg: Leg, why: Why) {
        if self.lines.are_on() {
            let end = self.end_of(why);
            self.lines.leave(leg, &end);
        }
    }

    /// Somebody else has the place of a leg, who may be a user.
    pub(super) fn line_moved(&mut self, leg: Leg) {
        if !self.lines.are_on() {
            return;
        }
        self.lines.leave(leg, &End::Cleared);
        if self.bridged.is_some() {
            self.put_phone(leg);
            self.lines.is(leg, Seen::Talks);
        }
    }

    /// The call is over.
    pub(super) fn end_lines(&mut self) {
        if let Some(on) = &mut self.lines.on {
            on.end_all(&End::Cleared);
        }
    }

    /// How a call ends for a device that it leaves: it may go on elsewhere.
    fn end_of(&self, why: Why) -> End {
        match (why, self.machine.state_number()) {
            (Why::Elsewhere, _) => End::Elsewhere,
            (Why::Over, 1 | 2) => End::Diverted(None),
            (Why::Over, _) => End::Cleared,
        }
    }

    fn reaches(&mut self, leg: Leg) {
        let Some(on) = &mut self.lines.on else { return };
        let dialled = |one: &Shown| one.legs.contains(&leg) && one.look.state == Seen::Dialled;
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
        self.put_line(leg, &user, (true, other), Seen::Rings);
    }

    fn put_line(&mut self, leg: Leg, user: &User, (incoming, other): (bool, Option<Arc<str>>), state: Seen) {
        let Some(on) = &mut self.lines.on else { return };
        if on.shown.iter().any(|one| one.legs.contains(&leg)) {
            return;
        }
        let same = |one: &&mut Shown| *one.user == user.address && one.look.incoming == incoming;
        if let Some(one) = on.shown.iter_mut().find(same) {
            return one.legs.push(leg);
        }
        let look = Look { incoming, other, state };
        let shown = Shown { user: user.address.as_str().into(), legs: SmallVec::from_slice(&[leg]), look };
        on.tell(&shown);
        on.shown.push(shown);
    }
}
