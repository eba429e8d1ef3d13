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
