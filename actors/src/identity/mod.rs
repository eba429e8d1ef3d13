//! What callers are called, asked of servers (R205): all of them at once, each within its time, on a thread of its own, so
//! that no call waits. Whoever tells the user waits, never longer than the sources' time-outs.

mod contacts;

use std::{
    collections::HashMap,
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use ringpost::{
    address::{Caller, Found, SourceName},
    directory::Directory,
    identity::{
        breaker::{Breaker, Turn},
        memory::{Asked, Memory},
        race::{Race, Standing},
    },
    notify::{Notice, clean::reason},
    outbox::ChannelName,
    settings::SourceKind,
};
use tokio::{runtime, sync::watch};
use tracing::{debug, info, warn};

use crate::{
    channel::Contacts,
    guard::words,
    metrics::{METRICS, State},
};
use contacts::CalleesContacts;

/// Questions under way; beyond them a number is all that is told.
const UNDER_WAY: usize = 10_000;

/// How much longer than its time-out a source may take to end by itself.
const OVERTIME: Duration = Duration::from_secs(1);
/// How long a question stays answered that a source has not answered.
const AFTERGLOW: Duration = Duration::from_secs(1);

/// A number to be named for one callee, and who is asked. The same question is asked once for all who wait.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Question {
    /// The callee's mailbox, for sources that are the callee's own.
    pub callee: Option<String>,
    /// The caller's number in its normal form.
    pub number: String,
    /// The sources in order, and how long each is waited for.
    sources: Vec<(SourceName, Duration)>,
}

/// A server that knows names. A sibling is a file here and a kind in `settings::SourceKind`.
pub trait Source: Send + Sync {
    /// What it has told before, for whoever cannot wait.
    fn known(&self, question: &Question) -> Known;

    /// Asks who has the number. It ends within `patience`.
    fn name<'a>(
        &'a self,
        question: &'a Question,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Option<String>, Silent>>;

    /// It answers each callee differently, and none without a mailbox.
    fn is_private(&self) -> bool;
}

/// What a source knows without asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Known {
    /// This name, or that there is none.
    Fresh(Option<String>),
    /// This name, as long as it says no other.
    Old(String),
    /// Nothing: it has to be asked.
    Nothing,
}

/// Why a source has told nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Silent {
    /// It works, but not within the patience.
    Slow,
    /// It does not work; why.
    Down(String),
}

/// The sources of a site.
pub struct Identity {
    directory: Arc<ArcSwap<Directory>>,
    servers: HashMap<SourceName, Server>,
    memory: Mutex<Memory>,
    under_way: Mutex<HashMap<Question, Seeking>>,
    thread: runtime::Handle,
    started: Instant,
}

struct Server {
    source: Box<dyn Source>,
    breaker: Mutex<Breaker>,
}

/// A question on its way to its answer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Seeking(watch::Receiver<Option<Found>>);

impl Seeking {
    /// The answer, if it is there.
    pub fn settled(&self) -> Option<Found> {
        self.0.borrow().clone()
    }

    /// Waits for the answer.
    pub async fn end(mut self) -> Found {
        self.0.wait_for(Option::is_some).await.ok().and_then(|found| found.clone()).flatten()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Identity {
    /// The site's servers, with the channels that they are reached by; `None` where it has none.
    ///
    /// # Errors
    /// Where there can be no thread.
    pub fn start(
        directory: Arc<ArcSwap<Directory>>,
        channels: &HashMap<ChannelName, Arc<dyn Contacts>>,
    ) -> io::Result<Option<Arc<Self>>> {
        let site = &directory.load().site.identity.clone();
        let source = |kind: &SourceKind| -> Option<Box<dyn Source>> {
            match kind {
                SourceKind::Users | SourceKind::Directory | SourceKind::File(_) => None,
                SourceKind::Contacts { channel, refresh, most, .. } => {
                    let server = Arc::clone(channels.get(channel)?);
                    let directory = Arc::clone(&directory);
                    Some(Box::new(CalleesContacts::new(server, directory, *refresh, *most)))
                }
            }
        };
        let sources = site.sources.iter();
        let sources: Vec<_> =
            sources.filter_map(|one| Some((one.name.clone(), source(&one.kind)?))).collect();
        if sources.is_empty() {
            return Ok(None);
        }
        Self::of(directory, sources).map(Some)
    }

    fn of(
        directory: Arc<ArcSwap<Directory>>,
        sources: Vec<(SourceName, Box<dyn Source>)>,
    ) -> io::Result<Arc<Self>> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = runtime.handle().clone();
        thread::Builder::new()
            .name("identity".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        for (name, _) in &sources {
            METRICS.health.set(&format!("identity {name}"), State::Green);
        }
        let bounds = directory.load().site.identity.bounds;
        let server = |source| Server { source, breaker: Mutex::default() };
        Ok(Arc::new(Self {
            directory,
            servers: sources.into_iter().map(|(name, source)| (name, server(source))).collect(),
            memory: Mutex::new(Memory::new(bounds)),
            under_way: Mutex::default(),
            thread,
            started: Instant::now(),
        }))
    }

    /// Whether somebody could know a better name for a caller than the one that is at hand, for a callee with that mailbox.
    pub fn question(&self, caller: &Caller, callee: Option<&str>) -> Option<Question> {
        let number = caller.number.as_deref().filter(|_| !caller.private)?;
        let site = &self.directory.load().site;
        let sources: Vec<_> = site
            .identity
            .before(caller.source.as_ref())
            .filter(|(name, _)| {
                let server = self.servers.get(name);
                server.is_some_and(|server| callee.is_some() || !server.source.is_private())
            })
            .map(|(name, timeout)| (name.clone(), timeout))
            .collect();
        let number = site.outbound.caller(number).filter(|_| !sources.is_empty())?;
        Some(Question { callee: callee.map(str::to_owned), number, sources })
    }

    /// Begins to ask, or joins those who wait for the same.
    pub fn seek(self: &Arc<Self>, question: Question) -> Seeking {
        let (told, hears) = watch::channel(None);
        let mut under_way = lock(&self.under_way);
        if let Some(seeking) = under_way.get(&question) {
            return seeking.clone();
        }
        let seeking = Seeking(hears);
        let known = self.recalled(&question);
        if known.is_some() || under_way.len() >= UNDER_WAY {
            told.send_replace(Some(known.flatten()));
            return seeking;
        }
        under_way.insert(question.clone(), seeking.clone());
        drop(under_way);
        let (identity, question) = (Arc::clone(self), Arc::new(question));
        self.thread.spawn(async move {
            let asked = AssertUnwindSafe(identity.ask(&question)).catch_unwind().await;
            let found = asked.unwrap_or_else(|panic| {
                tracing::error!(fault = words(&*panic), "A fault while a caller's name was looked for");
                None
            });
            told.send_replace(Some(found));
            if identity.recalled(&question).is_none() {
                // Who has just seen it open, and asks for its end now, need not wait twice for a source that is dead.
                tokio::time::sleep(AFTERGLOW).await;
            }
            lock(&identity.under_way).remove(&question);
        });
        seeking
    }

    /// The name that a notice should have; waits as long as the sources may take.
    pub async fn name_for(self: &Arc<Self>, notice: &Notice) -> Found {
        let question = self.question(&notice.caller, notice.mail.as_deref())?;
        self.seek(question).end().await
    }

    /// What is known without asking; `None`: it has to be asked.
    fn recalled(&self, question: &Question) -> Option<Found> {
        let (mut memory, now) = (lock(&self.memory), self.now());
        for (source, _) in &question.sources {
            if let Some(name) = memory.recall(&self.asked(source, question), now)? {
                return Some(Some((source.clone(), name)));
            }
        }
        Some(None)
    }

    fn asked(&self, source: &SourceName, question: &Question) -> Asked {
        let private = self.servers.get(source).is_some_and(|server| server.source.is_private());
        let callee = question.callee.clone().filter(|_| private);
        Asked { source: source.clone(), callee, number: question.number.clone() }
    }

    async fn ask(self: &Arc<Self>, question: &Arc<Question>) -> Found {
        let mut race = Race::start(self.now(), question.sources.iter().map(|(_, timeout)| *timeout));
        // Tasks: whoever comes too late for this race is remembered, and blamed, all the same.
        let asked = (0..question.sources.len()).map(|at| {
            let asked = tokio::spawn(Arc::clone(self).ask_one(Arc::clone(question), at));
            asked.map(move |name| (at, name.ok().flatten()))
        });
        let mut answers: FuturesUnordered<_> = asked.collect();
        loop {
            let until = match race.standing(self.now()) {
                Standing::Won(at, name) => return self.found(question, at, name),
                Standing::Nobody => return None,
                Standing::Open(until) => (self.started + until).into(),
            };
            if let Ok(answer) = tokio::time::timeout_at(until, answers.next()).await {
                let (at, name) = answer?;
                race.says(at, name);
            }
        }
    }

    fn found(&self, question: &Question, at: usize, name: &str) -> Found {
        let (source, _) = &question.sources[at];
        METRICS.identity_found_total.one();
        debug!(source = source.as_str(), number = question.number, name, "A caller has a name");
        Some((source.clone(), name.to_owned()))
    }

    /// The name that one source has; none where it has none, is left alone, or does not answer.
    async fn ask_one(self: Arc<Self>, question: Arc<Question>, at: usize) -> Option<String> {
        let (name, _) = &question.sources[at];
        let server = self.servers.get(name)?;
        let asked = self.asked(name, &question);
        if let Some(known) = lock(&self.memory).recall(&asked, self.now()) {
            return known;
        }
        match server.source.known(&question) {
            Known::Fresh(name) => {
                lock(&self.memory).note(asked, name.clone(), self.now());
                name
            }
            Known::Old(name) => {
                tokio::spawn(self.ask_server(question, at));
                Some(name)
            }
            Known::Nothing => self.ask_server(question, at).await,
        }
    }

    async fn ask_server(self: Arc<Self>, question: Arc<Question>, at: usize) -> Option<String> {
        let (name, patience) = &question.sources[at];
        let server = self.servers.get(name)?;
        let rules = self.directory.load().site.identity.rules;
        if !lock(&server.breaker).admits(self.now(), rules) {
            METRICS.identity_spared_total.one();
            return None;
        }
        METRICS.identity_asked_total.one();
        let asking = server.source.name(&question, *patience);
        let answer = tokio::time::timeout(*patience + OVERTIME, asking).await;
        match answer.unwrap_or_else(|_| Err(Silent::Down("it took too long".to_owned()))) {
            Ok(found) => {
                self.reached(name, server);
                lock(&self.memory).note(self.asked(name, &question), found.clone(), self.now());
                found
            }
            Err(Silent::Slow) => {
                METRICS.identity_late_total.one();
                self.reached(name, server);
                None
            }
            Err(Silent::Down(why)) => {
                METRICS.identity_failures_total.one();
                debug!(source = name.as_str(), why = reason(&why), "A source of names does not answer");
                if lock(&server.breaker).failed(self.now(), rules) == Turn::Opened {
                    warn!(
                        source = name.as_str(),
                        why = reason(&why),
                        "A source of names is left alone for a while"
                    );
                    METRICS.health.set(&format!("identity {name}"), State::Yellow(reason(&why)));
                }
                None
            }
        }
    }

    fn reached(&self, name: &SourceName, server: &Server) {
        if lock(&server.breaker).reached() == Turn::Closed {
            info!(source = name.as_str(), "A source of names answers again");
            METRICS.health.set(&format!("identity {name}"), State::Green);
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}
