//! STUN on the SIP port: how a device behind a NAT keeps its UDP flow open, and learns that it has moved (RFC 5626 §4.4.2,
//! §8; the messages are those of RFC 5389 §6).

use std::net::{IpAddr, SocketAddr};

const MAGIC: u32 = 0x2112_a442;
const HEADER: usize = 20;

/// Whether a datagram is STUN and no SIP: its first two bits are zero, where every SIP message begins with a letter.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 0x40)
        && datagram.get(4..8) == Some(&MAGIC.to_be_bytes()[..])
}

/// The answer to a Binding request from there; `None` where it is none, or asks for more than where it came from.
pub fn answer(request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let (header, mut attributes) = request.split_at_checked(HEADER)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if !is_stun(request) || header[..2] != [0, 1] || length != attributes.len() {
        return None;
    }
    while !attributes.is_empty() {
        let (head, rest) = attributes.split_at_checked(4)?;
        // §7.3: below 0x8000 is what must be understood; a keep-alive has nothing of that.
        if head[0] < 0x80 {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([head[2], head[3]])).next_multiple_of(4);
        attributes = rest.get(length..)?;
    }
    let mask: [u8; 16] = header[4..].try_into().ok()?;
    let port = from.port() ^ (MAGIC >> 16) as u16;
    let (family, address): (u8, Vec<u8>) = match from.ip().to_canonical() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mut response = vec![1, 1, 0, address.len() as u8 + 8];
    response.extend_from_slice(&mask);
    // XOR-MAPPED-ADDRESS (§15.2).
    response.extend_from_slice(&[0, 0x20, 0, address.len() as u8 + 4, 0, family]);
    response.extend_from_slice(&port.to_be_bytes());
    response.extend(address.iter().zip(mask).map(|(octet, mask)| octet ^ mask));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Binding request with the transaction id of RFC 5769's samples.
    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut request = vec![0, 1, 0, attributes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
        request.extend_from_slice(b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae");
        request.extend_from_slice(attributes);
        request
    }

    #[test]
    fn the_address_is_written_as_in_rfc_5769() {
        let v4 = answer(&request(b""), "192.0.2.1:32853".parse().expect("an address")).expect("an answer");
        assert_eq!(v4[..4], [1, 1, 0, 12]);
        assert_eq!(v4[4..20], request(b"")[4..20]);
        assert_eq!(v4[20..], *b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43");
        let v6 = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().expect("an address");
        let v6 = answer(&request(b""), v6).expect("an answer");
        assert_eq!(v6[..4], [1, 1, 0, 24]);
        assert_eq!(
            v6[20..],
            *b"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
        );
    }

    #[test]
    fn nothing_else_is_answered() {
        let from = "192.0.2.1:1".parse().expect("an address");
        let software = b"\x80\x22\x00\x02hi\x00\x00";
        assert!(answer(&request(software), from).is_some());
        let mut other = request(b"");
        other[1] = 0x11;
        let mut old = request(b"");
        old[4] = 0;
        let mut long = request(b"");
        long[3] = 4;
        let short = request(b"")[..19].to_vec();
        let username = request(b"\x00\x06\x00\x01a\x00\x00\x00");
        let cut = request(b"\x80\x22\x00\x09abcd");
        for wrong in [other, old, long, short, username, cut, vec![], b"OPTIONS sip:a SIP/2.0".to_vec()] {
            assert_eq!(answer(&wrong, from), None, "{wrong:?}");
        }
        assert!(!is_stun(b"OPTIONS sip:a SIP/2.0") && is_stun(&request(b"")));
    }
}
