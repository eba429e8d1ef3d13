//! TLS around a peer that speaks plain TCP.

use std::{
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
};

use rustls::{ServerConfig, pki_types::ServerName};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::authority::{Authority, Pair, server_config};

/// Runs until the peer is told; then as long as the test.
pub struct Relay(watch::Sender<Option<SocketAddr>>);

impl Relay {
    /// Who hears what comes in.
    pub fn leads_to(self, peer: SocketAddr) {
        self.0.send_replace(Some(peer));
        // The thread ends with the test's process.
        std::mem::forget(self.0);
    }
}

/// Listens at `(own, _)` with TLS, and at an address that is given back without: from there it goes to `(_, ringpost)`
/// by TLS, from `own`'s host, with that certificate.
pub fn start(
    authority: &Authority,
    pair: &Pair,
    (own, ringpost): (SocketAddr, SocketAddr),
) -> (Relay, SocketAddr) {
    let (told, peer) = watch::channel(None);
    let listen = |address: SocketAddr| {
        let listener = StdListener::bind(address).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        listener
    };
    let (inward, outward) = (listen(own), listen(([127, 0, 0, 1], 0).into()));
    let plain = outward.local_addr().expect("bound");
    let (client, server) = (authority.client_config(Some(pair)), server_config(pair));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let inward = TcpListener::from_std(inward).expect("a listener");
            let outward = TcpListener::from_std(outward).expect("a listener");
            loop {
                tokio::select! {
                    Ok((stream, _)) = inward.accept() => drop(tokio::spawn(receive(stream, Arc::clone(&server), peer.clone()))),
                    Ok((mut stream, _)) = outward.accept() => {
                        let client = TlsConnector::from(Arc::clone(&client));
                        tokio::spawn(async move {
                            let name = ServerName::try_from("sbc1.example.com").expect("a name");
                            let mut far = client.connect(name, dial(own, ringpost)).await.expect("a handshake");
                            let _ = copy_bidirectional(&mut stream, &mut far).await;
                        });
                    }
                }
            }
        });
    });
    (Relay(told), plain)
}

async fn receive(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    mut peer: watch::Receiver<Option<SocketAddr>>,
) {
    let to = peer.wait_for(Option::is_some).await.expect("a peer").expect("a peer");
    let mut near = TcpStream::connect(to).await.expect("the peer listens");
    let mut far = TlsAcceptor::from(config).accept(stream).await.expect("a handshake");
    let _ = copy_bidirectional(&mut far, &mut near).await;
}

fn dial(own: SocketAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(own.ip(), 0).into()).expect("loopback");
    socket.connect(&to.into()).expect("Ringpost listens");
    socket.set_nonblocking(true).expect("a socket");
    TcpStream::from_std(socket.into()).expect("a stream")
}
