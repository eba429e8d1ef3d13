//! What is learned of trunks while Ringpost runs: whether they answer, whether they take calls, where they register us.

use std::{
    net::IpAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use jiff::Timestamp;

use super::Directory;
use crate::{
    settings::Trunk,
    um::health::{Health, Rules, Sign},
};

/// Whether a gateway is called now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fit {
    /// It takes its turn.
    Up,
    /// It answers, but has failed calls: where no other is left.
    Last,
    /// It does not answer, wants its rest, or does not register us.
    Down,
}

/// What is learned of one trunk. Times are milliseconds of any clock that never goes back, but for `since`.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// It does not answer OPTIONS now, or has not registered us.
    down: AtomicBool,
    /// What calls have shown of it, a [`Health`]; only gateways of routes are noted.
    health: AtomicU64,
    /// When its fitness last changed, in milliseconds of 1970; 0: not yet.
    since: AtomicI64,
    /// Where its registrar answered from: its calls come from there.
    registrar: RwLock<Option<IpAddr>>,
}

impl Learned {
    fn registrar(&self) -> Option<IpAddr> {
        *self.registrar.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> Health {
        Health::unpack(self.health.load(Ordering::Relaxed))
    }

    /// Whether it answers OPTIONS and registers us, as far as either is asked for.
    pub(super) fn answers(&self) -> bool {
        !self.down.load(Ordering::Relaxed)
    }

    pub(super) fn fit(&self, now: u64, rules: &Rules) -> Fit {
        match self.health().at(now, rules) {
            _ if !self.answers() => Fit::Down,
            Health::In { .. } | Health::Trial { .. } => Fit::Up,
            Health::Out { held: false, .. } => Fit::Last,
            // Until something has shown that it is back.
            Health::Out { held: true, .. } => Fit::Down,
        }
    }

    /// Before and after; `None` where nothing changes, which costs one load.
    fn swap(&self, next: impl Fn(Health) -> Health) -> Option<(Health, Health)> {
        let changed = self.health.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let after = next(Health::unpack(word)).pack();
            (after != word).then_some(after)
        });
        changed.ok().map(|word| (Health::unpack(word), next(Health::unpack(word))))
    }

    fn changed(&self, at: Timestamp) {
        self.since.store(at.as_millisecond(), Ordering::Relaxed);
    }

    fn remember(&self, earlier: &Self) {
        self.down.store(!earlier.answers(), Ordering::Relaxed);
        self.health.store(earlier.health.load(Ordering::Relaxed), Ordering::Relaxed);
        self.since.store(earlier.since.load(Ordering::Relaxed), Ordering::Relaxed);
        if let Some(address) = earlier.registrar() {
            *self.registrar.write().unwrap_or_else(PoisonError::into_inner) = Some(address);
        }
    }
}

impl Directory {
    /// Whether the trunk of that name answers, as far as is known.
    pub fn trunk_is_up(&self, name: &str) -> bool {
        self.learned_of(name).is_some_and(Learned::answers)
    }

    /// The trunk of that name answers from now on, or does not.
    pub fn set_trunk(&self, name: &str, up: bool, at: Timestamp) {
        if let Some(learned) = self.learned_of(name)
            && learned.down.swap(!up, Ordering::Relaxed) == up
        {
            learned.changed(at);
        }
    }

    /// The registrar of the trunk of that name has taken our registration; it is at that address.
    pub fn set_registrar(&self, name: &str, address: IpAddr) {
        if let Some(learned) = self.learned_of(name) {
            *learned.registrar.write().unwrap_or_else(PoisonError::into_inner) = Some(address.to_canonical());
        }
    }

    /// Whether the gateway of that name is called now.
    pub fn gateway(&self, name: &str, now: u64) -> Fit {
        self.learned_of(name).map_or(Fit::Down, |learned| learned.fit(now, &self.site.routing.health))
    }

    /// Since when it is as it is; `None` where nothing has changed yet.
    pub fn gateway_since(&self, name: &str) -> Option<Timestamp> {
        let since = self.learned_of(name)?.since.load(Ordering::Relaxed);
        Timestamp::from_millisecond(since).ok().filter(|_| since != 0)
    }

    /// Notes what a call or OPTIONS has shown of a gateway; the fitness before and after, where that has changed.
    pub fn note_gateway(&self, name: &str, sign: Sign, (now, at): (u64, Timestamp)) -> Option<(Fit, Fit)> {
        self.turn_gateway(name, (now, at), |health, rules| health.on(sign, now, rules))
    }

    /// A gateway that was out has answered OPTIONS: calls may try it again.
    pub fn gateway_answered(&self, name: &str, (now, at): (u64, Timestamp)) -> Option<(Fit, Fit)> {
        self.turn_gateway(name, (now, at), |health, _| health.answered_options(now))
    }

    /// A gateway that is out has left OPTIONS unanswered: it is asked again after the same pause, so that one that was away
    /// for an hour is back as soon as one that was away for a second (T35).
    pub fn gateway_is_silent(&self, name: &str, (now, at): (u64, Timestamp)) -> Option<(Fit, Fit)> {
        self.turn_gateway(name, (now, at), |health, rules| match health {
            Health::Out { strikes, .. } => {
                let until = now.saturating_add(rules.first.as_millis() as u64);
                Health::Out { until, strikes, held: true }
            }
            other => other,
        })
    }

    fn turn_gateway(
        &self,
        name: &str,
        (now, at): (u64, Timestamp),
        next: impl Fn(Health, &Rules) -> Health,
    ) -> Option<(Fit, Fit)> {
        let (learned, rules) = (self.learned_of(name)?, &self.site.routing.health);
        let before = learned.fit(now, rules);
        learned.swap(|health| next(health, rules))?;
        let after = learned.fit(now, rules);
        (before != after).then(|| {
            learned.changed(at);
            (before, after)
        })
    }

    /// Whether a gateway that is out is to be asked by OPTIONS now.
    pub fn gateway_is_due(&self, name: &str, now: u64) -> bool {
        let rules = &self.site.routing.health;
        self.learned_of(name).is_some_and(|learned| learned.health().wants_options(now, rules))
    }

    /// Every gateway of a route, once.
    pub fn gateways(&self) -> Vec<Arc<Trunk>> {
        let named = |trunk: &&Arc<Trunk>| {
            self.site.routing.routes.iter().any(|route| route.gateways.contains(&trunk.name))
        };
        self.trunks.iter().filter(named).cloned().collect()
    }

    /// The trunk whose registrar is at that address. Only those that register have one.
    pub(super) fn registered_at(&self, source: IpAddr) -> Option<&Arc<Trunk>> {
        let registers = |trunk: &Trunk| trunk.far.as_ref().is_some_and(|far| far.registration.is_some());
        let both = self.trunks.iter().zip(&self.learned).filter(|(trunk, _)| registers(trunk));
        both.into_iter()
            .find(|(_, learned)| learned.registrar() == Some(source.to_canonical()))
            .map(|(trunk, _)| trunk)
    }

    fn learned_of(&self, name: &str) -> Option<&Learned> {
        self.learned.get(self.trunks.iter().position(|trunk| trunk.name == name)?)
    }

    /// Takes over what an earlier snapshot knew of the trunks, routes and UM servers that are still there.
    pub fn remember(&self, earlier: &Self) {
        let before = earlier.um_members();
        for member in self.um_members() {
            if let Some(known) = before.iter().find(|known| known.server == member.server) {
                member.remember(known);
            }
        }
        for (trunk, learned) in earlier.trunks.iter().zip(&earlier.learned) {
            if let Some(own) = self.learned_of(&trunk.name) {
                own.remember(learned);
            }
        }
        if let (Some(routes), Some(earlier)) = (&self.routes, &earlier.routes) {
            routes.remember(earlier);
        }
    }
}
