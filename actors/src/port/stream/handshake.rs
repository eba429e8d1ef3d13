//! TLS handshakes under way: strangers may have so many and no more.

use std::net::IpAddr;

use ringpost::{security::source_of, settings::Tls};

use super::Streams;
use crate::metrics::METRICS;

/// Counts a handshake for as long as it lasts.
pub(in crate::port) struct Handshake<'s>(&'s Streams, (u64, bool));

impl<'s> Handshake<'s> {
    /// `None`, and counted, where strangers have too many under way already.
    pub(in crate::port) fn begin(
        streams: &'s Streams,
        ip: IpAddr,
        stranger: bool,
        tls: &Tls,
    ) -> Option<Self> {
        let source = source_of(ip);
        if stranger {
            let strangers = streams.handshakes.borrow().iter().filter(|(_, stranger)| *stranger).count();
            if strangers >= tls.handshakes {
                METRICS.handshakes_refused_total.one();
                return None;
            }
            if streams.handshakes_of(source) >= tls.handshakes_per_source {
                METRICS.source_handshakes_refused_total.one();
                return None;
            }
        }
        streams.handshakes.borrow_mut().push((source, stranger));
        Some(Self(streams, (source, stranger)))
    }
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        let mut under_way = self.0.handshakes.borrow_mut();
        if let Some(at) = under_way.iter().position(|one| *one == self.1) {
            under_way.swap_remove(at);
        }
    }
}
