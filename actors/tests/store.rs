//! ROBUSTNESS T18 and T32: any text comes back as it was, and a disk that fails loses nothing that was acknowledged.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ringpost::{
    notify::{Action, CallRecord, Kind, Reason, Verdict},
    outbox::{Delivery, Effort, Fate, Hold, Item, Key, Returned, Status, Way},
    voicemail::State,
};
use ringpost_actors::{
    channel::Recorded,
    outbox::{Outbox, Post},
    store::{
        Change, Ending, Expiring, ItemId, Listed, Message, OpenError, OpenItem, PostError, Posted, Row,
        Scribe, Sqlite, Store, StoreError, Write, Written,
    },
};
use support::{by_mail, chain, channels, list, mail_only, outbox, schedule, until};

#[test]
fn any_text_comes_back_as_it_was() {
    let mut store = Sqlite::open(None).expect("a store");
    let texts = [
        "*)(objectClass=*".to_owned(),
        "\\2a'; DROP TABLE item; --".to_owned(),
        "\0NUL \u{1} \u{202E} \u{FEFF} \u{FFFF}".to_owned(),
        "x\r\nBcc: a@b\r\n\r\n.\r\n".to_owned(),
        "👩‍🚀 \u{10FFFF} e\u{301}".to_owned(),
        "\"\\ {{ 7*7 }} %s ${jndi:x}".to_owned(),
        "Å".repeat(5_000),
        String::new(),
    ];
    for text in texts {
        let mut item = by_mail(&text, "tu@x.test");
        (item.notice.user, item.notice.user_name) = (text.clone(), Some(text.clone()));
        item.notice.caller.name = Some(text.clone());
        item.notice.caller.uri = Some(text.clone());
        let call = CallRecord {
            call_id: text.clone(),
            user: text.clone(),
            caller: item.notice.caller.clone(),
            came_in: item.notice.came_in,
            rang_for: Duration::from_millis(1),
            outcome: item.notice.outcome,
            verdict: Verdict { action: Action::Mail, reason: Reason::RingpostWrites },
            answered_by: Some(text.clone()),
        };
        let row = Write::Insert(Row::of(item.clone()).expect("text"));
        let written = store.write(&[&row, &row, &Write::Record(Box::new(call.clone()))]).expect("written");
        let [Written::New(id), Written::Known, Written::Done] = written[..] else { panic!("{written:?}") };
        assert_eq!(store.load(id).expect("readable").expect("there").0, item);
        assert_eq!(store.list(None, 1).expect("readable")[0].item, item);
        assert_eq!(store.calls(1).expect("readable"), [call]);
    }
}

/// Names, numbers, addresses, reasons, what users have set, where devices are, what is held: whatever is in them.
#[test]
fn t18_hostile_texts_are_the_same_in_every_table_after_a_restart() {
    let texts = [
        "'; DROP TABLE item; --".to_owned(),
        "\"}],\"way\":{\"by\":{\"chain\":[\"x\"]}}".to_owned(),
        "\0 \u{1} \u{202E} \u{FEFF} \u{FFFE} \r\n\t".to_owned(),
        "\\ud800 \\u0000 \\".to_owned(),
        "👩‍🚀 \u{10FFFF} e\u{301}".to_owned(),
        "%s %n ?1 :x @y $z {{ x }}".to_owned(),
        "ø'\"".repeat(2_500),
    ];
    for text in texts {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let some = || Some(text.clone());
        let mut item = by_mail(&text, &text);
        let notice = &mut item.notice;
        (notice.user_name, notice.time_zone) = (some(), text.clone());
        (notice.caller.name, notice.caller.number, notice.caller.uri) = (some(), some(), some());
        let own = [chain(&[&text])].into();
        item.way = Way::Um { plan: text.clone(), eum_proxy_address: text.clone(), own };
        item.wish.hold = Some(Hold { until: jiff::Timestamp::MAX, why: text.clone() });
        item.wish.returned = Some(Returned { fate: Fate::Mark, numbers: vec![some(), None] });
        let mut store = Sqlite::open(Some(&path)).expect("a store");
        let given_up = Item { way: Way::by(&chain(&[&text])), ..item.clone() };
        let due = "2026-04-11T09:12:33Z".parse().expect("a timestamp");
        let writes = [
            Write::Insert(Row::of(item.clone()).expect("text")),
            Write::Insert(Row::of(given_up.clone()).expect("text")),
            Write::Change(1, Change::Delayed { due, effort: Effort::default(), reason: text.clone() }),
            Write::Change(2, Change::Dead { reason: text.clone() }),
            Write::Policy(text.clone(), some()),
            Write::Bind(vec![(Arc::from(&*text), some())]),
        ];
        store.write(&writes.iter().collect::<Vec<_>>()).expect("written");
        store.close().expect("closed");
        drop(store);
        let mut store = Sqlite::open(Some(&path)).expect("the same store");
        assert_eq!(store.load(1).expect("readable").expect("open").0, item);
        let open = store.open_items(0, 9).expect("readable").remove(0);
        assert_eq!((open.id, open.mail.as_deref()), (1, Some(&*text)));
        let (user, wish) = *open.wish.expect("it is held");
        assert_eq!((&*user, wish), (&*item.notice.user, item.wish.clone()));
        let listed = store.list(None, 9).expect("readable");
        assert_eq!(listed.iter().map(|one| &one.item).collect::<Vec<_>>(), [&given_up, &item]);
        assert!(listed.iter().all(|one| one.reason.as_ref() == Some(&text)));
        let ending = store.endings(jiff::Timestamp::UNIX_EPOCH, 9).expect("readable").remove(0);
        assert_eq!(
            (ending.call_id, ending.user, ending.channel, ending.reason),
            (text.clone(), item.notice.user.clone(), text.clone(), some())
        );
        assert_eq!(store.policies().expect("readable"), [(text.clone(), text.clone())]);
        assert_eq!(store.bindings().expect("readable"), [(text.clone(), text.clone())]);
    }
}

/// JSON may hold what is no text: half of a surrogate pair. Nobody but a damaged disk writes it; it holds up no other notice.
#[test]
fn t18_a_row_that_is_no_text_holds_up_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let mut store = Sqlite::open(Some(&path)).expect("a store");
    let rows = ["bad", "good"].map(|id| Write::Insert(Row::of(by_mail(id, "tu@x.test")).expect("text")));
    store.write(&rows.iter().collect::<Vec<_>>()).expect("written");
    drop(store);
    let direct = rusqlite::Connection::open(&path).expect("SQLite");
    let spoilt =
        "UPDATE item SET body = replace(body, 'Luka', '\\ud800'), wish = '{\"hold' WHERE call_id = 'bad'";
    assert_eq!(direct.execute(spoilt, []).expect("done"), 1);
    drop(direct);
    actix::System::new().block_on(async {
        let mail = Arc::new(Recorded::default());
        let (_outbox, scribe) =
            outbox(Some(&path), schedule(Duration::from_secs(600)), &mail_only(mail.clone()));
        until("the good one is told", async || !mail.tries().is_empty()).await;
        assert_eq!(mail.tries()[0].notice.call_id, "good");
        let unread = scribe.load(1).await.expect("running").expect_err("it cannot be read");
        assert!(unread.to_string().contains("item 1 of the store cannot be read"), "{unread}");
        let listed = list(&scribe, None).await;
        assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [2]);
    });
}

#[test]
fn r210_only_what_is_over_and_old_is_removed() {
    let mut store = Sqlite::open(None).expect("a store");
    let mut rows = vec![];
    for (number, voice) in [(0, false), (1, false), (2, false), (3, true), (4, true)] {
        let mut item = by_mail(&format!("call {number}"), "tu@x.test");
        if voice {
            let recording = PathBuf::from(format!("{number}.wav"));
            item.notice.kind = Kind::VoiceMail { recording, duration: Duration::from_secs(3), urgent: false };
        }
        rows.push(Write::Insert(Row::of(item).expect("text")));
    }
    store.write(&rows.iter().collect::<Vec<_>>()).expect("written");
    let dead = || Change::Dead { reason: "x".into() };
    for (id, change) in [(1, Change::Delivered), (2, dead()), (4, Change::Delivered), (5, dead())] {
        store.write(&[&Write::Change(id, change)]).expect("written");
    }
    // The recording of a dead letter is still needed: it may be sent again.
    assert_eq!(store.recordings_needed().expect("readable"), [PathBuf::from("4.wav")]);
    let left = |store: &mut Sqlite| {
        let mut ids: Vec<_> = store.list(None, 9).expect("readable").iter().map(|one| one.id).collect();
        ids.sort_unstable();
        ids
    };
    let (past, future) = (jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::MAX);
    for kind in [Expiring::Delivered, Expiring::Dead, Expiring::Calls] {
        assert_eq!(store.expire(kind, past, 9).expect("done"), 0, "{kind:?}: not old yet");
    }
    assert_eq!(store.expire(Expiring::Delivered, future, 1).expect("done"), 1, "no more than was asked for");
    assert_eq!(store.expire(Expiring::Delivered, future, 9).expect("done"), 1);
    assert_eq!(left(&mut store), [2, 3, 5], "what waits stays however old it is");
    assert_eq!(store.expire(Expiring::Dead, future, 9).expect("done"), 2);
    assert_eq!(left(&mut store), [3]);
    assert!(store.recordings_needed().expect("readable").is_empty());
}

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

#[test]
fn a_torn_end_of_the_journal_costs_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let wal = folder.path().join("store.db-wal");
    let mut store = Sqlite::open(Some(&path)).expect("a store");
    let row = |n: &str| Write::Insert(Row::of(by_mail(n, "tu@x.test")).expect("text"));
    store.write(&[&row("first")]).expect("written");
    let acknowledged = fs::read(&wal).expect("a WAL");
    store.write(&[&row("second")]).expect("written");
    let whole = fs::read(&wal).expect("a WAL");
    let database = fs::read(&path).expect("a database");
    drop(store);
    let added = whole.len() - acknowledged.len();
    assert!(added > 0, "the second commit lengthened the WAL");
    for kept in [0, 1, 23, added / 2, added - 1, added] {
        // The machine died while the second commit was being written: some of it is there, the end is noise.
        let mut torn = whole[..acknowledged.len() + kept].to_vec();
        torn.extend(std::iter::repeat_n(0xA5, 100));
        fs::write(&path, &database).expect("written");
        fs::write(&wal, torn).expect("written");
        let _ = fs::remove_file(folder.path().join("store.db-shm"));
        let mut store = Sqlite::open(Some(&path)).expect("it repairs itself");
        let mut ids: Vec<String> = store
            .list(None, 9)
            .expect("readable")
            .into_iter()
            .map(|listed| listed.item.notice.call_id)
            .collect();
        ids.sort();
        let want = if kept == added { &["first", "second"][..] } else { &["first"] };
        assert_eq!(ids, want, "{kept} octets of the second commit");
        assert_eq!(store.write(&[&row("first")]).expect("writable"), [Written::Known]);
    }
}

/// A file system of 512 kB; `None` and a word about it without root.
struct Small(tempfile::TempDir);

impl Small {
    fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: a small file system cannot be mounted without root");
            return None;
        }
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_turns_health_red_loses_nothing_and_heals_alone() {
    let Some(small) = Small::mounted() else { return };
    actix::System::new().block_on(async {
        let mail = Arc::new(Recorded::default());
        let path = small.path().join("store.db");
        let (outbox, scribe) =
            outbox(Some(&path), schedule(Duration::from_secs(600)), &mail_only(mail.clone()));
        outbox.send(Post(by_mail("before", "tu@x.test"))).await.expect("alive").expect("written");
        until("the first is delivered", async || list(&scribe, Some(Status::Delivered)).await.len() == 1)
            .await;
        assert!(scribe.health().is_good());
        let ballast = small.path().join("ballast");
        fs::write(&ballast, vec![0; 500_000]).expect_err("the disk is full now");
        let mut kept = Vec::new();
        for n in 0..40 {
            let id = format!("full{n}");
            match outbox.send(Post(by_mail(&id, "tu@x.test"))).await.expect("alive") {
                Err(PostError::Kept(why)) => {
                    assert!(why.to_string().contains("full"), "{why}");
                    kept.push(id);
                }
                Ok(Posted::Committed(_)) => assert!(kept.is_empty(), "the WAL had some room left"),
                other => panic!("{other:?}"),
            }
        }
        assert!(!kept.is_empty() && !scribe.health().is_good());
        fs::remove_file(&ballast).expect("removed");
        until("everything is delivered", async || mail.tries().len() == 41).await;
        until("health is green", async || scribe.health().is_good()).await;
        until("it is on the disk", async || list(&scribe, Some(Status::Delivered)).await.len() == 41).await;
    });
}

#[test]
fn a_read_only_file_system_is_told_at_the_start() {
    let Some(small) = Small::mounted() else { return };
    let path = small.path().join("store.db");
    drop(Sqlite::open(Some(&path)).expect("a store"));
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(small.path()).status();
    assert!(remounted.is_ok_and(|status| status.success()), "it was mounted just now");
    let refused = Sqlite::open(Some(&path)).expect_err("it cannot be written");
    assert!(matches!(refused, OpenError::Folder { .. } | OpenError::Unwritable { .. }), "{refused:?}");
    assert!(refused.to_string().contains("cannot be written"), "{refused}");
}

#[test]
fn many_posts_share_one_sync() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, disk) = Flaky::at(&folder.path().join("store.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (scribe, _late) = Scribe::start(Box::new(store)).expect("a thread");
        let posts = (0..2_000).map(|n| scribe.post(by_mail(&format!("{n}"), "tu@x.test")));
        let posted = futures_util::future::join_all(posts).await;
        assert!(posted.iter().all(|post| matches!(post, Ok(Posted::Committed(_)))));
    });
    let commits = disk.commits.load(Ordering::Relaxed);
    assert!(commits < 400, "{commits} commits for 2,000 notices");
}

#[test]
fn the_call_log_is_written_once_a_second_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, disk) = Flaky::at(&folder.path().join("store.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (scribe, _late) = Scribe::start(Box::new(store)).expect("a thread");
        for n in 0..1_000 {
            assert!(scribe.record(call(&format!("{n}"))));
            tokio::task::yield_now().await;
        }
        until("they are written", async || {
            scribe.calls(5_000).await.expect("running").expect("readable").len() == 1_000
        })
        .await;
    });
    let commits = disk.commits.load(Ordering::Relaxed);
    assert!((1..=2).contains(&commits), "{commits} commits for 1,000 calls");
}

#[test]
fn what_became_of_a_notice_is_written_when_the_disk_heals_and_nothing_is_sent_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, disk) = Flaky::at(&folder.path().join("store.db"));
    actix::System::new().block_on(async {
        let breaks = disk.clone();
        let mail = Arc::new(Recorded::new(move |_| {
            // The disk fails between the commit of the notice and that of its delivery.
            breaks.failing.store(true, Ordering::Relaxed);
            Delivery::Delivered
        }));
        let parts = Scribe::start(Box::new(store)).expect("a thread");
        let scribe = parts.0.clone();
        let schedule = schedule(Duration::from_secs(600));
        let outbox =
            Outbox::new(schedule.clone(), parts, channels(&mail_only(mail.clone()), &schedule)).start_apart();
        outbox.send(Post(by_mail("1", "tu@x.test"))).await.expect("alive").expect("written");
        until("health is red", async || !scribe.health().is_good()).await;
        assert!(matches!(
            outbox.send(Post(by_mail("2", "tu@x.test"))).await.expect("alive"),
            Err(PostError::Kept(_))
        ));
        disk.failing.store(false, Ordering::Relaxed);
        until("the second is sent", async || mail.tries().len() == 2).await;
        disk.failing.store(false, Ordering::Relaxed);
        until("both are on the disk", async || list(&scribe, Some(Status::Delivered)).await.len() == 2).await;
        until("health is green", async || scribe.health().is_good()).await;
        assert_eq!(mail.tries().len(), 2);
    });
}

fn call(call_id: &str) -> CallRecord {
    let notice = by_mail(call_id, "tu@x.test").notice;
    CallRecord {
        call_id: notice.call_id,
        user: notice.user,
        caller: notice.caller,
        came_in: notice.came_in,
        rang_for: notice.rang_for,
        outcome: notice.outcome,
        verdict: Verdict { action: Action::Mail, reason: Reason::RingpostWrites },
        answered_by: None,
    }
}

/// What is done to a [`Flaky`] store, and what it has done.
#[derive(Default)]
struct Disk {
    failing: AtomicBool,
    commits: AtomicUsize,
}

/// A store whose syncs can be made to fail, as `fsync` does with EIO.
struct Flaky(Sqlite, Arc<Disk>);

impl Flaky {
    fn at(path: &Path) -> (Self, Arc<Disk>) {
        let disk = Arc::new(Disk::default());
        (Self(Sqlite::open(Some(path)).expect("a store"), disk.clone()), disk)
    }
}

impl Store for Flaky {
    fn write(&mut self, batch: &[&Write]) -> Result<Vec<Written>, StoreError> {
        if self.1.failing.load(Ordering::Relaxed) {
            let eio = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
            return Err(rusqlite::Error::SqliteFailure(eio, None).into());
        }
        self.1.commits.fetch_add(1, Ordering::Relaxed);
        self.0.write(batch)
    }

    fn open_items(&mut self, after: ItemId, limit: usize) -> Result<Vec<OpenItem>, StoreError> {
        self.0.open_items(after, limit)
    }

    fn endings(&mut self, since: jiff::Timestamp, limit: usize) -> Result<Vec<Ending>, StoreError> {
        self.0.endings(since, limit)
    }

    fn load(&mut self, id: ItemId) -> Result<Option<(Item, Effort)>, StoreError> {
        self.0.load(id)
    }

    fn list(&mut self, status: Option<Status>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        self.0.list(status, limit)
    }

    fn depth(&mut self) -> Result<[u64; Status::ALL.len()], StoreError> {
        self.0.depth()
    }

    fn policies(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        self.0.policies()
    }

    fn calls(&mut self, limit: usize) -> Result<Vec<CallRecord>, StoreError> {
        self.0.calls(limit)
    }

    fn bindings(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        self.0.bindings()
    }

    fn presence(&mut self, after: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        self.0.presence(after, limit)
    }

    fn expire(&mut self, kind: Expiring, before: jiff::Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.0.expire(kind, before, limit)
    }

    fn recordings_needed(&mut self) -> Result<Vec<PathBuf>, StoreError> {
        self.0.recordings_needed()
    }

    fn messages(&mut self, user: Option<&str>) -> Result<Vec<Message>, StoreError> {
        self.0.messages(user)
    }

    fn mailboxes(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        self.0.mailboxes()
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.0.close()
    }
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

fn voice_mail(call: &str, urgent: bool) -> Item {
    let mut item = by_mail(call, "tu@x.test");
    let recording = format!("/v/{call}.wav").into();
    item.notice.kind = Kind::VoiceMail { recording, duration: Duration::from_secs(3), urgent };
    item
}

/// R207: counts are those of the store, whatever happened before it was opened.
#[actix::test]
async fn mailboxes_are_counted_after_every_commit_and_from_the_first_moment_of_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let (scribe, _) = Scribe::start(Box::new(Sqlite::open(Some(&path)).expect("a store"))).expect("started");
    let user: Arc<str> = voice_mail("1", false).notice.user.into();
    let mut changes = scribe.counts().changes();
    let now = |scribe: &Scribe| scribe.counts().of(&user).to_string();
    assert_eq!(now(&scribe), "0/0 (0/0)");
    for (call, urgent) in [("1", false), ("2", true), ("3", false), ("2", true)] {
        scribe.post(voice_mail(call, urgent)).await.expect("written");
    }
    // One notice by two channels is one message; a missed call is none.
    scribe.post(Item { way: Way::by(&chain(&["hook"])), ..voice_mail("3", false) }).await.expect("written");
    scribe.post(by_mail("4", "tu@x.test")).await.expect("written");
    assert_eq!(now(&scribe), "3/0 (1/0)");
    let messages = scribe.messages(Some(Arc::clone(&user))).await.expect("it runs").expect("readable");
    let found: Vec<_> =
        messages.iter().map(|m| (m.recording.to_str(), m.urgent, m.duration.as_secs())).collect();
    let file = |name| Some(name);
    assert_eq!(
        found,
        [(file("/v/1.wav"), false, 3), (file("/v/2.wav"), true, 3), (file("/v/3.wav"), false, 3)]
    );
    assert_eq!(messages[0].caller, voice_mail("1", false).notice.caller);
    assert!(scribe.set_message(Arc::clone(&user), messages[1].id, Some(State::Old)).await);
    assert_eq!(now(&scribe), "2/1 (0/1)");
    assert!(scribe.set_message(Arc::clone(&user), messages[0].id, None).await);
    // What is deleted stays so, and nobody touches the mailbox of another.
    assert!(scribe.set_message(Arc::clone(&user), messages[0].id, Some(State::New)).await);
    assert!(scribe.set_message("sip:other@x.test".into(), messages[2].id, None).await);
    assert_eq!(now(&scribe), "1/1 (0/1)");
    for _ in 0..5 {
        assert_eq!(changes.try_recv().expect("a change"), user);
    }
    assert!(changes.try_recv().is_err(), "nothing else has changed");
    scribe.stop().await;
    let (scribe, _) = Scribe::start(Box::new(Sqlite::open(Some(&path)).expect("a store"))).expect("started");
    assert_eq!(now(&scribe), "1/1 (0/1)");
    assert!(scribe.forget_message(Arc::clone(&user), messages[2].id).await);
    assert_eq!((now(&scribe), scribe.counts().all().len()), ("0/1 (0/1)".into(), 1));
    scribe.stop().await;
}
