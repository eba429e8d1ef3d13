//! What a reader is told of the book: which state it is in, and which file to take.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::version::Version;

/// The form of the SQLite files; another number is another form.
pub const FORMAT: u32 = 1;

/// A state of the book that can be fetched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct State {
    /// See [`FORMAT`].
    pub format: u32,
    /// Random, and new where the book was begun anew: versions of two series have nothing to do with each other.
    pub series: String,
    /// The version.
    pub version: Version,
    /// When it was made.
    pub made: Timestamp,
    /// How many entries it has.
    pub entries: u64,
    /// All of it.
    pub full: File,
    /// What has changed since older versions, oldest first.
    pub deltas: Vec<Delta>,
}

/// A file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct File {
    /// Below `/book/`.
    pub path: String,
    /// In octets.
    pub size: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// The changes since a version.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Delta {
    /// That version.
    pub from: Version,
    /// The file.
    #[serde(flatten)]
    pub file: File,
}

/// What a reader has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Has<'h> {
    /// The series of its book.
    pub series: &'h str,
    /// And its version.
    pub version: Version,
}

/// What a reader takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Take<'s> {
    /// It has all there is.
    Nothing,
    /// The changes since what it has.
    Delta(&'s File),
    /// All of it.
    Full(&'s File),
}

impl State {
    /// What a reader takes: the changes since what it has, where they are told (R75), else all.
    pub fn take(&self, has: Option<Has<'_>>) -> Take<'_> {
        let Some(has) = has.filter(|has| has.series == self.series) else { return Take::Full(&self.full) };
        if has.version == self.version {
            return Take::Nothing;
        }
        let delta = self.deltas.iter().find(|delta| delta.from == has.version);
        delta.map_or(Take::Full(&self.full), |delta| Take::Delta(&delta.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r75_a_reader_takes_the_changes_since_what_it_has_or_else_all() {
        let file = |path: &str| File { path: path.into(), size: 1, sha256: "00".into() };
        let state = State {
            format: FORMAT,
            series: "a".into(),
            version: 2026112100,
            made: "2026-11-21T00:00:01Z".parse().expect("a timestamp"),
            entries: 2,
            full: file("full.sqlite"),
            deltas: vec![Delta { from: 2026112000, file: file("delta/2026112000.sqlite") }],
        };
        let full = Take::Full(&state.full);
        for (has, take) in [
            (None, full),
            (Some(("a", 2026112100)), Take::Nothing),
            (Some(("a", 2026112000)), Take::Delta(&state.deltas[0].file)),
            (Some(("a", 2026102000)), full),
            (Some(("a", 2027112000)), full),
            (Some(("b", 2026112100)), full),
        ] {
            let has = has.map(|(series, version)| Has { series, version });
            assert_eq!(state.take(has), take, "{has:?}");
        }
        let json = serde_json::to_string(&state).expect("JSON");
        assert_eq!(serde_json::from_str::<State>(&json).expect("our own"), state);
        assert!(json.contains(r#"{"from":2026112000,"path":"delta/2026112000.sqlite""#), "{json}");
    }
}
