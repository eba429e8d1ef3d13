//! Where a SIP URI leads (RFC 3263 §4): the questions to ask of the DNS, and from its answers the servers in the order in
//! which they are tried.
//!
//! [`Wanted`] is what a URI says, [`Locate`] asks for the rest, [`cache::Cache`] keeps answers and [`avoid::Avoid`] who
//! did not answer a request. Nothing here waits; whoever does the asking gives the time.

pub mod avoid;
pub mod cache;
mod order;
mod plan;
mod wanted;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

pub use order::order;
pub use plan::{Locate, Step};
pub use wanted::{Abilities, Wanted};

use crate::settings::Transport;

/// What is asked of the DNS.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Services of a domain (RFC 3403).
    Naptr,
    /// Servers of a service (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// One question.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Question {
    /// A domain name in lower case, without the final dot.
    pub name: Box<str>,
    /// Which records.
    pub kind: Kind,
}

impl Question {
    /// A question; the name is brought into its one form.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.trim_end_matches('.').to_ascii_lowercase().into(), kind }
    }
}

/// What the DNS says; cheap to clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// To a question for services.
    Naptr(Arc<[Naptr]>),
    /// To a question for servers.
    Srv(Arc<[Srv]>),
    /// To a question for addresses.
    Addresses(Arc<[IpAddr]>),
    /// There is no such name, or no such record.
    Nothing,
    /// No server said anything that helps.
    Failed,
}

/// A NAPTR record, as far as RFC 3263 §4.1 looks at it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Naptr {
    /// Lowest first.
    pub order: u16,
    /// Among those of one order, lowest first.
    pub preference: u16,
    /// `s`: the replacement is a name of SRV records.
    pub flags: Box<str>,
    /// `SIP+D2U` and its like.
    pub service: Box<str>,
    /// The name to go on with.
    pub replacement: Box<str>,
}

/// An SRV record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Srv {
    /// Lowest first.
    pub priority: u16,
    /// How often it comes first among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The server's name; empty (the root, `.`): the service is not offered.
    pub target: Box<str>,
}

/// One place to try.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Hop {
    /// The transport.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}
