//! Session descriptions (RFC 8866) and what is agreed over them (RFC 3264), for one stream of telephone audio.

mod read;
mod write;

use std::net::SocketAddr;

use bytes::Bytes;
use smallvec::SmallVec;
use thiserror::Error;

pub use crate::voicemail::g711::Codec;
use read::{Address, Description, Stream};

/// The largest description that is read, in octets; the largest honest ones (ICE, video) stay below 10,000.
pub const LARGEST: usize = 65_536;

/// Our payload type for telephone events where we offer.
const OUR_EVENTS: u8 = 101;

/// What both sides agreed upon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agreed {
    /// What we send and record in.
    pub codec: Codec,
    /// Its payload type, the peer's number.
    pub payload_type: u8,
    /// Every audio payload type that the peer may send, `codec` included (RFC 3264 §6.1: be ready for each).
    pub accepted: SmallVec<[(u8, Codec); 2]>,
    /// The payload type of telephone-event (RFC 4733), if the peer can send it.
    pub telephone_event: Option<u8>,
    /// Where the peer listens; `None` if it did not say (a host name), or does not want to hear (hold).
    pub remote: Option<SocketAddr>,
    /// Which way media flows, as seen from here.
    pub direction: Direction,
}

/// An answer to send, and what it means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The body, `application/sdp`.
    pub sdp: Bytes,
    /// What is agreed by it.
    pub agreed: Agreed,
}

/// Which way media flows, as seen from the one who says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// From here only.
    SendOnly,
    /// To here only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// Whether media may leave.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether media comes in.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}

/// The `o=` line: who described, and the how-manieth description this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin {
    /// Stays for the whole call.
    pub id: u64,
    /// Grows by one with each change (RFC 3264 §8).
    pub version: u64,
}

impl From<u64> for Origin {
    /// The first description of session `id`.
    fn from(id: u64) -> Self {
        Self { id, version: 1 }
    }
}

/// Why a description cannot be agreed to. All of them are 488 (RFC 3261 §21.4.26).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// Larger than [`LARGEST`], or with more streams or formats than anyone means.
    #[error("the session description is too large")]
    TooLarge,
    /// No description at all.
    #[error("not a session description")]
    NotSdp,
    /// No audio stream that is switched on.
    #[error("no audio stream")]
    NoAudio,
    /// Audio, but over SRTP or another transport only.
    #[error("audio over RTP/AVP only")]
    Transport,
    /// Audio, but neither PCMA nor PCMU at 8000 Hz.
    #[error("no common codec: PCMA and PCMU are spoken")]
    Codec,
    /// IPv4 here and IPv6 there, or the other way round.
    #[error("no common address family")]
    AddressFamily,
    /// The answer has other streams than the offer.
    #[error("the answer does not fit the offer")]
    NotAnAnswer,
}

impl Refusal {
    /// The code for a Warning header field (RFC 3261 §20.43).
    pub fn warning(self) -> u16 {
        match self {
            Self::TooLarge | Self::NotSdp | Self::NotAnAnswer => 399,
            Self::NoAudio => 304,
            Self::Transport => 302,
            Self::Codec => 305,
            Self::AddressFamily => 300,
        }
    }
}

/// Answers an offer: the first stream that can be spoken is taken, the others are refused with port 0 (RFC 3264 §6).
///
/// `local` is where we hear and speak; `origin` is a session id (version 1), or an [`Origin`] for later offers.
pub fn answer(offer: &[u8], local: SocketAddr, origin: impl Into<Origin>) -> Result<Answer, Refusal> {
    let offer = Description::read(offer)?;
    let mut why = Refusal::NoAudio;
    for (chosen, stream) in offer.streams.iter().enumerate() {
        match agree(stream, local) {
            Ok(mut agreed) => {
                // One codec is answered, so one codec comes.
                agreed.accepted.truncate(1);
                let sdp = write::answer(&offer, chosen, &agreed, local, origin.into());
                return Ok(Answer { sdp, agreed });
            }
            Err(Refusal::NoAudio) => {}
            Err(refusal) => why = refusal,
        }
    }
    Err(why)
}

/// An answer that takes the first plain audio stream of an offer and lets nothing through: who has offered waits for a party.
pub fn hold(offer: &[u8], local: SocketAddr, origin: impl Into<Origin>) -> Result<Bytes, Refusal> {
    let offer = Description::read(offer)?;
    let plain =
        |stream: &Stream<'_>| stream.media == "audio" && stream.port > 0 && stream.transport == "RTP/AVP";
    let chosen = offer.streams.iter().position(plain).ok_or(Refusal::NoAudio)?;
    Ok(write::hold(&offer, chosen, local, origin.into()))
}

/// Whether an offer holds: no audio stream of it wants to hear anything. `None`: it has none, or cannot be read.
pub fn holds(offer: &[u8]) -> Option<bool> {
    let offer = Description::read(offer).ok()?;
    let mut audio =
        offer.streams.iter().filter(|stream| stream.media == "audio" && stream.port > 0).peekable();
    audio.peek()?;
    Some(audio.all(|stream| !stream.direction.receives() || stream.address == read::Address::Held))
}

/// An offer of our own, for a 200 to an INVITE without one (RFC 3261 §13.2.1): the answer then comes in the ACK.
pub fn offer(local: SocketAddr, origin: impl Into<Origin>) -> Bytes {
    write::offer(local, origin.into())
}

/// Takes the answer to [`offer`].
pub fn accept_answer(answer: &[u8], local: SocketAddr) -> Result<Agreed, Refusal> {
    let answer = Description::read(answer)?;
    let [stream] = answer.streams.as_slice() else {
        return Err(if answer.streams.is_empty() { Refusal::NoAudio } else { Refusal::NotAnAnswer });
    };
    let agreed = agree(stream, local)?;
    // RFC 3264 §6.1: what is sent to us bears the numbers of our offer.
    let telephone_event = agreed.telephone_event.map(|_| OUR_EVENTS);
    Ok(Agreed { telephone_event, ..agreed })
}

/// Whether one offer can stand as the answer to another (RFC 3264 §6): the same streams in the same order, a static payload
/// type or another format in common each, and no part in a DTLS handshake that only an offer may leave open.
pub fn could_answer(offer: &[u8], answer: &[u8]) -> bool {
    let (Ok(one), Ok(two)) = (Description::read(offer), Description::read(answer)) else { return false };
    let fixed = |format: &&str| format.parse::<u8>().map_or(true, |number| number < 96);
    let fits = |(one, two): (&Stream, &Stream)| {
        one.media == two.media
            && one.transport == two.transport
            && one.formats.iter().filter(|format| fixed(format)).any(|format| two.formats.contains(format))
    };
    let open = |body: &[u8]| memchr::memmem::find(body, b"a=setup:actpass").is_some();
    !one.streams.is_empty()
        && one.streams.len() == two.streams.len()
        && one.streams.iter().zip(&two.streams).all(fits)
        && !open(offer)
        && !open(answer)
}

fn agree(stream: &Stream, local: SocketAddr) -> Result<Agreed, Refusal> {
    if !stream.media.eq_ignore_ascii_case("audio") || stream.port == 0 {
        return Err(Refusal::NoAudio);
    }
    if !["RTP/AVP", "RTP/AVPF"].iter().any(|plain| stream.transport.eq_ignore_ascii_case(plain)) {
        return Err(Refusal::Transport);
    }
    let accepted: SmallVec<[(u8, Codec); 2]> = stream.codecs().collect();
    let &(payload_type, codec) = accepted.first().ok_or(Refusal::Codec)?;
    let remote = match stream.address {
        Address::Ip(ip) if ip.is_ipv4() != local.is_ipv4() => return Err(Refusal::AddressFamily),
        Address::Ip(ip) if !ip.is_multicast() => Some(SocketAddr::new(ip, stream.port)),
        Address::Ip(_) | Address::Held | Address::Named => None,
    };
    // RFC 3264 §8.4: 0.0.0.0 asks for no media, whatever the direction says.
    let sends = stream.direction.receives() && stream.address != Address::Held;
    let direction = Direction::new(sends, stream.direction.sends());
    Ok(Agreed { codec, payload_type, accepted, telephone_event: stream.telephone_event(), remote, direction })
}
