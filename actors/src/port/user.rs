//! Whom a port serves, and how that says no.

use ringpost::sip::{Message, peer::Peer, token::Token, transaction::News};

/// Who hears what comes of a lane's messages.
pub trait TransactionUser {
    /// Whether a request outside any transaction may come in; a refusal is answered without keeping anything.
    ///
    /// # Errors
    /// The response to send.
    fn admits(&self, request: &Message, from: &Peer) -> Result<(), Refusal>;

    /// Something happened.
    fn hears(&self, news: News);

    /// A timer of its own has run out.
    fn rings(&self, alarm: Alarm);

    /// Whether a connection is kept open however silent it is.
    fn keeps(&self, _connection: u64) -> bool {
        false
    }

    /// A connection has closed.
    fn closed(&self, _connection: u64) {}
}

/// A response that says no.
#[derive(Debug)]
pub struct Refusal {
    /// Status code.
    pub code: u16,
    /// Reason phrase; the RFC's own where empty.
    pub phrase: &'static str,
    /// Further header fields.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// Whether a retransmission of a request that was taken must pass all the same.
    pub only_new: bool,
}

impl Refusal {
    /// A refusal that needs no further header.
    pub fn plain(code: u16) -> Self {
        Self { code, phrase: "", headers: vec![], only_new: false }
    }

    /// A refusal with one further header.
    pub fn with(code: u16, name: &'static str, value: &[u8]) -> Self {
        Self { headers: vec![(name, value.to_vec())], ..Self::plain(code) }
    }
}

/// A timer of the transaction user: whose it is, and which.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Alarm {
    /// Its owner.
    pub owner: Token,
    /// Its number.
    pub number: u32,
}
