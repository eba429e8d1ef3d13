//! The files that readers fetch. Each is written under another name, synced, and put in its place; `state.json` comes last, so
//! that whatever is cut short leaves the state before.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use ringpost::book::{
    Entry, card, phones,
    state::{self, Delta, FORMAT, State},
};
use rusqlite::{Connection, params};

use super::{
    Failure,
    ledger::{Ledger, Told},
};

const TABLES: &str = "
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE entry (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, sort TEXT NOT NULL, given TEXT, surname TEXT, company TEXT, department TEXT,
        title TEXT, mail TEXT, address TEXT
    ) WITHOUT ROWID;
    CREATE TABLE number (
        entry TEXT NOT NULL, place INTEGER NOT NULL, kind TEXT NOT NULL, number TEXT NOT NULL, ext TEXT,
        PRIMARY KEY (entry, place)
    ) WITHOUT ROWID;";

/// What a reader does with a delta that it has attached as `delta` to its own full file.
const APPLY: &str = "
    DELETE FROM number WHERE entry IN (SELECT id FROM delta.gone UNION ALL SELECT id FROM delta.entry);
    DELETE FROM entry WHERE id IN (SELECT id FROM delta.gone);
    INSERT OR REPLACE INTO entry SELECT * FROM delta.entry;
    INSERT INTO number SELECT * FROM delta.number;
    INSERT OR REPLACE INTO meta SELECT * FROM delta.meta WHERE key IN ('version', 'made', 'entries');";

/// Applies a delta to a full file, as readers do.
///
/// # Errors
/// Where a file is none of ours, or the disk refuses: the full file is as before then.
pub fn apply(full: &Path, delta: &Path) -> rusqlite::Result<()> {
    let mut db = Connection::open(full)?;
    db.execute("ATTACH ?1 AS delta", [delta.to_string_lossy()])?;
    let change = db.transaction()?;
    change.execute_batch(APPLY)?;
    change.commit()
}

/// The name of a state's file on the disk.
pub fn stored(state: &State, path: &str) -> String {
    let version = state.version;
    match path.strip_prefix("delta/").and_then(|name| name.strip_suffix(".sqlite")) {
        Some(from) => format!("delta-{from}-{version}.sqlite"),
        None => path.replacen('.', &format!("-{version}."), 1),
    }
}

/// The names of all files of a state but the SQLite ones that it lists.
pub const TEXTS: [&str; 2] = ["contacts.vcf", "yealink.xml"];

/// Writes the files of the ledger's version, and the state that names them.
pub fn publish(ledger: &Ledger, folder: &Path) -> Result<State, Failure> {
    let (made, entries) = ledger.summary()?;
    let mut state = State {
        format: FORMAT,
        series: ledger.series.clone(),
        version: ledger.latest()?,
        made,
        entries,
        full: state::File { path: "full.sqlite".to_owned(), size: 0, sha256: String::new() },
        deltas: vec![],
    };
    state.full = placed(folder, &state, "full.sqlite", |path| full(ledger, &state, path))?;
    for from in ledger.told()? {
        // Who would fetch half of the book as changes does better with all of it.
        if ledger.count_since(from)? > (entries / 2).max(100) {
            continue;
        }
        let path = format!("delta/{from}.sqlite");
        let file = placed(folder, &state, &path, |path| delta(ledger, &state, from, path))?;
        state.deltas.push(Delta { from, file });
    }
    placed(folder, &state, TEXTS[0], |path| {
        text(path, |to| ledger.each(|entry| Ok(to.write_all(card::write(&entry).as_bytes())?)))
    })?;
    placed(folder, &state, TEXTS[1], |path| {
        text(path, |to| {
            to.write_all(phones::yealink_head().as_bytes())?;
            ledger.each(|entry| Ok(to.write_all(phones::yealink(&entry).as_bytes())?))?;
            Ok(to.write_all(phones::YEALINK_END.as_bytes())?)
        })
    })?;
    let json = serde_json::to_vec(&state).map_err(io::Error::other)?;
    replace(folder, "state.json", |path| Ok(created(path)?.write_all(&json)?))?;
    File::open(folder)?.sync_all()?;
    Ok(state)
}

/// The state that was left in a folder, where all of its files are there.
pub fn left(folder: &Path) -> Option<State> {
    let state: State = serde_json::from_slice(&fs::read(folder.join("state.json")).ok()?).ok()?;
    (state.format == FORMAT && are_there(folder, &state)).then_some(state)
}

/// Whether all files of a state are there.
pub fn are_there(folder: &Path, state: &State) -> bool {
    let files = state.deltas.iter().map(|delta| &delta.file).chain([&state.full]);
    let length = |path: &str| fs::metadata(folder.join(stored(state, path))).map(|data| data.len()).ok();
    files.into_iter().all(|file| length(&file.path) == Some(file.size))
        && TEXTS.iter().all(|path| length(path).is_some())
}

/// Removes what is of no state any more; whoever reads it still has it open.
pub fn sweep(folder: &Path, state: &State) {
    let files = state.deltas.iter().map(|delta| delta.file.path.as_str()).chain(["full.sqlite"]).chain(TEXTS);
    let kept: HashSet<String> = files.map(|path| stored(state, path)).collect();
    let Ok(found) = fs::read_dir(folder) else { return };
    for name in found.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let ours = ["full-", "delta-", "contacts-", "yealink-"].iter().any(|one| name.starts_with(one));
        if (ours && !kept.contains(&name)) || name.ends_with(".new") {
            // What stays is swept next time.
            let _ = fs::remove_file(folder.join(name));
        }
    }
}

/// When the book was last found to be as it is.
pub fn looked(folder: &Path) -> Option<Timestamp> {
    fs::read_to_string(folder.join("looked")).ok()?.trim().parse().ok()
}

/// Notes that.
pub fn note_looked(folder: &Path, now: Timestamp) -> Result<(), Failure> {
    replace(folder, "looked", |path| Ok(created(path)?.write_all(now.to_string().as_bytes())?))
}

fn created(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes a file under another name and puts it in its place.
fn replace(
    folder: &Path,
    name: &str,
    write: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let fresh = folder.join(format!("{name}.new"));
    write(&fresh)?;
    File::open(&fresh)?.sync_all()?;
    Ok(fs::rename(&fresh, folder.join(name))?)
}

fn placed(
    folder: &Path,
    state: &State,
    path: &str,
    write: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<state::File, Failure> {
    let name = stored(state, path);
    replace(folder, &name, write)?;
    let (mut file, mut hash, mut size) = (File::open(folder.join(name))?, Context::new(&SHA256), 0);
    let mut piece = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        hash.update(&piece[..length]);
        size += length as u64;
    }
    let sha256 = hash.finish().as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    Ok(state::File { path: path.to_owned(), size, sha256 })
}

fn text(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut to = BufWriter::new(created(path)?);
    write(&mut to)?;
    Ok(to.flush()?)
}

/// An empty SQLite file with what both kinds have.
fn begun(path: &Path, state: &State, kind: &str) -> Result<Connection, Failure> {
    drop(created(path)?);
    let db = Connection::open(path)?;
    db.execute_batch(TABLES)?;
    db.execute_batch("BEGIN")?;
    for (key, value) in [
        ("format", state.format.to_string()),
        ("kind", kind.to_owned()),
        ("series", state.series.clone()),
        ("version", state.version.to_string()),
        ("made", state.made.to_string()),
        ("entries", state.entries.to_string()),
    ] {
        db.execute("INSERT INTO meta VALUES (?1, ?2)", [key, &value])?;
    }
    Ok(db)
}

fn full(ledger: &Ledger, state: &State, path: &Path) -> Result<(), Failure> {
    let db = begun(path, state, "full")?;
    ledger.each(|entry| insert(&db, &entry))?;
    // For pages and for readers who look names up.
    Ok(db.execute_batch("CREATE INDEX entry_sort ON entry (sort, id); COMMIT")?)
}

fn delta(ledger: &Ledger, state: &State, from: u64, path: &Path) -> Result<(), Failure> {
    let db = begun(path, state, "delta")?;
    db.execute("INSERT INTO meta VALUES ('from', ?1)", [from.to_string()])?;
    db.execute_batch("CREATE TABLE gone (id TEXT PRIMARY KEY) WITHOUT ROWID")?;
    ledger.each_since(from, |told| match told {
        Told::Put(entry) => insert(&db, &entry),
        Told::Gone(id) => {
            db.prepare_cached("INSERT INTO gone VALUES (?1)")?.execute([id.to_string()])?;
            Ok(())
        }
    })?;
    Ok(db.execute_batch("COMMIT")?)
}

fn insert(db: &Connection, entry: &Entry) -> Result<(), Failure> {
    let id = entry.id.to_string();
    let mut put = db.prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    put.execute(params![
        id,
        entry.name,
        entry.sort(),
        entry.given,
        entry.surname,
        entry.company,
        entry.department,
        entry.title,
        entry.mail,
        entry.address
    ])?;
    let mut put = db.prepare_cached("INSERT INTO number VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (number, place) in entry.numbers.iter().zip(0_i64..) {
        put.execute(params![id, place, number.kind.name(), number.number, number.ext])?;
    }
    Ok(())
}
