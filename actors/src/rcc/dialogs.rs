//! The dialogs of one lane: how they begin, live and end. Nothing of one outlives it.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
};

use ringpost::{
    directory::{Directory, Origin},
    rcc::{Edition, view::View},
    settings::{Controller as Named, User},
    sip::{Message as SipMessage, dialog::Dialog, peer::Peer, session_timer::Session, token::Token},
};
use tokio::sync::mpsc;

use super::{Order, Rcc};
use crate::{
    metrics::METRICS,
    policies::Policies,
    port::{Alarm, Port},
};

/// The alarm of a dialog; no timer of a call counts that high.
pub const CONTROL: u32 = u32::MAX - 4;
/// Monitors of one dialog.
pub(super) const MONITORS: usize = 32;

/// Who controls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Who {
    /// A user, by the address of record.
    User(Box<str>),
    /// A trunk, by its name.
    Trunk(Box<str>),
}

impl Who {
    /// Who sends a request. A trunk that controls every user does so whatever it says; of another one, whose identities are
    /// believed, the user whom it asserts: From is not enough to control a telephone.
    pub fn of(directory: &Directory, request: &SipMessage, origin: &Origin) -> Self {
        let asserted = || ringpost::call::wire::asserted(request);
        match origin {
            Origin::User(user) => Self::User(user.address.as_str().into()),
            Origin::Trunk(trunk) if directory.site.rcc.is_trusted(&trunk.name) => {
                Self::Trunk(trunk.name.as_str().into())
            }
            Origin::Trunk(trunk) => match directory.user_calling(&asserted(), origin) {
                Some(user) => Self::User(user.address.as_str().into()),
                None => Self::Trunk(trunk.name.as_str().into()),
            },
        }
    }

    /// Whether it may control that user's telephones now (T12).
    pub fn may(&self, directory: &Directory, of: &User) -> bool {
        let rcc = &directory.site.rcc;
        match self {
            Self::User(address) => {
                directory.of_address(address).is_some_and(|user| rcc.may(Named::User(user), of))
            }
            Self::Trunk(name) => rcc.may(Named::Trunk(name), of),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::User(name) | Self::Trunk(name) => name,
        }
    }
}

/// A monitored device.
pub(super) struct Monitor {
    /// `monitorCrossRefID`.
    pub id: String,
    /// The user's address.
    pub user: Arc<str>,
    /// The device as the client calls it.
    pub device: String,
    /// What the client knows of its calls.
    pub known: HashMap<Arc<str>, View>,
    /// And of what happens to them.
    pub features: Features,
}

/// Do not disturb, and where calls of each kind are forwarded, in the order of [`ringpost::rcc::Forwarding::ALL`].
pub(super) type Features = (bool, [Option<String>; 3]);

/// What a dialog has for its client.
pub(super) enum Out {
    /// An event.
    Event(String),
    /// A refresh of the session.
    Refresh,
}

/// One dialog.
pub(super) struct Control {
    pub dialog: Dialog,
    pub peer: Peer,
    pub who: Who,
    pub edition: Edition,
    pub session: Session,
    /// When it ends, and when we refresh it, in the lane's milliseconds; the largest number: the client does.
    pub ends: u64,
    pub refresh: u64,
    /// When its alarm rings; the largest number: none is set.
    pub armed: u64,
    /// The transaction of the latest INVITE, until its ACK.
    pub unheard: Option<Token>,
    pub monitors: Vec<Monitor>,
    /// Monitors that it has had.
    pub count: u32,
    pub queue: VecDeque<Out>,
    /// One is under way.
    pub asking: bool,
}

/// All of them.
pub struct Dialogs {
    pub(super) port: Rc<Port>,
    pub(super) rcc: Arc<Rcc>,
    pub(super) policies: Arc<Policies>,
    pub(super) all: RefCell<HashMap<u64, Rc<RefCell<Control>>, ahash::RandomState>>,
    /// Those that monitor a user, once for each monitor.
    pub(super) of_user: RefCell<HashMap<Arc<str>, Vec<u64>, ahash::RandomState>>,
}

impl Dialogs {
    /// Those of a port's lane: none yet.
    pub fn new(port: Rc<Port>, rcc: Arc<Rcc>, policies: Arc<Policies>) -> Rc<Self> {
        Rc::new(Self { port, rcc, policies, all: RefCell::default(), of_user: RefCell::default() })
    }

    /// Tells what happens to users' calls, until the program ends.
    pub async fn work(self: Rc<Self>, inbox: Rc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Order>>>) {
        let mut inbox = inbox.lock().await;
        while let Some(order) = inbox.recv().await {
            self.port.guarded(|| self.heard(&order));
        }
    }

    pub(super) fn get(&self, tag: u64) -> Option<Rc<RefCell<Control>>> {
        self.all.borrow().get(&tag).cloned()
    }

    pub(super) fn find(&self, message: &SipMessage) -> Option<(u64, Rc<RefCell<Control>>)> {
        if self.all.borrow().is_empty() {
            return None;
        }
        let tag = Token::read(message.to()?.tag()?)?.0;
        let found = self.get(tag)?;
        let owns = found.borrow().dialog.owns(message);
        owns.then_some((tag, found))
    }

    /// Whether a message inside a dialog is for one of this lane.
    pub fn has(&self, message: &SipMessage) -> bool {
        self.find(message).is_some()
    }

    /// A name for a dialog: the lane in front, then what nobody can guess.
    pub(super) fn fresh_tag(&self) -> u64 {
        loop {
            let random = u64::from(self.port.random()) << 32 | u64::from(self.port.random());
            let tag = u64::from(self.port.lane) << 56 | random >> 8;
            if !self.all.borrow().contains_key(&tag) {
                return tag;
            }
        }
    }

    /// Sets when the session ends and is refreshed from now on.
    pub(super) fn keep_session(&self, tag: u64) {
        let Some(found) = self.get(tag) else { return };
        let (ends, refresh) = {
            let mut one = found.borrow_mut();
            let now = self.port.now();
            one.ends = now + one.session.ends_after().as_millis() as u64;
            let after = one.session.refresh_after().map(|after| now + after.as_millis() as u64);
            one.refresh = after.unwrap_or(u64::MAX);
            (one.ends, one.refresh)
        };
        self.wake(tag, ends.min(refresh));
    }

    fn wake(&self, tag: u64, at: u64) {
        let Some(found) = self.get(tag) else { return };
        if at < found.borrow().armed {
            found.borrow_mut().armed = at;
            let after = at.saturating_sub(self.port.now());
            self.port.alarm(after, Alarm { owner: Token(tag), number: CONTROL });
        }
    }

    /// The alarm of a dialog rings.
    pub fn rings(&self, tag: u64) {
        let Some(found) = self.get(tag) else { return };
        let now = self.port.now();
        if found.borrow().armed > now {
            // An earlier one was set after this; the one that counts is yet to come.
            return;
        }
        found.borrow_mut().armed = u64::MAX;
        let (ends, refresh) = (found.borrow().ends, found.borrow().refresh);
        if ends <= now {
            tracing::info!("A dialog of remote call control was not refreshed");
            return self.end(tag);
        }
        if refresh <= now {
            found.borrow_mut().refresh = u64::MAX;
            self.put(tag, Out::Refresh);
            return self.wake(tag, ends);
        }
        self.wake(tag, ends.min(refresh));
    }

    /// Ends a dialog with BYE.
    pub(super) fn end(&self, tag: u64) {
        let Some(found) = self.get(tag) else { return };
        self.send(&found, b"BYE", ringpost::sip::transaction::Owner::Nobody, b"", None);
        self.remove(tag);
    }

    /// A dialog is over.
    pub(super) fn remove(&self, tag: u64) {
        let Some(gone) = self.all.borrow_mut().remove(&tag) else { return };
        let gone = gone.borrow();
        self.rcc.leaves_place(gone.who.name());
        gone.monitors.iter().for_each(|monitor| self.left(tag, &monitor.user));
    }

    /// A monitor of a dialog is over.
    pub(super) fn left(&self, tag: u64, user: &Arc<str>) {
        self.rcc.left(user, self.port.lane);
        let mut of_user = self.of_user.borrow_mut();
        if let Some(tags) = of_user.get_mut(user) {
            if let Some(at) = tags.iter().position(|one| *one == tag) {
                tags.swap_remove(at);
            }
            if tags.is_empty() {
                of_user.remove(user);
            }
        }
    }

    /// The answer that opened or renewed a dialog has been heard.
    pub fn acknowledged(&self, ack: &SipMessage) {
        let Some((_, found)) = self.find(ack) else { return };
        let server = found.borrow_mut().unheard.take();
        if let Some(server) = server {
            self.port.acknowledged(server);
        }
    }

    /// Whoever opened it has never acknowledged that it is open.
    pub fn unacknowledged(&self, tag: Token) {
        METRICS.rcc_dialogs_lost_total.one();
        self.end(tag.0);
    }
}
