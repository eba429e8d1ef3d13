//! `[book]`.

use ringpost::{
    book::Hide,
    settings::{Book, Store},
};

use super::{raw::Raw, section::Section, um};

/// Reads `[book]`; `None` after a problem.
pub fn book(mut section: Section<'_>, store: Option<&Store>) -> Option<Book> {
    let enabled = section.required("enabled", Raw::flag);
    let folder = section.optional("folder", Raw::path);
    let title = section.required("title", |raw| raw.text().map(str::to_owned));
    let hide = section.list("hide", |raw| Hide::read(raw.text()?).map_err(str::to_owned));
    let days = section.required("days", |raw| raw.count(1..=365));
    let found = section.required("max_found", |raw| raw.count(1..=10_000));
    section.end();
    Some(Book {
        enabled: enabled?,
        folder: folder.unwrap_or_else(|| um::beside(store, "book")),
        title: title?,
        hide,
        days: u32::try_from(days?).ok()?,
        found: usize::try_from(found?).ok()?,
    })
}
