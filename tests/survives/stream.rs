//! Octets in any cuts against the framer: the same messages come out whatever the cuts, and within the limit.

use ringpost::sip::{
    Message,
    frame::{Frame, Framer},
    message::Fault,
};

use super::Dice;

/// Small, so that a short input reaches it.
const LIMIT: usize = 400;

/// What came out of a stream: messages and keep-alives in order, and whether it ended in an error.
#[derive(Debug, Default, Eq, PartialEq)]
struct Cut<'a> {
    messages: Vec<&'a [u8]>,
    pings: usize,
    broken: bool,
    /// Octets that waited for more.
    rest: usize,
}

/// The first octet says how many cuts follow; what is left is the stream.
pub fn survives(octets: &[u8]) {
    let mut dice = Dice(octets);
    let cuts: Vec<usize> = (0..1 + dice.octet() % 16).map(|_| usize::from(dice.octet()) + 1).collect();
    let stream = dice.0;
    let whole = cut(stream, &[stream.len().max(1)]);
    assert_eq!(whole, cut(stream, &cuts), "the cuts {cuts:?} change what comes out");
    assert_eq!(whole, cut(stream, &[1]), "octet by octet something else comes out");
    for message in whole.messages {
        let Ok(read) = Message::read(bytes::Bytes::copy_from_slice(message)) else { continue };
        let as_long = read.raw().len() == message.len() || read.fault() == Some(Fault::TooMany);
        assert!(as_long, "the view cuts where the framer does not");
    }
}

/// Feeds the stream in pieces of those lengths, over and over.
fn cut<'a>(stream: &'a [u8], pieces: &[usize]) -> Cut<'a> {
    let mut found = Cut::default();
    let mut framer = Framer::new(LIMIT);
    let (mut from, mut to) = (0, 0);
    for piece in pieces.iter().cycle() {
        if to == stream.len() {
            break;
        }
        to = (to + piece).min(stream.len());
        while from < to {
            let length = match framer.look(&stream[from..to]) {
                Ok(Frame::Incomplete) => break,
                Ok(Frame::Ping { length }) => {
                    found.pings += 1;
                    length
                }
                Ok(Frame::Blank { length }) => length,
                Ok(Frame::Message { length }) => {
                    assert!(length <= LIMIT, "{length} octets are more than allowed");
                    found.messages.push(&stream[from..from + length]);
                    length
                }
                Err(_) => {
                    found.broken = true;
                    return found;
                }
            };
            assert!(length > 0 && from + length <= to, "a frame of {length} octets out of {}", to - from);
            from += length;
        }
        assert!(to - from <= LIMIT.max(*piece), "{} octets wait", to - from);
    }
    found.rest = stream.len() - from;
    found
}
