//! Which NOTIFYs are for which connector: by the tag of ours that they are for, which nobody can guess.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use ringpost::sip::{Message as SipMessage, Method, peer::Peer, token::Token};
use tokio::sync::mpsc;

/// A NOTIFY for a connector, in the transaction of a lane.
pub struct Heard {
    /// Our tag.
    pub tag: u64,
    /// The lane, and its transaction.
    pub server: (u8, Token),
    /// The NOTIFY.
    pub message: SipMessage,
    /// Who sent it.
    pub from: Peer,
}

/// NOTIFYs that may wait for a connector; above it they are refused for a moment (503).
pub const WAITING: usize = 1_024;

/// The tags of all connectors. Shared by all lanes.
#[derive(Default)]
pub struct Tickets {
    count: AtomicUsize,
    all: RwLock<HashMap<u64, mpsc::Sender<Heard>, ahash::RandomState>>,
}

/// The Call-ID of the SUBSCRIBE with that tag.
pub fn call_id(tag: u64) -> String {
    format!("{:016x}{:016x}@ringpost", tag.rotate_left(29), tag.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Tickets {
    /// NOTIFYs with that tag are for whoever reads that inbox.
    pub fn add(&self, tag: u64, inbox: &mpsc::Sender<Heard>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(tag, inbox.clone());
        self.count.store(all.len(), Ordering::Relaxed);
    }

    /// They are for nobody any more.
    pub fn remove(&self, tag: u64) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(&tag);
        self.count.store(all.len(), Ordering::Relaxed);
    }

    fn find(&self, request: &SipMessage) -> Option<(u64, mpsc::Sender<Heard>)> {
        if self.count.load(Ordering::Relaxed) == 0 || request.method() != Some(Method::Notify) {
            return None;
        }
        let tag = Token::read(request.to()?.tag()?)?.0;
        let found = self.all.read().unwrap_or_else(PoisonError::into_inner).get(&tag).cloned()?;
        (request.call_id() == call_id(tag).as_bytes()).then_some((tag, found))
    }

    /// Whether a request inside a dialog is for a connector; and whether that has room for it.
    pub fn takes(&self, request: &SipMessage) -> Option<bool> {
        self.find(request).map(|(_, inbox)| inbox.capacity() > 0)
    }

    /// Gives it to its connector; false: that has no room. `None`: it is for none.
    pub fn give(&self, server: (u8, Token), message: &SipMessage, from: Peer) -> Option<bool> {
        let (tag, inbox) = self.find(message)?;
        Some(inbox.try_send(Heard { tag, server, message: message.clone(), from }).is_ok())
    }
}
