//! What a URI says of the way to it, and which ways this end has.

use std::net::IpAddr;

use crate::{
    settings::{Listen, Transport},
    sip::uri::Uri,
};

/// The ways out: a listener of each transport, an address of each family.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Abilities {
    /// UDP.
    pub udp: bool,
    /// TCP.
    pub tcp: bool,
    /// TLS.
    pub tls: bool,
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

impl Abilities {
    /// Those of these listeners.
    pub fn of(listeners: impl IntoIterator<Item = Listen>) -> Self {
        let mut able = Self::default();
        for Listen { transport, address } in listeners {
            match transport {
                Transport::Udp => able.udp = true,
                Transport::Tcp => able.tcp = true,
                Transport::Tls => able.tls = true,
                Transport::Ws | Transport::Wss => {}
            }
            able.v4 |= address.is_ipv4();
            able.v6 |= address.is_ipv6();
        }
        able
    }

    /// Whether requests can go out by it: a WebSocket is opened by its device only.
    pub fn has(self, transport: Transport) -> bool {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
            Transport::Ws | Transport::Wss => false,
        }
    }
}

/// What a URI says (RFC 3263 §4: the TARGET and what is known of it).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// The TARGET: `maddr`, else the host.
    pub(super) target: Target,
    /// The port, where one is written.
    pub(super) port: Option<u16>,
    /// The transport, where one is asked for.
    pub(super) transport: Option<Transport>,
    /// `sips`: nothing but TLS will do.
    pub(super) secure: bool,
    /// The URI's own host, which a certificate has to be of whatever the DNS says (RFC 5922 §4); `None` for an address.
    pub(super) host: Option<Box<str>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Target {
    Address(IpAddr),
    Name(Box<str>),
}

impl Target {
    fn read(written: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(written).ok()?;
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Some(Self::Address(address));
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        // What is longer is no name of the DNS (RFC 1035 §2.3.4).
        let labels = name.split('.').all(|label| (1..=63).contains(&label.len()));
        (labels && name.len() <= 253).then(|| Self::Name(name.into()))
    }
}

impl Wanted {
    /// Reads a URI; `None` where it is no `sip:` or `sips:` URI or its host can be no name.
    pub fn of(uri: &Uri<'_>) -> Option<Self> {
        if !uri.is_sip() {
            return None;
        }
        let own = Target::read(uri.host)?;
        let target = match uri.param("maddr").filter(|maddr| !maddr.is_empty()) {
            Some(maddr) => Target::read(maddr)?,
            None => own.clone(),
        };
        let host = match own {
            Target::Name(name) => Some(name),
            Target::Address(_) => None,
        };
        let secure = uri.scheme.eq_ignore_ascii_case(b"sips");
        // That a `sips:` URI is for TLS is no wish for one of the transports below it.
        let transport = uri.param("transport").and_then(|_| Transport::of_uri(uri));
        Some(Self { target, port: uri.port, transport, secure, host })
    }

    /// The name that a certificate has to be of; `None`: of the address.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}
