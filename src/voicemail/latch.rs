//! Who is listened to: the address that the caller's SDP names, or for want of it the first that sends, and nobody else
//! (RTP bleed, ROBUSTNESS T25).

use std::{net::SocketAddr, time::Duration};

/// How long the source must have been silent before the same address may go on under another SSRC, as PBXs do when
/// they bridge anew. An address can be forged, so a stream that is heard is never taken over.
const SILENT: Duration = Duration::from_secs(1);

/// How long an address that nobody named may present itself, as long as the named one says nothing: behind a NAT the two
/// differ. It lasts through a greeting, for a phone that suppresses silence sends nothing before the caller speaks.
const START: Duration = Duration::from_secs(30);

/// The source of a session, once there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latch {
    signalled: Option<SocketAddr>,
    /// When the start ends.
    until: Duration,
    source: Option<Source>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    address: SocketAddr,
    ssrc: u32,
    heard: Duration,
}

impl Latch {
    /// Nobody is listened to yet; SDP named that address at `now`.
    pub fn new(signalled: Option<SocketAddr>, now: Duration) -> Self {
        Self { signalled, until: now + START, source: None }
    }

    /// Whether a valid packet is the caller's. The signalled address takes over from any other, once and for good.
    pub fn admits(&mut self, address: SocketAddr, ssrc: u32, now: Duration) -> bool {
        let admitted = match self.source {
            Some(source) if source.address == address => {
                source.ssrc == ssrc || now.saturating_sub(source.heard) >= SILENT
            }
            _ if self.signalled == Some(address) => true,
            Some(_) => false,
            None => now < self.until,
        };
        if admitted {
            self.source = Some(Source { address, ssrc, heard: now });
        }
        admitted
    }

    /// Where the caller sends from, and so wants to hear (symmetric RTP, RFC 4961).
    pub fn address(&self) -> Option<SocketAddr> {
        self.source.map(|source| source.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When (ms), the port it comes from, the SSRC, and whether it is listened to.
    type Row = (u64, u16, u32, bool);

    #[test]
    fn the_signalled_address_wins_and_keeps() {
        play(
            Some(4000),
            &[
                (0, 4000, 1, true),
                (20, 4000, 1, true),
                (21, 4001, 1, false),
                (22, 4000, 2, false),
                (1019, 4000, 2, false),
                (1020, 4000, 2, true),
                (1021, 4000, 1, false),
                (9000, 4001, 2, false),
            ],
        );
    }

    #[test]
    fn a_stranger_is_heard_until_the_signalled_address_speaks() {
        play(
            Some(4000),
            &[
                (0, 4001, 1, true),
                (20, 4002, 1, false),
                (40, 4001, 1, true),
                // Its clock has nothing to do with the stranger's.
                (50, 4000, 1, true),
                (60, 4001, 1, false),
                (70, 4000, 1, true),
                (9000, 4001, 1, false),
                (9000, 4000, 2, true),
            ],
        );
    }

    #[test]
    fn a_stranger_that_comes_late_is_not_heard() {
        play(Some(4000), &[(29_999, 4001, 1, true), (40_000, 4001, 1, true)]);
        play(Some(4000), &[(30_000, 4001, 1, false), (40_000, 4000, 1, true)]);
    }

    #[test]
    fn where_no_address_is_named_the_first_source_is_the_only_one() {
        play(None, &[(0, 4001, 1, true), (20, 4000, 1, false), (40, 4001, 1, true)]);
    }

    #[track_caller]
    fn play(signalled: Option<u16>, rows: &[Row]) {
        let began = Duration::from_secs(7);
        let peer = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let mut latch = Latch::new(signalled.map(peer), began);
        assert_eq!(latch.address(), None);
        let mut last = None;
        for &(millis, port, ssrc, admitted) in rows {
            let heard = latch.admits(peer(port), ssrc, began + Duration::from_millis(millis));
            assert_eq!(heard, admitted, "port {port} at {millis} ms");
            last = if admitted { Some(peer(port)) } else { last };
            assert_eq!(latch.address(), last);
        }
    }
}
