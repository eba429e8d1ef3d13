//! TLS: the site's certificates, whom they let Ringpost believe, and their renewal while it runs.

mod alias;
pub(crate) mod files;
pub(crate) mod verify;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use ringpost::{
    settings::{self, Site},
    sip::{
        certificate::{Daily, choose, speaks_for},
        peer::Peer,
    },
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
    tls: settings::Tls,
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
    dated: Vec<files::Dated>,
    /// When another CA is good than those that are believed.
    turns: Option<i64>,
    /// With and without a request for the peer's certificate; browsers would trouble their user with it.
    server: Option<[Arc<ServerConfig>; 2]>,
    client: Arc<ClientConfig>,
}

/// The certificates of a site, by the name that a peer asks for.
#[derive(Debug)]
struct Shown(Vec<Identity>);

impl Shown {
    /// The time is that of the handshake, for files may be older than what they hold.
    fn choose(&self, asked: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let own = self.0.iter().map(|identity| (&identity.names[..], identity.validity));
        choose(own, asked, now()).map(|at| Arc::clone(&self.0[at].key))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], schemes: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.choose(None).filter(|key| key.key.choose_scheme(schemes).is_some())
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
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
            ready: ArcSwap::from_pointee(ready(&asked, now())?),
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

    /// Looks at the files and at the calendar for ever.
    pub async fn watch(self: Arc<Self>) {
        let mut daily = Daily::default();
        // Starting has told the first time.
        daily.is_due(now());
        loop {
            let every = lock(&self.settings).tls.reload;
            let told = tokio::time::timeout(every, self.changed.notified()).await.is_ok();
            self.look(told, &mut daily, now());
        }
    }

    fn look(&self, told: bool, daily: &mut Daily, now: i64) {
        let asked = lock(&self.settings).clone();
        let before = self.ready.load();
        let turned = before.turns.is_some_and(|turn| turn <= now);
        if !told && !turned && files::stamp(&asked.tls) == before.stamp {
            if daily.is_due(now) {
                files::tell(&before.dated, asked.tls.warning, now, false);
            }
            return;
        }
        match ready(&asked, now) {
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

    /// What the site says.
    pub fn settings(&self) -> settings::Tls {
        lock(&self.settings).tls.clone()
    }

    /// The number of a name that a peer's certificate has to be of.
    pub fn number(&self, name: &str) -> Option<u32> {
        let most = lock(&self.settings).tls.max_names;
        let mut wanted = lock(&self.wanted);
        if let Some(number) = wanted.numbers.get(name) {
            return Some(*number);
        }
        let number = u32::try_from(wanted.names.len()).ok().filter(|_| wanted.names.len() < most);
        let Some(number) = number else {
            METRICS.tls_names_refused_total.one();
            return None;
        };
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
        let number =
            self.shown(peer).filter(|names| speaks_for(names, host, false)).and_then(|_| self.number(host));
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
        let stream = TlsAcceptor::from(Arc::clone(&configs[usize::from(web)])).accept(stream).await?;
        in_time(stream.get_ref().1.peer_certificates()).map(|()| stream)
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
        let client = Arc::clone(&self.ready.load_full().client);
        let stream = TlsConnector::from(client).connect(name, stream).await?;
        in_time(stream.get_ref().1.peer_certificates()).map(|()| stream)
    }
}

/// A session that goes on (RFC 8446 §2.2) shows no certificate again, and nobody has looked whether it is still good.
fn in_time(chain: Option<&[CertificateDer<'_>]>) -> io::Result<()> {
    let first = chain.and_then(<[_]>::first).map(verify::validity);
    match first {
        Some(Ok(validity)) if validity.holds(now()) => Ok(()),
        Some(_) => Err(io::Error::other("the certificate has expired since")),
        None => Ok(()),
    }
}

fn ready(asked: &Asked, now: i64) -> Result<Ready, String> {
    let stamp = files::stamp(&asked.tls);
    let provider = Arc::new(ring::default_provider());
    let (identities, mut dated) = files::identities(&asked.tls, &provider)?;
    let (roots, authorities) = files::roots(&asked.tls, now)?;
    let turns = authorities.iter().filter_map(|(_, validity)| validity.turns(now)).min();
    dated.extend(authorities);
    files::tell(&dated, asked.tls.warning, now, true);
    let shown = Arc::new(Shown(identities));
    let roots = Arc::new(roots);
    let server = match shown.0.is_empty() {
        false => Some([
            Arc::new(server(&provider, &roots, &shown, asked.asks)?),
            Arc::new(server(&provider, &roots, &shown, false)?),
        ]),
        true => None,
    };
    let wildcards = asked.tls.wildcards;
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verify::Verifier { roots, provider, wildcards }))
        .with_client_cert_resolver(shown);
    Ok(Ready { stamp, dated, turns, server, client: Arc::new(client) })
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
