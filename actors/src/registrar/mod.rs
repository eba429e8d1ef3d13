//! Who is where: the registered devices of every user, read by all lanes without a lock, and kept in the store.
//!
//! Each user has a cell of its own that is swapped whole, so that ten thousand devices which refresh copy ten thousand
//! times one entry. A lane gathers what its REGISTERs have changed and has it written with one commit; see
//! `switch/registrations.rs`.

mod flows;
mod guard;
mod restore;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Instant, SystemTime},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use ringpost::{
    directory::Directory,
    registrar::{self, Binding, Device, Gruus, LockOuts, Refused, Rules, Told, Wish},
    settings::{Site, User},
    sip::{Message as SipMessage, digest::Window, peer::Peer, uri::Uri},
};

use crate::{
    metrics::METRICS,
    store::{BindingRow, Scribe},
};
use flows::Flows;
pub use guard::Denial;

/// How often ended bindings are taken out.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(10);
/// Locks of the replay windows: lanes hardly ever wait for each other.
const WINDOWS: usize = 16;

/// The bindings of every user that can register.
pub struct Registrar {
    cells: ArcSwap<Cells>,
    rules: Rules,
    flow_timer: u64,
    /// Makes challenges; new at each start.
    key: [u8; 32],
    gruus: ArcSwap<Gruus>,
    flows: Flows,
    names: Mutex<HashMap<u64, Name, ahash::RandomState>>,
    windows: Vec<Mutex<Window>>,
    lock_outs: Mutex<LockOuts>,
    lock_out: u64,
    scribe: Option<Scribe>,
    /// Hears of users who have come or gone.
    tells: OnceLock<Hear>,
    started: (u64, Instant),
}

/// Whoever hears of users, by their addresses.
pub type Hear = Box<dyn Fn(&str) + Send + Sync>;

type Cells = HashMap<Arc<str>, Arc<Cell>, ahash::RandomState>;

/// Whose temporary GRUU it is: user, instance, Call-ID.
type Name = (Arc<str>, String, String);

/// One user's bindings.
pub struct Cell {
    user: Arc<str>,
    bindings: ArcSwap<Vec<Binding>>,
}

impl Registrar {
    /// An empty one with the bounds of a site; without a scribe nothing is kept.
    pub fn new(site: &Site, scribe: Option<Scribe>) -> Self {
        let settings = &site.registrar;
        let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX).max(1);
        let rules = Rules {
            expires: seconds(settings.expires),
            min: seconds(settings.min_expires),
            max: seconds(settings.max_expires),
            most: settings.max_bindings,
        };
        let key = crate::entropy::key();
        let lock_out = settings.lock_out.as_secs().max(1);
        let each = settings.remembered.div_ceil(WINDOWS);
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            cells: ArcSwap::default(),
            rules,
            flow_timer: site.sip.idle_timeout.as_secs(),
            gruus: ArcSwap::from_pointee(Gruus::new(&key)),
            key,
            flows: Flows::default(),
            names: Mutex::default(),
            windows: (0..WINDOWS).map(|_| Mutex::new(Window::new(each))).collect(),
            lock_outs: Mutex::new(LockOuts::new(settings.tries, lock_out, settings.remembered)),
            lock_out,
            scribe,
            tells: OnceLock::new(),
            started: (epoch.map_or(0, |since| since.as_secs()), Instant::now()),
        }
    }

    /// Has `hear` told of each user whose first device has come or whose last one has gone; once.
    pub fn tell(&self, hear: impl Fn(&str) + Send + Sync + 'static) {
        assert!(self.tells.set(Box::new(hear)).is_ok(), "one hears of who comes and goes");
    }

    fn moved(&self, user: &str) {
        if let Some(tell) = self.tells.get() {
            tell(user);
        }
    }

    /// Takes out some of a user's bindings; true where there were any.
    fn drop_if(&self, cell: &Cell, gone: impl Fn(&Binding) -> bool) -> bool {
        let any = cell.drop_if(gone);
        if any && cell.bindings.load().is_empty() {
            self.moved(&cell.user);
        }
        any
    }

    /// Seconds since 1970, by a clock that nobody sets while Ringpost runs.
    pub fn now(&self) -> u64 {
        self.started.0 + self.started.1.elapsed().as_secs()
    }

    /// A directory whose door this registrar keeps, and a cell for each of its users.
    pub fn open(&self, directory: Directory) -> Directory {
        let old = self.cells.load();
        let users = directory.site.users.iter().filter(|user| user.login.is_some());
        let cells = users.map(|user| {
            let user: Arc<str> = user.address.as_str().into();
            let cell = old.get(&user).cloned();
            let fresh = || Arc::new(Cell { user: Arc::clone(&user), bindings: ArcSwap::default() });
            (Arc::clone(&user), cell.unwrap_or_else(fresh))
        });
        self.cells.store(Arc::new(cells.collect()));
        directory.with_door(&self.key)
    }

    /// The devices that ring for a call to a user under a Request-URI, which may be a GRUU.
    pub fn devices(&self, user: &User, uri: &[u8]) -> Vec<Device> {
        let cells = self.cells.load();
        let Some(cell) = cells.get(user.address.as_str()) else {
            return registrar::devices(&user.devices, &[], None, 0);
        };
        let instance = self.instance(uri).map(|(_, instance)| instance);
        registrar::devices(&user.devices, &cell.bindings.load(), instance.as_deref(), self.now())
    }

    /// The devices of a user that have registered.
    pub fn registered(&self, user: &User) -> Vec<Device> {
        let cells = self.cells.load();
        let bindings = cells.get(user.address.as_str()).map(|cell| cell.bindings.load_full());
        bindings.map_or(vec![], |bindings| registrar::devices(&[], &bindings, None, self.now()))
    }

    /// The user, for a temporary GRUU, and the instance that a GRUU names.
    pub fn instance(&self, uri: &[u8]) -> Option<(Option<Arc<str>>, String)> {
        memchr::memmem::find(uri, b";gr")?;
        let uri = Uri::read(uri)?;
        let instance = registrar::instance_of(&uri)?;
        if !instance.is_empty() {
            return Some((None, instance));
        }
        let name = self.gruus.load().open(uri.bare_user()?)?;
        let (user, instance, _) = lock(&self.names).get(&name)?.clone();
        Some((Some(user), instance))
    }

    /// Applies a REGISTER of a user's device: the 200, and the cell that has to be written before it goes out. `trusted`: a
    /// trunk sent it; `barred` tells the URIs that no device may have calls go to.
    ///
    /// # Errors
    /// How to refuse it.
    pub fn register(
        &self,
        user: &User,
        (request, from): (&SipMessage, &Peer),
        (tag, salt): (&[u8], u64),
        (trusted, barred): (bool, impl Fn(&[u8]) -> bool),
    ) -> Result<(Bytes, Option<Arc<Cell>>), Refused> {
        let now = self.now();
        let mut wish = Wish::read(request, from)?;
        wish.trusted = trusted;
        if wish.leads_to().any(barred) {
            return Err(Refused::Elsewhere);
        }
        let cells = self.cells.load();
        let cell = cells.get(user.address.as_str()).ok_or(Refused::Bad("No Registrations"))?;
        let changes = wish.star || !wish.contacts.is_empty();
        let bindings = match changes {
            true => {
                let before = cell.bindings.load().is_empty();
                let after =
                    cell.change(|current| registrar::register(current, &wish, from, &self.rules, now))?;
                if before != after.is_empty() {
                    self.moved(&cell.user);
                }
                after
            }
            false => cell.bindings.load_full(),
        };
        self.note(cell, &bindings, &wish);
        let gruus = self.gruus.load();
        let gruus = (&**gruus, salt);
        let told = Told { tag, address: &user.address, gruus, flow_timer: self.flow_timer };
        let answer = registrar::accepted(request, from.address, &wish, &bindings, &told, now);
        METRICS.registers_total.one();
        Ok((answer, changes.then(|| Arc::clone(cell))))
    }

    /// What has to be found again by something else than the user.
    fn note(&self, cell: &Arc<Cell>, bindings: &[Binding], wish: &Wish) {
        for binding in bindings {
            if let Some(flow) = binding.flow.filter(|flow| flow.peer.is_reliable()) {
                self.flows.note(flow.peer.connection, &cell.user);
            }
            if wish.gruu {
                self.name(cell, binding);
            }
        }
    }

    /// Writes what has changed; what the disk refuses comes back.
    pub async fn write(&self, cells: Vec<Arc<Cell>>) -> Vec<Arc<Cell>> {
        let Some(scribe) = self.scribe.as_ref().filter(|_| !cells.is_empty()) else { return vec![] };
        let rows = cells.iter().map(|cell| cell.row()).collect();
        if scribe.bind(rows).await { vec![] } else { cells }
    }

    /// Takes out what has ended, from time to time, until the program ends.
    pub async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP).await;
            let now = self.now();
            let cells = self.cells.load_full();
            let ended = cells.values().filter(|cell| self.drop_if(cell, |binding| binding.expires <= now));
            // What is not written now ends at the next start all the same.
            self.write(ended.cloned().collect()).await;
            self.forget(&cells);
            self.count();
        }
    }

    /// Forgets the ways back and the names of bindings that have gone.
    fn forget(&self, cells: &Cells) {
        let any = |user: &Arc<str>, of: &dyn Fn(&Binding) -> bool| {
            cells.get(user).is_some_and(|cell| cell.bindings.load().iter().any(of))
        };
        self.flows.retain(|connection, user| any(user, &|b| b.is_by(connection)));
        lock(&self.names).retain(|_, (user, instance, call_id)| {
            any(user, &|b| b.instance.as_ref() == Some(instance) && b.call_id == *call_id)
        });
    }

    fn count(&self) {
        let cells = self.cells.load();
        METRICS.bindings.set(cells.values().map(|cell| cell.bindings.load().len() as u64).sum());
    }
}

impl Cell {
    /// Puts in place what `decide` makes of the bindings, however many lanes do so at once.
    fn change(
        &self,
        decide: impl Fn(&[Binding]) -> Result<Vec<Binding>, Refused>,
    ) -> Result<Arc<Vec<Binding>>, Refused> {
        loop {
            let current = self.bindings.load();
            let next = Arc::new(decide(&current)?);
            let seen = self.bindings.compare_and_swap(&current, Arc::clone(&next));
            if Arc::ptr_eq(&seen, &current) {
                return Ok(next);
            }
        }
    }

    /// Takes out some bindings; true where there were any.
    fn drop_if(&self, gone: impl Fn(&Binding) -> bool) -> bool {
        let any = self.bindings.load().iter().any(&gone);
        if any {
            self.bindings.rcu(|now| now.iter().filter(|b| !gone(b)).cloned().collect::<Vec<_>>());
        }
        any
    }

    fn row(&self) -> BindingRow {
        let bindings = self.bindings.load();
        let body = (!bindings.is_empty())
            .then(|| serde_json::to_string(&**bindings).expect("bindings are text and numbers"));
        (Arc::clone(&self.user), body)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
