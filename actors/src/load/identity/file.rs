//! `kind = "file"`: files of contacts.

use std::{fs::File, io::Read};

use ringpost::{
    identity::Book,
    settings::{Outbound, SourceKind},
};

use super::Around;
use crate::load::{raw::Raw, section::Section};

/// No file of contacts is larger.
const LARGEST: u64 = 64 << 20;
/// Faults told of one file; the first ones mostly explain the others.
const TOLD: usize = 20;

/// Reads the keys of the kind; `None` after a problem.
pub fn files(section: &mut Section<'_>, around: &Around<'_>) -> Option<SourceKind> {
    let books = section.at_least_one("files", file);
    (!books.is_empty()).then(|| SourceKind::File(bound(books, around.outbound)))
}

/// The books as one: what an earlier one knows, a later one does not change.
pub fn bound(books: Vec<Book>, outbound: &Outbound) -> Book {
    books
        .into_iter()
        .map(|book| book.normal(|number| outbound.contact(number)))
        .fold(Book::default(), Book::then)
}

/// Reads one file.
pub fn file(raw: &Raw<'_>) -> Result<Book, String> {
    let path = raw.path()?;
    let vcard = match path.extension().and_then(|extension| extension.to_str()) {
        Some(extension) if extension.eq_ignore_ascii_case("csv") => false,
        Some(extension) if extension.eq_ignore_ascii_case("vcf") => true,
        _ => return Err("wants a file that ends in .csv or .vcf".to_owned()),
    };
    let mut octets = vec![];
    let read = File::open(&path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut octets));
    read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if octets.len() as u64 > LARGEST {
        return Err(format!("{} is larger than 64 MiB", path.display()));
    }
    let text = String::from_utf8(octets).map_err(|_| format!("{} is not UTF-8", path.display()))?;
    let book = if vcard { Book::vcard(&text) } else { Book::csv(&text) };
    book.map_err(|faults| {
        let mut told = faults.iter().take(TOLD).map(|fault| format!("{}: {fault}", path.display()));
        let last = told.next().unwrap_or_default();
        told.for_each(|fault| raw.refuse(fault));
        last
    })
}
