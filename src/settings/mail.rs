//! `[mail]`: where mails go, and how their server is talked to.

use std::{path::PathBuf, time::Duration};

use super::{OAuth, Secret};

/// `[mail]`.
#[derive(Clone, Debug)]
pub struct Mail {
    /// `url`.
    pub url: MailUrl,
    /// `from`: the sender's address.
    pub from: String,
    /// `ca`: a PEM file of certificates that are believed beside the system's.
    pub ca: Option<PathBuf>,
    /// `auth`: how the URL's user logs in.
    pub auth: MailAuth,
    /// `password_rest`: how long a refused password is not tried again. Default 15 min.
    pub password_rest: Duration,
}

/// How a mail client logs in (RFC 4954).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum MailAuth {
    /// `password`: PLAIN or LOGIN, whichever the server has.
    #[default]
    Password,
    /// `xoauth2`: the password is an access token; one from a file is read at every login, since it does not live long.
    XOauth2 {
        /// `password_file`.
        file: Option<PathBuf>,
    },
    /// `xoauth2` with a `token_url`: a token of the identity provider, by OAuth 2.0 client credentials.
    OAuth(Box<OAuth>),
}

/// How long a refused password is not tried again, where the site does not say: a directory that locks accounts counts
/// wrong passwords over 10 to 30 minutes.
pub const PASSWORD_REST: Duration = Duration::from_secs(15 * 60);

/// Where mails go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MailUrl {
    /// `smtp://[user@]host:port` or `smtps://…`, `?starttls=required|opportunistic|never`.
    Smtp {
        /// Host name or address.
        host: String,
        /// Port; 25, or 465 with TLS from the start.
        port: u16,
        /// How TLS is used.
        tls: MailTls,
        /// User name and the password, read from `password_file` or the environment.
        login: Option<(String, Secret)>,
    },
    /// `maildir:PATH`: one Maildir per user below PATH.
    Maildir(PathBuf),
}

/// How a mail connection is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MailTls {
    /// TLS from the first octet (`smtps://`).
    Implicit,
    /// STARTTLS or no mail.
    Required,
    /// STARTTLS where the server offers it, with the certificate checked.
    Opportunistic,
    /// Plain text (loopback).
    Never,
}
