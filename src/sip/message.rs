//! A SIP message as it came: the octets, and where each header field lies in them (RFC 3261 §7).
//!
//! One pass notes the positions; nothing else is read, copied or allocated until somebody asks.

use bytes::Bytes;
use smallvec::SmallVec;
use thiserror::Error;

pub use super::{line::Field, via::Via};

use super::{
    line::{Line, Next, Span, Start},
    name::{Method, Name},
    text::{find_bare, is_space, number, split_commas, trim},
    uri::NameAddr,
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

/// Something that is wrong with a message which can still be answered.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// The version is not `SIP/2.0`: 505.
    #[error("Version Not Supported")]
    Version,
    /// White space in the start line where none may be, or an unreadable Request-URI.
    #[error("Bad Start Line")]
    StartLine,
    /// A line that is no header field, or holds a CR without LF.
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
    /// 4 GiB or more.
    #[error("more octets than a message can have")]
    TooLarge,
}

impl Message {
    /// Reads one datagram or one framed message. Leading CRLFs are passed over (RFC 3261 §7.5).
    ///
    /// # Errors
    /// [`NotSip`] where not even an error reply is possible; all else is kept in [`Message::fault`].
    pub fn read(raw: Bytes) -> Result<Self, NotSip> {
        let skip = raw.iter().position(|o| !matches!(o, b'\r' | b'\n')).unwrap_or(raw.len());
        let raw = if skip == 0 { raw } else { raw.slice(skip..) };
        if u32::try_from(raw.len()).is_err() {
            return Err(NotSip::TooLarge);
        }
        let line = Line::at(&raw, 0).ok_or(NotSip::StartLine)?;
        let (start, mut fault) = Start::read(&raw[..line.text_end]).ok_or(NotSip::StartLine)?;
        if line.bare_cr {
            fault = fault.or(Some(Fault::StartLine));
        }
        let mut message = Self { raw, start, fields: SmallVec::new(), body: 0, fault };
        message.locate_fields(line.end)?;
        message.bound_body();
        Ok(message)
    }

    /// Reads a request that Ringpost has made itself, as far as the five fields that name it; Route stands before them,
    /// see [`super::dialog::Dialog`]. For what is sent in its wake: CANCEL, ACK and the dialog.
    pub(crate) fn read_own(raw: &Bytes) -> Option<Self> {
        let line = Line::at(raw, 0)?;
        let (start, fault) = Start::read(&raw[..line.text_end])?;
        let mut message = Self { raw: raw.clone(), start, fields: SmallVec::new(), body: 0, fault };
        let (mut at, mut missing) = (line.end, 5);
        while missing > 0 {
            let Next::Field(field) = Next::at(raw, at)? else { return None };
            at = field.whole.1 as usize;
            let names_it =
                matches!(field.name, Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq);
            missing -= u8::from(names_it);
            message.fields.push(field);
        }
        message.body = raw.len() as u32;
        Some(message)
    }

    fn locate_fields(&mut self, mut at: usize) -> Result<(), NotSip> {
        while at < self.raw.len() {
            match Next::at(&self.raw, at).ok_or(NotSip::Unfinished)? {
                Next::Field(field) if self.fields.len() < MAX_FIELDS => {
                    at = field.whole.1 as usize;
                    self.fields.push(field);
                }
                Next::Field(field) => {
                    at = field.whole.1 as usize;
                    self.fault = self.fault.or(Some(Fault::TooMany));
                }
                Next::Bad { end } => {
                    at = end;
                    self.fault = self.fault.or(Some(Fault::Header));
                }
                Next::Empty { end } => {
                    self.body = end as u32;
                    return Ok(());
                }
            }
        }
        self.body = at as u32;
        self.fault = self.fault.or(Some(Fault::Unfinished));
        Ok(())
    }

    /// Cuts what follows the body on a datagram; notes a Content-Length that cannot be right (RFC 3261 §18.3).
    fn bound_body(&mut self) {
        let Some(first) = self.first(Name::ContentLength).map(number) else { return };
        let end = first.map(|length| self.body as usize + length as usize);
        match end.filter(|end| *end <= self.raw.len()) {
            Some(end) if self.values(Name::ContentLength).all(|other| number(other) == first) => {
                self.raw.truncate(end);
            }
            Some(_) | None => self.fault = self.fault.or(Some(Fault::Length)),
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

    /// The length of the body in octets.
    pub fn body_length(&self) -> usize {
        self.raw.len() - self.body as usize
    }

    /// How many header fields there are.
    pub fn field_count(&self) -> usize {
        self.fields.len()
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
        let line = self.written(field);
        trim(&line[..memchr::memchr(b':', line).unwrap_or(0)])
    }

    /// A field's octets, name, folds and line end included: what is spliced into another message.
    pub fn written(&self, field: &Field) -> &[u8] {
        self.at(field.whole)
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
        let value = self.first(Name::Via)?;
        let end = memchr::memchr(b',', value).and_then(|_| find_bare(value, b',')).unwrap_or(value.len());
        Via::read(&value[..end])
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

    fn at(&self, (start, end): Span) -> &[u8] {
        &self.raw[start as usize..end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_copies_and_allocates_nothing() {
        let header = "X: y\r\n".repeat(20);
        let raw = Bytes::from(format!("OPTIONS sip:a SIP/2.0\r\n{header}\r\nbody"));
        let message = Message::read(raw.clone()).expect("an OPTIONS");
        assert!(!message.fields.spilled(), "twenty fields have room inside");
        assert_eq!(message.raw().as_ptr(), raw.as_ptr());
        assert_eq!(message.body().as_ptr(), raw[raw.len() - 4..].as_ptr());
    }

    #[test]
    fn what_is_wrong_is_noted_once() {
        let many = |count| "X: y\r\n".repeat(count);
        let rows = [
            ("OPTIONS sip:a SIP/2.0", "", None),
            ("OPTIONS sip:a SIP/9.0", "no field\r\n", Some(Fault::Version)),
            ("OPTIONS sip:a b SIP/2.0", "", Some(Fault::StartLine)),
            ("SIP/2.0 200 a\rb", "", Some(Fault::StartLine)),
            ("OPTIONS sip:a SIP/2.0", "no field\r\n", Some(Fault::Header)),
            ("OPTIONS sip:a SIP/2.0", "Subject: a\rb\r\n", Some(Fault::Header)),
            ("OPTIONS sip:a SIP/2.0", "l: 1\r\nl: 2\r\n", Some(Fault::Length)),
            ("OPTIONS sip:a SIP/2.0", "l: 9\r\n", Some(Fault::Length)),
            ("OPTIONS sip:a SIP/2.0", "l:\r\n", Some(Fault::Length)),
            ("OPTIONS sip:a SIP/2.0", &many(MAX_FIELDS), None),
            ("OPTIONS sip:a SIP/2.0", &many(MAX_FIELDS + 1), Some(Fault::TooMany)),
        ];
        for (start, header, fault) in rows {
            let raw = Bytes::from(format!("{start}\r\n{header}\r\nbody"));
            assert_eq!(Message::read(raw).map(|m| m.fault()), Ok(fault), "{start} {header}");
        }
    }

    #[test]
    fn what_nobody_can_answer_is_no_message() {
        let rows = [
            ("", NotSip::StartLine),
            ("\r\n\r\n", NotSip::StartLine),
            ("OPTIONS sip:a SIP/2.0", NotSip::StartLine),
            ("GET / HTTP/1.1\r\n\r\n", NotSip::StartLine),
            ("OPTIONS sip:a SIP/2.0\r\nVia: x", NotSip::Unfinished),
            ("OPTIONS sip:a SIP/2.0\r\nVia: x\r\n y", NotSip::Unfinished),
            ("OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r", NotSip::Unfinished),
        ];
        for (raw, expected) in rows {
            assert_eq!(Message::read(Bytes::from(raw)).map(|m| m.fault()), Err(expected), "{raw:?}");
        }
        let cut = Message::read(Bytes::from("OPTIONS sip:a SIP/2.0\r\nVia: x\r\n"));
        assert_eq!(cut.map(|m| m.fault()), Ok(Some(Fault::Unfinished)));
    }
}
