//! What the gateway says, and what that makes of the dialog and the lines.

use std::sync::Arc;

use super::{
    super::{Event, Response},
    AHEAD, Answer, Asking, Client, Do, EARLY, Job, LONGEST_REST, Open, SILENT, SNAPSHOTS, Stage,
    learn::Feature,
};
use crate::sip::session_timer::Session;

impl Client {
    /// The INVITE was answered: whether the gateway says that it works, and the session that it has agreed to.
    pub fn opened(&mut self, works: bool, session: Option<Session>, now: u64, random: u32) {
        if !works {
            self.told.push_back(Do::Close);
            return self.failed("it says that it does not work", None, now, random);
        }
        self.stage = Stage::Open(Open {
            since: now,
            asking: None,
            next: now,
            poll: now + self.terms.poll,
            refresh: u64::MAX,
            ends: u64::MAX,
            knows_features: false,
            snapshots_refused: 0,
        });
        self.trouble = None;
        self.prolonged(session, now);
        self.jobs = self.lines.keys().cloned().map(Job::Start).collect();
    }

    /// The INVITE was not taken; `rest`: how long the gateway wants to be left alone.
    pub fn failed(&mut self, why: &'static str, rest: Option<u64>, now: u64, random: u32) {
        let (first, longest) = self.terms.retry;
        let pause = first.checked_shl(self.failures.min(32)).unwrap_or(longest).clamp(1, longest.max(1));
        self.failures += 1;
        // Many clients of one gateway do not come back at the same time.
        let pause = pause / 2 + u64::from(random) % (pause / 2 + 1);
        self.stage = Stage::Resting(now + pause.max(rest.unwrap_or(0).min(LONGEST_REST)));
        self.trouble = Some(why);
    }

    /// Either end has refreshed the session.
    pub fn prolonged(&mut self, session: Option<Session>, now: u64) {
        let Stage::Open(open) = &mut self.stage else { return };
        (open.refresh, open.ends) = match session {
            Some(session) => {
                let whole = u64::from(session.interval) * 1_000;
                let after = if session.ours { whole.saturating_sub(AHEAD).max(whole / 2) } else { u64::MAX };
                (now.saturating_add(after), now + session.ends_after().as_millis() as u64)
            }
            None => (u64::MAX, u64::MAX),
        };
    }

    /// The re-INVITE was taken.
    pub fn refreshed(&mut self, session: Option<Session>, now: u64) {
        if let Stage::Open(open) = &mut self.stage {
            open.asking = None;
        }
        self.prolonged(session, now);
    }

    /// An INFO was answered, or a re-INVITE was refused.
    pub fn answered(&mut self, answer: Answer, now: u64, random: u32) {
        let Stage::Open(open) = &mut self.stage else { return };
        let Some((asking, _)) = open.asking.take() else { return };
        if answer == Answer::Refused(408) && self.ignores(&asking, now) {
            return;
        }
        let Stage::Open(open) = &mut self.stage else { return };
        match (asking, answer) {
            (_, Answer::Refused(481)) => self.lose("it knows the dialog no more", false, now, random),
            (_, Answer::Refused(408)) => self.lose(SILENT, true, now, random),
            (_, Answer::Refused(401 | 407)) => self.lose("it does not take the login", true, now, random),
            (_, Answer::Refused(503)) => self.lose("it answers 503", true, now, random),
            (Asking::Features, _) => open.knows_features = true,
            (Asking::Start(user, device), Answer::Said(Response::MonitorStart { monitor })) => {
                self.begun(user, &device, monitor, now);
            }
            (Asking::Start(user, _), _) => {
                let again = now + self.terms.retry.1;
                self.lines.entry(user).and_modify(|watched| watched.again = Some(again));
            }
            (Asking::Snapshot(user), Answer::Said(Response::Snapshot(connections))) => {
                open.snapshots_refused = 0;
                if self.lines.get(&user).is_some_and(|one| one.moved) {
                    self.jobs.push_front(Job::Snapshot(user));
                } else if let Some(watched) = self.lines.get_mut(&user) {
                    let left = watched.line.lacks(Some(&connections), now);
                    if watched.line.is_as(&connections, now) | !left.is_empty() {
                        self.told.extend(left.into_iter().map(|left| Do::Left(Arc::clone(&user), left)));
                        self.told.push_back(Do::Show(user));
                    }
                }
            }
            (Asking::Snapshot(user), _) => {
                open.snapshots_refused = open.snapshots_refused.saturating_add(1);
                if open.snapshots_refused >= SNAPSHOTS {
                    self.jobs.retain(|job| !matches!(job, Job::Snapshot(_)));
                }
                self.looks_in_vain(&user, now);
            }
            (Asking::Learn(user, feature), answer) => self.learned(&user, feature, answer, now),
            (Asking::Status, Answer::Said(Response::SystemStatus { normal: false })) => {
                self.lose("it says that it does not work", true, now, random);
            }
            // Both ends have tried at once (RFC 3261 §14.1).
            (Asking::Refresh, Answer::Refused(491)) => open.refresh = now + 1_000 + u64::from(random % 1_000),
            // It lasts as long as it lasts.
            (Asking::Refresh, _) => open.refresh = u64::MAX,
            (Asking::Status | Asking::Stop, _) => {}
        }
    }

    fn begun(&mut self, user: Arc<str>, device: &str, monitor: String, now: u64) {
        let Some(watched) = self.lines.get_mut(&user).filter(|watched| watched.line.device() == device)
        else {
            // Nobody wants it any more, or the user has another telephone by now.
            return self.jobs.push_front(Job::Stop(monitor));
        };
        (watched.monitored, watched.again) = (true, None);
        self.monitors.insert(monitor.clone(), Arc::clone(&user));
        self.told.push_back(Do::Show(Arc::clone(&user)));
        if let Stage::Open(Open { snapshots_refused: ..SNAPSHOTS, .. }) = self.stage {
            self.jobs.push_front(Job::Snapshot(Arc::clone(&user)));
        } else {
            self.looks_in_vain(&user, now);
        }
        self.jobs.extend(Feature::jobs(&user));
        let early: Vec<_> = self.early.drain(..).filter(|event| event.monitor == monitor).collect();
        early.iter().for_each(|event| self.event(event, now));
    }

    /// Nobody will know what has become of the calls that rang before the monitor began.
    fn looks_in_vain(&mut self, user: &Arc<str>, now: u64) {
        if let Some(watched) = self.lines.get_mut(user) {
            let left = watched.line.lacks(None, now);
            self.told.extend(left.into_iter().map(|left| Do::Left(Arc::clone(user), left)));
        }
    }

    /// Something has happened at a line.
    pub fn event(&mut self, event: &Event, now: u64) {
        let Stage::Open(open) = &self.stage else { return };
        let Some(user) = self.monitors.get(&event.monitor).cloned() else {
            // It has overtaken the answer that names its monitor.
            if matches!(open.asking, Some((Asking::Start(..), _))) && self.early.len() < EARLY {
                self.early.push_back(event.clone());
            }
            return;
        };
        if let Some(watched) = self.lines.get_mut(&user) {
            watched.moved = true;
            let left = watched.line.on(event, now);
            self.told.extend(left.map(|left| Do::Left(Arc::clone(&user), left)));
            self.told.push_back(Do::Show(Arc::clone(&user)));
            self.turned(&user, event);
        }
    }

    /// The gateway has ended the dialog.
    pub fn gone(&mut self, now: u64, random: u32) {
        if let Stage::Open(_) = self.stage {
            self.lose("it has ended the dialog", false, now, random);
        }
    }

    pub(super) fn lose(&mut self, why: &'static str, close: bool, now: u64, random: u32) {
        if let Stage::Open(open) = &self.stage
            && now.saturating_sub(open.since) >= self.terms.retry.1
        {
            self.failures = 0;
        }
        for (user, watched) in &mut self.lines {
            watched.line.forget();
            watched.again = None;
            if std::mem::take(&mut watched.monitored) {
                self.told.push_back(Do::Hide(Arc::clone(user)));
            }
        }
        self.monitors.clear();
        self.jobs.clear();
        self.early.clear();
        if close {
            self.told.push_back(Do::Close);
        }
        self.failed(why, None, now, random);
    }
}
