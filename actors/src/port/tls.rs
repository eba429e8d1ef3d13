//! TLS: the site's certificates, whom they let Ringpost believe, and their renewal while it runs.

mod alias;
mod files;
mod verify;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use ringpost::{
    settings::Site,
    sip::{certificate::speaks_for, peer::Peer},
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::ResolvesClientCert,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName},
    server::{NoClientAuth, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use tokio::{net::TcpStream, sync::Notify};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use self::{alias::Aliases, files::Identity};
use crate::metrics::{METRICS, State};

/// Names of peers that certificates are checked against; they come from URIs, so there may be many.
const NAMES: usize = 100_000;

/// What all lanes need for TLS.
pub struct Tls {
    ready: ArcSwap<Ready>,
    settings: Mutex<Asked>,
    wanted: Mutex<Names>,
    /// The names in the certificates of the connections that are open.
    shown: Mutex<HashMap<u64, Arc<[String]>, ahash::RandomState>>,
    aliases: Mutex<Aliases>,
    changed: Notify,
}

/// What the site asks for.
#[derive(Clone, Eq, PartialEq)]
struct Asked {
    tls: ringpost::settings::Tls,
    /// Whether a peer may be a trunk by its certificate, so that it is asked for one.
    asks: bool,
}

#[derive(Default)]
struct Names {
    numbers: HashMap<Arc<str>, u32, ahash::RandomState>,
    names: Vec<Arc<str>>,
}

struct Ready {
    stamp: files::Stamp,
    /// With and without a request for the peer's certificate; browsers would trouble their user with it.
    server: Option<[Arc<ServerConfig>; 2]>,
    client: Arc<ClientConfig>,
}

/// The certificates of a site, by the name that a peer asks for.
#[derive(Debug)]
struct Shown(Vec<Identity>);

impl Shown {
    fn first(&self) -> Option<Arc<CertifiedKey>> {
        self.0.first().map(|identity| Arc::clone(&identity.key))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello
            .server_name()
            .and_then(|name| self.0.iter().find(|identity| speaks_for(&identity.names, name)));
        named.map(|identity| Arc::clone(&identity.key)).or_else(|| self.first())
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], schemes: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.first().filter(|key| key.key.choose_scheme(schemes).is_some())
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn asked(site: &Site) -> Asked {
    Asked { tls: site.tls.clone(), asks: site.trunks.iter().any(|trunk| !trunk.tls_names.is_empty()) }
}

impl Tls {
    /// Reads the site's certificates.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn new(site: &Site) -> Result<Arc<Self>, String> {
        let asked = asked(site);
        Ok(Arc::new(Self {
            ready: ArcSwap::from_pointee(ready(&asked)?),
            settings: Mutex::new(asked),
            wanted: Mutex::default(),
            shown: Mutex::default(),
            aliases: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// The site was read again: so are its certificates.
    pub fn reload(&self, site: &Site) {
        *lock(&self.settings) = asked(site);
        self.changed.notify_one();
    }

    /// Looks at the files for ever.
    pub async fn watch(self: Arc<Self>) {
        loop {
            let every = lock(&self.settings).tls.reload;
            let told = tokio::time::timeout(every, self.changed.notified()).await.is_ok();
            self.look(told);
        }
    }

    fn look(&self, told: bool) {
        let asked = lock(&self.settings).clone();
        let now = self.ready.load();
        if !told && files::stamp(&asked.tls) == now.stamp {
            return;
        }
        match ready(&asked) {
            Ok(ready) => {
                self.ready.store(Arc::new(ready));
                METRICS.tls_reloads_total.one();
                tracing::info!("Read the certificates again");
            }
            Err(reason) => {
                METRICS.health.set("tls", State::Yellow(reason.clone()));
                tracing::error!(reason, "The certificates stay as they were");
            }
        }
    }

    /// How long a handshake may take, and how many a lane may have under way.
    pub fn bounds(&self) -> (Duration, usize) {
        let settings = lock(&self.settings);
        (settings.tls.patience, settings.tls.handshakes)
    }

    /// The number of a name that a peer's certificate has to be of.
    pub fn number(&self, name: &str) -> Option<u32> {
        let mut wanted = lock(&self.wanted);
        if let Some(number) = wanted.numbers.get(name) {
            return Some(*number);
        }
        let number = u32::try_from(wanted.names.len()).ok().filter(|_| wanted.names.len() < NAMES)?;
        let name: Arc<str> = name.into();
        wanted.names.push(Arc::clone(&name));
        wanted.numbers.insert(name, number);
        Some(number)
    }

    /// Notes whom the certificate of a connection is of.
    pub fn note(&self, connection: u64, chain: Option<&[CertificateDer<'_>]>) {
        let names = chain.and_then(|chain| verify::names(chain.first()?).ok());
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            lock(&self.shown).insert(connection, names.into());
        }
    }

    /// A connection has closed.
    pub fn forget(&self, connection: u64) {
        lock(&self.shown).remove(&connection);
        lock(&self.aliases).forget(connection);
    }

    /// Who is at the other end of a connection may be called on it (RFC 5923): `host` and `port` are the sent-by of its
    /// Via. Its certificate has to be of that host.
    pub fn alias(&self, peer: &Peer, host: &str, port: u16) {
        let number = self.shown(peer).filter(|names| speaks_for(names, host)).and_then(|_| self.number(host));
        if let Some(number) = number {
            let end = (number, SocketAddr::new(peer.address.ip(), port));
            lock(&self.aliases).note(end, peer.number());
        }
    }

    /// The connection that the peer itself has opened for us to call it on.
    pub fn opened_by(&self, peer: &Peer) -> Option<u64> {
        lock(&self.aliases).find((peer.wanted_name()?, peer.address))
    }

    /// The names in the verified certificate of whoever is at the other end.
    pub fn shown(&self, peer: &Peer) -> Option<Arc<[String]>> {
        lock(&self.shown).get(&peer.number()).cloned()
    }

    /// Does a server's handshake; `web`: for a browser.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn accept(&self, stream: TcpStream, web: bool) -> io::Result<server::TlsStream<TcpStream>> {
        let ready = self.ready.load_full();
        let configs = ready.server.as_ref().ok_or_else(|| io::Error::other("there is no certificate"))?;
        TlsAcceptor::from(Arc::clone(&configs[usize::from(web)])).accept(stream).await
    }

    /// Does a client's handshake with the peer, whose certificate has to be of its name, or else of its address.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn connect(&self, stream: TcpStream, peer: &Peer) -> io::Result<client::TlsStream<TcpStream>> {
        let wanted =
            peer.wanted_name().and_then(|number| lock(&self.wanted).names.get(number as usize).cloned());
        let name = match wanted {
            Some(name) => ServerName::try_from(name.to_string()).map_err(io::Error::other)?,
            None => ServerName::from(peer.address.ip()),
        };
        TlsConnector::from(Arc::clone(&self.ready.load_full().client)).connect(name, stream).await
    }
}

fn ready(asked: &Asked) -> Result<Ready, String> {
    let stamp = files::stamp(&asked.tls);
    let provider = Arc::new(ring::default_provider());
    let (identities, mut ends) = files::identities(&asked.tls, &provider)?;
    let (roots, more) = files::roots(&asked.tls)?;
    ends.extend(more);
    files::tell(&ends, asked.tls.warning);
    let shown = Arc::new(Shown(identities));
    let roots = Arc::new(roots);
    let server = match shown.first() {
        Some(_) => Some([
            Arc::new(server(&provider, &roots, &shown, asked.asks)?),
            Arc::new(server(&provider, &roots, &shown, false)?),
        ]),
        None => None,
    };
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verify::Verifier { roots, provider }))
        .with_client_cert_resolver(shown);
    Ok(Ready { stamp, server, client: Arc::new(client) })
}

fn server(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    shown: &Arc<Shown>,
    asks: bool,
) -> Result<ServerConfig, String> {
    let verifier = match asks && !roots.is_empty() {
        true => WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| error.to_string())?,
        false => Arc::new(NoClientAuth),
    };
    let config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(shown) as Arc<dyn ResolvesServerCert>);
    Ok(config)
}
