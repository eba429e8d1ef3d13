//! Transfers (RFC 3515, RFC 3891): this leg's peer refers the other party to somebody else, or is that other party.
//!
//! The transferred leg leaves its call for another: for a new one to whom it was referred to, which rings and goes to UM
//! as any call, or for the place of the referrer in one that is up. It comes back where the new call fails.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::prelude::*;
use ringpost::{
    call::{Event, Leg, Why, wire::max_forwards},
    directory::Origin,
    sip::{
        Message as SipMessage, Name,
        build::{Draft, phrase, response},
        dialog::Dialog,
        peer::Peer,
        refer::{Progress, Refer, SIPFRAG},
        relay::ALLOW,
        replaces::Replaces,
        token::Token,
        transaction::Owner,
    },
};

use super::{LegActor, Say};
use crate::call::{CallActor, Told, What};

/// What a transferred leg is to do.
pub struct Order {
    /// What the referrer asked for.
    pub refer: Refer,
    /// Who asked; `None`: a program, which hears of it otherwise.
    pub referrer: Option<Addr<LegActor>>,
    /// What the referrer may call.
    pub origin: Origin,
    /// What the transferred party takes along.
    pub arrival: Arrival,
    /// The INVITE of the call that it leaves: hops and loop marks go on from there.
    pub invite: Arc<SipMessage>,
    /// The transferred party, as From of the new call.
    pub who: Vec<u8>,
    /// The referrer, for Referred-By (RFC 3892).
    pub by: Vec<u8>,
}

/// What a party takes along into another call.
#[derive(Clone)]
pub struct Arrival {
    /// What it may call itself, whatever its new place may.
    pub origin: Origin,
    /// How often parties of its calls have been referred to others.
    pub transfers: usize,
    /// What the call is called by the program that has begun it.
    pub line: Option<Arc<str>>,
}

/// Who wants a place in another call.
pub struct Newcomer {
    /// Whose place.
    pub replaces: Replaces,
    /// The leg.
    pub leg: Addr<LegActor>,
    /// What its peer has said about media.
    pub heard: Arc<SipMessage>,
    /// What it takes along.
    pub arrival: Arrival,
}

/// A transferred leg until it talks with its new party.
pub(super) struct Moving {
    /// The call that it left, and as what, and who had it leave; `None` where only its party was exchanged.
    from: Option<(Addr<CallActor>, Leg, Option<Addr<LegActor>>)>,
    /// Our re-INVITE with the new party's media, its CSeq number and its tries.
    asking: Option<(Token, u32)>,
    tries: u8,
}

impl LegActor {
    /// The peer asks that the other party calls somebody else.
    pub(super) fn refers(&mut self, server: Token, request: &SipMessage, from: Peer) {
        match Refer::read(request) {
            Err(code) => self.answer(server, request, from, code),
            // One at a time: a second REFER would move a party that is on its way already.
            Ok(_) if self.referring.is_some() => self.answer(server, request, from, 491),
            Ok(refer) => {
                let mut draft =
                    response(request, from.address, 202, phrase(202).as_bytes(), &self.token.text());
                draft.header("Contact", &[&self.stand().contact()]);
                if !refer.notified {
                    draft.header("Refer-Sub", &[b"false"]);
                }
                self.port.respond(server, 202, draft.empty());
                self.referring = Some((refer.id, refer.notified));
                self.tell(What::Referred(Box::new(refer)));
            }
        }
    }

    /// Tells the peer how far the call is that it asked for.
    pub(super) fn notify(&mut self, code: u16) {
        let Some((id, notified)) = self.referring else { return };
        if code >= 200 {
            self.referring = None;
        }
        let Some(dialog) = self.dialog.as_mut().filter(|_| notified) else { return };
        let mut draft = dialog.request(b"NOTIFY");
        let (peer, contact) = (self.peer, self.stand().contact());
        let Progress { event, state, body } = Progress::of(id, code);
        self.port.ask(peer, Owner::Nobody, |branch| {
            self.port.via(&mut draft, &peer, branch);
            draft.header("Contact", &[&contact]).header("Event", &[event.as_bytes()]);
            draft.header("Subscription-State", &[state.as_bytes()]).header("Content-Type", &[SIPFRAG]);
            draft.body(body.as_bytes())
        });
    }

    /// Leaves this call for the one that it is referred to.
    pub(super) fn transfer(&mut self, order: Order, ctx: &mut Context<Self>) {
        let from = Some((self.call.clone(), self.leg, order.referrer.clone()));
        self.moving = Some(Moving { from, asking: None, tries: 0 });
        self.refuse_asked(ctx);
        if let Some(replaces) = order.refer.replaces {
            return self.seek_place(replaces, order.arrival, ctx);
        }
        let called = self.invitation(&order).ok_or(488).and_then(|invite| {
            self.switch.begin_transferred((order.origin, order.arrival), invite, ctx.address())
        });
        match called {
            Ok(call) => (self.call, self.leg) = (call, Leg::Caller),
            Err(code) => self.come_back(code, ctx),
        }
    }

    /// Asks for the place in another call, whichever lane that is on.
    fn seek_place(&mut self, replaces: Replaces, arrival: Arrival, ctx: &mut Context<Self>) {
        let Some(heard) = self.heard.clone() else { return self.come_back(488, ctx) };
        let sought = self.switch.seek(&replaces.to_tag);
        ctx.spawn(sought.into_actor(self).map(move |place, leg, ctx| {
            let newcomer = Newcomer { replaces, leg: ctx.address(), heard, arrival };
            match place {
                // It may have ended meanwhile.
                _ if leg.moving.is_none() => {}
                Some(place) => place.do_send(Say::GivePlace(Box::new(newcomer))),
                None => drop(leg.guarded(ctx, |leg, ctx| leg.come_back(481, ctx))),
            }
        }));
    }

    /// The INVITE that the peer would have sent to whom it is referred to; `None` where it never spoke of media.
    fn invitation(&self, order: &Order) -> Option<SipMessage> {
        let Order { refer, who, by, invite, .. } = order;
        let (heard, target) = (self.heard.as_ref()?, self.dialog.as_ref()?.target());
        let (uri, hops) = (&refer.uri, max_forwards(invite).saturating_sub(1).to_string());
        let name = Token(self.token.0 ^ u64::from(self.port.random())).text();
        let mut draft = Draft::request(b"INVITE", uri);
        draft.header("From", &[who]).header("To", &[b"<", uri, b">"]);
        draft.header("Call-ID", &[b"transfer-", &name]).header("CSeq", &[b"1 INVITE"]);
        draft.header("Max-Forwards", &[hops.as_bytes()]).header("Contact", &[b"<", target, b">"]);
        draft.copy(invite, Name::Loop).header("Referred-By", &[by]).copy(heard, Name::ContentType);
        SipMessage::read(draft.body(&heard.body())).ok()
    }

    /// The transfer has failed: the referrer hears why, and the peer is its party again.
    fn come_back(&mut self, code: u16, ctx: &mut Context<Self>) {
        let Some(Moving { from: Some((call, leg, referrer)), .. }) = self.moving.take() else { return };
        referrer.inspect(|referrer| referrer.do_send(Say::Notify(code)));
        if self.dialog.is_none() {
            return call.do_send(Told {
                leg,
                by: Some(self.token),
                what: What::Event(Event::HungUp(leg), None),
            });
        }
        // The new call says Leave once more, and means nobody any more.
        self.came_back = self.call != call;
        (self.call, self.leg) = (call.clone(), leg);
        let back = call.send(Told { leg, by: Some(self.token), what: What::Returned(ctx.address()) });
        ctx.spawn(back.into_actor(self).map(|taken, leg, ctx| {
            // The referrer has hung up meanwhile: nobody is left to talk to.
            if taken.is_err() {
                leg.bye(Why::Over, None);
                leg.go(ctx);
            }
        }));
    }

    /// Whether our re-INVITE on the way has no answer yet.
    pub(super) fn is_meeting(&self) -> bool {
        self.moving.as_ref().is_some_and(|moving| moving.asking.is_some())
    }

    /// What its new call tells a leg that is on its way.
    pub(super) fn say_moving(&mut self, say: Say, ctx: &mut Context<Self>) {
        match say {
            Say::Progress(code, _) => {
                if let Some((.., Some(referrer))) =
                    self.moving.as_ref().and_then(|moving| moving.from.as_ref())
                {
                    referrer.do_send(Say::Notify(code));
                }
            }
            Say::Answer(said) => {
                self.has_said(&said);
                self.meet();
            }
            Say::Refuse(said) => self.come_back(said.code().unwrap_or(480), ctx),
            Say::Reject(code) => self.come_back(code, ctx),
            // The new party hung up before we have met it.
            Say::Bye(why, said) => {
                self.arrive();
                self.bye(why, said);
            }
            say => self.say_settled(say, ctx),
        }
    }

    /// Has the peer talk with its new party: a re-INVITE with that one's media.
    fn meet(&mut self) {
        let (Some(said), Some(dialog)) = (self.said.clone(), &mut self.dialog) else { return self.fail() };
        let mut draft = dialog.request(b"INVITE");
        let sequence = dialog.local_seq();
        let (port, peer, contact) = (Rc::clone(&self.port), self.peer, self.stand().contact());
        let client = self.port.invite(peer, Owner::Leg(self.token), |branch| {
            port.via(&mut draft, &peer, branch);
            draft.header("Contact", &[&contact]).header("Allow", &[ALLOW]).copy(&said, Name::ContentType);
            draft.body(&said.body())
        });
        match (client, &mut self.moving) {
            (Some(client), Some(moving)) => moving.asking = Some((client, sequence)),
            (None, _) | (_, None) => self.fail(),
        }
    }

    /// Whether `client` is our re-INVITE on the way to the new party; its response is dealt with.
    pub(super) fn met(&mut self, client: Token, message: &SipMessage, ctx: &mut Context<Self>) -> bool {
        let Some(moving) = &mut self.moving else { return false };
        let Some((_, sequence)) = moving.asking.filter(|asking| asking.0 == client) else { return false };
        match message.code().unwrap_or(500) {
            ..200 => {}
            200..300 => {
                if let Some(dialog) = &mut self.dialog {
                    dialog.refresh_target(message);
                }
                self.follow_target(ctx);
                self.send_ack(client, sequence, None);
                self.hears(&Arc::new(message.clone()));
                self.arrive();
            }
            // Glare (RFC 3261 §14.1), or the peer is just busy with a request of its own.
            491 | 500 if moving.tries < 5 => {
                moving.tries += 1;
                moving.asking = None;
                ctx.run_later(Duration::from_millis(2_100), |leg, ctx| {
                    leg.guarded(ctx, |leg, _| {
                        if leg.moving.is_some() {
                            leg.meet();
                        }
                    });
                });
            }
            _ => self.fail(),
        }
        true
    }

    /// Whether our re-INVITE on the way has failed without any answer.
    pub(super) fn met_nobody(&mut self, client: Token) -> bool {
        let ours =
            self.moving.as_ref().and_then(|moving| moving.asking).is_some_and(|asking| asking.0 == client);
        if ours {
            self.fail();
        }
        ours
    }

    /// The peer will not talk with its new party: the new call ends.
    fn fail(&mut self) {
        self.arrive();
        self.tell(What::Event(Event::Lost(self.leg), None));
    }

    /// It belongs to the new call for good: the referrer's part is over.
    fn arrive(&mut self) {
        let Some(Moving { from: Some((call, leg, referrer)), .. }) = self.moving.take() else { return };
        referrer.inspect(|referrer| referrer.do_send(Say::Notify(200)));
        call.do_send(Told { leg, by: Some(self.token), what: What::Event(Event::HungUp(leg), None) });
    }

    /// Another leg is to take this one's place in its call.
    pub(super) fn give_place(&mut self, newcomer: Box<Newcomer>) {
        let named = |dialog: &Dialog| dialog.is_named(&newcomer.replaces) && !newcomer.replaces.early_only;
        match self.dialog.as_ref().is_some_and(named) {
            true => self.tell(What::GivesPlace(newcomer)),
            false => newcomer.leg.do_send(Say::NoPlace),
        }
    }

    /// The party of a leg that gave its place: its peer talks with somebody else from now on.
    pub(super) fn turn_to(&mut self, new: &Addr<Self>, place: Leg, heard: &Arc<SipMessage>) {
        let Some(own) = self.heard.clone() else { return new.do_send(Say::NoPlace) };
        new.do_send(Say::TakePlace(self.call.clone(), place, own));
        self.has_said(heard);
        self.moving = Some(Moving { from: None, asking: None, tries: 0 });
        self.meet();
    }

    /// The place in the other call is this leg's.
    pub(super) fn take_place(&mut self, call: Addr<CallActor>, place: Leg, said: &Arc<SipMessage>) {
        (self.call, self.leg) = (call, place);
        self.has_said(said);
        self.meet();
    }

    /// There is no such place.
    pub(super) fn no_place(&mut self, ctx: &mut Context<Self>) {
        self.come_back(481, ctx);
    }

    /// Keeps what the peer last said about media.
    pub(super) fn hears(&mut self, message: &Arc<SipMessage>) {
        if message.has_body() {
            self.heard = Some(Arc::clone(message));
        }
    }
}
