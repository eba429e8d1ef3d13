//! What a connector says to the owner of presence.

use std::hash::{DefaultHasher, Hash, Hasher};

use ringpost::{
    directory::Directory,
    presence::{
        forwarded::Forwarded,
        input::Said,
        watching::{Key, Trouble, meaning::Meant},
    },
};

use super::{
    super::{
        feeds::{self, Feed},
        show,
    },
    Spoken, Task,
};

impl Task {
    pub(super) fn lasts(&self, ends: u64) -> u64 {
        ends.saturating_sub(self.now()).div_ceil(1_000)
    }

    /// Says what is known of a resource now.
    pub(super) fn tell(&mut self, key: &Key) {
        let known = self.machine.known(key, self.now());
        let feeds = self.feeds.get(key).cloned().unwrap_or_default();
        let Ok((meant, ends)) = &known else {
            let spoke = self.notes(key, &known);
            if spoke {
                feeds.iter().for_each(|feed| self.silence(feed));
            }
            return;
        };
        self.notes(key, &known);
        let directory = self.presence.directory.load_full();
        let until = self.presence.now() + self.lasts(*ends);
        for feed in &feeds {
            self.say(feed, meant, until, &directory);
        }
    }

    fn say(&self, feed: &Feed, meant: &Meant, until: u64, directory: &Directory) {
        let telephone = || feeds::telephone(meant, directory, &self.settings);
        match feed {
            Feed::Telephony(user) => {
                if let Some(user) = directory.of_address(user) {
                    self.presence.says(user, &feeds::source(&self.settings, false), telephone(), until);
                }
            }
            Feed::Rich(user) => {
                let source = feeds::source(&self.settings, true);
                if let Some(user) = directory.of_address(user) {
                    self.presence.says(user, &source, meant.person.clone(), until);
                }
            }
            Feed::Messages(user) => {
                if let (Some(user), Some(summary)) = (directory.of_address(user), &meant.summary) {
                    let said = Forwarded::of(&self.settings.name, summary, until);
                    let row = self.presence.forwarded(user, said);
                    row.into_iter().for_each(|row| self.presence.write(row));
                }
            }
            Feed::Foreign(cell) => {
                let said = Said { phone: telephone().phone, ..meant.person.clone() };
                self.presence.says_of(cell, &feeds::source(&self.settings, true), said, until);
            }
            Feed::Trial(_) => {}
        }
    }

    pub(super) fn silence(&self, feed: &Feed) {
        let person = !matches!(feed, Feed::Telephony(_));
        let source = feeds::source(&self.settings, person);
        match feed {
            Feed::Telephony(user) | Feed::Rich(user) => self.presence.is_silent(user, &source),
            Feed::Foreign(cell) => self.presence.says_of(cell, &source, Said::default(), 0),
            // Counts hold as long as they were told for.
            Feed::Messages(_) | Feed::Trial(_) => {}
        }
    }

    pub(super) fn prolong(&mut self, key: &Key) {
        let Ok((meant, ends)) = self.machine.known(key, self.now()) else { return };
        let until = self.presence.now() + self.lasts(ends);
        let directory = self.presence.directory.load_full();
        for feed in self.feeds.get(key).into_iter().flatten() {
            match feed {
                Feed::Telephony(user) | Feed::Rich(user) => {
                    let source = feeds::source(&self.settings, matches!(feed, Feed::Rich(_)));
                    let cell = directory.of_address(user).map(|user| self.presence.of(user));
                    cell.iter().for_each(|cell| self.presence.goes_on_saying(cell, &source, until));
                }
                Feed::Foreign(cell) => {
                    self.presence.goes_on_saying(cell, &feeds::source(&self.settings, true), until);
                }
                Feed::Messages(_) => self.say(feed, &meant, until, &directory),
                Feed::Trial(_) => {}
            }
        }
    }

    /// Notes since when it has been so; whether anything was known before.
    fn notes(&mut self, key: &Key, known: &Result<(Meant, u64), Trouble>) -> bool {
        let mut hasher = DefaultHasher::new();
        let feed = self.feeds.get(key).and_then(|feeds| feeds.first());
        match known {
            Ok((meant, _)) => feed.and_then(|feed| show::state(meant, feed)).hash(&mut hasher),
            Err(trouble) => trouble.hash(&mut hasher),
        }
        // The lowest bit tells knowledge from trouble.
        let mark = hasher.finish() & !1 | u64::from(known.is_ok());
        let now = self.presence.now();
        let before = self.spoken.entry(key.clone()).or_insert(Spoken { mark: 0, since: now });
        let spoke = before.mark & 1 == 1;
        if before.mark != mark {
            *before = Spoken { mark, since: now };
        }
        spoke
    }

    /// Whether a resource tells of a telephone that forwards.
    pub(super) fn forwards(&self, key: &Key) -> bool {
        let known = self.machine.known(key, self.now());
        known.is_ok_and(|(meant, _)| meant.phone.is_some_and(|phone| phone.forward.is_some()))
    }
}
