//! Cuts a stream into messages by Content-Length (RFC 3261 §18.3, §20.14; keep-alives of RFC 5626 §3.5.1).

use thiserror::Error;

use super::{name::Name, text::number};

/// What stands at the head of the buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frame {
    /// Nothing whole yet.
    Incomplete,
    /// A double CRLF: answer with one CRLF.
    Ping {
        /// Octets to drop.
        length: usize,
    },
    /// Stray line ends: drop them.
    Blank {
        /// Octets to drop.
        length: usize,
    },
    /// One message.
    Message {
        /// Its length in octets.
        length: usize,
    },
}

/// A stream that can no longer be cut into messages.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Unframed {
    /// The header or the whole message is larger than allowed: 513.
    #[error("Message Too Large")]
    TooLarge,
    /// Content-Length is missing, no number, or given twice: 400.
    #[error("Bad Content-Length")]
    Length {
        /// Where the header ends, so that an error reply can be made from it.
        header: usize,
    },
}

/// Looks at the head of `buffer`; `limit` is the largest message in octets; `searched` is how far an earlier look has
/// already seen no end of header (pass 0 at first, and the buffer's length at that look later).
///
/// # Errors
/// [`Unframed`]: the connection must be closed after an error reply.
pub fn frame(buffer: &[u8], limit: usize, searched: usize) -> Result<Frame, Unframed> {
    if matches!(buffer.first(), Some(b'\r' | b'\n')) {
        return Ok(blank(buffer));
    }
    let Some(header) = header_end(buffer, searched) else {
        return if buffer.len() > limit { Err(Unframed::TooLarge) } else { Ok(Frame::Incomplete) };
    };
    let length = header.saturating_add(content_length(&buffer[..header]).ok_or(Unframed::Length { header })?);
    match length {
        _ if length > limit => Err(Unframed::TooLarge),
        _ if length > buffer.len() => Ok(Frame::Incomplete),
        _ => Ok(Frame::Message { length }),
    }
}

fn blank(buffer: &[u8]) -> Frame {
    if buffer.starts_with(b"\r\n\r\n") {
        return Frame::Ping { length: 4 };
    }
    match buffer {
        b"\r" | b"\r\n" | b"\r\n\r" => Frame::Incomplete,
        [b'\r', b'\n', ..] => Frame::Blank { length: 2 },
        _ => Frame::Blank { length: 1 },
    }
}

fn header_end(buffer: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    memchr::memchr_iter(b'\n', buffer.get(from..)?).map(|at| from + at).find_map(|at| {
        match (buffer.get(at + 1), buffer.get(at + 2)) {
            (Some(b'\n'), _) => Some(at + 2),
            (Some(b'\r'), Some(b'\n')) => Some(at + 3),
            _ => None,
        }
    })
}

/// The one Content-Length of a header; a stream cannot do without (RFC 3261 §20.14).
fn content_length(header: &[u8]) -> Option<usize> {
    let mut found = None;
    for line in header.split(|o| *o == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        if Name::of(super::text::trim(&line[..colon])) != Name::ContentLength {
            continue;
        }
        let value = number(super::text::trim(&line[colon + 1..]))? as usize;
        if found.is_some_and(|other| other != value) {
            return None;
        }
        found = Some(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc";

    #[test]
    fn a_message_is_found_octet_by_octet() {
        for cut in 1..OPTIONS.len() {
            assert_eq!(frame(&OPTIONS[..cut], 1000, 0), Ok(Frame::Incomplete), "{cut}");
            assert_eq!(
                frame(OPTIONS, 1000, cut.min(26)),
                Ok(Frame::Message { length: OPTIONS.len() }),
                "{cut}"
            );
        }
    }

    #[test]
    fn what_cannot_be_framed() {
        let rows: [(&[u8], Result<Frame, Unframed>); 9] = [
            (b"\r\n\r\nX", Ok(Frame::Ping { length: 4 })),
            (b"\r\nX", Ok(Frame::Blank { length: 2 })),
            (b"\nX", Ok(Frame::Blank { length: 1 })),
            (b"A B C\nContent-Length: 0\n\n", Ok(Frame::Message { length: 25 })),
            (b"A B C\r\n\r\n", Err(Unframed::Length { header: 9 })),
            (b"A\r\nl: -1\r\n\r\n", Err(Unframed::Length { header: 12 })),
            (b"A\r\nl: 1\r\nl: 2\r\n\r\n", Err(Unframed::Length { header: 17 })),
            (b"A\r\nl: 4294967295\r\n\r\n", Err(Unframed::TooLarge)),
            (&[b'a'; 1001], Err(Unframed::TooLarge)),
        ];
        for (buffer, expected) in rows {
            assert_eq!(frame(buffer, 1000, 0), expected, "{}", String::from_utf8_lossy(buffer));
        }
    }
}
