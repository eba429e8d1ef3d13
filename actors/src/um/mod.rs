//! Ringpost's own Unified Messaging: a SIP user agent with a port of its own, which the call machine cannot tell from
//! any other UM.

mod locked;
mod menu;
mod office;
mod owner;
mod session;
mod telling;

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    address::UserClass,
    call::{Outcome, wire},
    notify::{Kind, MissedCall, Notice},
    settings::User,
    sip::{
        Message as SipMessage, Method, Name,
        build::{phrase, plain_response, response},
        peer::Peer,
        relay,
        token::{Table, Token},
        transaction::{News, Owner},
        uri::{NameAddr, Uri},
    },
    um::notification::{self, MEDIA_TYPE, Notification},
};

use crate::{
    guard::caught,
    metrics::METRICS,
    port::{Alarm, Port, Refusal, TransactionUser},
};
pub use office::Office;
use session::{Heard, Service, UmSession};
pub use telling::{Context, tell_recovered};
use telling::{post, told_by};

/// What the desk takes besides missed-call INFO.
const ALLOW: &[u8] = b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO";

/// The user part of the desk that only says that a feature code is taken.
pub const DONE: &str = "done";

/// The user part of the desk with the mailboxes; `target` (RFC 4458) is whose phone it is, `proven` says that its device has
/// shown so.
pub const MAILBOX: &str = "mailbox";

/// Who calls the mailboxes without a number that may be shown.
const ANONYMOUS: &str = "anonymous";

/// The desk: takes calls and notifications.
pub struct Desk {
    this: Weak<Desk>,
    port: Rc<Port>,
    office: Arc<Office>,
    sessions: RefCell<Table<Option<Addr<UmSession>>>>,
}

impl Desk {
    /// A desk behind that port.
    pub fn new(port: Rc<Port>, office: Arc<Office>) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            port,
            office,
            sessions: RefCell::new(Table::new(0)),
        })
    }

    /// The session has gone.
    fn forget(&self, session: Token) {
        self.sessions.borrow_mut().remove(session);
    }

    fn session(&self, token: Token) -> Option<Addr<UmSession>> {
        self.sessions.borrow().find(token).cloned().flatten()
    }

    fn of_request(&self, request: &SipMessage) -> Option<Addr<UmSession>> {
        self.session(Token::read(request.to()?.tag()?)?)
    }

    /// Whose mailbox a call is for: the last diverting user, else `target=` (RFC 4458), else who is called.
    fn mailbox(&self, invite: &SipMessage) -> Option<User> {
        let directory = self.office.directory.load();
        let find = |uri: &[u8]| {
            let user = Uri::read(uri)?.number()?;
            directory.user(&user).map(|user| User::clone(user))
        };
        let diverted = invite.list(Name::Diversion).next().and_then(NameAddr::read).and_then(|d| find(d.uri));
        let target = Uri::read(invite.uri()).and_then(|uri| {
            let target = String::from_utf8_lossy(uri.param("target")?).replace("%40", "@");
            find(format!("sip:{target}").as_bytes())
        });
        diverted.or(target).or_else(|| invite.to().and_then(|to| find(to.uri))).or_else(|| find(invite.uri()))
    }

    /// Whose phone calls the mailboxes, and whether its device has shown so.
    fn visitor(&self, invite: &SipMessage) -> (Option<Arc<User>>, bool) {
        let uri = Uri::read(invite.uri());
        let target = uri.as_ref().and_then(|uri| uri.param("target")).map(String::from_utf8_lossy);
        let address = target.map(|target| format!("sip:{}", target.replace("%40", "@")));
        let owner = address.and_then(|address| self.office.directory.load().of_address(&address).cloned());
        let proven = uri.is_some_and(|uri| uri.param("proven").is_some());
        (owner, proven)
    }

    fn context(&self, invite: &SipMessage, user: &User) -> Context {
        let history = wire::History::read(invite);
        let filter = history.as_ref().and_then(|history| history.filter);
        let call_id = String::from_utf8_lossy(invite.call_id()).into_owned();
        let came_in = history.as_ref().and_then(|h| Timestamp::from_millisecond(h.came_in).ok());
        let directory = self.office.directory.load();
        let caller = self.office.named(wire::caller(invite, true), user);
        let call = MissedCall {
            caller,
            came_in: came_in.unwrap_or_else(Timestamp::now),
            rang_for: history.as_ref().map_or(Duration::ZERO, |h| h.rang_for),
            call_id: history.map_or(call_id, |h| h.call_id),
            outcome: Outcome::GaveUpInGreeting,
            talked: None,
            called: None,
        };
        let notice = Notice::of(user, Kind::Missed, call);
        let wish = directory.wish(user, &notice, notice.came_in);
        let class = if self.office.policies.is_silent(user) { UserClass::Off } else { user.missed_calls };
        let (class, channels, notices) = (class, user.channels.clone(), Arc::clone(&user.notices));
        let urgent = is_urgent(invite);
        Context { notice, class, filter, urgent, channels, wish, notices }
    }

    fn begin(&self, server: Token, invite: SipMessage, from: Peer) {
        let desk = Uri::read(invite.uri()).and_then(|uri| uri.bare_user().map(String::from_utf8_lossy));
        if desk.as_deref() == Some(DONE) {
            return self.welcome(server, invite, from, Service::Done);
        }
        if desk.as_deref() == Some(MAILBOX) {
            let (owner, proven) = self.visitor(&invite);
            let caller = wire::caller(&invite, true);
            let source = caller.number.filter(|_| !caller.private).unwrap_or_else(|| ANONYMOUS.to_owned());
            METRICS.mailbox_visits_total.one();
            return self.welcome(server, invite, from, Service::Visit(owner, proven, source));
        }
        if let Some(reception) = desk.and_then(|desk| self.office.directory.load().reception(&desk).cloned())
        {
            METRICS.attendant_calls_total.one();
            return self.welcome(server, invite, from, Service::Reception(reception));
        }
        let Some(user) = self.mailbox(&invite) else { return self.answer(server, &invite, from, 404) };
        let context = self.context(&invite, &user);
        self.welcome(server, invite, from, Service::Mailbox(Box::new((user, context))));
    }

    /// Starts a session.
    fn welcome(&self, server: Token, invite: SipMessage, from: Peer, service: Service) {
        let Some(token) = self.sessions.borrow_mut().insert(self.port.random(), None) else {
            return self.answer(server, &invite, from, 503);
        };
        self.port.adopt(server, Owner::Leg(token));
        let both = (Rc::clone(&self.port), self.this.upgrade().expect("whoever calls holds the desk"));
        let started = caught(|| {
            let invite = Arc::new(invite.clone());
            UmSession::start((both, &self.office), token, (server, invite, from), service)
        });
        match started {
            Err(fault) => {
                tracing::error!(fault, "A call at UM could not start");
                self.forget(token);
                self.answer(server, &invite, from, 500);
            }
            Ok(Ok(session)) => {
                if let Some(place) = self.sessions.borrow_mut().find_mut(token) {
                    *place = Some(session);
                }
            }
            Ok(Err(refusal)) => {
                tracing::warn!(reason = %refusal, "UM cannot take a call");
                self.forget(token);
                self.answer(server, &invite, from, refusal.status());
            }
        }
    }

    /// A missed call that a SIP INFO tells (PROTOCOLS §1), inside a dialog or not.
    fn notified(&self, server: Token, info: SipMessage, from: Peer) {
        let notification = match notification::read(&info.body()) {
            Ok(notification) => notification,
            Err(error) => {
                tracing::info!(%error, "Refused a notification");
                return self.answer(server, &info, from, 400);
            }
        };
        let directory = self.office.directory.load();
        let Some(user) = directory.by_address(&notification.user) else {
            return self.answer(server, &info, from, 404);
        };
        let caller = self.office.named(notification.caller, user);
        let notice = Notification { caller, ..notification }.into_notice(user);
        let wish = directory.wish(user, &notice, Timestamp::now());
        let items = told_by(&user.channels, notice, &wish);
        let (outbox, port) = (self.office.outbox.clone(), Rc::clone(&self.port));
        actix::spawn(async move {
            // 200 says that the notice is taken, so it is on the disk by then.
            let code = if post(&outbox, items).await { 200 } else { 503 };
            let tag = server.text();
            port.respond(server, code, plain_response(&info, from.address, code, &tag));
        });
    }

    fn answer(&self, server: Token, request: &SipMessage, from: Peer, code: u16) {
        let tag = server.text();
        let mut draft = response(request, from.address, code, phrase(code).as_bytes(), &tag);
        draft.header("Allow", &[ALLOW]);
        if code == 415 {
            draft.header("Accept", &[MEDIA_TYPE.as_bytes()]);
        }
        self.port.respond(server, code, draft.empty());
    }

    fn is_notification(info: &SipMessage) -> bool {
        let kind = info.first(Name::ContentType).unwrap_or(b"");
        let kind = kind.split(|o| *o == b';').next().unwrap_or(b"");
        ringpost::sip::text::trim(kind).eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
    }

    fn requested(&self, server: Token, message: SipMessage, from: Peer) {
        let inside = message.to().is_some_and(|to| to.tag().is_some());
        match (message.method(), inside) {
            (Some(Method::Info), _) if Self::is_notification(&message) => {
                self.notified(server, message, from)
            }
            (Some(Method::Info), false) => self.answer(server, &message, from, 415),
            (_, true) => match self.of_request(&message) {
                Some(session) => session.do_send(Heard::Request(server, message, from)),
                None => self.answer(server, &message, from, 481),
            },
            (Some(Method::Invite), false) => self.begin(server, message, from),
            _ => self.answer(server, &message, from, 200),
        }
    }
}

/// RFC 3261 §20.26.
fn is_urgent(invite: &SipMessage) -> bool {
    let mut fields = invite.fields();
    let priority = fields.find(|field| invite.written_name(field).eq_ignore_ascii_case(b"Priority"));
    let priority = priority.map_or(&b""[..], |field| invite.value(field));
    [&b"urgent"[..], b"emergency"].iter().any(|one| priority.eq_ignore_ascii_case(one))
}

impl TransactionUser for Desk {
    fn admits(&self, request: &SipMessage, _from: &Peer) -> Result<(), Refusal> {
        let inside = request.to().is_some_and(|to| to.tag().is_some());
        let required = relay::required(request);
        match request.method() {
            _ if inside && self.of_request(request).is_none() => {
                Err(Refusal { only_new: true, ..Refusal::plain(481) })
            }
            Some(Method::Invite | Method::Info | Method::Options) if !required.is_empty() => {
                Err(Refusal::with(420, "Unsupported", &required))
            }
            Some(Method::Invite | Method::Info | Method::Options) => Ok(()),
            Some(Method::Bye | Method::Notify) if inside => Ok(()),
            Some(Method::Bye) => Err(Refusal::plain(481)),
            _ => Err(Refusal::with(405, "Allow", ALLOW)),
        }
    }

    fn hears(&self, news: News) {
        match news {
            News::Request { server, message, from } => self.requested(server, message, from),
            News::Ack { message } => {
                if let Some(session) = self.of_request(&message) {
                    session.do_send(Heard::Ack(message));
                }
            }
            News::Unacknowledged { owner: Owner::Leg(token) } => {
                if let Some(session) = self.session(token) {
                    session.do_send(Heard::Gone);
                }
            }
            News::Response { owner: Owner::Leg(token), client, message } => {
                if let (Some(session), Some(code @ 200..)) = (self.session(token), message.code()) {
                    session.do_send(Heard::Response(client, code));
                }
            }
            News::Failed { owner: Owner::Leg(token), client, code } => {
                if let Some(session) = self.session(token) {
                    session.do_send(Heard::Response(client, code));
                }
            }
            News::Response { .. }
            | News::Failed { .. }
            | News::Cancelled { .. }
            | News::Unacknowledged { .. } => {}
        }
    }

    fn rings(&self, _alarm: Alarm) {}
}
