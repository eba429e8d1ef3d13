//! Every entry of the book with the version in which it last changed, gone ones included as long as somebody may not have heard
//! of it: so the changes since any version are one question. A version is one transaction.

use std::{fs, io, os::unix::fs::DirBuilderExt, path::Path};

use jiff::Timestamp;
use ringpost::book::{
    Change, Entry, EntryId, Known, changes,
    state::State,
    version::{Replaced, Version, next, told},
};
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Statement, Transaction, TransactionBehavior, params,
};

use super::{Entries, Failure};
use crate::store::private;

/// The form of this file; one of another form is begun anew.
const FORMAT: i64 = 1;
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS entry (
        id BLOB PRIMARY KEY, digest BLOB NOT NULL, version INTEGER NOT NULL, gone INTEGER NOT NULL, data TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entry_version ON entry (version);
    CREATE TABLE IF NOT EXISTS version (number INTEGER PRIMARY KEY, made INTEGER NOT NULL, until INTEGER);
    CREATE TABLE IF NOT EXISTS series (name TEXT NOT NULL);";

/// The ledger of a folder.
pub struct Ledger {
    db: Connection,
    /// What names this ledger, for readers who have files of an older one.
    pub series: String,
}

/// What of a change a delta tells.
pub enum Told {
    /// Take this one in place of what you have of it.
    Put(Box<Entry>),
    /// Forget it.
    Gone(EntryId),
}

impl Ledger {
    /// Opens the ledger in a folder, which is made where it is missing. It can be made again of the entries, so one that is
    /// spoilt is begun anew.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join("book.db");
        match Self::at(&path) {
            Err(error) if is_spoilt(&error) => {
                tracing::error!(%error, "The ledger of the address book is spoilt and begun anew");
                remove(&path)?;
                Ok(Self::at(&path)?)
            }
            opened => Ok(opened?),
        }
    }

    fn at(path: &Path) -> rusqlite::Result<Self> {
        private(path);
        let mut db = Connection::open(path)?;
        // What a crash of the machine takes of it is made again: the files that are served are synced by themselves.
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16000;",
        )?;
        let begun = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let format: i64 = begun.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if format != FORMAT {
            begun.execute_batch(
                "DROP TABLE IF EXISTS entry; DROP TABLE IF EXISTS version; DROP TABLE IF EXISTS series;",
            )?;
            begun.pragma_update(None, "user_version", FORMAT)?;
        }
        begun.execute_batch(TABLES)?;
        let known: Option<String> =
            begun.query_row("SELECT name FROM series", [], |row| row.get(0)).optional()?;
        let series = match known {
            Some(series) => series,
            None => {
                let series = format!("{:016x}", crate::entropy::number() as u64);
                begun.execute("INSERT INTO series VALUES (?1)", [&series])?;
                series
            }
        };
        begun.commit()?;
        Ok(Self { db, series })
    }

    /// Takes the entries as they are now; true where any has changed, so that there is a new version.
    ///
    /// # Errors
    /// Where not all of them come, or the disk refuses: nothing has changed then.
    pub fn take(
        &mut self,
        entries: Result<Entries, String>,
        now: Timestamp,
        days: u32,
    ) -> Result<bool, Failure> {
        let entries = entries.map_err(Failure::Source)?;
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = latest(&change)?;
        let version = next(before, now);
        let known = known(&change)?;
        let changed = apply(&change, version, changes(known, entries))?;
        if changed == 0 && before.is_some() {
            return Ok(false);
        }
        change.execute("UPDATE version SET until = ?1 WHERE until IS NULL", [now.as_second()])?;
        change.execute(
            "INSERT INTO version VALUES (?1, ?2, NULL)",
            params![version.cast_signed(), now.as_second()],
        )?;
        forget(&change, now, days)?;
        change.commit()?;
        Ok(true)
    }

    /// A result as it came, but for a ledger that turned out to be spoilt: that is begun anew at the next try.
    pub fn judged<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure::Ledger(error)) = &result
            && is_spoilt(error)
            && let Some(path) = self.db.path()
        {
            remove(Path::new(path))?;
        }
        result
    }

    /// The version that it has.
    pub fn latest(&self) -> rusqlite::Result<Version> {
        latest(&self.db)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    /// When that was made, and how many entries it has.
    pub fn summary(&self) -> rusqlite::Result<(Timestamp, u64)> {
        let made = self.db.query_row("SELECT made FROM version WHERE until IS NULL", [], |row| row.get(0))?;
        let count: i64 =
            self.db.query_row("SELECT count(*) FROM entry WHERE NOT gone", [], |row| row.get(0))?;
        Ok((Timestamp::from_second(made).unwrap_or_default(), count.unsigned_abs()))
    }

    /// Whether a state is of this ledger as it is now.
    pub fn is_of(&self, state: &State) -> bool {
        state.series == self.series && self.latest().is_ok_and(|version| version == state.version)
    }

    /// The versions since which changes are told, oldest first.
    pub fn told(&self) -> rusqlite::Result<Vec<Version>> {
        let mut rows =
            self.db.prepare("SELECT number FROM version WHERE until IS NOT NULL ORDER BY number")?;
        rows.query_map([], |row| row.get(0).map(i64::cast_unsigned))?.collect()
    }

    /// How many entries have changed since a version.
    pub fn count_since(&self, version: Version) -> rusqlite::Result<u64> {
        let count = "SELECT count(*) FROM entry WHERE version > ?1";
        self.db.query_row(count, [version.cast_signed()], |row| row.get(0).map(i64::unsigned_abs))
    }

    /// Every entry in the order of their ids.
    pub fn each(&self, mut take: impl FnMut(Entry) -> Result<(), Failure>) -> Result<(), Failure> {
        let rows = self.db.prepare("SELECT id, gone, data FROM entry WHERE NOT gone ORDER BY id")?;
        rows_of(rows, &[], |told| match told {
            Told::Put(entry) => take(*entry),
            Told::Gone(_) => Ok(()),
        })
    }

    /// Every change since a version.
    pub fn each_since(
        &self,
        version: Version,
        take: impl FnMut(Told) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let rows = self.db.prepare("SELECT id, gone, data FROM entry WHERE version > ?1 ORDER BY id")?;
        rows_of(rows, &[&version.cast_signed()], take)
    }
}

fn rows_of(
    mut rows: Statement<'_>,
    values: &[&dyn rusqlite::ToSql],
    mut take: impl FnMut(Told) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut rows = rows.query(values)?;
    while let Some(row) = rows.next()? {
        let id = EntryId(row.get(0)?);
        if row.get(1)? {
            take(Told::Gone(id))?;
            continue;
        }
        let data: String = row.get(2)?;
        let entry: Entry = serde_json::from_str(&data).map_err(io::Error::other)?;
        take(Told::Put(Box::new(Entry { id, ..entry })))?;
    }
    Ok(())
}

fn latest(db: &Connection) -> rusqlite::Result<Option<Version>> {
    let latest: Option<i64> = db.query_row("SELECT max(number) FROM version", [], |row| row.get(0))?;
    Ok(latest.map(i64::cast_unsigned))
}

/// All that is known, in the order of the ids: 33 octets each.
fn known(db: &Connection) -> rusqlite::Result<Vec<Known>> {
    let mut rows = db.prepare("SELECT id, digest, gone FROM entry ORDER BY id")?;
    let known = |row: &rusqlite::Row<'_>| {
        Ok(Known { id: EntryId(row.get(0)?), digest: row.get(1)?, gone: row.get(2)? })
    };
    rows.query_map([], known)?.collect()
}

fn apply(
    change: &Transaction<'_>,
    version: Version,
    changes: impl Iterator<Item = Result<Change, String>>,
) -> Result<u64, Failure> {
    let version = version.cast_signed();
    let mut put = change.prepare("INSERT OR REPLACE INTO entry VALUES (?1, ?2, ?3, 0, ?4)")?;
    let mut gone = change
        .prepare("UPDATE entry SET gone = 1, version = ?2, digest = zeroblob(16), data = '' WHERE id = ?1")?;
    let mut count = 0;
    for one in changes {
        match one.map_err(Failure::Source)? {
            Change::Put(entry) => {
                let data = serde_json::to_string(&entry).map_err(io::Error::other)?;
                put.execute(params![entry.id.0, entry.digest(), version, data])?;
            }
            Change::Gone(id) => drop(gone.execute(params![id.0, version])?),
        }
        count += 1;
    }
    Ok(count)
}

/// Forgets the versions since which nothing is told any more, and whoever was gone before all others.
fn forget(change: &Transaction<'_>, now: Timestamp, days: u32) -> rusqlite::Result<()> {
    let mut rows = change.prepare("SELECT number, until FROM version WHERE until IS NOT NULL")?;
    let replaced = |row: &rusqlite::Row<'_>| {
        let version = row.get(0).map(i64::cast_unsigned)?;
        Ok(Replaced { version, until: Timestamp::from_second(row.get(1)?).unwrap_or_default() })
    };
    let replaced: Vec<Replaced> = rows.query_map([], replaced)?.collect::<Result<_, _>>()?;
    let kept = told(&replaced, now, days);
    let mut remove = change.prepare("DELETE FROM version WHERE number = ?1")?;
    for one in replaced.iter().filter(|one| !kept.contains(&one.version)) {
        remove.execute([one.version.cast_signed()])?;
    }
    // Who has the oldest of them has heard of all that went up to it.
    let oldest = kept.first().copied().map_or(i64::MAX, u64::cast_signed);
    change.execute("DELETE FROM entry WHERE gone AND version <= ?1", [oldest])?;
    Ok(())
}

fn is_spoilt(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
