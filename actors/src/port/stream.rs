//! TCP, TLS and WebSockets: a lane's connections, those that it accepts and what they carry (RFC 3261 §18).

mod handshake;
mod opening;
mod reading;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdListener},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use ringpost::{
    security::source_of,
    settings::Transport,
    sip::{
        peer::{CERTIFIED, Peer},
        transaction::timer::T1_64,
    },
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::Port;
use crate::{keeper::Keeper, metrics::METRICS};

pub(super) use handshake::Handshake;

/// How many messages may wait for one connection; a peer that reads more slowly is cut off.
const WAITING: usize = 256;
/// A message that has begun must be complete within this time (64*T1).
pub(super) const UNFINISHED: Duration = Duration::from_millis(T1_64);

/// A lane's connections.
pub struct Streams {
    open: RefCell<HashMap<u64, Connection>>,
    next: Cell<u64>,
    /// Handshakes under way: from where, and whether that is a stranger.
    handshakes: RefCell<Vec<(u64, bool)>>,
    pub(super) limits: Limits,
}

/// The bounds of a lane's connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once.
    pub connections: usize,
    /// The largest message in octets.
    pub message: usize,
    /// How long a connection may be silent.
    pub idle: Duration,
    /// How long a connection for a request that is too large for UDP may take to open.
    pub udp_fallback: Duration,
    /// The pages whose scripts may open a WebSocket; empty: all.
    pub origins: Vec<String>,
}

struct Connection {
    address: SocketAddr,
    transport: Transport,
    /// The name that its certificate had to be of.
    name: Option<u32>,
    outgoing: mpsc::Sender<Bytes>,
}

impl Streams {
    /// No connections yet; their numbers carry the lane's.
    pub fn new(lane: u8, limits: Limits) -> Self {
        Self {
            open: RefCell::default(),
            next: Cell::new(u64::from(lane) << 56 | 1),
            handshakes: RefCell::default(),
            limits,
        }
    }

    /// How many connections are open.
    pub fn count(&self) -> usize {
        self.open.borrow().len()
    }

    /// Whether no further connection may open; a handshake is to become one.
    pub(super) fn is_full(&self) -> bool {
        self.count() + self.handshakes.borrow().len() >= self.limits.connections
    }

    /// How many connections a source has open.
    fn of_source(&self, ip: IpAddr) -> usize {
        let source = source_of(ip);
        let open = self.open.borrow().values().filter(|one| source_of(one.address.ip()) == source).count();
        open + self.handshakes_of(source)
    }

    fn handshakes_of(&self, source: u64) -> usize {
        self.handshakes.borrow().iter().filter(|(one, _)| *one == source).count()
    }

    fn find(&self, peer: &Peer) -> Option<mpsc::Sender<Bytes>> {
        let open = self.open.borrow();
        let own = open.get(&peer.number());
        let one = match peer.is_by_its_connection_only() {
            true => own,
            false => own.or_else(|| open.values().find(|one| one.leads_to(peer))),
        };
        one.map(|connection| connection.outgoing.clone())
    }

    /// `certified`: the peer shows a certificate.
    pub(super) fn add(&self, peer: &Peer, certified: bool) -> (u64, mpsc::Receiver<Bytes>) {
        let number = self.next.get() | if certified { CERTIFIED } else { 0 };
        self.next.set(self.next.get() + 1);
        let Peer { address, transport, .. } = *peer;
        let name = peer.wanted_name();
        let (outgoing, queue) = mpsc::channel(WAITING);
        self.open.borrow_mut().insert(number, Connection { address, transport, name, outgoing });
        (number, queue)
    }
}

impl Connection {
    /// Whether it is one to that peer; where a certificate had to be of a name, of the same one.
    fn leads_to(&self, peer: &Peer) -> bool {
        self.address == peer.address
            && self.transport == peer.transport
            && peer.wanted_name().is_none_or(|wanted| self.name == Some(wanted))
    }
}

/// Binds one listening socket; `shared` where several lanes bind the same address.
///
/// # Errors
/// As the kernel says.
pub fn bind(address: SocketAddr, shared: bool) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for old connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(512)?;
    Ok(socket.into())
}

impl Port {
    /// Takes a listening socket over as listener number `listener`.
    ///
    /// # Errors
    /// Where the socket cannot be watched.
    pub fn open_tcp(
        self: &Rc<Self>,
        listener: u16,
        socket: StdListener,
        (keeper, part): (&Keeper, String),
    ) -> io::Result<()> {
        let socket = Rc::new(TcpListener::from_std(socket)?);
        let port = Rc::clone(self);
        keeper.keep(part, move || Rc::clone(&port).accept(listener, Rc::clone(&socket)));
        Ok(())
    }

    async fn accept(self: Rc<Self>, listener: u16, socket: Rc<TcpListener>) {
        loop {
            match socket.accept().await {
                Ok((_, address)) if self.shuts_out(address.ip()) => {
                    METRICS.source_connections_refused_total.one();
                    tracing::debug!(from = %address.ip(), "Refused a connection of a source that has too many or is banned");
                }
                Ok((stream, address)) if !self.streams.is_full() => {
                    let transport = self.listeners[usize::from(listener)].bound.transport;
                    let peer = Peer { transport, address, listener, connection: 0 };
                    match transport {
                        Transport::Udp | Transport::Tcp => {
                            let (connection, queue) = self.streams.add(&peer, false);
                            actix::spawn(Rc::clone(&self).carry_tcp(
                                stream,
                                Peer { connection, ..peer },
                                queue,
                            ));
                        }
                        Transport::Tls | Transport::Ws | Transport::Wss => {
                            actix::spawn(Rc::clone(&self).greet(stream, peer));
                        }
                    }
                }
                Ok((_, address)) => {
                    METRICS.connections_refused_total.one();
                    tracing::warn!(from = %address.ip(), "Refused a connection: the limit is reached")
                }
                Err(error) => {
                    // Out of file descriptors, most likely: the listener recovers when some are free again.
                    METRICS.accept_failures_total.one();
                    tracing::error!(%error, "Could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// Whether nothing is known of an address: neither is it a trunk's, nor has a device proved there who it is.
    pub(super) fn is_strange(&self, ip: IpAddr) -> bool {
        self.door().is_some_and(|door| !door.trusts(ip) && !door.is_proven(ip))
    }

    /// Whether a stranger may open no further connection.
    fn shuts_out(&self, ip: IpAddr) -> bool {
        self.door().is_some_and(|door| {
            !door.trusts(ip)
                && (door.is_banned(ip)
                    || self.streams.of_source(ip) >= door.settings().connections && !door.is_proven(ip))
        })
    }

    /// What waited for a connection that has gone comes back.
    pub(super) fn return_all(self: &Rc<Self>, mut queue: mpsc::Receiver<Bytes>) {
        queue.close();
        while let Ok(bytes) = queue.try_recv() {
            self.guarded(|| self.undeliverable(bytes));
        }
    }

    async fn carry_tcp(self: Rc<Self>, stream: TcpStream, peer: Peer, queue: mpsc::Receiver<Bytes>) {
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        self.carry((reader, writer), peer, queue).await;
    }

    pub(super) async fn carry(
        self: Rc<Self>,
        (reader, mut writer): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
        peer: Peer,
        mut queue: mpsc::Receiver<Bytes>,
    ) {
        // What is being written when the connection breaks has not arrived.
        let half_sent = RefCell::new(None);
        let write = async {
            while let Some(bytes) = queue.recv().await {
                half_sent.replace(Some(bytes.clone()));
                let sent = async {
                    writer.write_all(&bytes).await?;
                    writer.flush().await
                };
                match tokio::time::timeout(UNFINISHED, sent).await {
                    Ok(Ok(())) => drop(half_sent.take()),
                    Ok(Err(error)) => return error.to_string(),
                    Err(_) => return "the peer does not read".into(),
                }
            }
            "the queue has ended".into()
        };
        let reason = tokio::select! {
            reason = Rc::clone(&self).read_stream(reader, peer) => reason,
            reason = write => reason,
        };
        self.close(peer, &reason);
        if let Some(bytes) = half_sent.take() {
            self.guarded(|| self.undeliverable(bytes));
        }
        self.return_all(queue);
    }

    pub(super) fn close(self: &Rc<Self>, peer: Peer, reason: &str) {
        tracing::debug!(peer = %peer.address, reason, "Connection closed");
        self.streams.open.borrow_mut().remove(&peer.connection);
        if let Some(tls) = self.tls().filter(|_| peer.connection & CERTIFIED != 0) {
            tls.forget(peer.connection);
        }
        self.guarded(|| self.user().closed(peer.connection));
    }
}
