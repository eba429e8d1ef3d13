//! A number outside has answered, and is asked for the key that takes the call (R65): Ringpost's own media speaks and
//! listens, and only the key leads the caller's media there.

use std::sync::Arc;

use actix::prelude::*;
use bytes::Bytes;
use ringpost::{
    call::{Event, Leg},
    settings::AcceptKey,
    sip::{Message as SipMessage, Method, Name, token::Token},
    voicemail::{Limits, Script, dtmf},
};

use super::{CallActor, Told, What, call_id};
use crate::{
    leg::Say,
    voicemail::{Begin, Happened, MediaEvent, MediaSession, Opened, SessionParams},
};

impl CallActor {
    /// Opens the media that will ask; the offer for the leg's INVITE. `None` where no port is free.
    pub(super) fn open_question(&mut self, leg: Leg, ctx: &mut Context<Self>) -> Option<Bytes> {
        let Leg::Phone(number) = leg else { return None };
        self.end_question(leg);
        let (ports, greeting) = self.switch.question(self.user.language);
        let site = &self.directory.site;
        // It waits for the answer as long as anybody rings, and then for the key.
        let longest = site.policy.accept_for + self.machine.ring_for();
        let params = SessionParams {
            id: u64::from(number),
            offer: None,
            ports,
            script: Script::Ask,
            greeting,
            limits: Limits::announcement(longest),
            folder: site.voicemail.recordings.clone(),
            context: serde_json::Value::Null,
        };
        match MediaSession::start(params, ctx.address().recipient()) {
            Ok(Opened { sdp, addr, .. }) => {
                self.questions.push((leg, addr));
                Some(sdp)
            }
            Err(error) => {
                tracing::warn!(call = %call_id(&self.invite), %error, "Nobody can be asked for the key");
                None
            }
        }
    }

    /// The leg has answered: the announcement begins.
    pub(super) fn ask(&mut self, leg: Leg, message: Option<&Arc<SipMessage>>, ctx: &mut Context<Self>) {
        let media = self.questions.iter().find(|(of, _)| *of == leg).map(|(_, media)| media.clone());
        let (Some(media), Some(message)) = (media, message) else {
            return ctx.notify(Told { leg, by: None, what: What::Event(Event::NotAccepted(leg), None) });
        };
        let begun = media.send(Begin { answer: message.has_body().then(|| message.body()) });
        ctx.spawn(begun.into_actor(self).map(move |begun, call, ctx| {
            if !matches!(begun, Ok(Ok(()))) {
                call.guarded(ctx, |call, ctx| call.happen(Event::NotAccepted(leg), None, ctx));
            }
        }));
        let patience = self.directory.site.policy.accept_for;
        ctx.run_later(patience, move |call, ctx| {
            call.guarded(ctx, |call, ctx| call.happen(Event::NotAccepted(leg), None, ctx));
        });
    }

    /// The key was pressed: the leg is offered the caller's media, as a re-INVITE under the call's own name.
    pub(super) fn join(&mut self, leg: Leg) {
        self.say(leg, Say::Pass(self.token, Arc::clone(&self.invite), self.passport_to(leg)));
    }

    /// Nobody speaks on that leg any more.
    pub(super) fn end_question(&mut self, leg: Leg) {
        self.questions.retain(|(of, _)| *of != leg);
    }

    /// What the leg says while it is asked or led to the caller; what is none of that comes back.
    pub(super) fn while_asked(&mut self, leg: Leg, what: What, ctx: &mut Context<Self>) -> Option<What> {
        if !self.machine.plan().keyed.has(leg) {
            return Some(what);
        }
        match what {
            What::Replied(of, said) if of == self.token => {
                match said.code().unwrap_or(500) {
                    ..200 => {}
                    200..300 => self.happen(Event::Answered(leg), Some(&said), ctx),
                    code => self.happen(Event::Refused(leg, code), None, ctx),
                }
                None
            }
            What::Denied(of, code) if of == self.token => {
                self.happen(Event::Refused(leg, code), None, ctx);
                None
            }
            What::Inside(server, request) if self.bridged.is_none() => {
                match dtmf_of(&request) {
                    Some(key) => {
                        self.say(leg, Say::Deny(server, 200));
                        self.pressed(leg, key, ctx);
                    }
                    None => self.say(leg, Say::Deny(server, 480)),
                }
                None
            }
            other => Some(other),
        }
    }

    /// The caller's ACK goes to the re-INVITE that led its media here.
    pub(super) fn acknowledged_as(&self, of: Option<Token>) -> Option<Token> {
        let joined = self.bridged.is_some_and(|leg| self.machine.plan().keyed.has(leg));
        of.or_else(|| joined.then_some(self.token))
    }

    fn pressed(&mut self, leg: Leg, key: char, ctx: &mut Context<Self>) {
        if key == AcceptKey::KEY {
            self.happen(Event::Accepted(leg), None, ctx);
        }
    }
}

/// The key in an INFO: `application/dtmf-relay` says `Signal=1`, `application/dtmf` just `1`.
fn dtmf_of(request: &SipMessage) -> Option<char> {
    if request.method() != Some(Method::Info) {
        return None;
    }
    dtmf::of_info(request.first(Name::ContentType)?, &request.body())
}

impl Handler<MediaEvent> for CallActor {
    type Result = ();

    fn handle(&mut self, MediaEvent { session, happened }: MediaEvent, ctx: &mut Context<Self>) {
        let leg = Leg::Phone(session as u8);
        self.guarded(ctx, |call, ctx| match happened {
            Happened::Pressed(key) => call.pressed(leg, key.0, ctx),
            Happened::Finished(_) => call.happen(Event::NotAccepted(leg), None, ctx),
            Happened::GreetingEnded
            | Happened::RecordingStarted
            | Happened::Played(_)
            | Happened::Taken(_) => {}
        });
    }
}
