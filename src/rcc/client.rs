//! The client's side of a dialog with a PBX's gateway (R52; TR/87), as a machine: it opens the dialog, has every line
//! monitored one after the other, asks from time to time whether all is as it seems, and begins anew where nobody answers.
//!
//! Time is in milliseconds. Nothing is known of a line without a monitor: whatever ends the dialog hides all of them.

mod heard;
mod learn;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use super::{
    Event, Request, Response,
    line::{Left, Line},
};
use learn::{Feature, Known};

/// Events that come before the answer that names their monitor.
const EARLY: usize = 16;
/// Monitors that are stopped one by one when all of them end; BYE ends the rest.
const STOPS: usize = 32;
/// A gateway that has refused so many snapshots in a row knows none; so with the other services that it need not know.
const SNAPSHOTS: u8 = 3;
const SILENT: &str = "it does not answer";
/// All lines are looked at once in so many polls, those in a call each time: an event that was lost is found.
const ROUND: usize = 60;
/// The longest time that a gateway may ask to be left alone for, in milliseconds.
const LONGEST_REST: u64 = 3_600_000;
/// How long before the end of its session a dialog is refreshed, in milliseconds.
const AHEAD: u64 = 60_000;

/// How a gateway is asked; all in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// The shortest time between two monitors that begin.
    pub gap: u64,
    /// How often it is asked whether it works.
    pub poll: u64,
    /// How long an answer may take.
    pub patience: u64,
    /// How soon it is tried again, at first and at last.
    pub retry: (u64, u64),
}

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Do {
    /// Send the INVITE that asks whether it works.
    Open,
    /// Ask by INFO.
    Ask(Request),
    /// Refresh the session by re-INVITE.
    Refresh,
    /// Send BYE; there is no dialog any more.
    Close,
    /// Something has changed at the line of that user.
    Show(Arc<str>),
    /// Nothing is known of it any more.
    Hide(Arc<str>),
    /// A call has left it.
    Left(Arc<str>, Left),
}

/// What came of an INFO.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// 2xx with that body.
    Said(Response),
    /// 2xx with something else.
    Unread,
    /// Another final answer, or none: 408.
    Refused(u16),
}

/// How it goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// There is no line, or the first answer is still to come.
    Fresh,
    /// It tells of every line.
    Well,
    /// It does not tell of so many.
    Lacks(usize),
    /// There is no dialog.
    Down(&'static str),
}

/// A gateway, and the lines that it is to tell of.
#[derive(Debug)]
pub struct Client {
    terms: Terms,
    stage: Stage,
    lines: BTreeMap<Arc<str>, Watched>,
    monitors: HashMap<String, Arc<str>>,
    jobs: VecDeque<Job>,
    early: VecDeque<Event>,
    /// Who was looked at last.
    looked: Option<Arc<str>>,
    /// By the numbers of [`Feature`]; it outlives the dialog.
    known: [Known; 2],
    told: VecDeque<Do>,
    failures: u32,
    trouble: Option<&'static str>,
    ends: bool,
}

#[derive(Debug, Default)]
struct Watched {
    line: Line,
    monitored: bool,
    /// It was refused, and is asked for again then.
    again: Option<u64>,
    /// An event has come since its snapshot was asked for, which may be older.
    moved: bool,
    /// The same of what it was asked besides its calls.
    turned: bool,
}

#[derive(Debug, Eq, PartialEq)]
enum Job {
    Start(Arc<str>),
    Snapshot(Arc<str>),
    Learn(Arc<str>, Feature),
    Stop(String),
}

#[derive(Debug)]
enum Stage {
    Resting(u64),
    /// Until then it may answer.
    Opening(u64),
    Open(Open),
    Over,
}

#[derive(Debug)]
struct Open {
    since: u64,
    /// What it is asked, and until when it may answer.
    asking: Option<(Asking, u64)>,
    /// When the next monitor may begin.
    next: u64,
    poll: u64,
    refresh: u64,
    ends: u64,
    knows_features: bool,
    snapshots_refused: u8,
}

#[derive(Debug)]
enum Asking {
    Features,
    Status,
    Refresh,
    /// The user, and the device that is to be monitored.
    Start(Arc<str>, String),
    Snapshot(Arc<str>),
    Learn(Arc<str>, Feature),
    Stop,
}

impl Client {
    /// A gateway that is first called at `first`.
    pub fn new(terms: Terms, first: u64) -> Self {
        Self {
            terms,
            stage: Stage::Resting(first),
            lines: BTreeMap::new(),
            monitors: HashMap::new(),
            jobs: VecDeque::new(),
            early: VecDeque::new(),
            looked: None,
            known: Default::default(),
            told: VecDeque::new(),
            failures: 0,
            trouble: None,
            ends: false,
        }
    }

    /// How it is asked from now on.
    pub fn adjust(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// The line of a user.
    pub fn line(&self, user: &str) -> Option<&Line> {
        self.lines.get(user).map(|watched| &watched.line)
    }

    /// Any of the lines: Microsoft's clients name the one that a dialog is for when they open it.
    pub fn first_device(&self) -> Option<&str> {
        self.lines.values().next().map(|watched| watched.line.device())
    }

    /// The users whose lines are to be told of, each with the name of its device. Those of before stay as they are.
    pub fn follow(&mut self, wanted: impl IntoIterator<Item = (Arc<str>, String)>) {
        let wanted: BTreeMap<Arc<str>, String> = wanted.into_iter().collect();
        let stays = |user: &Arc<str>, watched: &Watched| {
            wanted.get(user).is_some_and(|d| *d == watched.line.device())
        };
        let gone: Vec<_> = self
            .lines
            .iter()
            .filter(|(user, watched)| !stays(user, watched))
            .map(|(user, _)| Arc::clone(user))
            .collect();
        for user in gone {
            if self.lines.remove(&user).is_some_and(|watched| watched.monitored) {
                self.told.push_back(Do::Hide(Arc::clone(&user)));
            }
            let of_user =
                self.monitors.iter().find(|(_, of)| **of == user).map(|(monitor, _)| monitor.clone());
            if let Some(monitor) = of_user {
                self.monitors.remove(&monitor);
                self.jobs.push_front(Job::Stop(monitor));
            }
        }
        for (user, device) in wanted {
            if !self.lines.contains_key(&user) {
                self.jobs.push_back(Job::Start(Arc::clone(&user)));
                let line = Line::new(device);
                self.lines.insert(user, Watched { line, ..Watched::default() });
            }
        }
    }

    /// All of it ends.
    pub fn end(&mut self) {
        self.ends = true;
        self.follow([]);
        self.jobs.truncate(STOPS);
    }

    /// Whether there is a dialog, or soon will be.
    pub fn has_dialog(&self) -> bool {
        matches!(self.stage, Stage::Opening(_) | Stage::Open(_))
    }

    /// Whether nothing is to be done any more.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over) && self.told.is_empty()
    }

    /// What is to be done now; asked until there is nothing.
    pub fn next(&mut self, now: u64, random: u32) -> Option<Do> {
        if let Some(told) = self.told.pop_front() {
            return Some(told);
        }
        match &mut self.stage {
            Stage::Resting(_) if self.ends => {
                self.stage = Stage::Over;
                None
            }
            Stage::Resting(until) if *until <= now && !self.lines.is_empty() => {
                self.stage = Stage::Opening(now + self.terms.patience);
                Some(Do::Open)
            }
            Stage::Opening(until) if *until <= now => {
                self.failed(SILENT, None, now, random);
                None
            }
            Stage::Open(open) if open.asking.as_ref().is_some_and(|(_, until)| *until <= now) => {
                let (asking, _) = open.asking.take()?;
                if self.ignores(&asking, now) {
                    return self.due(now);
                }
                self.lose(SILENT, true, now, random);
                self.told.pop_front()
            }
            Stage::Open(open) if open.asking.is_none() => {
                if open.ends <= now {
                    self.lose("its session was not refreshed", true, now, random);
                    return self.told.pop_front();
                }
                self.due(now)
            }
            Stage::Resting(_) | Stage::Opening(_) | Stage::Open(_) | Stage::Over => None,
        }
    }

    fn due(&mut self, now: u64) -> Option<Do> {
        if self.lines.is_empty() && self.jobs.is_empty() {
            self.stage = Stage::Resting(now);
            return Some(Do::Close);
        }
        let Stage::Open(open) = &mut self.stage else { return None };
        let (asking, what) = if !open.knows_features {
            (Asking::Features, Do::Ask(Request::Features))
        } else if open.refresh <= now {
            (Asking::Refresh, Do::Refresh)
        } else if open.poll <= now {
            open.poll = now + self.terms.poll;
            let looks = open.snapshots_refused < SNAPSHOTS;
            self.look(now, looks);
            (Asking::Status, Do::Ask(Request::SystemStatus { line: None }))
        } else {
            self.job(now)?
        };
        if let Stage::Open(open) = &mut self.stage {
            open.asking = Some((asking, now + self.terms.patience));
        }
        Some(what)
    }

    /// Asks again for lines that were refused, and looks at those in a call and at some of the others.
    /// Where a gateway is slower than that, what it was to be asked before comes first.
    fn look(&mut self, now: u64, looks: bool) {
        let behind = self.jobs.iter().any(|job| matches!(job, Job::Snapshot(_) | Job::Learn(..)));
        let mut some = self.lines.len().div_ceil(ROUND);
        let mut last = None;
        for (user, watched) in &mut self.lines {
            if watched.again.take_if(|again| *again <= now).is_some() {
                self.jobs.push_back(Job::Start(Arc::clone(user)));
            } else if watched.monitored && !behind {
                let is_next = some > 0 && self.looked.as_ref().is_none_or(|looked| user > looked);
                if is_next {
                    some -= 1;
                    last = Some(Arc::clone(user));
                }
                if looks && (is_next || watched.line.calls().next().is_some()) {
                    self.jobs.push_back(Job::Snapshot(Arc::clone(user)));
                }
                if is_next {
                    self.jobs.extend(Feature::jobs(user));
                }
            }
        }
        // Behind the last one the round begins anew.
        if !behind {
            self.looked = last;
        }
    }

    fn job(&mut self, now: u64) -> Option<(Asking, Do)> {
        let Stage::Open(open) = &mut self.stage else { return None };
        loop {
            match self.jobs.front()? {
                Job::Stop(_) => {}
                Job::Start(user) | Job::Snapshot(user) | Job::Learn(user, _)
                    if !self.lines.contains_key(user) =>
                {
                    self.jobs.pop_front();
                    continue;
                }
                Job::Learn(_, feature) if self.known[*feature as usize].rests(now) => {
                    self.jobs.pop_front();
                    continue;
                }
                Job::Start(_) | Job::Snapshot(_) | Job::Learn(..) if open.next > now => return None,
                Job::Start(_) | Job::Snapshot(_) | Job::Learn(..) => open.next = now + self.terms.gap,
            }
            let device = |user: &Arc<str>| self.lines.get(user).map(|one| one.line.device().to_owned());
            return match self.jobs.pop_front()? {
                Job::Stop(monitor) => Some((Asking::Stop, Do::Ask(Request::MonitorStop { monitor }))),
                Job::Start(user) => {
                    let device = device(&user)?;
                    Some((Asking::Start(user, device.clone()), Do::Ask(Request::MonitorStart { device })))
                }
                Job::Snapshot(user) => {
                    let device = device(&user)?;
                    self.lines.entry(Arc::clone(&user)).and_modify(|one| one.moved = false);
                    Some((Asking::Snapshot(user), Do::Ask(Request::SnapshotDevice { device })))
                }
                Job::Learn(user, feature) => {
                    let device = device(&user)?;
                    self.lines.entry(Arc::clone(&user)).and_modify(|one| one.turned = false);
                    Some((Asking::Learn(user, feature), Do::Ask(feature.asked_of(device))))
                }
            };
        }
    }

    /// When there may be something to do; `None`: not before something happens.
    pub fn wake(&self) -> Option<u64> {
        if !self.told.is_empty() {
            return Some(0);
        }
        match &self.stage {
            Stage::Resting(until) => (self.ends || !self.lines.is_empty()).then_some(*until),
            Stage::Opening(until) => Some(*until),
            Stage::Open(Open { asking: Some((_, until)), .. }) => Some(*until),
            Stage::Open(open) => {
                let job = match self.jobs.front() {
                    Some(Job::Stop(_)) => 0,
                    Some(Job::Start(_) | Job::Snapshot(_) | Job::Learn(..)) => open.next,
                    None if self.lines.is_empty() => 0,
                    None => u64::MAX,
                };
                Some(job.min(open.poll).min(open.refresh).min(open.ends))
            }
            Stage::Over => None,
        }
    }

    /// How it goes.
    pub fn health(&self) -> Health {
        match (&self.stage, self.trouble) {
            (Stage::Open(_), _) => match self.lines.values().filter(|one| one.again.is_some()).count() {
                0 => Health::Well,
                lacking => Health::Lacks(lacking),
            },
            (_, Some(why)) if !self.lines.is_empty() => Health::Down(why),
            (_, _) => Health::Fresh,
        }
    }

    /// How many lines are monitored.
    pub fn monitored(&self) -> usize {
        self.monitors.len()
    }
}
