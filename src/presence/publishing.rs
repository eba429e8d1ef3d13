//! All publications of ours at one presence server: how many requests are under way, and what happens while it is not well.
//!
//! A server that does not answer is asked by OPTIONS alone until it does, so that no state of before is lying about when it
//! comes back; then every publication is prolonged, and those that it has lost begin anew (T31). A server that answers 5xx
//! is sent one publication after the other until it takes one.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::publication::{Answer, Publication, Request, Step, Terms};

/// So many 5xx in a row, and the server counts as ill.
const ILL: u32 = 3;
/// How long an ill server is left alone between two tries, in milliseconds.
const REST: u64 = 2_000;
/// And one that does not take the login.
const UNPROVED: u64 = 600_000;
/// A Retry-After of an ill server counts up to an hour.
const LONGEST_REST: u64 = 3_600_000;
/// A server that has lost one publication has lost the others, most likely; one that never knows its own tags is not to be
/// asked for all of them all the time. In milliseconds.
const DOUBTS: u64 = 30_000;

/// How the server is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Health {
    /// It works, or has not been asked yet.
    #[default]
    Well,
    /// It answers 5xx, and is asked again then.
    Ill(u64),
    /// It does not answer.
    Silent,
}

/// The publications at one server, each by its number. Times are milliseconds of any clock that only runs forward.
#[derive(Debug)]
pub struct Server {
    terms: Terms,
    /// Requests under way at once.
    at_once: usize,
    all: Vec<Slot>,
    /// Those that may have something to send.
    ready: VecDeque<usize>,
    /// When to look at some again; what is noted here may be out of date.
    later: BinaryHeap<Reverse<(u64, usize)>>,
    under_way: usize,
    holds: usize,
    ill: u32,
    /// The login was taken, or there is none to show.
    admitted: bool,
    health: Health,
    /// The one whose turn it is to be prolonged so that a loss is noticed.
    turn: usize,
    /// What it has taken outlives it, so that it is not asked for it in turn.
    is_lasting: bool,
    /// Grows with every loss; and when all may be doubted again because of one.
    epoch: u64,
    doubts: u64,
}

#[derive(Debug, Default)]
struct Slot {
    publication: Publication,
    is_ready: bool,
    /// When it is looked at again, as it stands in [`Server::later`].
    due: Option<u64>,
    /// The epoch in which its last request was sent, and in which its tag was given.
    sent: u64,
    held: u64,
}

impl Server {
    /// A server that nothing was published at.
    pub fn new(terms: Terms, at_once: usize) -> Self {
        Self {
            terms,
            at_once: at_once.max(1),
            all: vec![],
            ready: VecDeque::new(),
            later: BinaryHeap::new(),
            under_way: 0,
            holds: 0,
            ill: 0,
            admitted: true,
            health: Health::Well,
            turn: 0,
            is_lasting: false,
            epoch: 0,
            doubts: 0,
        }
    }

    /// A server that keeps what it has taken over a restart: nothing is prolonged only to see whether it does.
    pub fn lasting(self) -> Self {
        Self { is_lasting: true, ..self }
    }

    /// A login is shown from now on that may be wrong: by one request at a time, until it is taken. Servers lock accounts, and bar
    /// addresses.
    pub fn shows_login(&mut self) {
        self.admitted = false;
    }

    /// The site says something else of the server.
    pub fn adjust(&mut self, terms: Terms, at_once: usize) {
        (self.terms, self.at_once) = (terms, at_once.max(1));
    }

    /// A further publication, which wants nothing yet; its number.
    pub fn add(&mut self) -> usize {
        self.all.push(Slot::default());
        self.all.len() - 1
    }

    /// The server holds a publication of a run before.
    pub fn restore(&mut self, at: usize, tag: &str, ends: u64) {
        self.holds += usize::from(!self.all[at].publication.is_held());
        self.all[at].publication.restore(tag, ends);
        self.look(at);
    }

    /// See [`Publication::kept`].
    pub fn kept(&self, at: usize) -> Option<(&str, u64)> {
        self.all[at].publication.kept()
    }

    /// How the server is.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Publications that the server holds, as far as is known.
    pub fn held(&self) -> usize {
        self.holds
    }

    /// From now on a publication is to say that; `None`: nothing.
    pub fn wants(&mut self, at: usize, mark: Option<u64>) {
        self.all[at].publication.wants(mark);
        self.look(at);
    }

    /// Everything is to be taken back, and there is little time.
    pub fn ends(&mut self) {
        self.all.iter_mut().for_each(|slot| slot.publication.ends());
        self.ready_all();
    }

    /// One publication is told anew at the next chance.
    pub fn doubt(&mut self, at: usize) {
        self.all[at].publication.doubt();
        self.look(at);
    }

    /// Whatever it had against us may be over: it is tried now.
    pub fn forgive(&mut self) {
        if let Health::Ill(_) = self.health {
            self.health = Health::Ill(0);
            self.doubt_all();
        }
    }

    /// The server has lost what it held.
    pub fn has_lost(&mut self, now: u64) {
        if now >= self.doubts {
            self.doubts = now.saturating_add(DOUBTS);
            self.epoch += 1;
            self.doubt_all();
        }
    }

    /// Whether there is nothing under way or to be sent.
    pub fn is_settled(&self) -> bool {
        self.all.iter().all(|slot| slot.publication.is_settled())
    }

    /// The server has answered OPTIONS, or has not.
    pub fn answers(&mut self, answers: bool) {
        match (answers, self.health) {
            (false, _) => self.health = Health::Silent,
            (true, Health::Silent) => {
                (self.health, self.ill) = (Health::Well, 0);
                // Those may wait for their own time-outs yet.
                self.under_way = 0;
                self.doubt_all();
            }
            // One after the other, so that a server that was fast to come back is found out.
            (true, Health::Well) if !self.all.is_empty() && !self.is_lasting => {
                self.turn = (self.turn + 1) % self.all.len();
                let turn = self.turn;
                self.all[turn].publication.doubt();
                self.look(turn);
            }
            (true, _) => {}
        }
    }

    /// The next request to send now: of which publication, and what.
    pub fn next(&mut self, now: u64) -> Option<(usize, Request)> {
        while let Some(Reverse((at, which))) = self.later.peek().copied()
            && at <= now
        {
            self.later.pop();
            if self.all[which].due == Some(at) {
                self.all[which].due = None;
                self.look(which);
            }
        }
        let room = match self.health {
            Health::Silent => 0,
            Health::Ill(until) if until > now => 0,
            Health::Ill(_) => 1,
            Health::Well if !self.admitted => 1,
            Health::Well => self.at_once,
        };
        while self.under_way < room {
            let Some(at) = self.ready.pop_front() else {
                if self.under_way == 0 && self.health != Health::Well {
                    // There is nothing to try it with; the next failure will tell at once.
                    (self.health, self.ill) = (Health::Well, ILL - 1);
                }
                return None;
            };
            let slot = &mut self.all[at];
            slot.is_ready = false;
            if self.health != Health::Well {
                slot.publication.forgive();
            }
            let had = slot.publication.is_held();
            let step = slot.publication.step(&self.terms, now);
            self.holds -= usize::from(had && !slot.publication.is_held());
            match step {
                Step::Send(request) => {
                    slot.sent = self.epoch;
                    self.under_way += 1;
                    return Some((at, request));
                }
                Step::Wait(Some(until)) if slot.due.is_none_or(|due| until < due) => {
                    slot.due = Some(until);
                    self.later.push(Reverse((until, at)));
                }
                Step::Wait(_) => {}
            }
        }
        None
    }

    /// When to ask [`Server::next`] again though nothing else has happened.
    pub fn wake(&self, now: u64) -> Option<u64> {
        let later = self.later.peek().map(|Reverse((at, _))| *at);
        match self.health {
            Health::Ill(until) if until > now => Some(later.map_or(until, |at| at.min(until))),
            _ => later,
        }
    }

    /// What came of a request. `random` is any number.
    pub fn answered(&mut self, at: usize, answer: Answer, now: u64, random: u32) {
        self.under_way = self.under_way.saturating_sub(1);
        let slot = &mut self.all[at];
        let had = slot.publication.is_held();
        slot.publication.answered(answer.clone(), &self.terms, now, random);
        let has = slot.publication.is_held();
        let lost = had && !has;
        self.holds = self.holds + usize::from(has) - usize::from(had);
        let recent = slot.held == self.epoch;
        if let Answer::Taken(..) = answer {
            slot.held = slot.sent;
        }
        self.look(at);
        match answer {
            Answer::Taken(..) | Answer::Stale | Answer::Brief(_) => self.admitted = true,
            Answer::Unproved => self.admitted = false,
            Answer::Ill(_) | Answer::Later(_) | Answer::Silent | Answer::Refused(_) => {}
        }
        match answer {
            Answer::Stale | Answer::Ill(_) if lost => {
                if recent {
                    self.has_lost(now);
                }
            }
            Answer::Ill(_) | Answer::Later(_) | Answer::Unproved => {
                self.ill += 1;
                // Whoever says for how long wants to be left alone by all of them.
                let is_told = matches!(answer, Answer::Later(Some(_)));
                if (self.ill >= ILL || is_told) && self.health != Health::Silent {
                    let rest = match answer {
                        Answer::Ill(Some(after)) | Answer::Later(Some(after)) => 1_000 * u64::from(after),
                        Answer::Unproved => UNPROVED,
                        _ => 0,
                    };
                    let rest = rest.clamp(REST, LONGEST_REST);
                    self.health = Health::Ill(now.saturating_add(rest));
                    self.ready_all();
                }
            }
            Answer::Silent => {}
            Answer::Taken(..) | Answer::Stale | Answer::Brief(_) | Answer::Refused(_) => {
                self.ill = 0;
                if let Health::Ill(_) = self.health {
                    self.health = Health::Well;
                    self.doubt_all();
                }
            }
        }
    }

    fn doubt_all(&mut self) {
        for slot in &mut self.all {
            slot.publication.doubt();
            slot.publication.forgive();
        }
        self.ready_all();
    }

    fn ready_all(&mut self) {
        (0..self.all.len()).for_each(|at| self.look(at));
    }

    fn look(&mut self, at: usize) {
        if !std::mem::replace(&mut self.all[at].is_ready, true) {
            self.ready.push_back(at);
        }
    }
}
