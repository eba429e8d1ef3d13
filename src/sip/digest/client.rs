//! The client's side: what a peer asks for, and the answer.

use super::{
    Algorithm, Asked, Qop, Round,
    params::{digests, find},
    response,
};
use crate::{
    settings::Secret,
    sip::{
        message::Message,
        name::Name,
        text::{split_commas, trim},
    },
};

/// A challenge that we can answer: WWW-Authenticate or Proxy-Authenticate of Digest with an algorithm that we know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// The realm as it stands between the quotes.
    pub realm: Vec<u8>,
    /// The nonce.
    pub nonce: Vec<u8>,
    /// To be sent back as it is.
    pub opaque: Option<Vec<u8>>,
    /// The credentials were right, only the nonce was too old: the same password may be tried again.
    pub stale: bool,
    /// The hash function.
    pub algorithm: Algorithm,
    /// Whether it is the `-sess` form.
    pub session: bool,
    /// What is asked to be protected: `auth` where it is offered, else `auth-int`; `None`: the form of RFC 2069.
    pub qop: Option<Qop>,
}

/// A name and a password at a peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Challenge {
    /// Every challenge of a 401 (WWW-Authenticate) and 407 (Proxy-Authenticate) that can be answered, in the peer's
    /// order of preference (RFC 8760 §2.4): the first is the one to take.
    pub fn of(response: &Message) -> Vec<Self> {
        let name = if response.code() == Some(407) { Name::ProxyAuthenticate } else { Name::WwwAuthenticate };
        response.values(name).flat_map(Self::read).collect()
    }

    /// Those of one header value; other schemes, algorithms and qualities of protection are left out.
    pub fn read(value: &[u8]) -> Vec<Self> {
        let read = |list: smallvec::SmallVec<[super::params::Param<'_>; 10]>| {
            let text = |name| find(&list, name).map(<[u8]>::to_vec);
            let (algorithm, session) =
                find(&list, "algorithm").map_or(Some((Algorithm::Md5, false)), Algorithm::of)?;
            let qop = match find(&list, "qop") {
                Some(offered) => {
                    let offered: Vec<_> =
                        split_commas(offered).filter_map(|one| Qop::of(trim(one))).collect();
                    Some(*offered.iter().find(|one| **one == Qop::Auth).or(offered.first())?)
                }
                None => None,
            };
            let stale = find(&list, "stale").is_some_and(|word| word.eq_ignore_ascii_case(b"true"));
            let (realm, nonce) = (text("realm")?, text("nonce")?);
            Some(Self { realm, nonce, opaque: text("opaque"), stale, algorithm, session, qop })
        };
        digests(value).filter_map(read).collect()
    }

    /// The value of Authorization or Proxy-Authorization for a request. `nc` counts the requests with this nonce from
    /// 1; `cnonce` is fresh and random, of token characters.
    pub fn answer(&self, login: &Login, asked: &Asked<'_>, nc: u32, cnonce: &str) -> Vec<u8> {
        let count = format!("{nc:08x}");
        let round = Round {
            nonce: &self.nonce,
            cnonce: cnonce.as_bytes(),
            nc: count.as_bytes(),
            qop: self.qop,
            session: self.session,
        };
        let user = quotable(&login.user);
        let ha1 = self.algorithm.hash(&[user.as_bytes(), &self.realm, login.password.0.as_bytes()]);
        let proof = response(self.algorithm, &ha1, &round, asked);
        let session: &[u8] = if self.session { b"-sess" } else { b"" };
        let mut value = [
            b"Digest username=\"",
            user.as_bytes(),
            b"\", realm=\"",
            &self.realm,
            b"\", nonce=\"",
            &self.nonce,
            b"\", uri=\"",
            asked.uri,
            b"\", response=\"",
            &proof,
            b"\", algorithm=",
            self.algorithm.name().as_bytes(),
            session,
        ]
        .concat();
        if self.qop.is_some() || self.session {
            value.extend_from_slice(&[b", cnonce=\"", cnonce.as_bytes(), b"\""].concat());
        }
        if let Some(qop) = self.qop {
            value.extend_from_slice(&[b", qop=", qop.name(), b", nc=", count.as_bytes()].concat());
        }
        if let Some(opaque) = &self.opaque {
            value.extend_from_slice(&[b", opaque=\"", &opaque[..], b"\""].concat());
        }
        value
    }
}

/// A user name as it stands between quotes; what is hashed is what is written.
fn quotable(user: &str) -> String {
    user.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect()
}
