//! The address book over days: versions, changes, what breaks off and what breaks. Time is an argument.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path, process::Command, sync::Arc};

use arc_swap::ArcSwap;
use jiff::SignedDuration;
use ringpost::{
    book::{
        Entry, EntryId, Hide, Kind, Number,
        state::{Has, Take},
    },
    directory::Directory,
};
use ringpost_actors::{
    book::{Book, Entries, Failure, Source},
    load,
};

use crate::desk::{Desk, Reader, at, dump, person};

#[test]
fn r75_whoever_applies_the_changes_has_todays_book_and_after_thirty_days_takes_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::at(folder.path());
    let mut random = fastrand::Rng::with_seed(75);
    let mut persons: BTreeMap<u8, Entry> =
        (0..120).map(|id| (id, person(id, &format!("Person {id}"), &[&format!("+4930{id:04}")]))).collect();
    let mut readers: Vec<Reader> =
        (0..6).map(|n| Reader::new(folder.path().join(format!("reader{n}")))).collect();
    // Each comes after so many days; the last one had its book for too long each time.
    let every = [1, 2, 7, 13, 30, 35];
    let mut now = at("2026-02-20T00:00:03Z");
    for day in 0..40 {
        for _ in 0..random.usize(0..4) {
            let id = random.u8(0..140);
            let name = format!("Person {id}, {}", random.u8(0..3));
            match random.u8(0..3) {
                0 => drop(persons.remove(&id)),
                _ => drop(
                    persons.insert(id, person(id, &name, &[&format!("+4940{:03}", random.u8(0..9)), "12"])),
                ),
            }
        }
        if day % 10 == 9 {
            // Somebody is there for an hour only.
            desk.given.set(persons.values().cloned().chain([person(200, "Visitor", &[])]));
            desk.book.make(now - SignedDuration::from_hours(1)).expect("made");
        }
        desk.given.set(persons.values().cloned());
        let made = desk.book.make(now).expect("made");
        assert_eq!(made.entries, persons.len() as u64);
        for (reader, every) in readers.iter_mut().zip(every) {
            if day % every == 0 {
                reader.fetches(&desk);
            }
        }
        now += SignedDuration::from_hours(24);
    }
    let fulls: Vec<usize> = readers.iter().map(|reader| reader.fulls).collect();
    assert_eq!(
        fulls,
        [1, 1, 1, 1, 1, 2],
        "{:?}",
        readers.iter().map(|reader| reader.deltas).collect::<Vec<_>>()
    );
    assert!(readers[0].deltas > 20);
    assert!(desk.state().deltas.len() <= 64);
}

#[test]
fn what_has_not_changed_is_not_written_again_and_keeps_its_version() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::at(folder.path());
    desk.given.set([person(1, "Ada", &["1"])]);
    let first = desk.book.make(at("2026-11-21T00:00:01Z")).expect("made");
    assert_eq!((first.version, first.changed), (2026112100, true));
    let inodes = |desk: &Desk| -> Vec<u64> {
        let names = desk.files().into_iter().filter(|name| name != "looked");
        names.map(|name| fs::metadata(desk.folder.join(name)).expect("a file").ino()).collect()
    };
    let before = inodes(&desk);
    let second = desk.book.make(at("2026-11-22T00:00:01Z")).expect("made");
    assert_eq!((second.version, second.changed), (2026112100, false));
    assert_eq!(inodes(&desk), before);
    desk.given.set([person(1, "Ada", &["2"])]);
    let third = desk.book.make(at("2026-11-22T10:00:00Z")).expect("made");
    assert_eq!((third.version, third.changed), (2026112200, true));
    let version = third.version;
    let mut expected =
        vec!["looked".to_owned(), "state.json".to_owned(), format!("delta-2026112100-{version}.sqlite")];
    expected.extend(
        ["full", "contacts", "yealink"]
            .iter()
            .zip(["sqlite", "vcf", "xml"])
            .map(|(name, kind)| format!("{name}-{version}.{kind}")),
    );
    expected.sort();
    assert_eq!(desk.files(), expected, "what is of no state any more is swept");
    // The same day has a second version, so that nobody misses what changed within it.
    desk.given.set([]);
    assert_eq!(desk.book.make(at("2026-11-22T11:00:00Z")).expect("made").version, 2026112201);
    // Another process finds all of it.
    let again = Desk::at(folder.path());
    assert_eq!(again.state(), desk.state());
}

#[test]
fn r76_what_breaks_off_is_thrown_away_and_what_was_there_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::at(folder.path());
    desk.given.breaks_off(0);
    assert!(matches!(desk.book.make(at("2026-11-20T00:00:01Z")), Err(Failure::Source(_))));
    assert!(desk.book.published().is_none());
    desk.given.set((0..50).map(|id| person(id, "x", &[])));
    desk.book.make(at("2026-11-21T00:00:01Z")).expect("made");
    let (before, files) = (desk.state(), desk.files());
    let full = dump(&desk.file("full.sqlite"));
    desk.given.set((0..60).map(|id| person(id, "y", &[])));
    for after in [0, 1, 30, 60] {
        desk.given.breaks_off(after);
        let error = desk.book.make(at("2026-11-22T00:00:01Z")).expect_err("it breaks off");
        assert_eq!(error.to_string(), "its entries cannot be read: the connection was cut");
        assert_eq!((desk.state(), desk.files()), (Arc::clone(&before), files.clone()), "after {after}");
        assert_eq!(dump(&desk.file("full.sqlite")), full);
    }
    desk.given.set((0..60).map(|id| person(id, "y", &[])));
    assert_eq!(desk.book.make(at("2026-11-22T00:02:01Z")).expect("made").entries, 60);
}

#[test]
fn whatever_is_lost_of_the_folder_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let entries = || (0..50).map(|id| person(id, "x", &["+4930123456"]));
    let now = at("2026-11-21T00:00:01Z");
    let series = {
        let desk = Desk::at(folder.path());
        desk.given.set(entries());
        desk.book.make(now).expect("made");
        desk.state().series.clone()
    };
    let book = folder.path().join("book");
    let spoil = |name: &str, octets: &[u8]| fs::write(book.join(name), octets).expect("written");
    // Cut short between the ledger and the files, or in the middle of a file.
    for (name, octets) in [
        ("state.json", &b"{\"format\":1"[..]),
        ("full-2026112100.sqlite", b"SQLite"),
        ("full-2026112100.sqlite.new", b"half"),
        ("state.json", b""),
    ] {
        spoil(name, octets);
        let desk = Desk::at(folder.path());
        desk.given.set(entries());
        assert_eq!(desk.book.published().is_none(), !name.ends_with(".new"), "{name}");
        assert!(!desk.book.make(now).expect("made").changed, "{name}: the ledger knew it all");
        assert_eq!((desk.state().series.as_str(), desk.state().entries), (series.as_str(), 50));
        assert_eq!(dump(&desk.file("full.sqlite")).len(), 50 + 50 + 6);
    }
    // A ledger that is none: readers are told by another series that their versions mean nothing any more.
    for octets in
        [&b"not a database, but long enough to be looked at as one, if anybody would"[..], &[0xFF; 8_192]]
    {
        spoil("book.db", octets);
        let desk = Desk::at(folder.path());
        desk.given.set(entries());
        desk.book.make(now).expect("made");
        assert_ne!(desk.state().series, series);
        assert_eq!(
            desk.state().take(Some(Has { series: &series, version: 2026112100 })),
            Take::Full(&desk.state().full)
        );
    }
}

/// A disk of its own, of so many octets; none where this test may not mount one.
struct Disk(tempfile::TempDir);

impl Disk {
    fn of(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: a file system cannot be mounted here");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_and_a_folder_that_cannot_be_written_leave_what_is_served() {
    let Some(disk) = Disk::of("2m") else { return };
    let desk = Desk::at(disk.0.path());
    desk.given.set((0..50).map(|id| person(id, "x", &[])));
    desk.book.make(at("2026-11-21T00:00:01Z")).expect("made");
    let before = desk.state();
    let full = dump(&desk.file("full.sqlite"));
    let long = "n".repeat(8_000);
    let many = || (0..=255).map(|id| person(id, &long, &[]));
    desk.given.set(many());
    for minute in 1..4 {
        let failed =
            desk.book.make(at(&format!("2026-11-22T00:0{minute}:01Z"))).expect_err("the disk is full");
        assert!(matches!(failed, Failure::Ledger(_) | Failure::Files(_)), "{failed}");
        assert_eq!((desk.state(), dump(&desk.file("full.sqlite"))), (Arc::clone(&before), full.clone()));
    }
    let grown =
        Command::new("mount").args(["-o", "remount,size=64m"]).arg(disk.0.path()).status().expect("mount");
    assert!(grown.success());
    assert_eq!(desk.book.make(at("2026-11-22T00:09:01Z")).expect("there is room again").entries, 256);

    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("book"), "in the way").expect("a file");
    let desk = Desk::at(folder.path());
    assert!(matches!(desk.book.make(at("2026-11-22T00:00:01Z")), Err(Failure::Files(_))));
}

/// Times a large book: `RINGPOST_BOOK_ENTRIES=500000`.
#[test]
fn a_large_book_is_made_in_bounded_memory() {
    let count: u32 =
        std::env::var("RINGPOST_BOOK_ENTRIES").ok().and_then(|count| count.parse().ok()).unwrap_or(3_000);
    struct Many(u32);
    impl Source for Many {
        fn entries(&self, _: &[Hide]) -> Result<Entries, String> {
            let entry = |n: u32| {
                let mut id = [0; 16];
                id[..4].copy_from_slice(&n.to_be_bytes());
                let numbers = [(Kind::Work, "30"), (Kind::Mobile, "170"), (Kind::Home, "40")];
                let numbers = numbers.map(|(kind, area)| Number {
                    kind,
                    number: format!("+49{area}{n:07}"),
                    ext: None,
                });
                let mail = Some(format!("person{n}@corp.test"));
                Entry {
                    id: EntryId(id),
                    name: format!("Person {n}"),
                    mail,
                    numbers: numbers.into(),
                    ..Entry::default()
                }
            };
            Ok(Box::new((0..self.0).map(move |n| Ok(entry(n)))))
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let site = format!("[store]\npath = {:?}\n", folder.path().join("store.db"));
    let site = load::text(Path::new("site.toml"), &site).expect("a site");
    let directory = Arc::new(ArcSwap::from_pointee(Directory::of(site)));
    let book = Book::of(directory, Box::new(Many(count)));
    let begun = std::time::Instant::now();
    assert_eq!(book.make(at("2026-11-21T00:00:01Z")).expect("made").entries, u64::from(count));
    let first = begun.elapsed();
    assert!(!book.make(at("2026-11-22T00:00:01Z")).expect("made").changed);
    let again = begun.elapsed() - first;
    let memory = fs::read_to_string("/proc/self/status").expect("Linux");
    let memory = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    let size = book.published().expect("made").full.size;
    println!(
        "{count} entries: made in {first:?}, looked at again in {again:?}, {size} octets, {memory} (noisy machine)"
    );
}
