//! Who is asked for when: mailboxes in batches, each again after a while that is never quite the same. Every server has a pace
//! of its own: one that does not answer is asked seldom, and delays nobody's calendar at another.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// A failure is tried again after so long, and each further one after twice that, in milliseconds.
const FIRST_RETRY: u64 = 1_000;
/// A mailbox that shows nothing is asked for so many times more seldom.
const SELDOM: u64 = 4;
/// A mailbox of which nothing could be said just now is asked for after that part of the time.
const SOON: u64 = 4;

/// What the site says of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// How often each is asked for, in milliseconds.
    pub every: u64,
    /// Mailboxes of one question.
    pub batch: usize,
}

/// One question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// Which server has them all.
    pub place: Arc<str>,
    /// Whom it is about.
    pub mailboxes: Vec<Arc<str>>,
}

/// What came of one mailbox of a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It was told of.
    Shown,
    /// It shows nothing.
    Hidden,
    /// Nothing could be said of it now.
    Later,
    /// It is known now which server has it: that one is asked at once.
    Found,
}

/// What came of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// What came of each, and milliseconds that the server wants to be left alone.
    Told(Vec<Fate>, Option<u64>),
    /// Too much for one answer, or nobody knows which of them is the bad one.
    TooMuch,
    /// The server does not answer. Milliseconds that it wants to be left alone.
    Down(Option<u64>),
}

/// The mailboxes that one table of the site asks for. Times are milliseconds of any clock that only runs forward.
#[derive(Debug)]
pub struct Polling {
    terms: Terms,
    all: HashMap<Arc<str>, Mailbox>,
    paces: HashMap<Arc<str>, Pace>,
}

#[derive(Debug)]
struct Mailbox {
    due: u64,
    /// A question about it is under way.
    asked: bool,
    /// Which server has it, as of when it was last due.
    place: Option<Arc<str>>,
    last: Option<Fate>,
}

/// How one server is asked.
#[derive(Debug)]
struct Pace {
    under_way: bool,
    failures: u32,
    not_before: u64,
    /// What one question may be about for now.
    room: usize,
}

impl Polling {
    /// Nobody to ask for yet.
    pub fn new(terms: Terms) -> Self {
        Self { terms, all: HashMap::new(), paces: HashMap::new() }
    }

    /// These are to be asked for, and no others. New ones soon, but not all at once with those of other sites.
    pub fn sets(
        &mut self,
        terms: Terms,
        mailboxes: impl IntoIterator<Item = Arc<str>>,
        now: u64,
        random: u32,
    ) {
        self.terms = terms;
        let soon = now + part(terms.every / 60, random);
        let mut before = std::mem::take(&mut self.all);
        let mailbox = |name: Arc<str>| {
            let mut one =
                before.remove(&name).unwrap_or(Mailbox { due: soon, asked: false, place: None, last: None });
            one.due = one.due.min(now + 2 * SELDOM * terms.every);
            (name, one)
        };
        self.all = mailboxes.into_iter().map(mailbox).collect();
        let used: HashSet<_> = self.all.values().filter_map(|one| one.place.clone()).collect();
        self.paces.retain(|place, pace| pace.under_way || used.contains(place));
        self.paces.values_mut().for_each(|pace| pace.room = pace.room.clamp(1, terms.batch.max(1)));
    }

    /// What was told may count for nothing: everybody is asked for again soon.
    pub fn again(&mut self, now: u64, random: u32) {
        let soon = now + part(self.terms.every / 60, random);
        self.all.values_mut().for_each(|one| one.due = one.due.min(soon));
    }

    /// The next question; `None`: none now. `place` says which server has a mailbox; each is asked one question at a time.
    pub fn next(&mut self, now: u64, place: impl Fn(&str) -> Arc<str>) -> Option<Question> {
        let is_due = |one: &Mailbox, until: u64| !one.asked && one.due <= until;
        if !self.all.values().any(|one| is_due(one, now)) {
            return None;
        }
        // Those that are due shortly go along, so that questions stay few.
        let shortly = now + self.terms.every / 10;
        let near = self.all.iter_mut().filter(|(_, one)| is_due(one, shortly));
        near.for_each(|(mailbox, one)| one.place = Some(place(mailbox)));
        let is_free = |place: &Arc<str>| self.paces.get(place).is_none_or(|pace| pace.is_free(now));
        let of = |one: &Mailbox| one.place.clone().filter(is_free);
        let ready = self.all.iter().filter(|(_, one)| is_due(one, now));
        let ready = ready.filter_map(|(mailbox, one)| Some((one.due, mailbox, of(one)?)));
        let (.., place) = ready.min()?;
        let pace = self.paces.entry(Arc::clone(&place)).or_insert_with(|| Pace::new(self.terms));
        let along =
            self.all.iter().filter(|(_, one)| is_due(one, shortly) && one.place.as_ref() == Some(&place));
        let mut along: Vec<_> = along.map(|(mailbox, one)| (one.due, Arc::clone(mailbox))).collect();
        if along.len() > pace.room {
            along.select_nth_unstable(pace.room - 1);
            along.truncate(pace.room);
        }
        along.sort_unstable();
        pace.under_way = true;
        let mailboxes: Vec<_> = along.into_iter().map(|(_, mailbox)| mailbox).collect();
        self.each(&mailboxes, |one| one.asked = true);
        Some(Question { place, mailboxes })
    }

    /// When to look again; `None`: when something changes.
    pub fn wake(&self) -> Option<u64> {
        let due = |one: &Mailbox| match one.place.as_ref().and_then(|place| self.paces.get(place)) {
            Some(pace) if pace.under_way => None,
            Some(pace) => Some(one.due.max(pace.not_before)),
            None => Some(one.due),
        };
        self.all.values().filter(|one| !one.asked).filter_map(due).min()
    }

    /// What came of a question. `random` is any number.
    pub fn answered(&mut self, question: &Question, outcome: &Outcome, now: u64, random: u32) {
        let Question { place, mailboxes } = question;
        self.each(mailboxes, |one| one.asked = false);
        let (terms, every) = (self.terms, self.terms.every);
        let pace = self.paces.entry(Arc::clone(place)).or_insert_with(|| Pace::new(terms));
        pace.under_way = false;
        match outcome {
            Outcome::Told(fates, rest) => {
                pace.failures = 0;
                pace.room = (pace.room * 2).min(terms.batch.max(1));
                pace.not_before = now + rest.unwrap_or(0);
                for (at, (mailbox, fate)) in mailboxes.iter().zip(fates).enumerate() {
                    // Each by itself, so that a crowd spreads in time.
                    let random = random
                        .wrapping_mul(2_654_435_761)
                        .wrapping_add(0x9E37_79B9_u32.wrapping_mul(at as u32));
                    if let Some(one) = self.all.get_mut(mailbox) {
                        one.told(*fate, every, now, random);
                    }
                }
            }
            Outcome::TooMuch if mailboxes.len() > 1 => pace.room = mailboxes.len() / 2,
            Outcome::TooMuch => self.each(mailboxes, |one| one.told(Fate::Hidden, every, now, random)),
            Outcome::Down(after) => {
                let doubled =
                    FIRST_RETRY.saturating_mul(1 << pace.failures.min(16)).min(every.max(FIRST_RETRY));
                pace.failures += 1;
                let wait = doubled / 2 + part(doubled / 2, random);
                pace.not_before = now + wait.max(after.unwrap_or(0));
                // It may be the fault of one of them: others come first, and then fewer with that one.
                pace.room = (mailboxes.len() / 2).max(1);
                self.each(mailboxes, |one| one.due = one.due.max(now + 1));
            }
        }
    }

    /// Whether a server has not answered lately that is asked for somebody.
    pub fn is_down(&self) -> bool {
        let pace = |one: &Mailbox| one.place.as_ref().and_then(|place| self.paces.get(place));
        self.all.values().filter_map(pace).any(|pace| pace.failures > 0)
    }

    /// Whether everybody has been asked for and nobody shows anything.
    pub fn shows_nobody(&self) -> bool {
        !self.all.is_empty() && self.all.values().all(|one| one.last == Some(Fate::Hidden))
    }

    /// How many are asked for.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    fn each(&mut self, mailboxes: &[Arc<str>], change: impl Fn(&mut Mailbox)) {
        mailboxes.iter().for_each(|mailbox| self.all.get_mut(mailbox).into_iter().for_each(&change));
    }
}

impl Mailbox {
    fn told(&mut self, fate: Fate, every: u64, now: u64, random: u32) {
        let twice = fate == Fate::Found && self.last == Some(Fate::Found);
        self.last = Some(fate);
        let (wait, spread) = match fate {
            Fate::Found if !twice => return,
            Fate::Shown => (every, every / 10),
            Fate::Hidden => (SELDOM * every, every / 10),
            // A server that is found and not known again would be looked for without an end.
            Fate::Later | Fate::Found => (every / SOON, every / 10),
        };
        self.due = now + wait - part(spread, random);
    }
}

impl Pace {
    fn new(terms: Terms) -> Self {
        Self { under_way: false, failures: 0, not_before: 0, room: terms.batch.max(1) }
    }

    fn is_free(&self, now: u64) -> bool {
        !self.under_way && self.not_before <= now
    }
}

/// That part of it which `random` is of its largest.
fn part(of: u64, random: u32) -> u64 {
    (u128::from(of) * u128::from(random) / u128::from(u32::MAX)) as u64
}
