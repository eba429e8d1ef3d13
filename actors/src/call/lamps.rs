//! What watchers see of a call: whose phone rings, and who talks. Nothing is done, but for one look at a flag, where the site
//! has no presence.

use std::sync::Arc;

use ringpost::{
    call::{Event, Leg},
    directory::Origin,
    policy::Party,
    presence::{Call, Direction, Progress},
    settings::User,
    sip::Message as SipMessage,
};
use smallvec::SmallVec;

use super::{CallActor, Reach};
use crate::presence::{Presence, cell::Cell};

/// The lamps that a call has lit: which leg, whose, and the call as it is shown.
#[derive(Default)]
pub(super) struct Lamps {
    presence: Option<Arc<Presence>>,
    lit: SmallVec<[(Leg, Arc<Cell>, Call); 2]>,
    /// Who has come to a leg from another call.
    came: SmallVec<[(Leg, Remote); 1]>,
}

impl Lamps {
    pub(super) fn of(presence: &Arc<Presence>, reach: Reach) -> Self {
        // Whoever dials a feature code talks with nobody.
        let on = presence.is_on() && !matches!(reach, Reach::Code | Reach::Click);
        Self { presence: on.then(|| Arc::clone(presence)), lit: SmallVec::new(), came: SmallVec::new() }
    }

    pub(super) fn are_on(&self) -> bool {
        self.presence.is_some()
    }

    fn put_out(&mut self, gone: impl Fn(Leg) -> bool) {
        let Some(presence) = &self.presence else { return };
        self.lit.retain(|(leg, cell, call)| {
            if gone(*leg) {
                presence.call(cell, &call.id, None);
            }
            !gone(*leg)
        });
    }

    fn progress(&mut self, leg: Leg, progress: Progress) {
        let Some(presence) = &self.presence else { return };
        if let Some((_, cell, call)) = self.lit.iter_mut().find(|(of, ..)| *of == leg)
            && call.progress != progress
        {
            call.progress = progress;
            presence.call(cell, &call.id, Some(call.clone()));
        }
    }

    /// The party of a leg talks with somebody else now.
    fn meets(&mut self, leg: Leg, (remote, name): Remote) {
        let Some(presence) = &self.presence else { return };
        if let Some((_, cell, call)) = self.lit.iter_mut().find(|(of, ..)| *of == leg) {
            (call.remote, call.name) = (remote, name);
            presence.call(cell, &call.id, Some(call.clone()));
        }
    }
}

impl Drop for Lamps {
    /// No lamp outlives its call, however that ended.
    fn drop(&mut self) {
        self.put_out(|_| true);
    }
}

impl CallActor {
    /// The call begins: its caller's lamp.
    pub(super) fn light_caller(&mut self) {
        let found = match self.user_calling() {
            Some(user) if self.lamps.are_on() => Arc::clone(user),
            _ => return,
        };
        let tag = self.invite.from().and_then(|from| from.tag()).unwrap_or(b"");
        let (callee, name) = (self.user.address.as_str().into(), self.user.name.as_deref().map(Into::into));
        let dialog = (text(self.invite.call_id()), text(tag), "".into());
        let about = (dialog, Direction::Initiator, (callee, name));
        self.light(Leg::Caller, &found, Progress::Trying, about);
    }

    /// Something happened on a leg.
    pub(super) fn show(&mut self, event: Event, message: Option<&Arc<SipMessage>>) {
        match (event, message) {
            (Event::Rang(leg @ Leg::Phone(_)), Some(message)) => {
                self.lamps.progress(Leg::Caller, Progress::Early);
                self.light_phone(leg, message, Progress::Early);
            }
            (Event::Answered(leg @ Leg::Phone(_)), Some(message)) if !self.lamps.has(leg) => {
                self.light_phone(leg, message, Progress::Early);
            }
            (Event::Refused(leg, _) | Event::HungUp(leg) | Event::Lost(leg), _) => {
                self.lamps.put_out(|one| one == leg);
            }
            _ => {}
        }
    }

    /// Two legs talk.
    pub(super) fn show_talk(&mut self, leg: Leg) {
        self.lamps.progress(Leg::Caller, Progress::Confirmed);
        self.lamps.progress(leg, Progress::Confirmed);
        self.lamps.put_out(|one| one != leg && one != Leg::Caller);
    }

    /// A leg rings or talks no more.
    pub(super) fn put_out(&mut self, leg: Leg) {
        self.lamps.put_out(|one| one == leg);
    }

    /// The call is over.
    pub(super) fn put_all_out(&mut self) {
        self.lamps.put_out(|_| true);
    }

    /// Somebody else has the place of a leg; the message is the last one in which that one has spoken of media.
    pub(super) fn moved(&mut self, leg: Leg, message: &SipMessage) {
        self.line_moved(leg);
        if !self.lamps.are_on() {
            return;
        }
        self.put_out(leg);
        let user = self.user_on(leg);
        let told =
            user.as_ref().map(|user| (user.address.as_str().into(), user.name.as_deref().map(Into::into)));
        let newcomer: Remote = told.unwrap_or_default();
        self.lamps.came.retain(|(of, _)| *of != leg);
        self.lamps.came.push((leg, newcomer.clone()));
        let Some(other) = self.other(leg) else { return };
        self.lamps.meets(other, newcomer);
        if let Some(user) = user {
            let (from, to) = (text(tag_of_from(message)), text(tag_of_to(message)));
            let (call_id, remote) = (text(message.call_id()), self.party_shown(other));
            let (dialog, direction) = match message.code() {
                Some(_) => ((call_id, to, from), Direction::Recipient),
                None => ((call_id, from, to), Direction::Initiator),
            };
            self.light(leg, &user, Progress::Confirmed, (dialog, direction, remote));
        }
    }

    /// Who is on a leg, as the other side is told.
    fn party_shown(&self, leg: Leg) -> Remote {
        if let Some((_, party)) = self.lamps.came.iter().find(|(of, _)| *of == leg) {
            return party.clone();
        }
        match leg {
            Leg::Caller => self.caller_shown(),
            Leg::Phone(_) | Leg::Um(_) => {
                let user = self.user_on(leg).unwrap_or_else(|| Arc::clone(&self.user));
                (user.address.as_str().into(), user.name.as_deref().map(Into::into))
            }
        }
    }

    /// The caller, unless that is nobody's business.
    fn caller_shown(&self) -> Remote {
        let shown = !self.caller.private;
        let (uri, number) = (self.caller.uri.as_deref(), self.caller.number.as_deref());
        let remote = uri.or(number).filter(|_| shown).unwrap_or("").into();
        (remote, self.caller.name.as_deref().filter(|_| shown).map(Into::into))
    }

    fn light_phone(&mut self, leg: Leg, message: &SipMessage, progress: Progress) {
        let Some(user) = self.user_on(leg).filter(|_| self.lamps.are_on()) else { return };
        let dialog = (text(message.call_id()), text(tag_of_to(message)), text(tag_of_from(message)));
        let remote = self.caller_shown();
        self.light(leg, &user, progress, (dialog, Direction::Recipient, remote));
    }

    fn light(
        &mut self,
        leg: Leg,
        user: &User,
        progress: Progress,
        (dialog, direction, (remote, name)): (Tags, Direction, Remote),
    ) {
        let Some(presence) = self.lamps.presence.clone() else { return };
        if self.lamps.has(leg) {
            return self.lamps.progress(leg, progress);
        }
        let Some(cell) = presence.caller(&self.directory, user) else { return };
        let place = match leg {
            Leg::Caller => "c".to_owned(),
            Leg::Phone(number) => number.to_string(),
            Leg::Um(number) => format!("u{number}"),
        };
        let id = format!("{:016x}-{place}", self.token.0).into();
        let call = Call { id, dialog, direction: Some(direction), progress, remote, name };
        presence.call(&cell, &call.id, Some(call.clone()));
        self.lamps.lit.push((leg, cell, call));
    }

    /// The user who calls: whom a party is that was transferred, not whoever has sent it here.
    pub(super) fn user_calling(&self) -> Option<&Arc<User>> {
        let own = self.origins.iter().find(|(of, _)| *of == Leg::Caller).map(|(_, origin)| origin);
        self.directory.user_calling(&self.caller, own.unwrap_or(&self.origin))
    }

    /// The user whose phone a leg is.
    pub(super) fn user_on(&self, leg: Leg) -> Option<Arc<User>> {
        let own = || Some(Arc::clone(&self.user));
        let party = self.stands_for(leg);
        match (self.origins.iter().find(|(of, _)| *of == leg), party) {
            (Some((_, Origin::User(user))), _) => Some(Arc::clone(user)),
            (_, Some(Party::Outside(_))) => own(),
            (Some((_, Origin::Trunk(_))), _) => None,
            (None, Some(Party::Device(user, _))) => Some(Arc::clone(user)),
            (None, None) => own(),
        }
    }
}

impl Lamps {
    fn has(&self, leg: Leg) -> bool {
        self.lit.iter().any(|(of, ..)| *of == leg)
    }
}

/// Call-ID, local and remote tag.
type Tags = (Arc<str>, Arc<str>, Arc<str>);
/// The URI and name of the other side.
type Remote = (Arc<str>, Option<Arc<str>>);

fn tag_of_from(message: &SipMessage) -> &[u8] {
    message.from().and_then(|from| from.tag()).unwrap_or(b"")
}

fn tag_of_to(message: &SipMessage) -> &[u8] {
    message.to().and_then(|to| to.tag()).unwrap_or(b"")
}

fn text(octets: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(octets).into()
}
