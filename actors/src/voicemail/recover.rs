//! What a crash left in the folder of recordings becomes messages again.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use ringpost::voicemail::{
    g711::{octets_in, time_of},
    mailbox::{Leftover, Sidecar, leftovers},
    take::worth,
    wav::{self, Wav},
};
use serde_json::Value;

use super::recording::{Recording, Tape, with};

/// A message that was perhaps never told. Tell it under the same idempotency key, then call [`super::told`].
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// [`super::SessionParams::context`].
    pub context: Value,
    /// The message.
    pub recording: Recording,
}

/// Looks through the folder. Call it at start-up, before the first session; it blocks.
///
/// A file that cannot be read is logged and left alone; only a folder that cannot be read is an error.
pub fn recover(folder: &Path) -> io::Result<Vec<Recovered>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries?,
    };
    let names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let mut recovered = Vec::new();
    for leftover in leftovers(names.iter().map(String::as_str)) {
        match take_up(folder, &leftover) {
            Ok(found) => recovered.extend(found),
            Err(error) => tracing::error!(%error, ?leftover, "A recording left behind cannot be recovered"),
        }
    }
    Ok(recovered)
}

fn take_up(folder: &Path, leftover: &Leftover) -> io::Result<Option<Recovered>> {
    match leftover {
        Leftover::CutOff(stem) => finish(&folder.join(stem)),
        Leftover::Untold(stem) => untold(&folder.join(stem)).map(Some),
        Leftover::Empty(stem) => fs::remove_file(folder.join(format!("{stem}.json"))).map(|()| None),
        Leftover::Nobodys(stem) => {
            tracing::warn!(stem, "A recording has lost its .json: nobody knows whose it is");
            Ok(None)
        }
    }
}

/// The call was being recorded: judge what there is.
fn finish(stem: &Path) -> io::Result<Option<Recovered>> {
    let sidecar = sidecar(stem)?;
    let mut file = File::open(with(stem, "part"))?;
    let mut head = [0; wav::HEADER];
    if file.read_exact(&mut head).is_err() {
        discard(stem)?;
        return Ok(None);
    }
    let codec = wav::repair(&head).ok_or_else(|| io::Error::other("not a recording of ours"))?;
    let mut audio = Vec::new();
    file.take(octets_in(sidecar.max_message)).read_to_end(&mut audio)?;
    let worth = worth(codec, &audio);
    if worth.octets == 0 || worth.voiced < sidecar.min_message {
        discard(stem)?;
        return Ok(None);
    }
    let recording = Tape::reopen(stem, codec, audio.len() as u64)?.keep(worth)?;
    Ok(Some(Recovered { context: sidecar.context, recording }))
}

/// The recording was complete, but perhaps not told.
fn untold(stem: &Path) -> io::Result<Recovered> {
    let Sidecar { context, max_message, .. } = sidecar(stem)?;
    let path: PathBuf = with(stem, "wav");
    let mut file = Vec::new();
    File::open(&path)?.take(wav::HEADER as u64 + octets_in(max_message)).read_to_end(&mut file)?;
    let Wav { format, samples } = Wav::read(&file).map_err(io::Error::other)?;
    let wav::Format::G711(codec) = format else { return Err(io::Error::other("not a recording of ours")) };
    let voiced = worth(codec, samples).voiced;
    Ok(Recovered { context, recording: Recording { path, duration: time_of(samples.len() as u64), voiced } })
}

fn sidecar(stem: &Path) -> io::Result<Sidecar> {
    Ok(serde_json::from_slice(&fs::read(with(stem, "json"))?)?)
}

fn discard(stem: &Path) -> io::Result<()> {
    fs::remove_file(with(stem, "part"))?;
    fs::remove_file(with(stem, "json"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringpost::voicemail::g711::Codec;

    use super::*;

    const STEM: &str = "20261121T031713Z-00000000000000ff";

    #[test]
    fn a_call_cut_off_by_a_crash_is_judged_like_any_other() {
        let (loud, none) = (|n| vec![0xAA; n], |n| vec![0xD5; n]);
        let headed = |audio: Vec<u8>| [&wav::header(Codec::Pcma, 0)[..], &audio].concat();
        let table = [
            ("enough voice", headed(loud(16_000)), Some(2000), &["wav"][..]),
            ("voice, then silence", headed([loud(16_000), none(40_000)].concat()), Some(2200), &["wav"]),
            ("an odd octet", headed(loud(16_001)), Some(2000), &["wav"]),
            ("more than the limit", headed(loud(90_000)), Some(10_000), &["wav"]),
            ("hardly a word", headed(loud(4000)), None, &[]),
            ("silence", headed(none(80_000)), None, &[]),
            ("a header alone", headed(vec![]), None, &[]),
            ("half a header", b"RIFF".to_vec(), None, &[]),
            ("nothing", vec![], None, &[]),
            ("not ours", vec![7; 20_000], None, &["json", "part"]),
        ];
        for (name, part, millis, left) in table {
            let folder = folder(&[("part", part), ("json", sidecar())]);
            let recovered = recover(folder.path()).expect("the folder can be read");
            let found = recovered.first().map(|found| found.recording.duration.as_millis());
            assert_eq!(found, millis, "{name}");
            for Recovered { context, recording } in recovered {
                assert_eq!(context, "1001", "{name}");
                let file = fs::read(&recording.path).expect("it is there");
                let wav = Wav::read(&file).expect("a WAV file");
                assert_eq!(time_of(wav.samples.len() as u64), recording.duration, "{name}");
                super::super::told(&recording.path).expect("told");
            }
            assert_eq!(suffixes(folder.path()), left, "{name}");
        }
    }

    #[test]
    fn what_is_complete_is_told_again_and_what_is_nobodys_is_left_alone() {
        let wav = [&wav::header(Codec::Pcmu, 16_000)[..], &[0x80; 16_000]].concat();
        let table = [
            ("untold", vec![("wav", wav.clone()), ("json", sidecar())], 1, vec!["json", "wav"]),
            ("told", vec![("wav", wav.clone())], 0, vec!["wav"]),
            ("never begun", vec![("json", sidecar())], 0, vec![]),
            ("nobody's", vec![("part", wav.clone())], 0, vec!["part"]),
            ("torn sidecar", vec![("part", wav.clone()), ("json", b"{".to_vec())], 0, vec!["json", "part"]),
            ("torn message", vec![("wav", b"RI".to_vec()), ("json", sidecar())], 0, vec!["json", "wav"]),
        ];
        for (name, files, count, left) in table {
            let folder = folder(&files);
            let recovered = recover(folder.path()).expect("the folder can be read");
            assert_eq!(recovered.len(), count, "{name}");
            assert!(recovered.iter().all(|found| found.recording.voiced == Duration::from_secs(2)), "{name}");
            assert_eq!(suffixes(folder.path()), left, "{name}");
        }
    }

    #[test]
    fn no_folder_is_nothing_to_recover() {
        assert_eq!(recover(Path::new("/nonexistent/recordings")).expect("no error"), []);
    }

    fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (suffix, octets) in files {
            fs::write(folder.path().join(format!("{STEM}.{suffix}")), octets).expect("it can be written");
        }
        folder
    }

    fn sidecar() -> Vec<u8> {
        let sidecar = Sidecar {
            began: "2026-11-21T03:17:13Z".parse().expect("a timestamp"),
            min_message: Duration::from_secs(2),
            max_message: Duration::from_secs(10),
            context: "1001".into(),
        };
        serde_json::to_vec(&sidecar).expect("a sidecar is JSON")
    }

    fn suffixes(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let suffix = |path: PathBuf| path.extension().map(|suffix| suffix.to_string_lossy().into_owned());
        let mut suffixes: Vec<String> = entries.filter_map(|entry| suffix(entry.ok()?.path())).collect();
        suffixes.sort();
        suffixes
    }
}
