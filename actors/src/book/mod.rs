//! Makes the address book every day and keeps its files (R74 to R78).
//!
//! - [`Source`]: where entries come from; [`Site`] is the site's users and its directory.
//! - `ledger`: every entry with the version in which it last changed; one transaction per version.
//! - `files`: what readers fetch, made of the ledger; put in place as a whole.
//! - `find`: pages and searches. `routes`: all of it by HTTP.

mod files;
mod find;
mod ledger;
mod routes;
mod source;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use ringpost::{
    book::{due::Past, state::State, version::Version},
    directory::Directory,
    settings,
};
use tokio::sync::{Mutex as Turn, Semaphore};

use self::ledger::Ledger;
pub use self::{
    files::{apply, stored},
    routes::routes,
    source::{Entries, Site, Source},
};
use crate::metrics::{METRICS, State as Health};

/// How long nobody looks at the clock: it may be set.
const LOOK: Duration = Duration::from_secs(30);
/// Its name in the health report.
const PART: &str = "address book";
/// Searches and pages that are made at once.
const FINDING: usize = 4;

/// The book: one per process, where `[http]` serves it.
pub struct Book {
    directory: Arc<ArcSwap<Directory>>,
    source: Box<dyn Source>,
    folder: PathBuf,
    published: ArcSwapOption<State>,
    past: Mutex<Past>,
    /// One makes it at a time.
    turn: Turn<()>,
    finding: Semaphore,
}

/// Why it was not made.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The entries could not be had, or not all of them.
    #[error("its entries cannot be read: {0}")]
    Source(String),
    /// The ledger.
    #[error("its ledger cannot be written: {0}")]
    Ledger(#[from] rusqlite::Error),
    /// The files.
    #[error("its files cannot be written: {0}")]
    Files(#[from] std::io::Error),
    /// A thread of the runtime has ended.
    #[error("the thread that makes it has ended")]
    Ended,
}

/// What came of making it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Made {
    /// The version that it has now.
    pub version: Version,
    /// Whether anything had changed.
    pub changed: bool,
    /// How many entries it has.
    pub entries: u64,
}

impl Book {
    /// The book of a site, as it was left on the disk.
    pub fn of(directory: Arc<ArcSwap<Directory>>, source: Box<dyn Source>) -> Arc<Self> {
        let folder = directory.load().site.book.folder.clone();
        let published = files::left(&folder);
        let past = Past { made: published.as_ref().and_then(|_| files::looked(&folder)), failed: None };
        if let Some(state) = &published {
            METRICS.book_entries.set(state.entries);
        }
        Arc::new(Self {
            directory,
            source,
            folder,
            published: ArcSwapOption::from(published.map(Arc::new)),
            past: Mutex::new(past),
            turn: Turn::new(()),
            finding: Semaphore::new(FINDING),
        })
    }

    /// What readers can fetch; `None`: it has not been made yet.
    pub fn published(&self) -> Option<Arc<State>> {
        self.published.load_full()
    }

    /// Makes it whenever it is due, for ever.
    pub async fn run(self: Arc<Self>) {
        loop {
            let now = Timestamp::now();
            let due = self.past().due(now);
            if due <= now {
                // The failure is told where it happens.
                let _ = self.sync_now().await;
                continue;
            }
            let wait = Duration::try_from(due.duration_since(now)).unwrap_or(LOOK);
            tokio::time::sleep(wait.min(LOOK)).await;
            self.tell(Timestamp::now());
        }
    }

    /// Makes it now (R78), and says what came of it. Its time for today is over then.
    ///
    /// # Errors
    /// Why it was not made; what was made before is served as before.
    pub async fn sync_now(self: &Arc<Self>) -> Result<Made, Failure> {
        let _turn = self.turn.lock().await;
        let book = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || book.make(Timestamp::now()));
        let made = made.await.unwrap_or(Err(Failure::Ended));
        let now = Timestamp::now();
        {
            let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
            *past = past.then(made.is_ok(), now);
        }
        match &made {
            Ok(Made { version, changed, entries }) => {
                METRICS.book_made.set(now.as_second().unsigned_abs());
                tracing::info!(version, changed, entries, "The address book is of now");
            }
            Err(error) => {
                METRICS.book_failures_total.one();
                let again = self.past().due(now);
                tracing::warn!(%error, %again, "The address book could not be made");
            }
        }
        self.tell(now);
        made
    }

    /// Makes it as of `now`, on this thread: entries that break off change nothing.
    ///
    /// # Errors
    /// As [`Book::sync_now`].
    pub fn make(&self, now: Timestamp) -> Result<Made, Failure> {
        let settings = self.settings();
        let mut ledger = Ledger::open(&self.folder)?;
        let taken = ledger.take(self.source.entries(&settings.hide), now, settings.days);
        let changed = ledger.judged(taken)?;
        let version = ledger.latest()?;
        let known =
            self.published().filter(|state| ledger.is_of(state) && files::are_there(&self.folder, state));
        let state = match known {
            Some(state) => state,
            None => {
                let state = Arc::new(files::publish(&ledger, &self.folder)?);
                self.published.store(Some(Arc::clone(&state)));
                files::sweep(&self.folder, &state);
                state
            }
        };
        files::note_looked(&self.folder, now)?;
        METRICS.book_entries.set(state.entries);
        Ok(Made { version, changed, entries: state.entries })
    }

    fn settings(&self) -> settings::Book {
        self.directory.load().site.book.clone()
    }

    /// How long a reader may take for a file.
    fn patience(&self) -> Duration {
        self.directory.load().site.http.limits.answer
    }

    fn path_of(&self, state: &State, path: &str) -> PathBuf {
        self.folder.join(files::stored(state, path))
    }

    fn past(&self) -> Past {
        *self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Yellow where it has failed for more than a day (R76): what is there is served as before.
    fn tell(&self, now: Timestamp) {
        let state = match self.past().is_stale(now) {
            true => Health::Yellow("could not be made for more than 24 hours; see the log".to_owned()),
            false => Health::Green,
        };
        METRICS.health.set(PART, state);
    }
}

/// What the keeper calls it.
pub fn part() -> String {
    PART.to_owned()
}
