//! Digest authentication (RFC 3261 §22 with RFC 7616 and RFC 8760): SHA-256, SHA-512-256 and, for old phones, MD5.
//!
//! [`Challenge`] and [`Login`] are the client's side, [`Doorkeeper`], [`Secrets`] and [`Window`] the server's. Time and
//! random numbers come in. Quoted strings are hashed as they stand between the quotes, which is what phones do.

mod client;
mod params;
mod server;
mod window;

pub use client::{Challenge, Login};
pub use params::{Credentials, Unreadable};
pub use server::{Denied, Doorkeeper, Passed, Secrets};
pub use window::{Count, Window};

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use smallvec::SmallVec;

/// A hash in lower-case hexadecimal digits.
pub type Hex = SmallVec<[u8; 64]>;

/// A hash function of RFC 8760 §2.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// `MD5`: for phones that know nothing else.
    Md5,
    /// `SHA-256`.
    Sha256,
    /// `SHA-512-256`: SHA-512 cut to 256 bits with its own start values (FIPS 180-4 §5.3.6.2).
    Sha512Half,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512Half, Self::Md5];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512Half => "SHA-512-256",
        }
    }

    /// The algorithm of that name in any case, and whether it is its `-sess` form.
    pub fn of(written: &[u8]) -> Option<(Self, bool)> {
        let (name, session) = match written.len().checked_sub(5).map(|at| written.split_at(at)) {
            Some((name, suffix)) if suffix.eq_ignore_ascii_case(b"-sess") => (name, true),
            _ => (written, false),
        };
        let found = Self::ALL.into_iter().find(|one| name.eq_ignore_ascii_case(one.name().as_bytes()))?;
        Some((found, session))
    }

    /// `H(parts joined by colons)`.
    fn hash(self, parts: &[&[u8]]) -> Hex {
        match self {
            Self::Md5 => hashed::<Md5>(parts),
            Self::Sha256 => hashed::<Sha256>(parts),
            Self::Sha512Half => hashed::<Sha512_256>(parts),
        }
    }
}

fn hashed<D: Digest>(parts: &[&[u8]]) -> Hex {
    let mut hash = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hex(&hash.finalize())
}

fn hex(octets: &[u8]) -> Hex {
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

/// The quality of protection (RFC 7616 §3.4.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Qop {
    /// The request line is protected.
    Auth,
    /// The body is protected, too.
    AuthInt,
}

impl Qop {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Auth => b"auth",
            Self::AuthInt => b"auth-int",
        }
    }

    fn of(written: &[u8]) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|one| written.eq_ignore_ascii_case(one.name()))
    }
}

/// What a response protects of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method as written.
    pub method: &'a [u8],
    /// The digest-uri: the Request-URI as written.
    pub uri: &'a [u8],
    /// The body, for `auth-int`.
    pub body: &'a [u8],
}

/// The variable half of a response.
#[derive(Clone, Copy, Debug)]
struct Round<'a> {
    nonce: &'a [u8],
    cnonce: &'a [u8],
    /// Eight hexadecimal digits as written.
    nc: &'a [u8],
    /// `None`: the form of RFC 2069.
    qop: Option<Qop>,
    session: bool,
}

/// RFC 7616 §3.4.1 from `H(user:realm:password)`.
fn response(algorithm: Algorithm, ha1: &[u8], round: &Round<'_>, asked: &Asked<'_>) -> Hex {
    let session;
    let ha1 = if round.session {
        session = algorithm.hash(&[ha1, round.nonce, round.cnonce]);
        &session[..]
    } else {
        ha1
    };
    let ha2 = match round.qop {
        Some(Qop::AuthInt) => algorithm.hash(&[asked.method, asked.uri, &algorithm.hash(&[asked.body])]),
        Some(Qop::Auth) | None => algorithm.hash(&[asked.method, asked.uri]),
    };
    match round.qop {
        Some(qop) => algorithm.hash(&[ha1, round.nonce, round.nc, round.cnonce, qop.name(), &ha2]),
        None => algorithm.hash(&[ha1, round.nonce, &ha2]),
    }
}
