//! Where a request comes from, though a proxy hands it on.

use std::net::IpAddr;

use crate::{directory::contains, settings::Network};

/// The last address in X-Forwarded-For that is no named proxy's, where a named proxy has sent the request: each proxy adds whom
/// it has seen at the end, and what stands before that may be anybody's invention.
pub fn client<'v>(peer: IpAddr, forwarded: impl Iterator<Item = &'v str>, proxies: &[Network]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| contains(network, address));
    let mut seen = peer.to_canonical();
    let said: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
    for one in said.into_iter().rev() {
        if !is_proxy(seen) {
            break;
        }
        // What cannot be read was not written by that proxy as we know it: it is the source then.
        let Some(address) = read(one.trim()) else { break };
        seen = address.to_canonical();
    }
    seen
}

/// An address, with or without a port.
fn read(text: &str) -> Option<IpAddr> {
    let bare =
        text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(inside, _)| inside);
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|both| both.ip());
    bare.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_proxies_say_where_a_request_comes_from() {
        let proxy = |address: &str, prefix| Network { address: address.parse().expect("an address"), prefix };
        let proxies = [proxy("10.0.0.1", 32), proxy("10.1.0.0", 16)];
        for (peer, said, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7, 10.1.2.3"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["198.51.100.7:1234"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["x, 10.1.2.3"], "10.1.2.3"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            let found = client(peer.parse().expect("an address"), said.iter().copied(), &proxies);
            assert_eq!(found.to_string(), expected, "{peer} {said:?}");
        }
    }
}
