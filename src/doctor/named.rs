//! Users and trunks that tables of the site name and that there are not: most likely mistyped, and silently nobody.

use crate::{
    directory::Directory,
    settings::{Seen, Site},
};

/// Each key of presence and remote call control with a name that is nobody's, in the order of the site's tables.
///
/// The directory's users, where the site has one, are known to a Ringpost that runs alone: only trunks are looked for then.
pub fn nobody(site: &Site) -> Vec<(String, String)> {
    let directory = Directory::of(site.clone());
    let is_trunk = |name: &str| site.trunks.iter().any(|trunk| *trunk.name == *name);
    let is_known = |name: &str| match name.strip_prefix("trunk:") {
        Some(trunk) => is_trunk(trunk),
        None => {
            // People elsewhere may be named, too.
            let host = name.rsplit_once('@').map(|(_, host)| host.split([';', ':']).next().unwrap_or(""));
            let foreign = host.is_some_and(|host| !host.eq_ignore_ascii_case(&site.sip.domain));
            foreign
                || site.ldap.as_ref().is_some_and(|ldap| ldap.users.is_some())
                || directory.of_uri_or_number(name).is_some()
        }
    };
    let named = named(site).into_iter();
    named.filter(|(_, name)| !is_known(name)).map(|(key, name)| (key, name.to_owned())).collect()
}

/// Whoever is named, and where.
fn named(site: &Site) -> Vec<(String, &str)> {
    let mut all: Vec<(String, &str)> = vec![];
    let presence = &site.presence;
    seen(&mut all, "presence", &presence.seen);
    for user in &site.users {
        seen(&mut all, &format!("user {} presence", user.address), &user.presence);
    }
    for list in &presence.lists {
        put(&mut all, &format!("presence.list {} members", list.address), &list.members);
    }
    for one in &presence.connectors {
        put(&mut all, &format!("presence.connector {} users", one.name), one.users.iter().flatten());
    }
    for one in &presence.publish {
        put(&mut all, &format!("presence.publish.{}.users", one.name), one.users.iter().flatten());
    }
    for one in &presence.calendars {
        put(&mut all, &format!("presence.calendar.{}.users", one.name), one.users.iter().flatten());
    }
    for one in &site.rcc.delegates {
        put(&mut all, "rcc.delegate.user", [&one.user]);
        put(&mut all, "rcc.delegate.lines", &one.lines);
    }
    for one in &site.rcc.gateways {
        put(&mut all, &format!("rcc.gateway.{}.users", one.name), one.users.iter().flatten());
    }
    all
}

fn seen<'s>(all: &mut Vec<(String, &'s str)>, table: &str, seen: &'s Seen) {
    for (name, access) in &seen.named {
        all.push((format!("{table}.{}", access.name()), name));
    }
}

fn put<'s>(all: &mut Vec<(String, &'s str)>, key: &str, names: impl IntoIterator<Item = &'s String>) {
    all.extend(names.into_iter().map(|name| (key.to_owned(), name.as_str())));
}

/// Tables that do nothing, since `[presence]` is off.
pub fn idle(site: &Site) -> Vec<&'static str> {
    let presence = &site.presence;
    let tables = [
        ("[[presence.list]]", presence.lists.is_empty()),
        ("[[presence.connector]]", presence.connectors.is_empty()),
        ("[presence.publish.NAME]", presence.publish.is_empty()),
        ("[presence.calendar.NAME]", presence.calendars.is_empty()),
    ];
    tables.into_iter().filter(|(_, none)| !presence.enabled && !none).map(|(table, _)| table).collect()
}
