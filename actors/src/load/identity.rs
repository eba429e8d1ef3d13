//! `[identity]`: files of contacts.

use std::{fs::File, io::Read};

use ringpost::identity::Book;

use super::{raw::Raw, section::Section};

/// No file of contacts is larger.
const LARGEST: u64 = 64 << 20;
/// Faults told of one file; the first ones mostly explain the others.
const TOLD: usize = 20;

/// Reads `[identity]` and its files; what an earlier one knows, a later one does not change.
pub fn identity(mut section: Section<'_>) -> Book {
    let books = section.list("files", file);
    section.end();
    books.into_iter().fold(Book::default(), Book::then)
}

fn file(raw: &Raw<'_>) -> Result<Book, String> {
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
