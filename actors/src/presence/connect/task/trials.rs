//! What an admin is shown, and tries (R116).

use std::collections::VecDeque;

use ringpost::presence::{
    subscription::Package,
    watching::{Key, Trouble},
};
use tokio::sync::oneshot;

use super::{
    super::{
        feeds::{self, Feed},
        show::{self, Row},
    },
    Task,
};

/// How long a trial lasts, and how long its first state is waited for at most, in milliseconds.
const TRIAL: u64 = 60_000;
const VERDICT: u64 = 12_000;

/// A trial.
pub(super) struct Trial {
    keys: Vec<Key>,
    /// When it has to have an answer, and when it lapses.
    pub verdict: u64,
    pub ends: u64,
    pub answer: Option<oneshot::Sender<Vec<Row>>>,
}

impl Task {
    pub(super) fn rows(&self, user: Option<&str>, keys: Option<&[Key]>) -> Vec<Row> {
        let (now, wall) = (self.now(), self.presence.now());
        let mut rows = vec![];
        for (key, feeds) in self.feeds.iter().filter(|(key, _)| keys.is_none_or(|keys| keys.contains(key))) {
            for feed in
                feeds.iter().filter(|feed| user.is_none_or(|user| feed.name().1 == user || *key.uri == *user))
            {
                let known = self.machine.known(key, now);
                let since = self.spoken.get(key).map_or(wall, |spoken| spoken.since);
                let lasts = known.as_ref().ok().map(|(_, ends)| self.lasts(*ends));
                rows.push(show::row(key, feed, &known, (wall.saturating_sub(since), lasts)));
            }
        }
        rows.sort_by(|one, other| (&one.user, &one.field).cmp(&(&other.user, &other.field)));
        rows
    }

    pub(super) fn begin_trial(&mut self, named: &str, answer: oneshot::Sender<Vec<Row>>) {
        let directory = self.presence.directory.load_full();
        self.trial = self.trial.wrapping_add(1).max(1);
        let uri = || Key { uri: named.into(), package: Package::Presence, trial: 0 };
        let found = match directory.of_address(named) {
            Some(user) => feeds::of_user(&self.settings, user),
            None if named.starts_with("sip:") => vec![(uri(), Feed::Trial(true))],
            None => vec![],
        };
        let mut keys = vec![];
        for (key, feed) in found {
            let key = Key { trial: self.trial, ..key };
            let person = !matches!(feed, Feed::Telephony(_));
            self.feeds.insert(key.clone(), vec![Feed::Trial(person)]);
            self.machine.add(key.clone());
            keys.push(key);
        }
        let now = self.now();
        self.trials.push(Trial { keys, verdict: now + VERDICT, ends: now + TRIAL, answer: Some(answer) });
    }

    /// Answers those who try something, and ends what has lasted its minute.
    pub(super) fn judge_trials(&mut self, now: u64) {
        let mut trials: VecDeque<Trial> = std::mem::take(&mut self.trials).into();
        while let Some(mut trial) = trials.pop_front() {
            let open = |key: &Key| {
                matches!(self.machine.known(key, now), Err(Trouble::Requesting | Trouble::NotRequested))
            };
            if now >= trial.verdict || !trial.keys.iter().any(open) {
                let rows = self.rows(None, Some(&trial.keys));
                // Nobody waits any more: nothing to tell.
                trial.answer.take().map(|answer| answer.send(rows));
            }
            if now >= trial.ends {
                for key in &trial.keys {
                    self.forget(key);
                    self.machine.remove(key);
                }
            } else {
                self.trials.push(trial);
            }
        }
    }
}
