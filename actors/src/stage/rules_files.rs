//! The files of rules that a site names, looked at from time to time (R32).

use std::{
    fs, future,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use ringpost::settings::Site;
use tokio::time::{Instant, sleep_until};

/// What a file looked like: its length and when it was written; `None`: it cannot be seen.
type Look = Option<(u64, SystemTime)>;

/// The files, and what they looked like.
pub struct Watched {
    files: Vec<(PathBuf, Look)>,
    every: Duration,
    next: Instant,
}

impl Watched {
    /// The files of a site as they are now.
    pub fn of(site: &Site) -> Self {
        let every = site.outbound.rules_poll;
        let files = site.rules_files.iter().map(|path| (path.clone(), look(path))).collect();
        Self { files, every, next: Instant::now() + every }
    }

    /// Waits until it is time to look.
    pub async fn wait(&self) {
        if self.files.is_empty() {
            return future::pending().await;
        }
        sleep_until(self.next).await;
    }

    /// Looks; whether any file is another than when it was last looked at. One that is away for a moment, because it is just
    /// being replaced, is looked at again the next time.
    pub fn have_changed(&mut self) -> bool {
        self.next = Instant::now() + self.every;
        let mut changed = false;
        for (path, known) in &mut self.files {
            let now = look(path);
            if now.is_some() && now != *known {
                *known = now;
                changed = true;
            }
        }
        changed
    }

    /// Watches the files that a site names by now; those that it named before are known.
    pub fn follow(&mut self, site: &Site) {
        let known = std::mem::take(&mut self.files);
        let before = |path: &PathBuf| known.iter().find(|(one, _)| one == path).map(|(_, look)| *look);
        self.files = site
            .rules_files
            .iter()
            .map(|path| (path.clone(), before(path).unwrap_or_else(|| look(path))))
            .collect();
        self.every = site.outbound.rules_poll;
    }
}

fn look(path: &Path) -> Look {
    let data = fs::metadata(path).ok()?;
    Some((data.len(), data.modified().ok()?))
}
