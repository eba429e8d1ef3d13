//! Who has sent how much, and who is banned. An IPv4 address is one source, and so is an IPv6 network of 64 bits, for a host
//! has all of its addresses to choose from. Time is a count of milliseconds from any start, an argument of every call.

use std::{collections::HashMap, net::IpAddr};

use crate::settings::Security;

/// What a request costs its source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Toll {
    /// It may pass.
    Paid,
    /// The source has sent too much: 503 with Retry-After.
    Over,
}

/// The life of a transaction, 64*T1, in milliseconds.
const LIFE: u64 = 32_000;

/// The sources and what is known of them; never more than the settings say.
#[derive(Debug)]
pub struct Gate {
    settings: Security,
    sources: HashMap<u64, Source, ahash::RandomState>,
    banned: usize,
    /// What all sources share for which there was no place.
    crowd: Source,
    swept: u64,
}

#[derive(Clone, Debug)]
struct Source {
    requests: Bucket,
    open: Bucket,
    refusals: Bucket,
    /// Refused requests since `since`.
    failed: u32,
    since: u64,
    banned_until: u64,
    /// It has proved who it is: its address may be forged, so nothing more bans it until then.
    proven_until: u64,
}

/// A token bucket that counts what is used, in thousandths.
#[derive(Clone, Debug, Default)]
struct Bucket {
    used: u64,
    at: u64,
}

impl Bucket {
    /// Takes one token out of a bucket of `most` that fills by `per_second`.
    fn take(&mut self, now: u64, most: u32, per_second: u64) -> bool {
        let regained = now.saturating_sub(self.at).saturating_mul(per_second);
        self.used = self.used.saturating_sub(regained);
        self.at = now;
        let fits = self.used + 1_000 <= u64::from(most) * 1_000;
        self.used += if fits { 1_000 } else { 0 };
        fits
    }

    fn is_full(&self, now: u64, per_second: u64) -> bool {
        now.saturating_sub(self.at).saturating_mul(per_second) >= self.used
    }
}

impl Source {
    fn new(now: u64) -> Self {
        Self {
            requests: Bucket::default(),
            open: Bucket::default(),
            refusals: Bucket::default(),
            failed: 0,
            since: now,
            banned_until: 0,
            proven_until: 0,
        }
    }

    /// Whether nothing is lost where it is forgotten.
    fn is_fresh(&self, now: u64, settings: &Security) -> bool {
        self.banned_until <= now
            && self.proven_until <= now
            && (self.failed == 0 || now.saturating_sub(self.since) > settings.ban_window.as_millis() as u64)
            && self.requests.is_full(now, u64::from(settings.rate))
            && self.open.is_full(now, refill(settings.open))
            && self.refusals.is_full(now, u64::from(settings.refusals))
    }
}

/// What a bucket of that many regains in a second, to be full after [`LIFE`].
fn refill(most: u32) -> u64 {
    (u64::from(most) * 1_000).div_ceil(LIFE)
}

/// The source that an address belongs to, as its place in the table; the IPv4 addresses lie below every IPv6 network that is in use.
pub fn source_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(u32::from(v4)),
        IpAddr::V6(v6) => (u128::from(v6) >> 64) as u64,
    }
}

impl Gate {
    /// A gate that has seen nobody.
    pub fn new(settings: Security) -> Self {
        Self { settings, sources: HashMap::default(), banned: 0, crowd: Source::new(0), swept: 0 }
    }

    /// The settings change; what is known of the sources stays.
    pub fn reload(&mut self, settings: Security) {
        self.settings = settings;
    }

    /// What the gate goes by.
    pub fn settings(&self) -> &Security {
        &self.settings
    }

    /// How many sources are remembered.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// How many sources are banned; some may be over.
    pub fn banned(&self) -> usize {
        self.banned
    }

    /// Whether a source gets no answer now.
    pub fn is_banned(&mut self, address: IpAddr, now: u64) -> bool {
        if self.banned == 0 {
            return false;
        }
        let Some(source) = self.sources.get_mut(&source_of(address)).filter(|source| source.banned_until > 0)
        else {
            return false;
        };
        if source.banned_until > now {
            return true;
        }
        source.banned_until = 0;
        source.failed = 0;
        self.banned -= 1;
        false
    }

    /// A request outside any dialog has come from a source that is no trunk.
    pub fn request(&mut self, address: IpAddr, now: u64) -> Toll {
        let Security { rate, burst, open, .. } = self.settings;
        let source = self.source(address, now);
        let paid =
            source.requests.take(now, burst, u64::from(rate)) && source.open.take(now, open, refill(open));
        if paid { Toll::Paid } else { Toll::Over }
    }

    /// A request outside any dialog has come from a trunk that may send `per_second` of them.
    pub fn trunk_request(&mut self, address: IpAddr, per_second: u32, now: u64) -> Toll {
        let source = self.source(address, now);
        let paid = source.requests.take(now, per_second, u64::from(per_second));
        if paid { Toll::Paid } else { Toll::Over }
    }

    /// Whether a stranger may be told no once more; silence otherwise, for its address may be forged.
    pub fn may_refuse(&mut self, address: IpAddr, now: u64) -> bool {
        let refusals = self.settings.refusals;
        self.source(address, now).refusals.take(now, refusals.saturating_mul(2), u64::from(refusals))
    }

    /// A request has failed for what it is; true where its source is banned from now on.
    pub fn failed(&mut self, address: IpAddr, now: u64) -> bool {
        let Security { ban_after, ban_window, .. } = self.settings;
        if ban_after == 0 {
            return false;
        }
        let source = self.source(address, now);
        if now.saturating_sub(source.since) > ban_window.as_millis() as u64 {
            source.failed = 0;
            source.since = now;
        }
        source.failed += 1;
        source.failed >= ban_after && self.ban(address, now)
    }

    /// Answers a source no more; false where it is never banned, has proved who it is, or is banned already.
    pub fn ban(&mut self, address: IpAddr, now: u64) -> bool {
        if self.settings.never_ban.iter().any(|network| crate::directory::contains(network, address)) {
            return false;
        }
        let until = now.saturating_add(self.settings.ban_time.as_millis() as u64);
        let place = source_of(address);
        self.source(address, now);
        // Without a place of its own it cannot be told from the others.
        let Some(source) = self.sources.get_mut(&place).filter(|source| source.proven_until <= now) else {
            return false;
        };
        let before = std::mem::replace(&mut source.banned_until, until);
        self.banned += usize::from(before == 0);
        before == 0
    }

    /// A source has proved who it is: for an hour its failures, which somebody may forge, do not ban it.
    pub fn proven(&mut self, address: IpAddr, now: u64) {
        let source = self.source(address, now);
        source.failed = 0;
        source.proven_until = now + 3_600_000;
    }

    /// Whether a source has proved who it is lately.
    pub fn is_proven(&self, address: IpAddr, now: u64) -> bool {
        self.sources.get(&source_of(address)).is_some_and(|source| source.proven_until > now)
    }

    fn source(&mut self, address: IpAddr, now: u64) -> &mut Source {
        let place = source_of(address);
        if !self.sources.contains_key(&place)
            && self.sources.len() >= self.settings.sources
            && !self.sweep(now)
        {
            return &mut self.crowd;
        }
        self.sources.entry(place).or_insert_with(|| Source::new(now))
    }

    /// Forgets whom nothing is known of, at most once in a second; true where there is room then.
    fn sweep(&mut self, now: u64) -> bool {
        if now < self.swept.saturating_add(1_000) {
            return false;
        }
        self.swept = now;
        let settings = &self.settings;
        self.sources.retain(|_, source| !source.is_fresh(now, settings));
        self.banned = self.sources.values().filter(|source| source.banned_until > 0).count();
        self.sources.len() < self.settings.sources
    }
}
