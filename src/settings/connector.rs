//! `[[presence.connector]]`: PBXs and presence servers that are asked what they know of users (RFC 6665; R101–R119).

use std::{sync::Arc, time::Duration};

use super::TrunkLogin;
use crate::presence::{
    subscription::Package,
    watching::{
        connector::{Lists, Pace},
        subscription::Terms,
    },
};

/// A connector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connector {
    /// `name`: for logs, health and whoever sees all (R114).
    pub name: String,
    /// `enabled`. Default true.
    pub enabled: bool,
    /// `server` and `transport`: a SIP URI without user part.
    pub target: String,
    /// `uri`: who asks. Default `sip:ringpost@` and the domain of the site.
    pub uri: String,
    /// `domain`: the host in the URIs of extensions. Default that of `server`.
    pub domain: String,
    /// `login`, `password_file`, `realm`: what its challenges are answered with.
    pub login: Option<TrunkLogin>,
    /// `telephony`: the package by which each user's first extension is asked for; `None`: it is not. Default presence.
    pub telephony: Option<Package>,
    /// `rich`: whether each user's address is asked for, for the person. Default false.
    pub rich: bool,
    /// `messages`: whether each user's first extension is asked for what waits in its mailbox there (R207). Default false.
    pub messages: bool,
    /// `users`: by number or address; `None`: all.
    pub users: Option<Vec<String>>,
    /// `domains`: foreign ones whose addresses watchers here may watch through it (R104). Default none.
    pub domains: Vec<String>,
    /// `preferred`: whether it wins where servers say different things (R108). Default false.
    pub preferred: bool,
    /// `pilots`: numbers of voice mail there, beside those of the site (R115).
    pub pilots: Vec<String>,
    /// `lists`, `list`, `max_list`. Default one by one.
    pub lists: Lists,
    /// `expires`: how long a subscription lasts that nobody prolongs. Default 10 min.
    pub expires: Duration,
    /// `keep_alive`: how often it is asked whether it lives. Default 5 s.
    pub keep_alive: Duration,
    /// `recheck`: how long after a refusal for good it is asked once more. Default 10 min.
    pub recheck: Duration,
    /// `at_once`: requests under way at once. Default 16.
    pub at_once: usize,
    /// `per_second`: requests in a second. Default 200.
    pub per_second: u32,
    /// `max_users`: users that it is asked for, and foreign addresses. Default 20,000.
    pub most: usize,
}

impl Connector {
    /// How the server is asked.
    pub fn pace(&self) -> Pace {
        let expires = u32::try_from(self.expires.as_secs()).unwrap_or(u32::MAX);
        let terms = Terms { expires, recheck: self.recheck.as_millis() as u64 };
        Pace { terms, at_once: self.at_once, per_second: self.per_second }
    }

    /// Whether nothing of it has changed that its subscriptions depend on: such a change begins them anew.
    pub fn goes_on_as(&self, other: &Self) -> bool {
        let same = |one: &Self| {
            (one.enabled, one.target.clone(), one.uri.clone(), one.lists.clone(), one.login.clone())
        };
        same(self) == same(other)
    }

    /// Whether addresses of that host are asked for here.
    pub fn serves(&self, host: &str) -> bool {
        self.enabled && self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(host))
    }

    /// The URI of a user's extension there.
    pub fn extension(&self, number: &str) -> Arc<str> {
        format!("sip:{number}@{}", self.domain).into()
    }
}
