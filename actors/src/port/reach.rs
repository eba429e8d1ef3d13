//! Which of a lane's sockets reaches an address.

use std::net::SocketAddr;

use ringpost::{
    settings::Transport,
    sip::{
        build::Draft,
        peer::Peer,
        token::{MAGIC, Token},
    },
};

use super::{Listener, Port};

impl Listener {
    /// Whether it can send there: in its own family, and from a loopback address to this machine only.
    fn reaches(&self, address: SocketAddr) -> bool {
        let own = self.bound.address;
        own.is_ipv4() == address.is_ipv4() && (!own.ip().is_loopback() || address.ip().is_loopback())
    }
}

impl Port {
    /// Starts a request with the top Via of a listener.
    pub fn via(&self, draft: &mut Draft, peer: &Peer, branch: Token) {
        let sent_by = &self.listeners[usize::from(peer.listener)].sent_by;
        draft.via(peer.transport, sent_by, &[MAGIC, &branch.text()]);
    }

    /// The peer that a literal `sip:` URI names (its transport taken into account); `None` for a host name (or
    /// `maddr`), another scheme, or where no listener of ours reaches it.
    pub fn peer(&self, uri: &[u8]) -> Option<Peer> {
        let uri = ringpost::sip::uri::Uri::read(uri).filter(|uri| uri.is_sip())?;
        if !uri.params.is_empty() && uri.param("maddr").is_some() {
            return None;
        }
        let transport = Transport::of_uri(&uri);
        let secure = transport.is_some_and(Transport::is_secure);
        let address = ringpost::sip::build::literal(uri.host, uri.port.or(secure.then_some(5061)))?;
        self.reach(address, transport)
    }

    /// Whether a listener can send to an address.
    pub fn reaches(&self, listener: u16, address: SocketAddr) -> bool {
        self.listeners.get(usize::from(listener)).is_some_and(|one| one.reaches(address))
    }

    /// The listener that reaches an address: UDP before TCP where none is asked for (RFC 3263 §4.1).
    pub fn reach(&self, address: SocketAddr, transport: Option<Transport>) -> Option<Peer> {
        let fits = |listener: &Listener, wanted: Transport| {
            listener.bound.transport == wanted && listener.reaches(address)
        };
        let find = |wanted: Transport| {
            let public = self.listeners.iter().position(|l| fits(l, wanted) && !l.internal);
            public
                .or_else(|| self.listeners.iter().position(|l| fits(l, wanted) && address.ip().is_loopback()))
        };
        let order = match transport {
            Some(one) => [Some(one), None],
            None => [Some(Transport::Udp), Some(Transport::Tcp)],
        };
        order.into_iter().flatten().find_map(|transport| {
            let listener = find(transport)? as u16;
            Some(Peer { transport, address, listener, connection: 0 })
        })
    }
}
