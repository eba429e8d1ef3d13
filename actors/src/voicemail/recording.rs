//! A recording on disk. All that may block runs on tokio's blocking threads, one job of a recording after the other.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use actix::{Message, WeakAddr};
use ringpost::voicemail::{
    Ending,
    g711::{Codec, time_of},
    mailbox::Sidecar,
    take::Worth,
    wav,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};

use super::MediaSession;

/// A message, safe on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recording {
    /// The WAV file.
    pub path: PathBuf,
    /// Its length, trailing silence cut.
    pub duration: Duration,
    /// How much of it is voice.
    pub voiced: Duration,
}

/// The notice of this recording is safe elsewhere: [`super::recover`] need not bring it up again.
pub fn told(recording: &Path) -> io::Result<()> {
    match fs::remove_file(recording.with_extension("json")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// The recording cannot be written any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TapeFailed;

/// The async end of a recording: takes octets without ever waiting for the disk.
#[derive(Debug)]
pub struct TapeWriter {
    jobs: mpsc::Sender<Job>,
}

/// Seconds of audio that may wait for a disk that hangs; then the recording counts as failed.
const PATIENCE: usize = 60;

#[derive(Debug)]
enum Job {
    Append(Vec<u8>),
    End(Ending, oneshot::Sender<Option<Recording>>),
}

impl TapeWriter {
    /// Creates the files `stem.json` and `stem.part`. `owner` hears of a failure, at most once.
    pub fn start(stem: PathBuf, codec: Codec, sidecar: Sidecar, owner: WeakAddr<MediaSession>) -> Self {
        let (jobs, queue) = mpsc::channel(PATIENCE);
        tokio::spawn(write(stem, codec, sidecar, queue, owner));
        Self { jobs }
    }

    /// Appends; `false` if the disk hangs or the recording has failed.
    pub fn append(&self, octets: Vec<u8>) -> bool {
        self.jobs.try_send(Job::Append(octets)).is_ok()
    }

    /// Ends the recording and waits until it is safe, or deleted.
    pub async fn end(self, ending: Ending) -> Option<Recording> {
        let (done, recording) = oneshot::channel();
        self.jobs.send(Job::End(ending, done)).await.ok()?;
        recording.await.ok()?
    }
}

async fn write(
    stem: PathBuf,
    codec: Codec,
    sidecar: Sidecar,
    mut queue: mpsc::Receiver<Job>,
    owner: WeakAddr<MediaSession>,
) {
    let Some(mut tape) = blocking(move || Tape::create(&stem, codec, &sidecar)).await else {
        return fail(&owner);
    };
    while let Some(job) = queue.recv().await {
        match job {
            Job::Append(octets) => {
                let Some((back, result)) = blocking(move || {
                    let result = tape.append(&octets);
                    Ok((tape, result))
                })
                .await
                else {
                    return fail(&owner);
                };
                tape = back;
                if let Err(error) = result {
                    tracing::error!(%error, path = %tape.part().display(), "Recording cannot be written");
                    fail(&owner);
                }
            }
            Job::End(ending, done) => {
                let recording = blocking(move || tape.end(&ending)).await.flatten();
                // Nobody waits if the session was given up meanwhile; the file is safe all the same.
                let _ = done.send(recording);
                return;
            }
        }
    }
    tracing::error!(path = %tape.part().display(), "Recording was given up without an end, it is left for recovery");
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Option<T> {
    match spawn_blocking(work).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(error)) => {
            tracing::error!(%error, "Recording cannot be written");
            None
        }
        Err(error) => {
            tracing::error!(%error, "Recording failed");
            None
        }
    }
}

fn fail(owner: &WeakAddr<MediaSession>) {
    if let Some(owner) = owner.upgrade() {
        owner.do_send(TapeFailed);
    }
}

/// The files of one recording.
#[derive(Debug)]
pub struct Tape {
    stem: PathBuf,
    codec: Codec,
    file: File,
    written: u64,
    /// Writing failed: what came before is kept, nothing more is tried.
    broken: bool,
}

impl Tape {
    fn create(stem: &Path, codec: Codec, sidecar: &Sidecar) -> io::Result<Self> {
        if let Some(folder) = stem.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        create(&with(stem, "json"))?.write_all(&serde_json::to_vec(sidecar)?)?;
        let mut file = create(&with(stem, "part"))?;
        file.write_all(&wav::header(codec, 0))?;
        Ok(Self { stem: stem.to_owned(), codec, file, written: 0, broken: false })
    }

    /// A file that was left behind, with this much audio after its header.
    pub fn reopen(stem: &Path, codec: Codec, written: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(with(stem, "part"))?;
        Ok(Self { stem: stem.to_owned(), codec, file, written, broken: false })
    }

    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.broken {
            return Ok(());
        }
        let result = self.file.write_all(octets);
        match &result {
            Ok(()) => self.written += octets.len() as u64,
            Err(_) => self.broken = true,
        }
        result
    }

    fn end(mut self, ending: &Ending) -> io::Result<Option<Recording>> {
        if !ending.is_message {
            self.discard()?;
            return Ok(None);
        }
        if let Err(error) = self.append(&ending.rest) {
            tracing::error!(%error, path = %self.part().display(), "The end of a recording cannot be written");
        }
        self.keep(ending.worth).map(Some)
    }

    /// No message: both files go.
    pub fn discard(self) -> io::Result<()> {
        fs::remove_file(self.part())?;
        fs::remove_file(with(&self.stem, "json"))
    }

    /// Cuts the audio, patches the header, and gives the file its name when it is safe on disk.
    pub fn keep(mut self, worth: Worth) -> io::Result<Recording> {
        let octets = worth.octets.min(self.written);
        let count = u32::try_from(octets).map_err(io::Error::other)?;
        let end = wav::HEADER as u64 + octets;
        self.file.set_len(end)?;
        // A chunk of odd length is padded.
        self.file.set_len(end + octets % 2)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&wav::header(self.codec, count))?;
        self.file.sync_all()?;
        File::open(with(&self.stem, "json"))?.sync_all()?;
        let path = with(&self.stem, "wav");
        fs::rename(self.part(), &path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Recording { path, duration: time_of(octets), voiced: worth.voiced })
    }

    fn part(&self) -> PathBuf {
        with(&self.stem, "part")
    }
}

/// What a caller said is nobody else's to read.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// `stem` is a whole name: a dot in it would not be taken for a suffix.
pub fn with(stem: &Path, suffix: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_wav_file_and_no_message_is_no_file() {
        let table = [
            ("even", 8000, true, Some(8058)),
            ("odd, padded", 7999, true, Some(8058)),
            ("silence cut", 100, true, Some(158)),
            ("no message", 8000, false, None),
        ];
        for (name, octets, is_message, size) in table {
            let (folder, stem) = folder();
            let mut tape = Tape::create(&stem, Codec::Pcma, &sidecar()).expect("a tape");
            tape.append(&[0xAA; 4000]).expect("it can be written");
            let worth = Worth { octets, voiced: Duration::from_secs(1) };
            let recording = tape.end(&Ending { rest: vec![0xAA; 4000], worth, is_message }).expect("it ends");
            assert_eq!(recording.as_ref().map(|r| r.duration), size.map(|_| time_of(octets)), "{name}");
            let on_disk = recording.map(|r| fs::metadata(r.path).expect("it is there").len());
            assert_eq!(on_disk, size, "{name}");
            let expected: &[&str] = if is_message { &["json", "wav"] } else { &[] };
            assert_eq!(suffixes(folder.path()), expected, "{name}");
        }
    }

    #[test]
    fn a_disk_that_fails_keeps_what_was_written() {
        let (_folder, stem) = folder();
        let mut tape = Tape::create(&stem, Codec::Pcmu, &sidecar()).expect("a tape");
        tape.append(&[0x80; 4000]).expect("it can be written");
        let good = std::mem::replace(&mut tape.file, File::open(with(&stem, "part")).expect("it is there"));
        tape.append(&[0x80; 4000]).expect_err("opened for reading only");
        tape.file = good;
        tape.append(&[0x80; 4000]).expect("nothing more is tried");
        let worth = Worth { octets: 12_000, voiced: Duration::from_secs(1) };
        let ending = Ending { rest: vec![0x80; 100], worth, is_message: true };
        let recording = tape.end(&ending).expect("it ends").expect("a message");
        assert_eq!(recording.duration, Duration::from_millis(500));
        assert_eq!(fs::metadata(&recording.path).expect("it is there").len(), 4058);
    }

    #[test]
    fn recordings_are_for_nobody_else_to_read() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, stem) = folder();
        Tape::create(&stem, Codec::Pcma, &sidecar()).expect("a tape");
        let table = [
            (folder.path().join("recordings"), 0o700),
            (with(&stem, "json"), 0o600),
            (with(&stem, "part"), 0o600),
        ];
        for (path, mode) in table {
            let found = fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(found & 0o777, mode, "{}", path.display());
        }
    }

    #[test]
    fn telling_twice_is_no_error() {
        let (_folder, stem) = folder();
        Tape::create(&stem, Codec::Pcma, &sidecar()).expect("a tape");
        for _ in 0..2 {
            told(&with(&stem, "wav")).expect("told");
            assert!(!with(&stem, "json").exists());
        }
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let stem = folder.path().join("recordings/20261121T031713Z-00000000000000ff");
        (folder, stem)
    }

    fn sidecar() -> Sidecar {
        Sidecar {
            began: "2026-11-21T03:17:13Z".parse().expect("a timestamp"),
            min_message: Duration::from_secs(1),
            max_message: Duration::from_secs(60),
            context: serde_json::Value::Null,
        }
    }

    fn suffixes(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder.join("recordings")).expect("a folder");
        let suffix = |path: PathBuf| path.extension().map(|suffix| suffix.to_string_lossy().into_owned());
        let mut suffixes: Vec<String> = entries.filter_map(|entry| suffix(entry.ok()?.path())).collect();
        suffixes.sort();
        suffixes
    }
}
