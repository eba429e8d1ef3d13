//! `[book]`: the address book that devices fetch by `[http]`.

use std::path::PathBuf;

use crate::book::Hide;

/// `[book]`.
#[derive(Clone, Debug)]
pub struct Book {
    /// `enabled`. Default true.
    pub enabled: bool,
    /// `folder`. Default `book` beside the store.
    pub folder: PathBuf,
    /// `title`: what phones show above it. Default `Phone book`.
    pub title: String,
    /// `hide`: who is left out.
    pub hide: Vec<Hide>,
    /// `days`: how far back changes are told (R75). Default 30.
    pub days: u32,
    /// `max_found`: the most entries that answer a search. Default 100.
    pub found: usize,
}
