//! Was a call that a PBX tells of one of ours too? Then what became of it is decided here, and its notice comes from here.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ringpost::rcc::same::{BEGINS, Same, Sight, same_call, same_caller};

use super::{Live, Rcc, Times};

/// How long a call is remembered that is over: a PBX's telephone that rang with it may ring for as long.
const KEPT: Duration = Duration::from_secs(300);
/// Calls that are remembered at most.
const MOST: usize = 20_000;

/// Calls that came in and ended a moment ago, in the order of their ends.
pub(super) struct Past {
    began: Instant,
    ended: Mutex<VecDeque<One>>,
}

struct One {
    user: Arc<str>,
    at: Instant,
    /// The gateway that has told of it; `None`: it was ours.
    by: Option<Box<str>>,
    sight: Sight,
}

/// A call that a telephone at a PBX has missed.
pub(super) struct Missed<'m> {
    pub user: &'m Arc<str>,
    pub caller: Option<&'m str>,
    pub began: Instant,
    pub ended: Instant,
    pub gateway: &'m str,
}

impl Default for Past {
    fn default() -> Self {
        Self { began: Instant::now(), ended: Mutex::default() }
    }
}

impl Past {
    /// A call of a user that was ours is over.
    pub fn ended(&self, user: &Arc<str>, caller: Option<Arc<str>>, times: &Times) {
        let now = Instant::now();
        self.put(user, now, (None, self.sight(caller.as_deref(), times, Some(now))));
    }

    fn put(&self, user: &Arc<str>, at: Instant, (by, sight): (Option<Box<str>>, Sight)) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |one: &One| at.saturating_duration_since(one.at) > KEPT;
        while ended.len() >= MOST || ended.front().is_some_and(is_old) {
            ended.pop_front();
        }
        ended.push_back(One { user: Arc::clone(user), at, by, sight });
    }

    fn sight(&self, caller: Option<&str>, times: &Times, ended: Option<Instant>) -> Sight {
        Sight {
            caller: caller.map(str::to_owned),
            rang: times.rang.iter().map(|at| self.ms(*at)).collect(),
            answered: times.answered.map(|at| self.ms(at)),
            ended: ended.map(|at| self.ms(at)),
        }
    }

    /// Milliseconds of the clock by which calls are compared; its beginning lies before that of every call that was missed.
    fn ms(&self, at: Instant) -> u64 {
        const EARLIER: u64 = 1 << 40;
        match at.checked_duration_since(self.began) {
            Some(since) => EARLIER + since.as_millis() as u64,
            None => EARLIER.saturating_sub(self.began.duration_since(at).as_millis() as u64),
        }
    }

    /// Whether one of those that other gateways, or nobody, have told of is the same.
    fn has(&self, missed: &Missed<'_>, sight: &Sight) -> bool {
        let now = self.ms(Instant::now());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = |one: &&One| *one.user == **missed.user && one.by.as_deref() != Some(missed.gateway);
        ended.iter().filter(is_other).any(|one| same_call(sight, &one.sight, now) == Same::Yes)
    }
}

impl Rcc {
    /// Whether a call that a gateway says was missed is told of already: it was one of ours, or another gateway sees the same
    /// telephone. Where it is not, it is noted as told of from now on.
    pub(super) fn is_told_of(&self, missed: &Missed<'_>) -> Same {
        let times = Times { rang: [missed.began].into_iter().collect(), answered: None };
        let sight = self.past.sight(missed.caller, &times, Some(missed.ended));
        let now = self.past.ms(Instant::now());
        let with = |live: &Live| {
            let other = self.past.sight(live.look.other.as_deref(), &live.times, None);
            same_call(&sight, &other, now)
        };
        let ours = self.calls_of(missed.user).into_iter();
        let ours = ours.filter(|live| live.call.is_some() && live.look.incoming);
        // Those that live first: one that ends meanwhile is seen as one that is over.
        let found: Vec<Same> = ours.map(|live| with(&live)).collect();
        if found.contains(&Same::Yes) || self.past.has(missed, &sight) {
            return Same::Yes;
        }
        let same = if found.contains(&Same::Open) { Same::Open } else { Same::No };
        if same == Same::No {
            self.past.put(missed.user, Instant::now(), (Some(missed.gateway.into()), sight));
        }
        same
    }

    /// Whether a call that a gateway tells of now is one that comes or goes through Ringpost as well. Where one side does not
    /// know the other party, it has to have begun with it.
    pub(super) fn carries(&self, user: &str, incoming: bool, other: Option<&str>) -> bool {
        let begins =
            |live: &Live| live.times.rang.iter().any(|rang| rang.elapsed() <= Duration::from_millis(BEGINS));
        self.calls_of(user).iter().any(|live| {
            let same = match (live.look.other.as_deref(), other) {
                (Some(one), Some(other)) => same_caller(one, other),
                _ => begins(live),
            };
            live.call.is_some() && live.look.incoming == incoming && same
        })
    }
}
