//! The whole main job on this machine alone, for a first look.

use std::path::PathBuf;

use crate::stage::StartError;

/// Runs the demonstration; what it writes goes to `dir`, or to a new temporary folder.
///
/// # Errors
/// Why it did not start, or what did not happen.
pub fn run(_dir: Option<PathBuf>) -> Result<(), StartError> {
    Err(StartError::Config("the demo is not wired yet".into()))
}
