//! All subscriptions at one server: which, when, and what is known by them (R101–R112).
//!
//! A server that does not answer OPTIONS is asked nothing else, and what it has said counts for nothing any more; when it is
//! back, every subscription is prolonged, and those that it has lost begin anew. Times are milliseconds of any clock that
//! only runs forward, unless they say that they are seconds since 1970.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use super::{
    list::{self, State},
    meaning::{Meant, Read, Reading, is_of},
    message::{Answer, Notice},
    shown::{Status, Trouble},
    subscription::{Gone, Heard, Request, Step, Subscription, Terms},
};
use crate::{
    presence::{Standard, subscription::Package},
    sip::{Message, uri::Uri},
};

/// What a dialog has said that ended and is followed by another one counts so long.
const GRACE: u64 = 5_000;
/// A server that has lost one subscription has lost the others, most likely; but not all the time.
const DOUBTS: u64 = 30_000;
/// Requests may be so much ahead of their pace, in milliseconds.
const AHEAD: u64 = 20;

/// What is watched.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    /// Its URI.
    pub uri: Arc<str>,
    /// The package.
    pub package: Package,
    /// Zero; or the number of a trial, which has a subscription of its own.
    pub trial: u32,
}

/// How resources are subscribed to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Lists {
    /// One by one.
    #[default]
    None,
    /// By the list that the server keeps under that URI (RFC 4662).
    Server(Arc<str>),
    /// By lists of ours, so long at most, brought along to that URI (RFC 5367).
    Request(Arc<str>, usize),
}

/// How the server is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pace {
    /// What each subscription is asked for.
    pub terms: Terms,
    /// Requests under way at once.
    pub at_once: usize,
    /// Requests in a second.
    pub per_second: u32,
}

/// A SUBSCRIBE to be sent.
#[derive(Clone, Debug)]
pub struct Order {
    /// The number of the subscription.
    pub subscription: usize,
    /// The request.
    pub request: Request,
    /// The resource, or the list.
    pub uri: Arc<str>,
    /// The package.
    pub package: Package,
    /// Whether it is a list; the URIs that it brings along, if any.
    pub list: Option<Vec<Arc<str>>>,
}

/// What has changed for others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// NOTIFYs with that tag of ours are for us from now on.
    Begins(u64),
    /// They are not any more.
    Ends(u64),
    /// There is something new of a resource.
    Knows(Key),
    /// The same holds longer.
    Prolonged(Key),
    /// The server does not take lists: its resources are asked for one by one.
    NoLists,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Health {
    Unknown,
    Well,
    Silent,
}

/// What one dialog says of one resource.
#[derive(Debug)]
struct Known {
    dialog: u32,
    ends: u64,
    reading: Reading,
}

#[derive(Debug)]
struct Resource {
    key: Key,
    subscription: usize,
    known: Vec<Known>,
    /// What a list says of it.
    listed: Option<Trouble>,
}

#[derive(Debug)]
struct Slot {
    machine: Subscription,
    package: Package,
    uri: Arc<str>,
    /// Whether it is a list; of ours, if it brings its members along.
    list: Option<bool>,
    members: Vec<usize>,
    /// The version of the list that its latest NOTIFY had, by dialog.
    versions: Vec<(u32, u64)>,
    tag: u64,
    is_ready: bool,
    due: Option<u64>,
    /// The epoch in which it was last prolonged.
    epoch: u64,
}

/// The connector of one server.
#[derive(Debug)]
pub struct Connector {
    pace: Pace,
    lists: Lists,
    /// Whether the server has refused lists.
    refused_lists: bool,
    resources: Vec<Option<Resource>>,
    vacant: Vec<usize>,
    numbers: HashMap<Key, usize, ahash::RandomState>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    tags: HashMap<u64, usize, ahash::RandomState>,
    ready: VecDeque<usize>,
    later: BinaryHeap<Reverse<(u64, usize)>>,
    effects: Vec<Effect>,
    changed: HashSet<Key, ahash::RandomState>,
    under_way: usize,
    health: Health,
    /// When the next request may go, in microseconds.
    next: u64,
    /// A server that wants its rest is left alone until then.
    rest: u64,
    turn: usize,
    /// Subscriptions so far.
    count: u32,
    epoch: u64,
    doubts: u64,
    unproved: bool,
    denied: bool,
    has_login: bool,
}

impl Connector {
    /// A server that nobody has been asked about.
    pub fn new(pace: Pace, lists: Lists, has_login: bool) -> Self {
        Self {
            pace,
            lists,
            refused_lists: false,
            resources: vec![],
            vacant: vec![],
            numbers: HashMap::default(),
            slots: vec![],
            free: vec![],
            tags: HashMap::default(),
            ready: VecDeque::new(),
            later: BinaryHeap::new(),
            effects: vec![],
            changed: HashSet::default(),
            under_way: 0,
            health: Health::Unknown,
            next: 0,
            rest: 0,
            turn: 0,
            count: 0,
            epoch: 0,
            doubts: 0,
            unproved: false,
            denied: false,
            has_login,
        }
    }

    /// The site says something else of the server.
    pub fn adjust(&mut self, pace: Pace, has_login: bool) {
        (self.pace, self.has_login) = (pace, has_login);
    }

    /// How it is (R109).
    pub fn status(&self) -> Status {
        let held = || self.slots.iter().flatten().any(|slot| slot.machine.is_held());
        match self.health {
            _ if self.numbers.is_empty() => Status::NotConfigured,
            Health::Unknown | Health::Silent => Status::ConnectionError,
            Health::Well if self.unproved || self.denied && !held() => Status::Forbidden,
            Health::Well if self.has_login => Status::UpAndRunning,
            Health::Well => Status::CredentialsNotFound,
        }
    }

    /// Whether the server does not answer.
    pub fn is_silent(&self) -> bool {
        self.health == Health::Silent
    }

    /// All that is watched.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.numbers.keys()
    }

    /// Subscriptions that the server holds, as far as is known.
    pub fn held(&self) -> usize {
        self.slots.iter().flatten().filter(|slot| slot.machine.is_held()).count()
    }

    /// What is known of a resource and until when, or why nothing.
    ///
    /// # Errors
    /// Why nothing is known.
    pub fn known(&self, key: &Key, now: u64) -> Result<(Meant, u64), Trouble> {
        let resource = self.numbers.get(key).and_then(|at| self.resources[*at].as_ref());
        let resource = resource.ok_or(Trouble::NotRequested)?;
        let mut live = resource.known.iter().filter(|known| known.ends > now);
        let Some(first) = live.next() else { return Err(self.trouble(resource)) };
        let (mut meant, mut ends) = (first.reading.meant.clone(), first.ends);
        for more in live {
            meant.join(&more.reading.meant);
            ends = ends.max(more.ends);
        }
        Ok((meant, ends))
    }

    fn trouble(&self, resource: &Resource) -> Trouble {
        let slot = self.slots.get(resource.subscription).and_then(Option::as_ref);
        let own = slot.and_then(|slot| slot.machine.trouble());
        match (self.health, own.or(resource.listed)) {
            (Health::Silent, _) => Trouble::Error,
            (_, own) => own.unwrap_or(Trouble::Requesting),
        }
    }

    /// Watches that from now on.
    pub fn add(&mut self, key: Key) {
        if self.numbers.contains_key(&key) {
            return;
        }
        let at = self.vacant.pop().unwrap_or_else(|| {
            self.resources.push(None);
            self.resources.len() - 1
        });
        let subscription = self.place(&key, at);
        self.resources[at] = Some(Resource { key: key.clone(), subscription, known: vec![], listed: None });
        self.numbers.insert(key, at);
    }

    /// The subscription that a resource becomes part of.
    fn place(&mut self, key: &Key, at: usize) -> usize {
        let single = key.trial > 0 || self.refused_lists;
        let (uri, list, most) = match &self.lists {
            _ if single => (Arc::clone(&key.uri), None, 1),
            Lists::None => (Arc::clone(&key.uri), None, 1),
            Lists::Server(uri) => (Arc::clone(uri), Some(false), usize::MAX),
            Lists::Request(uri, most) => (Arc::clone(uri), Some(true), *most),
        };
        // A list of ours takes no more members once it was sent.
        let has_room = |slot: &Slot| {
            let open = slot.list == Some(false) || slot.machine.tag() == 0;
            slot.list.is_some() && slot.package == key.package && open && slot.members.len() < most
        };
        let found = list.and_then(|_| self.slots.iter().position(|slot| slot.as_ref().is_some_and(has_room)));
        if let Some(found) = found {
            if let Some(slot) = &mut self.slots[found] {
                slot.members.push(at);
                slot.machine.wants(true);
                // What the list said of it before is said again.
                slot.machine.doubt();
            }
            self.look(found);
            return found;
        }
        self.count = self.count.wrapping_add(1);
        let slot = Slot {
            // Serials of one that took the place of another must not be taken for that one's.
            machine: Subscription::new(key.package, self.count << 12),
            package: key.package,
            uri,
            list,
            members: vec![at],
            versions: vec![],
            tag: 0,
            is_ready: false,
            due: None,
            epoch: 0,
        };
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[number] = Some(slot);
        self.look(number);
        number
    }

    /// Watches that no more.
    pub fn remove(&mut self, key: &Key) {
        let Some(at) = self.numbers.remove(key) else { return };
        let Some(resource) = self.resources[at].take() else { return };
        self.vacant.push(at);
        let number = resource.subscription;
        if let Some(slot) = &mut self.slots[number] {
            slot.members.retain(|member| *member != at);
            slot.machine.wants(!slot.members.is_empty());
            self.look(number);
        }
    }

    /// The server has answered OPTIONS, or has not.
    pub fn answers(&mut self, answers: bool) {
        match (answers, self.health) {
            (false, Health::Silent) => {}
            (false, _) => {
                self.health = Health::Silent;
                self.forget_all();
            }
            (true, Health::Silent | Health::Unknown) => {
                self.health = Health::Well;
                // Those may wait for their own time-outs yet.
                (self.under_way, self.rest) = (0, 0);
                self.doubt_all();
                self.note_all();
            }
            // One after the other, so that a server that was fast to come back is found out.
            (true, Health::Well) if !self.slots.is_empty() => {
                self.turn = (self.turn + 1) % self.slots.len();
                if let Some(slot) = &mut self.slots[self.turn] {
                    slot.machine.doubt();
                    self.look(self.turn);
                }
            }
            (true, Health::Well) => {}
        }
    }

    /// Ends everything; whatever is left ends by itself.
    pub fn end(&mut self) {
        let keys: Vec<Key> = self.numbers.keys().cloned().collect();
        keys.iter().for_each(|key| self.remove(key));
    }

    /// Whether there is nothing left to send.
    pub fn is_over(&self) -> bool {
        self.slots.iter().flatten().all(|slot| !slot.machine.is_held())
    }

    /// What has changed for others since the last time.
    pub fn effects(&mut self) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.effects);
        effects.extend(self.changed.drain().map(Effect::Knows));
        effects
    }

    /// The next request to send now. `tag` gives fresh tags.
    pub fn next(&mut self, now: u64, mut tag: impl FnMut() -> u64) -> Option<Order> {
        while let Some(Reverse((at, which))) = self.later.peek().copied()
            && at <= now
        {
            self.later.pop();
            if let Some(slot) = self.slots[which].as_mut().filter(|slot| slot.due == Some(at)) {
                slot.due = None;
                self.look(which);
            }
        }
        let room = if self.health == Health::Well && self.rest <= now { self.pace.at_once } else { 0 };
        while self.under_way < room && self.next <= (now + AHEAD) * 1_000 {
            let at = self.ready.pop_front()?;
            let Some(slot) = &mut self.slots[at] else { continue };
            slot.is_ready = false;
            let random = tag();
            let step = slot.machine.step(&self.pace.terms, now, random, random as u32);
            self.settle(at, now);
            match step {
                Step::Send(request) => return Some(self.order(at, request, now)),
                Step::Wait(Some(until)) => self.remind(at, until),
                Step::Wait(None) => {}
            }
        }
        None
    }

    fn order(&mut self, at: usize, request: Request, now: u64) -> Order {
        self.under_way += 1;
        self.next = self.next.max(now * 1_000) + 1_000_000 / u64::from(self.pace.per_second.max(1));
        let slot = self.slots[at].as_mut().expect("it has just made a request");
        slot.epoch = self.epoch;
        if slot.tag != request.tag {
            self.tags.remove(&slot.tag);
            if slot.tag != 0 {
                self.effects.push(Effect::Ends(slot.tag));
            }
            slot.tag = request.tag;
            self.tags.insert(request.tag, at);
            self.effects.push(Effect::Begins(request.tag));
        }
        let uris = |members: &[usize]| {
            let uri = |at: &usize| self.resources[*at].as_ref().map(|one| Arc::clone(&one.key.uri));
            members.iter().filter_map(uri).collect::<Vec<_>>()
        };
        let list = slot.list.map(|ours| if ours { uris(&slot.members) } else { vec![] });
        Order { subscription: at, request, uri: Arc::clone(&slot.uri), package: slot.package, list }
    }

    /// When to ask [`Connector::next`] again though nothing else has happened.
    pub fn wake(&self, now: u64) -> Option<u64> {
        let later = self.later.peek().map(|Reverse((at, _))| *at);
        let may = self.health == Health::Well && self.under_way < self.pace.at_once;
        let gate = (self.next / 1_000).saturating_sub(AHEAD).max(self.rest).max(now + 1);
        let ready = (may && !self.ready.is_empty()).then_some(gate);
        [later, ready].into_iter().flatten().min()
    }

    /// What came of a request: the number of the subscription, the request's serial and its CSeq in the end.
    pub fn answered(
        &mut self,
        at: usize,
        (serial, sequence): (u32, u32),
        answer: Answer,
        now: u64,
        random: u32,
    ) {
        self.under_way = self.under_way.saturating_sub(1);
        let Some(slot) = self.slots.get_mut(at).and_then(Option::as_mut) else { return };
        let (held, is_list, recent) = (slot.machine.is_held(), slot.list.is_some(), slot.epoch == self.epoch);
        match answer {
            Answer::Taken(_) => (self.unproved, self.denied) = (false, false),
            Answer::Unproved => self.unproved = true,
            Answer::Denied => self.denied = true,
            Answer::Ill(Some(after)) => self.rest = now + 1_000 * u64::from(after.min(3_600)),
            _ => {}
        }
        let began = slot.machine.trouble().is_some();
        slot.machine.answered((serial, sequence), answer.clone(), &self.pace.terms, now, random);
        if matches!(answer, Answer::Taken(_)) && held {
            let prolonged: Vec<_> = slot.members.clone();
            for member in prolonged {
                self.prolong(member, at);
            }
        }
        self.settle(at, now);
        self.look(at);
        if is_list && began && matches!(answer, Answer::Unknown(_) | Answer::NotFound | Answer::Denied) {
            return self.single_out();
        }
        if answer == Answer::Gone && held && recent && now >= self.doubts {
            self.doubts = now + DOUBTS;
            self.epoch += 1;
            self.doubt_all();
        }
    }

    /// Lists are not taken: one subscription for each of their resources.
    fn single_out(&mut self) {
        self.refused_lists = true;
        self.effects.push(Effect::NoLists);
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots[at].as_mut().filter(|slot| slot.list.is_some()) else { continue };
            slot.machine.wants(false);
            for member in std::mem::take(&mut slot.members) {
                let Some(key) = self.resources[member].as_ref().map(|one| one.key.clone()) else { continue };
                let subscription = self.place(&key, member);
                if let Some(resource) = &mut self.resources[member] {
                    (resource.subscription, resource.listed) = (subscription, None);
                }
                self.changed.insert(key);
            }
            self.look(at);
        }
    }

    /// A NOTIFY with a tag of ours has come; the code to answer. `custom` maps states of users' own (R81), `wall` is the time in
    /// seconds since 1970.
    pub fn notified(
        &mut self,
        tag: u64,
        message: &Message,
        custom: impl Fn(&str) -> Option<Standard>,
        (now, wall): (u64, u64),
        random: u32,
    ) -> u16 {
        let Some(at) = self.tags.get(&tag).copied() else { return 481 };
        let Some(slot) = &mut self.slots[at] else { return 481 };
        let notice = match Notice::read(message, slot.package) {
            Ok(notice) => notice,
            Err(code) => return code,
        };
        let heard = slot.machine.notified(&notice, &self.pace.terms, now, random);
        let body = notice.body();
        let code = match heard {
            Heard::Refused(code) => return code,
            Heard::Last => 200,
            Heard::Taken(dialog, ends) => {
                let times = (now, wall, ends);
                match body {
                    Some((kind, body)) => self.reads(at, dialog, (kind, &body), custom, times),
                    None => self.says_nothing(at, dialog, ends),
                }
            }
        };
        self.settle(at, now);
        self.look(at);
        code
    }

    /// A NOTIFY without a body: the subscription stands, and nothing is known yet, or what was said before holds.
    fn says_nothing(&mut self, at: usize, dialog: u32, ends: u64) -> u16 {
        let Some(slot) = self.slots[at].as_ref().filter(|slot| slot.list.is_none()) else { return 200 };
        for member in slot.members.clone() {
            let Some(resource) = &mut self.resources[member] else { continue };
            resource.known_by(dialog, ends);
            self.changed.insert(resource.key.clone());
        }
        200
    }

    fn reads(
        &mut self,
        at: usize,
        dialog: u32,
        (kind, body): (&[u8], &bytes::Bytes),
        custom: impl Fn(&str) -> Option<Standard>,
        times: (u64, u64, u64),
    ) -> u16 {
        let Some(slot) = self.slots[at].as_ref() else { return 481 };
        let package = slot.package;
        if list::is_kind(kind, list::TYPE) && slot.list.is_some() {
            return match list::read(kind, body) {
                Ok(listed) => self.reads_list(at, dialog, listed, custom, times),
                Err(_) => 400,
            };
        }
        if !is_of(package, kind) {
            return 415;
        }
        let Some(member) = slot.members.first().copied() else { return 200 };
        match self.read_one(member, dialog, body, &custom, times) {
            Ok(Read::Gap) => self.doubt(at),
            Ok(_) => {}
            Err(code) => return code,
        }
        200
    }

    /// Takes a document about one resource.
    fn read_one(
        &mut self,
        member: usize,
        dialog: u32,
        body: &[u8],
        custom: &impl Fn(&str) -> Option<Standard>,
        (now, wall, ends): (u64, u64, u64),
    ) -> Result<Read, u16> {
        let Some(resource) = &mut self.resources[member] else { return Ok(Read::Old) };
        let package = resource.key.package;
        let until = wall + (ends - now.min(ends)).div_ceil(1_000);
        let known = resource.known_by(dialog, ends);
        let read = known.reading.take(package, body, custom, (wall, until)).map_err(|_| 400_u16)?;
        // What comes instead of a dialog that has ended is here.
        resource.known.retain(|known| known.dialog == dialog || known.ends > now + GRACE);
        resource.listed = None;
        self.changed.insert(resource.key.clone());
        Ok(read)
    }

    fn reads_list(
        &mut self,
        at: usize,
        dialog: u32,
        listed: list::Listed,
        custom: impl Fn(&str) -> Option<Standard>,
        times: (u64, u64, u64),
    ) -> u16 {
        let Some(slot) = self.slots[at].as_mut() else { return 481 };
        let last = slot.versions.iter().find(|(of, _)| *of == dialog).map(|(_, version)| *version);
        // RFC 4662 §5.2: changes to something that is not known here are asked for as a whole.
        let mut gap =
            !listed.full && last.zip(listed.version).is_none_or(|(last, version)| version != last + 1);
        if let (Some(last), Some(version), false) = (last, listed.version, listed.full)
            && version <= last
        {
            return 200;
        }
        slot.versions.retain(|(of, _)| *of != dialog);
        slot.versions.extend(listed.version.map(|version| (dialog, version)));
        let by_uri = self.names_of(at);
        let mut named: HashSet<usize> = HashSet::new();
        for one in listed.resources {
            let Some(member) = found(&by_uri, &one.uri) else { continue };
            named.insert(member);
            let trouble = match one.state {
                State::Told(kind, body) => {
                    let package = self.resources[member].as_ref().map(|one| one.key.package);
                    if !package.is_some_and(|package| is_of(package, kind.as_bytes())) {
                        continue;
                    }
                    // One that cannot be read is one resource's trouble.
                    match self.read_one(member, dialog, &body, &custom, times) {
                        Ok(read) => gap |= read == Read::Gap,
                        Err(_) => self.forget_one(member, dialog, Trouble::Error, false),
                    }
                    continue;
                }
                State::Nothing => Trouble::Requesting,
                State::Rejected => Trouble::AccessDenied,
                State::NoResource => Trouble::NotFound,
                State::Over => Trouble::Error,
            };
            let silent = matches!(one.state, State::Nothing);
            self.forget_one(member, dialog, trouble, silent);
        }
        if listed.full {
            let members = self.slots[at].as_ref().map(|slot| slot.members.clone()).unwrap_or_default();
            for member in members.into_iter().filter(|member| !named.contains(member)) {
                self.forget_one(member, dialog, Trouble::NotFound, false);
            }
        }
        if gap {
            self.doubt(at);
        }
        200
    }

    /// A list says nothing of a resource, and why. `may_stay`: what it said before holds.
    fn forget_one(&mut self, member: usize, dialog: u32, trouble: Trouble, may_stay: bool) {
        let Some(resource) = &mut self.resources[member] else { return };
        if may_stay && !resource.known.is_empty() {
            return;
        }
        resource.known.retain(|known| known.dialog != dialog);
        resource.listed = Some(trouble);
        self.changed.insert(resource.key.clone());
    }

    /// The members of a list by how a server may write them: the whole address, and the user part.
    fn names_of(&self, at: usize) -> HashMap<String, usize> {
        let members = self.slots[at].iter().flat_map(|slot| &slot.members);
        let mut names = HashMap::new();
        for member in members {
            let Some(resource) = &self.resources[*member] else { continue };
            let (whole, user) = plain(&resource.key.uri);
            names.entry(user).or_insert(*member);
            names.insert(whole, *member);
        }
        names
    }

    fn doubt(&mut self, at: usize) {
        if let Some(slot) = &mut self.slots[at] {
            slot.machine.doubt();
        }
        self.look(at);
    }

    fn prolong(&mut self, member: usize, at: usize) {
        let Some(slot) = &self.slots[at] else { return };
        let Some(resource) = &mut self.resources[member] else { return };
        let mut longer = false;
        for known in &mut resource.known {
            if let Some(ends) = slot.machine.ends(known.dialog).filter(|ends| *ends != known.ends) {
                (known.ends, longer) = (ends, true);
            }
        }
        if longer {
            self.effects.push(Effect::Prolonged(resource.key.clone()));
        }
    }

    /// After a subscription's machine was asked or told something: what its dialogs have said goes with them.
    fn settle(&mut self, at: usize, now: u64) {
        let Some(slot) = &mut self.slots[at] else { return };
        let gone = slot.machine.gone();
        for Gone { dialog, followed } in gone {
            slot.versions.retain(|(of, _)| *of != dialog);
            for member in &slot.members {
                let Some(resource) = &mut self.resources[*member] else { continue };
                let before = resource.known.len();
                match followed {
                    true => resource
                        .known
                        .iter_mut()
                        .filter(|known| known.dialog == dialog)
                        .for_each(|known| known.ends = known.ends.min(now + GRACE)),
                    false => resource.known.retain(|known| known.dialog != dialog),
                }
                if followed || resource.known.len() < before {
                    self.changed.insert(resource.key.clone());
                }
            }
        }
        // Whatever the machine is in now is shown.
        if let Some(slot) = &self.slots[at] {
            if slot.machine.trouble().is_some() {
                let keys = slot.members.iter().filter_map(|member| self.resources[*member].as_ref());
                self.changed.extend(keys.map(|resource| resource.key.clone()));
            }
            if slot.machine.is_over() && slot.members.is_empty() {
                self.tags.remove(&slot.tag);
                if slot.tag != 0 {
                    self.effects.push(Effect::Ends(slot.tag));
                }
                self.slots[at] = None;
                self.free.push(at);
            }
        }
    }

    fn forget_all(&mut self) {
        for resource in self.resources.iter_mut().flatten() {
            resource.known.clear();
        }
        self.note_all();
    }

    fn note_all(&mut self) {
        self.changed.extend(self.numbers.keys().cloned());
    }

    fn doubt_all(&mut self) {
        for at in 0..self.slots.len() {
            if let Some(slot) = &mut self.slots[at] {
                slot.machine.doubt();
                slot.machine.forgive();
                self.look(at);
            }
        }
    }

    fn remind(&mut self, at: usize, until: u64) {
        if let Some(slot) = &mut self.slots[at]
            && slot.due.is_none_or(|due| until < due)
        {
            slot.due = Some(until);
            self.later.push(Reverse((until, at)));
        }
    }

    fn look(&mut self, at: usize) {
        if let Some(slot) = &mut self.slots[at]
            && !std::mem::replace(&mut slot.is_ready, true)
        {
            self.ready.push_back(at);
        }
    }
}

impl Resource {
    /// What that dialog says of it, which holds until then.
    fn known_by(&mut self, dialog: u32, ends: u64) -> &mut Known {
        let at = self.known.iter().position(|known| known.dialog == dialog).unwrap_or_else(|| {
            self.known.push(Known { dialog, ends, reading: Reading::default() });
            self.known.len() - 1
        });
        self.known[at].ends = ends;
        &mut self.known[at]
    }
}

/// An address as it is compared, and its user part.
fn plain(uri: &str) -> (String, String) {
    let read = Uri::read(uri.as_bytes());
    let user = read.and_then(|uri| uri.bare_user()).map(|user| String::from_utf8_lossy(user).into_owned());
    let host = read.map(|uri| String::from_utf8_lossy(uri.host).to_ascii_lowercase()).unwrap_or_default();
    let user = user.unwrap_or_else(|| uri.to_owned());
    (format!("{user}@{host}"), user)
}

fn found(names: &HashMap<String, usize>, uri: &str) -> Option<usize> {
    let (whole, user) = plain(uri);
    names.get(&whole).or_else(|| names.get(&user)).copied()
}
