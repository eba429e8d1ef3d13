//! Ringpost's own Unified Messaging: a SIP user agent with a port of its own, which the call machine cannot tell from
//! any other UM.

mod session;

use std::{
    cell::RefCell,
    collections::HashMap,
    path::PathBuf,
    rc::{Rc, Weak},
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::prelude::*;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use ringpost::{
    address::{Caller, UserClass},
    call::{Outcome, wire},
    directory::Directory,
    notify::{Filter, Kind, Notice, UmAction, um_decides},
    outbox::{Entries, Item, Way, Wish, items},
    settings::{Notices, User},
    sip::{
        Message as SipMessage, Method, Name,
        build::{phrase, plain_response, response},
        peer::Peer,
        relay,
        token::{Table, Token},
        transaction::{News, Owner},
        uri::{NameAddr, Uri},
    },
    um::notification::{self, MEDIA_TYPE},
    voicemail::{Greeting, Limits},
};
use serde::{Deserialize, Serialize};

use crate::{
    guard::caught,
    identity::Identity,
    outbox::{Outbox, PostAll},
    port::{Alarm, Port, Refusal, TransactionUser},
    voicemail::{GreetingError, Greetings, PortPool, Recording, Recovered, told},
};
use session::{Heard, UmSession};

/// What the desk takes besides missed-call INFO.
const ALLOW: &[u8] = b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO";

/// The user part of the desk that only says that a feature code is taken.
pub const DONE: &str = "done";

/// What the sessions share.
pub struct Office {
    /// The site as it is now.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Where voice mails and notices go.
    pub outbox: Addr<Outbox>,
    /// The RTP ports.
    pub ports: Arc<PortPool>,
    /// Servers that are asked for callers' names; `None`: none.
    identity: Option<Arc<Identity>>,
    greetings: Greetings,
    /// Users' own greetings by path, read once.
    own: Mutex<HashMap<PathBuf, Greeting>>,
}

impl Office {
    /// Loads the greetings.
    ///
    /// # Errors
    /// A greeting that cannot be played.
    pub fn new(
        directory: Arc<ArcSwap<Directory>>,
        outbox: Addr<Outbox>,
        ports: Arc<PortPool>,
    ) -> Result<Self, GreetingError> {
        let site = &directory.load().site.clone();
        let greetings = Greetings::load(site.voicemail.greetings.as_deref())?;
        let office = Self { directory, outbox, ports, identity: None, greetings, own: Mutex::default() };
        for path in site.users.iter().filter_map(|user| user.greeting.clone()) {
            let greeting = Greetings::read(&path)?;
            office.own.lock().expect("nobody panics with it").insert(path, greeting);
        }
        Ok(office)
    }

    /// Asks there for callers' names.
    #[must_use]
    pub fn naming(self, identity: Option<Arc<Identity>>) -> Self {
        Self { identity, ..self }
    }

    /// What a caller of this user is called; where servers may know better, they are being asked from now on.
    fn named(&self, caller: Caller, user: &User) -> Caller {
        let caller = self.directory.load().named(caller);
        let question = |identity: &Arc<Identity>| identity.question(&caller, user.mail.as_deref());
        let Some((identity, question)) = self.identity.as_ref().and_then(|one| Some((one, question(one)?)))
        else {
            return caller;
        };
        match identity.seek(question).settled() {
            Some(found) => caller.named(found),
            None => Caller { sought: true, ..caller },
        }
    }

    fn greeting(&self, user: &User) -> Greeting {
        let own = user.greeting.as_ref().and_then(|path| {
            let mut known = self.own.lock().expect("nobody panics with it");
            if !known.contains_key(path) {
                match Greetings::read(path) {
                    Ok(greeting) => drop(known.insert(path.clone(), greeting)),
                    Err(error) => tracing::error!(%error, "A user's greeting cannot be played"),
                }
            }
            known.get(path).cloned()
        });
        own.unwrap_or_else(|| self.greetings.of(user.language))
    }

    fn limits(&self) -> Limits {
        Limits::from(&self.directory.load().site.voicemail)
    }
}

/// What a session knows of its call: everything that its notice will need, even after a crash.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Context {
    /// The notice of a call that left no message.
    notice: Notice,
    /// Who tells the user about missed calls.
    class: UserClass,
    /// The user's filter that the call is caught by.
    #[serde(default)]
    filter: Option<Filter>,
    /// The user's own channels; none after a crash, when the directory knows them.
    #[serde(skip)]
    channels: Entries,
    /// What the user wants of the notice of a call that left no message.
    #[serde(skip)]
    wish: Wish,
    /// How the user is told; after a crash the directory knows it.
    #[serde(skip)]
    notices: Arc<Notices>,
}

impl Context {
    fn call_id(&self) -> &str {
        &self.notice.call_id
    }

    /// The items to post at the end of a call; none where nothing is to be told.
    fn items(&self, recording: Option<&Recording>) -> Vec<Item> {
        let takes_voice_mail = self.notices.filters.voice_mail;
        let verdict = um_decides(self.class, recording.is_some(), (self.filter, takes_voice_mail));
        tracing::info!(call = self.notice.call_id, action = ?verdict.action, reason = %verdict.reason, "UM decided");
        let mut notice = self.notice.clone();
        match (verdict.action, recording) {
            (UmAction::VoiceMail, Some(recording)) => {
                notice.kind =
                    Kind::VoiceMail { recording: recording.path.clone(), duration: recording.duration };
                notice.outcome = Outcome::LeftMessage;
            }
            (UmAction::Missed, _) => {}
            (UmAction::VoiceMail, None) | (UmAction::Silent, _) => return Vec::new(),
        }
        let mut wish = if notice.kind == Kind::Missed { self.wish.clone() } else { Wish::default() };
        // The hours count that it is now, after the message, whatever they were when the call came in.
        wish.hold = self.notices.hours.hold(&notice, Timestamp::now());
        told_by(&self.channels, notice, &wish)
    }
}

/// Tells what an earlier run of Ringpost had recorded and not told.
pub async fn tell_recovered(directory: Arc<Directory>, outbox: Addr<Outbox>, recovered: Vec<Recovered>) {
    for Recovered { context, recording } in recovered {
        let Ok(mut context) = serde_json::from_value::<Context>(context) else {
            tracing::error!(path = %recording.path.display(), "A recovered recording does not say whose it is");
            continue;
        };
        if let Some(user) = directory.by_address(&context.notice.user) {
            context.channels = user.channels.clone();
            context.notices = Arc::clone(&user.notices);
        }
        post(&outbox, context.items(Some(&recording))).await;
        if let Err(error) = told(&recording.path) {
            tracing::error!(%error, "A recording's note could not be removed");
        }
    }
}

/// The notice by these channels. A user without any has lost them to a change of the site: by mail the notice is a dead
/// letter at least.
fn told_by(channels: &Entries, notice: Notice, wish: &Wish) -> Vec<Item> {
    let posted = Timestamp::now();
    match items(&notice, channels, posted, wish) {
        none if none.is_empty() => vec![Item::new(notice, Way::mail(), posted)],
        items => items,
    }
}

/// Posts the items of a notice; true once they are on the disk.
async fn post(outbox: &Addr<Outbox>, items: Vec<Item>) -> bool {
    let Some(call) = items.first().map(|item| item.notice.call_id.clone()) else { return true };
    match outbox.send(PostAll(items)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(call, %error, "A notice could not be written");
            false
        }
        Err(error) => {
            tracing::error!(call, %error, "The outbox does not take notices");
            false
        }
    }
}

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
            let user = Uri::read(uri)?.bare_user().map(String::from_utf8_lossy)?;
            directory.user(&user).map(|user| User::clone(user))
        };
        let diverted = invite.list(Name::Diversion).next().and_then(NameAddr::read).and_then(|d| find(d.uri));
        let target = Uri::read(invite.uri()).and_then(|uri| {
            let target = String::from_utf8_lossy(uri.param("target")?).replace("%40", "@");
            find(format!("sip:{target}").as_bytes())
        });
        diverted.or(target).or_else(|| invite.to().and_then(|to| find(to.uri))).or_else(|| find(invite.uri()))
    }

    fn context(&self, invite: &SipMessage, user: &User) -> Context {
        let history = wire::History::read(invite);
        let filter = history.as_ref().and_then(|history| history.filter);
        let call_id = String::from_utf8_lossy(invite.call_id()).into_owned();
        let came_in = history.as_ref().and_then(|h| Timestamp::from_millisecond(h.came_in).ok());
        let directory = self.office.directory.load();
        let caller = self.office.named(wire::caller(invite, true), user);
        let notice = Notice {
            kind: Kind::Missed,
            user: user.address.clone(),
            user_name: user.name.clone(),
            mail: user.mail.clone(),
            language: user.language,
            time_zone: user.time_zone.clone(),
            caller,
            came_in: came_in.unwrap_or_else(Timestamp::now),
            rang_for: history.as_ref().map_or(Duration::ZERO, |h| h.rang_for),
            call_id: history.map_or(call_id, |h| h.call_id),
            outcome: Outcome::GaveUpInGreeting,
            talked: None,
            called: None,
        };
        let wish = directory.wish(user, &notice, notice.came_in);
        let (class, channels, notices) =
            (user.missed_calls, user.channels.clone(), Arc::clone(&user.notices));
        Context { notice, class, filter, channels, wish, notices }
    }

    fn begin(&self, server: Token, invite: SipMessage, from: Peer) {
        if Uri::read(invite.uri()).and_then(|uri| uri.bare_user()) == Some(DONE.as_bytes()) {
            return self.welcome(server, invite, from, None);
        }
        let Some(user) = self.mailbox(&invite) else { return self.answer(server, &invite, from, 404) };
        let context = self.context(&invite, &user);
        self.welcome(server, invite, from, Some((user, context)));
    }

    /// Starts a session: somebody's mailbox, or just the tones that say that a feature code is taken.
    fn welcome(&self, server: Token, invite: SipMessage, from: Peer, mailbox: Option<(User, Context)>) {
        let Some(token) = self.sessions.borrow_mut().insert(self.port.random(), None) else {
            return self.answer(server, &invite, from, 503);
        };
        self.port.adopt(server, Owner::Leg(token));
        let both = (Rc::clone(&self.port), self.this.upgrade().expect("whoever calls holds the desk"));
        let started = caught(|| {
            let invite = Arc::new(invite.clone());
            UmSession::start((both, &self.office), token, (server, invite, from), mailbox)
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
        let notice = Notice {
            kind: Kind::Missed,
            user: user.address.clone(),
            user_name: user.name.clone(),
            mail: user.mail.clone(),
            language: user.language,
            time_zone: user.time_zone.clone(),
            call_id: notification.call_id,
            caller: self.office.named(notification.caller, user),
            came_in: notification.came_in,
            rang_for: notification.rang_for,
            outcome: notification.outcome,
            talked: None,
            called: None,
        };
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
            Some(Method::Bye) if inside => Ok(()),
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
            News::Response { .. }
            | News::Failed { .. }
            | News::Cancelled { .. }
            | News::Unacknowledged { .. } => {}
        }
    }

    fn rings(&self, _alarm: Alarm) {}
}
