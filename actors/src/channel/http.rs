//! HTTP for the channels that speak it: TLS by ring, no redirects, bounded answers, and errors that say whether the
//! server may have acted.

use std::{error::Error, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use hyper_util::client::legacy::connect::HttpInfo;
use jiff::Timestamp;
use reqwest::{
    Client, ClientBuilder, RequestBuilder, StatusCode, header::HeaderMap, redirect::Policy, tls::TlsInfo,
};
use ringpost::{
    notify::clean::reason,
    outbox::{Delivery, retry_after},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// How long opening a connection may take, its handshake included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept; load balancers close theirs sooner or later without a word.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// Octets of an answer that are read; what comes behind them nobody wants (ROBUSTNESS T24).
const LONGEST_ANSWER: usize = 1 << 20;

/// A client. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
}

/// What a server has answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or as much of it as came and was wanted.
    pub body: Vec<u8>,
    /// The body has its end: what it says may be believed.
    pub whole: bool,
    /// The server's certificate (DER), of a client that was built to tell it.
    pub certificate: Option<Vec<u8>>,
    /// Our end of the connection that it came by.
    pub came_by: Option<SocketAddr>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HttpError {
    /// The server was not reached, or is not the one it should be: it has not acted.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It was asked, but nobody knows whether it has acted.
    #[error("gave no answer: {0}")]
    Lost(String),
}

/// Why there can be no client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct HttpSetup(String);

impl HttpSetup {
    /// What of the settings no HTTP request may hold.
    pub fn new(what: &str) -> Self {
        Self(format!("{what} is none that a request may hold"))
    }
}

impl Http {
    /// A client that believes the certificates of `ca`, a PEM file, or else the system's.
    pub fn new(ca: Option<&Path>) -> Result<Self, HttpSetup> {
        Self::built(ca, |builder| builder)
    }

    /// As [`Http::new`], with the addresses of some names known already.
    pub fn resolving(ca: Option<&Path>, names: &[(String, SocketAddr)]) -> Result<Self, HttpSetup> {
        Self::built(ca, |builder| known(builder, names))
    }

    /// As [`Http::new`], with more said about it.
    pub fn built(
        ca: Option<&Path>,
        more: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, HttpSetup> {
        Self::over(client_config(roots(ca)?)?, more)
    }

    /// A client with the TLS of another protocol.
    pub fn over(
        tls: ClientConfig,
        more: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, HttpSetup> {
        let failed = |error: &dyn std::fmt::Display| HttpSetup(error.to_string());
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            // A redirect would carry a notice, or a token, to somewhere that no setting names.
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(KEPT_FOR)
            .user_agent(concat!("ringpost/", env!("CARGO_PKG_VERSION")));
        let client = more(builder).build().map_err(|error| failed(&error))?;
        Ok(Self { client })
    }

    /// The client, to begin a request with.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// Sends a request and reads the answer, both within `patience`.
pub async fn ask(request: RequestBuilder, patience: Duration) -> Result<Answer, HttpError> {
    let asked = tokio::time::timeout(patience, async {
        let mut response = request.send().await.map_err(|error| told(&error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let info = response.extensions().get::<TlsInfo>();
        let certificate = info.and_then(TlsInfo::peer_certificate).map(<[u8]>::to_vec);
        let came_by = response.extensions().get::<HttpInfo>().map(HttpInfo::local_addr);
        Ok((status, headers, (certificate, came_by), response))
    });
    // The status is worth more than the body: whatever becomes of the rest, the server has decided.
    let (status, headers, (certificate, came_by), mut response) =
        asked.await.map_err(|_| HttpError::Lost("it took too long".to_owned()))??;
    let mut body = Vec::new();
    let read = tokio::time::timeout(patience, async {
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= LONGEST_ANSWER => {
                    body.extend_from_slice(&chunk)
                }
                Ok(Some(_)) | Err(_) => return false,
                Ok(None) => return true,
            }
        }
    });
    let whole = read.await.unwrap_or(false);
    Ok(Answer { status, headers, body, whole, certificate, came_by })
}

impl Answer {
    /// How long the server wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?;
        retry_after(value, Timestamp::now())
    }
}

impl From<HttpError> for Delivery {
    fn from(error: HttpError) -> Self {
        super::down(error)
    }
}

/// TLS that believes these.
pub fn client_config(roots: RootCertStore) -> Result<ClientConfig, HttpSetup> {
    let versions = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions();
    let config = versions.map_err(|error| HttpSetup(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Says the addresses of some names, so that nobody is asked for them.
pub fn known(builder: ClientBuilder, names: &[(String, SocketAddr)]) -> ClientBuilder {
    names.iter().fold(builder, |builder, (name, address)| builder.resolve(name, *address))
}

/// The system's certificates.
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Adds the certificates of a PEM text; `Err`: what is wrong with it.
pub fn add_roots(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
        count += 1;
    }
    if count == 0 { Err("holds no certificate".to_owned()) } else { Ok(()) }
}

/// The certificates of a file, or the system's without one.
pub fn roots(ca: Option<&Path>) -> Result<RootCertStore, HttpSetup> {
    let Some(path) = ca else { return Ok(system_roots()) };
    let bad = |error: &dyn std::fmt::Display| HttpSetup(format!("{}: {error}", path.display()));
    let pem = std::fs::read(path).map_err(|error| bad(&error))?;
    let mut roots = RootCertStore::empty();
    add_roots(&mut roots, &pem).map_err(|error| bad(&error))?;
    Ok(roots)
}

/// The innermost reason, which is the one that helps ("invalid peer certificate: Expired"), without the URL.
fn told(error: &reqwest::Error) -> HttpError {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let words = match std::ptr::eq(innermost, error as &dyn Error) {
        true => "the request failed".to_owned(),
        false => reason(&innermost.to_string()),
    };
    match error.is_connect() || error.is_builder() {
        true => HttpError::Unreachable(words),
        false => HttpError::Lost(words),
    }
}
