//! The sum of the inputs. What wins is decided here and nowhere else.

use std::{cmp::Reverse, sync::Arc};

use super::{
    input::{Entry, Forward, Inputs, Kind, Phone, SlotKind},
    state::{Activity, Apart, Presence, Progress, Rich, Standard, Telephony},
};

/// When an endpoint that nobody touches is not in use any more (R56), in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Idle {
    /// Then the user is inactive.
    pub inactive: u64,
    /// Then away.
    pub away: u64,
}

impl Default for Idle {
    fn default() -> Self {
        Self { inactive: 300, away: 900 }
    }
}

impl Inputs {
    /// What they come to now. Entries that have ended count for nothing, whether they are taken out or not.
    pub fn sum(&self, idle: Idle, now: u64) -> Presence {
        let phones = self.phones(now);
        let mut calls: Vec<super::Call> = vec![];
        for call in phones.iter().flat_map(|entry| &entry.said.calls) {
            // A call that several sources see is one, and as far as any of them knows (R55).
            let same = |known: &&mut super::Call| {
                known.id == call.id || !call.dialog.0.is_empty() && known.dialog.0 == call.dialog.0
            };
            match calls.iter_mut().find(same) {
                Some(known) => known.progress = known.progress.max(call.progress),
                None => calls.push(call.clone()),
            }
        }
        let talks = phones.iter().any(|entry| entry.said.busy)
            || calls.iter().any(|call| call.progress == Progress::Confirmed);
        let (telephony, telephony_by) = self.telephony(&phones, talks);
        let (rich, apart) =
            self.rich((talks, talks && phones.iter().any(|entry| entry.said.conference)), idle, now);
        let reachable = self.reachable(&phones);
        let open = (reachable || self.device.iter().any(|entry| entry.ends > now && entry.said.open))
            // A telephone at a PBX is there though its user has signed in nowhere.
            && apart.user != Some(Standard::Offline);
        Presence { telephony, telephony_by, rich, calls, open, apart }
    }

    /// When the sum may change though nobody says anything; `None`: never.
    pub fn next_change(&self, idle: Idle, now: u64) -> Option<u64> {
        let ends = self.user.iter().map(|entry| entry.ends);
        let ends = ends.chain(self.phone.iter().map(|entry| entry.ends));
        let ends = ends.chain(self.calendar.iter().map(|entry| entry.ends));
        let ends = ends.chain(self.device.iter().map(|entry| entry.ends));
        let slots = self.calendar.iter().flat_map(|entry| &entry.said.slots);
        let edges = slots.flat_map(|slot| [slot.from, slot.until]);
        let touched = self.device.iter().filter_map(|entry| entry.said.touched);
        let idles = touched.flat_map(|at| [at.saturating_add(idle.inactive), at.saturating_add(idle.away)]);
        ends.chain(edges).chain(idles).filter(|at| *at > now && *at < u64::MAX).min()
    }

    /// The telephones that count, the most credible first: Ringpost's own calls always, since it sees them itself; beside
    /// them remote call control where it is there (R114); else the preferred server (R108), or the one that has spoken last.
    /// What endpoints publish counts where nobody else speaks of the telephone.
    fn phones(&self, now: u64) -> Vec<&Entry<Phone>> {
        let mut live: Vec<_> = self.phone.iter().filter(|entry| entry.ends > now).collect();
        live.sort_by_key(|entry| Reverse((entry.source.kind, entry.source.preferred, entry.version)));
        let best = live.iter().map(|entry| entry.source.kind).find(|kind| *kind != Kind::Own);
        let mut one_server = false;
        live.retain(|entry| match entry.source.kind {
            Kind::Own => true,
            kind if Some(kind) != best => false,
            Kind::Sip => !std::mem::replace(&mut one_server, true),
            Kind::Cti | Kind::Endpoint => true,
        });
        live
    }

    /// R113: do not disturb, then forwarded, then busy or available.
    fn telephony(&self, phones: &[&Entry<Phone>], talks: bool) -> (Telephony, Option<Arc<str>>) {
        let by = |entry: &Entry<Phone>| (entry.source.kind != Kind::Own).then(|| entry.source.name.clone());
        let quiet = phones.iter().find(|entry| entry.said.do_not_disturb == Some(true));
        if self.own.do_not_disturb || quiet.is_some() {
            let own = self.own.do_not_disturb;
            return (Telephony::DoNotDisturb, quiet.filter(|_| !own).and_then(|entry| by(entry)));
        }
        let told = phones.iter().find_map(|entry| Some((entry.said.forward.clone()??, by(entry))));
        if let Some((to, by)) = self.own.forward.clone().map(|to| (to, None)).or(told) {
            let forwarded = match to {
                Forward::VoiceMail => Telephony::ForwardedToVoiceMail,
                Forward::Number(number) => Telephony::ForwardedToNumber(number),
            };
            return (forwarded, by);
        }
        let from = || phones.iter().find_map(|entry| by(entry));
        match talks {
            true => (Telephony::Busy, from()),
            false if !self.own.has_number && phones.is_empty() => (Telephony::NotConfigured, None),
            false if self.reachable(phones) => (Telephony::Available, from()),
            false => (Telephony::Offline, None),
        }
    }

    fn reachable(&self, phones: &[&Entry<Phone>]) -> bool {
        self.own.reachable
            || phones.iter().any(|entry| {
                let calls = entry.said.busy || !entry.said.calls.is_empty();
                entry.said.reachable.unwrap_or(calls)
            })
    }

    /// What the person is taken for: what the user says of not being disturbed or not being there holds; otherwise whatever
    /// leaves least time.
    fn rich(&self, (talks, conference): (bool, bool), idle: Idle, now: u64) -> (Rich, Apart) {
        let mut said: Vec<_> = unrivalled(&self.user, now).collect();
        said.sort_by_key(|entry| Reverse(entry.version));
        let note = said.iter().find_map(|entry| entry.said.note.clone());
        let manual = said.iter().find(|entry| entry.said.state.is_some());
        let devices: Vec<_> = unrivalled(&self.device, now).collect();
        let slots = self.calendar.iter().filter(|entry| entry.ends > now).flat_map(|entry| &entry.said.slots);
        let slots: Vec<_> = slots.filter(|slot| slot.from <= now && now < slot.until).collect();
        let known = !said.is_empty() || !devices.is_empty() || !self.calendar.is_empty();
        if !self.own.has_address && !known {
            return (Rich { note, ..Rich::default() }, Apart::default());
        }
        let chosen = manual.and_then(|entry| entry.said.state);
        let custom = manual.and_then(|entry| entry.said.custom.clone());
        let mut activities: Vec<_> = slots
            .iter()
            .map(|slot| match slot.kind {
                SlotKind::Appointment => Activity::Appointment,
                SlotKind::Meeting => Activity::Meeting,
                SlotKind::OutOfOffice => Activity::OutOfOffice,
            })
            .chain(talks.then_some(Activity::OnThePhone))
            .chain(conference.then_some(Activity::InConference))
            .collect();
        activities.sort_unstable();
        activities.dedup();
        let by_activity = activities.iter().map(|activity| match activity {
            Activity::OnThePhone | Activity::InConference => Standard::Busy,
            Activity::Meeting | Activity::Appointment => Standard::Busy,
            Activity::OutOfOffice => Standard::Away,
        });
        // The device in use counts, not those that lie in a drawer.
        let by_device = devices
            .iter()
            .filter(|entry| entry.said.open)
            .map(|entry| match now.saturating_sub(entry.said.touched.unwrap_or(now)) {
                unused if unused >= idle.away => Standard::Away,
                unused if unused >= idle.inactive => Standard::Inactive,
                _ => Standard::Available,
            })
            .min();
        let there = by_device.is_some() || self.own.reachable || talks;
        let state = match chosen {
            Some(state @ (Standard::DoNotDisturb | Standard::Offline)) => state,
            _ => {
                let all = by_activity.chain(by_device).chain(chosen);
                let most = all.max().unwrap_or(Standard::Available);
                if there || known_more(chosen, &activities) { most } else { Standard::Offline }
            }
        };
        let main = slots.iter().max_by_key(|slot| (slot.kind != SlotKind::OutOfOffice, slot.from));
        let apart = Apart { user: chosen, device: by_device, since: main.map(|slot| slot.from) };
        let rich = Rich {
            state: Some(state),
            activities,
            custom: custom.filter(|_| chosen == Some(state)),
            note,
            subject: main.and_then(|slot| slot.subject.clone()),
            location: main.and_then(|slot| slot.location.clone()),
        };
        (rich, apart)
    }
}

/// Entries that have not ended; where the preferred server says something, no other server does (R108).
fn unrivalled<T>(entries: &[Entry<T>], now: u64) -> impl Iterator<Item = &Entry<T>> {
    let live = move |entry: &&Entry<T>| entry.ends > now;
    let wins = entries.iter().filter(live).any(|one| one.source.kind == Kind::Sip && one.source.preferred);
    let stays = move |one: &&Entry<T>| !wins || one.source.kind != Kind::Sip || one.source.preferred;
    entries.iter().filter(live).filter(stays)
}

/// Whether more is known of somebody who is nowhere than just that.
fn known_more(chosen: Option<Standard>, activities: &[Activity]) -> bool {
    chosen.is_some() || !activities.is_empty()
}
