//! Sending on a connection: one that is there, or a new one (RFC 3261 §18.1.1, RFC 5923).

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use ringpost::sip::peer::{Peer, Transmit};
use tokio::{net::TcpStream, sync::mpsc};

use super::super::{Port, lanes::Parcel};
use crate::metrics::METRICS;

/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

impl Port {
    /// Sends on the peer's connection, on another one to its address, or on a new one.
    pub(in crate::port) fn send_on_stream(self: &Rc<Self>, peer: Peer, bytes: Bytes) {
        let lane = (peer.connection >> 56) as u8;
        if peer.has_connection() && self.is_elsewhere(lane) {
            self.lanes.send(lane, Parcel::Transmit(Transmit { peer, bytes }));
            return;
        }
        match self.streams.find(&peer) {
            Some(outgoing) => {
                if let Err(
                    mpsc::error::TrySendError::Full(bytes) | mpsc::error::TrySendError::Closed(bytes),
                ) = outgoing.try_send(bytes)
                {
                    tracing::warn!(to = %peer.address, "A connection does not take messages any more");
                    let port = Rc::clone(self);
                    actix::spawn(async move { port.guarded(|| port.undeliverable(bytes)) });
                }
            }
            // A device opens its WebSocket; nobody else can.
            None if peer.is_by_its_connection_only() || peer.transport.is_web() => {
                self.later_undeliverable(bytes)
            }
            None => match self.opened_by(&peer) {
                Some(peer) => self.send_on_stream(peer, bytes),
                None => self.connect(peer, bytes),
            },
        }
    }

    /// The peer by a connection that it has opened itself and wants to be called on (RFC 5923), on whatever lane.
    fn opened_by(&self, peer: &Peer) -> Option<Peer> {
        let connection = peer.wanted_name().and_then(|_| self.tls()?.opened_by(peer))?;
        Some(Peer { connection, ..*peer }.by_its_connection_only())
    }

    fn connect(self: &Rc<Self>, peer: Peer, bytes: Bytes) {
        if self.streams.is_full() {
            METRICS.connections_refused_total.one();
            tracing::warn!(to = %peer.address.ip(), "Opened no connection: the limit is reached");
            return self.later_undeliverable(bytes);
        }
        let wanted = peer;
        let (connection, queue) = self.streams.add(&peer, peer.transport.is_secure());
        let peer = Peer { connection, ..peer };
        if let Some(outgoing) = self.streams.find(&peer) {
            // The queue is new and empty.
            let _ = outgoing.try_send(bytes);
        }
        let port = Rc::clone(self);
        actix::spawn(async move {
            let patience = match wanted.back_to_udp() {
                Some(_) => port.streams.limits.udp_fallback,
                None => CONNECT,
            };
            let stream = match tokio::time::timeout(patience, TcpStream::connect(peer.address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return port.finds_nobody(wanted, peer, queue, &error.to_string()),
                Err(_) => {
                    return port.finds_nobody(wanted, peer, queue, "no answer to the connection attempt");
                }
            };
            match peer.transport.is_secure() {
                true => port.connect_tls(stream, wanted, peer, queue).await,
                false => port.carry_tcp(stream, peer, queue).await,
            }
        });
    }

    /// Whoever sends hears of the failure when it has done with sending.
    fn later_undeliverable(self: &Rc<Self>, bytes: Bytes) {
        let port = Rc::clone(self);
        actix::spawn(async move { port.guarded(|| port.undeliverable(bytes)) });
    }

    /// Nobody takes a connection. What waits for it only because of its size goes by UDP.
    fn finds_nobody(
        self: &Rc<Self>,
        wanted: Peer,
        peer: Peer,
        mut queue: mpsc::Receiver<Bytes>,
        reason: &str,
    ) {
        if let Some(back) = wanted.back_to_udp() {
            queue.close();
            while let Ok(bytes) = queue.try_recv() {
                self.guarded(|| self.undeliverable_by_tcp(bytes, back));
            }
        }
        self.give_up(peer, queue, reason);
    }

    pub(in crate::port) fn give_up(self: &Rc<Self>, peer: Peer, queue: mpsc::Receiver<Bytes>, reason: &str) {
        tracing::info!(to = %peer.address, reason, "Could not connect");
        self.streams.open.borrow_mut().remove(&peer.connection);
        self.return_all(queue);
    }
}
