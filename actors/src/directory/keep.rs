//! Keeps the mirror: a poll every now and then, and while the directory is down, a look at it every two seconds.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::Arbiter;
use jiff::{Timestamp, Unit};
use ringpost::{
    directory::people::Roster,
    settings::{Ldap, LdapServer},
};
use tokio::sync::{Mutex, mpsc, oneshot};
use tracing::{debug, error, info, warn};

use super::{
    file,
    mirror::{Mirror, Summary},
    refusal::Refusal,
    servers::Servers,
    session::Session,
};
use crate::{
    keeper::Keeper,
    metrics::{METRICS, State},
};

/// The part in the health report.
pub const PART: &str = "directory";
/// A mirror that is older tells too much that is not so any more.
const OLD: Duration = Duration::from_secs(24 * 3600);
/// How long a failure that is not the connection's is let rest at first.
const FIRST_REST: Duration = Duration::from_secs(5);

/// Who lives by the mirror.
pub trait Stage: Send + Sync {
    /// Everybody of the directory from now on; tells how many of them are users.
    fn renew(&self, roster: &Arc<Roster>) -> usize;

    /// What the site says of its directory now.
    fn settings(&self) -> Option<Arc<Ldap>>;
}

/// What is told to the one that keeps the mirror.
pub enum Order {
    /// Poll at once, and say what came of it.
    Sync(oneshot::Sender<Result<Summary, String>>),
    /// The site was read again.
    Reread,
}

/// A mirror and what keeps it right.
pub struct Keeping {
    stage: Arc<dyn Stage>,
    orders: mpsc::Receiver<Order>,
    settings: Arc<Ldap>,
    servers: Servers,
    mirror: Mirror,
    /// When the mirror was right last.
    right_at: Option<Timestamp>,
    failed: u32,
}

/// Reads the snapshot of a mirror; what is wrong with one is told, and then there is none.
pub fn snapshot(settings: &Ldap) -> (Arc<Roster>, Option<Timestamp>) {
    match file::load(&settings.snapshot) {
        Ok(Some((roster, at))) => {
            info!(persons = roster.len(), %at, "Begins with the snapshot of the directory");
            (Arc::new(roster), Some(at))
        }
        Ok(None) => Default::default(),
        Err(why) => {
            let path = settings.snapshot.display();
            warn!(%path, why, "The snapshot of the directory cannot be used: everything is read from the servers");
            Default::default()
        }
    }
}

/// Keeps the mirror of a site that has a directory, on a thread of its own.
///
/// # Errors
/// What of its settings cannot be used.
pub fn start(
    stage: Arc<dyn Stage>,
    orders: mpsc::Receiver<Order>,
    read: (Arc<Roster>, Option<Timestamp>),
    keeper: &Keeper,
) -> Result<(), String> {
    let Some(settings) = stage.settings() else { return Ok(()) };
    let keeping =
        Keeping::new(stage, orders, read, settings).map_err(|why| format!("directory.ca: {why}"))?;
    let keeper = keeper.clone();
    Arbiter::new().spawn_fn(move || {
        let keeping = Rc::new(Mutex::new(keeping));
        keeper.keep("directory's mirror".to_owned(), move || {
            let keeping = Rc::clone(&keeping);
            async move { keeping.lock().await.run().await }
        });
    });
    Ok(())
}

impl Keeping {
    /// Keeps what has been read before.
    ///
    /// # Errors
    /// What of the settings cannot be used.
    pub fn new(
        stage: Arc<dyn Stage>,
        orders: mpsc::Receiver<Order>,
        (roster, right_at): (Arc<Roster>, Option<Timestamp>),
        settings: Arc<Ldap>,
    ) -> Result<Self, String> {
        let servers = Servers::new(Arc::clone(&settings)).map_err(|error| error.to_string())?;
        let mirror = Mirror::new(Arc::clone(&settings), roster);
        Ok(Self { stage, orders, settings, servers, mirror, right_at, failed: 0 })
    }

    /// Works until nobody is left to give orders.
    pub async fn run(&mut self) {
        let (mut asker, mut session) = (None, None);
        loop {
            let polled = self.poll(session.take()).await;
            let polled = self.note(polled);
            if let Some(asker) = asker.take() {
                let told = polled.clone().map_err(|refusal| refusal.to_string());
                // Whoever has gone away does not want to know.
                let _ = oneshot::Sender::send(asker, told);
            }
            match self.rest(polled.err()).await {
                Rested::Over => {}
                Rested::Found(found) => session = Some(found),
                Rested::Told(Order::Sync(who)) => asker = Some(who),
                Rested::Told(Order::Reread) => self.reread(),
                Rested::Alone => return,
            }
        }
    }

    /// Asks one server after the other until one has told everything.
    async fn poll(&mut self, found: Option<(LdapServer, Session)>) -> Result<Summary, Refusal> {
        let (mut found, mut failed) = (found, vec![]);
        loop {
            let session = match found.take() {
                Some(session) => session,
                None => self.servers.session(&failed).await?,
            };
            match self.mirror.poll(&self.servers, session).await {
                Ok(summary) => {
                    self.servers.last_works();
                    return Ok(summary);
                }
                Err(refusal) => {
                    failed.extend(self.servers.last_failed(&refusal));
                    if failed.len() >= self.settings.servers.len() || refusal.is_of_the_site() {
                        return Err(refusal);
                    }
                }
            }
        }
    }

    async fn rest(&mut self, refusal: Option<Refusal>) -> Rested {
        let told = |order: Option<Order>| order.map_or(Rested::Alone, Rested::Told);
        let pause = match refusal {
            // Several Ringposts that were started together shall not always come together.
            None => self.settings.poll.mul_f64(0.9 + 0.2 * fastrand::f64()),
            Some(Refusal::Password(refused)) => refused.left + Duration::from_secs(1),
            Some(refusal) if refusal.is_of_the_connection() => {
                return tokio::select! {
                    order = self.orders.recv() => told(order),
                    // The password was refused: the next poll says so.
                    found = self.servers.wait() => found.map_or(Rested::Over, Rested::Found),
                };
            }
            Some(_) => (FIRST_REST * 2_u32.pow(self.failed.clamp(1, 10) - 1)).min(self.settings.poll),
        };
        tokio::select! {
            order = self.orders.recv() => told(order),
            () = tokio::time::sleep(pause) => Rested::Over,
        }
    }

    /// Makes known what came of a poll.
    fn note(&mut self, polled: Result<Summary, Refusal>) -> Result<Summary, Refusal> {
        let mut summary = match polled {
            Ok(summary) => summary,
            Err(refusal) => {
                self.failed = self.failed.saturating_add(1);
                self.sick(&refusal);
                return Err(refusal);
            }
        };
        let first = self.right_at.is_none() || self.failed > 0 || METRICS.directory_read.get() == 0;
        self.failed = 0;
        self.right_at = Some(Timestamp::now());
        summary.users = match first || summary.has_changes() {
            true => self.stage.renew(self.mirror.roster()),
            false => METRICS.directory_users.get() as usize,
        };
        METRICS.directory_persons.set(summary.persons as u64);
        METRICS.directory_users.set(summary.users as u64);
        METRICS.directory_read.set(Timestamp::now().as_second().unsigned_abs());
        let Summary { persons, users, added, changed, removed, whole, left_out, server, took, .. } = &summary;
        match first || summary.has_changes() {
            true => {
                info!(
                    persons,
                    users,
                    added,
                    changed,
                    removed,
                    whole,
                    left_out,
                    server,
                    ?took,
                    "The directory was read"
                );
            }
            false => debug!(persons, server, ?took, "Nothing has changed in the directory"),
        }
        self.write(summary.has_changes());
        Ok(summary)
    }

    fn write(&self, changed: bool) {
        let path = &self.settings.snapshot;
        let written = match changed || !path.exists() {
            true => file::save(path, self.mirror.roster()),
            false => file::confirm(path),
        };
        METRICS.health.set(
            PART,
            match written {
                Ok(()) => State::Green,
                Err(error) => {
                    error!(path = %path.display(), %error, "The snapshot of the directory cannot be written");
                    State::Yellow(format!("its snapshot cannot be written: {error}"))
                }
            },
        );
    }

    /// The directory cannot be read.
    fn sick(&self, refusal: &Refusal) {
        let now = Timestamp::now();
        let age = self.right_at.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
        let since = match self.right_at {
            Some(at) => format!("the mirror is as of {}", at.round(Unit::Second).unwrap_or(at)),
            None => "there is no mirror yet".to_owned(),
        };
        let why = format!("{refusal}; {since}");
        // Whoever restarts what is red would show a wrong password again and again.
        let red = age.is_none_or(|age| age > OLD) && !matches!(refusal, Refusal::Password(_));
        METRICS.health.set(PART, if red { State::Red(why) } else { State::Yellow(why) });
        error!(why = %refusal, since, "The directory cannot be read");
    }

    /// The site was read again: servers, login, filter and attributes may be others.
    fn reread(&mut self) {
        let Some(settings) = self.stage.settings() else { return };
        match self.servers.renewed(Arc::clone(&settings)) {
            Ok(()) => {
                self.mirror = Mirror::new(Arc::clone(&settings), Arc::clone(self.mirror.roster()));
                self.settings = settings;
            }
            Err(error) => error!(%error, "The directory's new settings cannot be used: the old ones stay"),
        }
    }
}

/// What ended a rest.
enum Rested {
    /// Its time.
    Over,
    /// A server that works again.
    Found((LdapServer, Session)),
    /// An order.
    Told(Order),
    /// Nobody gives orders any more.
    Alone,
}
