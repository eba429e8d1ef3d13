//! Requests that are too large for UDP go by TCP (RFC 3261 §18.1.1), and back to UDP where nobody takes them there.

use std::{collections::HashMap, net::SocketAddr};

use ahash::RandomState;
use bytes::Bytes;

use super::super::peer::Peer;
use crate::settings::Transport;

/// Addresses that took no TCP connection, so many of them.
const MOST: usize = 1_000;

/// Which requests change their transport.
#[derive(Debug)]
pub struct Size {
    /// The largest request on UDP, in octets.
    most: usize,
    /// How long an address that took no connection gets none, in milliseconds.
    retry: u64,
    /// For each listener the one of TCP that stands in for it.
    instead: Vec<Option<u16>>,
    /// Until when an address gets no connection.
    refused: HashMap<SocketAddr, u64, RandomState>,
}

impl Default for Size {
    /// No request is too large.
    fn default() -> Self {
        Self::new(usize::MAX, 0, vec![])
    }
}

impl Size {
    /// Requests of more than `most` octets leave by the TCP listener that stands in `instead` for theirs; for `retry`
    /// milliseconds not to an address that took no connection.
    pub fn new(most: usize, retry: u64, instead: Vec<Option<u16>>) -> Self {
        Self { most, retry, instead, refused: HashMap::default() }
    }

    /// The way of a request that is too large for the one that it should go.
    pub(super) fn other_way(&self, peer: &Peer, octets: usize, now: u64) -> Option<Peer> {
        // A device behind a NAT can be reached by its flow only (RFC 5626 §5.3).
        if octets <= self.most || peer.transport != Transport::Udp || peer.is_by_its_connection_only() {
            return None;
        }
        let listener = self.instead.get(usize::from(peer.listener)).copied().flatten()?;
        let refuses = self.refused.get(&peer.address).is_some_and(|until| now < *until);
        (!refuses).then(|| peer.by_tcp(listener))
    }

    /// An address took no connection.
    pub(super) fn refused(&mut self, address: SocketAddr, now: u64) {
        if self.refused.len() >= MOST {
            self.refused.retain(|_, until| now < *until);
        }
        if self.refused.len() < MOST {
            self.refused.insert(address, now.saturating_add(self.retry));
        }
    }
}

/// The same request with the Via of another transport and listener; `None` where it has no Via as we write them.
pub(super) fn with_via(request: &Bytes, transport: Transport, sent_by: &[u8]) -> Option<Bytes> {
    let line = memchr::memmem::find(request, b"\r\nVia: SIP/2.0/")? + 2;
    let params = line + memchr::memchr(b';', &request[line..])?;
    let name = transport.name().as_bytes();
    let via = [b"Via: SIP/2.0/", name, b" ", sent_by].concat();
    Some([&request[..line], &via, &request[params..]].concat().into())
}
