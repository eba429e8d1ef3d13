//! The folder of recordings: what its files are called, what lies beside them, and what a crash leaves to be done.
//!
//! `STEM.json` (who the message is for) is written first, then `STEM.part` grows; when the call is over it becomes
//! `STEM.wav`. `STEM.json` goes when the notice is safe in the outbox: a `STEM.wav` alone has been told.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `STEM.json` says: enough to tell the user about the message after a crash.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sidecar {
    /// When the recording began.
    pub began: Timestamp,
    /// Voiced audio below it is no message.
    pub min_message: Duration,
    /// No more than this is kept.
    pub max_message: Duration,
    /// Whatever the one who opened the session needs to make the notice.
    pub context: Value,
}

/// What to do about a file found at start-up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Leftover {
    /// `STEM.part` and `STEM.json`: the call was being recorded. Repair the header, judge the audio, then as `Untold`.
    CutOff(String),
    /// `STEM.wav` and `STEM.json`: complete, but perhaps not told. Tell it; the outbox knows whether it has been.
    Untold(String),
    /// `STEM.json` alone: nothing was recorded. Delete it.
    Empty(String),
    /// `STEM.part` alone: nobody knows whose it is. Leave it and say so.
    Nobodys(String),
}

/// A name for a recording that begins now, without suffix: sorts by time, cannot be guessed, names nobody. Whoever has it may hear
/// the recording (`voicemail = "link"`), so `random` has to come from the operating system.
pub fn stem(began: Timestamp, random: u128) -> String {
    format!("{}-{random:032x}", began.strftime("%Y%m%dT%H%M%SZ"))
}

/// Decides about the names found in the folder, in the order of time. Names that are not ours are passed over.
pub fn leftovers<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Leftover> {
    let mut found: BTreeMap<&str, Found> = BTreeMap::new();
    for name in names {
        let Some((stem, suffix)) = name.rsplit_once('.').filter(|(stem, _)| is_stem(stem)) else { continue };
        let found = found.entry(stem).or_default();
        match suffix {
            "json" => found.json = true,
            "part" => found.part = true,
            "wav" => found.wav = true,
            _ => {}
        }
    }
    found.into_iter().filter_map(|(stem, found)| found.leftover(stem.to_owned())).collect()
}

#[derive(Default)]
struct Found {
    json: bool,
    part: bool,
    wav: bool,
}

impl Found {
    fn leftover(&self, stem: String) -> Option<Leftover> {
        match (self.json, self.part, self.wav) {
            (true, _, true) => Some(Leftover::Untold(stem)),
            (true, true, false) => Some(Leftover::CutOff(stem)),
            (true, false, false) => Some(Leftover::Empty(stem)),
            (false, true, _) => Some(Leftover::Nobodys(stem)),
            (false, false, _) => None,
        }
    }
}

/// `20261121T031713Z-0123456789abcdef0123456789abcdef`; recordings of older versions have half as many digits.
fn is_stem(stem: &str) -> bool {
    let Some((time, random)) = stem.split_once('-') else { return false };
    time.len() == 16
        && time.bytes().all(|octet| octet.is_ascii_digit() || matches!(octet, b'T' | b'Z'))
        && matches!(random.len(), 16 | 32)
        && random.bytes().all(|octet| octet.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "20261121T031713Z-000000000000000000000000000000ff";
    const B: &str = "20261121T031714Z-0123456789abcdef";

    #[test]
    fn a_recording_is_named_after_its_time_and_nothing_else() {
        let began: Timestamp = "2026-11-21T03:17:13.9Z".parse().expect("a timestamp");
        assert_eq!(stem(began, 255), A);
        assert!(is_stem(&stem(began, u128::MAX)) && is_stem(B));
    }

    #[test]
    fn what_a_crash_left_is_decided_by_the_names() {
        let of = |stem: &str, suffixes: &[&str]| -> Vec<String> {
            suffixes.iter().map(|suffix| format!("{stem}.{suffix}")).collect()
        };
        let table = [
            (of(A, &["wav"]), vec![]),
            (of(A, &["json", "wav"]), vec![Leftover::Untold(A.into())]),
            (of(A, &["json", "part"]), vec![Leftover::CutOff(A.into())]),
            (of(A, &["json"]), vec![Leftover::Empty(A.into())]),
            (of(A, &["part"]), vec![Leftover::Nobodys(A.into())]),
            (
                [of(B, &["part", "json"]), of(A, &["json"])].concat(),
                vec![Leftover::Empty(A.into()), Leftover::CutOff(B.into())],
            ),
            (vec!["note.json".into(), "../x.part".into(), ".part".into(), "a-b.json".into()], vec![]),
        ];
        for (names, expected) in table {
            assert_eq!(leftovers(names.iter().map(String::as_str)), expected, "{names:?}");
        }
    }

    #[test]
    fn a_sidecar_survives_the_disk() {
        let sidecar = Sidecar {
            began: "2026-11-21T03:17:13Z".parse().expect("a timestamp"),
            min_message: Duration::from_secs(2),
            max_message: Duration::from_secs(1200),
            context: serde_json::json!({ "user": "sip:1001@example.test" }),
        };
        let json = serde_json::to_vec(&sidecar).expect("a sidecar is JSON");
        assert_eq!(serde_json::from_slice::<Sidecar>(&json).expect("it reads back"), sidecar);
    }
}
