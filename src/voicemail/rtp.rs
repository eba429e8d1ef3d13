//! RTP packets (RFC 3550 §5.1), as far as a telephone sends them.

use thiserror::Error;

/// A packet as it lies in its datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packet<'a> {
    /// What comes before the payload.
    pub header: Header,
    /// The payload, without padding.
    pub payload: &'a [u8],
}

/// The fixed header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// The marker bit: the first packet of a talk spurt, or of a telephone event.
    pub marker: bool,
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// Counts packets, and wraps.
    pub sequence: u16,
    /// Counts samples, and wraps.
    pub timestamp: u32,
    /// The synchronization source: who speaks.
    pub ssrc: u32,
}

/// Why a datagram is no RTP packet.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum RtpError {
    /// Shorter than its own header says.
    #[error("the datagram is cut off")]
    Cut,
    /// STUN, DTLS or garbage: the first two bits are not 2.
    #[error("not RTP version 2")]
    Version,
    /// More padding than payload.
    #[error("the padding is longer than the payload")]
    Padding,
}

const FIXED: usize = 12;

impl<'a> Packet<'a> {
    /// Reads a datagram: skips CSRCs and header extension, cuts the padding.
    pub fn read(datagram: &'a [u8]) -> Result<Self, RtpError> {
        let Some((fixed, rest)) = datagram.split_first_chunk::<FIXED>() else { return Err(RtpError::Cut) };
        if fixed[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let header = Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7F,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        let mut payload = rest.get(usize::from(fixed[0] & 0x0F) * 4..).ok_or(RtpError::Cut)?;
        if fixed[0] & 0x10 != 0 {
            payload = after_extension(payload).ok_or(RtpError::Cut)?;
        }
        if fixed[0] & 0x20 != 0 {
            payload = without_padding(payload)?;
        }
        Ok(Self { header, payload })
    }
}

impl Header {
    /// The datagram: this header and the payload.
    pub fn write(&self, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(FIXED + payload.len());
        datagram.extend([0x80, u8::from(self.marker) << 7 | self.payload_type & 0x7F]);
        datagram.extend(self.sequence.to_be_bytes());
        datagram.extend(self.timestamp.to_be_bytes());
        datagram.extend(self.ssrc.to_be_bytes());
        datagram.extend(payload);
        datagram
    }
}

/// RFC 3550 §5.3.1: a profile word, the length in words, the words.
fn after_extension(octets: &[u8]) -> Option<&[u8]> {
    let (head, rest) = octets.split_first_chunk::<4>()?;
    rest.get(usize::from(u16::from_be_bytes([head[2], head[3]])) * 4..)
}

/// The last octet counts the padding, itself included.
fn without_padding(octets: &[u8]) -> Result<&[u8], RtpError> {
    let padding = usize::from(*octets.last().ok_or(RtpError::Padding)?);
    match octets.len().checked_sub(padding) {
        Some(kept) if padding > 0 => Ok(&octets[..kept]),
        _ => Err(RtpError::Padding),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header =
        Header { marker: true, payload_type: 8, sequence: 0x1234, timestamp: 0x0102_0304, ssrc: 0xAABB_CCDD };

    #[test]
    fn a_written_packet_reads_back() {
        let datagram = HEADER.write(b"abc");
        assert_eq!(datagram, b"\x80\x88\x12\x34\x01\x02\x03\x04\xAA\xBB\xCC\xDDabc");
        assert_eq!(Packet::read(&datagram), Ok(Packet { header: HEADER, payload: b"abc" }));
    }

    #[test]
    fn csrcs_extensions_and_padding_are_taken_off() {
        type Row = (u8, &'static [u8], Result<&'static [u8], RtpError>);
        let table: [Row; 11] = [
            (0x80, b"", Ok(b"")),
            (0x81, b"csrcabc", Ok(b"abc")),
            (0x8F, b"csrcabc", Err(RtpError::Cut)),
            (0x90, b"pp\x00\x01wordabc", Ok(b"abc")),
            (0x91, b"csrcpp\x00\x00abc", Ok(b"abc")),
            (0x90, b"pp\xFF\xFFabc", Err(RtpError::Cut)),
            (0x90, b"pp", Err(RtpError::Cut)),
            (0xA0, b"abc\x00\x02", Ok(b"abc")),
            (0xA0, b"abc\x00", Err(RtpError::Padding)),
            (0xA0, b"abc\x05", Err(RtpError::Padding)),
            (0xA0, b"", Err(RtpError::Padding)),
        ];
        for (first, rest, expected) in table {
            let mut datagram = HEADER.write(rest);
            datagram[0] = first;
            assert_eq!(Packet::read(&datagram).map(|p| p.payload), expected, "{first:#x} {rest:?}");
        }
    }

    #[test]
    fn what_is_not_rtp_is_refused() {
        let table: [(&[u8], RtpError); 4] = [
            (b"", RtpError::Cut),
            (b"\x80\x08\x00\x01", RtpError::Cut),
            (b"\x00\x01\x00\x00\x21\x12\xA4\x42 STUN request", RtpError::Version),
            (b"\x16\xFE\xFD\x00\x00\x00\x00\x00 DTLS hello", RtpError::Version),
        ];
        for (datagram, error) in table {
            assert_eq!(Packet::read(datagram), Err(error));
        }
    }

    proptest! {
        #[test]
        fn no_datagram_panics(datagram in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Packet::read(&datagram);
        }
    }
}
