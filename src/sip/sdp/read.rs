//! Reads a session description leniently: unknown lines are passed over, nothing is believed twice, everything is bounded.

use std::net::IpAddr;

use super::{Codec, Direction, LARGEST, Refusal};

/// More streams than this nobody means.
const MOST_STREAMS: usize = 32;
/// More formats than there are payload types nobody means.
const MOST_FORMATS: usize = 128;

/// A description, as far as telephone audio needs it.
#[derive(Debug)]
pub struct Description<'a> {
    /// `t=`, start and stop.
    pub time: (u64, u64),
    /// The streams in their order.
    pub streams: Vec<Stream<'a>>,
}

/// One `m=` line and what belongs to it.
#[derive(Debug)]
pub struct Stream<'a> {
    /// `audio`, `video`, `image`, …
    pub media: &'a str,
    /// 0: refused, or switched off.
    pub port: u16,
    /// `RTP/AVP`, …
    pub transport: &'a str,
    /// Payload types or other formats, at least one, in the order of preference.
    pub formats: Vec<&'a str>,
    /// From `c=`, the stream's own or the session's.
    pub address: Address,
    /// As the peer sees it.
    pub direction: Direction,
    maps: Vec<(u8, Encoding)>,
}

/// Where a peer wants to hear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Address {
    /// There.
    Ip(IpAddr),
    /// Nowhere: `0.0.0.0` or `::`.
    Held,
    /// At a host name, or it does not say.
    Named,
}

/// What an `a=rtpmap` names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Encoding {
    Audio(Codec),
    TelephoneEvent,
    Unknown,
}

impl<'a> Description<'a> {
    /// Reads a body. Lines end in CRLF or LF; the order of lines within a stream does not matter.
    pub fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        if body.len() > LARGEST {
            return Err(Refusal::TooLarge);
        }
        let mut time = (0, 0);
        let (mut address, mut direction) = (Address::Named, Direction::SendRecv);
        let mut streams: Vec<Stream> = Vec::new();
        let mut known = false;
        for (field, value) in body.split(|octet| *octet == b'\n').filter_map(line) {
            known = true;
            let full = streams.len() == MOST_STREAMS;
            match (field, streams.last_mut()) {
                (b'm', _) if full => return Err(Refusal::TooLarge),
                (b'm', _) => streams.push(Stream::read(value, address, direction)?),
                (b't', None) => time = read_time(value).unwrap_or(time),
                (b'c', None) => address = Address::read(value),
                (b'c', Some(stream)) => stream.address = Address::read(value),
                (b'a', stream) => match (attribute(value), stream) {
                    (Attribute::Flow(flow), None) => direction = flow,
                    (Attribute::Flow(flow), Some(stream)) => stream.direction = flow,
                    (Attribute::Map(number, encoding), Some(stream)) => stream.map(number, encoding),
                    (Attribute::Map(..), None) | (Attribute::Other, _) => {}
                },
                _ => {}
            }
        }
        if known { Ok(Self { time, streams }) } else { Err(Refusal::NotSdp) }
    }
}

impl<'a> Stream<'a> {
    fn read(value: &'a str, address: Address, direction: Direction) -> Result<Self, Refusal> {
        let mut words = value.split_ascii_whitespace();
        let mut word = || words.next().filter(|word| is_token(word)).ok_or(Refusal::NotSdp);
        let (media, port, transport) = (word()?, word()?, word()?);
        // `49170/2` counts ports; one is enough.
        let port = port.split('/').next().and_then(|port| port.parse().ok()).ok_or(Refusal::NotSdp)?;
        let formats: Vec<&str> = words.filter(|word| is_token(word)).take(MOST_FORMATS + 1).collect();
        match formats.len() {
            0 => Err(Refusal::NotSdp),
            1..=MOST_FORMATS => {
                Ok(Self { media, port, transport, formats, address, direction, maps: Vec::new() })
            }
            _ => Err(Refusal::TooLarge),
        }
    }

    /// The payload types that are G.711, in the peer's order.
    pub fn codecs(&self) -> impl Iterator<Item = (u8, Codec)> {
        self.encodings().filter_map(|(number, encoding)| match encoding {
            Encoding::Audio(codec) => Some((number, codec)),
            Encoding::TelephoneEvent | Encoding::Unknown => None,
        })
    }

    /// The payload type of telephone-event/8000.
    pub fn telephone_event(&self) -> Option<u8> {
        self.encodings()
            .find_map(|(number, encoding)| (encoding == Encoding::TelephoneEvent).then_some(number))
    }

    fn encodings(&self) -> impl Iterator<Item = (u8, Encoding)> {
        let numbers = self.formats.iter().filter_map(|format| format.parse().ok());
        numbers.filter(|number| *number < 128).map(|number| (number, self.encoding(number)))
    }

    fn encoding(&self, number: u8) -> Encoding {
        let mapped = self.maps.iter().find_map(|(mapped, encoding)| (*mapped == number).then_some(*encoding));
        let fixed =
            || Codec::ALL.into_iter().find(|codec| codec.payload_type() == number).map(Encoding::Audio);
        mapped.or_else(fixed).unwrap_or(Encoding::Unknown)
    }

    fn map(&mut self, number: u8, encoding: Encoding) {
        if self.maps.len() < MOST_FORMATS && self.maps.iter().all(|(mapped, _)| *mapped != number) {
            self.maps.push((number, encoding));
        }
    }
}

impl Address {
    /// `IN IP4 192.0.2.1`, with a TTL or a count behind a slash for multicast.
    fn read(value: &str) -> Self {
        let host = value.split_ascii_whitespace().nth(2).and_then(|host| host.split('/').next());
        match host.and_then(|host| host.parse::<IpAddr>().ok()) {
            Some(ip) if ip.is_unspecified() => Self::Held,
            Some(ip) => Self::Ip(ip),
            None => Self::Named,
        }
    }
}

enum Attribute {
    Flow(Direction),
    Map(u8, Encoding),
    Other,
}

fn attribute(value: &str) -> Attribute {
    match value {
        "sendrecv" => Attribute::Flow(Direction::SendRecv),
        "sendonly" => Attribute::Flow(Direction::SendOnly),
        "recvonly" => Attribute::Flow(Direction::RecvOnly),
        "inactive" => Attribute::Flow(Direction::Inactive),
        _ => value.strip_prefix("rtpmap:").and_then(rtpmap).unwrap_or(Attribute::Other),
    }
}

/// `8 PCMA/8000`, perhaps with `/1` for one channel.
fn rtpmap(value: &str) -> Option<Attribute> {
    let (number, encoding) = value.trim_start().split_once(' ')?;
    let number = number.parse().ok().filter(|number| *number < 128)?;
    let mut parts = encoding.trim().split('/');
    let (name, rate, channels) = (parts.next()?, parts.next(), parts.next());
    let plain = rate == Some("8000") && matches!(channels, None | Some("1"));
    let codec = Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name));
    let encoding = match codec {
        _ if !plain => Encoding::Unknown,
        Some(codec) => Encoding::Audio(codec),
        None if name.eq_ignore_ascii_case("telephone-event") => Encoding::TelephoneEvent,
        None => Encoding::Unknown,
    };
    Some(Attribute::Map(number, encoding))
}

/// `x=…` without its end of line; what is not UTF-8 (session names are often Latin-1) is passed over.
fn line(line: &[u8]) -> Option<(u8, &str)> {
    match line {
        [field, b'=', value @ ..] => Some((*field, std::str::from_utf8(value).ok()?.trim_end())),
        _ => None,
    }
}

fn read_time(value: &str) -> Option<(u64, u64)> {
    let (start, stop) = value.split_once(' ')?;
    Some((start.parse().ok()?, stop.parse().ok()?))
}

/// Safe to be said back in an answer.
fn is_token(word: &str) -> bool {
    word.len() <= 64 && word.bytes().all(|octet| octet.is_ascii_graphic())
}
