//! The store, its folder, the folder of recordings and Maildirs. A file of a few octets is written and removed again.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    Ward,
    chain::{Chain, End, Sheet, beside},
};
use crate::store::{OpenError, Sqlite};

/// A caller waits for a notice to be on the disk for two seconds at most: a sync that takes half of that is slow ...
const SLOW: Duration = Duration::from_secs(1);
/// ... unless one of so many is quick: a disk may be busy for a moment.
const SYNCS: usize = 3;
/// Less free space than this is little: an hour of recordings.
const LITTLE: u64 = 500 << 20;
/// And with less the store will soon refuse notices.
const NOTHING: u64 = 20 << 20;

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let Some(path) = ward.site.store.path.clone() else {
        return vec![Chain::one("store.folder", |sheet| async move {
            let remedy = "Name a file in [store] path, unless this is a test.".to_owned();
            sheet.warns("the store is in memory: a restart loses every notice", remedy);
            Some(())
        })];
    };
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(".".into(), Path::to_owned);
    vec![
        Chain::new(["store.folder".to_owned(), "store.space".to_owned()], {
            let folder = folder.clone();
            move |sheet| async move {
                writable(&sheet, &folder, "[store] path").await?;
                space(&sheet, &folder).await
            }
        }),
        Chain::one("store.schema", move |sheet| async move { schema(&sheet, path).await }),
    ]
}

/// A Maildir channel.
pub fn maildir(channel: &str, path: &Path) -> Chain {
    let (path, key) = (path.to_owned(), format!("the url or path of {channel}"));
    Chain::one(&format!("channel.{channel}.folder"), move |sheet| async move {
        writable(&sheet, &path, &key).await
    })
}

/// Whether this user can make a file there that survives a power cut; a folder that Ringpost makes at its start may be missing.
pub async fn writable(sheet: &Sheet, folder: &Path, key: &str) -> End {
    let (there, shown) = (nearest(folder), folder.display().to_string());
    let is_missing = there != folder;
    let owner = fs::metadata(&there).map(|data| data.uid()).ok();
    let (user, place) = (rustix::process::geteuid().as_raw(), there.clone());
    let remedy = || {
        format!(
            "Make {shown} and give Ringpost's user the right to write it, or name another folder in {key}."
        )
    };
    match beside(move || tried(&place)).await {
        Err(error) => sheet.failed(&format!("{} cannot be written: {error}", there.display()), remedy()),
        Ok(time) if time > SLOW => {
            let remedy = "Put it on a disk of its own, or one with a write cache that survives a power cut."
                .to_owned();
            sheet.warns(&format!("{shown} can be written, and a sync takes {time:?}"), remedy);
            Some(())
        }
        Ok(_) if is_missing => {
            sheet.ok(&format!("{shown} is made when it is needed"));
            Some(())
        }
        Ok(_) if user == 0 && owner.is_some_and(|owner| owner != 0) => {
            let remedy =
                "Run the doctor as the user that Ringpost runs as: root may write what that one may not.";
            sheet.note(
                &format!("{shown} belongs to user {}", owner.unwrap_or_default()),
                Some(remedy.to_owned()),
            );
            Some(())
        }
        Ok(_) => {
            sheet.ok(&format!("{shown} can be written and synced"));
            Some(())
        }
    }
}

/// The folder, or the nearest one above it that is there.
fn nearest(folder: &Path) -> PathBuf {
    let found = folder.ancestors().find(|one| one.exists());
    found.filter(|one| !one.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// How long a small file takes to be on the disk.
fn tried(folder: &Path) -> io::Result<Duration> {
    let mut file = tempfile::Builder::new().prefix(".ringpost-doctor-").tempfile_in(folder)?;
    let mut quickest = Duration::MAX;
    for _ in 0..SYNCS {
        let since = Instant::now();
        file.write_all(b"ringpost doctor")?;
        file.as_file().sync_all()?;
        File::open(folder)?.sync_all()?;
        quickest = quickest.min(since.elapsed());
        if quickest <= SLOW {
            break;
        }
    }
    file.close()?;
    Ok(quickest)
}

async fn space(sheet: &Sheet, folder: &Path) -> End {
    let folder = nearest(folder);
    let asked = beside(move || rustix::fs::statvfs(&folder)).await;
    let remedy = || "Make room, or shorten [retention].".to_owned();
    match asked.map(|found| found.f_bavail.saturating_mul(found.f_frsize)) {
        Err(error) => sheet.skips(&format!("the system does not say: {error}")),
        Ok(free) if free < NOTHING => return sheet.failed(&format!("{} MiB are free", free >> 20), remedy()),
        Ok(free) if free < LITTLE => sheet.warns(&format!("{} MiB are free", free >> 20), remedy()),
        Ok(free) if free >> 30 > 9 => sheet.ok(&format!("{} GiB are free", free >> 30)),
        Ok(free) => sheet.ok(&format!("{} MiB are free", free >> 20)),
    }
    Some(())
}

async fn schema(sheet: &Sheet, path: PathBuf) -> End {
    let (shown, there) = (path.display().to_string(), path.exists());
    if !there {
        sheet.ok(&format!("{shown} is made at the first start"));
        return Some(());
    }
    let read = beside(move || {
        let store = Sqlite::view(&path)?;
        store.schema().map_err(|source| OpenError::Other { path: path.display().to_string(), source })
    });
    match read.await {
        Err(error) => {
            let remedy = "Name the right file in [store] path, run as Ringpost's user, or restore a backup."
                .to_owned();
            sheet.failed(&error.to_string(), remedy)
        }
        Ok((0, _)) => {
            sheet.ok(&format!("{shown} is empty, and begun at the first start"));
            Some(())
        }
        Ok((found, known)) if found < known => {
            let remedy =
                Some("Copy the file before you start this version: there is no way back.".to_owned());
            sheet.note(&format!("schema {found}; the next start takes it to {known}"), remedy);
            Some(())
        }
        Ok((found, _)) => {
            sheet.ok(&format!("{shown} can be read, schema {found}"));
            Some(())
        }
    }
}
