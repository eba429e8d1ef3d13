//! A power cut: of what a store has written, only that is sure to be there which it has synced. Its writes are taken from a
//! trace, and every cut loses another part of what was not synced.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Write as _,
    path::Path,
    process::Command,
};

use ringpost::outbox::Key;
use ringpost_actors::store::{Change, Row, Sqlite, Store, Write, Written};

use crate::{notices::by_mail, trace};

const FOLDER: &str = "RINGPOST_POWER_FOLDER";
const COMMITS: usize = 400;
const CUTS: usize = 400;
/// What a disk writes wholly or not at all.
const SECTOR: usize = 512;

/// Not a test of its own: what is traced. Says `ACK` and the key of each notice once it is committed.
#[test]
fn child() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let mut store = Sqlite::open(Some(&Path::new(&folder).join("store.db"))).expect("a store");
    for n in 0..COMMITS {
        let item = by_mail(&format!("call {n}"), "tu@x.test");
        let key = Key::of(&item.notice);
        let written = store.write(&[&Write::Insert(Row::of(item).expect("text"))]).expect("written");
        let mut out = std::io::stdout();
        writeln!(out, "ACK {key}").and_then(|()| out.flush()).expect("somebody reads");
        if let [Written::New(id)] = written[..] {
            store.write(&[&Write::Change(id, Change::Delivered)]).expect("written");
        }
    }
}

/// What happened to the files.
enum Event {
    Made(String),
    Wrote(String, usize, Vec<u8>),
    Cut(String, usize),
    Synced(String),
    FolderSynced,
    Acknowledged(String),
}

/// A file as the program sees it, and what of it is sure.
#[derive(Clone, Default)]
struct File {
    sure: Vec<u8>,
    /// Since the last sync.
    unsure: Vec<(usize, Vec<u8>)>,
    /// Its name is in the folder for good.
    named: bool,
}

#[test]
fn a_power_cut_loses_no_acknowledged_notice_whatever_the_disk_had_not_written() {
    if !trace::possible() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace");
    let traced = "trace=openat,pwrite64,ftruncate,fsync,fdatasync,write";
    let mut words = trace::words(&file, &["-xx", "-e", traced]);
    // In front, so that the trace is complete when the child has ended.
    words.retain(|word| word != "-D");
    let this = env::current_exe().expect("this test");
    let ran = Command::new(&words[0])
        .args(&words[1..])
        .arg(this)
        .args(["power::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .output()
        .expect("strace runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let events = events(&file, folder.path());
    let all = events.iter().filter(|event| matches!(event, Event::Acknowledged(_))).count();
    assert_eq!(all, COMMITS);
    let mut random = fastrand::Rng::with_seed(4);
    let mut cuts: Vec<usize> = (0..CUTS).map(|_| random.usize(0..events.len())).collect();
    cuts.sort_unstable();
    let (mut files, mut acknowledged, mut next) = (BTreeMap::<String, File>::new(), BTreeSet::new(), 0);
    let image = tempfile::tempdir().expect("a folder");
    let mut lost = 0;
    for cut in cuts {
        events[next..=cut.max(next)].iter().for_each(|event| happen(event, &mut files, &mut acknowledged));
        next = cut.max(next) + 1;
        lost += after_cut(&files, image.path(), &mut random);
        let path = image.path().join("store.db");
        let mut store = Sqlite::open(Some(&path)).unwrap_or_else(|error| panic!("at {cut}: {error}"));
        let kept: BTreeSet<String> = store
            .list(None, usize::MAX)
            .expect("readable")
            .iter()
            .map(|listed| Key::of(&listed.item.notice).to_string())
            .collect();
        let missing: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(missing.is_empty(), "at {cut} of {}: {missing:?}", events.len());
        if next >= events.len() {
            break;
        }
    }
    println!("{} events, {} of them acknowledged, {lost} sectors lost in {CUTS} cuts", events.len(), all);
    assert!(lost > 1_000, "the cuts lose something: {lost}");
}

fn happen(event: &Event, files: &mut BTreeMap<String, File>, acknowledged: &mut BTreeSet<String>) {
    match event {
        Event::Made(name) => drop(files.entry(name.clone()).or_default()),
        Event::Wrote(name, at, octets) => {
            files.entry(name.clone()).or_default().unsure.push((*at, octets.clone()));
        }
        Event::Cut(name, length) => {
            let file = files.entry(name.clone()).or_default();
            // A file system writes its own journal in order: what is cut off is gone with it.
            settle(file);
            file.sure.truncate(*length);
        }
        Event::Synced(name) => settle(files.entry(name.clone()).or_default()),
        Event::FolderSynced => files.values_mut().for_each(|file| file.named = true),
        Event::Acknowledged(key) => drop(acknowledged.insert(key.clone())),
    }
}

fn settle(file: &mut File) {
    for (at, octets) in std::mem::take(&mut file.unsure) {
        put(&mut file.sure, at, &octets);
    }
}

fn put(into: &mut Vec<u8>, at: usize, octets: &[u8]) {
    into.resize(into.len().max(at + octets.len()), 0);
    into[at..at + octets.len()].copy_from_slice(octets);
}

/// What the disk may hold after the cut; gives how many sectors are lost.
fn after_cut(files: &BTreeMap<String, File>, folder: &Path, random: &mut fastrand::Rng) -> usize {
    let _ = fs::remove_file(folder.join("store.db-shm"));
    let mut lost = 0;
    for (name, file) in files {
        let path = folder.join(name);
        let _ = fs::remove_file(&path);
        if !file.named && random.bool() {
            continue;
        }
        let mut octets = file.sure.clone();
        // Sometimes nearly all of it is there, sometimes nearly nothing.
        let odds = random.f64();
        for (at, written) in &file.unsure {
            for (number, sector) in written.chunks(SECTOR).enumerate() {
                match random.f64() < odds {
                    true => put(&mut octets, at + number * SECTOR, sector),
                    false => lost += 1,
                }
            }
        }
        fs::write(path, octets).expect("written");
    }
    lost
}

fn events(trace: &Path, folder: &Path) -> Vec<Event> {
    let folder = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let mut events = Vec::new();
    for mut call in trace::read(trace) {
        call.text = plain_paths(&call.text);
        let done = !call.text.contains("= -1 ");
        let name = ["store.db-wal", "store.db"].into_iter().find(|name| call.is_of(name));
        let mut parts = call.text.split(", ");
        match (call.name.as_str(), name) {
            ("openat", _) if done => {
                let path = parts.nth(1).map(hex).map(|path| String::from_utf8_lossy(&path).into_owned());
                let made = path.filter(|_| call.text.contains("O_CREAT"));
                let known = |path: &str| {
                    ["store.db-wal", "store.db"].into_iter().find(|name| path.ends_with(&format!("/{name}")))
                };
                events.extend(made.as_deref().and_then(known).map(|name| Event::Made(name.to_owned())));
            }
            ("pwrite64", Some(name)) if done => {
                let octets = hex(parts.nth(1).unwrap_or_default());
                let at = call.text.rsplit_once(") = ").and_then(|(args, _)| args.rsplit_once(", "));
                let at = at.and_then(|(_, at)| at.parse().ok()).expect("an offset");
                events.push(Event::Wrote(name.to_owned(), at, octets));
            }
            ("ftruncate", Some(name)) if done => {
                let length =
                    parts.nth(1).and_then(|part| part.split(')').next()?.parse().ok()).expect("a length");
                events.push(Event::Cut(name.to_owned(), length));
            }
            ("fsync" | "fdatasync", Some(name)) if done => events.push(Event::Synced(name.to_owned())),
            ("fsync" | "fdatasync", None) if done && call.is_of(&folder) => events.push(Event::FolderSynced),
            ("write", None) => {
                let said = hex(parts.nth(1).unwrap_or_default());
                let said = String::from_utf8_lossy(&said).into_owned();
                let key = said.trim().strip_prefix("ACK ").map(str::to_owned);
                events.extend(key.map(Event::Acknowledged));
            }
            _ => {}
        }
    }
    events
}

/// The same with the paths of descriptors, `3<\x2f…>`, in plain text.
fn plain_paths(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for (number, part) in text.split('<').enumerate() {
        match part.split_once('>').filter(|_| number > 0 && part.starts_with("\\x")) {
            Some((path, rest)) => {
                plain += &format!("<{}>{rest}", String::from_utf8_lossy(&hex(path)));
            }
            None if number > 0 => plain += &format!("<{part}"),
            None => plain += part,
        }
    }
    plain
}

/// What strace writes as `"\x41\x42"`.
fn hex(text: &str) -> Vec<u8> {
    let inner = text.trim().trim_start_matches('"').split('"').next().unwrap_or_default();
    inner.split("\\x").skip(1).filter_map(|octet| u8::from_str_radix(octet.get(..2)?, 16).ok()).collect()
}
