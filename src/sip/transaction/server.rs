//! The server transaction of every method but INVITE (RFC 3261 §17.2.2).

use bytes::Bytes;

use super::{super::peer::Peer, Clock, NEVER, Output, timer::T1_64};

/// One request from a peer.
#[derive(Debug)]
pub(super) struct Server {
    /// Where responses go.
    peer: Peer,
    latest: Option<Bytes>,
    done: bool,
    pub(super) clock: Clock,
}

impl Server {
    pub(super) fn new(peer: Peer, now: u64) -> Self {
        // A transaction user that never answers must not keep the transaction for ever: the peer has given up by then.
        Self { peer, latest: None, done: false, clock: Clock::new(None, now, now + 2 * T1_64) }
    }

    pub(super) fn repeated(&self, out: &mut Output) {
        if let Some(latest) = &self.latest {
            out.send(self.peer, latest.clone());
        }
    }

    pub(super) fn respond(&mut self, code: u16, bytes: Bytes, now: u64, out: &mut Output) {
        if self.done {
            return;
        }
        out.send(self.peer, bytes.clone());
        self.latest = Some(bytes);
        if code >= 200 {
            self.done = true;
            self.clock.resend = NEVER;
            self.clock.expires = if self.peer.is_reliable() { now } else { now + T1_64 }; // Timer J
        }
    }
}
