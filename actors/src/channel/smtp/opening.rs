//! Opens connections to a mail server: TCP, and TLS where it is wanted, before lettre speaks.
//!
//! STARTTLS (RFC 3207) is done here, since whoever stands on the way may send replies of his own behind the 220: a client
//! that has read ahead would believe them as if TLS had carried them.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use lettre::transport::smtp::{
    client::{AsyncSmtpConnection, AsyncTokioStream},
    extension::ClientId,
};
use ringpost::settings::MailTls;
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::Refusal;

/// How long one address of the server may take.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest line of a reply, in octets; RFC 5321 §4.5.3.1.5 asks for 512.
const LONGEST_LINE: u64 = 2000;
/// Lines of one reply.
const MOST_LINES: usize = 100;

/// A mail server.
pub struct Server {
    pub host: String,
    port: u16,
    tls: MailTls,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    hello: ClientId,
    /// Where it is, where that is known.
    address: Option<SocketAddr>,
    /// It has offered STARTTLS once: without that offer somebody else speaks for it.
    has_tls: AtomicBool,
}

/// Octets that a server may say before it is spoken to again; lettre would read a reply without an end into all the memory
/// there is.
const LONGEST_TALK: usize = 64 * 1024;

/// A stream behind whose greeting a server may have been spoken to already, since lettre waits for one, and on which it says
/// no more than it should.
#[derive(Debug)]
struct Greeted<S> {
    greeting: &'static [u8],
    stream: S,
    peer: SocketAddr,
    /// Octets that came since we last said something.
    heard: usize,
}

/// A connection before lettre speaks on it.
enum Opened {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Opened {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl<S> Greeted<S> {
    fn new(greeting: &'static [u8], stream: S, peer: SocketAddr) -> Self {
        Self { greeting, stream, peer, heard: 0 }
    }
}

impl Server {
    pub fn new(
        (host, port): (&str, u16),
        tls: MailTls,
        config: ClientConfig,
    ) -> Result<Self, rustls::pki_types::InvalidDnsNameError> {
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
            name: ServerName::try_from(host.to_owned())?,
            config: Arc::new(config),
            hello: ClientId::default(),
            address: None,
            has_tls: AtomicBool::new(false),
        })
    }

    /// Connects to one of these instead of asking for the host's address, where it is among them.
    pub fn known(&mut self, names: &[(String, SocketAddr)]) {
        let known = names.iter().find(|(name, _)| *name == self.host);
        self.address = known.map(|(_, address)| SocketAddr::new(address.ip(), self.port));
    }

    /// Who we say that we are.
    pub fn hello(&self) -> &ClientId {
        &self.hello
    }

    /// A connection that has said EHLO.
    pub async fn open(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let (opened, greeting) = self.opened().await?;
        let peer = opened.tcp().peer_addr().map_err(Refusal::Unreachable)?;
        let stream: Box<dyn AsyncTokioStream> = match opened {
            Opened::Plain(tcp) => Box::new(Greeted::new(greeting, tcp, peer)),
            Opened::Tls(tls) => Box::new(Greeted::new(greeting, *tls, peer)),
        };
        Ok(AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await?)
    }

    /// The certificate (DER) that the server shows; `None`: it speaks in the open.
    pub async fn certificate(&self) -> Result<Option<CertificateDer<'static>>, Refusal> {
        let (opened, _) = self.opened().await?;
        let chain = match &opened {
            Opened::Plain(_) => None,
            Opened::Tls(tls) => tls.get_ref().1.peer_certificates(),
        };
        Ok(chain.and_then(<[_]>::first).map(|first| first.clone().into_owned()))
    }

    /// A connection as far as TLS, and the greeting that is still to be made up for the server.
    async fn opened(&self) -> Result<(Opened, &'static [u8]), Refusal> {
        let tcp = self.connect().await.map_err(Refusal::Unreachable)?;
        Ok(match self.tls {
            MailTls::Never => (Opened::Plain(tcp), b""),
            MailTls::Implicit => (Opened::Tls(Box::new(self.handshake(tcp).await?)), b""),
            MailTls::Opportunistic | MailTls::Required => {
                let mut plain = BufReader::new(tcp);
                let offered = self.offers_tls(&mut plain).await?;
                if !offered && (self.tls == MailTls::Required || self.has_tls.load(Relaxed)) {
                    return Err(Refusal::NoStartTls);
                }
                if offered {
                    plain.write_all(b"STARTTLS\r\n").await.map_err(Refusal::Unreachable)?;
                    reply(&mut plain).await?;
                }
                if !plain.buffer().is_empty() {
                    return Err(Refusal::Early);
                }
                let (greeting, tcp): (&[u8], _) = (b"220 \r\n", plain.into_inner());
                if offered {
                    let stream = self.handshake(tcp).await?;
                    self.has_tls.store(true, Relaxed);
                    (Opened::Tls(Box::new(stream)), greeting)
                } else {
                    (Opened::Plain(tcp), greeting)
                }
            }
        })
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let addresses: Vec<SocketAddr> = match self.address {
            Some(address) => vec![address],
            None => lookup_host((self.host.as_str(), self.port)).await?.collect(),
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        for address in addresses {
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // A mail's end is a small packet behind large ones: it must not wait for their acknowledgement.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no connection in time"),
            }
        }
        Err(last)
    }

    async fn handshake(&self, tcp: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Refusal> {
        let connector = TlsConnector::from(self.config.clone());
        connector.connect(self.name.clone(), tcp).await.map_err(Refusal::Tls)
    }

    /// Reads the greeting and asks for what the server can do.
    async fn offers_tls(&self, plain: &mut BufReader<TcpStream>) -> Result<bool, Refusal> {
        reply(plain).await?;
        let hello = format!("EHLO {}\r\n", self.hello);
        plain.write_all(hello.as_bytes()).await.map_err(Refusal::Unreachable)?;
        let offers = reply(plain).await?;
        Ok(offers.iter().skip(1).any(|offer| offer.eq_ignore_ascii_case("STARTTLS")))
    }
}

/// The texts of a reply's lines; one that is no success is an error.
async fn reply(plain: &mut BufReader<TcpStream>) -> Result<Vec<String>, Refusal> {
    let mut lines = Vec::new();
    while lines.len() < MOST_LINES {
        let mut line = Vec::new();
        let read = plain.take(LONGEST_LINE).read_until(b'\n', &mut line).await;
        if read.map_err(Refusal::Unreachable)? == 0 {
            return Err(Refusal::Reply("nothing".to_owned()));
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let text = line.get(4..).unwrap_or_default().to_owned();
        lines.push(text);
        match (line.as_bytes().first(), line.as_bytes().get(3)) {
            (Some(b'2'), Some(b'-')) => {}
            (Some(b'2'), Some(b' ') | None) => return Ok(lines),
            _ => return Err(Refusal::Reply(line)),
        }
    }
    Err(Refusal::Reply("more lines than it should".to_owned()))
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.greeting.len().min(into.remaining());
        if length == 0 {
            if self.heard >= LONGEST_TALK {
                let endless = io::Error::new(io::ErrorKind::InvalidData, "a reply without an end");
                return Poll::Ready(Err(endless));
            }
            let before = into.filled().len();
            let polled = Pin::new(&mut self.stream).poll_read(cx, into);
            self.heard += into.filled().len() - before;
            return polled;
        }
        let (now, rest) = self.greeting.split_at(length);
        into.put_slice(now);
        self.greeting = rest;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.heard = 0;
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream for Greeted<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
