//! Who is listened to: the first valid source, and nobody else (RTP bleed, ROBUSTNESS T25).

use std::{net::SocketAddr, time::Duration};

/// How long the source must have been silent before the same address may go on under another SSRC, as PBXs do when
/// they bridge anew. An address can be forged, so a stream that is heard is never taken over.
const SILENT: Duration = Duration::from_secs(1);

/// The source of a session, once there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latch {
    source: Option<Source>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    address: SocketAddr,
    ssrc: u32,
    heard: Duration,
}

impl Latch {
    /// Whether a valid packet is the caller's; the first one decides whose packets are.
    pub fn admits(&mut self, address: SocketAddr, ssrc: u32, now: Duration) -> bool {
        let admitted = self.source.is_none_or(|source| {
            source.address == address && (source.ssrc == ssrc || now.saturating_sub(source.heard) >= SILENT)
        });
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

    #[test]
    fn the_first_source_is_the_only_one() {
        // When (ms), the port it comes from, the SSRC, and whether it is listened to.
        let table = [
            (0, 4000, 1, true),
            (20, 4000, 1, true),
            (21, 4001, 1, false),
            (22, 4000, 2, false),
            (1019, 4000, 2, false),
            (1020, 4000, 2, true),
            (1021, 4000, 1, false),
            (9000, 4001, 2, false),
        ];
        let mut latch = Latch::default();
        assert_eq!(latch.address(), None);
        for (millis, port, ssrc, admitted) in table {
            let address = SocketAddr::from(([192, 0, 2, 1], port));
            assert_eq!(latch.admits(address, ssrc, Duration::from_millis(millis)), admitted, "{millis} ms");
        }
        assert_eq!(latch.address(), Some(SocketAddr::from(([192, 0, 2, 1], 4000))));
    }
}
