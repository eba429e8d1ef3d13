//! Where a message came from and where one goes.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::settings::Transport;

/// The far end of a transport.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Peer {
    /// The transport.
    pub transport: Transport,
    /// Its address.
    pub address: SocketAddr,
    /// Which of our listeners it reaches, by number.
    pub listener: u16,
    /// The connection, by number and the lane that holds it; 0: any, or a new one; or see [`Peer::named`].
    pub connection: u64,
}

/// Marks a connection number: there is no other way to this peer.
const ONLY: u64 = 1 << 55;
/// Marks a connection number: whoever is there has shown a certificate.
pub const CERTIFIED: u64 = 1 << 54;
/// Marks what is no connection yet but the number of the name that its certificate has to be of.
const NAMED: u64 = 1 << 53;
/// Marks what is no connection but the number of the UDP listener that a request would leave by if it were smaller.
const TOO_LARGE: u64 = 1 << 52;

impl Peer {
    /// The same peer, to be reached by its connection or not at all (RFC 5626: the flow of a device behind a NAT).
    pub fn by_its_connection_only(self) -> Self {
        Self { connection: self.connection | ONLY, ..self }
    }

    /// Whether another connection would not do.
    pub fn is_by_its_connection_only(&self) -> bool {
        self.connection & ONLY != 0
    }

    /// The connection without that mark.
    pub fn number(&self) -> u64 {
        self.connection & !ONLY
    }

    /// The same peer by TCP, for a request that is too large for UDP; `listener` is ours of TCP.
    pub fn by_tcp(self, listener: u16) -> Self {
        let connection = TOO_LARGE | u64::from(self.listener);
        Self { transport: Transport::Tcp, listener, connection, ..self }
    }

    /// The way by UDP that [`Peer::by_tcp`] left.
    pub fn back_to_udp(&self) -> Option<Self> {
        let back =
            Self { transport: Transport::Udp, listener: self.connection as u16, connection: 0, ..*self };
        (self.connection & TOO_LARGE != 0).then_some(back)
    }

    /// Whether the transport retransmits by itself.
    pub fn is_reliable(&self) -> bool {
        self.transport != Transport::Udp
    }

    /// The same peer, whose certificate has to be of the name with that number (RFC 5922 §4).
    pub fn named(self, name: u32) -> Self {
        Self { connection: NAMED | u64::from(name), ..self }
    }

    /// The number of that name.
    pub fn wanted_name(&self) -> Option<u32> {
        (self.connection & NAMED != 0).then_some(self.connection as u32)
    }

    /// Whether it means one connection that has been opened.
    pub fn has_connection(&self) -> bool {
        self.number() != 0 && self.connection & (NAMED | TOO_LARGE) == 0
    }
}

/// One message to send.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Where to.
    pub peer: Peer,
    /// The octets.
    pub bytes: Bytes,
}
