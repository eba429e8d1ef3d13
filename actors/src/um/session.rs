//! One call that UM has answered: its dialog, its reports, and what becomes of the recording.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use bytes::Bytes;
use ringpost::{
    call::wire::{Stand, UM_REPORT},
    directory::Reception,
    settings::User,
    sip::{
        Message as SipMessage, Method, Name,
        build::{phrase, plain_response, response},
        dialog::Dialog,
        peer::Peer,
        token::Token,
        transaction::Owner,
    },
    voicemail::{Greeting, Limits, Script, menu},
};

use super::{ALLOW, Context as CallContext, Desk, Office, menu::Menu, post};
use crate::{
    guard::caught,
    port::Port,
    voicemail::{
        Accept, Begin, Close, Happened, MediaEvent, MediaSession, Opened, Refusal, Renegotiate,
        SessionParams, told,
    },
};

/// The longest that the tones of a feature code may take, the ACK included.
const TONES: Duration = Duration::from_secs(10);

/// A call at the embedded UM: its dialog, its media, and who it is for.
pub struct UmSession {
    pub(super) port: Rc<Port>,
    desk: Rc<Desk>,
    pub(super) office: Arc<Office>,
    pub(super) token: Token,
    invite: (Token, Arc<SipMessage>),
    pub(super) peer: Peer,
    pub(super) dialog: Option<Dialog>,
    pub(super) media: Addr<MediaSession>,
    /// `None`: it is nobody's mailbox.
    context: Option<CallContext>,
    /// What the caller chooses from, where it is not a mailbox that takes a message.
    pub(super) menu: Option<Box<Menu>>,
    /// Who wants to a mailbox, until the ACK.
    visitor: Option<(Option<Arc<User>>, bool, String)>,
    /// The INVITE has its ACK.
    begun: bool,
    /// A re-INVITE of the peer whose ACK is awaited: its CSeq number, and whether that ACK brings the answer.
    renewed: Option<(Token, u32, bool)>,
    ended: bool,
}

/// What a call at UM is for.
pub(super) enum Service {
    /// Somebody's mailbox: greeting, beep, recording.
    Mailbox(Box<(User, CallContext)>),
    /// The tones that say that a feature code is taken.
    Done,
    /// An attendant.
    Reception(Arc<Reception>),
    /// Mailboxes over the phone: whose phone it is, whether its device has shown so, and who calls.
    Visit(Option<Arc<User>>, bool, String),
}

/// What the desk has for a session.
#[derive(Message)]
#[rtype(result = "()")]
pub enum Heard {
    /// A request inside the dialog.
    Request(Token, SipMessage, Peer),
    /// An ACK inside the dialog.
    Ack(SipMessage),
    /// The ACK never came.
    Gone,
    /// The final code of a request of ours.
    Response(Token, u16),
}

impl UmSession {
    /// Answers an INVITE.
    ///
    /// # Errors
    /// Where its SDP cannot be answered or no RTP port is free.
    pub fn start(
        ((port, desk), office): ((Rc<Port>, Rc<Desk>), &Arc<Office>),
        token: Token,
        (server, invite, from): (Token, Arc<SipMessage>, Peer),
        service: Service,
    ) -> Result<Addr<Self>, Refusal> {
        let (script, greeting, limits) = match &service {
            Service::Mailbox(mailbox) => (Script::Mailbox, office.greeting(&mailbox.0), office.limits()),
            Service::Done => (Script::Announce, Greeting::done(), Limits::announcement(TONES)),
            Service::Reception(reception) => {
                let limits = Limits { max_call: reception.settings.max_call, ..office.limits() };
                (Script::Menu, Greeting::none(), limits)
            }
            Service::Visit(..) => (Script::Menu, Greeting::none(), office.visit_limits()),
        };
        let (context, menu, visitor) = match service {
            Service::Mailbox(mailbox) => (Some(mailbox.1), None, None),
            Service::Done => (None, None, None),
            Service::Reception(reception) => (None, Some(Box::new(Menu::of(reception))), None),
            Service::Visit(owner, proven, source) => {
                (None, Some(Box::new(Menu::of_mailboxes())), Some((owner, proven, source)))
            }
        };
        let params = SessionParams {
            id: token.0,
            offer: invite.has_body().then(|| invite.body()),
            ports: Arc::clone(&office.ports),
            script,
            greeting,
            limits,
            folder: office.directory.load().site.voicemail.recordings.clone(),
            context: serde_json::to_value(&context).expect("a context is plain data"),
        };
        let ctx = actix::Context::<Self>::new();
        let Opened { sdp, addr: media, .. } = MediaSession::start(params, ctx.address().recipient())?;
        let mut session = Self {
            port,
            desk,
            office: Arc::clone(office),
            token,
            dialog: Dialog::uas(&invite, &token.text()),
            peer: from,
            invite: (server, invite),
            media,
            context,
            menu,
            visitor,
            begun: false,
            renewed: None,
            ended: false,
        };
        session.peer = session.next_peer();
        let (server, invite) = (session.invite.0, Arc::clone(&session.invite.1));
        session.accept(server, &invite, from.address, &sdp);
        Ok(ctx.run(session))
    }

    fn next_peer(&self) -> Peer {
        let hop = self.dialog.as_ref().and_then(|dialog| self.port.peer(dialog.next_hop()));
        hop.filter(|hop| hop.transport == self.peer.transport).unwrap_or(self.peer)
    }

    pub(super) fn stand(&self) -> Stand<'_> {
        let sent_by = &self.port.listeners[usize::from(self.peer.listener)].sent_by;
        Stand { transport: self.peer.transport, sent_by, token: self.token, host: None, product: None }
    }

    /// 200 with our SDP.
    fn accept(&self, server: Token, request: &SipMessage, source: SocketAddr, sdp: &Bytes) {
        let mut draft = response(request, source, 200, phrase(200).as_bytes(), &self.token.text());
        draft.copy(request, Name::RecordRoute).header("Contact", &[&self.stand().contact()]);
        draft.header("Allow", &[ALLOW]).header("Content-Type", &[b"application/sdp"]);
        self.port.respond(server, 200, draft.body(sdp));
    }

    fn answer(&self, server: Token, request: &SipMessage, from: Peer, code: u16) {
        self.port.respond(server, code, plain_response(request, from.address, code, &self.token.text()));
    }

    /// Tells the call machine how far UM is.
    fn report(&mut self, phase: &'static [u8]) {
        let Some(dialog) = &mut self.dialog else { return };
        let mut draft = dialog.request(b"INFO");
        let peer = self.peer;
        self.port.ask(peer, Owner::Nobody, |branch| {
            self.port.via(&mut draft, &peer, branch);
            draft.header("Content-Type", &[UM_REPORT]);
            draft.body(phase)
        });
    }

    pub(super) fn bye(&mut self) {
        let Some(mut dialog) = self.dialog.take() else { return };
        let mut draft = dialog.request(b"BYE");
        let peer = self.peer;
        self.port.ask(peer, Owner::Nobody, |branch| {
            self.port.via(&mut draft, &peer, branch);
            draft.empty()
        });
    }

    fn requested(&mut self, server: Token, message: SipMessage, from: Peer, ctx: &mut Context<Self>) {
        let Some(dialog) = self.dialog.as_mut().filter(|dialog| dialog.owns(&message)) else {
            return self.answer(server, &message, from, 481);
        };
        if !dialog.in_order(&message) {
            return self.answer(server, &message, from, 500);
        }
        match message.method() {
            Some(Method::Bye) => self.hung_up(Some((server, message, from)), ctx),
            Some(Method::Invite) => {
                dialog.refresh_target(&message);
                self.peer = self.next_peer();
                self.renegotiate(server, message, from, ctx);
            }
            Some(Method::Info) => {
                self.answer(server, &message, from, 200);
                self.informed(&message);
            }
            Some(Method::Options) => self.answer(server, &message, from, 200),
            Some(Method::Notify) if self.menu.is_some() => {
                self.answer(server, &message, from, 200);
                self.notified(&message, ctx);
            }
            _ => {
                let mut draft =
                    response(&message, from.address, 405, phrase(405).as_bytes(), &self.token.text());
                draft.header("Allow", &[ALLOW]);
                self.port.respond(server, 405, draft.empty());
            }
        }
    }

    /// A re-INVITE: hold, resume, another address (RFC 3264 §8).
    fn renegotiate(&mut self, server: Token, message: SipMessage, from: Peer, ctx: &mut Context<Self>) {
        let offer = message.has_body().then(|| message.body());
        let offerless = offer.is_none();
        let sequence = message.cseq().map_or(0, |cseq| cseq.0);
        let reply = self.media.send(Renegotiate { offer });
        ctx.spawn(reply.into_actor(self).map(move |reply, session, ctx| {
            session.guarded(ctx, |session, _| match reply {
                Ok(Ok(sdp)) => {
                    session.renewed = Some((server, sequence, offerless));
                    session.accept(server, &message, from.address, &sdp);
                }
                Ok(Err(refusal)) => session.answer(server, &message, from, refusal.status()),
                Err(_) => session.answer(server, &message, from, 500),
            });
        }));
    }

    /// An ACK, for the INVITE or the latest re-INVITE by its CSeq number. A repeated one is nothing new: the greeting
    /// does not begin again, and nobody is told so.
    fn acknowledged(&mut self, ack: &SipMessage, ctx: &mut Context<Self>) {
        let body = ack.has_body().then(|| ack.body());
        let sequence = ack.cseq().map(|cseq| cseq.0);
        match self.renewed {
            Some((server, of, offerless)) if sequence == Some(of) => {
                self.renewed = None;
                self.port.acknowledged(server);
                if let Some(answer) = body.filter(|_| offerless) {
                    self.media.do_send(Accept { answer });
                }
            }
            _ if sequence != self.invite.1.cseq().map(|cseq| cseq.0) => {}
            _ => {
                self.port.acknowledged(self.invite.0);
                if !std::mem::replace(&mut self.begun, true) {
                    self.media.do_send(Begin { answer: body });
                    if self.context.is_some() {
                        self.report(b"greeting");
                    }
                    match self.visitor.take() {
                        Some(visitor) => self.visits(visitor, ctx),
                        None => self.menu_event(menu::Event::Begun, ctx),
                    }
                }
            }
        }
    }

    /// The call is over: the recording is made safe and its notice committed before a BYE is answered.
    pub(super) fn hung_up(&mut self, bye: Option<(Token, SipMessage, Peer)>, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.ended, true) {
            if let Some((server, message, from)) = bye {
                self.answer(server, &message, from, 200);
            }
            return;
        }
        let (media, office, context) = (self.media.clone(), Arc::clone(&self.office), self.context.clone());
        let told_it = async move {
            let recording = media.send(Close).await.ok().and_then(|closed| closed.recording);
            let items = context.map(|context| context.items(recording.as_ref())).unwrap_or_default();
            let safe = post(&office.outbox, items).await;
            if let (true, Some(recording)) = (safe, recording)
                && let Err(error) = told(&recording.path)
            {
                tracing::error!(%error, "A recording's note could not be removed");
            }
        };
        ctx.spawn(told_it.into_actor(self).map(move |(), session, ctx| {
            if let Some((server, message, from)) = bye {
                session.answer(server, &message, from, 200);
            }
            session.desk.forget(session.token);
            ctx.stop();
        }));
    }
}

impl Actor for UmSession {
    type Context = Context<Self>;
}

impl UmSession {
    /// Does `work`; a panic in it ends this session and no other (T39): what is recorded is kept and told.
    pub(super) fn guarded(
        &mut self,
        ctx: &mut Context<Self>,
        work: impl FnOnce(&mut Self, &mut Context<Self>),
    ) {
        let Err(fault) = caught(|| work(self, ctx)) else { return };
        tracing::error!(
            call = self.context.as_ref().map_or("", CallContext::call_id),
            fault,
            "A fault ends a call at UM"
        );
        let ended = caught(|| {
            self.bye();
            self.hung_up(None, ctx);
        });
        if ended.is_err() {
            self.desk.forget(self.token);
            ctx.stop();
        }
    }

    fn heard(&mut self, heard: Heard, ctx: &mut Context<Self>) {
        match heard {
            Heard::Request(server, message, from) => self.requested(server, message, from, ctx),
            Heard::Ack(ack) => self.acknowledged(&ack, ctx),
            Heard::Response(client, code) => self.answered(client, code, ctx),
            Heard::Gone => {
                self.bye();
                self.hung_up(None, ctx);
            }
        }
    }

    fn happened(&mut self, happened: Happened, ctx: &mut Context<Self>) {
        match happened {
            Happened::GreetingEnded => {}
            Happened::Taken(any) => self.menu_event(menu::Event::Taken(any), ctx),
            Happened::Pressed(key) => self.menu_event(menu::Event::Key(key.0), ctx),
            Happened::Played(reel) => self.played(reel, ctx),
            Happened::RecordingStarted => self.report(b"recording"),
            Happened::Finished(reason) => {
                tracing::debug!(?reason, "UM hangs up");
                self.bye();
                self.hung_up(None, ctx);
            }
        }
    }
}

impl Drop for UmSession {
    /// However it ended.
    fn drop(&mut self) {
        self.desk.forget(self.token);
    }
}

impl Handler<Heard> for UmSession {
    type Result = ();

    fn handle(&mut self, heard: Heard, ctx: &mut Context<Self>) {
        self.guarded(ctx, |session, ctx| session.heard(heard, ctx));
    }
}

impl Handler<MediaEvent> for UmSession {
    type Result = ();

    fn handle(&mut self, MediaEvent { happened, .. }: MediaEvent, ctx: &mut Context<Self>) {
        self.guarded(ctx, |session, ctx| session.happened(happened, ctx));
    }
}
