//! People who are no users of the site: watchers here see them through a connector that serves their domain (R104). One
//! subscription there serves all who watch; it ends when the last one has left.

use std::sync::Arc;

use ringpost::{
    directory::Directory,
    presence::{Inputs, Own, Source, input::Said, summary::Summary},
    sip::uri::Uri,
};
use tokio::sync::broadcast;

use super::{Presence, cell::Cell, lock};

impl Presence {
    /// The cell of a foreign URI; `None`: no connector serves its domain.
    pub(super) fn foreign(&self, directory: &Directory, uri: &str) -> Option<Arc<Cell>> {
        let read = Uri::read(uri.as_bytes()).filter(Uri::is_sip)?;
        let user = std::str::from_utf8(read.bare_user()?).ok()?;
        let host = std::str::from_utf8(read.host).ok()?.to_ascii_lowercase();
        // Users are seen as they wish, whatever domain their addresses are of.
        if directory.of_name_at(user, &host).is_some() {
            return None;
        }
        directory.site.presence.connector_of(&host)?;
        let address: Arc<str> = format!("sip:{user}@{host}").into();
        if let Some(cell) = self.find(&address).filter(|cell| cell.foreign) {
            return Some(cell);
        }
        let now = self.now();
        let own = Own { has_address: true, ..Own::default() };
        let inputs = Inputs::new(now.saturating_mul(1_000)).owning(own);
        let sum = inputs.sum(directory.site.presence.idle, now);
        let fresh = || {
            let known = (sum, Summary::default());
            Cell::new(self.fresh_id(), Arc::clone(&address), inputs, known, now).of_a_stranger()
        };
        Some(self.placed(&address, true, fresh))
    }

    fn is_user(&self, directory: &Directory, cell: &Cell) -> bool {
        let uri = Uri::read(cell.user.as_bytes());
        let part = |part: Option<&[u8]>| part.and_then(|part| String::from_utf8(part.to_vec()).ok());
        let (name, host) = (part(uri.and_then(|uri| uri.bare_user())), part(uri.map(|uri| uri.host)));
        name.zip(host).is_some_and(|(name, host)| directory.of_name_at(&name, &host).is_some())
    }

    /// Whether a stranger may still be watched.
    pub(super) fn is_reached(&self, directory: &Directory, cell: &Cell) -> bool {
        let host = Uri::read(cell.user.as_bytes()).and_then(|uri| std::str::from_utf8(uri.host).ok());
        let is_served = |host| directory.site.presence.connector_of(host).is_some();
        host.is_some_and(is_served) && !self.is_user(directory, cell)
    }

    /// Somebody begins or ends to watch a stranger.
    pub(super) fn stranger_is_watched(&self, cell: &Arc<Cell>) {
        let mut foreign = lock(&self.foreign);
        let known = foreign.contains_key(&cell.user);
        match (cell.is_watched(), known) {
            (true, false) => drop(foreign.insert(Arc::clone(&cell.user), Arc::clone(cell))),
            (false, true) => drop(foreign.remove(&cell.user)),
            _ => return,
        }
        drop(foreign);
        // Where no connector runs nobody wants to know.
        let _ = self.foreign_changes.send(Arc::clone(cell));
    }

    /// All strangers who are watched.
    pub(super) fn foreign_cells(&self) -> Vec<Arc<Cell>> {
        lock(&self.foreign).values().cloned().collect()
    }

    /// The stranger of that address, where anybody watches.
    pub(super) fn watched_stranger(&self, address: &str) -> Option<Arc<Cell>> {
        lock(&self.foreign).get(address).cloned()
    }

    /// Hears of each of whom that changes.
    pub(super) fn foreign_changes(&self) -> broadcast::Receiver<Arc<Cell>> {
        self.foreign_changes.subscribe()
    }

    /// A source says that of somebody until `ends`; what it does not say any more is gone.
    pub(super) fn says_of(&self, cell: &Arc<Cell>, source: &Source, said: Said, ends: u64) {
        self.change(cell, |known| known.inputs.put(source, said, ends));
    }
}
