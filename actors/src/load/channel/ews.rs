//! `kind = "ews"`.

use std::time::Duration;

use ringpost::settings::{
    Autodiscover, ChannelKind, Ews, EwsAccess, EwsLogin, EwsServer, EwsVersion, PASSWORD_REST, Place,
};

use super::{login, oauth};
use crate::load::{raw::Raw, section::Section, uri, user};

/// What a token is for where the site does not say.
const SCOPE: &str = "https://outlook.office365.com/.default";

#[derive(Clone, Copy, Eq, PartialEq)]
enum Auth {
    Basic,
    Ntlm,
    Token,
}

/// Reads the keys of the kind; `None` after a problem.
pub fn ews(section: &mut Section<'_>) -> Option<ChannelKind> {
    let from = section.required("from", user::mail);
    let server = server(section);
    let auth = section.required("auth", auth);
    let login = match auth {
        Some(Auth::Token) => oauth::oauth(section, SCOPE).map(EwsLogin::OAuth),
        Some(Auth::Basic) => login::login(section).map(|(user, password)| EwsLogin::Basic { user, password }),
        Some(Auth::Ntlm) => login::login(section).map(|(user, password)| EwsLogin::Ntlm { user, password }),
        None => {
            // One problem is enough: which of these keys were right nobody knows.
            login::KEYS.into_iter().chain(oauth::KEYS).for_each(|key| section.knows(key));
            None
        }
    };
    if matches!(&login, Some(EwsLogin::Basic { user, .. }) if user.contains(':')) {
        section.refuse("user", "must not hold a colon with auth = \"basic\" (RFC 7617 §2)");
        return None;
    }
    let access = section.optional("access", access);
    let version = section.optional("server_version", version);
    let ca = section.optional("ca", Raw::path);
    let request_timeout = section.optional("request_timeout", |raw| match raw.duration()? {
        // The outbox cuts a try of several requests off after five minutes.
        long if long > Duration::from_secs(60) => Err("must not be longer than 60s".to_owned()),
        time => Ok(time),
    });
    let password_rest = section.optional("password_rest", Raw::duration);
    Some(ChannelKind::Ews(Ews {
        server: server?,
        login: login?,
        from: from?,
        access: access.unwrap_or(EwsAccess::Impersonation),
        version: version.unwrap_or(EwsVersion::Exchange2010Sp2),
        ca,
        request_timeout: request_timeout.unwrap_or(Duration::from_secs(30)),
        password_rest: password_rest.unwrap_or(PASSWORD_REST),
    }))
}

/// Beside `url` the keys of Autodiscover are unknown, as it would not be asked.
fn server(section: &mut Section<'_>) -> Option<EwsServer> {
    if section.has("url") {
        return section.optional("url", oauth::https).map(EwsServer::Url);
    }
    let order = section.list("autodiscover", place);
    let hosts = section.list("autodiscover_hosts", |raw| match raw.text()? {
        host if uri::is_host(host) => Ok(host.to_owned()),
        _ => Err("wants a host name".to_owned()),
    });
    let keep = section.optional("autodiscover_keep", Raw::duration);
    Some(EwsServer::Autodiscover(Autodiscover {
        order: if order.is_empty() { Place::ALL.to_vec() } else { order },
        hosts,
        keep: keep.unwrap_or(Duration::from_secs(3600)),
        ports: (443, 80),
    }))
}

fn auth(raw: &Raw<'_>) -> Result<Auth, String> {
    match raw.text()? {
        "basic" => Ok(Auth::Basic),
        "ntlm" => Ok(Auth::Ntlm),
        "oauth" => Ok(Auth::Token),
        other => Err(format!("wants \"basic\", \"ntlm\" or \"oauth\", not {other:?}")),
    }
}

fn access(raw: &Raw<'_>) -> Result<EwsAccess, String> {
    match raw.text()? {
        "impersonation" => Ok(EwsAccess::Impersonation),
        "delegate" => Ok(EwsAccess::Delegate),
        other => Err(format!("wants \"impersonation\" or \"delegate\", not {other:?}")),
    }
}

fn version(raw: &Raw<'_>) -> Result<EwsVersion, String> {
    let name = raw.text()?;
    EwsVersion::ALL.into_iter().find(|version| version.name() == name).ok_or_else(|| {
        let names = EwsVersion::ALL.map(|version| format!("{:?}", version.name()));
        format!("wants one of {}, not {name:?}", names.join(", "))
    })
}

fn place(raw: &Raw<'_>) -> Result<Place, String> {
    let name = raw.text()?;
    Place::ALL
        .into_iter()
        .find(|place| place.name() == name)
        .ok_or_else(|| format!("wants \"domain\", \"host\" or \"redirect\", not {name:?}"))
}
