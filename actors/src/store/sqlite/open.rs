//! Opening a database: pragmas, the schema and its versions, and errors that say what to do.

use std::{
    fs::{File, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::Sqlite;

/// Each entry takes the schema one version further (`PRAGMA user_version`). Entries are never changed, only added.
const MIGRATIONS: [&str; 9] = [
    "CREATE TABLE item (
         id INTEGER PRIMARY KEY,
         key TEXT NOT NULL,
         channel TEXT NOT NULL,
         status TEXT NOT NULL CHECK (status IN ('queued', 'sending', 'delayed', 'delivered', 'dead')),
         user TEXT NOT NULL,
         call_id TEXT NOT NULL,
         kind TEXT NOT NULL,
         body TEXT NOT NULL,
         tries INTEGER NOT NULL DEFAULT 0,
         waited INTEGER NOT NULL DEFAULT 0,
         due INTEGER NOT NULL,
         reason TEXT,
         changed INTEGER NOT NULL,
         UNIQUE (key, channel)
     ) STRICT;
     CREATE INDEX item_status ON item (status);
     CREATE TABLE call (
         id INTEGER PRIMARY KEY,
         call_id TEXT NOT NULL,
         user TEXT NOT NULL,
         caller TEXT NOT NULL,
         came_in INTEGER NOT NULL,
         rang_for INTEGER NOT NULL,
         outcome TEXT NOT NULL,
         verdict TEXT NOT NULL,
         reason TEXT NOT NULL,
         answered_by TEXT
     ) STRICT;
     CREATE INDEX call_user ON call (user, came_in);",
    "CREATE TABLE binding (user TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    "CREATE TABLE policy (user TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    // Beside the channel that carries an item now: the one that its chain begins with, which never changes.
    "ALTER TABLE item ADD COLUMN entry TEXT NOT NULL DEFAULT '';
     ALTER TABLE item ADD COLUMN posted INTEGER NOT NULL DEFAULT 0;
     UPDATE item SET entry = channel,
         posted = coalesce(1000 * CAST(strftime('%s', json_extract(body, '$.posted')) AS INTEGER), changed);
     CREATE UNIQUE INDEX item_entry ON item (key, entry);",
    // What is old of a status is found without looking at the rest.
    "DROP INDEX item_status; CREATE INDEX item_age ON item (status, changed);",
    // What the user wants of a notice, and the digest that tells it.
    "ALTER TABLE item ADD COLUMN wish TEXT;
     ALTER TABLE item ADD COLUMN digest INTEGER;
     CREATE INDEX item_digest ON item (digest) WHERE digest IS NOT NULL;",
    // What a start and the hourly sweep ask for is in an index of its own, however much else there is.
    "ALTER TABLE item ADD COLUMN has_next INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE item ADD COLUMN mail TEXT;
     UPDATE item SET mail = json_extract(body, '$.notice.mail'), has_next = coalesce(
         json_array_length(body, '$.way.by.chain') > json_extract(body, '$.way.by.at') + 1,
         json_array_length(body, '$.way.um.own') > 0 OR json_extract(body, '$.way.um.mail_if_refused'), 0)
         WHERE status IN ('queued', 'sending', 'delayed');
     CREATE INDEX item_open ON item (id, channel, status, due, posted, tries, waited, has_next, mail,
         user, wish) WHERE status IN ('queued', 'sending', 'delayed') AND digest IS NULL;
     CREATE INDEX item_recording ON item (id) WHERE kind = 'voice-mail' AND status != 'delivered';
     CREATE TABLE ending (
         id INTEGER PRIMARY KEY,
         call_id TEXT NOT NULL,
         user TEXT NOT NULL,
         kind TEXT NOT NULL,
         channel TEXT NOT NULL,
         status TEXT NOT NULL,
         reason TEXT,
         at INTEGER NOT NULL
     ) STRICT;",
    // Mailboxes: what is in them, and what their users have changed. Whoever was told of a message has heard it.
    "CREATE TABLE message (
         id INTEGER PRIMARY KEY,
         user TEXT NOT NULL,
         recording TEXT NOT NULL UNIQUE,
         caller TEXT NOT NULL,
         came_in INTEGER NOT NULL,
         duration INTEGER NOT NULL,
         urgent INTEGER NOT NULL,
         state TEXT NOT NULL CHECK (state IN ('new', 'old', 'deleted'))
     ) STRICT;
     CREATE INDEX message_user ON message (user, id);
     CREATE TABLE mailbox (user TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
     INSERT OR IGNORE INTO message (user, recording, caller, came_in, duration, urgent, state)
         SELECT user, json_extract(body, '$.notice.kind.voice-mail.recording'), json_extract(body, '$.notice.caller'),
             changed, 1000 * coalesce(json_extract(body, '$.notice.kind.voice-mail.duration.secs'), 0), 0, 'old'
         FROM item WHERE kind = 'voice-mail' AND json_extract(body, '$.notice.kind.voice-mail.recording') IS NOT NULL
         ORDER BY id;",
    // Subscriptions and publications.
    "CREATE TABLE presence (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;",
];

/// Marks a file as ours (`PRAGMA application_id`), "RgPo".
const APPLICATION: i32 = 0x5267_506F;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is something else.
    #[error("{0} is not a Ringpost store: move it away or name another file in [store] path")]
    NotAStore(String),
    /// A later Ringpost has written it.
    #[error(
        "{path} has schema {found}, this Ringpost knows up to {known}: start the newer Ringpost, or restore a backup"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// File or folder cannot be written.
    #[error("{path} cannot be written: give this user the right to write the file and its folder ({source})")]
    Unwritable {
        /// The file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The folder is not there or cannot be written.
    #[error(
        "the folder of {path} cannot be written: make it, and give this user the right to write it ({source})"
    )]
    Folder {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another Ringpost works on it.
    #[error("{0} is in use by another Ringpost")]
    InUse(String),
    /// Anything else.
    #[error("{path} cannot be opened: {source}")]
    Other {
        /// The file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl Sqlite {
    /// Opens or makes the database; `None` keeps it in memory, for tests.
    pub fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let shown = path.map_or(":memory:".to_owned(), |path| path.display().to_string());
        let lock = path.map(lock).transpose()?;
        let opened = match path {
            Some(path) => {
                private(path);
                Connection::open(path)
            }
            None => Connection::open_in_memory(),
        };
        let explain = |source| explain(&shown, source);
        let mut db = opened.map_err(explain)?;
        db.busy_timeout(Duration::from_secs(5)).map_err(explain)?;
        check(&db, &shown)?;
        prepare(&db).map_err(explain)?;
        migrate(&mut db).map_err(explain)?;
        let mut store = Self { db, _lock: lock };
        // The journal of an earlier run, and the tables, take their place now and not when the disk is full.
        if let Err(error) = store.checkpoint() {
            tracing::warn!(%error, "The store's journal stays for now; nothing is lost");
        }
        Ok(store)
    }

    /// Opens an existing database to look at it, beside a Ringpost that runs on it.
    pub fn view(path: &Path) -> Result<Self, OpenError> {
        let shown = path.display().to_string();
        let explain = |source| OpenError::Other { path: shown.clone(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(explain)?;
        db.busy_timeout(Duration::from_secs(5)).map_err(explain)?;
        check(&db, &shown)?;
        Ok(Self { db, _lock: None })
    }

    /// The version of its schema, and the one that this Ringpost takes it to.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn schema(&self) -> rusqlite::Result<(i64, i64)> {
        let found = self.db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        Ok((found, MIGRATIONS.len() as i64))
    }
}

/// Makes a file that only this user may read, where there is none: SQLite would make it for everybody, and gives its journal the
/// rights of the file. What keeps it from being made, SQLite meets as well and says.
pub fn private(path: &Path) {
    let _ = File::options().write(true).create_new(true).mode(0o600).open(path);
}

/// Two outboxes on one store would tell everything twice. The lock goes with the process, however that ends.
#[derive(Debug)]
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closed, it would last until a process that was begun at this very moment has let go of its copy.
        let _ = self.0.unlock();
    }
}

fn lock(path: &Path) -> Result<Lock, OpenError> {
    let shown = path.display().to_string();
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |error: std::io::Error| OpenError::Folder { path: shown.clone(), source: error };
    let file = File::options().create(true).append(true).open(name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(shown)),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Refuses what is not ours or is from the future, before anything is changed.
fn check(db: &Connection, path: &str) -> Result<(), OpenError> {
    let read =
        |pragma| db.query_row(pragma, [], |row| row.get::<_, i64>(0)).map_err(|source| explain(path, source));
    let found = read("PRAGMA user_version")?;
    let tables = read("SELECT count(*) FROM sqlite_schema")?;
    let application = read("PRAGMA application_id")?;
    if application != i64::from(APPLICATION) && (tables > 0 || found > 0) {
        return Err(OpenError::NotAStore(path.to_owned()));
    }
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    // WAL with a sync at every commit: a commit is durable, and a reader never stops the writer.
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 16777216;",
    )?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    // Immediate also proves that the file can be written, here and not at the first notice.
    let tx = Transaction::new(db, TransactionBehavior::Immediate)?;
    let found: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for migration in MIGRATIONS.iter().skip(found.unsigned_abs() as usize) {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION)?;
    tx.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    tx.commit()
}

fn explain(path: &str, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::NotAStore(path),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            OpenError::Unwritable { path, source }
        }
        _ => OpenError::Other { path, source },
    }
}
