//! What the names in SIP URIs mean: answers of the DNS, remembered for all lanes; those that are missing are asked for on a
//! thread of their own, so that nobody waits but who needs them.

mod ask;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::{StreamExt, stream::FuturesUnordered};
use ringpost::{
    settings::Dns,
    sip::locate::{
        Answer, Hop, Locate, Question, Step,
        avoid::Avoid,
        cache::{Cache, Known},
    },
};
use tokio::sync::{mpsc, oneshot};

pub use self::ask::start;
use crate::metrics::METRICS;

/// How long a call waits for an answer where an old one could serve (RFC 8767 §5).
const OLD_WOULD_DO: Duration = Duration::from_millis(1_800);

/// The names, for all lanes.
pub struct Names {
    settings: ArcSwap<Dns>,
    known: Mutex<Asked>,
    avoid: Mutex<Avoid>,
    /// Whether anybody is avoided: who is not asks no lock.
    avoids: AtomicBool,
    orders: mpsc::UnboundedSender<Order>,
    started: Instant,
}

struct Asked {
    cache: Cache,
    /// Questions under way, and who waits for their answers.
    under_way: HashMap<Question, Vec<oneshot::Sender<Answer>>, ahash::RandomState>,
}

/// What the thread does.
#[derive(Debug)]
pub enum Order {
    /// Asks the DNS.
    Ask(Question),
    /// Reads again who is to be asked.
    Renew,
}

/// An answer, or when it comes.
enum Ask {
    Now(Answer),
    Later(oneshot::Receiver<Answer>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Names {
    /// Nothing is known yet; the orders go to [`start`].
    pub fn new(settings: Dns) -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (orders, inbox) = mpsc::unbounded_channel();
        let known = Asked { cache: Cache::new(settings.bounds), under_way: HashMap::default() };
        let avoid = Mutex::new(Avoid::new(settings.bounds.most));
        let (known, avoids, started) = (Mutex::new(known), AtomicBool::new(false), Instant::now());
        (Self { settings: ArcSwap::from_pointee(settings), known, avoid, avoids, orders, started }, inbox)
    }

    /// The site was read again: nothing is known any more, for names may be found elsewhere now.
    pub fn reload(&self, settings: Dns) {
        lock(&self.known).cache = Cache::new(settings.bounds);
        self.settings.store(settings.into());
        // The thread is gone only where the program ends.
        let _ = self.orders.send(Order::Renew);
    }

    /// How long a server may leave a request without any answer before the next one is tried.
    pub fn patience(&self) -> Duration {
        self.settings.load().patience
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// The places, where every answer is at hand; `None`: something has to be asked.
    pub fn at_hand(&self, locate: &mut Locate) -> Option<Vec<Hop>> {
        let places = loop {
            match locate.next() {
                Step::Done(places) => break places,
                Step::Ask(questions) => self.remember(locate, questions, false)?,
            }
        };
        METRICS.dns_cache_hits_total.one();
        Some(self.sorted(places))
    }

    /// Answers from memory; `None` where one is missing.
    fn remember(&self, locate: &mut Locate, questions: Vec<Question>, old: bool) -> Option<()> {
        let now = self.now();
        let known = lock(&self.known);
        for question in questions {
            match known.cache.look(&question, now) {
                Known::Fresh(answer) => locate.hears(question, answer),
                Known::Stale(answer) if old => locate.hears(question, answer),
                Known::Stale(_) | Known::Unknown => return None,
            }
        }
        Some(())
    }

    /// The places; asks for what is not known, and waits for it in bounds.
    pub async fn find(&self, mut locate: Locate) -> Vec<Hop> {
        self.search(&mut locate).await
    }

    /// As [`Names::find`]; `locate` then knows all that was heard.
    pub async fn search(&self, locate: &mut Locate) -> Vec<Hop> {
        let timeout = self.settings.load().timeout;
        let patience = if self.old_would_do(locate) { timeout.min(OLD_WOULD_DO) } else { timeout };
        let end = tokio::time::Instant::now() + patience;
        let places = loop {
            match locate.next() {
                Step::Done(places) => break places,
                Step::Ask(questions) => self.ask_all(locate, questions, end).await,
            }
        };
        METRICS.dns_timeouts_total.add(u64::from(tokio::time::Instant::now() >= end));
        self.sorted(places)
    }

    fn old_would_do(&self, locate: &Locate) -> bool {
        let mut locate = locate.clone();
        loop {
            match locate.next() {
                Step::Done(places) => return !places.is_empty(),
                Step::Ask(questions) => {
                    if self.remember(&mut locate, questions, true).is_none() {
                        return false;
                    }
                }
            }
        }
    }

    async fn ask_all(&self, locate: &mut Locate, questions: Vec<Question>, end: tokio::time::Instant) {
        let mut coming = FuturesUnordered::new();
        for question in questions {
            let late = tokio::time::Instant::now() >= end;
            match if late { Ask::Now(self.too_late(&question)) } else { self.ask(&question) } {
                Ask::Now(answer) => locate.hears(question, answer),
                Ask::Later(answer) => coming.push(async move { (question, answer.await) }),
            }
        }
        while let Ok(Some((question, answer))) = tokio::time::timeout_at(end, coming.next()).await {
            locate.hears(question, answer.unwrap_or(Answer::Failed));
        }
        if let Step::Ask(unanswered) = locate.next()
            && !coming.is_empty()
        {
            for question in unanswered {
                let old = self.old(&question);
                locate.hears(question, old);
            }
        }
    }

    /// What was known before, for want of anything better.
    fn old(&self, question: &Question) -> Answer {
        match lock(&self.known).cache.look(question, self.now()) {
            Known::Fresh(answer) => answer,
            Known::Stale(answer) => {
                METRICS.dns_stale_total.one();
                answer
            }
            Known::Unknown => Answer::Failed,
        }
    }

    /// The time is up before this was asked: for a while nobody else waits for it either.
    fn too_late(&self, question: &Question) -> Answer {
        let now = self.now();
        let mut known = lock(&self.known);
        match known.cache.look(question, now) {
            Known::Fresh(answer) => answer,
            Known::Stale(_) | Known::Unknown => {
                let serves = known.cache.put(question.clone(), Answer::Failed, None, now);
                METRICS.dns_stale_total.add(u64::from(serves != Answer::Failed));
                serves
            }
        }
    }

    /// Asks one question, once for all who want to know.
    fn ask(&self, question: &Question) -> Ask {
        let now = self.now();
        let most = self.settings.load().queries;
        let mut known = lock(&self.known);
        if let Known::Fresh(answer) = known.cache.look(question, now) {
            return Ask::Now(answer);
        }
        let (tell, told) = oneshot::channel();
        let open = known.under_way.len();
        match known.under_way.get_mut(question) {
            Some(waiting) => waiting.push(tell),
            None if open >= most => {
                drop(known);
                METRICS.dns_refused_total.one();
                tracing::warn!("A name is not looked up: max_queries is reached");
                return Ask::Now(self.old(question));
            }
            None => {
                known.under_way.insert(question.clone(), vec![tell]);
                drop(known);
                if self.orders.send(Order::Ask(question.clone())).is_err() {
                    self.answered(question, Answer::Failed, None);
                }
            }
        }
        Ask::Later(told)
    }

    /// The DNS has answered, or has not: whoever waits hears it.
    fn answered(&self, question: &Question, answer: Answer, ttl: Option<u32>) {
        let failed = answer == Answer::Failed;
        let (serves, waiting) = {
            let mut known = lock(&self.known);
            let now = self.now();
            let serves = known.cache.put(question.clone(), answer, ttl, now);
            (serves, known.under_way.remove(question).unwrap_or_default())
        };
        if failed {
            METRICS.dns_failures_total.one();
            if serves != Answer::Failed {
                METRICS.dns_stale_total.one();
            }
        }
        // Whoever does not wait any longer needs no answer.
        waiting.into_iter().for_each(|one| drop(one.send(serves.clone())));
    }

    /// Those that failed lately come last.
    fn sorted(&self, mut places: Vec<Hop>) -> Vec<Hop> {
        if places.len() > 1 && self.avoids.load(Ordering::Relaxed) {
            lock(&self.avoid).sort(&mut places, |place| *place, self.now());
        }
        places
    }

    /// A place did not do its work: it is tried last for a while, `at_least` so long.
    pub fn failed(&self, place: Hop, at_least: Option<Duration>) {
        let time = self.settings.load().avoid;
        // What a server asks for by Retry-After is in seconds; nobody is avoided for hours at its word.
        let time = at_least.map_or(time, |asked| asked.clamp(time, time.saturating_mul(10)));
        let mut avoid = lock(&self.avoid);
        avoid.failed(place, time, self.now());
        self.avoids.store(true, Ordering::Relaxed);
    }

    /// A place did its work.
    pub fn works(&self, place: &Hop) {
        if self.avoids.load(Ordering::Relaxed) {
            let mut avoid = lock(&self.avoid);
            avoid.answered(place);
            self.avoids.store(!avoid.is_empty(), Ordering::Relaxed);
        }
    }
}
