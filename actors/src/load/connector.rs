//! `[[presence.connector]]`.

use std::{collections::HashSet, time::Duration};

use ringpost::{
    presence::{subscription::Package, watching::connector::Lists},
    settings::PresenceConnector,
};

use super::{
    raw::Raw,
    section::Section,
    trunk::{login, one_of},
    uri,
};

/// Reads every connector; `domain` is the site's.
pub fn connectors(sections: Vec<Section<'_>>, domain: &str) -> Vec<PresenceConnector> {
    let mut names = HashSet::new();
    sections.into_iter().filter_map(|section| connector(section, domain, &mut names)).collect()
}

fn connector(mut section: Section<'_>, own: &str, names: &mut HashSet<String>) -> Option<PresenceConnector> {
    let name = section.required("name", |raw| match raw.text()? {
        name if names.insert(name.to_owned()) => Ok(name.to_owned()),
        name => Err(format!("there is another connector {name:?}")),
    });
    let enabled = section.optional("enabled", Raw::flag).unwrap_or(true);
    let transport =
        section.optional("transport", |raw| one_of(raw, &[("udp", "udp"), ("tcp", "tcp"), ("tls", "tls")]));
    let server = section.required("server", |raw| place(raw.text()?));
    let host = server.as_ref().map_or("", |(_, host)| host).to_owned();
    let domain = section.optional("domain", a_host).unwrap_or_else(|| host.clone());
    let login = login(&mut section, &domain);
    let uri = section.optional("uri", |raw| match uri::sip(raw.text()?)?.user {
        Some(_) => raw.text().map(str::to_owned),
        None => Err("wants a URI with a user part".to_owned()),
    });
    let packages = [("presence", Some(Package::Presence)), ("dialog", Some(Package::Dialog)), ("none", None)];
    let telephony = section.optional("telephony", |raw| one_of(raw, &packages));
    let telephony = telephony.unwrap_or(Some(Package::Presence));
    let rich = section.optional("rich", Raw::flag).unwrap_or(false);
    let messages = section.optional("messages", Raw::flag).unwrap_or(false);
    let listed = section.has("users");
    let users = section.list("users", |raw| raw.text().map(str::to_owned));
    let domains = section.list("domains", |raw| match a_host(raw)? {
        own_domain if own_domain.eq_ignore_ascii_case(own) => {
            Err("is the domain of this site: its users are known here".to_owned())
        }
        host => Ok(host),
    });
    if telephony.is_none() && !rich && !messages && domains.is_empty() {
        section.refuse("telephony", "without rich, messages and domains there is nothing to ask for");
    }
    let preferred = section.optional("preferred", Raw::flag).unwrap_or(false);
    let pilots = section.list("pilots", |raw| raw.text().map(str::to_owned));
    let lists = lists(&mut section);
    let expires = section.optional("expires", |raw| at_least(raw, Duration::from_secs(5)));
    let keep_alive = section.optional("keep_alive", |raw| at_least(raw, Duration::from_secs(1)));
    let recheck = section.optional("recheck", |raw| at_least(raw, Duration::from_secs(1)));
    let at_once = section.optional("at_once", |raw| raw.count(1..=1_000));
    let per_second = section.optional("per_second", |raw| raw.count(1..=10_000));
    let most = section.optional("max_users", |raw| raw.count(1..=1_000_000));
    section.end();
    let (server, _) = server?;
    Some(PresenceConnector {
        name: name?,
        enabled,
        target: match transport {
            Some(transport) => format!("sip:{server};transport={transport}"),
            None => format!("sip:{server};transport=udp"),
        },
        uri: uri.unwrap_or_else(|| format!("sip:ringpost@{own}")),
        domain,
        login: login?,
        telephony,
        rich,
        messages,
        users: listed.then_some(users),
        domains,
        preferred,
        pilots,
        lists: lists?,
        expires: expires.unwrap_or(Duration::from_secs(600)),
        keep_alive: keep_alive.unwrap_or(Duration::from_secs(5)),
        recheck: recheck.unwrap_or(Duration::from_secs(600)),
        at_once: usize::try_from(at_once.unwrap_or(16)).ok()?,
        per_second: u32::try_from(per_second.unwrap_or(200)).ok()?,
        most: usize::try_from(most.unwrap_or(20_000)).ok()?,
    })
}

fn lists(section: &mut Section<'_>) -> Option<Lists> {
    let kind = section.optional("lists", |raw| one_of(raw, &[("none", 0), ("server", 1), ("request", 2)]));
    let list = section.optional("list", |raw| uri::sip(raw.text()?).and_then(|_| raw.text().map(Into::into)));
    let most = section.optional("max_list", |raw| raw.count(1..=10_000)).unwrap_or(200);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    match (kind.unwrap_or(0), list) {
        (0, None) => Some(Lists::None),
        (0, Some(_)) => {
            section.refuse("list", "means nothing without lists");
            None
        }
        (1, Some(list)) => Some(Lists::Server(list)),
        (_, Some(list)) => Some(Lists::Request(list, most)),
        (_, None) => {
            if !section.has("list") {
                section.refuse("list", "is missing: the URI of the list, or of the server of lists");
            }
            None
        }
    }
}

/// `host` or `host:port`, and the host.
fn place(text: &str) -> Result<(String, String), String> {
    let wanted =
        || "wants a host, or host:port, such as \"192.0.2.10:5060\" or \"pbx.example.com\"".to_owned();
    match uri::sip(&format!("sip:{text}")) {
        Ok(uri) if !text.contains(['@', ';']) => Ok((text.to_owned(), uri.host)),
        _ => Err(wanted()),
    }
}

fn a_host(raw: &Raw<'_>) -> Result<String, String> {
    match uri::is_host(raw.text()?) {
        true => Ok(raw.text()?.to_ascii_lowercase()),
        false => Err("wants a host name such as \"pbx.example.com\"".to_owned()),
    }
}

fn at_least(raw: &Raw<'_>, least: Duration) -> Result<Duration, String> {
    match raw.duration()? {
        short if short < least => Err(format!("must be {} s or longer", least.as_secs())),
        time => Ok(time),
    }
}
