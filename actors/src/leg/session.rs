//! The leg's session timer (RFC 4028): who refreshes keeps the session, and a session that nobody refreshes ends.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use ringpost::{
    call::Event,
    sip::{
        Message as SipMessage, Method, Name,
        relay::ALLOW,
        session_timer::{self, Session},
        token::Token,
        transaction::Owner,
    },
};

use super::{LegActor, Side};
use crate::call::What;

/// A session with an end.
pub(super) struct Timed {
    session: Session,
    /// Our refresh that has no answer yet, and the number of a re-INVITE's ACK.
    asking: Option<(Token, Method, u32)>,
    refresh: Option<SpawnHandle>,
    end: SpawnHandle,
}

impl LegActor {
    /// The lines of our 2xx to `request` about the session timer, which starts; empty where there is none.
    pub(super) fn session_lines(&mut self, request: &SipMessage, ctx: &mut Context<Self>) -> Vec<u8> {
        let terms = self.switch.terms();
        if terms.expires.is_none() && request.count(Name::SessionExpires) == 0 {
            return vec![];
        }
        let Some((session, lines)) = session_timer::answer(request, terms) else { return vec![] };
        self.note_updates(request);
        self.keep_session(session, ctx);
        lines
    }

    /// The peer's 2xx to our INVITE, or to a re-INVITE or UPDATE that we passed on, may name a session.
    pub(super) fn session_agreed(&mut self, response: &SipMessage, ctx: &mut Context<Self>) {
        if let Some(session) = session_timer::agreed(response) {
            self.note_updates(response);
            self.keep_session(session, ctx);
        }
    }

    fn note_updates(&mut self, message: &SipMessage) {
        self.updates |= message.list(Name::Allow).any(|method| method == b"UPDATE");
    }

    /// Starts the session's timers anew.
    fn keep_session(&mut self, session: Session, ctx: &mut Context<Self>) {
        self.forget_session(ctx);
        let refresh = session.refresh_after().map(|after| self.refresh_in(after, ctx));
        let end = ctx.run_later(session.ends_after(), move |leg, ctx| {
            leg.guarded(ctx, |leg, ctx| {
                tracing::info!(interval = session.interval, "The session was not refreshed");
                leg.forget_session(ctx);
                leg.tell(What::Event(Event::Lost(leg.leg), None));
            });
        });
        self.timed = Some(Timed { session, asking: None, refresh, end });
    }

    pub(super) fn forget_session(&mut self, ctx: &mut Context<Self>) {
        if let Some(old) = self.timed.take() {
            ctx.cancel_future(old.end);
            old.refresh.map(|refresh| ctx.cancel_future(refresh));
        }
    }

    fn refresh_in(&self, after: Duration, ctx: &mut Context<Self>) -> SpawnHandle {
        ctx.run_later(after, |leg, ctx| {
            leg.guarded(ctx, |leg, ctx| leg.refresh(ctx));
        })
    }

    /// Refreshes the session: by UPDATE where the peer takes it, else by a re-INVITE with the SDP that it knows.
    fn refresh(&mut self, ctx: &mut Context<Self>) {
        let busy = !self.passed.is_empty() || !self.asked.is_empty();
        let contact = self.stand().contact();
        let terms = self.switch.terms();
        let Some(timed) = &mut self.timed else { return };
        if busy || timed.asking.is_some() {
            let again = self.refresh_in(Duration::from_secs(2), ctx);
            self.timed.as_mut().expect("just seen").refresh = Some(again);
            return;
        }
        let Some(dialog) = &mut self.dialog else { return };
        let method = if self.updates { Method::Update } else { Method::Invite };
        let mut draft = dialog.request(method.name().unwrap_or_default().as_bytes());
        let sequence = dialog.local_seq();
        let (port, peer, owner) = (std::rc::Rc::clone(&self.port), self.peer, Owner::Leg(self.token));
        let said = self.said.clone().filter(|_| method == Method::Invite);
        let lines = session_timer::refresh(timed.session, terms);
        let build = |branch| {
            port.via(&mut draft, &peer, branch);
            draft.header("Contact", &[&contact]).header("Allow", &[ALLOW]).lines(&lines);
            match said {
                Some(said) => {
                    draft.copy(&said, Name::ContentType);
                    draft.body(&said.body())
                }
                None => draft.empty(),
            }
        };
        let client = match method {
            Method::Invite => self.port.invite(peer, owner, build),
            _ => self.port.ask(peer, owner, build),
        };
        timed.asking = client.map(|client| (client, method, sequence));
    }

    /// Whether `client` is our refresh; its response is dealt with.
    pub(super) fn refreshed(&mut self, client: Token, message: &SipMessage, ctx: &mut Context<Self>) -> bool {
        let Some(timed) = self.timed.as_mut() else { return false };
        let Some((_, method, sequence)) = timed.asking.filter(|(own, ..)| *own == client) else {
            return false;
        };
        let code = message.code().unwrap_or(500);
        if code < 200 {
            return true;
        }
        timed.asking = None;
        let mut session = timed.session;
        match code {
            200..300 => {
                if method == Method::Invite {
                    self.send_ack(client, sequence, None);
                }
                self.keep_session(session_timer::agreed(message).unwrap_or(session), ctx);
            }
            // Glare (RFC 3261 §14.1): who owns the Call-ID waits longer.
            491 => {
                let owns = matches!(self.side, Side::Called { .. });
                let (least, span) = if owns { (2_100, 1_900) } else { (0, 2_000) };
                let wait = Duration::from_millis(least + u64::from(self.port.random()) % span / 10 * 10);
                let again = self.refresh_in(wait, ctx);
                self.timed.as_mut().expect("just seen").refresh = Some(again);
            }
            422 => {
                session.interval = session.interval.max(session_timer::least_of(message));
                timed.session = session;
                self.refresh(ctx);
            }
            405 | 501 if method == Method::Update => {
                self.updates = false;
                self.refresh(ctx);
            }
            408 | 481 => self.tell(What::Event(Event::Lost(self.leg), None)),
            // The session goes on until its end: the peer may be able again before.
            _ => {}
        }
        true
    }

    /// Whether our refresh has failed without any answer.
    pub(super) fn refresh_failed(&mut self, client: Token) -> bool {
        let ours =
            self.timed.as_ref().is_some_and(|timed| timed.asking.is_some_and(|asking| asking.0 == client));
        if ours {
            self.tell(What::Event(Event::Lost(self.leg), None));
        }
        ours
    }

    /// Whether our refresh is a re-INVITE or UPDATE that the peer has not answered.
    pub(super) fn is_refreshing(&self) -> bool {
        self.timed.as_ref().is_some_and(|timed| timed.asking.is_some())
    }

    /// Answers a request that only keeps the session alive; the other leg has a timer of its own.
    pub(super) fn lives_on(&mut self, request: &SipMessage, ctx: &mut Context<Self>) -> Option<Vec<u8>> {
        let mere = request.method() == Some(Method::Update) && session_timer::is_mere_refresh(request);
        mere.then(|| self.session_lines(request, ctx))
    }

    /// Keeps what was last said to the peer about media.
    pub(super) fn has_said(&mut self, message: &Arc<SipMessage>) {
        if message.has_body() {
            self.said = Some(Arc::clone(message));
        }
    }
}
