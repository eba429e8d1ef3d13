//! The calls and legs of a lane: what they share, who is found by which name, and what starts a call.

mod call_log;
mod click;
mod dialled;
mod locations;
mod opening;
mod places;
mod registrations;
mod transaction_user;

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
    directory::{Directory, Origin, Talk},
    notify::CallRecord,
    settings::{UmServer, User},
    sip::{
        session_timer::Terms,
        token::{Table, Token},
    },
    um::health::Sign,
};
use tokio::sync::mpsc;

use crate::{
    call::{CallActor, End},
    gateways,
    identity::Identity,
    leg::LegActor,
    metrics::METRICS,
    names::Names,
    outbox::{Asking, Outbox, Talked},
    policies::Policies,
    port::{Port, door::Gatehouse, tls::Tls},
    presence::{Presence, watchers::Watchers},
    rcc::{Rcc, dialogs::Dialogs, gateways::Gateways},
    registrar::{self, Registrar},
};
use opening::Admitted;
use registrations::Waiting;

pub(crate) use call_log::say;
pub use dialled::{Questions, change_of};

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
    /// PBXs that tell what users' telephones do.
    gateways: Rc<Gateways>,
    /// REGISTERs whose 200 waits for the disk, and what the disk has refused.
    registered: RefCell<Vec<Waiting>>,
    unwritten: RefCell<Vec<Arc<registrar::Cell>>>,
}

impl Switch {
    /// The switch of that port's lane; `most` calls at once.
    pub fn new(port: Rc<Port>, shared: Shared, most: usize) -> Rc<Self> {
        let lane = port.lane;
        let watchers = Watchers::new(Rc::clone(&port), Arc::clone(&shared.presence));
        let both = (Arc::clone(&shared.rcc), Arc::clone(&shared.policies));
        let told = (Arc::clone(&shared.presence), Arc::clone(&shared.rcc));
        let registrar = Arc::clone(&shared.registrar);
        let tells = (Arc::clone(&shared.policies), registrar, shared.outbox.clone());
        let gateways = Gateways::new(Rc::clone(&port), Arc::clone(&shared.directory), told, tells);
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
            gateways,
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

    /// PBXs that tell what users' telephones do.
    pub fn gateways(&self) -> &Rc<Gateways> {
        &self.gateways
    }

    /// The calls of users whose telephones programs may see.
    pub fn rcc(&self) -> &Arc<Rcc> {
        &self.shared.rcc
    }

    /// Servers that are asked for callers' names.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.shared.identity.as_ref()
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

    /// Takes no new calls from now on; `done` is dropped when what the lane had to write is on the disk.
    pub fn drain(&self, done: mpsc::Sender<()>) {
        self.draining.set(true);
        self.ship_records();
        self.watchers.write_all(done);
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
}
