//! The handshakes of TLS and WebSockets, bounded in time and number.

use std::rc::Rc;

use bytes::Bytes;
use ringpost::{settings::Transport, sip::peer::Peer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
};
use tokio_rustls::server::TlsStream;

use super::{Port, stream::Handshake, web};
use crate::metrics::METRICS;

/// A connection behind its handshakes.
enum Greeted {
    Tls(Box<TlsStream<TcpStream>>),
    Ws(Box<web::Socket<TcpStream>>),
    Wss(Box<web::Socket<TlsStream<TcpStream>>>),
}

impl Port {
    /// Does the handshakes of a connection that was accepted, and carries it.
    pub(super) async fn greet(self: Rc<Self>, stream: TcpStream, peer: Peer) {
        let Some(tls) = self.tls() else { return };
        let (ip, settings) = (peer.address.ip(), tls.settings());
        let Some(handshake) = Handshake::begin(&self.streams, ip, self.is_strange(ip), &settings) else {
            return tracing::debug!(from = %ip, "Refused a handshake: the limit is reached");
        };
        let greeted = match tokio::time::timeout(settings.patience, self.handshakes(stream, &peer)).await {
            Ok(Ok(greeted)) => greeted,
            failed => {
                let reason = match failed {
                    Ok(Err(reason)) => reason,
                    _ => "it took too long".to_owned(),
                };
                METRICS.handshakes_failed_total.one();
                return tracing::info!(from = %peer.address, reason, "A handshake failed");
            }
        };
        drop(handshake);
        if self.streams.is_full() {
            return METRICS.connections_refused_total.one();
        }
        match greeted {
            Greeted::Tls(stream) => {
                let chain = stream.get_ref().1.peer_certificates();
                let (connection, queue) = self.streams.add(&peer, chain.is_some());
                tls.note(connection, chain);
                let halves = tokio::io::split(*stream);
                Rc::clone(&self).carry(halves, Peer { connection, ..peer }, queue).await;
            }
            Greeted::Ws(socket) => Rc::clone(&self).carry_web(*socket, peer).await,
            Greeted::Wss(socket) => Rc::clone(&self).carry_web(*socket, peer).await,
        }
    }

    async fn handshakes(&self, stream: TcpStream, peer: &Peer) -> Result<Greeted, String> {
        let _ = stream.set_nodelay(true);
        let (limit, origins) = (self.streams.limits.message, &self.streams.limits.origins);
        let patience = self.half_sent();
        if peer.transport == Transport::Ws {
            return Ok(Greeted::Ws(Box::new(web::accept(stream, limit, origins, patience).await?)));
        }
        let tls = self.tls().ok_or("there is no certificate")?;
        let web = peer.transport == Transport::Wss;
        let stream = tls.accept(stream, web).await.map_err(|error| error.to_string())?;
        match web {
            true => Ok(Greeted::Wss(Box::new(web::accept(stream, limit, origins, patience).await?))),
            false => Ok(Greeted::Tls(Box::new(stream))),
        }
    }

    async fn carry_web<S>(self: Rc<Self>, socket: web::Socket<S>, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (connection, mut queue) = self.streams.add(&peer, false);
        let peer = Peer { connection, ..peer };
        let reason = self.carry_frames(socket, peer, &mut queue, self.streams.limits.idle).await;
        self.close(peer, &reason);
        self.return_all(queue);
    }

    /// Does the handshake of a connection that was opened to `wanted`, and carries it.
    pub(super) async fn connect_tls(
        self: Rc<Self>,
        stream: TcpStream,
        wanted: Peer,
        peer: Peer,
        queue: mpsc::Receiver<Bytes>,
    ) {
        let Some(tls) = self.tls() else { return self.give_up(peer, queue, "there is no TLS") };
        let _ = stream.set_nodelay(true);
        match tokio::time::timeout(tls.settings().patience, tls.connect(stream, &wanted)).await {
            Ok(Ok(stream)) => {
                tls.note(peer.connection, stream.get_ref().1.peer_certificates());
                Rc::clone(&self).carry(tokio::io::split(stream), peer, queue).await;
            }
            failed => {
                let reason = failed.map_or_else(
                    |_| "the handshake took too long".to_owned(),
                    |result| result.err().map_or_else(String::new, |error| error.to_string()),
                );
                METRICS.handshakes_failed_total.one();
                self.give_up(peer, queue, &reason);
            }
        }
    }
}
