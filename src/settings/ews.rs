//! `[channel.NAME]` with `kind = "ews"`: notices into mailboxes of Exchange on premises.

use std::{path::PathBuf, time::Duration};

use super::{OAuth, Secret};

/// One Exchange organisation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ews {
    /// `url`, or where left out: Autodiscover.
    pub server: EwsServer,
    /// `auth` and what it wants.
    pub login: EwsLogin,
    /// `from`: the sender's address of the notices.
    pub from: String,
    /// `access`.
    pub access: EwsAccess,
    /// `server_version`.
    pub version: EwsVersion,
    /// `ca`: PEM; where left out, the system's roots are believed.
    pub ca: Option<PathBuf>,
    /// `request_timeout`: how long one request may take. Default 30 s.
    pub request_timeout: Duration,
    /// `password_rest`: how long a refused password is not tried again. Default 15 min.
    pub password_rest: Duration,
}

/// Where the requests go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EwsServer {
    /// `url`: `https://mail.contoso.com/EWS/Exchange.asmx`.
    Url(String),
    /// What Autodiscover says.
    Autodiscover(Autodiscover),
}

/// How a mailbox's server is found (R28).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Autodiscover {
    /// `autodiscover`: where to ask, in this order.
    pub order: Vec<Place>,
    /// `autodiscover_hosts`: hosts beyond the mail domain that a redirect by plain http may lead to.
    pub hosts: Vec<String>,
    /// `autodiscover_keep`: how long an answer is believed. Default 1 h.
    pub keep: Duration,
    /// The ports of https and http: 443 and 80, which no key changes.
    pub ports: (u16, u16),
}

/// A place to ask for a mailbox's server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// `domain`: `https://DOMAIN/autodiscover/autodiscover.xml`.
    Domain,
    /// `host`: `https://autodiscover.DOMAIN/autodiscover/autodiscover.xml`.
    Host,
    /// `redirect`: where `http://autodiscover.DOMAIN/…` redirects to; asked without credentials.
    Redirect,
}

impl Place {
    /// In the order of R28.
    pub const ALL: [Self; 3] = [Self::Domain, Self::Host, Self::Redirect];

    /// The name in the site file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Host => "host",
            Self::Redirect => "redirect",
        }
    }
}

/// Who Ringpost is to Exchange.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EwsLogin {
    /// `auth = "basic"` (RFC 7617).
    Basic {
        /// `user`.
        user: String,
        /// `password_file`, or the environment.
        password: Secret,
    },
    /// `auth = "ntlm"` ([MS-NLMP]).
    Ntlm {
        /// `user`: `DOMAIN\name` or `name@domain`.
        user: String,
        /// `password_file`, or the environment.
        password: Secret,
    },
    /// `auth = "oauth"`: a token of Entra ID or AD FS.
    OAuth(OAuth),
}

/// Whose rights are used for a mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EwsAccess {
    /// `impersonation`: those of its owner (the role ApplicationImpersonation).
    Impersonation,
    /// `delegate`: those that the account has been given on it.
    Delegate,
}

/// The schema that is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EwsVersion {
    /// Exchange 2010 SP1.
    Exchange2010Sp1,
    /// Exchange 2010 SP2 and every later one.
    Exchange2010Sp2,
    /// Exchange 2013.
    Exchange2013,
    /// Exchange 2013 SP1.
    Exchange2013Sp1,
    /// Exchange 2016, 2019 and Subscription Edition.
    Exchange2016,
}

impl EwsVersion {
    /// Every version.
    pub const ALL: [Self; 5] = [
        Self::Exchange2010Sp1,
        Self::Exchange2010Sp2,
        Self::Exchange2013,
        Self::Exchange2013Sp1,
        Self::Exchange2016,
    ];

    /// The name in the schema and in the site file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exchange2010Sp1 => "Exchange2010_SP1",
            Self::Exchange2010Sp2 => "Exchange2010_SP2",
            Self::Exchange2013 => "Exchange2013",
            Self::Exchange2013Sp1 => "Exchange2013_SP1",
            Self::Exchange2016 => "Exchange2016",
        }
    }
}
