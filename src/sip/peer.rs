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

impl Peer {
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
