//! The servers of a directory: which of them is asked, and how one that was down is noticed when it is back.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use ringpost::{
    identity::breaker::{Breaker, Rules, Turn},
    settings::{Ldap, LdapServer, LdapStrategy},
};
use tracing::{debug, info, warn};

use super::{open::Opener, refusal::Refusal, session::Session};
use crate::{
    channel::{
        http::{HttpSetup, client_config, roots},
        lockout::Lockout,
    },
    metrics::METRICS,
};

/// How long a server that is down is left alone before it is tried once more: it is back within five seconds (T35).
const REST: Duration = Duration::from_secs(2);
/// Tries under way at once at one server that does not answer.
const TRIES: usize = 5;

/// Whom a directory can be asked of.
pub struct Servers {
    /// What the site says of it.
    pub settings: Arc<Ldap>,
    opener: Opener,
    lockout: Lockout,
    /// All of them, as the lockout knows them: they share their accounts.
    account: String,
    known: Vec<Known>,
    /// Who was asked last.
    last: Option<usize>,
    started: Instant,
}

struct Known {
    server: LdapServer,
    breaker: Cell<Breaker>,
    /// Why it failed last.
    why: RefCell<Option<Refusal>>,
}

impl Servers {
    /// # Errors
    /// The certificates of `ca` cannot be read.
    pub fn new(settings: Arc<Ldap>) -> Result<Self, HttpSetup> {
        let tls = Arc::new(client_config(roots(settings.ca.as_deref())?)?);
        let mut lockout = Lockout::new(settings.talk.password_rest);
        lockout.named("directory");
        let known = |server: &LdapServer| Known {
            server: server.clone(),
            breaker: Cell::default(),
            why: RefCell::default(),
        };
        let hosts: Vec<_> = settings.servers.iter().map(|server| server.host.as_str()).collect();
        Ok(Self {
            opener: Opener { tls, patience: settings.talk.connect_timeout, known: vec![] },
            lockout,
            account: hosts.join(" "),
            known: settings.servers.iter().map(known).collect(),
            last: None,
            started: Instant::now(),
            settings,
        })
    }

    /// Connects to one of these addresses instead of asking for the address of its name.
    #[must_use]
    pub fn resolving(mut self, names: &[(String, std::net::SocketAddr)]) -> Self {
        self.opener.known = names.to_vec();
        self
    }

    /// A session with the first server, in the order of the site's strategy, that works and has not `failed` just now.
    ///
    /// # Errors
    /// Why the last one did not; a refused password ends the search, since all of them share it.
    pub async fn session(&mut self, failed: &[usize]) -> Result<(LdapServer, Session), Refusal> {
        let mut last = None;
        for index in self.order() {
            if failed.contains(&index) {
                continue;
            }
            if !self.admits(index) {
                last = last.or_else(|| self.known[index].why.borrow().clone());
                continue;
            }
            match self.open(&self.known[index].server).await {
                Ok(session) => {
                    self.last = Some(index);
                    return Ok((self.known[index].server.clone(), session));
                }
                Err(refusal @ Refusal::Password(_)) => return Err(refusal),
                Err(refusal) => {
                    self.failed(index, &refusal);
                    last = Some(refusal);
                }
            }
        }
        Err(last.unwrap_or_else(|| Refusal::Lost("every server has failed".to_owned())))
    }

    /// The first session with any server, tried until one of them works or the password is refused. A try that hangs keeps no
    /// other from beginning.
    pub async fn wait(&mut self) -> Result<(LdapServer, Session), Refusal> {
        let (index, session) = self.first_back().await?;
        self.last = Some(index);
        Ok((self.known[index].server.clone(), session))
    }

    async fn first_back(&self) -> Result<(usize, Session), Refusal> {
        let mut tries = FuturesUnordered::new();
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + REST, REST);
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    for index in self.order() {
                        if tries.len() < TRIES * self.known.len() {
                            tries.push(async move { (index, self.open(&self.known[index].server).await) });
                        }
                    }
                }
                Some((index, tried)) = tries.next(), if !tries.is_empty() => match tried {
                    Ok(session) => return Ok((index, session)),
                    Err(refusal @ Refusal::Password(_)) => return Err(refusal),
                    Err(refusal) => self.failed(index, &refusal),
                }
            }
        }
    }

    /// A session with a server that a referral leads to: one of the site's, or on one of its hosts.
    pub async fn elsewhere(&self, server: &LdapServer) -> Result<Session, Refusal> {
        self.open(server).await
    }

    /// The site's server of that host and port, or where the port says nothing, of that host.
    pub fn named(&self, host: &str, port: u16) -> Option<&LdapServer> {
        let of_host = || {
            self.known
                .iter()
                .map(|known| &known.server)
                .filter(|server| server.host.eq_ignore_ascii_case(host))
        };
        let exact = of_host().find(|server| server.port == port);
        exact.or_else(|| of_host().next().filter(|_| matches!(port, 389 | 636)))
    }

    /// The server that was asked last has told everything.
    pub fn last_works(&self) {
        let Some(Known { server, breaker, .. }) = self.last.and_then(|last| self.known.get(last)) else {
            return;
        };
        let mut next = breaker.get();
        if next.reached() == Turn::Closed {
            info!(server = server.url(), "A directory server works again");
        }
        breaker.set(next);
    }

    /// The server that was asked last has failed at what it was asked; which one it is.
    pub fn last_failed(&self, refusal: &Refusal) -> Option<usize> {
        let last = self.last?;
        self.failed(last, refusal);
        Some(last)
    }

    /// The site says otherwise now. A password that was refused rests on, where it is the same.
    ///
    /// # Errors
    /// The certificates of `ca` cannot be read; then nothing has changed.
    pub fn renewed(&mut self, settings: Arc<Ldap>) -> Result<(), HttpSetup> {
        let mut next = Self::new(settings)?.resolving(&self.opener.known);
        if next.settings.bind == self.settings.bind {
            std::mem::swap(&mut next.lockout, &mut self.lockout);
            next.account.clone_from(&self.account);
        }
        *self = next;
        Ok(())
    }

    async fn open(&self, server: &LdapServer) -> Result<Session, Refusal> {
        let mut session = Session::open(&self.opener, server, &self.settings).await?;
        session.log_in((&self.lockout, &self.account)).await?;
        Ok(session)
    }

    fn order(&self) -> Vec<usize> {
        let count = self.known.len();
        let first = match (self.settings.talk.strategy, self.last) {
            (LdapStrategy::Order, _) => 0,
            // Each server counts its changes for itself: whoever goes on to the next one without need reads everything.
            (LdapStrategy::RoundRobin, Some(last)) => last,
            (LdapStrategy::RoundRobin, None) => fastrand::usize(..count.max(1)),
        };
        (0..count).map(|step| (first + step) % count).collect()
    }

    fn rules(&self) -> Rules {
        Rules { failures: self.settings.talk.failures, rest: REST }
    }

    fn admits(&self, index: usize) -> bool {
        let breaker = &self.known[index].breaker;
        let mut next = breaker.get();
        let admitted = next.admits(self.started.elapsed(), self.rules());
        breaker.set(next);
        admitted
    }

    fn failed(&self, index: usize, refusal: &Refusal) {
        METRICS.directory_failures_total.one();
        let Known { server, breaker, why } = &self.known[index];
        *why.borrow_mut() = Some(refusal.clone());
        let (mut next, url) = (breaker.get(), server.url());
        let was_down = next.is_open();
        match next.failed(self.started.elapsed(), self.rules()) {
            Turn::Opened => {
                warn!(server = url, why = %refusal, "A directory server is down: it is tried now and then");
            }
            Turn::None | Turn::Closed if was_down => {
                debug!(server = url, why = %refusal, "A directory server is still down");
            }
            Turn::None | Turn::Closed => warn!(server = url, why = %refusal, "A directory server has failed"),
        }
        breaker.set(next);
    }
}
