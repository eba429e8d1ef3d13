//! Writes the descriptions that Ringpost sends.

use std::{fmt::Write, net::SocketAddr};

use bytes::Bytes;

use super::{Agreed, Codec, Direction, OUR_EVENTS, Origin, read::Description};

/// The answer to `offer`, whose stream number `chosen` is taken.
pub fn answer(
    offer: &Description,
    chosen: usize,
    agreed: &Agreed,
    local: SocketAddr,
    origin: Origin,
) -> Bytes {
    // RFC 3264 §6: the answer's t= is the offer's.
    let mut sdp = session(local, origin, offer.time);
    for (number, stream) in offer.streams.iter().enumerate() {
        if number == chosen {
            let codecs = [(agreed.payload_type, agreed.codec)];
            audio(&mut sdp, local, stream.transport, &codecs, agreed.telephone_event, agreed.direction);
        } else {
            line(
                &mut sdp,
                format_args!("m={} 0 {} {}", stream.media, stream.transport, stream.formats.join(" ")),
            );
        }
    }
    sdp.into()
}

/// The answer to `offer`, whose stream number `chosen` is taken and carries nothing.
pub fn hold(offer: &Description, chosen: usize, local: SocketAddr, origin: Origin) -> Bytes {
    let mut sdp = session(local, origin, offer.time);
    for (number, stream) in offer.streams.iter().enumerate() {
        let (media, transport) = (stream.media, stream.transport);
        // One that needs no rtpmap, where there is any.
        let fixed = |format: &&&str| format.parse::<u8>().is_ok_and(|number| number < 96);
        let format = stream.formats.iter().find(fixed).or(stream.formats.first()).copied().unwrap_or("0");
        // RFC 3264 §8.4: the port is not zero, the direction says that nothing flows. Nobody listens at the discard port.
        let port = if number == chosen { 9 } else { 0 };
        line(&mut sdp, format_args!("m={media} {port} {transport} {format}"));
        if number == chosen {
            line(&mut sdp, format_args!("a={}", Direction::Inactive));
        }
    }
    sdp.into()
}

/// One audio stream with all that we speak.
pub fn offer(local: SocketAddr, origin: Origin) -> Bytes {
    let mut sdp = session(local, origin, (0, 0));
    let codecs = Codec::ALL.map(|codec| (codec.payload_type(), codec));
    audio(&mut sdp, local, "RTP/AVP", &codecs, Some(OUR_EVENTS), Direction::SendRecv);
    sdp.into()
}

fn session(local: SocketAddr, origin: Origin, (start, stop): (u64, u64)) -> String {
    let address = match local.ip() {
        ip if ip.is_ipv4() => format!("IN IP4 {ip}"),
        ip => format!("IN IP6 {ip}"),
    };
    let Origin { id, version } = origin;
    format!("v=0\r\no=- {id} {version} {address}\r\ns=-\r\nc={address}\r\nt={start} {stop}\r\n")
}

fn audio(
    sdp: &mut String,
    local: SocketAddr,
    transport: &str,
    codecs: &[(u8, Codec)],
    events: Option<u8>,
    direction: Direction,
) {
    let numbers = codecs.iter().map(|(number, _)| *number).chain(events);
    let numbers: String = numbers.map(|number| format!(" {number}")).collect();
    line(sdp, format_args!("m=audio {} {transport}{numbers}", local.port()));
    for (number, codec) in codecs {
        line(sdp, format_args!("a=rtpmap:{number} {}/8000", codec.name()));
    }
    if let Some(number) = events {
        line(sdp, format_args!("a=rtpmap:{number} telephone-event/8000"));
        line(sdp, format_args!("a=fmtp:{number} 0-16"));
    }
    line(sdp, format_args!("a=ptime:20"));
    line(sdp, format_args!("a={direction}"));
}

fn line(sdp: &mut String, line: std::fmt::Arguments) {
    write!(sdp, "{line}\r\n").expect("writing to a String does not fail");
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        })
    }
}
