//! The INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1), which also repeats the 2xx (§13.3.1.4).

use std::net::SocketAddr;

use bytes::Bytes;

use super::{
    super::{build::plain_response, message::Message, peer::Peer},
    Clock, Output, Owner,
    timer::{FORGOTTEN, T1, T1_64, T2, T4},
};

/// How long the transaction user may stay silent before 100 goes out: RFC 3261 §17.2.1 asks for one within 200 ms.
const TRYING_AFTER: u64 = 140;

/// One INVITE from a peer.
#[derive(Debug)]
pub(super) struct InviteServer {
    /// Where responses go.
    pub(super) peer: Peer,
    pub(super) owner: Owner,
    state: State,
    pub(super) clock: Clock,
}

#[derive(Debug)]
enum State {
    /// Nothing is said yet; 100 waits. The request is kept to make it from.
    Trying { request: Bytes, source: SocketAddr },
    /// The latest provisional response, for retransmitted requests.
    Proceeding { latest: Bytes },
    /// A failure, repeated on UDP until its ACK comes.
    Completed { failure: Bytes },
    /// The ACK for the failure came; more of them are swallowed.
    Confirmed,
    /// A 2xx, repeated on every transport until its ACK comes.
    Accepted { answer: Option<Bytes> },
}

/// What a passed deadline means.
pub(super) enum Passed {
    /// Nothing yet.
    Goes,
    /// The transaction is over.
    Over,
    /// No ACK for the 2xx: the owner must know, and the transaction is over.
    Unacknowledged,
}

impl InviteServer {
    pub(super) fn new(request: Bytes, from: Peer, peer: Peer, now: u64) -> Self {
        let clock = Clock::new(Some(TRYING_AFTER), now, now.saturating_add(FORGOTTEN));
        let state = State::Trying { request, source: from.address };
        Self { peer, owner: Owner::Nobody, state, clock }
    }

    /// The request came again.
    pub(super) fn repeated(&mut self, out: &mut Output) {
        match &self.state {
            State::Trying { .. } => self.say_trying(out),
            State::Proceeding { latest: bytes } | State::Completed { failure: bytes } => {
                out.send(self.peer, bytes.clone());
            }
            State::Confirmed | State::Accepted { .. } => {}
        }
    }

    /// Whether no final response has gone out.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding { .. })
    }

    /// The transaction user responds; after a final response nothing more goes out.
    pub(super) fn respond(&mut self, code: u16, bytes: Bytes, now: u64, out: &mut Output) {
        if !self.is_open() {
            return;
        }
        out.send(self.peer, bytes.clone());
        match code {
            ..200 => {
                self.clock.stop_resending();
                self.clock.expires = now.saturating_add(FORGOTTEN);
                self.state = State::Proceeding { latest: bytes };
            }
            200..300 => {
                self.clock = Clock { armed: self.clock.armed, ..Clock::new(Some(T1), now, now + T1_64) };
                self.state = State::Accepted { answer: Some(bytes) };
            }
            300.. => {
                let resend = (!self.peer.is_reliable()).then_some(T1); // Timer G
                self.clock = Clock { armed: self.clock.armed, ..Clock::new(resend, now, now + T1_64) }; // Timer H
                self.state = State::Completed { failure: bytes };
            }
        }
    }

    /// An ACK with the INVITE's branch: for a failure, which ends with it here. False for that of a 2xx from a peer that
    /// gives it no branch of its own, as RFC 2543 did: the transaction user hears it.
    pub(super) fn acknowledged_failure(&mut self, now: u64) -> bool {
        match self.state {
            State::Completed { .. } => {
                self.state = State::Confirmed;
                self.clock.stop_resending();
                self.clock.expires = if self.peer.is_reliable() { now } else { now + T4 }; // Timer I
                true
            }
            State::Trying { .. } | State::Proceeding { .. } | State::Confirmed => true,
            State::Accepted { .. } => false,
        }
    }

    /// An ACK in the dialog: for the 2xx. Retransmitted INVITEs are still swallowed until Timer L. True the first time.
    pub(super) fn acknowledged(&mut self) -> bool {
        match &mut self.state {
            State::Accepted { answer } => {
                self.clock.stop_resending();
                answer.take().is_some()
            }
            State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Confirmed => {
                false
            }
        }
    }

    pub(super) fn tick(&mut self, now: u64, out: &mut Output) -> Passed {
        if now >= self.clock.expires {
            return match self.state {
                State::Accepted { answer: Some(_) } => Passed::Unacknowledged,
                State::Accepted { answer: None }
                | State::Trying { .. }
                | State::Proceeding { .. }
                | State::Completed { .. }
                | State::Confirmed => Passed::Over,
            };
        }
        if now >= self.clock.resend {
            self.resend(now, out);
        }
        Passed::Goes
    }

    fn say_trying(&mut self, out: &mut Output) {
        let State::Trying { request, source } = &self.state else { return };
        let Ok(request) = Message::read(request.clone()) else { return };
        let trying = plain_response(&request, *source, 100, b"");
        out.send(self.peer, trying.clone());
        self.state = State::Proceeding { latest: trying };
        self.clock.stop_resending();
    }

    fn resend(&mut self, now: u64, out: &mut Output) {
        match &self.state {
            State::Trying { .. } => self.say_trying(out),
            State::Completed { failure: bytes } | State::Accepted { answer: Some(bytes) } => {
                out.send(self.peer, bytes.clone());
                self.clock.back_off(T2, now);
            }
            State::Proceeding { .. } | State::Confirmed | State::Accepted { answer: None } => {
                self.clock.stop_resending()
            }
        }
    }
}
