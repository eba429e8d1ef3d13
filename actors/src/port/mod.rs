//! A lane's sockets and transactions: octets in, news for the transaction user, octets out.
//!
//! Nothing here waits for anything: a datagram is read, matched and answered in one go on its lane's thread.

pub mod door;
pub mod errand;
mod incoming;
pub mod lanes;
mod locate;
pub mod proof;
mod reach;
mod secure;
pub mod stream;
#[cfg(test)]
mod tests;
mod time;
pub mod tls;
pub mod udp;
mod user;
mod web;

use std::{
    cell::{Cell, OnceCell, RefCell},
    io,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ringpost::{
    directory::Directory,
    settings::{Listen, Transport, Trunk},
    sip::{
        Message,
        peer::{CERTIFIED, Peer, Transmit},
        token::Token,
        transaction::{News, Output, Owner, Transactions, timer::Wheel},
    },
};
use socket2::SockRef;

pub use self::user::{Alarm, Refusal, TransactionUser};
use self::{
    door::Door,
    errand::Errands,
    lanes::{Lanes, Parcel},
    stream::Streams,
    tls::Tls,
};
use crate::{guard::caught, metrics::METRICS, names::Names};

/// One of the lane's sockets.
#[derive(Debug)]
pub struct Listener {
    /// Transport and the address that it is bound to.
    pub bound: Listen,
    /// What stands in Via and Contact.
    pub sent_by: Box<[u8]>,
    /// Only for Ringpost's own UM on this machine.
    pub internal: bool,
}

/// The sockets, transactions and timers of one lane.
pub struct Port {
    /// The lane's number.
    pub lane: u8,
    /// The sockets, in the order of their numbers.
    pub listeners: Vec<Listener>,
    user: RefCell<Option<Rc<dyn TransactionUser>>>,
    transactions: RefCell<Transactions>,
    alarms: RefCell<Wheel<Alarm>>,
    output: RefCell<Output>,
    sockets: RefCell<Vec<Option<Rc<tokio::net::UdpSocket>>>>,
    /// Connections: TCP, TLS and WebSockets.
    pub streams: Streams,
    /// Requests outside dialogs.
    pub errands: Errands,
    /// The other lanes.
    pub lanes: Lanes,
    /// Who may come in; nothing is asked where there is none.
    door: OnceCell<Door>,
    tls: OnceCell<Arc<Tls>>,
    names: OnceCell<Arc<Names>>,
    product: OnceCell<Option<Box<[u8]>>>,
    started: Instant,
    sleeps_until: Cell<u64>,
    woken: tokio::sync::Notify,
    /// Datagrams that the kernel would not take.
    dropped: Cell<u64>,
}

impl Port {
    /// A lane without sockets yet. `patience`: how long a peer may leave an INVITE without any answer.
    pub fn new(
        lane: u8,
        listeners: Vec<Listener>,
        lanes: Lanes,
        streams: Streams,
        patience: Duration,
    ) -> Rc<Self> {
        let sent_by = listeners.iter().map(|l| l.sent_by.clone()).collect();
        Rc::new(Self {
            lane,
            sockets: RefCell::new(listeners.iter().map(|_| None).collect()),
            listeners,
            user: RefCell::new(None),
            transactions: RefCell::new(
                Transactions::new(lane, sent_by, crate::entropy::source())
                    .with_patience(patience.as_millis() as u64),
            ),
            alarms: RefCell::default(),
            output: RefCell::default(),
            streams,
            errands: Errands::new(lane),
            lanes,
            door: OnceCell::new(),
            tls: OnceCell::new(),
            names: OnceCell::new(),
            product: OnceCell::new(),
            started: Instant::now(),
            sleeps_until: Cell::new(0),
            woken: tokio::sync::Notify::new(),
            dropped: Cell::new(0),
        })
    }

    /// Says who hears of the messages; once, before the first of them.
    pub fn serve(&self, user: Rc<dyn TransactionUser>) {
        *self.user.borrow_mut() = Some(user);
    }

    /// Has everybody judged who comes in; once, before the sockets open.
    pub fn guard(&self, door: Door) {
        let product = door.settings().product.clone();
        let _ = self.product.set(product.map(|product| product.into_bytes().into()));
        assert!(self.door.set(door).is_ok(), "a lane has one door");
    }

    /// What stands in User-Agent and Server, if not what the other side says of itself.
    pub fn product(&self) -> Option<&[u8]> {
        self.product.get()?.as_deref()
    }

    /// Has TLS spoken with these certificates; once, before the sockets open.
    pub fn secure(&self, tls: Arc<Tls>) {
        assert!(self.tls.set(tls).is_ok(), "a lane has one set of certificates");
    }

    /// The certificates, where TLS is spoken.
    fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.get().cloned()
    }

    /// The trunk that a peer is: by its address, or by the certificate that it has shown.
    pub fn trunk<'d>(&self, directory: &'d Directory, from: &Peer) -> Option<&'d Arc<Trunk>> {
        directory.trunk(from.address.ip()).or_else(|| directory.trunk_named(&self.shown(from)?))
    }

    fn shown(&self, from: &Peer) -> Option<Arc<[String]>> {
        self.tls.get().filter(|_| from.connection & CERTIFIED != 0)?.shown(from)
    }

    fn trusts(&self, door: &Door, from: &Peer) -> bool {
        door.trusts(from.address.ip()) || self.shown(from).is_some_and(|names| door.trusts_name(&names))
    }

    /// The door, if there is one.
    pub fn door(&self) -> Option<&Door> {
        self.door.get()
    }

    /// The door for a message from there: Ringpost's own UM passes without.
    fn door_for(&self, from: &Peer) -> Option<&Door> {
        self.door.get().filter(|_| !self.listeners[usize::from(from.listener)].internal)
    }

    /// Milliseconds since the lane started.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Does one piece of the lane's work. A fault in it must not leave the lane deaf: it costs what caused it, no more.
    pub(crate) fn guarded(&self, work: impl FnOnce()) {
        if let Err(fault) = caught(work) {
            tracing::error!(
                lane = self.lane,
                fault,
                "A fault in Ringpost: one message or timer is lost, the lane goes on"
            );
        }
    }

    /// Sends what waits and passes the news on. Whatever the user does meanwhile is sent by its own call.
    fn flush(self: &Rc<Self>) {
        let mut waiting = std::mem::take(&mut self.output.borrow_mut().transmit);
        waiting.drain(..).for_each(|t| self.transmit(t));
        let news = {
            let mut output = self.output.borrow_mut();
            if output.transmit.is_empty() {
                output.transmit = waiting;
            }
            if output.too_large + output.fell_back > 0 {
                METRICS.too_large_for_udp_total.add(std::mem::take(&mut output.too_large));
                METRICS.back_to_udp_total.add(std::mem::take(&mut output.fell_back));
            }
            std::mem::take(&mut output.news)
        };
        self.wake_earlier();
        if news.is_empty() {
            return;
        }
        let user = self.user();
        for one in news {
            match one {
                News::Response { owner: Owner::Errand(errand), message, .. } => {
                    let code = message.code().unwrap_or(500);
                    if code >= 200 {
                        self.errands.finished(errand, code, Some(message));
                    }
                }
                News::Failed { owner: Owner::Errand(errand), code, .. } => {
                    self.errands.finished(errand, code, None)
                }
                // One that breaks must not take with it what the others wait for.
                other => self.guarded(|| user.hears(other)),
            }
        }
    }

    /// Sends one message.
    pub fn transmit(self: &Rc<Self>, transmit: Transmit) {
        let Transmit { peer, bytes } = transmit;
        tracing::trace!(to = %peer.address, message = %String::from_utf8_lossy(&bytes), "Sent");
        match peer.transport {
            Transport::Udp => {
                let socket = self.sockets.borrow().get(usize::from(peer.listener)).cloned().flatten();
                let Some(socket) = socket else { return };
                let sent = match socket.try_send_to(&bytes, peer.address) {
                    // Before its first event the runtime does not know that a socket takes datagrams: the kernel does.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        SockRef::from(&*socket).send_to(&bytes, &peer.address.into())
                    }
                    sent => sent,
                };
                if let Err(error) = sent {
                    self.dropped.set(self.dropped.get() + 1);
                    tracing::debug!(to = %peer.address, %error, "Could not send a datagram");
                }
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                self.send_on_stream(peer, bytes)
            }
        }
    }

    /// A message could not be delivered on a stream.
    pub fn undeliverable(self: &Rc<Self>, bytes: Bytes) {
        let Ok(message) = Message::read(bytes) else { return };
        let branch = message.via().and_then(|via| Token::of_branch(via.branch()?));
        if let (Some(_), Some(branch)) = (message.method(), branch) {
            if self.is_elsewhere(branch.lane()) {
                self.lanes.send(branch.lane(), Parcel::Undelivered(message.raw().clone()));
                return;
            }
            let now = self.now();
            self.transactions.borrow_mut().undeliverable(branch, now, &mut self.output.borrow_mut());
            self.flush();
        }
    }

    /// A message found nobody by TCP who might take it by UDP.
    pub(super) fn undeliverable_by_tcp(self: &Rc<Self>, bytes: Bytes, back: Peer) {
        if !bytes.starts_with(b"ACK ") {
            return self.undeliverable(bytes);
        }
        let now = self.now();
        self.transactions.borrow_mut().ack_by_udp(&bytes, back, now, &mut self.output.borrow_mut());
        self.flush();
    }

    /// Says who hears of a CANCEL or a missing ACK for an INVITE.
    pub fn adopt(&self, server: Token, owner: Owner) {
        self.transactions.borrow_mut().adopt(server, owner);
    }

    /// Sends a response in a server transaction.
    pub fn respond(self: &Rc<Self>, server: Token, code: u16, bytes: Bytes) {
        let now = self.now();
        self.transactions.borrow_mut().respond(server, code, bytes, now, &mut self.output.borrow_mut());
        self.flush();
    }

    /// The ACK for a 2xx of ours has come.
    pub fn acknowledged(&self, server: Token) {
        self.transactions.borrow_mut().acknowledged(server);
    }

    /// Sends an INVITE; `None` where the lane is full.
    pub fn invite(
        self: &Rc<Self>,
        peer: Peer,
        owner: Owner,
        build: impl FnOnce(Token) -> Bytes,
    ) -> Option<Token> {
        let now = self.now();
        let client =
            self.transactions.borrow_mut().invite(peer, owner, now, &mut self.output.borrow_mut(), build);
        self.flush();
        client
    }

    /// Sends another request; `None` where the lane is full.
    pub fn ask(
        self: &Rc<Self>,
        peer: Peer,
        owner: Owner,
        build: impl FnOnce(Token) -> Bytes,
    ) -> Option<Token> {
        let now = self.now();
        let client =
            self.transactions.borrow_mut().request(peer, owner, now, &mut self.output.borrow_mut(), build);
        self.flush();
        client
    }

    /// The INVITE as the transaction keeps it.
    pub fn sent_invite(&self, client: Token) -> Option<Message> {
        self.transactions.borrow().invite_request(client)
    }

    /// Sends the ACK for a 2xx.
    pub fn acknowledge(self: &Rc<Self>, client: Token, peer: Peer, ack: Bytes) {
        let now = self.now();
        self.transactions.borrow_mut().acknowledge(client, peer, ack, now, &mut self.output.borrow_mut());
        self.flush();
    }

    /// ACK and BYE for a 2xx that nobody wants.
    pub fn decline(self: &Rc<Self>, client: Token, response: &Message, reason: Option<&str>) {
        let now = self.now();
        self.transactions.borrow_mut().refuse(client, response, reason, now, &mut self.output.borrow_mut());
        self.flush();
    }

    /// Takes an INVITE back.
    pub fn cancel(self: &Rc<Self>, client: Token, reason: Option<&'static str>) {
        let now = self.now();
        self.transactions.borrow_mut().cancel(client, reason, now, &mut self.output.borrow_mut());
        self.flush();
    }

    /// Whether an INVITE has had no answer at all, not even 100.
    pub fn is_silent(&self, client: Token) -> bool {
        self.transactions.borrow().is_silent(client)
    }

    /// Leaves a request to itself.
    pub fn orphan(&self, client: Token, reason: Option<&'static str>) {
        self.transactions.borrow_mut().orphan(client, reason);
    }

    /// An unguessable number.
    pub fn random(&self) -> u32 {
        self.transactions.borrow_mut().random()
    }

    /// Has [`TransactionUser::rings`] called in `after` milliseconds, up to a tick (50 ms) late.
    pub fn alarm(&self, after: u64, alarm: Alarm) {
        let at = self.now() + after;
        self.alarms.borrow_mut().arm(at, alarm);
        self.wake_earlier();
    }
}
