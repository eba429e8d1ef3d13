//! Bodies against offer and answer: what we say is well-formed, and we understand ourselves.

use std::net::SocketAddr;

use ringpost::sip::sdp::{Origin, accept_answer, answer, offer};

/// The octets as an offer, and as the answer to an offer of ours.
pub fn survives(octets: &[u8]) {
    for local in ["192.0.2.9:16384", "[2001:db8::9]:16384"] {
        let local: SocketAddr = local.parse().expect("an address");
        if let Ok(answered) = answer(octets, local, Origin { id: 7, version: 1 }) {
            let agreed = &answered.agreed;
            assert_eq!(agreed.accepted.as_slice(), [(agreed.payload_type, agreed.codec)]);
            assert!(agreed.payload_type < 128 && agreed.remote.is_none_or(usable));
            assert!(agreed.remote.is_none_or(|remote| remote.is_ipv4() == local.is_ipv4()));
            assert_eq!(streams(&answered.sdp), streams(octets), "each stream is answered");
            well_formed(&answered.sdp, octets.len());
            if streams(octets) == 1 {
                accept_answer(&answered.sdp, local).expect("we understand ourselves");
            }
        }
        if let Ok(agreed) = accept_answer(octets, local) {
            assert!((1..=octets.len()).contains(&agreed.accepted.len()) && agreed.remote.is_none_or(usable));
        }
        well_formed(&offer(local, 1), 0);
    }
}

fn usable(address: SocketAddr) -> bool {
    !address.ip().is_unspecified() && !address.ip().is_multicast() && address.port() != 0
}

fn streams(sdp: &[u8]) -> usize {
    // As the reader sees a line: what is not UTF-8 is passed over.
    sdp.split(|octet| *octet == b'\n')
        .filter(|line| line.starts_with(b"m=") && std::str::from_utf8(&line[2..]).is_ok())
        .count()
}

/// Every line is `x=…` and ends in CRLF; nothing grows beyond what came.
fn well_formed(sdp: &[u8], came: usize) {
    assert!(sdp.len() <= 2 * came + 600, "{} octets for {came}", sdp.len());
    let text = std::str::from_utf8(sdp).expect("ours is ASCII");
    assert!(text.is_ascii() && text.starts_with("v=0\r\n") && text.ends_with("\r\n"));
    for line in text.split_terminator("\r\n") {
        let (letter, value) = line.split_once('=').expect("a type and a value");
        assert!(letter.len() == 1 && !value.contains(['\r', '\n', '\0']), "{line:?}");
    }
}
