//! `[security]`: what strangers and devices may do; trunks are trusted by their address.

use std::time::Duration;

use super::Network;

/// `[security]`.
#[derive(Clone, Debug)]
pub struct Security {
    /// `requests_per_second`: requests outside dialogs that a source which is no trunk may send, on average. Default 200.
    pub rate: u32,
    /// `burst`: how many of them may come at once. Default 2,000.
    pub burst: u32,
    /// `trunk_requests_per_second`: the same for each address of a trunk; without it a trunk has no limit but
    /// `max_calls`.
    pub trunk_rate: Option<u32>,
    /// `open_requests`: requests of one source within 32 s, the life of a transaction. Default 10,000.
    pub open: u32,
    /// `refusals_per_second`: how often a stranger is told no; further requests get silence. Default 10.
    pub refusals: u32,
    /// `sources`: addresses remembered; above it all new ones share one limit. Default 20,000.
    pub sources: usize,
    /// `scanners`: words in User-Agent or From that ban their source at once, in lower case.
    pub scanners: Vec<String>,
    /// `ban_after`: refused requests within `ban_window` that ban their source; 0: none does. Default 30.
    pub ban_after: u32,
    /// `ban_window`. Default 60 s.
    pub ban_window: Duration,
    /// `ban_time`: how long a banned source gets no answer. Default 1 h.
    pub ban_time: Duration,
    /// `never_ban`: addresses and networks that are not banned, whatever comes from them.
    pub never_ban: Vec<Network>,
    /// `connections_per_source`: open connections of one source that is no trunk and has not proved who it is.
    /// Default 100.
    pub connections: usize,
    /// `message_timeout`: a message on a stream that has begun must be complete within this. Default 10 s.
    pub half_sent: Duration,
    /// `product`: what stands in User-Agent and Server of calls; without it what the other side says of itself crosses.
    pub product: Option<String>,
    /// `max_headers`: header fields in a message. Default 200.
    pub headers: usize,
    /// `max_vias`: Via fields in a request. Default 70.
    pub vias: usize,
    /// `max_body`: the largest body in octets. Default 64 KiB.
    pub body: usize,
}
