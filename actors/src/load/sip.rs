//! `[sip]`.

use std::{net::IpAddr, time::Duration};

use ringpost::{
    settings::{Listen, Network, Sip, Transport},
    sip::session_timer::{FLOOR, Terms},
};

use super::{raw::Raw, section::Section, uri};

/// Reads `[sip]`; `None` after a problem. `taken`: who listens where, and the setting that says so.
pub fn sip(mut section: Section<'_>, taken: &mut Vec<(Listen, String)>) -> Option<Sip> {
    let listen = section.at_least_one("listen", |raw| free_listener(raw, taken));
    let domain = section.required("domain", domain);
    let advertise = section.optional("advertise", address);
    let lanes = section.optional("lanes", |raw| raw.count(1..=255));
    let max_calls = section.required("max_calls", |raw| raw.count(1..=10_000_000));
    // RFC 3261 §18.1.1: a message of 65,535 octets has to be taken on UDP.
    let max_message = section.required("max_message", |raw| raw.size(1 << 10..=16 << 20));
    let max_udp = section.required("max_udp", |raw| raw.size(548..=65_535));
    let udp_fallback = section.required("udp_fallback", Raw::duration);
    let tcp_retry = section.required("tcp_retry", Raw::duration);
    let max_connections = section.required("max_connections", |raw| raw.count(1..=1_000_000));
    let origins = section.list("origins", |raw| raw.text().map(str::to_ascii_lowercase));
    let idle_timeout = section.required("idle_timeout", Raw::duration);
    let max_transfers = section.required("max_transfers", |raw| raw.count(0..=1_000));
    let drain = section.required("drain", Raw::duration_or_zero);
    let silence = section.required("device_timeout", Raw::duration);
    let least = section.required("min_se", |raw| seconds(raw, FLOOR));
    let expires = section.required("session_expires", |raw| match raw.duration_or_zero()? {
        Duration::ZERO => Ok(None),
        _ => seconds(raw, least.unwrap_or(FLOOR)).map(Some),
    });
    section.end();
    Some(Sip {
        listen,
        domain: domain?,
        advertise,
        lanes: lanes.map_or_else(half_of_the_cores, size),
        max_calls: size(max_calls?),
        max_message: max_message?,
        max_connections: size(max_connections?),
        max_udp: max_udp?,
        udp_fallback: udp_fallback?,
        tcp_retry: tcp_retry?,
        origins,
        idle_timeout: idle_timeout?,
        max_transfers: size(max_transfers?),
        drain: drain?,
        silence: silence?,
        session: Terms { expires: expires?, least: least? },
    })
}

/// A time of at least so many seconds, in whole ones.
fn seconds(raw: &Raw<'_>, least: u32) -> Result<u32, String> {
    let time = raw.duration()?;
    let whole = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    match whole >= least {
        true => Ok(whole),
        false => Err(format!("must be at least {least}s")),
    }
}

/// An IP address that a peer can send to.
pub fn address(raw: &Raw<'_>) -> Result<IpAddr, String> {
    let address: Result<IpAddr, _> = raw.text()?.parse();
    let address = address.map_err(|_| "wants an IP address such as \"192.0.2.1\"".to_owned())?;
    match address.is_unspecified() || address.is_multicast() {
        true => Err("wants an address that peers can send to".to_owned()),
        false => Ok(address),
    }
}

/// R89: no two listeners of one transport on one address and port; a wildcard is every address of its family.
fn free_listener(raw: &Raw<'_>, taken: &mut Vec<(Listen, String)>) -> Result<Listen, String> {
    let listen = listener(raw)?;
    claim(raw, listen, taken)?;
    Ok(listen)
}

/// Notes that a setting has Ringpost listen there.
///
/// # Errors
/// Which setting does already.
pub fn claim(raw: &Raw<'_>, listen: Listen, taken: &mut Vec<(Listen, String)>) -> Result<(), String> {
    let clash = taken.iter().find(|(other, _)| overlap(*other, listen));
    if let Some((_, pointer)) = clash {
        return Err(format!("listens on the same address and port as {pointer}"));
    }
    taken.push((listen, raw.pointer()));
    Ok(())
}

fn listener(raw: &Raw<'_>) -> Result<Listen, String> {
    const WANTED: &str = "wants \"udp:ADDRESS:PORT\", or tcp, tls, ws or wss in place of udp";
    let text = raw.text()?;
    let (transport, place) = text.split_once(':').ok_or_else(|| format!("{WANTED}, not {text:?}"))?;
    let transport = match transport {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        "ws" => Transport::Ws,
        "wss" => Transport::Wss,
        _ => return Err(format!("{WANTED}, not {text:?}")),
    };
    let address: std::net::SocketAddr =
        place.parse().map_err(|_| format!("{WANTED} (IPv6 in brackets, port 1 to 65535), not {text:?}"))?;
    match address.port() {
        0 => Err("port 0 is no port: peers have to know where Ringpost listens".to_owned()),
        _ => Ok(Listen { transport, address }),
    }
}

fn overlap(one: Listen, other: Listen) -> bool {
    let (a, b) = (one.address, other.address);
    let wildcard = a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified());
    let udp = |one: Listen| one.transport == Transport::Udp;
    udp(one) == udp(other) && a.port() == b.port() && (a.ip() == b.ip() || wildcard)
}

fn domain(raw: &Raw<'_>) -> Result<String, String> {
    let domain = raw.text()?;
    match uri::is_host(domain) {
        true => Ok(domain.to_ascii_lowercase()),
        false => Err("wants a domain such as \"example.com\"".to_owned()),
    }
}

/// An address or a CIDR network.
pub fn network(raw: &Raw<'_>) -> Result<Network, String> {
    let text = raw.text()?;
    let network = match text.contains('/') {
        true => text.parse::<ipnet::IpNet>().ok(),
        false => text.parse::<IpAddr>().ok().map(ipnet::IpNet::from),
    };
    let network = network.ok_or_else(|| {
        format!("wants an address or a network such as \"192.0.2.7\" or \"10.0.0.0/8\", not {text:?}")
    })?;
    Ok(Network { address: network.trunc().addr(), prefix: network.prefix_len() })
}

fn half_of_the_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

fn size(count: i64) -> usize {
    usize::try_from(count).expect("a count was read within positive bounds")
}
