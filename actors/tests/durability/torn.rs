//! A journal whose end is torn or spoilt anywhere: what was acknowledged and is whole is there, and the store goes on.

use std::{collections::BTreeSet, fs};

use ringpost_actors::store::{Row, Sqlite, Store, Write, Written};

use crate::notices::by_mail;

#[test]
fn a_journal_that_ends_or_rots_at_any_place_keeps_every_whole_commit() {
    // In memory where that is possible: syncs are not what is tried here.
    let memory = tempfile::tempdir_in("/dev/shm");
    let folder = memory.or_else(|_| tempfile::tempdir()).expect("a folder");
    let [path, wal, shm] = ["store.db", "store.db-wal", "store.db-shm"].map(|name| folder.path().join(name));
    let row = |n: usize| Write::Insert(Row::of(by_mail(&format!("call {n}"), "tu@x.test")).expect("text"));
    let mut store = Sqlite::open(Some(&path)).expect("a store");
    // How long the journal is after each commit.
    let mut commits = Vec::new();
    for n in 0..6 {
        store.write(&[&row(n)]).expect("written");
        commits.push(fs::read(&wal).expect("a journal").len());
    }
    let (database, journal) = (fs::read(&path).expect("a database"), fs::read(&wal).expect("a journal"));
    drop(store);
    let mut looked = 0;
    for at in (0..=journal.len()).step_by(64) {
        for spoilt in [false, true] {
            let mut octets = journal.clone();
            match spoilt {
                false => octets.truncate(at),
                true if at < octets.len() && at % 256 == 0 => octets[at] ^= 0x55,
                true => continue,
            }
            fs::write(&path, &database).expect("written");
            fs::write(&wal, octets).expect("written");
            let _ = fs::remove_file(&shm);
            let mut store =
                Sqlite::open(Some(&path)).unwrap_or_else(|error| panic!("{at} {spoilt}: {error}"));
            let kept: BTreeSet<String> = store
                .list(None, 99)
                .expect("readable")
                .into_iter()
                .map(|listed| listed.item.notice.call_id)
                .collect();
            let whole = commits.iter().filter(|end| **end <= at).count();
            let want: BTreeSet<String> = (0..whole).map(|n| format!("call {n}")).collect();
            // What is spoilt may be read by nobody: then more is there.
            assert!(want.is_subset(&kept), "{at} {spoilt}: {kept:?}");
            assert!(spoilt || want == kept, "{at}: {kept:?}");
            assert!((0..kept.len()).all(|n| kept.contains(&format!("call {n}"))), "in order: {kept:?}");
            let written = store.write(&[&row(0), &row(99)]).expect("it goes on");
            let first = if kept.is_empty() {
                matches!(written[0], Written::New(_))
            } else {
                written[0] == Written::Known
            };
            assert!(first && matches!(written[1], Written::New(_)), "{at} {spoilt}: {written:?}");
            looked += 1;
        }
    }
    println!("{looked} torn or spoilt journals");
    assert!(looked > 1_000, "{looked}");
}
