//! The RTP ports: even ones of a range, leased round robin so that a port rests as long as possible between calls.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::Refusal;

/// A range of ports, shared by all lanes.
#[derive(Debug)]
pub struct PortPool {
    bind: IpAddr,
    advertised: IpAddr,
    first: u16,
    last: u16,
    leased: Box<[AtomicBool]>,
    next: AtomicUsize,
}

/// A port that nobody else has, until it is dropped.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<PortPool>,
    number: usize,
    /// What is said in SDP.
    pub local: SocketAddr,
}

impl PortPool {
    /// Ports `first` to `last`, inclusive, bound at `bind` and told as `advertised` (the same, unless `bind` is a wildcard).
    pub fn new(bind: IpAddr, advertised: IpAddr, (first, last): (u16, u16)) -> Arc<Self> {
        // RFC 3550 §11: RTP has the even port, RTCP the odd one above it.
        let even = (first..=last).filter(|port| port % 2 == 0 && *port > 0).count();
        let leased = (0..even).map(|_| AtomicBool::new(false)).collect();
        Arc::new(Self { bind, advertised, first, last, leased, next: AtomicUsize::new(0) })
    }

    /// How many sessions there can be at once.
    pub fn capacity(&self) -> usize {
        self.leased.len()
    }

    /// How many there are.
    pub fn in_use(&self) -> usize {
        self.leased.iter().filter(|leased| leased.load(Ordering::Relaxed)).count()
    }

    /// Opens a socket on the next free port; ports that some other program has are passed over.
    pub fn open(self: &Arc<Self>) -> Result<(UdpSocket, Lease), Refusal> {
        let mut source = None;
        for _ in 0..self.capacity() {
            let number = self.next.fetch_add(1, Ordering::Relaxed) % self.capacity();
            let Some(lease) = self.lease(number) else { continue };
            match open(SocketAddr::new(self.bind, self.port(number))) {
                Ok(socket) => return Ok((socket, lease)),
                Err(error) => source = Some(error),
            }
        }
        Err(Refusal::NoPort { first: self.first, last: self.last, source })
    }

    fn lease(self: &Arc<Self>, number: usize) -> Option<Lease> {
        let taken = self.leased[number].swap(true, Ordering::AcqRel);
        let local = SocketAddr::new(self.advertised, self.port(number));
        (!taken).then(|| Lease { pool: self.clone(), number, local })
    }

    fn port(&self, number: usize) -> u16 {
        let lowest = self.first.max(1).next_multiple_of(2);
        lowest + 2 * u16::try_from(number).expect("there are fewer leases than ports")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.leased[self.number].store(false, Ordering::Release);
    }
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn only_even_ports_are_used() {
        let table = [
            ((0, 1), 0),
            ((1, 3), 1),
            ((2, 3), 1),
            ((16_384, 17_383), 500),
            ((7, 7), 0),
            ((65_534, 65_535), 1),
        ];
        for (range, capacity) in table {
            let pool = PortPool::new(HERE, HERE, range);
            assert_eq!(pool.capacity(), capacity, "{range:?}");
            assert!(
                (0..capacity)
                    .all(|n| pool.port(n).is_multiple_of(2) && (range.0..=range.1).contains(&pool.port(n)))
            );
        }
    }

    #[test]
    fn a_port_that_another_program_has_is_passed_over_and_an_empty_pool_refuses() {
        let (foreign, base) = three_even_ports();
        let pool = PortPool::new(HERE, IpAddr::from([192, 0, 2, 1]), (base, base + 5));
        let opened: Vec<_> = (0..2).map(|_| pool.open().expect("a free port")).collect();
        let ports: Vec<u16> = opened.iter().map(|(_, lease)| lease.local.port()).collect();
        assert_eq!(ports, [base + 2, base + 4]);
        assert_eq!(opened[0].1.local.ip(), IpAddr::from([192, 0, 2, 1]));

        let refusal = pool.open().expect_err("one port is foreign, two are leased");
        assert_eq!((refusal.status(), pool.in_use()), (503, 2));
        drop(foreign);
        drop(opened);
        assert_eq!(pool.in_use(), 0);
        pool.open().expect("free again");
    }

    /// A foreign socket on an even port whose two even neighbours above are free.
    fn three_even_ports() -> (UdpSocket, u16) {
        for _ in 0..100 {
            let Ok(socket) = UdpSocket::bind((HERE, 0)) else { continue };
            let base = socket.local_addr().expect("it is bound").port();
            let free = |port| UdpSocket::bind((HERE, port)).is_ok();
            if base % 2 == 0 && base < 65_000 && free(base + 2) && free(base + 4) {
                return (socket, base);
            }
        }
        panic!("no three even ports are free");
    }
}
