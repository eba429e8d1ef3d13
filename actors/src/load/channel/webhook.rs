//! The keys of `kind = "webhook"`. No message repeats the URL: somebody may have put a password into it.

use std::{fs, time::Duration};

use ringpost::{
    notify::webhook::{Body, Template},
    settings::{ChannelKind, Secret, Webhook},
};
use url::Url;

use crate::load::{mail::password_file, raw::Raw, section::Section};

/// How long a request may take where the site says nothing.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the keys; `None` after a problem.
pub fn webhook(section: &mut Section<'_>) -> Option<ChannelKind> {
    let url = section.required("url", url);
    let secret = secret(section, "secret", "secret_file");
    let token = secret_or_problem(section);
    let ca = section.optional("ca", |raw| {
        let path = raw.path()?;
        crate::channel::http::Http::new(Some(&path)).map_err(|error| error.to_string())?;
        Ok(path)
    });
    let timeout = section.optional("timeout", Raw::duration);
    let template = template(section);
    let (url, secret, token, template) = (url?, secret?, token?, template?);
    if token.is_some() && url.scheme() == "http" {
        section.refuse("url", "a token needs https://");
        return None;
    }
    Some(ChannelKind::Webhook(Box::new(Webhook {
        url: url.into(),
        secret,
        token,
        ca,
        timeout: timeout.unwrap_or(TIMEOUT),
        template,
    })))
}

fn url(raw: &Raw<'_>) -> Result<Url, String> {
    const WANTED: &str = "wants \"https://host/path\" or \"http://host/path\"";
    let url = Url::parse(raw.text()?).map_err(|_| WANTED)?;
    match (url.scheme(), url.host_str()) {
        _ if url.password().is_some() || !url.username().is_empty() => {
            Err("a password does not belong into the URL: use token_file".to_owned())
        }
        ("http" | "https", Some(_)) => Ok(url),
        _ => Err(WANTED.to_owned()),
    }
}

/// A secret from the environment or a file: `Some(None)` where there is none, `None` after a problem.
fn secret(section: &mut Section<'_>, key: &'static str, file: &'static str) -> Option<Option<Secret>> {
    let variable = section.variable(key);
    let given = section.has(key) || section.has(file);
    let in_file = section.optional(file, password_file);
    let plain = section.optional(key, |raw| match raw.is_from_environment() {
        true => raw.text().map(|text| Secret(text.to_owned())),
        false => Err(format!("does not belong into the file: use {file} or {variable}")),
    });
    let secret = plain.or(in_file);
    (secret.is_some() || !given).then_some(secret)
}

fn secret_or_problem(section: &mut Section<'_>) -> Option<Option<(String, Secret)>> {
    let token = secret(section, "token", "token_file");
    let header = section.optional("token_header", |raw| {
        let name = raw.text()?;
        let legal = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        if name.bytes().all(legal) { Ok(name.to_owned()) } else { Err("is no name of a header".to_owned()) }
    });
    let token = token?;
    if token
        .as_ref()
        .is_some_and(|token| !token.0.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' '))
    {
        section.refuse(
            if section.has("token") { "token" } else { "token_file" },
            "holds what no header may hold",
        );
        return None;
    }
    Some(token.map(|token| match header {
        Some(header) => (header, token),
        None => ("Authorization".to_owned(), Secret(format!("Bearer {}", token.0))),
    }))
}

fn template(section: &mut Section<'_>) -> Option<Option<(String, Template)>> {
    let content_type = section.optional("content_type", |raw| {
        let text = raw.text()?;
        let body = Body::of(text).ok_or(
            "wants a type of JSON, XML, application/x-www-form-urlencoded or text/plain: values are escaped for it",
        )?;
        Ok((text.to_owned(), body))
    });
    match (section.has("template"), section.has("content_type")) {
        (false, false) => {
            section.knows("template");
            return Some(None);
        }
        (true, true) => {}
        (true, false) => {
            section.refuse("content_type", "is missing: the template's values are escaped for it")
        }
        (false, true) => {
            section.refuse("template", "is missing: without one the body is a CloudEvents event")
        }
    }
    let template = section.optional("template", |raw| {
        let path = raw.path()?;
        let source = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        content_type.as_ref().map(|(_, body)| Template::new(source, *body)).transpose()
    });
    Some(Some((content_type?.0, template??)))
}
