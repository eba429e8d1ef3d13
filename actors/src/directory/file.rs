//! The snapshot of a mirror on the disk: replaced as a whole, or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::SystemTime,
};

use jiff::Timestamp;
use ringpost::directory::people::{
    Roster,
    snapshot::{decode, encode},
};

/// Writes it; after a crash there is the old one or the new one.
///
/// # Errors
/// What the disk says; the old one stays.
pub fn save(path: &Path, roster: &Roster) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let next = folder.join(name);
    // What a run that was cut off has left, or somebody else has put there, keeps its own rights.
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // It tells who somebody is, and perhaps by which password a phone proves that.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
    file.write_all(&encode(roster))?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    File::open(folder)?.sync_all()
}

/// Notes that it is still right.
///
/// # Errors
/// What the disk says.
pub fn confirm(path: &Path) -> io::Result<()> {
    File::options().write(true).open(path)?.set_modified(SystemTime::now())
}

/// Reads it, and when it was right last; `None`: there is none.
///
/// # Errors
/// Why it cannot be used.
pub fn load(path: &Path) -> Result<Option<(Roster, Timestamp)>, String> {
    let octets = match fs::read(path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let roster = decode(octets.into()).map_err(|error| error.to_string())?;
    let modified = fs::metadata(path).and_then(|about| about.modified());
    let at = modified.ok().and_then(|at| Timestamp::try_from(at).ok());
    Ok(Some((roster, at.unwrap_or(Timestamp::UNIX_EPOCH))))
}
