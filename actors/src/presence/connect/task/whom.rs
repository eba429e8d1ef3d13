//! Whom a connector watches: whoever the site wants to know of, and strangers as long as somebody here watches them.

use std::sync::Arc;

use ringpost::{
    directory::Directory,
    presence::{subscription::Package, watching::Key},
    sip::uri::Uri,
};
use tokio::sync::broadcast::error::RecvError;

use super::{
    super::{
        super::cell::Cell,
        feeds::{self, Feed},
    },
    Task,
};

fn of_stranger(user: &Arc<str>) -> Key {
    Key { uri: Arc::clone(user), package: Package::Presence, trial: 0 }
}

impl Task {
    /// Watches what the site and watchers want, and nothing else. Whatever stays is left alone.
    pub(super) fn watch_all(&mut self) {
        let directory = self.presence.directory.load_full();
        let mut wanted = feeds::wanted(&directory, &self.settings);
        let mut strangers = self.presence.foreign_cells();
        strangers.retain(|cell| self.serves(&directory, &cell.user));
        strangers.truncate(self.settings.most);
        self.strangers = strangers.len();
        for cell in strangers {
            wanted.entry(of_stranger(&cell.user)).or_default().push(Feed::Foreign(cell));
        }
        let gone: Vec<(Key, Vec<Feed>)> = self
            .feeds
            .iter()
            .filter(|(key, _)| key.trial == 0)
            .map(|(key, feeds)| (key.clone(), feeds.clone()))
            .collect();
        for (key, feeds) in gone {
            let stays = wanted.get(&key);
            let lost =
                |feed: &&Feed| !stays.is_some_and(|all| all.iter().any(|one| one.name() == feed.name()));
            feeds.iter().filter(lost).for_each(|feed| self.silence(feed));
            if stays.is_none() {
                self.leaves(&key);
            }
        }
        for (key, feeds) in wanted {
            let before = self.feeds.insert(key.clone(), feeds.clone());
            let known = |feed: &Feed| before.iter().flatten().any(|one| one.name() == feed.name());
            if before.is_none() {
                self.machine.add(key);
            } else if !feeds.iter().all(known) {
                self.tell(&key);
            }
        }
        self.announce();
    }

    pub(super) fn forget(&mut self, key: &Key) {
        for feed in self.feeds.remove(key).unwrap_or_default() {
            self.silence(&feed);
        }
        self.spoken.remove(key);
    }

    /// Whether a stranger of that address is asked for here.
    fn serves(&self, directory: &Directory, uri: &str) -> bool {
        let host = Uri::read(uri.as_bytes()).map(|uri| String::from_utf8_lossy(uri.host).into_owned());
        let first = directory.site.presence.connector_of(host.as_deref().unwrap_or_default());
        first.is_some_and(|first| first.name == self.settings.name)
    }

    /// Somebody begins or ends to watch a stranger: that one is looked at, and nobody else.
    pub(super) fn stranger_changed(&mut self, changed: Result<Arc<Cell>, RecvError>) {
        let Ok(changed) = changed else { return self.watch_all() };
        let directory = self.presence.directory.load_full();
        let is_one = |feed: &Feed| matches!(feed, Feed::Foreign(_));
        let (key, was_empty) = (of_stranger(&changed.user), self.feeds.is_empty());
        let wanted =
            self.presence.watched_stranger(&changed.user).filter(|cell| self.serves(&directory, &cell.user));
        let known = self.feeds.get(&key).is_some_and(|feeds| feeds.iter().any(is_one));
        match wanted {
            Some(_) if !known && self.strangers >= self.settings.most => {}
            Some(cell) => {
                let feeds = self.feeds.entry(key.clone()).or_default();
                let is_new = feeds.is_empty();
                feeds.retain(|feed| !is_one(feed));
                feeds.push(Feed::Foreign(cell));
                self.strangers += usize::from(!known);
                match is_new {
                    true => self.machine.add(key),
                    false => self.tell(&key),
                }
            }
            None if known => {
                let was_full = self.strangers >= self.settings.most;
                self.strangers -= 1;
                let feeds = self.feeds.get_mut(&key).map(std::mem::take).unwrap_or_default();
                let (gone, stay): (Vec<Feed>, Vec<Feed>) = feeds.into_iter().partition(is_one);
                gone.iter().for_each(|feed| self.silence(feed));
                match stay.is_empty() {
                    true => self.leaves(&key),
                    false => drop(self.feeds.insert(key, stay)),
                }
                if was_full {
                    // There is room for one who had none.
                    self.watch_all();
                }
            }
            None => {}
        }
        if was_empty != self.feeds.is_empty() {
            self.announce();
        }
    }

    fn leaves(&mut self, key: &Key) {
        self.feeds.remove(key);
        self.spoken.remove(key);
        self.machine.remove(key);
    }
}
