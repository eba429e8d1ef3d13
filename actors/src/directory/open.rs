//! Opens connections to directory servers: TCP, StartTLS, TLS.
//!
//! StartTLS is done here, as STARTTLS is for mail: whatever comes in the open behind the server's consent counts for
//! nothing, and a refusal ends the talk.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use ringpost::{
    directory::ldap::frame,
    notify::clean::reason,
    settings::{LdapServer, LdapTls},
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::refusal::Refusal;

/// The number of the request for StartTLS, the first and only one of its connection in the open.
const REQUEST: u8 = 1;
/// No answer to it is longer.
const LONGEST: usize = 4096;

/// A connection that may carry a password.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What connections are opened with.
#[derive(Clone)]
pub struct Opener {
    pub tls: Arc<ClientConfig>,
    /// For TCP, and then for TLS.
    pub patience: Duration,
    /// The addresses of some names, so that nobody is asked for them.
    pub known: Vec<(String, SocketAddr)>,
}

impl Opener {
    /// A connection to that server with the protection that it is to have.
    pub async fn open(&self, server: &LdapServer) -> Result<Box<dyn Stream>, Refusal> {
        let mut tcp = within("connecting", self.patience, self.connect(server)).await?;
        match server.tls {
            LdapTls::Never => return Ok(Box::new(tcp)),
            LdapTls::Start => within("StartTLS", self.patience, starts_tls(&mut tcp)).await?,
            LdapTls::Implicit => {}
        }
        within("TLS", self.patience, self.handshake(server, tcp)).await
    }

    /// TCP alone.
    pub async fn connect(&self, server: &LdapServer) -> Result<TcpStream, Refusal> {
        let known = self.known.iter().find(|(name, _)| *name == server.host);
        let addresses: Vec<SocketAddr> = match known {
            Some((_, address)) => vec![SocketAddr::new(address.ip(), server.port)],
            None => {
                let found = lookup_host((server.host.as_str(), server.port)).await;
                found.map_err(|error| Refusal::unreachable(&error))?.collect()
            }
        };
        let mut last = Refusal::Unreachable("its name has no address".to_owned());
        let each = self.patience / addresses.len().max(1) as u32;
        for address in addresses {
            match timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(|error| Refusal::unreachable(&error))?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = Refusal::unreachable(&error),
                Err(_) => last = Refusal::Silent("connecting", each),
            }
        }
        Err(last)
    }

    async fn handshake(&self, server: &LdapServer, tcp: TcpStream) -> Result<Box<dyn Stream>, Refusal> {
        let name =
            ServerName::try_from(server.host.clone()).map_err(|error| Refusal::Tls(error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, tcp).await;
        Ok(Box::new(stream.map_err(|error| Refusal::Tls(reason(&error.to_string())))?))
    }
}

/// Does it in time.
pub async fn within<T>(
    doing: &'static str,
    patience: Duration,
    what: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    timeout(patience, what).await.unwrap_or(Err(Refusal::Silent(doing, patience)))
}

async fn starts_tls(tcp: &mut TcpStream) -> Result<(), Refusal> {
    let lost = |error: std::io::Error| Refusal::Lost(reason(&error.to_string()));
    tcp.write_all(&frame::start_tls_request(REQUEST)).await.map_err(lost)?;
    let mut answer = Vec::with_capacity(256);
    let length = loop {
        if let Some(length) = frame::length(&answer, LONGEST)? {
            break length;
        }
        if tcp.read_buf(&mut answer).await.map_err(lost)? == 0 {
            return Err(Refusal::Lost("it closed instead of beginning TLS".to_owned()));
        }
    };
    match frame::start_tls(&answer[..length], u32::from(REQUEST)) {
        Ok(outcome) if outcome.code == 0 && answer.len() > length => Err(Refusal::Early),
        Ok(outcome) if outcome.code == 0 => Ok(()),
        Ok(outcome) => Err(Refusal::NoStartTls(outcome.code, reason(&outcome.text))),
        Err(spoilt) => Err(spoilt.into()),
    }
}
