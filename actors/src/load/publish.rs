//! `[presence.publish.NAME]`.

use std::time::Duration;

use ringpost::{
    presence::{Access, Sight, subscription::Package},
    settings::PublishServer,
};

use super::{
    raw::Raw,
    section::Section,
    trunk::{login, one_of, target},
};

/// Reads every presence server.
pub fn servers(section: Option<Section<'_>>) -> Vec<PublishServer> {
    let named = section.map(Section::named).unwrap_or_default();
    named.into_iter().filter_map(|(name, section)| server(name, section)).collect()
}

fn server(name: String, mut section: Section<'_>) -> Option<PublishServer> {
    let server = section.required("server", target);
    let login = login(&mut section, server.as_ref().map_or("", |(_, host)| host));
    let listed = section.has("users");
    let users = section.list("users", |raw| raw.text().map(str::to_owned));
    let mut packages =
        section.list("packages", |raw| one_of(raw, &Package::ALL.map(|one| (one.name(), one))));
    packages.dedup();
    if packages.is_empty() {
        packages.push(Package::Presence);
    }
    let access = section
        .optional("access", |raw| one_of(raw, &[Access::Full, Access::Reduced].map(|one| (one.name(), one))));
    let sight = access.and_then(Access::sight).unwrap_or(Sight::Reduced);
    let at_least = |raw: &Raw<'_>, least: Duration| match raw.duration()? {
        short if short < least => Err(format!("must be {} s or longer", least.as_secs())),
        time => Ok(time),
    };
    let expires = section.optional("expires", |raw| at_least(raw, Duration::from_secs(60)));
    let gap = section.optional("publish_gap", Raw::duration_or_zero);
    let keep_alive = section.optional("keep_alive", |raw| at_least(raw, Duration::from_secs(1)));
    let at_once = section.optional("at_once", |raw| raw.count(1..=1_000));
    section.end();
    Some(PublishServer {
        name,
        target: server?.0,
        login: login?,
        users: listed.then_some(users),
        packages,
        sight,
        expires: expires.unwrap_or(Duration::from_secs(600)),
        gap: gap.unwrap_or(Duration::from_millis(500)),
        keep_alive: keep_alive.unwrap_or(Duration::from_secs(2)),
        at_once: usize::try_from(at_once.unwrap_or(16)).ok()?,
    })
}
