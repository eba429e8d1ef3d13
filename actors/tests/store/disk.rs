//! T32: a disk that is full, read-only or fails, and a journal that is torn: nothing is lost that was acknowledged.

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
    notify::CallRecord,
    outbox::{Delivery, Effort, Item, Status},
};
use ringpost_actors::{
    channel::Recorded,
    outbox::{Outbox, Post},
    store::{
        Ending, Expiring, ItemId, Listed, Message, OpenError, OpenItem, PostError, Posted, Row, Scribe,
        Sqlite, Store, StoreError, Write, Written,
    },
};

use super::call;
use crate::support::{by_mail, channels, list, mail_only, outbox, schedule, until};

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
