//! `[directory]`: whom LDAP servers know, and who of them is a user.

mod server;
mod users;

use ringpost::{
    directory::{
        ldap::{
            Attributes, Filter, Meaning, Profile,
            filter::{is_description, is_filter},
        },
        template::Template,
    },
    settings::{DirectoryUm, Ldap, Store, Transport},
};

use super::{raw::Raw, section::Section, user::Around};
pub use users::has_users;

/// Reads `[directory]`; `None` without servers, and after a problem.
pub fn directory(mut section: Section<'_>, around: &Around<'_>, store: Option<&Store>) -> Option<Ldap> {
    let servers = server::servers(&mut section);
    let bind = server::bind(&mut section);
    let pace = server::pace(&mut section);
    let talk = server::talk(&mut section);
    let ca = section.optional("ca", server::ca);
    let snapshot = section.optional("snapshot", Raw::path);
    let bases = section.list("bases", |raw| dn(raw));
    let configuration = section.optional("configuration", dn);
    let profile = section.required("profile", profile);
    let filter = section.optional("filter", filter);
    let last_digits = section.required("last_digits", last_digits);
    let um = section.table("um").and_then(um);
    let own = section.table("attributes");
    let users = section.table("users").map(|table| users::users(table, around));
    let mut attributes = Attributes::of(profile.unwrap_or_default());
    if let Some(own) = own {
        attributes = with_own(own, attributes);
    }
    if !servers.is_empty() && bases.is_empty() && !section.has_entries("bases") {
        section.refuse("bases", "are none: persons are looked for below them");
    }
    section.end();
    // A table of users with a problem has said so.
    let users = match users {
        Some(users) => Some(users?),
        None => None,
    };
    let further = users.iter().flat_map(|users| {
        let templates = users.devices.iter().chain(&users.address);
        templates.flat_map(Template::attributes).chain(users.only.iter().map(|(name, _)| name.as_str()))
    });
    attributes.further = further.map(str::to_owned).collect();
    let (profile, (timeout, page, poll, full)) = (profile?, pace?);
    let beside =
        store.and_then(|store| store.path.as_ref()?.parent().map(|folder| folder.join("directory.snapshot")));
    let ldap = Ldap {
        bind: bind?,
        ca,
        timeout,
        talk: talk?,
        page,
        poll,
        full,
        snapshot: snapshot.or(beside).unwrap_or_else(|| "directory.snapshot".into()),
        bases,
        configuration,
        filter: filter.unwrap_or_else(|| Filter::Written(profile.persons().to_owned())),
        profile,
        attributes,
        last_digits: last_digits?,
        um: um?,
        users,
        servers,
    };
    (!ldap.servers.is_empty()).then_some(ldap)
}

fn profile(raw: &Raw<'_>) -> Result<Profile, String> {
    let name = raw.text()?;
    Profile::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, profile)| profile).ok_or_else(|| {
        let known: Vec<_> = Profile::ALL.iter().map(|(name, _)| format!("{name:?}")).collect();
        format!("wants one of {}, not {name:?}", known.join(", "))
    })
}

fn filter(raw: &Raw<'_>) -> Result<Filter, String> {
    match raw.text()? {
        text if is_filter(text) => Ok(Filter::Written(text.to_owned())),
        _ => Err("wants a search filter such as \"(objectClass=user)\" (RFC 4515)".to_owned()),
    }
}

/// A distinguished name, by its form.
fn dn(raw: &Raw<'_>) -> Result<String, String> {
    match raw.text()? {
        text if text.contains('=') => Ok(text.to_owned()),
        _ => Err("wants a distinguished name such as \"ou=Users,dc=example,dc=com\"".to_owned()),
    }
}

fn last_digits(raw: &Raw<'_>) -> Result<usize, String> {
    match raw.count(0..=15)? {
        1..=3 => Err("wants 0 or a number from 4 to 15: fewer digits would name the wrong people".to_owned()),
        count => Ok(usize::try_from(count).expect("read within bounds")),
    }
}

fn um(mut section: Section<'_>) -> Option<DirectoryUm> {
    let transport = section.required("transport", |raw| match raw.text()? {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => Ok(Transport::Tls),
        other => Err(format!("wants \"udp\", \"tcp\" or \"tls\", not {other:?}")),
    });
    let port = section.optional("port", |raw| {
        let port = raw.count(1..=65_535)?;
        u16::try_from(port).map_err(|_| "is no port".to_owned())
    });
    let highest_version = section.required("highest_version", Raw::flag);
    section.end();
    let transport = transport?;
    let usual = if transport.is_secure() { 5061 } else { 5060 };
    Some(DirectoryUm { transport, port: port.unwrap_or(usual), highest_version: highest_version? })
}

/// The site's own names of attributes over those of the profile; an empty list: the directory does not say it.
fn with_own(mut section: Section<'_>, mut attributes: Attributes) -> Attributes {
    for (key, meaning) in Meaning::ALL {
        if section.has(key) {
            let names = section.list(key, |raw| {
                let name = raw.text()?;
                is_description(name)
                    .then(|| name.to_owned())
                    .ok_or_else(|| format!("{name:?} names no attribute"))
            });
            if names.is_empty() && matches!(meaning, Meaning::Id | Meaning::Changed) {
                section.refuse(key, "needs an attribute");
            }
            attributes = attributes.with(meaning, names);
        } else {
            section.knows(key);
        }
    }
    section.end();
    attributes
}
