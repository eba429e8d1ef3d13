//! The lines of a message: where the start line's parts and each header field lie (RFC 3261 §7.1 to §7.3.1).
//!
//! The message view and the framer both read with this, so that they cannot disagree about a header.

use super::{
    message::Fault,
    name::{Method, Name},
    text::{is_space, is_token, number, trim},
};

/// From and to, in octets of the message.
pub(super) type Span = (u32, u32);

/// The start line; the method starts at the message's first octet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Request { method: Method, method_end: u32, uri: Span },
    Status { code: u16, reason: Span },
}

/// Where one header field lies: the whole of it (folds and line end included), and its trimmed value.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Which header it is.
    pub name: Name,
    pub(super) whole: Span,
    pub(super) value: Span,
}

/// What stands at some place of a header.
pub(super) enum Next {
    /// A field; the next one starts where its whole ends.
    Field(Field),
    /// A line that is no field, folds included.
    Bad { end: usize },
    /// The empty line.
    Empty { end: usize },
}

/// One line: where its text ends, and where the next line starts.
pub(super) struct Line {
    pub text_end: usize,
    pub end: usize,
    /// Whether a CR stands alone in it, which some take for a line end and some do not.
    pub bare_cr: bool,
}

impl Line {
    /// The line that starts at `at`; `None` where it does not end.
    pub fn at(octets: &[u8], at: usize) -> Option<Self> {
        let mut bare_cr = false;
        for step in memchr::memchr2_iter(b'\r', b'\n', octets.get(at..)?) {
            let found = at + step;
            match (octets[found], octets.get(found + 1)) {
                (b'\n', _) => return Some(Self { text_end: found, end: found + 1, bare_cr }),
                (_, Some(b'\n')) => return Some(Self { text_end: found, end: found + 2, bare_cr }),
                (_, _) => bare_cr = true,
            }
        }
        None
    }
}

impl Start {
    /// Reads the first line, without its line end; `None` where it is no SIP start line.
    pub fn read(line: &[u8]) -> Option<(Self, Option<Fault>)> {
        match line.get(..4) {
            Some(head) if head.eq_ignore_ascii_case(b"SIP/") => Some((Self::status(line)?, None)),
            _ => Self::request(line),
        }
    }

    fn request(line: &[u8]) -> Option<(Self, Option<Fault>)> {
        let method_end = line.iter().position(|o| is_space(*o))?;
        let last = line.iter().rposition(|o| !is_space(*o))?;
        let version_start = line[..=last].iter().rposition(|o| is_space(*o))? + 1;
        let (method, version) = (&line[..method_end], &line[version_start..=last]);
        if method.is_empty() || !method.iter().all(|o| is_token(*o)) || !is_version(version) {
            return None;
        }
        let uri = trim(&line[method_end..version_start]);
        let uri_start = method_end + line[method_end..].iter().position(|o| !is_space(*o))?;
        // RFC 3261 §7.1: single spaces, and none behind.
        let exact = line.len() == method.len() + uri.len() + version.len() + 2
            && line[method_end] == b' '
            && line[version_start - 1] == b' ';
        let fault = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            Some(Fault::Version)
        } else {
            (!exact || uri.is_empty() || uri.iter().any(|o| is_space(*o))).then_some(Fault::StartLine)
        };
        let uri = (uri_start as u32, (uri_start + uri.len()) as u32);
        let start = Self::Request { method: Method::of(method), method_end: method_end as u32, uri };
        Some((start, fault))
    }

    /// `SIP/2.0 486 Busy Here`; the phrase may be empty, even without its space.
    fn status(line: &[u8]) -> Option<Self> {
        let rest = line.get(8..)?;
        if !line[..8].eq_ignore_ascii_case(b"SIP/2.0 ") || !matches!(rest.get(3), None | Some(b' ')) {
            return None;
        }
        let code = u16::try_from(number(rest.get(..3)?)?).ok().filter(|c| (100..700).contains(c))?;
        Some(Self::Status { code, reason: (12.min(line.len()) as u32, line.len() as u32) })
    }
}

impl Next {
    /// What starts at `at`; `None` where the octets stop in the middle of a line.
    pub fn at(octets: &[u8], at: usize) -> Option<Self> {
        let mut line = Line::at(octets, at)?;
        if line.text_end == at {
            return Some(Self::Empty { end: line.end });
        }
        let mut bare_cr = line.bare_cr;
        // A line that starts with white space goes on with the one before (RFC 3261 §7.3.1).
        while matches!(octets.get(line.end), Some(b' ' | b'\t')) {
            line = Line::at(octets, line.end)?;
            bare_cr |= line.bare_cr;
        }
        let field = if bare_cr { None } else { Field::read(octets, at, line.end) };
        Some(field.map_or(Self::Bad { end: line.end }, Self::Field))
    }
}

impl Field {
    fn read(octets: &[u8], start: usize, end: usize) -> Option<Self> {
        let line = &octets[start..end];
        let name_end = line.iter().position(|o| !is_token(*o)).filter(|end| *end > 0)?;
        // White space may stand before the colon (RFC 3261 §7.3.1), but nothing else that does not print (T13).
        let colon = name_end + line[name_end..].iter().position(|o| !matches!(o, b' ' | b'\t'))?;
        if line[colon] != b':' {
            return None;
        }
        let behind = &line[colon + 1..];
        let first = behind.iter().position(|o| !is_space(*o)).unwrap_or(behind.len());
        let last = behind[first..].iter().rposition(|o| !is_space(*o)).map_or(first, |last| first + last + 1);
        let value_start = start + colon + 1;
        Some(Self {
            name: Name::of(&line[..name_end]),
            whole: (start as u32, end as u32),
            value: ((value_start + first) as u32, (value_start + last) as u32),
        })
    }
}

fn is_version(written: &[u8]) -> bool {
    written.len() > 4 && written[..4].eq_ignore_ascii_case(b"SIP/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_lines_are_read_or_refused() {
        let rows = [
            ("OPTIONS sip:a SIP/2.0", Some(None)),
            ("OPTIONS sip:a sip/2.0", Some(None)),
            ("OPTIONS sip:a SIP/2.1", Some(Some(Fault::Version))),
            ("OPTIONS sip:a  SIP/2.0", Some(Some(Fault::StartLine))),
            ("OPTIONS sip:a SIP/2.0 ", Some(Some(Fault::StartLine))),
            ("OPTIONS\tsip:a\tSIP/2.0", Some(Some(Fault::StartLine))),
            ("OPTIONS SIP/2.0", Some(Some(Fault::StartLine))),
            ("SIP/2.0 200 OK", Some(None)),
            ("sip/2.0 299", Some(None)),
            ("SIP/2.0 2000 OK", None),
            ("SIP/2.0 099 OK", None),
            ("SIP/2.0 700 OK", None),
            ("SIP/2.0 20", None),
            ("SIP/7.0 200 OK", None),
            ("OPTIONS sip:a", None),
            ("OPTIONS sip:a HTTP/1.1", None),
            (" OPTIONS sip:a SIP/2.0", None),
            ("OPT@ONS sip:a SIP/2.0", None),
            ("x", None),
            ("", None),
        ];
        for (line, expected) in rows {
            assert_eq!(Start::read(line.as_bytes()).map(|(_, fault)| fault), expected, "{line}");
        }
    }

    #[test]
    fn a_field_ends_where_no_fold_follows() {
        // The octets, and where the field ends; 0 where it is none, `None` where it does not end.
        let rows = [
            ("a: b\r\nc: d\r\n", Some(6)),
            ("a: b\nc: d\n", Some(5)),
            ("a: b\r\n c\r\n\td\r\n\r\n", Some(14)),
            ("a\t :\r\n\r\n", Some(6)),
            ("a: b\r\n c", None),
            ("a: b\r", None),
            ("a\u{1}: b\r\n", Some(0)),
            ("a b: c\r\n", Some(0)),
            (": c\r\n", Some(0)),
            (" a: c\r\n", Some(0)),
            ("a: b\rc: d\r\n", Some(0)),
            ("a: b\r\r\n", Some(0)),
            ("none\r\n", Some(0)),
        ];
        for (octets, expected) in rows {
            let end = Next::at(octets.as_bytes(), 0).map(|next| match next {
                Next::Field(field) => field.whole.1,
                Next::Bad { .. } => 0,
                Next::Empty { .. } => unreachable!("no row is empty"),
            });
            assert_eq!(end, expected, "{octets:?}");
        }
    }
}
