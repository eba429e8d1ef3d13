//! Names of server transactions: what makes a request the same request (RFC 3261 §17.2.3).

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;

use super::super::{
    message::Message,
    name::{Method, Name},
    token::{MAGIC, Token},
};

/// A server transaction's name, hashed with seeds that nobody outside knows.
pub(super) type Key = u128;

/// The seeds.
pub(super) struct Keys([RandomState; 2]);

impl Default for Keys {
    fn default() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }
}

impl Keys {
    /// §17.2.3: branch, sent-by and method; without the magic cookie what RFC 2543 compares. To tags are left out
    /// there, so that an ACK finds its INVITE.
    pub(super) fn key(&self, request: &Message, method: Method) -> Option<Key> {
        let via = request.via()?;
        Some(self.hash(|hash| {
            hash.write_u8(method as u8);
            if method == Method::Other {
                hash.write(request.method_name());
            }
            match via.branch().filter(|branch| branch.starts_with(MAGIC) && branch.len() > MAGIC.len()) {
                Some(branch) => hash.write(branch),
                None => self.hash_2543(request, hash),
            }
            via.host.iter().for_each(|octet| hash.write_u8(octet.to_ascii_lowercase()));
            hash.write_u16(via.port.unwrap_or(5060));
        }))
    }

    fn hash_2543(&self, request: &Message, hash: &mut ahash::AHasher) {
        hash.write(request.uri());
        hash.write(request.call_id());
        hash.write_u32(request.cseq().map_or(0, |c| c.0));
        hash.write(request.from().and_then(|from| from.tag()).unwrap_or(b""));
    }

    /// What a merged request has in common with the one that came first; forks to different users of ours are no merge.
    pub(super) fn merge_key(&self, request: &Message) -> Key {
        self.hash(|hash| {
            hash.write_u8(u8::MAX);
            self.hash_2543(request, hash);
        })
    }

    fn hash(&self, write: impl Fn(&mut ahash::AHasher)) -> Key {
        let [low, high] = [&self.0[0], &self.0[1]].map(|state| {
            let mut hash = state.build_hasher();
            write(&mut hash);
            hash.finish()
        });
        u128::from(high) << 64 | u128::from(low)
    }
}

/// A To tag for a response outside any transaction: the same for each retransmission of the request (§8.2.7).
pub fn stateless_tag(request: &Message) -> [u8; 16] {
    let mut hash = RandomState::with_seeds(1, 2, 3, 4).build_hasher();
    hash.write(request.call_id());
    hash.write(request.first(Name::Via).unwrap_or(b""));
    Token(hash.finish()).text()
}
