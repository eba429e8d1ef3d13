//! The client transaction of every method but INVITE (RFC 3261 §17.1.2).

use bytes::Bytes;

use super::{
    super::{name::Method, peer::Peer},
    Clock, NEVER, Output, Owner,
    timer::{T1, T1_64, T2, T4},
};

/// One request of ours.
#[derive(Debug)]
pub(super) struct Client {
    request: Bytes,
    method: Method,
    pub(super) peer: Peer,
    pub(super) owner: Owner,
    done: bool,
    pub(super) clock: Clock,
}

impl Client {
    pub(super) fn new(request: Bytes, peer: Peer, owner: Owner, now: u64) -> Self {
        let resend = (!peer.is_reliable()).then_some(T1); // Timers E and F
        let method = Method::of(request.split(|octet| *octet == b' ').next().unwrap_or(b""));
        Self { request, method, peer, owner, done: false, clock: Clock::new(resend, now, now + T1_64) }
    }

    /// Whether a final response has come.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn request(&self) -> Bytes {
        self.request.clone()
    }

    /// It was sent again by UDP, as this.
    pub(super) fn goes_by_udp(&mut self, request: Bytes, peer: Peer, now: u64) {
        (self.request, self.peer) = (request, peer);
        self.clock.resend_every(T1, now);
    }

    /// Whether the owner hears this response: the first final one.
    pub(super) fn response(&mut self, method: Option<Method>, code: u16, now: u64) -> bool {
        // §17.1.3: the branch is not enough, the method in CSeq must be the request's.
        if self.done || method != Some(self.method) {
            return false;
        }
        if code < 200 {
            // §17.1.2.2: in Proceeding, Timer E runs at T2.
            if self.clock.resend != NEVER {
                self.clock.resend_every(T2, now);
            }
            return false;
        }
        self.done = true;
        self.request = Bytes::new();
        self.clock.stop_resending();
        self.clock.expires = if self.peer.is_reliable() { now } else { now + T4 }; // Timer K
        true
    }

    /// `Some(failed)` where the transaction is over.
    pub(super) fn tick(&mut self, now: u64, out: &mut Output) -> Option<bool> {
        if now >= self.clock.expires {
            return Some(!self.done);
        }
        if now >= self.clock.resend {
            out.send(self.peer, self.request.clone());
            self.clock.back_off(T2, now);
        }
        None
    }
}
