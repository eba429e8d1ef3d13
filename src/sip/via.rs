//! The Via header: where a response goes and which transaction it belongs to (RFC 3261 §20.42).

use super::{
    text::{is_space, is_token, number, param, trim},
    uri::host_port,
};

/// One element of a Via header; responses go by the topmost.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, … as written.
    pub transport: &'a [u8],
    /// Host of the sent-by.
    pub host: &'a [u8],
    /// Port of the sent-by.
    pub port: Option<u16>,
    /// The parameters, from the first `;` on.
    pub params: &'a [u8],
}

impl<'a> Via<'a> {
    /// Reads one Via element: `SIP / 2.0 / UDP host : port ; params`.
    pub fn read(element: &'a [u8]) -> Option<Self> {
        let mut parts = element.splitn(3, |o| *o == b'/');
        let (sip, version, rest) = (trim(parts.next()?), trim(parts.next()?), trim(parts.next()?));
        if !sip.eq_ignore_ascii_case(b"SIP") || version != b"2.0" {
            return None;
        }
        let space = rest.iter().position(|o| is_space(*o))?;
        let (transport, rest) = (&rest[..space], trim(&rest[space..]));
        let tail = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (host, port) = host_port(trim(&rest[..tail])).or_else(|| spaced_host_port(&rest[..tail]))?;
        (!transport.is_empty() && transport.iter().all(|o| is_token(*o))).then_some(Self {
            transport,
            host,
            port,
            params: &rest[tail..],
        })
    }

    /// The branch parameter.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.param("branch").filter(|b| !b.is_empty())
    }

    /// The value of a Via parameter; a flag is `Some(b"")`.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        param(self.params, name)
    }
}

/// `host : port`, with the white space that the grammar allows around the colon.
fn spaced_host_port(written: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let colon = memchr::memrchr(b':', written)?;
    let (host, none) = host_port(trim(&written[..colon]))?;
    let port = u16::try_from(number(trim(&written[colon + 1..]))?).ok()?;
    none.is_none().then_some((host, Some(port)))
}
