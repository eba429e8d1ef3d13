//! `[http]`: what devices and their owners fetch by HTTP, and who may.

use std::{net::SocketAddr, time::Duration};

use super::{Network, Secret};

/// `[http]`.
#[derive(Clone, Debug)]
pub struct Http {
    /// `listen`: nowhere by default.
    pub listen: Vec<HttpListen>,
    /// `url`: how the outside calls it where a proxy stands in front.
    pub url: Option<PublicUrl>,
    /// `proxies`: whose X-Forwarded-For is believed.
    pub proxies: Vec<Network>,
    /// `schemes`: how a reader may prove who it is, in the order in which they are offered. Default Digest, Basic.
    pub schemes: Vec<HttpScheme>,
    /// `[[http.client]]`: readers who are no users.
    pub clients: Vec<HttpClient>,
    /// The limits.
    pub limits: HttpLimits,
}

/// `https:192.0.2.5:8443`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct HttpListen {
    /// Whether TLS is below it.
    pub secure: bool,
    /// Address and port.
    pub address: SocketAddr,
}

impl HttpListen {
    /// `https` or `http`.
    pub fn scheme(self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}

/// `https://phones.example.com/ringpost`, without a slash at its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicUrl {
    /// All of it.
    pub base: String,
    /// What of it is path: `/ringpost`; may be empty.
    pub prefix: String,
}

/// How a reader proves who it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum HttpScheme {
    /// RFC 7616.
    Digest,
    /// RFC 7617.
    Basic,
}

/// A part of what is served, with readers of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Area {
    /// `book`: the address book.
    Book,
    /// `locations`: how numbers are dialled where a device is.
    Locations,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 2] = [Self::Book, Self::Locations];

    /// As it stands in a site.
    pub fn name(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Locations => "locations",
        }
    }
}

/// `[[http.client]]`.
#[derive(Clone, Debug)]
pub struct HttpClient {
    /// `name`.
    pub name: String,
    /// `password_file`.
    pub password: Secret,
    /// `may`: what it may read.
    pub may: Vec<Area>,
}

/// What readers may take of the machine.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// `max_connections`. Default 500.
    pub connections: usize,
    /// `connections_per_source`; named proxies have none. Default 100.
    pub per_source: usize,
    /// `request_timeout`: how long the header of a request, and then its body, may take. Default 10 s.
    pub request: Duration,
    /// `stall_timeout`: how long a reader may take nothing of its answer. Default 30 s.
    pub stall: Duration,
    /// `answer_timeout`: how long it may take for all of it. Default 10 min.
    pub answer: Duration,
    /// `max_header`: the header of a request, in octets. Default 16 KiB.
    pub header: usize,
    /// `max_body`: its body. Default 64 KiB.
    pub body: usize,
}
