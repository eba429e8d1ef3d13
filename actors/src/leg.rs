//! One leg of a call: its INVITE and its dialog; what is asked inside it is in `inside`, its end in `ending`.

mod asked;
mod called;
mod early;
mod ending;
mod further;
mod inside;
mod reliable;
mod replaced;
mod session;
mod transfer;
mod trunk;
mod words;

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use actix::prelude::*;
use ringpost::{
    call::{Leg, Why, wire},
    sip::{Message as SipMessage, dialog::Dialog, peer::Peer, relay, token::Token},
};

use self::{
    early::Early,
    further::Further,
    inside::{Asked, Passed},
    reliable::Provisionals,
    session::Timed,
    transfer::Moving,
    trunk::ToTrunk,
};
pub use self::{
    replaced::{Named, Place},
    transfer::{Arrival, Newcomer, Order},
    trunk::Hurry,
    words::{LegNews, Say},
};
use crate::{
    call::{Broken, CallActor, Told, What},
    guard::caught,
    port::Port,
    switch::Switch,
};

/// The actor of one leg.
pub struct LegActor {
    port: Rc<Port>,
    switch: Rc<Switch>,
    call: Addr<CallActor>,
    leg: Leg,
    token: Token,
    peer: Peer,
    side: Side,
    dialog: Option<Dialog>,
    /// Our requests inside the dialog that carry one of the other leg; a re-INVITE until its ACK.
    passed: Vec<Passed>,
    /// The peer's requests inside the dialog that the other leg's peer has not answered yet; a re-INVITE until its ACK.
    asked: Vec<Asked>,
    /// What the peer was last told about media; a refresh may have to repeat it.
    said: Option<Arc<SipMessage>>,
    /// What the peer last said about media.
    heard: Option<Arc<SipMessage>>,
    /// The number of the REFER that the peer is told of, and whether it is.
    referring: Option<(u32, bool)>,
    /// On the way to another party.
    moving: Option<Moving>,
    came_back: bool,
    /// The session timer, where one was agreed.
    timed: Option<Timed>,
    /// Whether the peer takes UPDATE.
    updates: bool,
    /// Reliable provisional responses to the caller, where there are any.
    provisionals: Option<Box<Provisionals>>,
    /// Early dialogs with a device that sends them.
    early: Vec<Early>,
    /// Its INVITE has no offer, and the device's may come in a reliable 18x.
    relays_offer: bool,
    /// The early dialog with a caller that may send or get an UPDATE.
    own_early: Option<Box<Dialog>>,
    /// What names the early dialog with a device that rings.
    rang: Option<Arc<SipMessage>>,
    /// The early dialog in which the device was asked to answer.
    rung: Option<Box<Dialog>>,
    /// Its INVITE wants the place of another leg, and has no answer yet.
    claiming: bool,
    leaving: bool,
    /// The CSeq number of our INVITE.
    sequence: u32,
    /// What a leg to a trunk has besides.
    trunk: Option<Box<ToTrunk>>,
    /// Where else its INVITE goes, where its URI leads to several servers.
    further: Option<Box<Further>>,
}

/// Which end of the INVITE we are.
enum Side {
    /// The peer called us.
    Caller {
        server: Token,
        invite: Arc<SipMessage>,
        source: SocketAddr,
        answered: bool,
        acked: bool,
        bye: Option<(Why, Option<Arc<SipMessage>>)>,
    },
    /// We call the peer; `cancelled` is why we took the INVITE back, if we did.
    Called { client: Token, offered: bool, answered: bool, acked: bool, cancelled: Why },
}

impl LegActor {
    /// The leg of an INVITE that came in.
    pub fn caller(
        (port, switch): (Rc<Port>, Rc<Switch>),
        call: Addr<CallActor>,
        token: Token,
        (server, invite, peer): (Token, Arc<SipMessage>, Peer),
    ) -> Self {
        let source = peer.address;
        let heard = invite.has_body().then(|| Arc::clone(&invite));
        let side = Side::Caller { server, invite, source, answered: false, acked: false, bye: None };
        let mut leg = Self::new((port, switch), call, (Leg::Caller, token), peer, side);
        leg.heard = heard;
        leg
    }

    /// The leg of an INVITE that went out, made of the `original`.
    pub fn called(
        (port, switch): (Rc<Port>, Rc<Switch>),
        call: Addr<CallActor>,
        (leg, token): (Leg, Token),
        (client, peer, original): (Token, Peer, &Arc<SipMessage>),
    ) -> Self {
        let offered = original.has_body();
        let side = Side::Called { client, offered, answered: false, acked: false, cancelled: Why::Over };
        let mut leg = Self::new((port, switch), call, (leg, token), peer, side);
        leg.has_said(original);
        leg
    }

    /// Its INVITE carries an offer of our own, whatever the caller's has.
    pub fn asks(&mut self) {
        if let Side::Called { offered, .. } = &mut self.side {
            *offered = true;
        }
        self.said = None;
    }

    fn new(
        (port, switch): (Rc<Port>, Rc<Switch>),
        call: Addr<CallActor>,
        (leg, token): (Leg, Token),
        peer: Peer,
        side: Side,
    ) -> Self {
        Self {
            port,
            switch,
            call,
            leg,
            token,
            peer,
            side,
            dialog: None,
            passed: vec![],
            asked: vec![],
            said: None,
            heard: None,
            referring: None,
            moving: None,
            came_back: false,
            timed: None,
            updates: false,
            provisionals: None,
            early: vec![],
            relays_offer: false,
            own_early: None,
            rang: None,
            rung: None,
            claiming: false,
            leaving: false,
            sequence: 1,
            trunk: None,
            further: None,
        }
    }

    fn tell(&self, what: What) {
        self.call.do_send(Told { leg: self.leg, by: Some(self.token), what });
    }

    fn stand(&self) -> wire::Stand<'_> {
        let sent_by = &self.port.listeners[usize::from(self.peer.listener)].sent_by;
        let host = self.trunk.as_deref().and_then(ToTrunk::host);
        wire::Stand {
            transport: self.peer.transport,
            sent_by,
            token: self.token,
            host,
            product: self.port.product(),
        }
    }

    /// The peer takes back its INVITE, or a re-INVITE.
    fn cancelled(&mut self, cancel: &SipMessage) {
        match self.asked_as(cancel.cseq().map_or(0, |cseq| cseq.0)) {
            Some(server) => self.tell(What::Withdrawn(server)),
            None => self.gives_up(relay::answered_elsewhere(cancel), Some(cancel)),
        }
    }

    fn acknowledged(&mut self, message: SipMessage) {
        let Some((sequence, _)) = message.cseq() else { return };
        let message = Arc::new(message);
        self.hears(&message);
        match &mut self.side {
            Side::Caller { server, invite, answered: true, acked, bye, .. }
                if invite.cseq().is_some_and(|own| own.0 == sequence) =>
            {
                let first = !std::mem::replace(acked, true);
                self.port.acknowledged(*server);
                let bye = bye.take();
                if first {
                    self.tell(What::Acknowledged(None, message));
                }
                if let Some((why, said)) = bye {
                    self.bye(why, said);
                }
            }
            Side::Caller { .. } | Side::Called { .. } => self.acknowledged_inside(sequence, message),
        }
    }

    fn hear(&mut self, news: LegNews, ctx: &mut Context<Self>) {
        match news {
            LegNews::Response(client, message) => self.responded(client, message, ctx),
            LegNews::Failed(client, code) => self.failed(client, code, ctx),
            LegNews::Request(server, message, from) => self.requested(server, message, from, ctx),
            LegNews::Ack(message) => self.acknowledged(message),
            LegNews::Cancelled(message) => self.cancelled(&message),
            LegNews::Unacknowledged => self.unacknowledged(),
        }
    }

    fn say(&mut self, say: Say, ctx: &mut Context<Self>) {
        match self.moving {
            Some(_) => self.say_moving(say, ctx),
            None => self.say_settled(say, ctx),
        }
    }

    fn say_settled(&mut self, say: Say, ctx: &mut Context<Self>) {
        match say {
            Say::Progress(code, said) => self.progress(code, said, ctx),
            Say::Answer(said) => self.accept(&said, ctx),
            Say::Refuse(said) => self.refuse(said.code().unwrap_or(480), Some(&said)),
            Say::Reject(code) => self.refuse(code, None),
            Say::Overdue => self.overdue(ctx),
            Say::Cancel(why) => {
                if let Side::Called { client, cancelled, .. } = &mut self.side {
                    *cancelled = why;
                    self.port.cancel(*client, why.reason());
                    self.further = None;
                    if let Some(trunk) = &mut self.trunk {
                        trunk.taken_back();
                    }
                }
            }
            Say::Bye(why, said) => self.bye(why, said),
            Say::Acknowledge(None, ack) => {
                if let Side::Called { client, acked: acked @ false, .. } = &mut self.side {
                    *acked = true;
                    let client = *client;
                    self.send_ack(client, self.sequence, Some(&ack));
                }
            }
            Say::Acknowledge(Some(server), ack) => self.acknowledge_passed(server, &ack),
            Say::Pass(server, message, passport) => self.pass(server, &message, passport),
            Say::Prack(prack) => self.prack_with(&prack),
            Say::Withdraw(server) => self.withdraw(server),
            Say::Reply(server, said) => self.reply(server, said.code().unwrap_or(500), Some(&said), ctx),
            Say::Deny(server, code) => self.reply(server, code, None, ctx),
            Say::Transfer(order) => self.transfer(*order, ctx),
            Say::Notify(code) => self.notify(code),
            Say::Ask(package) => self.ask_telephone(package),
            Say::GivePlace(newcomer) => self.give_place(newcomer),
            Say::TurnTo(new, place, heard) => self.turn_to(&new, place, &heard),
            Say::TakePlace(call, place, said) => self.take_place(call, place, &said),
            Say::NoPlace => self.no_place(ctx),
            Say::Leave => self.go(ctx),
        }
    }

    fn respond(&self, code: u16, said: Option<&SipMessage>, own: &[u8]) {
        if let Side::Caller { server, invite, source, .. } = &self.side {
            let bytes = wire::upstream(invite, *source, &self.stand(), code, said, own);
            self.port.respond(*server, code, bytes);
        }
    }

    fn accept(&mut self, said: &Arc<SipMessage>, ctx: &mut Context<Self>) {
        if self.holds(said, ctx) {
            return;
        }
        let tag = self.token.text();
        let Side::Caller { invite, answered, .. } = &mut self.side else { return };
        self.dialog = Dialog::uas(invite, &tag);
        if let (Some(dialog), Some(early)) = (&mut self.dialog, self.own_early.take()) {
            dialog.count_on(&early);
        }
        *answered = true;
        self.claiming = false;
        let invite = Arc::clone(invite);
        let lines = self.session_lines(&invite, ctx);
        self.respond(said.code().unwrap_or(200), Some(said), &lines);
        self.has_said(said);
        self.follow_target(ctx);
    }

    /// Does `work`; a panic in it ends this leg's call and no other (T39). True where there was none.
    fn guarded(&mut self, ctx: &mut Context<Self>, work: impl FnOnce(&mut Self, &mut Context<Self>)) -> bool {
        let done = caught(|| work(self, ctx));
        if let Err(fault) = done {
            self.call.do_send(Broken { leg: Some(self.leg), fault });
        }
        done.is_ok()
    }
}

impl Actor for LegActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if self.trunk.is_some() || self.further.is_some() {
            self.watch(ctx);
        }
        if let Some(limit) = self.trunk.as_deref().and_then(ToTrunk::until_it_rings) {
            ctx.run_later(limit, |leg, ctx| {
                leg.guarded(ctx, |leg, _| leg.never_rang());
            });
        }
    }
}

impl Drop for LegActor {
    /// However it ended.
    fn drop(&mut self) {
        self.switch.forget_leg(self.token);
    }
}

impl Handler<LegNews> for LegActor {
    type Result = ();

    fn handle(&mut self, news: LegNews, ctx: &mut Context<Self>) {
        self.guarded(ctx, |leg, ctx| leg.hear(news, ctx));
        if self.leaving {
            self.go(ctx);
        }
    }
}

impl Handler<Say> for LegActor {
    type Result = ();

    fn handle(&mut self, say: Say, ctx: &mut Context<Self>) {
        match say {
            Say::Leave if std::mem::take(&mut self.came_back) => {}
            Say::Leave => self.go(ctx),
            say => drop(self.guarded(ctx, |leg, ctx| leg.say(say, ctx))),
        }
    }
}

#[cfg(test)]
impl Handler<crate::guard::Break> for LegActor {
    type Result = ();

    fn handle(&mut self, _: crate::guard::Break, ctx: &mut Context<Self>) {
        self.guarded(ctx, |_, _| panic!("broken by the test"));
    }
}
