//! Where a URI leads from this lane: an address at once, a name by what the DNS says (RFC 3263).

use std::{sync::Arc, time::Duration};

use ringpost::{
    settings::{Sip, Transport},
    sip::{
        Message, Name,
        locate::{Abilities, Hop, Locate, Wanted},
        peer::Peer,
        transaction::Size,
        uri::Uri,
    },
};

use super::Port;
use crate::{metrics::METRICS, names::Names};

/// The place of a peer, as failures are remembered.
fn place(peer: &Peer) -> Hop {
    Hop { transport: peer.transport, address: peer.address }
}

impl Port {
    /// Has names looked up there; once, before the sockets open.
    pub fn look_up(&self, names: Arc<Names>) {
        assert!(self.names.set(names).is_ok(), "a lane has one directory of names");
    }

    /// Has large requests go by TCP (RFC 3261 §18.1.1); once, before the sockets open.
    pub fn limit(&self, settings: &Sip) {
        let instead = |udp: &super::Listener| {
            let own = udp.bound.address.ip();
            let fits = |one: &super::Listener| {
                one.bound.transport == Transport::Tcp && one.bound.address.ip() == own
            };
            let at = self.listeners.iter().position(fits)?;
            (udp.bound.transport == Transport::Udp && !udp.internal).then_some(at as u16)
        };
        let instead = self.listeners.iter().map(instead).collect();
        let retry = settings.tcp_retry.as_millis() as u64;
        self.transactions.borrow_mut().limit(Size::new(settings.max_udp, retry, instead));
    }

    fn able(&self) -> Abilities {
        Abilities::of(self.listeners.iter().filter(|one| !one.internal).map(|one| one.bound))
    }

    fn way(&self, uri: &[u8]) -> Option<Locate> {
        let wanted = Wanted::of(&Uri::read(uri)?)?;
        let random = u64::from(self.random()) << 32 | u64::from(self.random());
        Some(Locate::new(wanted, self.able(), random))
    }

    /// Those of the places that a listener reaches. A certificate has to be of the name in the URI, whatever the DNS says.
    fn peers(&self, places: Vec<Hop>, host: Option<&str>) -> Vec<Peer> {
        let reached = places.into_iter().filter_map(|hop| {
            let peer = self.reach(hop.address, Some(hop.transport))?;
            match host.filter(|_| hop.transport.is_secure()) {
                Some(host) => Some(peer.named(self.tls()?.number(host)?)),
                None => Some(peer),
            }
        });
        reached.collect()
    }

    /// Everybody whom a URI leads to, in order, where that is known without asking; `None`: see [`Port::locate`].
    pub fn at_hand(&self, uri: &[u8]) -> Option<Vec<Peer>> {
        if let Some(peer) = self.peer(uri) {
            return Some(vec![peer]);
        }
        let (names, mut way) = (self.names.get()?, self.way(uri)?);
        let places = names.at_hand(&mut way)?;
        Some(self.peers(places, way.host()))
    }

    /// Everybody whom a URI leads to, in order; the DNS is asked for what is not known.
    pub async fn locate(&self, uri: &[u8]) -> Vec<Peer> {
        if let Some(peer) = self.peer(uri) {
            return vec![peer];
        }
        let (Some(names), Some(way)) = (self.names.get(), self.way(uri)) else { return vec![] };
        let host = way.host().map(str::to_owned);
        let places = names.find(way).await;
        self.peers(places, host.as_deref())
    }

    /// How long a server found by its name may stay silent before the next one is tried.
    pub fn next_after(&self) -> Option<Duration> {
        self.names.get().map(|names| names.patience())
    }

    /// A server found by its name did not do its work; `said`: its 503. The next one is tried.
    pub fn place_failed(&self, peer: &Peer, said: Option<&Message>) {
        METRICS.targets_failed_total.one();
        let wait = said.and_then(|said| said.first(Name::RetryAfter)).and_then(|value| {
            let digits = value.iter().take_while(|octet| octet.is_ascii_digit()).count();
            ringpost::sip::text::number(&value[..digits])
        });
        let wait = wait.map(|seconds| Duration::from_secs(u64::from(seconds)));
        tracing::info!(server = %peer.address, transport = peer.transport.name(), "A SIP server did not answer or said 503");
        if let Some(names) = self.names.get() {
            names.failed(place(peer), wait);
        }
    }

    /// One did its work.
    pub fn place_answered(&self, peer: &Peer) {
        if let Some(names) = self.names.get() {
            names.works(&place(peer));
        }
    }
}
