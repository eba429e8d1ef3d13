//! Every socket is bound before the first actor starts, so that a port in use ends the start with a clear word.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use ringpost::{
    settings::{Listen, Site, Transport},
    sip::build::sent_by,
};

use super::StartError;
use crate::port::{Listener, stream, udp};

/// The sockets of one lane.
pub struct LaneSockets {
    /// What the port needs to know of them.
    pub listeners: Vec<Listener>,
    /// The sockets, by listener.
    pub bound: Vec<Bound>,
}

/// A socket that is bound.
pub enum Bound {
    /// UDP.
    Udp(UdpSocket),
    /// TCP, whatever is above it.
    Tcp(TcpListener),
}

/// Binds the site's listeners, once per lane.
pub fn bind(site: &Site) -> Result<Vec<LaneSockets>, StartError> {
    let shared = site.sip.lanes > 1;
    if shared {
        // With SO_REUSEPORT a second Ringpost would get its share of the calls without anybody noticing.
        for listen in &site.sip.listen {
            drop(bind_one(*listen, false)?);
        }
    }
    (0..site.sip.lanes).map(|_| bind_lane(site, shared)).collect()
}

fn bind_lane(site: &Site, shared: bool) -> Result<LaneSockets, StartError> {
    let mut lane = LaneSockets { listeners: vec![], bound: vec![] };
    for listen in &site.sip.listen {
        lane.bound.push(bind_one(*listen, shared)?);
        let told = told_address(listen.address, site.sip.advertise);
        lane.listeners.push(Listener {
            bound: *listen,
            sent_by: sent_by(told).into_bytes().into(),
            internal: false,
        });
    }
    let (socket, address) = bind_um()?;
    let bound = Listen { transport: Transport::Udp, address };
    lane.bound.push(Bound::Udp(socket));
    lane.listeners.push(Listener { bound, sent_by: sent_by(address).into_bytes().into(), internal: true });
    Ok(lane)
}

fn bind_one(listen: Listen, shared: bool) -> Result<Bound, StartError> {
    let bound = match listen.transport {
        Transport::Udp => udp::bind(listen.address, shared).map(Bound::Udp),
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
            stream::bind(listen.address, shared).map(Bound::Tcp)
        }
    };
    let name = listen.transport.name().to_ascii_lowercase();
    bound.map_err(|error| {
        StartError::Config(format!("sip.listen: {name}:{} cannot be opened: {error}", listen.address))
    })
}

/// A socket on this machine only, for Ringpost's own UM or for talking to it.
pub fn bind_um() -> Result<(UdpSocket, SocketAddr), StartError> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let bind = || {
        let socket = udp::bind(any, false)?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    bind().map_err(|source| StartError::Io { doing: "opening a port for the embedded UM".into(), source })
}

/// What stands in Via and Contact: the bound address, or for a wildcard the advertised one, or else the one that this
/// machine sends from.
fn told_address(bound: SocketAddr, advertise: Option<IpAddr>) -> SocketAddr {
    if !bound.ip().is_unspecified() {
        return bound;
    }
    let own = advertise
        .filter(|ip| ip.is_ipv4() == bound.is_ipv4())
        .or_else(|| outgoing_address(bound))
        .unwrap_or({
            if bound.is_ipv4() {
                IpAddr::V4(Ipv4Addr::LOCALHOST)
            } else {
                IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
            }
        });
    SocketAddr::new(own, bound.port())
}

/// Asks the routing table; nothing is sent. The addresses are of documentation networks (RFC 5737, RFC 3849).
fn outgoing_address(bound: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((bound.ip(), 0)).ok()?;
    let outside: SocketAddr = if bound.is_ipv4() {
        ([192, 0, 2, 1], 9).into()
    } else {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9).into()
    };
    socket.connect(outside).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
