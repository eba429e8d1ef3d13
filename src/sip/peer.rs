//! Where a message came from and where one goes.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::settings::Transport;

/// The far end of a transport.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Peer {
    /// UDP or TCP.
    pub transport: Transport,
    /// Its address.
    pub address: SocketAddr,
    /// Which of our listeners it reaches, by number.
    pub listener: u16,
    /// The TCP connection, by number and the lane that holds it; 0: any, or a new one.
    pub connection: u64,
}

/// Marks a connection number: there is no other way to this peer.
const ONLY: u64 = 1 << 55;

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

    /// Whether the transport retransmits by itself.
    pub fn is_reliable(&self) -> bool {
        self.transport == Transport::Tcp
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
