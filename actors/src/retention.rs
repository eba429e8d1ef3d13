//! Removes what has been kept long enough (R210): told notices, dead letters, the call log, recordings.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use ringpost::{directory::Directory, settings::Retention};
use tokio::sync::Notify;

use crate::store::{Expiring, Scribe};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(3_600);
/// Rows removed in one transaction, so that no notice waits for it, and the pause between two.
const AT_ONCE: usize = 500;
const PAUSE: Duration = Duration::from_millis(100);

/// Looks now, every hour, and whenever a user has deleted messages.
pub async fn run(directory: Arc<ArcSwap<Directory>>, scribe: Scribe, deleted: Arc<Notify>) {
    loop {
        let (kept, folder) = {
            let site = &directory.load().site;
            (site.retention.clone(), site.voicemail.recordings.clone())
        };
        if sweep(&kept, &folder, &scribe).await.is_none() {
            // The store has stopped, and so does everything else.
            std::future::pending::<()>().await;
        }
        let _ = tokio::time::timeout(EVERY, deleted.notified()).await;
    }
}

async fn sweep(kept: &Retention, folder: &Path, scribe: &Scribe) -> Option<()> {
    let rows =
        [(Expiring::Delivered, kept.delivered), (Expiring::Dead, kept.dead), (Expiring::Calls, kept.calls)];
    for (kind, time) in rows {
        let Some(time) = time else { continue };
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        let before = Timestamp::now().saturating_sub(time).unwrap_or(Timestamp::MIN);
        let mut removed = 0;
        loop {
            match scribe.expire(kind, before, AT_ONCE).await? {
                Ok(rows) => {
                    removed += rows;
                    if rows < AT_ONCE {
                        break;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, ?kind, "What has been kept long enough cannot be removed");
                    break;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        if removed > 0 {
            tracing::info!(?kind, removed, "Removed what was kept long enough");
        }
    }
    let (needed, messages) = match (scribe.recordings_needed().await?, scribe.messages(None).await?) {
        (Ok(needed), Ok(messages)) => (needed, messages),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "The recordings that are still needed cannot be read");
            return Some(());
        }
    };
    let name = |path: &Path| Some(path.file_name()?.to_owned());
    let files = Files {
        needed: needed.iter().filter_map(|path| name(path)).collect(),
        deleted: messages.iter().filter(|m| m.state.is_none()).filter_map(|m| name(&m.recording)).collect(),
    };
    let (folder, time) = (folder.to_owned(), kept.recordings);
    let swept = tokio::task::spawn_blocking(move || {
        let removed = remove_recordings(&folder, time, &files);
        let gone: Vec<_> = messages.into_iter().filter(|m| !m.recording.exists()).collect();
        (removed, gone)
    });
    let Ok((removed, gone)) = swept.await else {
        tracing::error!("A fault while old recordings were removed");
        return Some(());
    };
    match removed {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "Removed recordings that were kept long enough"),
        Err(error) => tracing::error!(%error, "Old recordings cannot be removed"),
    }
    for message in gone {
        scribe.forget_message(message.user, message.id).await;
    }
    Some(())
}

/// The names of recordings that are more than old.
struct Files {
    /// Their notice is not told yet.
    needed: HashSet<OsString>,
    /// Their user has deleted them: they are not kept any longer.
    deleted: HashSet<OsString>,
}

/// Overwrites and removes recordings that are older, or deleted, and whose notice is told; how many they were.
fn remove_recordings(folder: &Path, time: Option<Duration>, files: &Files) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let recording = path.extension().is_some_and(|extension| extension == "wav");
        // Beside a recording that nobody has been told of yet lies its .json.
        if !recording || files.needed.contains(&entry.file_name()) || path.with_extension("json").exists() {
            continue;
        }
        let since = entry.metadata()?.modified()?;
        let age = SystemTime::now().duration_since(since).unwrap_or_default();
        if files.deleted.contains(&entry.file_name()) || time.is_some_and(|time| age > time) {
            overwrite(&path)?;
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    if removed > 0 {
        File::open(folder)?.sync_all()?;
    }
    Ok(removed)
}

/// Nothing of it is left in its place on the disk, as far as the file system writes in place.
fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    let zeros = [0; 65_536];
    while left > 0 {
        let part = left.min(zeros.len() as u64);
        file.write_all(&zeros[..part as usize])?;
        left -= part;
    }
    file.sync_all()
}
