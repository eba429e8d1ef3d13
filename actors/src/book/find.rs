//! Pages of the book and what answers a search, out of its full file.

use std::path::Path;

use ringpost::book::{Kind, phones::Line};
use rusqlite::{Connection, OpenFlags, Row, params};

/// Digits that a search for a number has at least: fewer are in nearly every number.
const DIGITS: usize = 2;

/// Numbers by the names of their owners.
///
/// # Errors
/// Where the file cannot be read.
pub fn lines(
    file: &Path,
    search: Option<&str>,
    (start, most): (usize, usize),
) -> rusqlite::Result<Vec<Line>> {
    // Nobody writes to it, and its name may be gone already while it is read.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    let text = search.unwrap_or_default().trim().to_lowercase();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let is_number = digits.len() >= DIGITS && !text.chars().any(char::is_alphabetic);
    let mut rows = db.prepare(
        "SELECT e.name, n.kind, coalesce(n.ext, n.number) FROM entry e JOIN number n ON n.entry = e.id
         WHERE ?1 = '' OR instr(e.sort, ?1) > 0 OR (?2 <> '' AND (instr(n.number, ?2) > 0 OR instr(n.ext, ?2) > 0))
         ORDER BY e.sort, e.id, n.place LIMIT ?3 OFFSET ?4",
    )?;
    let digits = if is_number { digits.as_str() } else { "" };
    let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    rows.query_map(params![text, digits, whole(most), whole(start)], line)?.collect()
}

fn line(row: &Row<'_>) -> rusqlite::Result<Line> {
    let kind: String = row.get(1)?;
    let all = [Kind::Work, Kind::Mobile, Kind::Home, Kind::Pager, Kind::Fax];
    let kind = all.into_iter().find(|one| one.name() == kind).unwrap_or(Kind::Work);
    Ok(Line { name: row.get(0)?, kind, dialled: row.get(2)? })
}
