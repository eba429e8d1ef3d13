//! Where the entries of the book come from.

use std::{collections::HashSet, sync::Arc};

use arc_swap::ArcSwap;
use ringpost::{
    book::{Entry, EntryId, Hide},
    directory::Directory,
};

/// Entries in the order of their ids; an error: the rest cannot be had.
pub type Entries = Box<dyn Iterator<Item = Result<Entry, String>>>;

/// What has entries.
pub trait Source: Send + Sync + 'static {
    /// All entries that no rule hides.
    ///
    /// # Errors
    /// Why there are none to be had now: that is not the same as none.
    fn entries(&self, hide: &[Hide]) -> Result<Entries, String>;
}

/// The users of the site.
pub struct Site(pub Arc<ArcSwap<Directory>>);

impl Source for Site {
    fn entries(&self, hide: &[Hide]) -> Result<Entries, String> {
        let directory = self.0.load_full();
        let site = &directory.site;
        let normal = |number: &str| site.outbound.numbering.normal(number);
        let shown = site.users.iter().filter(|user| !hide.iter().any(|rule| rule.hides_user(user)));
        let mut entries: Vec<Entry> = shown.filter_map(|user| Entry::of_user(user, &normal)).collect();
        let mut seen: HashSet<EntryId> = HashSet::new();
        entries.retain(|entry| seen.insert(entry.id));
        entries.sort_by_key(|entry| entry.id);
        Ok(Box::new(entries.into_iter().map(Ok)))
    }
}
