//! What the caller hears of its call: that it rings, the media of one device, who has answered, or that nobody will.

use std::{sync::Arc, time::Instant};

use ringpost::{call::Leg, sip::Message as SipMessage};

use super::{CallActor, What};
use crate::leg::Say;

/// What the caller has been told, and how long it rang.
#[derive(Default)]
pub(super) struct Ringing {
    pub(super) since: Option<Instant>,
    pub(super) until: Option<Instant>,
    pub(super) told: bool,
    pub(super) media: Option<Leg>,
}

impl CallActor {
    /// Tells the caller once that it rings; early media of one leg besides.
    pub(super) fn ring(&mut self, leg: Leg, message: Option<&Arc<SipMessage>>) {
        let Some(message) = message else { return };
        // What a leg with a key says in its media is for nobody yet.
        let keyed = self.machine.plan().keyed.has(leg);
        let media = self.early_media
            && message.has_body()
            && !keyed
            && self.ringing.media.is_none_or(|one| one == leg);
        if media {
            self.ringing.media = Some(leg);
        }
        if media || !std::mem::replace(&mut self.ringing.told, true) {
            let (code, said) = match message.has_body() && !media {
                // Another leg's media, or none at all wanted: the caller hears no more than that it rings.
                true => (180, None),
                false => (message.code().unwrap_or(180), Some(Arc::clone(message))),
            };
            self.say(Leg::Caller, Say::Progress(code, said));
        }
    }

    pub(super) fn bridge(&mut self, leg: Leg, message: Option<&Arc<SipMessage>>) {
        let Some(message) = message else { return };
        self.ringing.until.get_or_insert_with(Instant::now);
        self.bridged = Some(leg);
        self.end_question(leg);
        self.answered_by = match leg {
            Leg::Phone(number) => self.devices.get(usize::from(number)).map(|device| device.uri.clone()),
            Leg::Um(number) => self.um.get(usize::from(number)).and_then(|um| self.switch.um_uri(&um.server)),
            Leg::Caller => None,
        };
        self.show_talk(leg);
        self.lines_talk(leg);
        self.say(Leg::Caller, Say::Answer(Arc::clone(message)));
        self.note_talk(leg);
    }

    /// Caller and user talk: what still waits to be told of a call between them may not be needed any more.
    fn note_talk(&self, leg: Leg) {
        let own = matches!(leg, Leg::Phone(_)) && !self.machine.plan().others.has(leg);
        if !own || !self.switch.notices_ask() {
            return;
        }
        let talks = self.directory.talks(&self.origin, &self.caller, &self.user);
        if !talks.is_empty() {
            self.switch.talked(talks);
        }
    }

    /// The leg that an UPDATE before the answer is for: the caller has the media of one device, and that one the caller's.
    pub(super) fn early_other(&self, leg: Leg, what: &What) -> Option<Leg> {
        let media = self.ringing.media.filter(|_| self.bridged.is_none())?;
        match (what, leg) {
            (What::Pracked(_) | What::Inside(..) | What::Replied(..) | What::Denied(..), Leg::Caller) => {
                Some(media)
            }
            (What::Inside(..) | What::Replied(..) | What::Denied(..), leg) if leg == media => {
                Some(Leg::Caller)
            }
            _ => None,
        }
    }

    /// A call that was for UM alone, and finds every server full, may be tried again in a moment (T38); a user is not there.
    pub(super) fn rejection(&self, code: u16) -> u16 {
        if code == 480 && self.gateways_failed() {
            return 503;
        }
        if code != 480 || !self.machine.plan().stages.is_empty() {
            return code;
        }
        let full =
            self.refusals.iter().filter(|(leg, said)| matches!(leg, Leg::Um(_)) && said.code() == Some(503));
        if !self.um.is_empty() && full.count() == self.um.len() { 503 } else { code }
    }
}
