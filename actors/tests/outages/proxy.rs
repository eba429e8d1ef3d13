//! A TCP proxy before a server, that does to its connections what a network may do.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// None.
    Pass,
    /// Nobody listens, and what is open is reset.
    Refuse,
    /// Every connection is reset, new ones as soon as they are open.
    Reset,
    /// What comes is swallowed, and nothing ever comes back, not even later.
    Blackhole,
    /// The server's octets come one by one, five in a second.
    Trickle,
}

pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    to: SocketAddr,
    fault: Mutex<Fault>,
    /// Connections that were opened.
    opened: AtomicUsize,
}

impl State {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let own = listener.local_addr().expect("bound");
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let state = Arc::new(State { to, fault: Mutex::new(Fault::Pass), opened: AtomicUsize::new(0) });
        let shared = state.clone();
        // It ends with the test's process.
        thread::spawn(move || listens(own, Some(listener), &shared));
        Self { port: own.port(), state }
    }

    pub fn set(&self, fault: Fault) {
        *self.state.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub fn opened(&self) -> usize {
        self.state.opened.load(Relaxed)
    }
}

fn listens(own: SocketAddr, mut listener: Option<TcpListener>, state: &Arc<State>) {
    let moment = Duration::from_millis(2);
    loop {
        match (&listener, state.fault()) {
            (_, Fault::Refuse) => listener = None,
            (None, _) => listener = TcpListener::bind(own).ok(),
            (Some(open), fault) => {
                open.set_nonblocking(true).expect("a socket");
                while let Ok((client, _)) = open.accept() {
                    state.opened.fetch_add(1, Relaxed);
                    if fault == Fault::Reset {
                        resets(&client);
                        continue;
                    }
                    let state = state.clone();
                    thread::spawn(move || carries(client, &state));
                }
            }
        }
        thread::sleep(moment);
    }
}

fn resets(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket");
}

/// One connection, to its end.
fn carries(mut client: TcpStream, state: &State) -> Option<()> {
    let mut server = TcpStream::connect(state.to).ok()?;
    for stream in [&client, &server] {
        stream.set_nonblocking(false).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(1))).ok()?;
    }
    let (mut swallowed, mut late, mut next) = (false, Vec::new(), Instant::now());
    loop {
        let fault = state.fault();
        if matches!(fault, Fault::Refuse | Fault::Reset) {
            resets(&client);
            return None;
        }
        let asked = comes(&mut client)?;
        swallowed |= fault == Fault::Blackhole;
        if swallowed {
            thread::sleep(Duration::from_millis(10));
            continue;
        }
        server.write_all(&asked).ok()?;
        late.extend(comes(&mut server)?);
        if fault != Fault::Trickle {
            client.write_all(&std::mem::take(&mut late)).ok()?;
        } else if next <= Instant::now() && !late.is_empty() {
            client.write_all(&[late.remove(0)]).ok()?;
            next = Instant::now() + Duration::from_millis(200);
        }
    }
}

/// What has come by now; `None`: the other end has closed.
fn comes(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut octets = vec![0; 16_384];
    match stream.read(&mut octets) {
        Ok(0) => None,
        Ok(length) => Some(octets[..length].to_vec()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(vec![]),
        Err(_) => None,
    }
}
