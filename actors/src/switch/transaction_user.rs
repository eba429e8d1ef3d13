//! What the port asks and tells the switch as its transaction user (RFC 3261 §5): whether a request may come in, and whose
//! a message is that has: a leg's, a subscription's, a program's that controls a telephone, or the start of a call.

use std::sync::Arc;

use actix::prelude::*;
use ringpost::{
    call::wire,
    directory::Origin,
    presence::subscription::ALLOW_EVENTS,
    sip::{
        Message as SipMessage, Method, Name,
        build::plain_response,
        peer::Peer,
        relay::{self, ALLOW, ALLOW_WITH_EVENTS, SUPPORTED},
        text::split_commas,
        token::Token,
        transaction::{News, Owner},
    },
};

use super::{Switch, call_log::RECORDS, registrations::REGISTERED};
use crate::{
    call::Rang,
    guard::{breakable, caught},
    leg::{LegActor, LegNews},
    port::{Alarm, Refusal, TransactionUser},
    presence::watchers::{KEEP, WATCH},
    rcc::dialogs::CONTROL,
};

/// What INVITEs may bring where there is remote call control.
const WITH_CSTA: &[u8] = b"application/sdp, application/csta+xml";

impl TransactionUser for Switch {
    fn admits(&self, request: &SipMessage, from: &Peer) -> Result<(), Refusal> {
        let method = request.method().unwrap_or(Method::Other);
        if request.to().is_some_and(|to| to.tag().is_some()) {
            return self.admits_inside(request);
        }
        let directory = self.shared.directory.load();
        if method == Method::Register && directory.door.is_some() {
            return self.admits_register(request, from);
        }
        let origin = match self.port.trunk(&directory, from) {
            Some(trunk) => Origin::Trunk(Arc::clone(trunk)),
            None => Origin::User(self.identify(&directory, request, from)?),
        };
        let required = relay::required(request);
        match method {
            Method::Invite | Method::Options if !required.is_empty() => {
                Err(Refusal::with(420, "Unsupported", &required))
            }
            Method::Invite => {
                self.admitted.set(Some(self.admits_invite(request, origin)?));
                Ok(())
            }
            // RFC 3891 §3.
            Method::Options if request.count(Name::Replaces) > 0 => {
                Err(Refusal { phrase: "Replaces Without INVITE", ..Refusal::plain(400) })
            }
            Method::Options if wire::max_forwards(request) == 0 && wire::dialled(request).is_some() => {
                Err(Refusal::plain(483))
            }
            Method::Options => Ok(()),
            Method::Subscribe | Method::Publish if self.shared.presence.is_on() => {
                self.admits_event(&required)?;
                self.asking.set(Some(origin));
                Ok(())
            }
            Method::Notify if self.watchers.takes_counts(&directory, &origin) => {
                self.admits_event(&required)?;
                self.asking.set(Some(origin));
                Ok(())
            }
            Method::Bye => Err(Refusal::plain(481)),
            Method::Other if Self::asks_location(request) => match &required[..] {
                b"" => Ok(()),
                required => Err(Refusal::with(420, "Unsupported", required)),
            },
            Method::Ack
            | Method::Cancel
            | Method::Info
            | Method::Update
            | Method::Message
            | Method::Register
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Refer
            | Method::Prack
            | Method::Other => Err(Refusal::with(405, "Allow", self.allow())),
        }
    }

    fn hears(&self, news: News) {
        match news {
            News::Request { server, message, from } if self.serves_event(&message) => {
                let served = caught(|| self.serves(server, &message, from));
                if let Err(fault) = served {
                    tracing::error!(fault, "A fault in Ringpost: a request about presence is answered 500");
                    // Where it was answered already, that answer stays.
                    let answer = plain_response(&message, from.address, 500, &server.text());
                    self.port.respond(server, 500, answer);
                }
            }
            News::Request { server, message, from } if self.gateways.has(&message) => {
                self.gateways.requested(server, message, from);
            }
            News::Request { server, message, from } if self.dialogs.has(&message) => {
                self.dialogs.inside(self, server, message, from);
            }
            News::Request { server, message, from } if self.passes_on(server, &message, from) => {}
            News::Request { server, message, from } if message.to().is_some_and(|to| to.tag().is_some()) => {
                self.give(self.leg_of(&message), LegNews::Request(server, message, from));
            }
            News::Request { server, message, from } => match message.method() {
                Some(Method::Invite) => self.begin(server, message, from),
                Some(Method::Register) => self.registers(server, &message, from),
                Some(Method::Other) => self.tells_location(server, &message, from),
                _ => self.options(server, &message, from),
            },
            News::Ack { message } if self.gateways.has(&message) => self.gateways.acknowledged(&message),
            News::Ack { message } if self.dialogs.has(&message) => self.dialogs.acknowledged(&message),
            News::Unacknowledged { owner: Owner::Control(tag) } => self.dialogs.unacknowledged(tag),
            News::Response { owner: Owner::Control(tag), client, message } => {
                let code = message.code().unwrap_or(500);
                if !self.gateways.answered(tag, client, code, Some(&message)) {
                    self.dialogs.answered(tag, code);
                }
            }
            News::Failed { owner: Owner::Control(tag), client, code } => {
                if !self.gateways.answered(tag, client, code, None) {
                    self.dialogs.answered(tag, code);
                }
            }
            News::Ack { message } => self.give(self.leg_of(&message), LegNews::Ack(message)),
            News::Cancelled { owner, message } => self.give(self.owner(owner), LegNews::Cancelled(message)),
            News::Unacknowledged { owner } => self.give(self.owner(owner), LegNews::Unacknowledged),
            News::Response { owner: Owner::Watch(tag), message, .. } => {
                self.watchers.answered(tag, message.code().unwrap_or(500), Some(&message));
            }
            News::Failed { owner: Owner::Watch(tag), code, .. } => self.watchers.answered(tag, code, None),
            News::Response { owner, client, message } => {
                self.give(self.owner(owner), LegNews::Response(client, message));
            }
            News::Failed { owner, client, code } => {
                self.give(self.owner(owner), LegNews::Failed(client, code))
            }
        }
    }

    fn keeps(&self, connection: u64) -> bool {
        self.shared.registrar.has_flow(connection)
    }

    fn closed(&self, connection: u64) {
        self.shared.registrar.flow_closed(connection);
    }

    fn rings(&self, alarm: Alarm) {
        if alarm.number == RECORDS {
            return self.ship_records();
        }
        if alarm.number == REGISTERED {
            return self.write_registrations();
        }
        if alarm.number == WATCH {
            return self.watchers.rings(alarm.owner.0);
        }
        if alarm.number == CONTROL {
            return self.dialogs.rings(alarm.owner.0);
        }
        if alarm.number == KEEP {
            return self.watchers.write();
        }
        if let Some(call) = self.calls.borrow().find(alarm.owner).cloned().flatten() {
            call.do_send(Rang(alarm.number));
        }
    }
}

impl Switch {
    /// SUBSCRIBE and PUBLISH, and counts of messages elsewhere.
    fn serves(&self, server: Token, message: &SipMessage, from: Peer) {
        breakable("requests about presence");
        let origin = self.asking.take();
        match (message.method(), origin) {
            (Some(Method::Publish), Some(origin)) => self.watchers.publish(server, message, from, &origin),
            (Some(Method::Notify), Some(origin)) => {
                self.watchers.counted_elsewhere(server, message, from, &origin);
            }
            (_, origin) => self.watchers.subscribe(server, message, from, origin),
        }
    }

    /// The leg that a request's To tag names.
    fn leg_of(&self, request: &SipMessage) -> Option<Addr<LegActor>> {
        self.leg(Token::read(request.to()?.tag()?)?)
    }

    /// A request inside a dialog needs a leg, and no extension that would not cross (RFC 3261 §8.2.2.3).
    fn admits_inside(&self, request: &SipMessage) -> Result<(), Refusal> {
        if request.method() == Some(Method::Subscribe) && self.watchers.has(request) {
            return Ok(());
        }
        if self.dialogs.has(request) || self.gateways.has(request) {
            return Ok(());
        }
        if let Some(has_room) = self.shared.presence.tickets.takes(request) {
            let busy = Refusal { only_new: true, ..Refusal::with(503, "Retry-After", b"2") };
            return if has_room { Ok(()) } else { Err(busy) };
        }
        if self.leg_of(request).is_none() {
            // A BYE that comes again finds its leg gone, but not its transaction.
            return Err(Refusal { only_new: true, ..Refusal::plain(481) });
        }
        match relay::required(request) {
            required if required.is_empty() => Ok(()),
            required => Err(Refusal::with(420, "Unsupported", &required)),
        }
    }

    /// Whether a NOTIFY was for one of our own subscriptions elsewhere.
    fn passes_on(&self, server: Token, message: &SipMessage, from: Peer) -> bool {
        let given = self.shared.presence.tickets.give((self.port.lane, server), message, from);
        if given == Some(false) {
            // Another lane has taken the last place.
            let phrase = ringpost::sip::build::phrase(503).as_bytes();
            let mut draft = ringpost::sip::build::response(message, from.address, 503, phrase, b"");
            draft.header("Retry-After", &[b"2"]);
            self.port.respond(server, 503, draft.empty());
        }
        given.is_some()
    }

    /// A SUBSCRIBE or PUBLISH may want what list subscriptions want (RFC 4662 §4).
    fn admits_event(&self, required: &[u8]) -> Result<(), Refusal> {
        let known: [&[u8]; 2] = [b"eventlist", b"recipient-list-subscribe"];
        let unknown =
            split_commas(required).any(|tag| !known.iter().any(|one| tag.eq_ignore_ascii_case(one)));
        if unknown { Err(Refusal::with(420, "Unsupported", required)) } else { Ok(()) }
    }

    /// Whether a request is about a subscription or publication: outside a dialog, or inside one of its own.
    fn serves_event(&self, request: &SipMessage) -> bool {
        match request.method() {
            Some(Method::Subscribe) if request.to().is_some_and(|to| to.tag().is_some()) => {
                self.watchers.has(request)
            }
            Some(Method::Subscribe | Method::Publish) => self.shared.presence.is_on(),
            Some(Method::Notify) => request.to().is_some_and(|to| to.tag().is_none()),
            _ => false,
        }
    }

    fn allow(&self) -> &'static [u8] {
        if self.shared.presence.is_on() { ALLOW_WITH_EVENTS } else { ALLOW }
    }

    /// Answers OPTIONS (RFC 3261 §11.2).
    fn options(&self, server: Token, request: &SipMessage, from: Peer) {
        let code = if self.draining.get() { 503 } else { 200 };
        let phrase = ringpost::sip::build::phrase(code).as_bytes();
        let mut draft = ringpost::sip::build::response(request, from.address, code, phrase, &server.text());
        draft.header("Allow", &[self.allow()]).header("Supported", &[SUPPORTED]).header(
            "Accept",
            &[if self.directory().site.rcc.enabled { WITH_CSTA } else { b"application/sdp" }],
        );
        if self.shared.presence.is_on() {
            draft.header("Allow-Events", &[ALLOW_EVENTS]);
        }
        self.port.respond(server, code, draft.empty());
    }

    /// Sends news to a leg; a request whose leg has gone is answered here.
    fn give(&self, leg: Option<Addr<LegActor>>, news: LegNews) {
        match (leg, news) {
            (Some(leg), news) => leg.do_send(news),
            (None, LegNews::Request(server, request, from)) => {
                let tag = server.text();
                let gone = ringpost::sip::build::plain_response(&request, from.address, 481, &tag);
                self.port.respond(server, 481, gone);
            }
            (None, _) => {}
        }
    }

    fn owner(&self, owner: Owner) -> Option<Addr<LegActor>> {
        match owner {
            Owner::Leg(token) => self.leg(token),
            Owner::Errand(_) | Owner::Watch(_) | Owner::Control(_) | Owner::Nobody => None,
        }
    }
}
