//! Reads the headers: challenges and credentials are lists of `name=value`, values tokens or quoted strings.

use smallvec::SmallVec;
use thiserror::Error;

use super::{Algorithm, Qop};
use crate::sip::text::{is_space, is_token, split_commas, trim};

/// More octets than this are no honest challenge and no honest credentials.
const LONGEST: usize = 4_096;

/// One `name=value`, quotes taken off.
pub(super) type Param<'a> = (&'a [u8], &'a [u8]);

/// Credentials or a challenge that cannot be read.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Unreadable {
    /// Another scheme than Digest.
    #[error("not Digest")]
    Scheme,
    /// Longer than anybody needs.
    #[error("too long")]
    TooLong,
    /// Not a list of `name=value`, or a name twice.
    #[error("not a list of parameters")]
    Syntax,
    /// A parameter that has to be there is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter that cannot be what it is.
    #[error("{0} cannot be read")]
    Bad(&'static str),
}

/// The parameters of each `Digest` in one header value; other schemes and what cannot be read are left out.
pub(super) fn digests(value: &[u8]) -> impl Iterator<Item = SmallVec<[Param<'_>; 10]>> {
    let mut parts = if value.len() > LONGEST { None } else { Some(split_commas(value).peekable()) };
    std::iter::from_fn(move || {
        let parts = parts.as_mut()?;
        loop {
            let (scheme, first) = scheme(parts.next()?).unwrap_or((b"", b""));
            let mut list: Option<SmallVec<_>> = Some(SmallVec::new());
            add(&mut list, first);
            while let Some(part) = parts.next_if(|part| self::scheme(part).is_none()) {
                add(&mut list, part);
            }
            if let Some(list) = list.filter(|_| scheme.eq_ignore_ascii_case(b"Digest")) {
                return Some(list);
            }
        }
    })
}

fn add<'a>(list: &mut Option<SmallVec<[Param<'a>; 10]>>, part: &'a [u8]) {
    match (param(part), list.as_mut()) {
        (Some(one), Some(list)) => list.push(one),
        (Some(_), None) => {}
        (None, _) => *list = None,
    }
}

/// `scheme SP rest`; `None` where the part is a parameter of the scheme before it.
fn scheme(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = part.iter().position(|o| !is_token(*o))?;
    let rest = trim(&part[end..]);
    (end > 0 && is_space(part[end]) && rest.first() != Some(&b'=')).then_some((&part[..end], rest))
}

fn param(part: &[u8]) -> Option<Param<'_>> {
    let equals = memchr::memchr(b'=', part)?;
    let (name, value) = (trim(&part[..equals]), trim(&part[equals + 1..]));
    let value = match value {
        [b'"', inside @ .., b'"'] if ends_where_it_seems(inside) => inside,
        // Sent back between quotes, either would end or hide something else.
        token if !token.iter().any(|o| matches!(o, b'"' | b'\\')) => token,
        _ => return None,
    };
    (!name.is_empty() && name.iter().all(|o| is_token(*o))).then_some((name, value))
}

/// Whether what stands between two quotes holds none itself, but escaped ones, and does not escape the second.
fn ends_where_it_seems(inside: &[u8]) -> bool {
    let mut octets = inside.iter();
    while let Some(octet) = octets.next() {
        if *octet == b'"' || *octet == b'\\' && octets.next().is_none() {
            return false;
        }
    }
    true
}

/// The value of a parameter, its name in any case.
pub(super) fn find<'a>(list: &[Param<'a>], name: &str) -> Option<&'a [u8]> {
    list.iter().find(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes())).map(|one| one.1)
}

/// The value of Authorization or Proxy-Authorization (RFC 7616 §3.4); unknown parameters are passed over.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// Who it claims to be.
    pub username: &'a [u8],
    /// For which realm.
    pub realm: &'a [u8],
    /// The server's nonce.
    pub nonce: &'a [u8],
    /// The digest-uri.
    pub uri: &'a [u8],
    /// The response, hexadecimal.
    pub response: &'a [u8],
    /// The algorithm and whether it is the `-sess` form; `None`: one that we do not know. MD5 where none is named.
    pub algorithm: Option<(Algorithm, bool)>,
    /// The client's nonce; empty without.
    pub cnonce: &'a [u8],
    /// The quality of protection; `None`: the form of RFC 2069.
    pub qop: Option<Qop>,
    /// The nonce count as written: eight hexadecimal digits with a `qop`, else empty.
    pub nc: &'a [u8],
}

impl<'a> Credentials<'a> {
    /// Reads the value of one header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(value: &'a [u8]) -> Result<Self, Unreadable> {
        if value.len() > LONGEST {
            return Err(Unreadable::TooLong);
        }
        let value = trim(value);
        let end = value.iter().position(|o| is_space(*o)).unwrap_or(value.len());
        if !value[..end].eq_ignore_ascii_case(b"Digest") {
            return Err(Unreadable::Scheme);
        }
        let list: Option<SmallVec<[Param<'_>; 12]>> = split_commas(&value[end..]).map(param).collect();
        let list = list.ok_or(Unreadable::Syntax)?;
        let twice = |(at, (name, _)): (usize, &Param<'_>)| {
            list[..at].iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
        };
        // Two readings of one header are an attacker's friend.
        if list.len() > 32 || list.iter().enumerate().any(twice) {
            return Err(Unreadable::Syntax);
        }
        Self::of(&list)
    }

    fn of(list: &[Param<'a>]) -> Result<Self, Unreadable> {
        let need = |name: &'static str| {
            find(list, name).filter(|value| !value.is_empty()).ok_or(Unreadable::Missing(name))
        };
        let qop = match find(list, "qop") {
            Some(written) => Some(Qop::of(written).ok_or(Unreadable::Bad("qop"))?),
            None => None,
        };
        let algorithm = find(list, "algorithm").map_or(Some((Algorithm::Md5, false)), Algorithm::of);
        let nc = if qop.is_some() { need("nc")? } else { b"" };
        if qop.is_some() && (nc.len() != 8 || !nc.iter().all(u8::is_ascii_hexdigit)) {
            return Err(Unreadable::Bad("nc"));
        }
        let session = algorithm.is_some_and(|(_, session)| session);
        let cnonce = if qop.is_some() || session { need("cnonce")? } else { b"" };
        Ok(Self {
            username: need("username")?,
            realm: find(list, "realm").ok_or(Unreadable::Missing("realm"))?,
            nonce: need("nonce")?,
            uri: need("uri")?,
            response: need("response")?,
            algorithm,
            cnonce,
            qop,
            nc,
        })
    }

    /// The nonce count as a number; 1 in the form of RFC 2069, so that its nonce serves once.
    pub fn count(&self) -> u32 {
        let digit = |octet: &u8| char::from(*octet).to_digit(16).unwrap_or(0);
        match self.qop {
            Some(_) => self.nc.iter().fold(0, |sum, octet| sum << 4 | digit(octet)),
            None => 1,
        }
    }
}
