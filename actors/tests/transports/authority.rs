//! A CA of the test's own, and the ends of TLS connections that it certifies.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
};
use socket2::{Domain, Socket, Type};

pub type Client = StreamOwned<ClientConnection, TcpStream>;

/// A certificate and its key.
pub struct Pair {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Pair {
    /// Writes `NAME.pem` and `NAME.key`.
    pub fn writes(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.key")), self.key.serialize_pem()).expect("a file");
        fs::write(folder.join(format!("{name}.pem")), self.certificate.pem()).expect("a file");
    }
}

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A CA that lasts as long as the tests.
pub fn lasting(name: &str) -> &'static Authority {
    Box::leak(Box::new(Authority::new(name)))
}

/// A certificate's content; without names it has none (nosan).
pub fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "peer");
    params.subject_alt_names = names
        .iter()
        .map(|name| match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName((*name).try_into().expect("ASCII")),
        })
        .collect();
    params
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::of(name, CertificateParams::default())
    }

    /// One that is good at another time, say.
    pub fn of(name: &str, mut params: CertificateParams) -> Self {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a CA"))
    }

    pub fn signs(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        Pair { certificate: params.signed_by(&key, &self.0).expect("a certificate"), key }
    }

    /// Writes the CA, and a certificate for Ringpost; gives back what the site says of them.
    pub fn site(&self, folder: &Path, names: &[&str]) -> String {
        fs::create_dir_all(folder.join("ca")).expect("a folder");
        fs::write(folder.join("ca/own.pem"), self.pem()).expect("a file");
        self.renews(folder, names);
        "[tls]\ncertificates = [\"own.pem\"]\nkeys = [\"own.key\"]\nca = \"ca\"\nreload = \"100ms\"\n\
         handshake_timeout = \"1s\"\nhandshakes = 8"
            .into()
    }

    /// A new certificate in place of the old one.
    pub fn renews(&self, folder: &Path, names: &[&str]) {
        self.signs(&params(names)).writes(folder, "own");
    }

    /// Where whatever is sent by TCP arrives at `to` by TLS, from the same address, and back: for peers that know no TLS.
    pub fn tunnel(&'static self, to: SocketAddr, name: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        // It ends with the test's process.
        thread::spawn(move || {
            for plain in listener.incoming().flatten() {
                thread::spawn(move || {
                    let from = plain.peer_addr().expect("connected").ip().to_string();
                    // Either end has closed it.
                    let _ = carry(plain, self.connect_from(&from, to, (name, None)));
                });
            }
        });
        address
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Believes this CA, and shows a certificate where there is one.
    pub fn client_config(&self, own: Option<&Pair>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a CA");
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        Arc::new(match own {
            Some(pair) => config.with_client_auth_cert(chain(pair), key(pair)).expect("a pair"),
            None => config.with_no_client_auth(),
        })
    }

    /// Connects to Ringpost under a name, from where its trunk is.
    pub fn connect(&self, to: SocketAddr, name: &str) -> Client {
        self.connect_from("127.0.0.1", to, (name, None))
    }

    /// The same from elsewhere, and shows a certificate where there is one.
    pub fn connect_from(&self, from: &str, to: SocketAddr, (name, own): (&str, Option<&Pair>)) -> Client {
        self.caller(name, own).connect_from(from, to)
    }

    /// Who connects to Ringpost again and again, and goes on with sessions where it may.
    pub fn caller(&self, name: &str, own: Option<&Pair>) -> Caller {
        Caller(self.client_config(own), ServerName::try_from(name.to_owned()).expect("a name"))
    }
}

/// One who connects, with what it remembers.
pub struct Caller(Arc<ClientConfig>, ServerName<'static>);

impl Caller {
    pub fn connect_from(&self, from: &str, to: SocketAddr) -> Client {
        let connection = ClientConnection::new(Arc::clone(&self.0), self.1.clone()).expect("a connection");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let from = SocketAddr::new(from.parse().expect("an address"), 0);
        socket.bind(&from.into()).expect("loopback");
        socket.connect(&to.into()).expect("Ringpost listens");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        StreamOwned::new(connection, stream)
    }
}

/// Carries octets both ways until one end closes.
fn carry(mut plain: TcpStream, mut secure: Client) -> io::Result<()> {
    while secure.conn.is_handshaking() {
        secure.conn.complete_io(&mut secure.sock)?;
    }
    let moment = Some(Duration::from_millis(1));
    plain.set_read_timeout(moment)?;
    secure.sock.set_read_timeout(moment)?;
    let mut octets = vec![0; 16_384];
    let read = |from: &mut dyn Read, octets: &mut [u8]| match from.read(octets) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(0),
        other => other,
    };
    loop {
        let length = read(&mut plain, &mut octets)?;
        secure.write_all(&octets[..length])?;
        let length = read(&mut secure, &mut octets)?;
        plain.write_all(&octets[..length])?;
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn chain(pair: &Pair) -> Vec<CertificateDer<'static>> {
    vec![pair.certificate.der().clone()]
}

fn key(pair: &Pair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(pair.key.serialize_der()).expect("a key")
}

/// Shows this certificate.
pub fn server_config(pair: &Pair) -> Arc<ServerConfig> {
    Arc::new(
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain(pair), key(pair))
            .expect("a pair"),
    )
}

/// Shows this certificate however bad it is.
pub fn blind_server_config(pair: &Pair) -> Arc<ServerConfig> {
    let key = any_supported_type(&key(pair)).expect("a key");
    let shown = CertifiedKey::new(chain(pair), key);
    Arc::new(
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown))),
    )
}

/// A TLS server that shows this certificate and takes one connection.
pub struct Server(TcpListener, Arc<ServerConfig>);

impl Server {
    pub fn new(pair: &Pair) -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port"), server_config(pair))
    }

    pub fn uri(&self) -> String {
        format!("sip:desk@{};transport=tls", self.0.local_addr().expect("bound"))
    }

    /// The first octets that come, or why none did.
    pub fn hears(&self) -> Result<String, std::io::Error> {
        let (stream, _) = self.0.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let connection = ServerConnection::new(Arc::clone(&self.1)).expect("a connection");
        let mut octets = [0; 4_096];
        let length = StreamOwned::new(connection, stream).read(&mut octets)?;
        Ok(String::from_utf8_lossy(&octets[..length]).into_owned())
    }
}
