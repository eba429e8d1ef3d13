//! The door of every lane: a trunk passes at a glance, everybody else is judged by the one gate of the program.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use ringpost::{
    directory::Directory,
    security::{self, Gate, Toll},
    settings::{Security, UmServer},
    sip::{Message, Method, build::literal, uri::Uri},
};

use super::Refusal;
use crate::metrics::METRICS;

/// Seconds that a source is asked to wait when it has sent too much.
const RETRY_AFTER: &[u8] = b"5";

/// What all lanes know of the sources.
pub struct Gatehouse {
    gate: Mutex<Inner>,
    directory: Arc<ArcSwap<Directory>>,
    /// Counts the reloads.
    edition: AtomicU64,
    started: Instant,
}

struct Inner {
    gate: Gate,
    /// The addresses of devices, UM servers and connectors' servers: somebody may forge them, and nobody else would be hit by a ban.
    own: HashSet<IpAddr>,
}

/// The door of one lane.
pub struct Door {
    house: Arc<Gatehouse>,
    /// The edition that the rest is of.
    edition: Cell<u64>,
    settings: RefCell<Arc<Security>>,
    /// Trunks that came lately, each where its address falls.
    known: [Cell<Option<IpAddr>>; 8],
}

impl Gatehouse {
    /// The gate of a site.
    pub fn new(directory: Arc<ArcSwap<Directory>>) -> Arc<Self> {
        let now = directory.load();
        let gate = Gate::new(now.site.security.clone());
        let gate = Mutex::new(Inner { gate, own: own(&now) });
        Arc::new(Self { gate, directory, edition: AtomicU64::new(0), started: Instant::now() })
    }

    /// The site has been read again.
    pub fn reload(&self) {
        let directory = self.directory.load();
        let mut inner = self.inner();
        inner.gate.reload(directory.site.security.clone());
        inner.own = own(&directory);
        drop(inner);
        self.edition.fetch_add(1, Ordering::Release);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Asks the gate, and tells how many sources it knows then.
    fn ask<T>(&self, question: impl FnOnce(&mut Inner, u64) -> T) -> T {
        let now = self.now();
        let mut inner = self.inner();
        let answer = question(&mut inner, now);
        METRICS.sources.set(inner.gate.len() as u64);
        METRICS.banned_sources.set(inner.gate.banned() as u64);
        answer
    }
}

fn own(directory: &Directory) -> HashSet<IpAddr> {
    let devices = directory.site.users.iter().flat_map(|user| &user.devices);
    let servers =
        directory.site.plans.iter().flat_map(|plan| &plan.servers).filter_map(|server| match server {
            UmServer::Sip(uri) => Some(uri),
            UmServer::Embedded => None,
        });
    let address = |uri: &String| {
        let uri = Uri::read(uri.as_bytes())?;
        literal(uri.host, uri.port).map(|address| address.ip())
    };
    let connectors = directory.site.presence.connectors.iter().map(|one| &one.target);
    devices.chain(servers).chain(connectors).filter_map(address).collect()
}

impl Inner {
    fn scans(&mut self, ip: IpAddr, now: u64) {
        if !self.own.contains(&ip) && self.gate.ban(ip, now) {
            tell_ban(ip, "it says that it is a scanner");
        }
    }

    fn failed(&mut self, ip: IpAddr, now: u64) {
        if !self.own.contains(&ip) && self.gate.failed(ip, now) {
            tell_ban(ip, "too many of its requests fail");
        }
    }
}

fn tell_ban(ip: IpAddr, why: &str) {
    METRICS.bans_total.one();
    tracing::warn!(source = %ip, why, "Banned a source");
}

impl Door {
    /// A lane's door.
    pub fn new(house: Arc<Gatehouse>) -> Self {
        let settings = RefCell::new(Arc::new(house.directory.load().site.security.clone()));
        Self { house, edition: Cell::new(0), settings, known: Default::default() }
    }

    /// What the site says.
    pub fn settings(&self) -> Arc<Security> {
        Arc::clone(&self.settings.borrow())
    }

    /// Whether an address is a trunk's: these are not limited by what strangers may do.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let edition = self.house.edition.load(Ordering::Acquire);
        if edition != self.edition.get() {
            self.edition.set(edition);
            self.known.iter().for_each(|known| known.set(None));
            *self.settings.borrow_mut() = Arc::new(self.house.directory.load().site.security.clone());
        }
        let last = match ip {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(v6) => v6.octets()[15],
        };
        let place = &self.known[usize::from(last & 7)];
        if place.get() == Some(ip) {
            return true;
        }
        let is_trunk = self.house.directory.load().trunk(ip).is_some();
        if is_trunk {
            place.set(Some(ip));
        }
        is_trunk
    }

    /// Whether one of these names is a trunk's.
    pub fn trusts_name(&self, names: &[String]) -> bool {
        self.house.directory.load().trunk_named(names).is_some()
    }

    /// Whether a stranger gets no answer.
    pub fn is_banned(&self, ip: IpAddr) -> bool {
        let banned = self.house.ask(|inner, now| inner.gate.is_banned(ip, now));
        if banned {
            METRICS.banned_dropped_total.one();
        }
        banned
    }

    /// Whether a stranger's message may be looked at: not where it is banned, or bans itself by what it says it is.
    pub fn hears(&self, message: &Message, ip: IpAddr) -> bool {
        if self.is_banned(ip) {
            return false;
        }
        let outside = message.method().is_some() && message.to().is_none_or(|to| to.tag().is_none());
        if outside && security::is_scanner(&self.settings.borrow(), message) {
            METRICS.scanners_total.one();
            self.house.ask(|inner, now| inner.scans(ip, now));
            return false;
        }
        true
    }

    /// What a request may cost, whoever sends it; `trusted`: it is a trunk; `known`: it is a retransmission of one that has passed.
    ///
    /// # Errors
    /// The response to send.
    pub fn admits(
        &self,
        message: &Message,
        ip: IpAddr,
        trusted: bool,
        known: impl Fn() -> bool,
    ) -> Result<(), Refusal> {
        let settings = self.settings.borrow();
        if let Err((code, phrase)) = security::size(&settings, message) {
            METRICS.oversized_total.one();
            return Err(Refusal { phrase, ..Refusal::plain(code) });
        }
        let outside = message.to().is_none_or(|to| to.tag().is_none());
        if !outside || matches!(message.method(), Some(Method::Ack | Method::Cancel)) {
            return Ok(());
        }
        let toll = match (trusted, settings.trunk_rate) {
            (true, None) => return Ok(()),
            (true, Some(rate)) => self.house.ask(|inner, now| inner.gate.trunk_request(ip, rate, now)),
            (false, _) => self.house.ask(|inner, now| inner.gate.request(ip, now)),
        };
        if toll == Toll::Paid || known() {
            return Ok(());
        }
        METRICS.over_rate_total.one();
        Err(Refusal::with(503, "Retry-After", RETRY_AFTER))
    }

    /// Whether a stranger may be told no. It is told so only so often, and too many failures ban it.
    pub fn may_refuse(&self, ip: IpAddr, code: u16) -> bool {
        // Every device is challenged; how often, requests_per_second says.
        if matches!(code, 401 | 407) {
            return true;
        }
        // Not where it is no fault of its own, such as that Ringpost is full.
        let failure = !matches!(code, 420 | 423 | 480 | 500..);
        self.house.ask(|inner, now| {
            if failure {
                inner.failed(ip, now);
            }
            let may = inner.gate.may_refuse(ip, now);
            if !may {
                METRICS.refusals_silenced_total.one();
            }
            may
        })
    }

    /// A source's credentials were wrong.
    pub fn failed(&self, ip: IpAddr) {
        self.house.ask(|inner, now| inner.failed(ip, now));
    }

    /// Whether a source has proved who it is lately.
    pub fn is_proven(&self, ip: IpAddr) -> bool {
        self.house.ask(|inner, now| inner.gate.is_proven(ip, now))
    }

    /// A source has proved who it is.
    pub fn proven(&self, ip: IpAddr) {
        self.house.ask(|inner, now| inner.gate.proven(ip, now));
    }
}
