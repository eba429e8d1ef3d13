//! Finds the leg of a message, and starts a call for each INVITE that may come in.

mod click;
mod dialled;
mod locations;
mod opening;
mod places;
mod registrations;

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix::prelude::*;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use ringpost::{
    call::wire,
    directory::{Directory, Origin, Talk},
    notify::CallRecord,
    presence::subscription::ALLOW_EVENTS,
    settings::{UmServer, User},
    sip::{
        Message as SipMessage, Method, Name,
        peer::Peer,
        relay::{self, ALLOW, ALLOW_WITH_EVENTS, SUPPORTED},
        session_timer::Terms,
        text::split_commas,
        token::{Table, Token},
        transaction::{News, Owner},
    },
    um::health::Sign,
};

use crate::{
    call::{CallActor, End, Rang},
    gateways,
    identity::Identity,
    leg::{LegActor, LegNews},
    metrics::METRICS,
    names::Names,
    outbox::{Asking, Outbox, Record, Talked},
    policies::Policies,
    port::{Alarm, Port, Refusal, TransactionUser, door::Gatehouse, tls::Tls},
    presence::{
        Presence,
        watchers::{KEEP, WATCH, Watchers},
    },
    rcc::{
        Rcc,
        dialogs::{CONTROL, Dialogs},
    },
    registrar::{self, Registrar},
};
use registrations::Waiting;

pub use dialled::{Questions, change_of};
use opening::Admitted;

/// How long a line of the call log may wait, in milliseconds, and how many may.
const RECORDS_EVERY: u64 = 500;
const RECORDS_AT_ONCE: usize = 256;
/// The alarm that ships them; no timer of a call counts that high.
const RECORDS: u32 = u32::MAX;

/// What INVITEs may bring where there is remote call control.
const WITH_CSTA: &[u8] = b"application/sdp, application/csta+xml";

/// What every lane shares.
#[derive(Clone)]
pub struct Shared {
    /// The site as it is now.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Where notices go.
    pub outbox: Addr<Outbox>,
    /// Whether any notice wants to hear who talks with whom.
    pub asking: Asking,
    /// The URI of Ringpost's own UM, if a plan uses it.
    pub embedded_um: Option<Arc<str>>,
    /// Makes loop marks that only this instance recognises.
    pub marks: ahash::RandomState,
    /// Who may come in.
    pub gatehouse: Arc<Gatehouse>,
    /// The certificates.
    pub tls: Arc<Tls>,
    /// What names in URIs mean.
    pub names: Arc<Names>,
    /// How many calls are open on all lanes.
    pub calls: Arc<AtomicUsize>,
    /// What users have changed of their policies.
    pub policies: Arc<Policies>,
    /// How whoever answers a number outside is asked for the key.
    pub questions: Arc<Questions>,
    /// Who has registered.
    pub registrar: Arc<Registrar>,
    /// Servers that are asked for callers' names; `None`: none.
    pub identity: Option<Arc<Identity>>,
    /// What is known of users.
    pub presence: Arc<Presence>,
    /// Who controls users' telephones.
    pub rcc: Arc<Rcc>,
}

/// The switch of a lane.
pub struct Switch {
    this: Weak<Switch>,
    port: Rc<Port>,
    shared: Shared,
    legs: RefCell<Table<Option<Addr<LegActor>>>>,
    calls: RefCell<Table<Option<Addr<CallActor>>>>,
    draining: Cell<bool>,
    /// Lines of the call log that go to the outbox together.
    records: RefCell<Vec<CallRecord>>,
    most: usize,
    /// Who sent the request outside any dialog that has just been let in; whoever hears of it next takes it.
    admitted: Cell<Option<Admitted>>,
    /// The same for a REGISTER: the user whose device sent it.
    registering: Cell<Option<Arc<User>>>,
    /// The same for a SUBSCRIBE or PUBLISH outside any dialog.
    asking: Cell<Option<Origin>>,
    /// Whoever watches users.
    watchers: Rc<Watchers>,
    /// Whoever controls users' telephones.
    dialogs: Rc<Dialogs>,
    /// REGISTERs whose 200 waits for the disk, and what the disk has refused.
    registered: RefCell<Vec<Waiting>>,
    unwritten: RefCell<Vec<Arc<registrar::Cell>>>,
}

impl Switch {
    /// Servers that are asked for callers' names.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.shared.identity.as_ref()
    }

    /// The switch of that port's lane; `most` calls at once.
    pub fn new(port: Rc<Port>, shared: Shared, most: usize) -> Rc<Self> {
        let lane = port.lane;
        let watchers = Watchers::new(Rc::clone(&port), Arc::clone(&shared.presence));
        let both = (Arc::clone(&shared.rcc), Arc::clone(&shared.policies));
        let dialogs = Dialogs::new(Rc::clone(&port), both.0, both.1);
        Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            port,
            shared,
            legs: RefCell::new(Table::new(lane)),
            calls: RefCell::new(Table::new(lane)),
            draining: Cell::new(false),
            records: RefCell::default(),
            most,
            admitted: Cell::default(),
            registering: Cell::default(),
            asking: Cell::default(),
            watchers,
            dialogs,
            registered: RefCell::default(),
            unwritten: RefCell::default(),
        })
    }

    /// What is known of users.
    pub fn presence(&self) -> &Arc<Presence> {
        &self.shared.presence
    }

    /// Whoever watches users from this lane.
    pub fn watchers(&self) -> &Rc<Watchers> {
        &self.watchers
    }

    /// Whoever controls users' telephones from this lane.
    pub fn dialogs(&self) -> &Rc<Dialogs> {
        &self.dialogs
    }

    /// The calls of users whose telephones programs may see.
    pub fn rcc(&self) -> &Arc<Rcc> {
        &self.shared.rcc
    }

    fn me(&self) -> Rc<Self> {
        self.this.upgrade().expect("whoever calls holds the switch")
    }

    /// How many calls are open.
    pub fn calls(&self) -> usize {
        self.calls.borrow().len()
    }

    /// Any call, and how many legs there are.
    #[cfg(test)]
    pub fn look(&self) -> (Option<Addr<CallActor>>, usize) {
        (self.calls.borrow().iter().flatten().next().cloned(), self.legs.borrow().len())
    }

    /// Takes no new calls from now on.
    pub fn drain(&self) {
        self.draining.set(true);
        self.ship_records();
        self.watchers.write();
    }

    /// Keeps a line for the log and the call log. Many are written at once: a line for each call on its own, and waking
    /// the outbox's thread for it, would cost more than the call itself.
    pub fn record(&self, record: CallRecord) {
        let mut records = self.records.borrow_mut();
        records.push(record);
        if records.len() == 1 && !self.draining.get() {
            self.port.alarm(RECORDS_EVERY, Alarm { owner: Token(0), number: RECORDS });
        }
        if records.len() >= RECORDS_AT_ONCE || self.draining.get() {
            drop(records);
            self.ship_records();
        }
    }

    /// The site as it is now.
    pub fn directory(&self) -> arc_swap::Guard<Arc<Directory>> {
        self.shared.directory.load()
    }

    /// Notes what a call has shown of a gateway.
    pub fn note_gateway(&self, name: &str, sign: Sign) {
        gateways::note(&self.shared.directory.load(), name, sign);
    }

    /// Whether any notice wants to hear who talks with whom.
    pub fn notices_ask(&self) -> bool {
        self.shared.asking.any()
    }

    /// Tells the notices that these talk from now on.
    pub fn talked(&self, talks: Vec<Talk>) {
        self.shared.outbox.do_send(Talked(talks, Timestamp::now()));
    }

    fn ship_records(&self) {
        let records = std::mem::take(&mut *self.records.borrow_mut());
        if !records.is_empty() {
            records.iter().for_each(say);
            self.shared.outbox.do_send(Record(records));
        }
    }

    /// Ends every call.
    pub fn end_all(&self) {
        self.calls.borrow().iter().flatten().for_each(|call| call.do_send(End));
    }

    /// Starts a leg under a new name; `None` where it could not be started.
    pub fn new_leg(&self, start: impl FnOnce(Token) -> Option<Addr<LegActor>>) -> Option<Addr<LegActor>> {
        let token = self.legs.borrow_mut().insert(self.port.random(), None)?;
        let leg = start(token);
        match &leg {
            Some(leg) => {
                if let Some(place) = self.legs.borrow_mut().find_mut(token) {
                    *place = Some(leg.clone());
                }
            }
            None => self.forget_leg(token),
        }
        leg
    }

    /// The leg has gone.
    pub fn forget_leg(&self, leg: Token) {
        self.legs.borrow_mut().remove(leg);
    }

    /// The call has gone.
    pub fn forget_call(&self, call: Token) {
        if self.calls.borrow_mut().remove(call).is_some() {
            METRICS.calls_open.down();
            self.shared.calls.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// What Ringpost asks of session timers.
    pub fn terms(&self) -> Terms {
        self.shared.directory.load().site.sip.session
    }

    /// The URI of a UM server.
    pub fn um_uri(&self, server: &UmServer) -> Option<String> {
        match server {
            UmServer::Embedded => self.shared.embedded_um.as_deref().map(str::to_owned),
            UmServer::Sip(uri) => Some(uri.clone()),
        }
    }

    /// The leg of that name, where it is this lane's.
    pub fn leg(&self, token: Token) -> Option<Addr<LegActor>> {
        self.legs.borrow().find(token).cloned().flatten()
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
        if self.dialogs.has(request) {
            return Ok(());
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

    /// A SUBSCRIBE or PUBLISH may want what list subscriptions want (RFC 4662 §4).
    fn admits_event(&self, required: &[u8]) -> Result<(), Refusal> {
        let unknown = split_commas(required).any(|tag| !tag.eq_ignore_ascii_case(b"eventlist"));
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
}

/// The line that the log gets for a call (R211).
fn say(call: &CallRecord) {
    let CallRecord { call_id, came_in, rang_for, outcome, verdict, .. } = call;
    tracing::info!(call = call_id, came_in = %format_args!("{came_in:.3}"), ?outcome, action = ?verdict.action, reason = %verdict.reason,
        rang_ms = rang_for.as_millis() as u64, "Call ended");
}

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
                let origin = self.asking.take();
                match (message.method(), origin) {
                    (Some(Method::Publish), Some(origin)) => {
                        self.watchers.publish(server, &message, from, &origin);
                    }
                    (Some(Method::Notify), Some(origin)) => {
                        self.watchers.counted_elsewhere(server, &message, from, &origin);
                    }
                    (_, origin) => self.watchers.subscribe(server, &message, from, origin),
                }
            }
            News::Request { server, message, from } if self.dialogs.has(&message) => {
                self.dialogs.inside(self, server, message, from);
            }
            News::Request { server, message, from } if message.to().is_some_and(|to| to.tag().is_some()) => {
                self.give(self.leg_of(&message), LegNews::Request(server, message, from));
            }
            News::Request { server, message, from } => match message.method() {
                Some(Method::Invite) => self.begin(server, message, from),
                Some(Method::Register) => self.registers(server, &message, from),
                Some(Method::Other) => self.tells_location(server, &message, from),
                _ => self.options(server, &message, from),
            },
            News::Ack { message } if self.dialogs.has(&message) => self.dialogs.acknowledged(&message),
            News::Unacknowledged { owner: Owner::Control(tag) } => self.dialogs.unacknowledged(tag),
            News::Response { owner: Owner::Control(tag), message, .. } => {
                self.dialogs.answered(tag, message.code().unwrap_or(500));
            }
            News::Failed { owner: Owner::Control(tag), code, .. } => self.dialogs.answered(tag, code),
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
        if alarm.number == registrations::REGISTERED {
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
    fn owner(&self, owner: Owner) -> Option<Addr<LegActor>> {
        match owner {
            Owner::Leg(token) => self.leg(token),
            Owner::Errand(_) | Owner::Watch(_) | Owner::Control(_) | Owner::Nobody => None,
        }
    }
}
