//! The subscriptions of one lane.

use std::{
    cell::{Cell as Place, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use ringpost::{
    directory::{Directory, Origin},
    presence::{
        Sight,
        subscription::{Pace, Package, State, Step, Track},
    },
    settings::{User, Watcher as Named},
    sip::{Message as SipMessage, peer::Peer, token::Token},
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use tokio::sync::mpsc;

use super::{Order, Presence, cell::Cell, list::Members, serve};
use crate::port::{Alarm, Port};

/// The alarm of a subscription; no timer of a call counts that high.
pub const WATCH: u32 = u32::MAX - 2;
/// The alarm that has subscriptions written.
pub const KEEP: u32 = u32::MAX - 3;
/// NOTIFYs in one go, before calls have their turn.
const AT_ONCE: usize = 32;

/// Who subscribes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Watcher {
    /// A user, by the address of record.
    User(Box<str>),
    /// A trunk, by its name.
    Trunk(Box<str>),
}

impl Watcher {
    /// Who sends a request. A trunk whose identities are believed speaks for our users; all else it says for itself.
    pub fn of(directory: &Directory, request: &SipMessage, origin: &Origin) -> Self {
        let caller = || ringpost::call::wire::caller(request, true);
        match origin {
            Origin::User(user) => Self::User(user.address.as_str().into()),
            Origin::Trunk(trunk) => match directory.user_calling(&caller(), origin) {
                Some(user) => Self::User(user.address.as_str().into()),
                None => Self::Trunk(trunk.name.as_str().into()),
            },
        }
    }

    /// What it may see of a user; `None`: nothing.
    pub fn sight(&self, directory: &Directory, of: &User) -> Option<Sight> {
        let presence = &directory.site.presence;
        let access = match self {
            Self::User(address) => presence.access(Named::User(directory.of_address(address)?), of),
            Self::Trunk(name) => presence.access(Named::Trunk(name), of),
        };
        access.sight()
    }
}

/// What is watched.
pub(super) enum Target {
    /// One user.
    One(Arc<Cell>),
    /// The users of a list.
    Many(Box<Members>),
}

/// One subscription.
pub(super) struct Subscription {
    pub track: Track,
    pub target: Target,
    pub watcher: Watcher,
    pub package: Package,
    pub sight: Sight,
    pub peer: Peer,
    /// In seconds since 1970.
    pub ends: u64,
    pub pace: Pace,
    /// The mark of the body that it was told last; zero: the next one goes whatever it says.
    pub told: u64,
    /// When its alarm rings, in the lane's milliseconds; the largest number: none is set.
    pub armed: u64,
}

/// All of them.
pub struct Watchers {
    pub(super) port: Rc<Port>,
    pub(super) presence: Arc<Presence>,
    pub(super) all: RefCell<HashMap<u64, Rc<RefCell<Subscription>>, ahash::RandomState>>,
    /// Those of each cell.
    of_cell: RefCell<HashMap<u32, SmallVec<[u64; 2]>, ahash::RandomState>>,
    /// By Call-ID and From tag of the SUBSCRIBE that began them.
    marks: RefCell<HashMap<u64, u64, ahash::RandomState>>,
    pub(super) unwritten: RefCell<HashSet<u64, ahash::RandomState>>,
    /// Whether the alarm that writes them is set.
    pub(super) keeping: Place<bool>,
}

impl Watchers {
    /// Those of a port's lane: none yet.
    pub fn new(port: Rc<Port>, presence: Arc<Presence>) -> Rc<Self> {
        Rc::new(Self {
            port,
            presence,
            all: RefCell::default(),
            of_cell: RefCell::default(),
            marks: RefCell::default(),
            unwritten: RefCell::default(),
            keeping: Place::new(false),
        })
    }

    /// Does what the other lanes and the clock want, until the program ends.
    pub async fn work(self: Rc<Self>, inbox: Rc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Order>>>) {
        let mut inbox = inbox.lock().await;
        while let Some(order) = inbox.recv().await {
            match order {
                Order::Tell(cell) => self.tell_all(&cell).await,
                Order::Judge => self.judge().await,
                Order::Remind(cell) => self.port.guarded(|| self.remind_all(&cell)),
            }
        }
    }

    /// Whether a request inside a dialog is for a subscription of this lane.
    pub fn has(&self, request: &SipMessage) -> bool {
        self.find(request).is_some()
    }

    pub(super) fn find(&self, request: &SipMessage) -> Option<(u64, Rc<RefCell<Subscription>>)> {
        let tag = Token::read(request.to()?.tag()?)?.0;
        let found = self.all.borrow().get(&tag).cloned()?;
        let owns = found.borrow().track.owns(request);
        owns.then_some((tag, found))
    }

    /// The subscription that another copy of the same SUBSCRIBE has begun.
    pub(super) fn merged(&self, mark: u64, sequence: u32) -> bool {
        let tag = self.marks.borrow().get(&mark).copied();
        let found = tag.and_then(|tag| self.all.borrow().get(&tag).cloned());
        found.is_some_and(|found| found.borrow().track.remote_sequence() == sequence)
    }

    /// Puts a subscription in its place under a name.
    pub(super) fn insert(&self, tag: u64, subscription: Subscription) {
        self.marks.borrow_mut().insert(subscription.track.mark(), tag);
        self.watch(tag, &subscription.target);
        self.presence.open.fetch_add(1, Ordering::Relaxed);
        self.all.borrow_mut().insert(tag, Rc::new(RefCell::new(subscription)));
    }

    /// A subscription is over.
    pub(super) fn remove(&self, tag: u64) {
        let Some(gone) = self.all.borrow_mut().remove(&tag) else { return };
        let gone = gone.borrow();
        self.presence.open.fetch_sub(1, Ordering::Relaxed);
        let mut marks = self.marks.borrow_mut();
        if marks.get(&gone.track.mark()) == Some(&tag) {
            marks.remove(&gone.track.mark());
        }
        self.leave(tag, &gone.target);
        self.keep(tag);
    }

    /// A subscription hears of its users.
    fn watch(&self, tag: u64, target: &Target) {
        for cell in target.cells() {
            cell.watched_by(self.port.lane);
            if cell.foreign {
                self.presence.stranger_is_watched(&cell);
            }
            self.of_cell.borrow_mut().entry(cell.id).or_default().push(tag);
        }
    }

    /// And does no more.
    fn leave(&self, tag: u64, target: &Target) {
        for cell in target.cells() {
            cell.left_by(self.port.lane);
            if cell.foreign {
                self.presence.stranger_is_watched(&cell);
            }
            let mut of_cell = self.of_cell.borrow_mut();
            let Some(tags) = of_cell.get_mut(&cell.id) else { continue };
            // Once only: where a list has changed, it may hear of the same user by its new members already.
            if let Some(at) = tags.iter().position(|one| *one == tag) {
                tags.remove(at);
            }
            if tags.is_empty() {
                of_cell.remove(&cell.id);
            }
        }
    }

    /// Tells all watchers of a cell, with breaks in which calls have their turn.
    async fn tell_all(&self, cell: &Arc<Cell>) {
        cell.heard_by(self.port.lane);
        let tags = self.of_cell.borrow().get(&cell.id).cloned().unwrap_or_default();
        for some in tags.chunks(AT_ONCE) {
            for tag in some {
                self.port.guarded(|| self.changed(*tag, Some(cell.id)));
            }
            if tags.len() > AT_ONCE {
                tokio::task::yield_now().await;
            }
        }
    }

    /// There is something new for a subscription.
    fn changed(&self, tag: u64, cell: Option<u32>) {
        let Some(found) = self.all.borrow().get(&tag).cloned() else { return };
        if let (Target::Many(members), Some(cell)) = (&mut found.borrow_mut().target, cell) {
            members.changed(cell);
        }
        let step = found.borrow_mut().pace.changed(self.port.now());
        self.step(tag, step);
    }

    pub(super) fn step(&self, tag: u64, step: Step) {
        match step {
            Step::Send => self.tell(tag, None),
            Step::Wait(until) => self.arm(tag, until),
            Step::Nothing => {}
        }
    }

    /// Has a subscription looked at then, at the latest.
    pub(super) fn arm(&self, tag: u64, at: u64) {
        let Some(found) = self.all.borrow().get(&tag).cloned() else { return };
        let mut found = found.borrow_mut();
        if at < found.armed {
            found.armed = at;
            let after = at.saturating_sub(self.port.now());
            self.port.alarm(after, Alarm { owner: Token(tag), number: WATCH });
        }
    }

    /// When a subscription ends, in the lane's milliseconds.
    pub(super) fn end_of(&self, ends: u64) -> u64 {
        self.port.now() + ends.saturating_sub(self.presence.now()).saturating_mul(1_000)
    }

    /// The alarm of a subscription rings.
    pub fn rings(&self, tag: u64) {
        let Some(found) = self.all.borrow().get(&tag).cloned() else { return };
        let now = self.port.now();
        let (ends, step) = {
            let mut found = found.borrow_mut();
            if found.armed > now {
                // An earlier one was set after this; the one that counts is yet to come.
                return;
            }
            found.armed = u64::MAX;
            (found.ends, found.pace.look(now))
        };
        if ends <= self.presence.now() {
            self.tell(tag, Some(State::Timeout));
            return;
        }
        self.step(tag, step);
        self.arm(tag, self.end_of(ends));
    }

    /// Looks at every subscription again after the site was read: who may see nothing any more is told so.
    async fn judge(&self) {
        let directory = self.presence.directory.load_full();
        let tags: Vec<u64> = self.all.borrow().keys().copied().collect();
        for some in tags.chunks(AT_ONCE) {
            for tag in some {
                self.port.guarded(|| self.judge_one(&directory, *tag));
            }
            tokio::task::yield_now().await;
        }
    }

    fn judge_one(&self, directory: &Directory, tag: u64) {
        let Some(found) = self.all.borrow().get(&tag).cloned() else { return };
        let is_list = matches!(found.borrow().target, Target::Many(_));
        if is_list && directory.site.presence.enabled {
            return self.judge_list(directory, tag, &found);
        }
        let verdict = found.borrow().judged(&self.presence, directory);
        match verdict {
            _ if !directory.site.presence.enabled => self.tell(tag, Some(State::NoResource)),
            Err(state) => self.tell(tag, Some(state)),
            Ok(sight) if sight != found.borrow().sight => {
                found.borrow_mut().sight = sight;
                self.changed(tag, None);
            }
            Ok(_) => {}
        }
    }

    /// The people of a list may be others now, and its watcher may see other things of them (R119).
    fn judge_list(&self, directory: &Directory, tag: u64, found: &RefCell<Subscription>) {
        let afresh = match &found.borrow().target {
            Target::Many(members) => members.afresh(&self.presence, directory),
            Target::One(_) => return,
        };
        let Some(afresh) = afresh else { return self.tell(tag, Some(State::NoResource)) };
        let others = matches!(&found.borrow().target, Target::Many(members) if members.differs(&afresh));
        if others {
            let new = Target::Many(Box::new(afresh));
            self.watch(tag, &new);
            let old = std::mem::replace(&mut found.borrow_mut().target, new);
            self.leave(tag, &old);
            self.keep(tag);
        } else if let Target::Many(members) = &mut found.borrow_mut().target {
            members.may_differ();
        }
        self.changed(tag, None);
    }
}

impl Target {
    pub(super) fn cells(&self) -> Vec<Arc<Cell>> {
        match self {
            Self::One(cell) => vec![Arc::clone(cell)],
            Self::Many(members) => members.cells(),
        }
    }
}

impl Subscription {
    /// What its watcher may see now, or why it is over.
    fn judged(&self, presence: &Presence, directory: &Directory) -> Result<Sight, State> {
        match &self.target {
            // What may be seen of each of its users is judged when it is told.
            Target::Many(_) => Ok(self.sight),
            Target::One(cell) if cell.foreign => match presence.is_reached(directory, cell) {
                true => serve::sight_of_strangers(&self.watcher, self.package).ok_or(State::Rejected),
                false => Err(State::NoResource),
            },
            Target::One(cell) => {
                let user = directory.of_address(&cell.user).ok_or(State::NoResource)?;
                serve::sight(directory, &self.watcher, user, self.package).ok_or(State::Rejected)
            }
        }
    }
}
