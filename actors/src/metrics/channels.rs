//! Numbers that each channel of notices has for itself, labelled with its name.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use ringpost::outbox::ChannelName;

use super::{Counter, Gauge};

/// The numbers of every channel so far.
#[derive(Debug)]
pub struct Channels(Mutex<BTreeMap<ChannelName, Arc<Numbers>>>);

/// The numbers of one channel.
#[derive(Debug)]
pub struct Numbers {
    /// Notices told.
    pub delivered: Counter,
    /// Tries that are to be repeated.
    pub delayed: Counter,
    /// Notices that went on to another channel.
    pub moved: Counter,
    /// Dead letters.
    pub dead: Counter,
    /// 1 while its server is down and only one notice at a time is tried.
    pub down: Gauge,
    /// Destinations that defer everything, so that one notice at a time is tried.
    pub resting: Gauge,
    /// Notices that wait or are being sent.
    depth: Gauge,
    /// When the oldest of them was taken, in seconds since 1970; 0: there is none.
    oldest: Gauge,
}

impl Numbers {
    const fn new() -> Self {
        Self {
            delivered: Counter(AtomicU64::new(0)),
            delayed: Counter(AtomicU64::new(0)),
            moved: Counter(AtomicU64::new(0)),
            dead: Counter(AtomicU64::new(0)),
            down: Gauge(AtomicU64::new(0)),
            resting: Gauge(AtomicU64::new(0)),
            depth: Gauge(AtomicU64::new(0)),
            oldest: Gauge(AtomicU64::new(0)),
        }
    }

    /// How many are open, and when the oldest was taken, in seconds since 1970.
    pub fn queue(&self, depth: usize, oldest: Option<i64>) {
        self.depth.set(depth as u64);
        self.oldest.set(oldest.map_or(0, |oldest| oldest.max(1).unsigned_abs()));
    }
}

impl Channels {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The numbers of a channel; they stay for as long as the process lives.
    pub fn of(&self, name: &ChannelName) -> Arc<Numbers> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(name.clone()).or_insert_with(|| Arc::new(Numbers::new())).clone()
    }

    /// The text form of Prometheus; `now` in seconds since 1970.
    pub fn exposition(&self, now: u64) -> String {
        type Number = fn(&Numbers, u64) -> u64;
        const NUMBERS: [(&str, &str, &str, Number); 8] = [
            ("notices_delivered_total", "counter", "Notices told.", |n, _| n.delivered.get()),
            ("notices_delayed_total", "counter", "Tries that are repeated.", |n, _| n.delayed.get()),
            ("notices_moved_total", "counter", "Notices that went on to another channel.", |n, _| {
                n.moved.get()
            }),
            ("notices_dead_total", "counter", "Notices given up.", |n, _| n.dead.get()),
            ("notices_open", "gauge", "Notices that wait or are being sent.", |n, _| n.depth.get()),
            ("notices_oldest_seconds", "gauge", "The age of the oldest of them.", |n, now| {
                match n.oldest.get() {
                    0 => 0,
                    oldest => now.saturating_sub(oldest),
                }
            }),
            ("channel_down", "gauge", "1 while only one notice at a time is tried.", |n, _| n.down.get()),
            ("channel_destinations_resting", "gauge", "Destinations of it that defer everything.", |n, _| {
                n.resting.get()
            }),
        ];
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (name, kind, help, value) in NUMBERS.iter().filter(|_| !all.is_empty()) {
            let _ = writeln!(text, "# HELP ringpost_{name} {help}\n# TYPE ringpost_{name} {kind}");
            for (channel, numbers) in all.iter() {
                let _ = writeln!(text, "ringpost_{name}{{channel=\"{channel}\"}} {}", value(numbers, now));
            }
        }
        text
    }
}
