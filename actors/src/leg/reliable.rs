//! Our reliable provisional responses (RFC 3262), to a caller that wants them and for a re-INVITE that wants them; those of
//! a device are in `early`.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use bytes::Bytes;
use ringpost::{
    call::{Event, wire},
    sip::{
        Message as SipMessage,
        dialog::Dialog,
        peer::Peer,
        relay,
        reliable::{self, Due, RAck, Sender, Wish},
        token::Token,
        transaction::Owner,
    },
};

use super::{LegActor, Side};
use crate::{call::What, switch::Switch};

/// What a caller hears besides that Ringpost is too busy for its call.
const RETRY_LATER: &[u8] = b"Retry-After: 5\r\n";

/// Our reliable provisional responses to an INVITE of the peer's.
pub(super) struct Provisionals {
    to: Asker,
    sender: Sender<(u16, Option<Arc<SipMessage>>)>,
    /// The latest, to be sent again.
    latest: (u16, Bytes),
    timer: Option<SpawnHandle>,
    /// Whose SDP the caller has as the answer to its offer: none other can follow in this dialog.
    answer: Option<Arc<SipMessage>>,
    /// Where that was an offer: whether a PRACK has answered it.
    answered: bool,
    /// The answer to the INVITE waits for the PRACK (§3).
    held: Option<Arc<SipMessage>>,
    /// No PRACK came.
    lost: bool,
    /// The name that the leg had before it was answered in a dialog of its own.
    former: Option<Former>,
}

/// The INVITE that they are responses to.
struct Asker {
    server: Token,
    invite: Arc<SipMessage>,
    source: SocketAddr,
    /// A re-INVITE.
    inside: bool,
}

/// A further name of a leg, until it ends.
struct Former(Rc<Switch>, Token);

impl Drop for Former {
    fn drop(&mut self) {
        self.0.forget_leg(self.1);
    }
}

fn has_body(said: &Option<Arc<SipMessage>>) -> bool {
    said.as_ref().is_some_and(|said| said.has_body())
}

fn of_one_dialog(one: &SipMessage, other: &SipMessage) -> bool {
    let tag = |message: &SipMessage| message.to().and_then(|to| to.tag()).map(<[u8]>::to_vec);
    one.call_id() == other.call_id() && tag(one) == tag(other)
}

impl LegActor {
    /// Tells the caller how far its call is: reliably where it takes nothing else, or where early media hangs on it.
    pub(super) fn progress(&mut self, code: u16, said: Option<Arc<SipMessage>>, ctx: &mut Context<Self>) {
        let Side::Caller { invite, server, source, .. } = &self.side else { return };
        // Only a leg that may relay an offer has listened to a reliable one.
        let relayed = said.as_ref().is_some_and(|said| reliable::rseq(said).is_some());
        let reliably = match Wish::of(invite) {
            Wish::None => false,
            Wish::Able => (invite.has_body() || relayed) && has_body(&said),
            Wish::Must => true,
        };
        if !reliably {
            return self.respond(code, said.as_deref(), b"");
        }
        // To a caller without an offer it would be one, and only a device that sent it reliably waits for the answer.
        let said = said.filter(|said| invite.has_body() || relayed || !said.has_body());
        let to = Asker { server: *server, invite: Arc::clone(invite), source: *source, inside: false };
        self.push_provisional(to, (code, said), ctx);
    }

    /// Tells the peer, which takes nothing else, reliably how far its re-INVITE is; the SDP is left to the answer.
    pub(super) fn progress_inside(
        &mut self,
        (server, invite, source): (Token, Arc<SipMessage>, SocketAddr),
        code: u16,
        ctx: &mut Context<Self>,
    ) {
        self.push_provisional(Asker { server, invite, source, inside: true }, (code, None), ctx);
    }

    fn push_provisional(&mut self, to: Asker, what: (u16, Option<Arc<SipMessage>>), ctx: &mut Context<Self>) {
        if self.provisionals.as_ref().is_none_or(|provisionals| provisionals.to.server != to.server) {
            let sequence = to.invite.cseq().map_or(0, |cseq| cseq.0);
            let old = self.provisionals.take();
            self.provisionals = Some(Box::new(Provisionals {
                to,
                sender: Sender::new(sequence, self.port.random()),
                latest: (what.0, Bytes::new()),
                timer: None,
                answer: None,
                answered: false,
                held: None,
                lost: false,
                former: old.and_then(|old| old.former),
            }));
        }
        if let Some(provisionals) = &mut self.provisionals {
            provisionals.sender.push(what);
        }
        self.send_provisional(ctx);
    }

    /// A re-INVITE has its final response.
    pub(super) fn finish_inside(&mut self, server: Token) {
        if let Some(provisionals) = self.provisionals.as_mut().filter(|p| p.to.server == server) {
            provisionals.sender.finish();
        }
    }

    /// Sends the next one, where none is open.
    fn send_provisional(&mut self, ctx: &mut Context<Self>) {
        let now = self.port.now();
        let Some(provisionals) = &mut self.provisionals else { return };
        let Some((rseq, (code, mut said))) = provisionals.sender.next(now) else { return };
        if has_body(&said) {
            let first = provisionals.answer.get_or_insert_with(|| Arc::clone(said.as_ref().expect("a body")));
            // Another device's media: the caller could not tell whose it follows.
            said = said.filter(|said| of_one_dialog(first, said));
        }
        let (server, invite, source) =
            (provisionals.to.server, Arc::clone(&provisionals.to.invite), provisionals.to.source);
        let lines = reliable::lines(rseq);
        let bytes = wire::upstream(&invite, source, &self.stand(), code, said.as_deref(), &lines);
        self.port.respond(server, code, bytes.clone());
        if let Some(provisionals) = &mut self.provisionals {
            provisionals.latest = (code, bytes);
        }
        self.look(ctx);
    }

    /// Sends the open one again where that is due, and looks again later.
    fn look(&mut self, ctx: &mut Context<Self>) {
        let now = self.port.now();
        let Some(provisionals) = &mut self.provisionals else { return };
        let wait = match provisionals.sender.due(now) {
            Due::Nothing => return,
            Due::In(wait) => wait,
            Due::Again(wait) => {
                let (code, bytes) = provisionals.latest.clone();
                self.port.respond(provisionals.to.server, code, bytes);
                wait
            }
            Due::Lost => return self.never_acknowledged(ctx),
        };
        if let Some(old) = provisionals.timer.take() {
            ctx.cancel_future(old);
        }
        provisionals.timer = Some(ctx.run_later(Duration::from_millis(wait), |leg, ctx| {
            leg.guarded(ctx, |leg, ctx| leg.look(ctx));
        }));
    }

    /// No PRACK within 64*T1: the caller has gone, whatever it is told (504).
    fn never_acknowledged(&mut self, ctx: &mut Context<Self>) {
        tracing::debug!("No PRACK came for a reliable provisional response");
        let Some(provisionals) = &mut self.provisionals else { return };
        provisionals.lost = true;
        match (provisionals.to.inside, provisionals.to.server) {
            (true, server) => {
                provisionals.sender.finish();
                self.tell(What::Withdrawn(server));
                self.reply(server, 504, None, ctx);
            }
            (false, _) => self.gives_up(false, None),
        }
    }

    /// The caller gives up; where its answer still waited for the PRACK, the call was up for everybody else.
    pub(super) fn gives_up(&mut self, elsewhere: bool, said: Option<&SipMessage>) {
        if let (true, Side::Caller { server, .. }) = (self.claiming, &self.side) {
            return self.tell(What::Withdrawn(*server));
        }
        let event =
            if self.drops_answer(487) { Event::HungUp(self.leg) } else { Event::GaveUp { elsewhere } };
        // The call has a use for the request only where it says more than that.
        let more =
            |said: &&SipMessage| matches!(event, Event::GaveUp { .. }) && relay::rejected_as_spam(said);
        self.tell(What::Event(event, said.filter(more).map(|said| Arc::new(said.clone()))));
    }

    /// Refuses the INVITE.
    pub(super) fn refuse(&mut self, code: u16, said: Option<&SipMessage>) {
        let (code, said) = match &mut self.provisionals {
            Some(provisionals) => {
                provisionals.sender.finish();
                if provisionals.lost { (504, None) } else { (code, said) }
            }
            None => (code, said),
        };
        let own = if code == 503 && said.is_none() { RETRY_LATER } else { b"" };
        self.respond(code, said, own);
    }

    /// Whether there was an answer that still waited for the PRACK; the INVITE is refused instead.
    pub(super) fn drops_answer(&mut self, code: u16) -> bool {
        let held = self.provisionals.as_mut().and_then(|provisionals| provisionals.held.take());
        if held.is_some() {
            self.refuse(code, None);
        }
        held.is_some()
    }

    /// A PRACK of the caller. The answer to a device's offer goes there; an offer goes there by UPDATE.
    pub(super) fn pracked(&mut self, server: Token, prack: &SipMessage, from: Peer, ctx: &mut Context<Self>) {
        let taken = self.provisionals.as_mut().is_some_and(|p| p.sender.acknowledge(RAck::read(prack)));
        let Some(provisionals) = self.provisionals.as_mut().filter(|_| taken) else {
            return self.answer(server, prack, from, 481);
        };
        let waits = !provisionals.to.invite.has_body() && provisionals.answer.is_some();
        match prack.has_body() {
            true if waits && !std::mem::replace(&mut provisionals.answered, true) => {
                self.answer(server, prack, from, 200);
                let prack = Arc::new(prack.clone());
                self.hears(&prack);
                self.tell(What::Pracked(prack));
            }
            true => self.hand_on(server, prack.clone(), from),
            false => self.answer(server, prack, from, 200),
        }
        match self.provisionals.as_mut().and_then(|provisionals| provisionals.held.take()) {
            Some(said) => self.accept(&said, ctx),
            None => self.send_provisional(ctx),
        }
    }

    /// Whether the answer has to wait for the PRACK of an 18x with SDP. The answer of another device than the one whose
    /// SDP the caller has makes a dialog of its own, as if a proxy had forked: in the old one its SDP would count for
    /// nothing (RFC 3261 §13.2.1).
    pub(super) fn holds(&mut self, said: &Arc<SipMessage>, ctx: &mut Context<Self>) -> bool {
        let Some(provisionals) = &mut self.provisionals else { return false };
        let same = provisionals.answer.as_ref().map(|first| of_one_dialog(first, said));
        if provisionals.sender.is_open() && same == Some(true) {
            provisionals.held = Some(Arc::clone(said));
            return true;
        }
        provisionals.sender.finish();
        if same == Some(false) {
            let mut name = None;
            self.switch.new_leg(|token| {
                name = Some(token);
                Some(ctx.address())
            });
            if let (Some(name), Side::Caller { server, .. }) = (name, &self.side) {
                self.port.adopt(*server, Owner::Leg(name));
                let former = std::mem::replace(&mut self.token, name);
                provisionals.former = Some(Former(Rc::clone(&self.switch), former));
            }
        }
        false
    }

    /// The early dialog with the caller, once it has acknowledged a device's SDP.
    pub(super) fn settled_caller(&mut self) -> Option<&mut Dialog> {
        let Side::Caller { invite, answered: false, .. } = &self.side else { return None };
        let provisionals = self.provisionals.as_ref()?;
        if provisionals.answer.is_none() || provisionals.sender.is_open() {
            return None;
        }
        if self.own_early.is_none() {
            self.own_early = Dialog::uas(invite, &self.token.text()).map(Box::new);
        }
        self.own_early.as_deref_mut()
    }
}
