//! `[directory]`: users, numbers and names by LDAP.

use std::{path::PathBuf, time::Duration};

use super::{Secret, Transport, User};
use crate::{
    directory::{
        ldap::{Attributes, Filter, Profile},
        person::Kind,
        template::Template,
    },
    outbox::Entries,
};

/// `[directory]`: a directory that is mirrored.
#[derive(Clone, Debug)]
pub struct Ldap {
    /// `servers`: `ldap://host[:port]` and `ldaps://…`, asked in this order; at least one.
    pub servers: Vec<LdapServer>,
    /// `bind_name` and `password` or `password_file`, or `gssapi = true`; neither: anonymous.
    pub bind: LdapBind,
    /// `ca`: a PEM file of certificates that are believed instead of the system's.
    pub ca: Option<PathBuf>,
    /// `timeout`: how long a login and each page of an answer may take. Default 10 s.
    pub timeout: Duration,
    /// How its servers are spoken with.
    pub talk: LdapTalk,
    /// `page`: entries asked for at once (RFC 2696). Default 500.
    pub page: u32,
    /// `poll`: how often changes are asked for (R32). Default 5 min.
    pub poll: Duration,
    /// `full`: how often everything is read again, so that removed entries are noticed. Default 1 d.
    pub full: Duration,
    /// `snapshot`: the file of the mirror. Default `directory.snapshot` beside the store.
    pub snapshot: PathBuf,
    /// `bases`: where persons are looked for, at least one.
    pub bases: Vec<String>,
    /// `configuration`: where dial plans and UM servers are looked for; `None`: the directory has none.
    pub configuration: Option<String>,
    /// `filter`: which entries are persons. Default that of the profile.
    pub filter: Filter,
    /// `profile`. Default `active-directory`.
    pub profile: Profile,
    /// `[directory.attributes]`.
    pub attributes: Attributes,
    /// `last_digits`: how many digits at the end of a number name its owner where nobody else has them; 0: all are
    /// compared. Default 0.
    pub last_digits: usize,
    /// `[directory.um]`.
    pub um: DirectoryUm,
    /// `[directory.users]`; `None`: the directory only tells names.
    pub users: Option<DirectoryUsers>,
}

/// How the servers of a directory are spoken with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LdapTalk {
    /// `strategy`.
    pub strategy: LdapStrategy,
    /// `referrals`: hosts beside the servers' that a referral may lead to, and where Ringpost logs in then.
    pub referrals: Vec<String>,
    /// `connect_timeout`: how long a connection, and then TLS, may take. Default 5 s.
    pub connect_timeout: Duration,
    /// `overlap`: by how much a poll looks back behind the last one where changes have times and no numbers; more than the
    /// servers' copies lag behind one another. Default 2 min.
    pub overlap: Duration,
    /// `max_entries`: more persons are not taken. Default 1,000,000.
    pub max_entries: usize,
    /// `max_message`: the largest entry or answer. Default 4 MiB.
    pub max_message: usize,
    /// `max_answer`: the most octets that may answer one request. Default 64 MiB.
    pub max_answer: usize,
    /// `failures`: so many in a row before a server counts as down. Default 3.
    pub failures: u32,
    /// `password_rest`: how long a refused password is not shown again. Default 15 min.
    pub password_rest: Duration,
}

impl Default for LdapTalk {
    fn default() -> Self {
        Self {
            strategy: LdapStrategy::Order,
            referrals: vec![],
            connect_timeout: Duration::from_secs(5),
            overlap: Duration::from_secs(120),
            max_entries: 1_000_000,
            max_message: 4 << 20,
            max_answer: 64 << 20,
            failures: 3,
            password_rest: super::PASSWORD_REST,
        }
    }
}

/// Which of several servers is asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LdapStrategy {
    /// `order`: the first one that works.
    #[default]
    Order,
    /// `round-robin`: any of them as long as it works, then the one after it.
    RoundRobin,
}

/// One server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LdapServer {
    /// Host name or address; the certificate has to be of it.
    pub host: String,
    /// Port; 389, or 636 with TLS from the start.
    pub port: u16,
    /// How TLS is used.
    pub tls: LdapTls,
}

impl LdapServer {
    /// As a URL, for the log.
    pub fn url(&self) -> String {
        let Self { host, port, tls } = self;
        let scheme = if *tls == LdapTls::Implicit { "ldaps" } else { "ldap" };
        match host.contains(':') {
            true => format!("{scheme}://[{host}]:{port}"),
            false => format!("{scheme}://{host}:{port}"),
        }
    }
}

/// How a connection to a server is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LdapTls {
    /// TLS from the first octet (`ldaps://`).
    Implicit,
    /// StartTLS or nothing (`ldap://`).
    Start,
    /// Plain text (`ldap://…?starttls=never`; loopback).
    Never,
}

/// Who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LdapBind {
    /// Nobody.
    Anonymous,
    /// A name, a DN or with Active Directory `user@domain`, and its password.
    Simple(String, Secret),
    /// Whoever the Kerberos ticket of the process is of.
    Gssapi,
}

/// `[directory.um]`: how the UM servers of the directory are called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirectoryUm {
    /// `transport`. Default tcp.
    pub transport: Transport,
    /// `port`. Default 5060, or 5061 with tls.
    pub port: u16,
    /// `highest_version`: whether a plan with servers of several versions uses only those of the highest. Default true.
    pub highest_version: bool,
}

impl Default for DirectoryUm {
    fn default() -> Self {
        Self { transport: Transport::Tcp, port: 5060, highest_version: true }
    }
}

/// `[directory.users]`: who of the directory's persons is a user, and what the directory does not say of them.
#[derive(Clone, Debug)]
pub struct DirectoryUsers {
    /// What all of them have, unless the directory or a `[[user]]` says otherwise; without an address.
    pub like: User,
    /// The channels of those who have a mail address, and of the others.
    pub channels: [Entries; 2],
    /// `numbers_of`: the kinds of numbers that reach a user. Default line, proxy, telephone.
    pub kinds: Vec<Kind>,
    /// `numbers_not`: numbers that reach no user of the directory. Default 000, 112, 911, 999.
    pub numbers_not: Vec<String>,
    /// `numbers_within`: beginnings of the numbers with a country that reach users; none: any.
    pub numbers_within: Vec<String>,
    /// `devices`: such as `sip:{extension}@192.0.2.10`; one whose placeholders have no value is left out.
    pub devices: Vec<Template>,
    /// `address`: the address of those for whom the directory has no SIP address; `None`: they are no users.
    pub address: Option<Template>,
    /// `below`: only entries below one of these DNs; none: everywhere.
    pub below: Vec<String>,
    /// `only`: conditions `attribute=value` that all have to hold, `*` as value: it has one.
    pub only: Vec<(String, String)>,
    /// `must_be_enabled`: only those whose SIP address the directory calls enabled. Default: it must not call it disabled.
    pub must_be_enabled: bool,
}
