//! A SIP message as it came: the octets, and where each header field lies in them (RFC 3261 §7).
//!
//! One pass notes the positions; nothing else is read, copied or allocated until somebody asks.

use bytes::Bytes;
use smallvec::SmallVec;
use thiserror::Error;

use super::{
    name::{Method, Name},
    text::{is_space, is_token, number, params, split_commas, trim},
    uri::{NameAddr, host_port},
};

/// More header fields than this are refused: an honest message has some twenty.
pub const MAX_FIELDS: usize = 256;

/// A message with its header fields located.
#[derive(Clone, Debug)]
pub struct Message {
    raw: Bytes,
    start: Start,
    fields: SmallVec<[Field; 20]>,
    body: u32,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Request { method: Method, method_end: u32, uri: (u32, u32) },
    Status { code: u16, reason: (u32, u32) },
}

/// Where one header field lies: the whole of it (folds and line end included), and its trimmed value.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Which header it is.
    pub name: Name,
    start: u32,
    end: u32,
    value: (u32, u32),
}

/// Something that is wrong with a message which can still be answered.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// The version is not `SIP/2.0`: 505.
    #[error("Version Not Supported")]
    Version,
    /// White space in the start line where none may be, or an unreadable Request-URI.
    #[error("Bad Start Line")]
    StartLine,
    /// A line that is no header field.
    #[error("Bad Header Field")]
    Header,
    /// The octets stop behind a whole line, without the empty line that ends a header.
    #[error("Header Not Ended")]
    Unfinished,
    /// More than [`MAX_FIELDS`] header fields.
    #[error("Too Many Header Fields")]
    TooMany,
    /// Content-Length is no number, repeated with another value, or larger than what came.
    #[error("Bad Content-Length")]
    Length,
}

/// Octets that are no SIP message at all, so that nobody can be answered.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NotSip {
    /// The first line is neither a request line nor a status line.
    #[error("the first line is no SIP start line")]
    StartLine,
    /// The octets stop in the middle of a line.
    #[error("the header stops in the middle of a line")]
    Unfinished,
}

/// The topmost Via: where a response goes and which transaction it belongs to.
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

impl Message {
    /// Reads one datagram or one framed message. Leading CRLFs are passed over (RFC 3261 §7.5).
    ///
    /// # Errors
    /// [`NotSip`] where not even an error reply is possible; all else is kept in [`Message::fault`].
    pub fn read(raw: Bytes) -> Result<Self, NotSip> {
        let skip = raw.iter().position(|o| !matches!(o, b'\r' | b'\n')).unwrap_or(raw.len());
        let raw = if skip == 0 { raw } else { raw.slice(skip..) };
        let line_end = memchr::memchr(b'\n', &raw).ok_or(NotSip::StartLine)?;
        let (start, mut fault) = read_start(strip_cr(&raw[..line_end]))?;
        let mut fields = SmallVec::new();
        let body = read_fields(&raw, line_end + 1, &mut fields, &mut fault)?;
        let mut message = Self { raw, start, fields, body: body as u32, fault };
        message.bound_body();
        Ok(message)
    }

    /// Cuts what follows the body on a datagram; notes a Content-Length that cannot be right (RFC 3261 §18.3).
    fn bound_body(&mut self) {
        let lengths: SmallVec<[Option<u32>; 2]> = self.values(Name::ContentLength).map(number).collect();
        let Some(first) = lengths.first() else { return };
        let there = self.raw.len() - self.body as usize;
        match first {
            Some(length) if lengths.iter().all(|l| l == first) && *length as usize <= there => {
                self.raw.truncate(self.body as usize + *length as usize);
            }
            _ => self.fault = self.fault.or(Some(Fault::Length)),
        }
    }

    /// What is wrong with the message, if it can still be answered.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The octets as they came, cut behind the body.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The method of a request; `None` for a response.
    pub fn method(&self) -> Option<Method> {
        match self.start {
            Start::Request { method, .. } => Some(method),
            Start::Status { .. } => None,
        }
    }

    /// The method as written; empty for a response.
    pub fn method_name(&self) -> &[u8] {
        match self.start {
            Start::Request { method_end, .. } => &self.raw[..method_end as usize],
            Start::Status { .. } => b"",
        }
    }

    /// The Request-URI as written; empty for a response.
    pub fn uri(&self) -> &[u8] {
        match self.start {
            Start::Request { uri, .. } => self.at(uri),
            Start::Status { .. } => b"",
        }
    }

    /// The status code of a response, 100 to 699; `None` for a request.
    pub fn code(&self) -> Option<u16> {
        match self.start {
            Start::Status { code, .. } => Some(code),
            Start::Request { .. } => None,
        }
    }

    /// The reason phrase as written; empty for a request.
    pub fn reason_phrase(&self) -> &[u8] {
        match self.start {
            Start::Status { reason, .. } => self.at(reason),
            Start::Request { .. } => b"",
        }
    }

    /// The body.
    pub fn body(&self) -> Bytes {
        self.raw.slice(self.body as usize..)
    }

    /// Whether there is a body.
    pub fn has_body(&self) -> bool {
        self.raw.len() > self.body as usize
    }

    /// Every header field in the order it came.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    /// A field's name as written.
    pub fn written_name(&self, field: &Field) -> &[u8] {
        let line = &self.raw[field.start as usize..field.end as usize];
        trim(&line[..memchr::memchr(b':', line).unwrap_or(0)])
    }

    /// A field's octets, name, folds and line end included: what is spliced into another message.
    pub fn written(&self, field: &Field) -> &[u8] {
        &self.raw[field.start as usize..field.end as usize]
    }

    /// A field's trimmed value, folds included.
    pub fn value(&self, field: &Field) -> &[u8] {
        self.at(field.value)
    }

    /// The values of all fields of that name, one per field.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |f| f.name == name).map(|f| self.at(f.value))
    }

    /// The value of the first field of that name.
    pub fn first(&self, name: Name) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The elements of all fields of that name, split at bare commas.
    pub fn list(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.values(name).flat_map(split_commas)
    }

    /// How many fields have that name.
    pub fn count(&self, name: Name) -> usize {
        self.fields.iter().filter(|f| f.name == name).count()
    }

    /// The topmost Via.
    pub fn via(&self) -> Option<Via<'_>> {
        Via::read(self.list(Name::Via).next()?)
    }

    /// From.
    pub fn from(&self) -> Option<NameAddr<'_>> {
        NameAddr::read(self.first(Name::From)?)
    }

    /// To.
    pub fn to(&self) -> Option<NameAddr<'_>> {
        NameAddr::read(self.first(Name::To)?)
    }

    /// Call-ID.
    pub fn call_id(&self) -> &[u8] {
        self.first(Name::CallId).unwrap_or(b"")
    }

    /// CSeq: the number (below 2^31, RFC 3261 §8.1.1.5) and the method as written.
    pub fn cseq(&self) -> Option<(u32, &[u8])> {
        let value = self.first(Name::CSeq)?;
        let end = value.iter().position(|o| is_space(*o))?;
        let sequence = number(&value[..end]).filter(|n| *n < 1 << 31)?;
        Some((sequence, trim(&value[end..])))
    }

    /// The method named in CSeq.
    pub fn cseq_method(&self) -> Option<Method> {
        self.cseq().map(|(_, method)| Method::of(method))
    }

    /// The URI of the first Contact.
    pub fn contact(&self) -> Option<&[u8]> {
        NameAddr::read(self.list(Name::Contact).next()?).map(|c| c.uri)
    }

    fn at(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.raw[start as usize..end as usize]
    }
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
        params(self.params)
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, v)| v.unwrap_or(b""))
    }
}

/// `host : port`, with the white space that the grammar allows around the colon.
fn spaced_host_port(written: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let colon = memchr::memrchr(b':', written)?;
    let (host, none) = host_port(trim(&written[..colon]))?;
    let port = u16::try_from(number(trim(&written[colon + 1..]))?).ok()?;
    none.is_none().then_some((host, Some(port)))
}

fn strip_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn read_start(line: &[u8]) -> Result<(Start, Option<Fault>), NotSip> {
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return read_status(line).ok_or(NotSip::StartLine).map(|start| (start, None));
    }
    let method_end = line.iter().position(|o| is_space(*o)).ok_or(NotSip::StartLine)?;
    let last = line.iter().rposition(|o| !is_space(*o)).ok_or(NotSip::StartLine)?;
    let version_start = line[..=last].iter().rposition(|o| is_space(*o)).ok_or(NotSip::StartLine)? + 1;
    let version = &line[version_start..=last];
    let method = &line[..method_end];
    if method.is_empty()
        || !method.iter().all(|o| is_token(*o))
        || version.len() < 5
        || !version[..4].eq_ignore_ascii_case(b"SIP/")
    {
        return Err(NotSip::StartLine);
    }
    let uri = if version_start > method_end { trim(&line[method_end..version_start]) } else { b"" };
    let uri_start = line[method_end..].iter().position(|o| !is_space(*o)).unwrap_or(0) + method_end;
    let exact = line.len() == method_end + uri.len() + version.len() + 2;
    let fault = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        Some(Fault::Version)
    } else {
        (!exact || uri.is_empty() || uri.iter().any(|o| is_space(*o))).then_some(Fault::StartLine)
    };
    let uri = (uri_start as u32, (uri_start + uri.len()) as u32);
    Ok((Start::Request { method: Method::of(method), method_end: method_end as u32, uri }, fault))
}

/// `SIP/2.0 486 Busy Here`; the phrase may be empty, even without its space.
fn read_status(line: &[u8]) -> Option<Start> {
    let rest = line.get(8..)?;
    if !line[..8].eq_ignore_ascii_case(b"SIP/2.0 ")
        || rest.len() < 3
        || !matches!(rest.get(3), None | Some(b' '))
    {
        return None;
    }
    let code = u16::try_from(number(&rest[..3])?).ok().filter(|c| (100..700).contains(c))?;
    Some(Start::Status { code, reason: (12.min(line.len()) as u32, line.len() as u32) })
}

/// Locates the fields from `at` on; returns where the body starts.
fn read_fields(
    raw: &[u8],
    mut at: usize,
    fields: &mut SmallVec<[Field; 20]>,
    fault: &mut Option<Fault>,
) -> Result<usize, NotSip> {
    loop {
        if at == raw.len() {
            *fault = fault.or(Some(Fault::Unfinished));
            return Ok(at);
        }
        let end = at + memchr::memchr(b'\n', &raw[at..]).ok_or(NotSip::Unfinished)? + 1;
        if strip_cr(&raw[at..end - 1]).is_empty() {
            return Ok(end);
        }
        let mut end = end;
        // A line that starts with white space goes on with the one before (RFC 3261 §7.3.1).
        while matches!(raw.get(end), Some(b' ' | b'\t')) {
            end += memchr::memchr(b'\n', &raw[end..]).ok_or(NotSip::Unfinished)? + 1;
        }
        if fields.len() == MAX_FIELDS {
            *fault = fault.or(Some(Fault::TooMany));
        } else if let Some(field) = read_field(raw, at, end) {
            fields.push(field);
        } else {
            *fault = fault.or(Some(Fault::Header));
        }
        at = end;
    }
}

fn read_field(raw: &[u8], start: usize, end: usize) -> Option<Field> {
    let line = &raw[start..end];
    let colon = memchr::memchr(b':', line)?;
    let blank = line[..colon].iter().rposition(|o| !matches!(o, b' ' | b'\t')).map_or(0, |last| last + 1);
    let name = &line[..blank];
    if name.is_empty() || !name.iter().all(|o| is_token(*o)) {
        return None;
    }
    let value = trim(&line[colon + 1..]);
    let value_start = if value.is_empty() {
        end
    } else {
        let blanks = line[colon + 1..].iter().position(|o| !is_space(*o)).unwrap_or(0);
        start + colon + 1 + blanks
    };
    Some(Field {
        name: Name::of(name),
        start: start as u32,
        end: end as u32,
        value: (value_start as u32, (value_start + value.len()) as u32),
    })
}
