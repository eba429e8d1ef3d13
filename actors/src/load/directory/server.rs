//! The servers of `[directory]`, who asks them, and how often.

use std::{path::PathBuf, time::Duration};

use ringpost::settings::{LdapBind, LdapServer, LdapStrategy, LdapTalk, LdapTls, PASSWORD_REST, Secret};
use url::{Host, Url};

use crate::load::{mail::password_file, raw::Raw, section::Section, uri};

const WANTED: &str = "wants \"ldap://host[:port]\" or \"ldaps://host[:port]\"";

/// Reads `servers`.
pub fn servers(section: &mut Section<'_>) -> Vec<LdapServer> {
    section.list("servers", server)
}

fn server(raw: &Raw<'_>) -> Result<LdapServer, String> {
    let url = Url::parse(raw.text()?).map_err(|_| WANTED)?;
    let host = match url.host().ok_or(WANTED)? {
        // A scheme that browsers do not know keeps its addresses as names.
        Host::Domain(name) => name.to_ascii_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let bare = ["", "/"].contains(&url.path()) && url.username().is_empty() && url.password().is_none();
    if !bare || host.is_empty() || url.fragment().is_some() {
        return Err(WANTED.to_owned());
    }
    let (tls, port) = match (url.scheme(), url.query()) {
        ("ldaps", None) => (LdapTls::Implicit, 636),
        ("ldap", None | Some("starttls=required")) => (LdapTls::Start, 389),
        // Whoever listens on the way would read who everybody is, and a password.
        ("ldap", Some("starttls=never")) if !is_loopback(&host) => {
            return Err("starttls=never is for loopback: leave it out, or take ldaps://".to_owned());
        }
        ("ldap", Some("starttls=never")) => (LdapTls::Never, 389),
        ("ldap", Some(_)) => return Err("starttls is required or never".to_owned()),
        _ => return Err(WANTED.to_owned()),
    };
    match url.port() {
        Some(0) => Err("port 0 is no port".to_owned()),
        given => Ok(LdapServer { host, port: given.unwrap_or(port), tls }),
    }
}

/// Reads who asks; `None` after a problem.
pub fn bind(section: &mut Section<'_>) -> Option<LdapBind> {
    let name = section.optional("bind_name", |raw| match raw.text()? {
        "" => Err("is empty".to_owned()),
        name => Ok(name.to_owned()),
    });
    let variable = section.variable("password");
    let from_file = section.optional("password_file", password_file);
    let password = section.optional("password", |raw| match raw.is_from_environment() {
        // RFC 4513 §5.1.2: a login with a name and an empty password is none, and some servers say that it went well.
        true if raw.text()?.is_empty() => Err("is empty".to_owned()),
        true => raw.text().map(|password| Secret(password.to_owned())),
        false => Err(format!("does not belong into the file: use password_file or {variable}")),
    });
    let gssapi = section.required("gssapi", Raw::flag);
    let given = section.has("password") || section.has("password_file");
    match (section.has("bind_name"), given, gssapi?) {
        (false, false, true) if !cfg!(feature = "gssapi") => {
            let instead = "build it with --features gssapi, or take bind_name and password_file";
            section.refuse("gssapi", format!("this Ringpost was built without Kerberos: {instead}"));
            None
        }
        (false, false, true) => Some(LdapBind::Gssapi),
        (_, _, true) => {
            section.refuse("gssapi", "stands beside a bind_name or a password: one of them is enough");
            None
        }
        (false, false, false) => Some(LdapBind::Anonymous),
        (true, false, false) => {
            section.refuse("bind_name", "needs a password_file or a password");
            None
        }
        (false, true, false) => {
            section.refuse("bind_name", "is missing: whose is the password?");
            None
        }
        (true, true, false) => Some(LdapBind::Simple(name?, password.or(from_file)?)),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Reads `timeout`, `page`, `poll` and `full`.
pub fn pace(section: &mut Section<'_>) -> Option<(Duration, u32, Duration, Duration)> {
    let timeout = section.required("timeout", Raw::duration);
    let page = section.required("page", |raw| raw.count(0..=10_000));
    let poll = section.required("poll", Raw::duration);
    let full = section.required("full", Raw::duration);
    let page = u32::try_from(page?).expect("read within bounds");
    Some((timeout?, page, poll?, full?))
}

/// Reads `ca`.
pub fn ca(raw: &Raw<'_>) -> Result<PathBuf, String> {
    let path = raw.path()?;
    crate::channel::http::Http::new(Some(&path)).map_err(|error| error.to_string())?;
    Ok(path)
}

/// Reads how the servers are spoken with; `None` after a problem.
pub fn talk(section: &mut Section<'_>) -> Option<LdapTalk> {
    let strategy = section.required("strategy", |raw| match raw.text()? {
        "order" => Ok(LdapStrategy::Order),
        "round-robin" => Ok(LdapStrategy::RoundRobin),
        other => Err(format!("wants \"order\" or \"round-robin\", not {other:?}")),
    });
    let referrals = section.list("referrals", |raw| match raw.text()?.to_ascii_lowercase() {
        host if uri::is_host(&host) => Ok(host.trim_matches(['[', ']']).to_owned()),
        other => Err(format!("wants the name of a host, not {other:?}")),
    });
    let connect_timeout = section.required("connect_timeout", Raw::duration);
    let overlap = section.required("overlap", Raw::duration_or_zero);
    let max_entries = section.required("max_entries", |raw| raw.count(1..=50_000_000));
    let max_message = section.required("max_message", |raw| raw.size(65_536..=1 << 30));
    let max_answer = section.required("max_answer", |raw| raw.size(65_536..=4 << 30));
    let failures = section.required("failures", |raw| raw.count(1..=100));
    let password_rest = section.optional("password_rest", Raw::duration);
    if max_answer.is_some() && max_answer < max_message {
        section.refuse("max_answer", "must not be smaller than max_message");
    }
    Some(LdapTalk {
        strategy: strategy?,
        referrals,
        connect_timeout: connect_timeout?,
        overlap: overlap?,
        max_entries: usize::try_from(max_entries?).ok()?,
        max_message: max_message?,
        max_answer: max_answer?,
        failures: u32::try_from(failures?).ok()?,
        password_rest: password_rest.unwrap_or(PASSWORD_REST),
    })
}
