//! One user's cell: the one place where what is known of the user changes, and what watchers are told of it.
//!
//! Whoever changes it holds its lock, so that the changes of one user come one after the other, with versions that only
//! grow; what is told is swapped whole, so that no lane waits to read it. Each body is written once for all watchers who may
//! see the same.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use ringpost::{
    calendar::Schedule,
    presence::{
        Inputs, Presence, Sight, Source, aggregate::Idle, dialog_info, pidf, subscription::Package,
        summary::Summary,
    },
};
use smallvec::SmallVec;

/// The cell.
pub struct Cell {
    /// Names it among all cells.
    pub id: u32,
    /// The user's address of record.
    pub user: Arc<str>,
    /// Whether it is nobody of the site.
    pub foreign: bool,
    known: Mutex<Known>,
    told: ArcSwap<Told>,
    /// Whether what is known has not been summed up since it changed, because nobody watched.
    stale: AtomicBool,
    /// When time alone may change something, in seconds since 1970; the largest number: never.
    pub(super) due: AtomicU64,
}

/// What is known of the user, behind the lock.
pub struct Known {
    /// The four inputs.
    pub inputs: Inputs,
    /// What endpoints have published.
    pub publications: Vec<Publication>,
    /// The mailbox.
    pub summary: Summary,
    /// Free and busy times.
    pub schedule: Option<Arc<Schedule>>,
    /// The lanes that have watchers: how many, and whether each knows already that there is something to tell.
    lanes: SmallVec<[(u8, u32, bool); 2]>,
    /// When it changed last, if it has not been summed up since, and by which settings that is to be done.
    unsummed: Option<(Idle, u64)>,
}

/// Something published (RFC 3903).
pub struct Publication {
    /// Its present entity tag.
    pub tag: u64,
    /// What it is called in the store and among the inputs: its first tag.
    pub source: Source,
    /// Its package.
    pub package: Package,
    /// When it ends, in seconds since 1970.
    pub ends: u64,
    /// The document, for the store.
    pub body: Box<str>,
}

/// What watchers are told, at one version.
pub struct Told {
    /// The version.
    pub version: u64,
    /// When it began, in seconds since 1970.
    since: u64,
    /// All of it.
    pub presence: Presence,
    /// What waits in the mailbox.
    pub summary: Summary,
    /// Free and busy times, where a calendar is asked for them.
    pub schedule: Option<Arc<Schedule>>,
    bodies: [OnceLock<Document>; 7],
}

/// A body that is written.
pub struct Document {
    /// Its media type.
    pub kind: &'static str,
    /// Its beginning; all of it but where a version stands in it.
    pub head: Box<str>,
    /// What comes behind the version; empty: there is none.
    pub tail: Box<str>,
    /// Tells it from bodies that say something else; never zero.
    pub mark: u64,
}

impl Document {
    /// All of it, with a version where it has one.
    pub fn whole(&self, version: u32) -> Vec<u8> {
        let version = if self.tail.is_empty() { String::new() } else { version.to_string() };
        [self.head.as_bytes(), version.as_bytes(), self.tail.as_bytes()].concat()
    }
}

impl Told {
    fn new(version: u64, since: u64, presence: Presence, known: (Summary, Option<Arc<Schedule>>)) -> Self {
        let (summary, schedule) = known;
        Self { version, since, presence, summary, schedule, bodies: Default::default() }
    }

    /// The body of a package for a watcher; written when the first one wants it.
    pub fn document(&self, user: &str, package: Package, sight: Sight) -> &Document {
        let at = match package {
            Package::Presence => sight as usize,
            Package::Dialog => 3 + sight as usize,
            Package::MessageSummary => 6,
        };
        self.bodies[at].get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            let seen = self.presence.seen(sight);
            let (head, tail) = match package {
                Package::Presence => {
                    // Not the calls: they do not stand in it.
                    (&seen.telephony, &seen.telephony_by, &seen.rich, seen.open).hash(&mut hasher);
                    (pidf::write(&seen, user, self.since), String::new())
                }
                Package::Dialog => {
                    seen.calls.hash(&mut hasher);
                    dialog_info::write(&seen, user)
                }
                Package::MessageSummary => {
                    let text = self.summary.write();
                    text.hash(&mut hasher);
                    (text, String::new())
                }
            };
            let (kind, mark) = (package.media_type(), hasher.finish() | 1);
            Document { kind, head: head.into(), tail: tail.into(), mark }
        })
    }
}

impl Known {
    /// Takes out the publications whose time is over.
    pub(super) fn take_ended(&mut self, now: u64) -> Vec<Publication> {
        self.publications.extract_if(.., |one| one.ends <= now).collect()
    }

    /// The publications of message counts that go on.
    fn counts(&self, now: u64) -> impl Iterator<Item = &Publication> {
        self.publications.iter().filter(move |one| one.package == Package::MessageSummary && one.ends > now)
    }

    /// The mailbox, with what has been published of others.
    fn all_messages(&self, now: u64) -> Summary {
        let published = self.counts(now).filter_map(|one| Summary::read(one.body.as_bytes()).ok());
        published.fold(self.summary.clone(), |sum, one| sum.and(one.waiting, one.voice))
    }
}

impl Cell {
    /// A cell that knows these inputs.
    pub(super) fn new(
        id: u32,
        user: Arc<str>,
        inputs: Inputs,
        (presence, summary): (Presence, Summary),
        now: u64,
    ) -> Self {
        let told = Told::new(inputs.version(), now, presence, (summary.clone(), None));
        let (schedule, lanes, unsummed) = (None, SmallVec::new(), None);
        let known = Known { inputs, publications: vec![], summary, schedule, lanes, unsummed };
        Self {
            id,
            user,
            foreign: false,
            known: Mutex::new(known),
            told: ArcSwap::from_pointee(told),
            stale: AtomicBool::new(false),
            due: AtomicU64::new(u64::MAX),
        }
    }

    /// The same for somebody who is no user.
    pub(super) fn of_a_stranger(self) -> Self {
        Self { foreign: true, ..self }
    }

    /// Whether any lane has a watcher.
    pub(super) fn is_watched(&self) -> bool {
        !self.lock().lanes.is_empty()
    }

    /// What is told now.
    pub fn told(&self) -> Arc<Told> {
        if self.stale.load(Ordering::Acquire) {
            let mut known = self.lock();
            if let Some((idle, at)) = known.unsummed {
                self.sum_up(&mut known, idle, at);
            }
        }
        self.told.load_full()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known; with it come the lanes that have to tell it to somebody, and when it may change by itself.
    ///
    /// Where nobody watches it is summed up when somebody asks: that costs more than the change, and most calls are not watched.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Known) -> T,
        idle: Idle,
        now: u64,
    ) -> (T, SmallVec<[u8; 2]>, Option<u64>) {
        let mut known = self.lock();
        let done = change(&mut known);
        let due = known.inputs.next_change(idle, now);
        let due = due.into_iter().chain(known.counts(now).map(|one| one.ends)).min();
        let mut lanes = SmallVec::new();
        if known.lanes.is_empty() {
            known.unsummed = Some((idle, now));
            self.stale.store(true, Ordering::Release);
        } else if self.sum_up(&mut known, idle, now) {
            for (lane, watchers, knows) in &mut known.lanes {
                if *watchers > 0 && !std::mem::replace(knows, true) {
                    lanes.push(*lane);
                }
            }
        }
        (done, lanes, due)
    }

    /// Makes of what is known what is told; whether that is anything new.
    fn sum_up(&self, known: &mut Known, idle: Idle, now: u64) -> bool {
        known.unsummed = None;
        let (presence, summary) = (known.inputs.sum(idle, now), known.all_messages(now));
        let old = self.told.load();
        let same_schedule = match (&old.schedule, &known.schedule) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        if old.presence == presence && old.summary == summary && same_schedule {
            self.stale.store(false, Ordering::Release);
            return false;
        }
        let version = known.inputs.changed();
        let beside = (summary, known.schedule.clone());
        self.told.store(Arc::new(Told::new(version, now, presence, beside)));
        // Not before: who reads it in between has to wait for the lock, lest what was told before be told once more.
        self.stale.store(false, Ordering::Release);
        true
    }

    /// A lane begins to tell what there is: whatever changes from now on, it has to hear of again.
    pub fn heard_by(&self, lane: u8) -> Arc<Told> {
        let mut known = self.lock();
        if let Some((.., knows)) = known.lanes.iter_mut().find(|(of, ..)| *of == lane) {
            *knows = false;
        }
        drop(known);
        self.told()
    }

    /// A lane has a watcher more.
    pub fn watched_by(&self, lane: u8) {
        let mut known = self.lock();
        match known.lanes.iter_mut().find(|(of, ..)| *of == lane) {
            Some((_, watchers, _)) => *watchers += 1,
            None => known.lanes.push((lane, 1, false)),
        }
    }

    /// A lane hears of it from now on, whatever it did before.
    pub fn heeded_by(&self, lane: u8) {
        let mut known = self.lock();
        if !known.lanes.iter().any(|(of, ..)| *of == lane) {
            known.lanes.push((lane, 1, false));
        }
    }

    /// A lane has a watcher less.
    pub fn left_by(&self, lane: u8) {
        let mut known = self.lock();
        if let Some((_, watchers, _)) = known.lanes.iter_mut().find(|(of, ..)| *of == lane) {
            *watchers = watchers.saturating_sub(1);
        }
        known.lanes.retain(|(_, watchers, _)| *watchers > 0);
    }

    /// Whether nobody would miss it: no watcher, and nothing known that Ringpost could not look up again.
    pub(super) fn is_idle(&self) -> bool {
        let known = self.lock();
        known.lanes.is_empty() && known.inputs.is_bare() && known.publications.is_empty()
    }

    /// Notes when time changes something; true where that is earlier than what was noted.
    pub(super) fn note_due(&self, due: Option<u64>) -> Option<u64> {
        let due = due?;
        (self.due.fetch_min(due, Ordering::Relaxed) > due).then_some(due)
    }
}
