//! `[mail]`. No message of this file repeats the URL: somebody may have put a password into it.

use std::{fs, net::IpAddr};

use percent_encoding::percent_decode_str;
use ringpost::settings::{Mail, MailAuth, MailTls, MailUrl, PASSWORD_REST, Secret};
use url::Url;

use super::{channel::oauth, raw::Raw, section::Section, uri, user};

const WANTED: &str = "wants \"smtp://[user@]host:port\", \"smtps://…\" or \"maildir:PATH\"";

/// What a token is for where the site does not say: SMTP of Exchange Online.
const SCOPE: &str = "https://outlook.office365.com/.default";

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Auth {
    #[default]
    Password,
    XOauth2,
}

/// Reads the keys of `[mail]` and of a channel of kind `smtp`; `None` after a problem.
pub fn mail(section: &mut Section<'_>) -> Option<Mail> {
    let url = section.required("url", mail_url);
    let from = section.required("from", user::mail);
    let mut file = None;
    let password_file = section.optional("password_file", |raw| {
        file = Some(raw.path()?);
        password_file(raw)
    });
    let variable = section.variable("password");
    let password = section.optional("password", |raw| match raw.is_from_environment() {
        true => raw.text().map(|password| Secret(password.to_owned())),
        false => Err(format!("does not belong into the file: use password_file or {variable}")),
    });
    let auth = section.optional("auth", auth).unwrap_or_default();
    let by_token = auth == Auth::XOauth2 && section.has("token_url");
    let oauth = by_token.then(|| oauth::oauth(section, SCOPE));
    let (url, in_url) = url.map_or((None, None), |(url, password)| (Some(url), password));
    let given = section.has("password") || section.has("password_file") || in_url.is_some();
    if by_token && given {
        section.refuse("token_url", "stands beside a password: one of them is enough");
    }
    let url = url.filter(|_| !(by_token && given)).and_then(|url| {
        let url = match by_token {
            true => with_user(url),
            false => with_password(url, password.or(in_url).or(password_file), given),
        };
        url.map_err(|what| section.refuse("url", what)).ok()
    });
    let ca = section.optional("ca", |raw| {
        let path = raw.path()?;
        crate::channel::http::Http::new(Some(&path)).map_err(|error| error.to_string())?;
        Ok(path)
    });
    let password_rest = section.optional("password_rest", Raw::duration);
    let auth = match (auth, oauth) {
        (Auth::Password, _) => MailAuth::Password,
        (Auth::XOauth2, None) => MailAuth::XOauth2 { file },
        (Auth::XOauth2, Some(oauth)) => MailAuth::OAuth(Box::new(oauth?)),
    };
    Some(Mail { url: url?, from: from?, ca, auth, password_rest: password_rest.unwrap_or(PASSWORD_REST) })
}

fn auth(raw: &Raw<'_>) -> Result<Auth, String> {
    match raw.text()? {
        "password" => Ok(Auth::Password),
        "xoauth2" => Ok(Auth::XOauth2),
        other => Err(format!("wants \"password\" or \"xoauth2\", not {other:?}")),
    }
}

/// The URL with its user name alone, and the password if it came with it from the environment.
fn mail_url(raw: &Raw<'_>) -> Result<(MailUrl, Option<Secret>), String> {
    let text = raw.text()?;
    if let Some(path) = text.strip_prefix("maildir:") {
        return match path.trim() {
            "" => Err("maildir: wants a path".to_owned()),
            path => Ok((MailUrl::Maildir(raw.rooted(path)), None)),
        };
    }
    let url = Url::parse(text).map_err(|_| WANTED)?;
    if !["smtp", "smtps"].contains(&url.scheme()) || !["", "/"].contains(&url.path()) {
        return Err(WANTED.to_owned());
    }
    if url.password().is_some() && !raw.is_from_environment() {
        let instead = "use password_file or RINGPOST_MAIL__PASSWORD";
        return Err(format!("a password does not belong into the URL: {instead}"));
    }
    let host = url.host_str().filter(|host| uri::is_host(host)).ok_or(WANTED)?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let user = Some(decoded(url.username())?).filter(|user| !user.is_empty());
    let tls = tls(&url, is_loopback(&host), user.is_some())?;
    let port = url.port().unwrap_or(if tls == MailTls::Implicit { 465 } else { 25 });
    let password = url.password().map(decoded).transpose()?.map(Secret);
    // The password is put in once it is known, see `with_password`.
    let login = user.map(|user| (user, Secret(String::new())));
    match port {
        0 => Err("port 0 is no port".to_owned()),
        _ => Ok((MailUrl::Smtp { host, port, tls, login }, password)),
    }
}

/// A URL whose user logs in with tokens that are fetched.
fn with_user(url: MailUrl) -> Result<MailUrl, String> {
    match url {
        MailUrl::Smtp { login: Some(_), .. } => Ok(url),
        MailUrl::Smtp { login: None, .. } | MailUrl::Maildir(_) => {
            Err("names no user, so no token is needed".to_owned())
        }
    }
}

/// Joins the user name with the password; `given` is whether a password was named at all, readable or not.
fn with_password(url: MailUrl, password: Option<Secret>, given: bool) -> Result<MailUrl, String> {
    match url {
        MailUrl::Smtp { login: Some(_), .. } if !given => {
            Err("names a user, so a password is needed: password_file or RINGPOST_MAIL__PASSWORD".to_owned())
        }
        MailUrl::Smtp { login: None, .. } | MailUrl::Maildir(_) if given => {
            Err("names no user, so no password is needed".to_owned())
        }
        MailUrl::Smtp { host, port, tls, login } => {
            let login = login.zip(password).map(|((user, _), password)| (user, password));
            Ok(MailUrl::Smtp { host, port, tls, login })
        }
        MailUrl::Maildir(path) => Ok(MailUrl::Maildir(path)),
    }
}

fn tls(url: &Url, loopback: bool, login: bool) -> Result<MailTls, String> {
    let mut asked = None;
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("starttls", "required") => asked = Some(MailTls::Required),
            ("starttls", "opportunistic") => asked = Some(MailTls::Opportunistic),
            ("starttls", "never") => asked = Some(MailTls::Never),
            ("starttls", _) => return Err("starttls is required, opportunistic or never".to_owned()),
            _ => return Err("knows no parameter but starttls".to_owned()),
        }
    }
    match (url.scheme(), asked) {
        ("smtps", Some(_)) => Err("smtps:// has TLS from the start: leave starttls out".to_owned()),
        ("smtps", None) => Ok(MailTls::Implicit),
        // Whoever strips STARTTLS from the greeting would read the password.
        (_, Some(MailTls::Opportunistic | MailTls::Never)) if login && !loopback => {
            Err("a login needs TLS: starttls=required or smtps://".to_owned())
        }
        (_, Some(asked)) => Ok(asked),
        (_, None) if loopback => Ok(MailTls::Never),
        (_, None) if login => Ok(MailTls::Required),
        (_, None) => Ok(MailTls::Opportunistic),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The first line of a file.
pub fn password_file(raw: &Raw<'_>) -> Result<Secret, String> {
    let text = fs::read_to_string(raw.path()?).map_err(|e| format!("cannot be read: {e}"))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(Secret(password.to_owned())),
        Some(_) | None => Err("holds no password".to_owned()),
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| "its user name or password is not UTF-8 after decoding")?;
    match text.chars().any(char::is_control) {
        true => Err("its user name or password holds a control character".to_owned()),
        false => Ok(text.into_owned()),
    }
}
