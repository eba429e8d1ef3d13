//! OPTIONS on the wire: one request, and the status of its final answer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use ringpost::{
    settings::Transport,
    sip::{Message, build::sent_by, locate::Hop, peer::Peer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use super::Far;
use crate::{entropy, port::tls::Tls};

/// The first pause before a request by UDP is sent again (RFC 3261 §17.1.2.1); it doubles.
const T1: Duration = Duration::from_millis(500);
/// The longest answer that is read.
const LARGEST: usize = 64 * 1024;

/// The status of the final answer of one place.
pub async fn ask(tls: Option<&Arc<Tls>>, hop: Hop, host: Option<&str>, far: &Far) -> Result<u16, String> {
    let told = |error: std::io::Error| error.to_string();
    match hop.transport {
        Transport::Udp => by_udp(hop, far).await.map_err(told),
        Transport::Tls => {
            let tls = tls.ok_or("[tls] ca cannot be read")?;
            let stream = shakes(tls, hop, host).await?;
            let own = stream.get_ref().0.local_addr().map_err(told)?;
            by_stream(stream, own, hop, far).await.map_err(told)
        }
        Transport::Tcp | Transport::Ws | Transport::Wss => {
            let stream = TcpStream::connect(hop.address).await.map_err(told)?;
            let own = stream.local_addr().map_err(told)?;
            by_stream(stream, own, hop, far).await.map_err(told)
        }
    }
}

/// A request that belongs to nothing.
fn request(hop: Hop, own: SocketAddr, far: &Far) -> (String, String) {
    let mut random = entropy::source();
    let token = format!("{:08x}{:08x}", random(), random());
    let (own, transport) = (sent_by(own), hop.transport.name());
    let to = far.uri.split(';').next().unwrap_or(&far.uri);
    let Far { uri, host, .. } = far;
    let text = format!(
        "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {own};branch=z9hG4bK{token};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:ringpost@{host}>;tag={token}\r\nTo: <{to}>\r\nCall-ID: {token}@{host}\r\nCSeq: 1 OPTIONS\r\n\
         Contact: <sip:ringpost@{own}>\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n"
    );
    (text, token)
}

/// The status of an answer to it, but for provisional ones.
fn status(octets: &[u8], token: &str) -> Option<u16> {
    let message = Message::read(Bytes::copy_from_slice(octets)).ok()?;
    let ours = message.call_id().starts_with(token.as_bytes());
    message.code().filter(|code| ours && *code >= 200)
}

async fn by_udp(hop: Hop, far: &Far) -> std::io::Result<u16> {
    let any: SocketAddr = match hop.address {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(hop.address).await?;
    let (text, token) = request(hop, socket.local_addr()?, far);
    let mut octets = vec![0; LARGEST];
    let mut pause = T1;
    loop {
        socket.send(text.as_bytes()).await?;
        let until = tokio::time::Instant::now() + pause;
        while let Ok(read) = tokio::time::timeout_at(until, socket.recv(&mut octets)).await {
            if let Some(code) = status(&octets[..read?], &token) {
                return Ok(code);
            }
        }
        pause *= 2;
    }
}

async fn by_stream<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    own: SocketAddr,
    hop: Hop,
    far: &Far,
) -> std::io::Result<u16> {
    let (text, token) = request(hop, own, far);
    stream.write_all(text.as_bytes()).await?;
    let mut octets = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let read = stream.read(&mut part).await?;
        if read == 0 || octets.len() > LARGEST {
            return Err(std::io::Error::other("it closes the connection without an answer"));
        }
        octets.extend_from_slice(&part[..read]);
        // A provisional answer may come first; neither of them has a body that would matter.
        while let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = octets.drain(..end + 4).collect();
            if let Some(code) = status(&head, &token) {
                return Ok(code);
            }
        }
    }
}

/// Opens TLS as the port does; the name is checked (R87).
pub async fn shakes(
    tls: &Tls,
    hop: Hop,
    host: Option<&str>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let peer = Peer { transport: hop.transport, address: hop.address, listener: 0, connection: 0 };
    let peer = match host {
        Some(host) => peer.named(tls.number(host).ok_or("too many names")?),
        None => peer,
    };
    let stream = TcpStream::connect(hop.address).await.map_err(|error| error.to_string())?;
    tls.connect(stream, &peer).await.map_err(|error| error.to_string())
}
