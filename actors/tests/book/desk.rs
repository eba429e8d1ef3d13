//! A book that is made at the times that a test says, of entries that it gives, and a reader who follows it by its files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use ringpost::{
    book::{
        Entry, EntryId, Hide, Kind, Number,
        state::{Has, State, Take},
    },
    directory::Directory,
};
use ringpost_actors::{
    book::{Book, Entries, Source, apply, stored},
    load,
};
use rusqlite::Connection;

/// Entries as a test wants them; `Err` where they break off.
#[derive(Clone, Default)]
pub struct Given(pub Arc<Mutex<Vec<Result<Entry, String>>>>);

impl Given {
    pub fn set(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        entries.sort_by_key(|entry| entry.id);
        *self.0.lock().expect("nobody panics here") = entries.into_iter().map(Ok).collect();
    }

    pub fn breaks_off(&self, after: usize) {
        let mut entries = self.0.lock().expect("nobody panics here");
        entries.truncate(after);
        entries.push(Err("the connection was cut".to_owned()));
    }
}

impl Source for Given {
    fn entries(&self, _: &[Hide]) -> Result<Entries, String> {
        let entries = self.0.lock().expect("nobody panics here").clone();
        Ok(Box::new(entries.into_iter()))
    }
}

/// A book in a folder of its own.
pub struct Desk {
    pub folder: PathBuf,
    pub given: Given,
    pub book: Arc<Book>,
}

impl Desk {
    pub fn at(folder: &Path) -> Self {
        let site = format!("[store]\npath = {:?}\n", folder.join("store.db"));
        let site = load::text(Path::new("site.toml"), &site).expect("a site");
        let given = Given::default();
        let directory = Arc::new(ArcSwap::from_pointee(Directory::of(site)));
        let book = Book::of(directory, Box::new(given.clone()));
        Self { folder: folder.join("book"), given, book }
    }

    pub fn state(&self) -> Arc<State> {
        self.book.published().expect("it was made")
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.join(stored(&self.state(), path))
    }

    /// The names of all files but the ledger's.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).expect("a folder").flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with("book.db"));
        names.sort();
        names
    }
}

/// All that a full file says, without what it calls its kind.
pub fn dump(file: &Path) -> Vec<Vec<String>> {
    let db = Connection::open(file).expect("a file of ours");
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(check, "ok", "{}", file.display());
    let tables = [
        "SELECT * FROM entry ORDER BY id",
        "SELECT * FROM number ORDER BY entry, place",
        "SELECT * FROM meta ORDER BY key",
    ];
    tables
        .iter()
        .flat_map(|table| {
            let mut rows = db.prepare(table).expect("a table");
            let columns = rows.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                (0..columns)
                    .map(|at| {
                        row.get_ref(at)
                            .map(|value| value.as_str().map_or_else(|_| format!("{value:?}"), str::to_owned))
                    })
                    .collect()
            };
            rows.query_map([], row).expect("rows").collect::<Result<Vec<Vec<String>>, _>>().expect("values")
        })
        .collect()
}

/// A reader has what there is.
pub fn same(one: &Path, other: &Path) {
    let (one, other) = (dump(one), dump(other));
    let odd: Vec<_> = one
        .iter()
        .filter(|row| !other.contains(row))
        .chain(other.iter().filter(|row| !one.contains(row)))
        .collect();
    assert!(odd.is_empty() && one.len() == other.len(), "{odd:?}");
}

pub fn person(id: u8, name: &str, numbers: &[&str]) -> Entry {
    let numbers =
        numbers.iter().map(|number| Number { kind: Kind::Work, number: (*number).into(), ext: None });
    Entry { id: EntryId([id; 16]), name: name.into(), numbers: numbers.collect(), ..Entry::default() }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// A reader's copy.
pub struct Reader {
    pub file: PathBuf,
    pub has: Option<(String, u64)>,
    pub fulls: usize,
    pub deltas: usize,
}

impl Reader {
    pub fn new(file: PathBuf) -> Self {
        Self { file, has: None, fulls: 0, deltas: 0 }
    }

    pub fn fetches(&mut self, desk: &Desk) {
        let state = desk.state();
        let has = self.has.as_ref().map(|(series, version)| Has { series, version: *version });
        match state.take(has) {
            Take::Nothing => {}
            Take::Delta(file) => {
                apply(&self.file, &desk.file(&file.path)).expect("a delta");
                self.deltas += 1;
            }
            Take::Full(file) => {
                fs::copy(desk.file(&file.path), &self.file).expect("copied");
                self.fulls += 1;
            }
        }
        self.has = Some((state.series.clone(), state.version));
        same(&self.file, &desk.file("full.sqlite"));
    }
}
