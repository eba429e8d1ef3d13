//! Which routes a number takes under a voice policy, and whose turn it is at each (R34–R36).

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use regex::bytes::RegexSet;

use super::{Directory, Fit, Target};
use crate::settings::{Route, Site, Trunk};

/// The routes of a site, ready to be asked: all patterns are tried in one pass over the number.
#[derive(Debug)]
pub(super) struct Routes {
    patterns: RegexSet,
    passages: Vec<Arc<Passage>>,
    /// Each policy's name, and the routes in the order in which it tries them, each once: for each usage in its order those
    /// of the table that have it. Beside each the place of that usage in the policy.
    policies: Vec<(String, Vec<(usize, usize)>)>,
}

/// One route.
#[derive(Debug)]
pub struct Passage {
    /// What the site says of it.
    pub route: Route,
    /// Its gateways.
    pub gateways: Vec<Arc<Trunk>>,
    /// How many calls have taken it.
    turn: AtomicU32,
}

impl Passage {
    /// Whose turn it is of so many; `taken`: a call goes there now.
    fn turn(&self, of: usize, taken: bool) -> usize {
        let turn = match taken {
            true => self.turn.fetch_add(1, Ordering::Relaxed),
            false => self.turn.load(Ordering::Relaxed),
        };
        turn as usize % of.max(1)
    }
}

impl Routes {
    /// `None` where the site has none. Patterns that cannot be compiled were refused when the site was loaded; if there were
    /// any, nobody could call.
    pub(super) fn of(site: &Site, trunks: &[Arc<Trunk>]) -> Option<Self> {
        let routing = &site.routing;
        let (patterns, routes) = match Route::patterns(&routing.routes) {
            Ok(patterns) => (patterns, routing.routes.as_slice()),
            Err(_) => (RegexSet::empty(), &[][..]),
        };
        let named = |name: &String| trunks.iter().find(|trunk| trunk.name == *name).cloned();
        let passages = routes.iter().cloned().map(|route| {
            let gateways = route.gateways.iter().filter_map(named).collect();
            Arc::new(Passage { route, gateways, turn: AtomicU32::new(0) })
        });
        let passages: Vec<_> = passages.collect();
        let policies = routing.policies.iter().map(|policy| {
            let mut order: Vec<(usize, usize)> = vec![];
            for (place, usage) in policy.usages.iter().enumerate() {
                for (at, passage) in passages.iter().enumerate() {
                    if passage.route.usages.contains(usage) && !order.iter().any(|(known, _)| *known == at) {
                        order.push((at, place));
                    }
                }
            }
            (policy.name.clone(), order)
        });
        let policies = policies.collect();
        (!routing.routes.is_empty()).then_some(Self { patterns, passages, policies })
    }

    /// The routes for a number under a policy, in the order in which they are tried, each with the place of the usage that
    /// it is tried for.
    pub(super) fn fitting(&self, number: &str, policy: Option<&str>) -> Vec<(&Arc<Passage>, usize)> {
        let order = self.policies.iter().find(|(name, _)| Some(name.as_str()) == policy);
        let fits = self.patterns.matches(number.as_bytes());
        let order = order.into_iter().flat_map(|(_, order)| order);
        order
            .filter(|(at, _)| fits.matched(*at))
            .filter_map(|(at, place)| Some((self.passages.get(*at)?, *place)))
            .collect()
    }

    /// Whether any route at all is for the number.
    pub(super) fn knows(&self, number: &str) -> bool {
        self.patterns.is_match(number.as_bytes())
    }

    /// All routes in the order of the site, and whether each is for the number.
    pub(super) fn all(&self, number: &str) -> impl Iterator<Item = (&Arc<Passage>, bool)> {
        let fits = self.patterns.matches(number.as_bytes());
        self.passages.iter().enumerate().map(move |(at, passage)| (passage, fits.matched(at)))
    }

    pub(super) fn remember(&self, earlier: &Self) {
        for passage in &self.passages {
            let known = earlier.passages.iter().find(|one| one.route.name == passage.route.name);
            if let Some(known) = known {
                passage.turn.store(known.turn.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }
}

/// The ways of one call to a number outside: what is still to be tried, no gateway twice. Gateways of one route lie together,
/// in the order of the site until the call takes that route.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    left: Vec<Target>,
    /// The way that is being tried.
    at: Option<Target>,
    /// It was found already, and waits to be taken.
    ready: bool,
    routed: bool,
    /// How many were tried.
    tries: usize,
}

impl Ways {
    /// None of them is tried yet.
    pub fn new(left: Vec<Target>) -> Self {
        let routed = left.iter().any(|way| way.route.is_some());
        Self { left, routed, ..Self::default() }
    }

    /// The way that is being tried.
    pub fn at(&self) -> Option<&Target> {
        self.at.as_ref()
    }

    /// Whether they are gateways of routes.
    pub fn are_routed(&self) -> bool {
        self.routed
    }

    /// How many were tried, the one that is being tried included.
    pub fn tries(&self) -> usize {
        self.tries
    }

    /// Whether any is left that could be tried.
    pub fn has_more(&self) -> bool {
        !self.left.is_empty()
    }

    /// Whether gateways of routes were wanted, and none is left.
    pub fn have_failed(&self) -> bool {
        self.routed && self.at.is_none() && (self.tries > 0 || self.ready)
    }

    /// Finds the next way, for [`Self::take`]: of the first route that has a gateway which is up, the one whose turn it is;
    /// where none is up, one that at least answers. False where nobody is left.
    pub fn advance(&mut self, directory: &Directory, now: u64) -> bool {
        let before = self.at.take();
        let at = directory.choose(&mut self.left, before.as_ref(), now, true);
        self.at = at.map(|at| self.left.remove(at));
        self.ready = true;
        self.at.is_some()
    }

    /// The next way.
    pub fn take(&mut self, directory: &Directory, now: u64) -> Option<Target> {
        if !self.ready {
            self.advance(directory, now);
        }
        self.ready = self.at.is_none();
        self.tries += usize::from(self.at.is_some());
        self.at.clone()
    }
}

impl Directory {
    /// Which of some ways comes next, after `before` has been tried; ways of the route that is opened are turned so that it
    /// comes first of them. `taken`: a call goes there, so the turn passes on.
    pub(super) fn choose(
        &self,
        left: &mut [Target],
        before: Option<&Target>,
        now: u64,
        taken: bool,
    ) -> Option<usize> {
        let first = left.first()?;
        if first.route.is_none() {
            return Some(0);
        }
        let fits: Vec<Fit> = left.iter().map(|way| self.gateway(&way.trunk.name, now)).collect();
        let Some(up) = fits.iter().position(|fit| *fit == Fit::Up) else {
            return fits.iter().position(|fit| *fit == Fit::Last);
        };
        let passage = left[up].route.clone()?;
        if before.is_some_and(|before| before.is_by(&passage)) {
            return Some(up);
        }
        let group = group(left, up, &passage);
        let ups: Vec<usize> = group.clone().filter(|at| fits[*at] == Fit::Up).collect();
        let chosen = ups.get(passage.turn(ups.len(), taken)).copied().unwrap_or(up);
        left[group.clone()].rotate_left(chosen - group.start);
        Some(group.start)
    }
}

/// The ways by that route around one of them.
fn group(left: &[Target], at: usize, passage: &Arc<Passage>) -> Range<usize> {
    let before = left[..at].iter().rev().take_while(|way| way.is_by(passage)).count();
    let after = left[at..].iter().take_while(|way| way.is_by(passage)).count();
    at - before..at + after
}
