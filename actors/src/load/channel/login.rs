//! A user name and a password that is never in the site file.

use ringpost::settings::Secret;

use crate::load::raw::Raw;

/// A secret of the environment; one of the file is refused without being repeated.
pub fn secret(raw: &Raw<'_>, instead: &str) -> Result<Secret, String> {
    match raw.is_from_environment() {
        true => raw.text().map(|secret| Secret(secret.to_owned())),
        false => Err(format!("does not belong into the file: use {instead} or the environment")),
    }
}
