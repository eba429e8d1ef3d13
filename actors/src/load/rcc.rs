//! `[rcc]`.

use ringpost::{
    settings::{Delegate, Rcc},
    sip::session_timer::FLOOR,
};

use super::{raw::Raw, section::Section};

/// Reads `[rcc]`; `None` after a problem. `trunks` are the site's, by name.
pub fn rcc(mut section: Section<'_>, trunks: &[&str]) -> Option<Rcc> {
    let enabled = section.required("enabled", Raw::flag);
    let session = section.required("session", |raw| match raw.duration()?.as_secs() {
        seconds if seconds < u64::from(FLOOR) => Err("a session lasts 90 s at least (RFC 4028)".to_owned()),
        seconds => Ok(u32::try_from(seconds).unwrap_or(u32::MAX)),
    });
    let most = section.required("max_dialogs", |raw| raw.count(1..=1_000_000));
    let per_user = section.required("max_user_dialogs", |raw| raw.count(1..=1_000));
    let trunks = section.list("trunks", |raw| match raw.text()? {
        name if trunks.contains(&name) => Ok(name.to_owned()),
        name => Err(format!("there is no trunk {name:?}")),
    });
    let delegates = section.tables("delegate").into_iter().filter_map(delegate).collect();
    section.end();
    Some(Rcc {
        enabled: enabled?,
        session: session?,
        most: usize::try_from(most?).ok()?,
        per_user: usize::try_from(per_user?).ok()?,
        trunks,
        delegates,
    })
}

fn delegate(mut section: Section<'_>) -> Option<Delegate> {
    let user = section.required("user", |raw| raw.text().map(str::to_owned));
    let lines = section.at_least_one("lines", |raw| raw.text().map(str::to_owned));
    section.end();
    Some(Delegate { user: user?, lines })
}
