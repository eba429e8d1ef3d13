//! A user name and a password that is never in the site file.

use ringpost::settings::Secret;

use crate::load::{mail::password_file, raw::Raw, section::Section};

/// The keys.
pub const KEYS: [&str; 3] = ["user", "password_file", "password"];

/// `user`, and `password_file` or the environment's `password`; `None` after a problem.
pub fn login(section: &mut Section<'_>) -> Option<(String, Secret)> {
    let user = section.required("user", |raw| {
        let user = raw.text()?;
        match user.chars().any(char::is_control) {
            true => Err("holds a control character".to_owned()),
            false => Ok(user.to_owned()),
        }
    });
    let in_file = section.optional("password_file", password_file);
    let password = section.optional("password", |raw| secret(raw, "password_file"));
    if !section.has("password") && !section.has("password_file") {
        section.refuse("password_file", "is missing: the user needs a password");
    }
    Some((user?, password.or(in_file)?))
}

/// A secret of the environment; one of the file is refused without being repeated.
pub fn secret(raw: &Raw<'_>, instead: &str) -> Result<Secret, String> {
    match raw.is_from_environment() {
        true => raw.text().map(|secret| Secret(secret.to_owned())),
        false => Err(format!("does not belong into the file: use {instead} or the environment")),
    }
}
