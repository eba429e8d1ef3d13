//! The transactions of one lane (RFC 3261 §17 as corrected by RFC 6026): messages and time in, messages out, news for
//! the transaction user.
//!
//! Each kind of transaction is a machine in a file of its own; this table finds them and keeps their time.

pub mod client;
pub mod invite_client;
pub mod invite_server;
mod key;
mod receive;
pub mod server;
mod size;
mod table;
pub mod timer;

use bytes::Bytes;

pub use key::stateless_tag;
pub use size::Size;
pub use table::Transactions;

use super::{
    message::Message,
    peer::{Peer, Transmit},
    token::Token,
};

/// Who wants to hear about a transaction: the transaction user's own name for itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Owner {
    /// A leg of a call.
    Leg(Token),
    /// A request outside a dialog, sent on somebody's behalf.
    Errand(Token),
    /// A subscription of somebody else: the request is its NOTIFY.
    Watch(Token),
    /// A dialog of remote call control.
    Control(Token),
    /// Nobody: the transaction ends by itself.
    Nobody,
}

/// What the transaction user learns.
#[derive(Debug)]
pub enum News {
    /// A new request; `server` answers it.
    Request {
        /// The server transaction.
        server: Token,
        /// The request.
        message: Message,
        /// Where it came from.
        from: Peer,
    },
    /// A request that belongs to no transaction: an ACK for a 2xx.
    Ack {
        /// The ACK.
        message: Message,
    },
    /// CANCEL for an INVITE that has no final response yet; it is answered already.
    Cancelled {
        /// The INVITE's owner.
        owner: Owner,
        /// The CANCEL, for its Reason.
        message: Message,
    },
    /// No ACK came for a 2xx within 64*T1 (§13.3.1.4).
    Unacknowledged {
        /// The INVITE's owner.
        owner: Owner,
    },
    /// A response to a request of ours.
    Response {
        /// The request's owner.
        owner: Owner,
        /// The client transaction.
        client: Token,
        /// The response.
        message: Message,
    },
    /// No response came, or the request could not be sent: as if this status code had come (§8.1.3.1).
    Failed {
        /// The request's owner.
        owner: Owner,
        /// The client transaction.
        client: Token,
        /// 408 or 503.
        code: u16,
    },
}

/// Messages to send and news, in the order they arose.
#[derive(Debug, Default)]
pub struct Output {
    /// What goes out.
    pub transmit: Vec<Transmit>,
    /// What the transaction user must hear.
    pub news: Vec<News>,
    /// Requests that went by TCP because they were too large for UDP.
    pub too_large: u64,
    /// Those of them that went by UDP after all.
    pub fell_back: u64,
}

impl Output {
    fn send(&mut self, peer: Peer, bytes: Bytes) {
        self.transmit.push(Transmit { peer, bytes });
    }
}

/// When a transaction has something to do: resend, or end. In milliseconds; `u64::MAX` is never.
#[derive(Clone, Copy, Debug)]
struct Clock {
    resend: u64,
    interval: u64,
    expires: u64,
    /// The earliest wheel entry that is set for this transaction.
    armed: u64,
}

const NEVER: u64 = u64::MAX;

impl Clock {
    fn new(resend: Option<u64>, now: u64, expires: u64) -> Self {
        let interval = resend.unwrap_or(NEVER);
        Self { resend: now.saturating_add(interval), interval, expires, armed: NEVER }
    }

    fn stop_resending(&mut self) {
        self.resend = NEVER;
    }

    fn resend_every(&mut self, interval: u64, now: u64) {
        self.interval = interval;
        self.resend = now.saturating_add(interval);
    }

    /// Doubles the interval up to `cap` (timers A, E, G).
    fn back_off(&mut self, cap: u64, now: u64) {
        self.interval = self.interval.saturating_mul(2).min(cap);
        self.resend = now.saturating_add(self.interval);
    }

    fn next(&self) -> u64 {
        self.resend.min(self.expires)
    }
}
