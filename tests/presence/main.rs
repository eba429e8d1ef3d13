//! Presence without a socket: the sum of the inputs (R54–R56, R81, R82, R102, R103, R108, R113, R114, R117, R206), what
//! watchers see of it (R18, R58), the documents, and those of others (T5, T6).

mod calendar;
mod documents;
mod hostile;
mod microsoft;
mod polling;
mod publishing;
mod stages;
mod sums;
mod truth;
mod waiting;
mod watching;
mod wire;

use std::path::PathBuf;

use ringpost::presence::{Call, Direction, Forward, Inputs, Own, Phone, Progress, Source, input::Said};

/// A Thursday.
const NOW: u64 = 1_800_000_000;

/// A user who has a number, an address and a registered device.
fn inputs() -> Inputs {
    let own = Own { has_number: true, has_address: true, reachable: true, ..Own::default() };
    Inputs::new(NOW * 1_000).owning(own)
}

fn call(id: &str, progress: Progress) -> Call {
    Call {
        id: id.into(),
        dialog: (format!("{id}@pbx").into(), "local".into(), "remote".into()),
        direction: Some(Direction::Recipient),
        progress,
        remote: "sip:+4544890101@pbx.test".into(),
        name: Some("Ada <Caller>".into()),
    }
}

/// A telephone that says only this.
fn phone(progress: Option<Progress>, quiet: Option<bool>, forward: Option<Option<Forward>>) -> Said {
    let calls = progress.map(|progress| call("c", progress)).into_iter().collect();
    let phone = Phone { calls, do_not_disturb: quiet, forward, ..Phone::default() };
    Said { phone: Some(phone), ..Said::default() }
}

fn from(kind: ringpost::presence::Kind, name: &str) -> Source {
    Source::new(kind, name)
}

/// A file of the shared corpora; `None` and a word about it where there are none.
fn corpus(path: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("RINGPOST_CORPORA").map_or_else(beside, PathBuf::from);
    let found = Some(folder.join(path)).filter(|path| path.exists());
    if found.is_none() {
        println!("skipped: no corpora beside the project or in RINGPOST_CORPORA");
    }
    found
}

/// Compares with a golden file; `BLESS=1` writes it.
fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/presence").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, text, "{name} differs; BLESS=1 writes it");
}
