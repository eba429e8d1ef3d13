//! `[dns]`: how the names in SIP URIs become addresses (RFC 3263).

use std::{net::SocketAddr, time::Duration};

use crate::sip::locate::cache::Bounds;

/// `[dns]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dns {
    /// `servers`: who is asked; empty: whom the system asks.
    pub servers: Vec<SocketAddr>,
    /// `timeout`: how long a call waits for all the answers that it needs. Default 5 s.
    pub timeout: Duration,
    /// `max_queries`: questions under way at once; above it a name counts as not found. Default 200.
    pub queries: usize,
    /// `min_ttl`, `max_ttl` (default 1 s, 1 h), `negative_ttl` (1 min), `retry` (5 s), `stale` (1 d), `cache` (10,000).
    pub bounds: Bounds,
    /// `target_timeout`: how long a server may leave a request without any answer before the next is tried. Default 4 s.
    pub patience: Duration,
    /// `avoid`: how long a server that failed is tried last. Default 30 s.
    pub avoid: Duration,
}
