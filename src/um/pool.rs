//! Which UM servers of a dial plan are tried, and in which order (R14–R16). One pool serves calls and INFO on all lanes.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use smallvec::SmallVec;

use super::health::{Health, Rules, Sign};
use crate::settings::{Um, UmPlan, UmServer};

/// How the first server of a call is picked from the set (R15).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strategy {
    /// Any.
    Random,
    /// One after the other.
    RoundRobin,
}

/// Servers in the order they are tried.
pub type Order = SmallVec<[Arc<Member>; 2]>;

/// One server, shared by the plans that name it.
#[derive(Debug)]
pub struct Member {
    /// Who it is.
    pub server: UmServer,
    health: AtomicU64,
}

/// What a sign has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It has left the set.
    Left,
    /// A probe has failed.
    StaysOut,
    /// It is back.
    Readmitted,
}

impl Member {
    /// A server of which nothing bad is known.
    pub fn new(server: UmServer) -> Self {
        Self { server, health: AtomicU64::new(Health::In { failures: 0 }.pack()) }
    }

    /// How it is.
    pub fn health(&self, now: u64, rules: &Rules) -> Health {
        self.known().at(now, rules)
    }

    /// Whether nothing may be sent to it now.
    pub fn is_held(&self, now: u64) -> bool {
        self.known().is_held(now)
    }

    /// Notes what a try has shown. Ringpost's own UM shares Ringpost's fate and never leaves the set.
    pub fn note(&self, sign: Sign, now: u64, rules: &Rules) -> Option<Change> {
        if self.server == UmServer::Embedded {
            return None;
        }
        let (before, after) = self.swap(|health| health.on(sign, now, rules))?;
        match (before, after) {
            (Health::In { .. }, Health::Out { .. }) => Some(Change::Left),
            (Health::Out { .. } | Health::Trial { .. }, Health::In { .. }) => Some(Change::Readmitted),
            (Health::Out { until, .. }, Health::Out { until: later, .. }) if until == later => None,
            (Health::Out { .. } | Health::Trial { .. }, Health::Out { .. }) => Some(Change::StaysOut),
            _ => None,
        }
    }

    /// It has answered OPTIONS; true where calls may probe it from now on.
    pub fn answered_options(&self, now: u64) -> bool {
        self.swap(|health| health.answered_options(now)).is_some()
    }

    /// Takes over what was known of the same server.
    pub fn remember(&self, earlier: &Self) {
        self.health.store(earlier.health.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn known(&self) -> Health {
        Health::unpack(self.health.load(Ordering::Relaxed))
    }

    /// Before and after; `None` where nothing changes, which costs one load.
    fn swap(&self, next: impl Fn(Health) -> Health) -> Option<(Health, Health)> {
        let changed = self.health.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let after = next(Health::unpack(word)).pack();
            (after != word).then_some(after)
        });
        changed.ok().map(|word| (Health::unpack(word), next(Health::unpack(word))))
    }
}

/// The servers of one dial plan.
#[derive(Debug)]
pub struct Pool {
    members: Vec<Arc<Member>>,
    turn: AtomicU32,
}

impl Pool {
    /// The pool of a plan; `known` gives the members that other plans have as well.
    pub fn of(plan: &UmPlan, mut known: impl FnMut(&UmServer) -> Arc<Member>) -> Self {
        let mut members: Vec<Arc<Member>> = Vec::with_capacity(plan.servers.len());
        for server in &plan.servers {
            if !members.iter().any(|member| member.server == *server) {
                members.push(known(server));
            }
        }
        Self { members, turn: AtomicU32::new(0) }
    }

    /// How many servers a call may try at most.
    pub fn tries(&self, um: &Um) -> usize {
        self.members.len().min(usize::from(um.attempts))
    }

    /// Its servers.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// The servers that are tried now, none twice: one of the working set and its successors, then one that is on trial;
    /// a share of the calls tries that one first. Where none of them is left, the one that is probed soonest, unless it is
    /// held. `pick` is any random number.
    pub fn order(&self, um: &Um, now: u64, pick: u32) -> Order {
        let health = |member: &Arc<Member>| member.health(now, &um.rules);
        let sound: SmallVec<[&Arc<Member>; 4]> =
            self.members.iter().filter(|member| matches!(health(member), Health::In { .. })).collect();
        let first = match (um.strategy, sound.len()) {
            (_, 0) => 0,
            (Strategy::Random, count) => pick as usize % count,
            (Strategy::RoundRobin, count) => self.turn.fetch_add(1, Ordering::Relaxed) as usize % count,
        };
        let successors = sound.iter().cycle().skip(first).take(sound.len());
        let mut order: Order =
            successors.take(usize::from(um.attempts)).map(|member| Arc::clone(member)).collect();
        let trials = self.members.iter().filter(|member| matches!(health(member), Health::Trial { .. }));
        if let Some(trial) = trials.max_by_key(|member| health(member).weight(now, &um.rules)) {
            let weight = u64::from(health(trial).weight(now, &um.rules));
            let drawn = u64::from(pick.rotate_left(16) % 1024);
            // Its share is its weight among the weights of all.
            if drawn * (sound.len() as u64 * 1024 + weight) < weight * 1024 {
                order.insert(0, Arc::clone(trial));
            } else {
                order.push(Arc::clone(trial));
            }
            order.truncate(usize::from(um.attempts));
        }
        if order.is_empty() && um.attempts > 0 {
            order.extend(self.last_resort(now).cloned());
        }
        order
    }

    fn last_resort(&self, now: u64) -> Option<&Arc<Member>> {
        let left = self.members.iter().filter(|member| !member.is_held(now));
        left.min_by_key(|member| match member.known() {
            Health::Out { until, .. } => until,
            Health::In { .. } | Health::Trial { .. } => 0,
        })
    }
}
