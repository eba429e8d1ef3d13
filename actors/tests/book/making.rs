//! The address book over days: versions, changes, what breaks off and what breaks. Time is an argument.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use ringpost::{
    book::{
        Entry, EntryId, Hide, Kind, Number,
        state::{Has, State, Take},
    },
    directory::Directory,
};
use ringpost_actors::{
    book::{Book, Entries, Failure, Site, Source, apply, stored},
    load,
};
use rusqlite::Connection;

/// Entries as a test wants them; `Err` where they break off.
#[derive(Clone, Default)]
struct Given(Arc<Mutex<Vec<Result<Entry, String>>>>);

impl Given {
    fn set(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        entries.sort_by_key(|entry| entry.id);
        *self.0.lock().expect("nobody panics here") = entries.into_iter().map(Ok).collect();
    }

    fn breaks_off(&self, after: usize) {
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
struct Desk {
    folder: PathBuf,
    given: Given,
    book: Arc<Book>,
}

impl Desk {
    fn at(folder: &Path) -> Self {
        let site = format!("[store]\npath = {:?}\n", folder.join("store.db"));
        let site = load::text(Path::new("site.toml"), &site).expect("a site");
        let given = Given::default();
        let directory = Arc::new(ArcSwap::from_pointee(Directory::of(site)));
        let book = Book::of(directory, Box::new(given.clone()));
        Self { folder: folder.join("book"), given, book }
    }

    fn state(&self) -> Arc<State> {
        self.book.published().expect("it was made")
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.join(stored(&self.state(), path))
    }

    /// The names of all files but the ledger's.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).expect("a folder").flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with("book.db"));
        names.sort();
        names
    }
}

/// All that a full file says, without what it calls its kind.
fn dump(file: &Path) -> Vec<Vec<String>> {
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
fn same(one: &Path, other: &Path) {
    let (one, other) = (dump(one), dump(other));
    let odd: Vec<_> = one
        .iter()
        .filter(|row| !other.contains(row))
        .chain(other.iter().filter(|row| !one.contains(row)))
        .collect();
    assert!(odd.is_empty() && one.len() == other.len(), "{odd:?}");
}

fn person(id: u8, name: &str, numbers: &[&str]) -> Entry {
    let numbers =
        numbers.iter().map(|number| Number { kind: Kind::Work, number: (*number).into(), ext: None });
    Entry { id: EntryId([id; 16]), name: name.into(), numbers: numbers.collect(), ..Entry::default() }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// A reader's copy.
struct Reader {
    file: PathBuf,
    has: Option<(String, u64)>,
    fulls: usize,
    deltas: usize,
}

impl Reader {
    fn new(file: PathBuf) -> Self {
        Self { file, has: None, fulls: 0, deltas: 0 }
    }

    fn fetches(&mut self, desk: &Desk) {
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

/// R24, R69: an entry has the extension behind its main number; and whoever is hidden by a number is hidden however that number is
/// written where it comes from. All of it is personal data, so nobody else on the machine reads it.
#[test]
fn lines_keep_their_extensions_hidden_numbers_are_hidden_and_files_are_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store.db");
    let site = format!(
        r#"
        [store]
        path = {store:?}
        [outbound]
        country = "45"
        national_prefix = ""
        location = "hq"
        [location.hq]
        country = "DK"
        [[location.hq.rule]]
        pattern = '^7(\d\d)$'
        translation = '+45448970$1'
        [book]
        hide = ["+453311*", "+4544897042", "+4544890101;ext=202"]
        [[user]]
        address = "sip:tor@corp.test"
        line = "tel:+4544890101;ext=200"
        missed_calls = "off"
        [[user]]
        address = "sip:bo@corp.test"
        line = "tel:+4544890101;ext=202"
        missed_calls = "off"
        [[user]]
        address = "sip:ada@corp.test"
        numbers = ["1001", "004533221122"]
        missed_calls = "off"
        [[user]]
        address = "sip:eva@corp.test"
        numbers = ["004533111122"]
        missed_calls = "off"
        [[user]]
        address = "sip:fay@corp.test"
        numbers = ["33111123"]
        missed_calls = "off"
        [[user]]
        address = "sip:gus@corp.test"
        numbers = ["742"]
        missed_calls = "off"
        "#
    );
    let site = load::text(Path::new("site.toml"), &site).expect("a site");
    let directory = Arc::new(ArcSwap::from_pointee(Directory::of(site)));
    let book = Book::of(Arc::clone(&directory), Box::new(Site(directory)));
    book.make(at("2026-11-21T00:00:01Z")).expect("made");
    let state = book.published().expect("it was made");
    let db = Connection::open(folder.path().join("book").join(stored(&state, "full.sqlite"))).expect("ours");
    let mut rows = db
        .prepare("SELECT e.name, n.number, n.ext FROM entry e JOIN number n ON n.entry = e.id ORDER BY e.name, n.place")
        .expect("tables");
    let rows: Vec<(String, String, Option<String>)> = rows
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("values");
    let row = |name: &str, number: &str, ext: Option<&str>| {
        (name.to_owned(), number.to_owned(), ext.map(str::to_owned))
    };
    assert_eq!(
        rows,
        [row("ada", "1001", None), row("ada", "+4533221122", None), row("tor", "+4544890101", Some("200"))]
    );
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
    let made = folder.path().join("book");
    assert_eq!(mode(&made), 0o700);
    for file in fs::read_dir(&made).expect("a folder").flatten() {
        assert_eq!(mode(&file.path()), 0o600, "{}", file.path().display());
    }
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

#[test]
fn the_site_file_and_the_directory_make_one_list_with_one_entry_for_each() {
    use ringpost::directory::{
        ldap::Id,
        people::{People, Roster},
        person::{self, Person},
        reverse::Rule,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let site = format!(
        "[store]\npath = {:?}\n[outbound]\ncountry = \"49\"\n\
         [[user]]\naddress = \"sip:ada@corp.test\"\nname = \"Ada of the file\"\nnumbers = [\"11\"]\n\
         [[user]]\naddress = \"sip:boss@corp.test\"\nnumbers = [\"12\"]\n\
         [[user]]\naddress = \"sip:lobby@corp.test\"\nnumbers = [\"13\"]\n\
         [book]\nhide = [\"department=Secret\", \"12\", \"flag=TRUE\"]\n",
        folder.path().join("store.db")
    );
    let site = load::text(Path::new("site.toml"), &site).expect("a site");
    let person = |id: u8, name: &str, sip: Option<&str>| Person {
        id: Id([id; 16]),
        name: name.into(),
        sip: sip.map(str::to_owned),
        department: Some(if id == 4 { "Secret" } else { "Sales" }.to_owned()),
        disabled: id == 5,
        further: vec![("Flag".into(), if id == 6 { "true" } else { "false" }.into())],
        numbers: vec![
            person::Number { kind: person::Kind::Line, text: format!("tel:+4930123{id};ext={id}") },
            person::Number { kind: person::Kind::Mobile, text: format!("0170 / 55-{id}") },
        ],
        ..Person::default()
    };
    let persons = [
        person(1, "Ada of the directory", Some("sip:Ada@corp.test")),
        person(2, "Boss", Some("sip:boss@corp.test")),
        person(3, "Nobody's phone", None),
        person(4, "Agent", None),
        person(5, "Disabled", None),
        person(6, "Flagged", None),
        person(255, "", None),
    ];
    let roster = Roster::of(persons, vec![], vec![1]);
    let rule = Rule { normal: &|number| Some(number.to_owned()), last_digits: 0 };
    let people = Arc::new(People::of(Arc::new(roster), &rule));
    let directory = joined(site, people);
    let source = ringpost_actors::book::Site(Arc::new(ArcSwap::from_pointee(directory)));
    let hide = source.0.load().site.book.hide.clone();
    let entries: Vec<Entry> =
        source.entries(&hide).expect("entries").collect::<Result<_, _>>().expect("all of them");
    let told = |entry: &Entry| {
        let numbers: Vec<&str> = entry.numbers.iter().map(Number::dialled).collect();
        format!("{}: {}", entry.name, numbers.join(" "))
    };
    let mut told: Vec<String> = entries.iter().map(told).collect();
    assert!(entries.windows(2).all(|pair| pair[0].id < pair[1].id), "in order");
    told.sort();
    assert_eq!(
        told,
        [
            "+4930123255: 255 +4917055255",
            "Ada of the file: 11 1 +49170551",
            "Nobody's phone: 3 +49170553",
            "lobby: 13"
        ]
    );
}

#[test]
fn a_directory_that_has_not_been_read_takes_nobody_out_of_the_book() {
    let site =
        load::text(Path::new("site.toml"), "[[user]]\naddress = \"sip:ada@corp.test\"").expect("a site");
    let source = |directory| ringpost_actors::book::Site(Arc::new(ArcSwap::from_pointee(directory)));
    assert_eq!(source(Directory::of(site.clone())).entries(&[]).map(Iterator::count), Ok(1));
    let unread = source(joined(site, Arc::default())).entries(&[]).map(Iterator::count);
    assert_eq!(unread, Err("the directory has not been read yet, or has no persons".to_owned()));
}

/// A site that has such people, as it is joined with a directory.
fn joined(site: ringpost::settings::Site, people: Arc<ringpost::directory::people::People>) -> Directory {
    let ldap = "[directory]\nservers = [\"ldap://127.0.0.1\"]\nbases = [\"dc=corp\"]\n";
    let other = load::text(Path::new("site.toml"), ldap).expect("a site with a directory");
    Directory::joined(Arc::new(ringpost::settings::Site { ldap: other.ldap, ..site }), people).0
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
