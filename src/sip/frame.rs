//! Cuts a stream into messages by Content-Length (RFC 3261 §18.3, §20.14; keep-alives of RFC 5626 §3.5.1).

use thiserror::Error;

use super::{
    line::{Line, Next},
    name::Name,
    text::number,
};

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

/// Cuts one connection's octets, and remembers how far it has looked, so that slow senders cost no second search.
#[derive(Clone, Debug)]
pub struct Framer {
    limit: usize,
    /// Octets in which no header ends.
    searched: usize,
    /// The length of the message whose header has ended.
    due: Option<usize>,
}

impl Framer {
    /// `limit` is the largest message in octets.
    pub fn new(limit: usize) -> Self {
        Self { limit, searched: 0, due: None }
    }

    /// Looks at the head of `buffer`, which may only have grown since [`Frame::Incomplete`], and from which the octets
    /// of every other [`Frame`] must have been dropped.
    ///
    /// # Errors
    /// [`Unframed`]: the connection must be closed after an error reply.
    pub fn look(&mut self, buffer: &[u8]) -> Result<Frame, Unframed> {
        if matches!(buffer.first(), Some(b'\r' | b'\n')) {
            return Ok(blank(buffer));
        }
        let length = match self.due {
            Some(length) => length,
            None => match header_end(buffer, self.searched) {
                Some(header) => self.whole(buffer, header)?,
                None if buffer.len() > self.limit => return Err(Unframed::TooLarge),
                None => {
                    self.searched = buffer.len();
                    return Ok(Frame::Incomplete);
                }
            },
        };
        if length > buffer.len() {
            self.due = Some(length);
            return Ok(Frame::Incomplete);
        }
        *self = Self::new(self.limit);
        Ok(Frame::Message { length })
    }

    fn whole(&self, buffer: &[u8], header: usize) -> Result<usize, Unframed> {
        let body = content_length(&buffer[..header]).ok_or(Unframed::Length { header })?;
        let length = header.saturating_add(body);
        if length > self.limit { Err(Unframed::TooLarge) } else { Ok(length) }
    }
}

/// One look at the head of `buffer`, for a caller that keeps no [`Framer`]; `limit` is the largest message in octets.
/// `searched` is 0, or how far an earlier look has seen no end of a *header*: a caller cannot know this from
/// [`Frame::Incomplete`], which a missing body gives too.
///
/// # Errors
/// [`Unframed`]: the connection must be closed after an error reply.
pub fn frame(buffer: &[u8], limit: usize, searched: usize) -> Result<Frame, Unframed> {
    Framer { limit, searched, due: None }.look(buffer)
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
    let mut at = Line::at(header, 0)?.end;
    while at < header.len() {
        at = match Next::at(header, at)? {
            Next::Field(field) => {
                if field.name == Name::ContentLength {
                    let length = number(&header[field.value.0 as usize..field.value.1 as usize])?;
                    if found.is_some_and(|other| other != length) {
                        return None;
                    }
                    found = Some(length);
                }
                field.whole.1 as usize
            }
            Next::Bad { end } | Next::Empty { end } => end,
        }
    }
    found.map(|length| length as usize)
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
    fn the_blank_line_of_a_body_ends_no_header() {
        let stream = b"MESSAGE sip:a SIP/2.0\r\nl: 9\r\n\r\na\r\n\r\nl: 1";
        let mut framer = Framer::new(1000);
        for cut in 1..stream.len() {
            assert_eq!(framer.look(&stream[..cut]), Ok(Frame::Incomplete), "{cut}");
        }
        assert_eq!(framer.look(stream), Ok(Frame::Message { length: stream.len() }));
        assert_eq!(framer.look(OPTIONS), Ok(Frame::Message { length: OPTIONS.len() }));
    }

    #[test]
    fn what_cannot_be_framed() {
        let rows: [(&[u8], Result<Frame, Unframed>); 13] = [
            (b"\r\n\r\nX", Ok(Frame::Ping { length: 4 })),
            (b"\r\nX", Ok(Frame::Blank { length: 2 })),
            (b"\nX", Ok(Frame::Blank { length: 1 })),
            (b"A B C\nContent-Length: 0\n\n", Ok(Frame::Message { length: 25 })),
            (b"A B C\r\n\r\n", Err(Unframed::Length { header: 9 })),
            (b"A\r\nl: -1\r\n\r\n", Err(Unframed::Length { header: 12 })),
            (b"A\r\nl: 1\r\nl: 2\r\n\r\n", Err(Unframed::Length { header: 17 })),
            (b"A\r\nl: 4294967295\r\n\r\n", Err(Unframed::TooLarge)),
            // A Content-Length in a fold is none, or the view and the framer would cut at different places.
            (b"A\r\nS: x\r\n l: 9\r\nl: 0\r\n\r\n", Ok(Frame::Message { length: 24 })),
            (b"A\r\nl:\r\n 1\r\n\r\nx", Ok(Frame::Message { length: 14 })),
            (b"A\r\nS: x\rl: 9\r\nl: 0\r\n\r\n", Ok(Frame::Message { length: 22 })),
            (b"A\r\nl\x01: 1\r\n\r\nx", Err(Unframed::Length { header: 12 })),
            (&[b'a'; 1001], Err(Unframed::TooLarge)),
        ];
        for (buffer, expected) in rows {
            assert_eq!(frame(buffer, 1000, 0), expected, "{}", String::from_utf8_lossy(buffer));
        }
    }
}
