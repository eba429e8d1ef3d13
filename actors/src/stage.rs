//! The only place where actors are wired together.

use std::path::PathBuf;

use ringpost::settings::Site;

/// Why Ringpost did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration or what it names cannot be used: a port is taken, the store cannot be written. Exit 64.
    #[error("{0}")]
    Config(String),
    /// The system failed while Ringpost ran. Exit 1.
    #[error("{doing}: {source}")]
    Io {
        /// What Ringpost was doing.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// This build cannot do it. Exit 1.
    #[error("not built yet: {0}")]
    NotBuilt(&'static str),
}

/// Runs `site` until a signal ends it; `site_file` is read again on SIGHUP.
///
/// # Errors
/// Why it did not start, or had to stop.
pub fn run(_site: Site, _site_file: PathBuf) -> Result<(), StartError> {
    Err(StartError::NotBuilt("serve"))
}
