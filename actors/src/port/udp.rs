//! UDP: binds the sockets and reads datagrams.

use std::{
    io,
    net::{SocketAddr, UdpSocket as StdSocket},
    rc::Rc,
};

use bytes::Bytes;
use ringpost::{
    settings::Transport,
    sip::{
        peer::{Peer, Transmit},
        stun,
    },
};
use socket2::{Domain, Protocol, Socket, Type};

use super::Port;
use crate::keeper::Keeper;

/// How many datagrams are read before the lane's actors get their turn.
const BURST: usize = 64;
/// What the kernel is asked to buffer for a lane; it caps this at its own limit.
const BUFFER: usize = 4 << 20;

/// Binds one socket; `shared` where several lanes bind the same address (SO_REUSEPORT).
///
/// # Errors
/// As the kernel says, "address in use" above all.
pub fn bind(address: SocketAddr, shared: bool) -> io::Result<StdSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    // A smaller buffer than asked for costs retransmissions, not calls.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl Port {
    /// Takes a bound socket over as listener number `listener` and reads it until the lane ends.
    ///
    /// # Errors
    /// Where the socket cannot be watched.
    pub fn open_udp(
        self: &Rc<Self>,
        listener: u16,
        socket: StdSocket,
        (keeper, part): (&Keeper, String),
    ) -> io::Result<()> {
        let socket = Rc::new(tokio::net::UdpSocket::from_std(socket)?);
        self.sockets.borrow_mut()[usize::from(listener)] = Some(Rc::clone(&socket));
        let port = Rc::clone(self);
        keeper.keep(part, move || Rc::clone(&port).read_udp(listener, Rc::clone(&socket)));
        Ok(())
    }

    /// A STUN keep-alive is answered to trunks and to whoever has proved lately who it is: with a forged address it would
    /// go to somebody who never asked.
    fn keeps_alive(self: &Rc<Self>, datagram: &[u8], from: Peer) {
        let ip = from.address.ip();
        let known = self.door_for(&from).is_none_or(|door| door.trusts(ip) || door.is_proven(ip));
        if let Some(answer) = stun::answer(datagram, from.address).filter(|_| known) {
            self.transmit(Transmit { peer: from, bytes: answer.into() });
        }
    }

    async fn read_udp(self: Rc<Self>, listener: u16, socket: Rc<tokio::net::UdpSocket>) {
        let mut buffer = vec![0; 65_536].into_boxed_slice();
        loop {
            if let Err(error) = socket.readable().await {
                tracing::error!(%error, "A UDP socket cannot be watched any more");
                return;
            }
            let mut read = 0;
            while read < BURST {
                read += 1;
                match socket.try_recv_from(&mut buffer) {
                    Ok((length, address)) => {
                        let from = Peer { transport: Transport::Udp, address, listener, connection: 0 };
                        let datagram = &buffer[..length];
                        tracing::trace!(from = %address, message = %String::from_utf8_lossy(datagram), "Received");
                        if stun::is_stun(datagram) {
                            self.guarded(|| self.keeps_alive(datagram, from));
                        } else if datagram.len() > 8 {
                            self.guarded(|| self.received(Bytes::copy_from_slice(datagram), from));
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An ICMP error of an earlier datagram; its transaction times out by itself.
                    Err(error) => tracing::debug!(%error, "A UDP socket told of an error"),
                }
            }
            if read == BURST {
                tokio::task::yield_now().await;
            }
        }
    }
}
