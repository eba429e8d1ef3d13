//! `[sip]`: the listeners and the limits of the SIP engine; and how any section writes a transport, a listener and a network.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::sip::{session_timer::Terms, uri::Uri};

/// `[sip]`.
#[derive(Clone, Debug)]
pub struct Sip {
    /// `listen`: where Ringpost listens, at least one.
    pub listen: Vec<Listen>,
    /// `domain`: the domain of the users' addresses.
    pub domain: String,
    /// `advertise`: the address put into Via and Contact where a listener is bound to a wildcard.
    pub advertise: Option<IpAddr>,
    /// `lanes`: threads that carry calls; default half of the cores, at least one.
    pub lanes: usize,
    /// `max_calls`: calls open at once; above it 503 with Retry-After. Default 20,000.
    pub max_calls: usize,
    /// `max_message`: the largest SIP message taken, in octets. Default 64 KiB.
    pub max_message: usize,
    /// `max_connections`: TCP connections open at once. Default 1,000.
    pub max_connections: usize,
    /// `origins`: the web pages whose scripts may open a WebSocket; empty: all.
    pub origins: Vec<String>,
    /// `idle_timeout`: when a silent TCP connection is closed. Default 120 s.
    pub idle_timeout: Duration,
    /// `max_transfers`: how often the parties of one call may be referred to others. Default 20.
    pub max_transfers: usize,
    /// `drain`: how long running calls may go on after SIGTERM. Default 30 s.
    pub drain: Duration,
    /// `device_timeout`: how long a device that answers nothing at all is waited for. Default 32 s (Timer B).
    pub silence: Duration,
    /// `max_udp`: a larger request goes by TCP (RFC 3261 §18.1.1). Default 1,300 octets.
    pub max_udp: usize,
    /// `udp_fallback`: how long opening that connection may take before the request goes by UDP all the same. Default 1 s.
    pub udp_fallback: Duration,
    /// `tcp_retry`: how long such requests then go there by UDP at once. Default 10 min.
    pub tcp_retry: Duration,
    /// `session_expires` (default none, `0s`) and `min_se` (default and least 90 s), in whole seconds (RFC 4028).
    pub session: Terms,
}

/// A transport and where it listens, `udp:127.0.0.1:5060`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Listen {
    /// The transport.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

/// A SIP transport (RFC 3261 §18).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Transport {
    /// Datagrams: Ringpost retransmits.
    Udp,
    /// A stream: the transport retransmits.
    Tcp,
    /// A stream behind TLS.
    Tls,
    /// A WebSocket (RFC 7118): devices open it, Ringpost never does.
    Ws,
    /// A WebSocket behind TLS.
    Wss,
}

impl Transport {
    /// The transport of a URI: its `transport` parameter, or TLS for `sips:`; `None` where neither says.
    pub fn of_uri(uri: &Uri<'_>) -> Option<Self> {
        let secure = uri.scheme.eq_ignore_ascii_case(b"sips");
        let Some(written) = uri.param("transport") else { return secure.then_some(Self::Tls) };
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        let named = all.into_iter().find(|one| one.name().as_bytes().eq_ignore_ascii_case(written));
        match (named, secure) {
            (Some(Self::Ws), true) => Some(Self::Wss),
            (Some(Self::Udp | Self::Tcp) | None, true) => Some(Self::Tls),
            (named, _) => named,
        }
    }

    /// As it stands in Via and, in either case, in URIs and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// Whether TLS is below it.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether SIP comes in WebSocket frames.
    pub fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// An address or a CIDR network, `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    /// The network's address.
    pub address: IpAddr,
    /// Its prefix length in bits.
    pub prefix: u8,
}
