//! What is opened: files that are none, files of an earlier version, and for whom they are.

use std::{fs, path::PathBuf};

use ringpost::outbox::{Item, Key, Way};
use ringpost_actors::store::{Change, Row, Sqlite, Store, Write, Written};

use crate::support::{by_mail, chain};

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        path
    };
    let foreign = folder.path().join("foreign.db");
    let other = rusqlite::Connection::open(&foreign).expect("SQLite");
    other.execute_batch("CREATE TABLE t (x)").expect("a table");
    let newer = folder.path().join("newer.db");
    drop(Sqlite::open(Some(&newer)).expect("a store"));
    rusqlite::Connection::open(&newer).expect("SQLite").pragma_update(None, "user_version", 99).expect("set");
    let used = folder.path().join("used.db");
    let _in_use = Sqlite::open(Some(&used)).expect("a store");
    for (path, want) in [
        (
            file("text.db", &b"not a database, but long enough to have a header. ".repeat(40)),
            "is not a Ringpost store",
        ),
        (foreign, "is not a Ringpost store"),
        (newer, "has schema 99, this Ringpost knows up to"),
        (folder.path().join("no/such/folder.db"), "the folder of"),
        (PathBuf::from("/proc/self/store.db"), "the folder of"),
        (used, "is in use by another Ringpost"),
        (folder.path().to_owned(), "cannot be written"),
    ] {
        let refused = Sqlite::open(Some(&path)).expect_err("it cannot be opened");
        assert!(refused.to_string().contains(want), "{want}: {refused}");
    }
}

#[test]
fn a_store_and_its_journal_are_for_its_own_user_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let store = Sqlite::open(Some(&path)).expect("a store");
    for file in [path.clone(), folder.path().join("store.db-wal"), folder.path().join("store.db-shm")] {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).expect("it is there"));
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    drop(store);
}

/// The tables of schema 3, as its version made them.
const SCHEMA_3: &str = "CREATE TABLE item (id INTEGER PRIMARY KEY, key TEXT NOT NULL, channel TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'sending', 'delayed', 'delivered', 'dead')), user TEXT NOT NULL,
    call_id TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    waited INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL, reason TEXT, changed INTEGER NOT NULL,
    UNIQUE (key, channel)) STRICT; CREATE INDEX item_status ON item (status);
    CREATE TABLE call (id INTEGER PRIMARY KEY, call_id TEXT NOT NULL, user TEXT NOT NULL, caller TEXT NOT NULL,
    came_in INTEGER NOT NULL, rang_for INTEGER NOT NULL, outcome TEXT NOT NULL, verdict TEXT NOT NULL,
    reason TEXT NOT NULL, answered_by TEXT) STRICT;
    CREATE TABLE binding (user TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE policy (user TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
    PRAGMA application_id = 0x5267506F; PRAGMA user_version = 3;";

#[test]
fn the_notices_of_schema_3_are_taken_up_and_keep_their_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let old = rusqlite::Connection::open(&path).expect("SQLite");
    old.execute_batch(SCHEMA_3).expect("schema 3");
    let mail = by_mail("c1", "tu@x.test");
    let notice = serde_json::to_string(&mail.notice).expect("text");
    let key = Key::of(&mail.notice);
    let um = r#"{"um":{"plan":"main","eum_proxy_address":"EUM:tu@x.test","mail_if_refused":true}}"#;
    for (channel, way) in [("mail", r#""mail""#), ("um", um)] {
        let posted = "2026-04-11T09:13:00.123456789Z";
        let body = format!(r#"{{"notice":{notice},"way":{way},"posted":"{posted}"}}"#);
        old.execute(
            "INSERT INTO item (key, channel, status, user, call_id, kind, body, due, changed)
             VALUES (?1, ?2, 'delayed', 'sip:tu@x.test', 'c1', 'missed', ?3, 1, 1)",
            (key.as_str(), channel, body),
        )
        .expect("a row");
    }
    drop(old);
    let mut store = Sqlite::open(Some(&path)).expect("it is taken further");
    let open = store.open_items(0, 9).expect("readable");
    let found: Vec<_> =
        open.iter().map(|item| (item.channel.as_str(), item.posted.to_string(), item.has_next)).collect();
    let posted = || "2026-04-11T09:13:00Z".to_owned();
    assert_eq!(found, [("mail", posted(), false), ("um", posted(), true)]);
    assert!(open.iter().all(|item| item.mail.as_deref() == Some("tu@x.test")));
    assert_eq!(store.open_items(0, 1).expect("readable"), open[..1]);
    assert_eq!(store.open_items(open[0].id, 9).expect("readable"), open[1..]);
    let item = |store: &mut Sqlite, id| store.load(id).expect("readable").expect("there").0;
    assert_eq!(item(&mut store, 1).way, Way::mail());
    let Way::Um { own, .. } = item(&mut store, 2).way else { panic!("it was for UM") };
    assert_eq!(own[..], [chain(&["mail"])]);
    // Neither is taken a second time, and UM's mail is there already.
    let row = Row::of(mail.clone()).expect("text");
    let instead = Change::Instead { rows: vec![row.clone()], reason: "415".into() };
    let written = store.write(&[&Write::Insert(row), &Write::Change(2, instead)]).expect("written");
    assert_eq!(written, [Written::Known, Written::Became(vec![None])]);
    // A third entry of the same notice is new.
    let hook = Item { way: Way::by(&chain(&["hook"])), ..mail };
    let written = store.write(&[&Write::Insert(Row::of(hook).expect("text"))]).expect("written");
    assert_eq!(written, [Written::New(3)]);
}
