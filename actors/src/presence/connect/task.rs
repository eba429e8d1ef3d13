//! The task of one connector.

mod saying;
mod trials;
mod whom;

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::Instant,
};

use futures_util::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use ringpost::{
    presence::{
        subscription::ALLOW_EVENTS,
        watching::{Answer, Connector, Effect, Key, Status},
    },
    settings::PresenceConnector,
    sip::{build, build::literal, uri::Uri},
};
use tokio::sync::mpsc;

use self::trials::Trial;
use super::{
    Connectors, FAREWELL, Start,
    feeds::{self, Feeds},
    part,
    post::{Post, Posted},
    show::{Command, Shown},
    tickets::{Heard, WAITING},
};
use crate::{
    entropy,
    metrics::{METRICS, State},
    port::{lanes::Parcel, proof},
    presence::{Presence, outward},
};

/// NOTIFYs that are looked at in one go.
const AT_ONCE: usize = 64;

/// What has come of something.
enum Done {
    Posted(Posted),
    Lives { lives: bool, reached: bool, to: Option<IpAddr> },
}

/// What was last said of a resource, to know how long it has been so.
struct Spoken {
    mark: u64,
    since: u64,
}

/// The task.
pub struct Task {
    connectors: Arc<Connectors>,
    presence: Arc<Presence>,
    start: Start,
    settings: Arc<PresenceConnector>,
    machine: Connector,
    feeds: Feeds,
    spoken: HashMap<Key, Spoken, ahash::RandomState>,
    /// Strangers among the feeds.
    strangers: usize,
    inbox: (mpsc::Sender<Heard>, mpsc::Receiver<Heard>),
    tags: HashSet<u64, ahash::RandomState>,
    work: FuturesUnordered<LocalBoxFuture<'static, Done>>,
    /// Where NOTIFYs may come from: wherever requests of ours have gone.
    peers: HashSet<IpAddr>,
    trials: Vec<Trial>,
    trial: u32,
    began: Instant,
    random: Box<dyn FnMut() -> u32>,
    /// When the server is asked again whether it lives; the largest number: it is being asked.
    ask: u64,
    told: Option<Status>,
    held: usize,
    proven: bool,
    warned: bool,
    /// When it has to have ended.
    ends: Option<u64>,
}

impl Task {
    /// One that has not begun.
    pub fn new(connectors: Arc<Connectors>, start: Start) -> Self {
        let settings = Arc::clone(&start.settings);
        let machine = Connector::new(settings.pace(), settings.lists.clone(), settings.login.is_some());
        let target = Uri::read(settings.target.as_bytes());
        let peers = target.and_then(|uri| literal(uri.host, uri.port)).map(|address| address.ip());
        Self {
            presence: Arc::clone(&connectors.presence),
            connectors,
            start,
            settings,
            machine,
            feeds: Feeds::default(),
            spoken: HashMap::default(),
            strangers: 0,
            inbox: mpsc::channel(WAITING),
            tags: HashSet::default(),
            work: FuturesUnordered::new(),
            peers: peers.into_iter().collect(),
            trials: vec![],
            trial: 0,
            began: Instant::now(),
            random: entropy::source(),
            ask: 0,
            told: None,
            held: 0,
            proven: false,
            warned: false,
            ends: None,
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Works until the site does not want it any more, or the program ends.
    pub async fn run(mut self) {
        let inbox = std::rc::Rc::clone(&self.start.commands);
        let mut commands = inbox.lock().await;
        let mut reloads = self.presence.reloads();
        let mut strangers = self.presence.foreign_changes();
        let mut stops = self.connectors.stops.subscribe();
        if !self.renew() {
            self.end();
        }
        loop {
            let now = self.now();
            self.play(now);
            if self.ends.is_some_and(|ends| now >= ends || self.machine.is_over() && self.work.is_empty()) {
                return;
            }
            let wake = self.wake(now).map(|at| at.saturating_sub(now));
            tokio::select! {
                Some(heard) = self.inbox.1.recv() => self.hears(heard),
                Some(done) = self.work.next() => self.done(done),
                Some(command) = commands.recv() => self.obeys(command),
                Ok(()) = reloads.changed(), if self.ends.is_none() => if !self.renew() {
                    self.end();
                },
                changed = strangers.recv(), if self.ends.is_none() => self.stranger_changed(changed),
                Ok(()) = stops.changed() => self.end(),
                () = outward::until(wake) => {}
            }
        }
    }

    fn wake(&self, now: u64) -> Option<u64> {
        let trials =
            self.trials.iter().map(|trial| if trial.answer.is_some() { trial.verdict } else { trial.ends });
        let machine = self.machine.wake(now);
        let ask = (self.ask < u64::MAX && self.ends.is_none()).then_some(self.ask);
        trials.chain(machine).chain(ask).chain(self.ends).min()
    }

    /// Takes its subscriptions back.
    fn end(&mut self) {
        if self.ends.is_none() {
            self.ends = Some(self.now() + FAREWELL.as_millis() as u64);
            let keys: Vec<Key> = self.feeds.keys().cloned().collect();
            keys.iter().for_each(|key| self.forget(key));
            self.machine.end();
        }
    }

    /// The site was read; false where it does not want this connector as it is any more.
    fn renew(&mut self) -> bool {
        let directory = self.presence.directory.load_full();
        let found = Connectors::wanted(&directory).iter().find(|one| one.name == self.settings.name);
        let Some(settings) = found.filter(|found| found.goes_on_as(&self.start.settings)) else {
            return false;
        };
        let speaks_otherwise = settings.preferred != self.settings.preferred;
        self.settings = Arc::new(settings.clone());
        self.machine.adjust(settings.pace(), settings.login.is_some());
        feeds::check(&directory, &self.settings);
        self.watch_all();
        // What its numbers mean may be something else now (R115), and who wins (R108).
        let keys: Vec<Key> = self.feeds.keys().cloned().collect();
        for key in keys {
            if speaks_otherwise || self.forwards(&key) {
                self.tell(&key);
            }
        }
        true
    }

    /// Sends what is to be sent.
    fn play(&mut self, now: u64) {
        if now >= self.ask && self.ends.is_none() {
            self.ask = u64::MAX;
            let (lanes, options) =
                (self.connectors.lanes.clone(), outward::post::options(&self.settings.target));
            let patience = self.settings.keep_alive;
            self.machine.asks();
            self.work.push(Box::pin(async move {
                let reply = proof::once(&lanes, options, patience).await;
                let reached = reply.code != 503 || reply.message.is_some();
                Done::Lives { lives: reply.message.is_some(), reached, to: reply.sent.map(|(_, to)| to.ip()) }
            }));
        }
        let lanes = self.connectors.lanes.count().max(1) as u64;
        loop {
            let random = &mut self.random;
            let order = self.machine.next(now, || {
                let (high, low) = (u64::from(random()), u64::from(random()));
                (high % lanes) << 56 | (high << 32 | low) >> 8 & 0x00ff_ffff_ffff_ffff | 1
            });
            self.settle();
            let Some(order) = order else { break };
            METRICS.subscribes_sent_total.one();
            let (post, lanes) =
                (Post { settings: Arc::clone(&self.settings), order }, self.connectors.lanes.clone());
            self.work.push(Box::pin(async move { Done::Posted(post.send(lanes).await) }));
        }
        self.judge_trials(now);
    }

    fn done(&mut self, done: Done) {
        let now = self.now();
        match done {
            Done::Lives { lives, reached, to } => {
                self.peers.extend(to.filter(|_| lives));
                match reached {
                    true => self.machine.answers(lives),
                    false => self.machine.is_not_reached(),
                }
                self.ask = now + self.settings.keep_alive.as_millis() as u64;
                self.settle();
                self.announce();
            }
            Done::Posted(posted) => {
                self.peers.extend(posted.to);
                let taken = matches!(posted.answer, Answer::Taken(_));
                self.proven |= taken && posted.challenged;
                if !taken {
                    METRICS.subscribe_failures_total.one();
                    tracing::debug!(connector = self.settings.name, answer = ?posted.answer, "A SUBSCRIBE was not taken");
                } else if !posted.challenged
                    && self.settings.login.is_some()
                    && !std::mem::replace(&mut self.warned, true)
                {
                    tracing::warn!(
                        connector = self.settings.name,
                        "The server does not ask for the login: it may be any"
                    );
                }
                let (at, serial) = posted.of;
                let random = (self.random)();
                let lived = self.machine.lives();
                self.machine.answered(at, (serial, posted.sequence), posted.answer, now, random);
                self.settle();
                if lived != self.machine.lives() {
                    self.announce();
                }
            }
        }
    }

    /// NOTIFYs have come.
    fn hears(&mut self, first: Heard) {
        let (mut next, mut left) = (Some(first), AT_ONCE);
        while let Some(heard) = next {
            self.hear(heard);
            left -= 1;
            next = if left > 0 { self.inbox.1.try_recv().ok() } else { None };
        }
        self.settle();
    }

    fn hear(&mut self, heard: Heard) {
        METRICS.notifies_heard_total.one();
        let directory = self.presence.directory.load();
        let states = &directory.site.presence.states;
        let custom = |name: &str| states.get(name).copied();
        let times = (self.now(), self.presence.now());
        let code = match self.peers.contains(&heard.from.address.ip().to_canonical()) {
            true => self.machine.notified(heard.tag, &heard.message, custom, times, (self.random)()),
            false => 481,
        };
        if code != 200 {
            METRICS.notifies_refused_total.one();
            tracing::debug!(connector = self.settings.name, code, "A NOTIFY was not taken");
        }
        let phrase = build::phrase(code).as_bytes();
        let mut draft = build::response(&heard.message, heard.from.address, code, phrase, b"");
        if code == 489 {
            draft.header("Allow-Events", &[ALLOW_EVENTS]);
        }
        let (lane, server) = heard.server;
        // A lane that takes nothing more is about to be asked the same again.
        self.connectors.lanes.send(lane, Parcel::Respond(server, code, draft.empty()));
    }

    /// Does what the machine wants done.
    fn settle(&mut self) {
        for effect in self.machine.effects() {
            match effect {
                Effect::Begins(tag) => {
                    self.presence.tickets.add(tag, &self.inbox.0);
                    self.tags.insert(tag);
                }
                Effect::Ends(tag) => {
                    self.presence.tickets.remove(tag);
                    self.tags.remove(&tag);
                }
                Effect::Knows(key) => self.tell(&key),
                Effect::Prolonged(key) => self.prolong(&key),
                Effect::NoLists => {
                    tracing::info!(
                        connector = self.settings.name,
                        "The server does not take lists: each user is asked for"
                    );
                }
            }
        }
    }

    fn announce(&mut self) {
        let held = self.machine.held();
        let status = self.machine.status();
        match held.checked_sub(self.held) {
            Some(more) => (0..more).for_each(|_| METRICS.subscriptions_out.up()),
            None => (0..self.held - held).for_each(|_| METRICS.subscriptions_out.down()),
        }
        self.held = held;
        if self.told.replace(status) == Some(status) {
            return;
        }
        let part = part(&self.settings.name);
        tracing::info!(part, status = status.name(), "A connector has changed");
        METRICS.health.set(
            &part,
            match status {
                Status::UpAndRunning => State::Green,
                Status::CredentialsNotFound => {
                    State::Yellow("it works, but the site has no login for it".into())
                }
                Status::Forbidden => State::Yellow("its server does not let us see anybody".into()),
                Status::ConnectionError => State::Yellow("its server does not answer".into()),
                Status::NotConfigured | Status::Disabled => {
                    State::Yellow("there is nobody to ask about".into())
                }
            },
        );
    }

    fn obeys(&mut self, command: Command) {
        match command {
            Command::Show(user, answer) => {
                let shown = Shown {
                    name: self.settings.name.clone(),
                    status: self.machine.status(),
                    subscriptions: self.machine.held(),
                    proven: self.proven,
                    rows: self.rows(user.as_deref(), None),
                };
                // Nobody waits any more: nothing to tell.
                let _ = answer.send(shown);
            }
            Command::Try(named, answer) => self.begin_trial(&named, answer),
            #[cfg(test)]
            Command::Break => panic!("broken by a test"),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.tags.iter().for_each(|tag| self.presence.tickets.remove(*tag));
        (0..self.held).for_each(|_| METRICS.subscriptions_out.down());
    }
}
