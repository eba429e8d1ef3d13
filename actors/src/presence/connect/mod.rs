//! Subscribing outwards (R101–R119): one task per connector, which plays the machine of its server
//! ([`ringpost::presence::watching`]) and says what it hears to the owner of presence. A task that breaks is started again
//! alone; all of them have a thread of their own, so that no document of somebody else holds up a call.

mod feeds;
mod post;
mod show;
mod task;
#[cfg(test)]
mod tests;
mod tickets;

/// What a look at a server from outside needs too.
pub(crate) mod probe {
    pub use ringpost::presence::watching::Key;

    pub use super::{
        feeds::{Feed, of_user},
        post::Post,
        show::state,
    };
}

pub use show::{Command, Filter, Report, Row, Shown};
pub use tickets::Tickets;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix::prelude::*;
use futures_util::FutureExt;
use ringpost::{directory::Directory, presence::Source, settings::PresenceConnector};
use tokio::sync::{Notify, mpsc, watch};

use self::task::Task;
use super::{Presence, cell::Cell};
use crate::{
    guard::words,
    keeper::{Ends, Keeper},
    metrics::{METRICS, State},
    port::lanes::Lanes,
};

/// What ends at once must not keep the thread busy.
const PAUSE: Duration = Duration::from_millis(100);
/// A connector that ended too often rests so long.
const REST: Duration = Duration::from_secs(60);
/// How long the end of the subscriptions is waited for when Ringpost stops.
const FAREWELL: Duration = Duration::from_millis(800);

/// The connectors of a program.
pub struct Connectors {
    presence: Arc<Presence>,
    lanes: Lanes,
    /// The inboxes of those that run, by name.
    running: Mutex<HashMap<String, mpsc::UnboundedSender<Command>>>,
    /// One has ended.
    ended: Notify,
    /// Whether Ringpost stops.
    stops: watch::Sender<bool>,
}

/// What a task gets when it starts, and again after it broke.
#[derive(Clone)]
struct Start {
    settings: Arc<PresenceConnector>,
    commands: Rc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Command>>>,
}

impl Connectors {
    /// Starts the thread of the connectors of a site.
    pub fn start(presence: &Arc<Presence>, lanes: &Lanes, keeper: &Keeper) -> Arc<Self> {
        let connectors = Arc::new(Self {
            presence: Arc::clone(presence),
            lanes: lanes.clone(),
            running: Mutex::default(),
            ended: Notify::new(),
            stops: watch::Sender::new(false),
        });
        let (kept, keeper) = (Arc::clone(&connectors), keeper.clone());
        Arbiter::new().spawn_fn(move || {
            keeper.keep("connectors".to_owned(), move || Arc::clone(&kept).watch());
        });
        connectors
    }

    /// Takes the subscriptions back, as far as that is quickly done.
    pub async fn stop(&self) {
        self.stops.send_replace(true);
        let end = Instant::now() + FAREWELL;
        while !self.running().is_empty() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, mpsc::UnboundedSender<Command>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connectors that the site wants to run.
    fn wanted(directory: &Directory) -> &[PresenceConnector] {
        let presence = &directory.site.presence;
        if presence.enabled { &presence.connectors } else { &[] }
    }

    /// Starts what the site wants and does not run yet, until the end of the program; what it does not want any more ends by
    /// itself.
    async fn watch(self: Arc<Self>) {
        let mut reloads = self.presence.reloads();
        loop {
            let directory = self.presence.directory.load_full();
            let all = &directory.site.presence;
            if !all.enabled && !all.connectors.is_empty() {
                tracing::warn!("[presence] is not enabled: its connectors ask nothing");
            }
            for settings in Self::wanted(&directory).iter().filter(|one| one.enabled) {
                if !*self.stops.borrow() && !self.running().contains_key(&settings.name) {
                    self.run(Arc::new(settings.clone()));
                }
            }
            tokio::select! {
                _ = reloads.changed() => {}
                () = self.ended.notified() => {}
            }
        }
    }

    /// Takes back what a connector has said.
    fn hush(&self, settings: &PresenceConnector) {
        self.presence.hears_no_more(&[feeds::source(settings, false), feeds::source(settings, true)]);
    }

    /// Runs one connector, and starts it again where it breaks (R118).
    fn run(self: &Arc<Self>, settings: Arc<PresenceConnector>) {
        let (commands, inbox) = mpsc::unbounded_channel();
        self.running().insert(settings.name.clone(), commands);
        let connectors = Arc::clone(self);
        let start = Start { settings, commands: Rc::new(tokio::sync::Mutex::new(inbox)) };
        actix::spawn(async move {
            let (part, mut ends) = (part(&start.settings.name), Ends::default());
            METRICS.health.set(&part, State::Green);
            loop {
                let task = Task::new(Arc::clone(&connectors), start.clone());
                let Err(panic) = AssertUnwindSafe(task.run()).catch_unwind().await else { break };
                let (why, too_many) = (words(&*panic), ends.too_many(Instant::now()));
                METRICS.restarts_total.one();
                METRICS.health.set(&part, State::Red(why.to_owned()));
                tracing::error!(part, why, rests = too_many, "A connector has ended, and begins anew");
                // What it has said must not outlive it.
                connectors.hush(&start.settings);
                tokio::time::sleep(if too_many { REST } else { PAUSE }).await;
            }
            METRICS.health.forget(&part);
            connectors.hush(&start.settings);
            connectors.running().remove(&start.settings.name);
            connectors.ended.notify_one();
        });
    }
}

/// A connector's name in the health report.
fn part(name: &str) -> String {
    format!("connector {name}")
}

impl Presence {
    /// A source says the same of a user for longer.
    fn goes_on_saying(&self, cell: &Arc<Cell>, source: &Source, ends: u64) {
        self.change(cell, |known| known.inputs.prolong(source, ends));
    }

    /// These say nothing of anybody any more.
    fn hears_no_more(&self, sources: &[Source]) {
        for cell in self.cells() {
            let spoken: Vec<_> = sources.iter().filter(|one| cell.lock().inputs.hears(one)).collect();
            if !spoken.is_empty() {
                self.change(&cell, |known| spoken.iter().for_each(|source| known.inputs.remove(source)));
            }
        }
    }

    /// Hears whenever the site was read again.
    fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }
}
