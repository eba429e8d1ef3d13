//! What all services by TCP have in common: a name that the system looks up, and a certificate (R87).

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use ringpost::{counted::counted, doctor::advice, settings::Tls, sip::certificate::Validity};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::chain::{End, Sheet};
use crate::{
    channel::http::{add_roots, client_config, roots, system_roots},
    port::tls::{now, verify},
};

/// Whom a client believes.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The certificates of this file alone, else the system's: HTTPS and LDAP.
    Only(Option<PathBuf>),
    /// The system's, and those of this file: mail, and the tokens for it.
    Beside(Option<PathBuf>),
}

impl Trust {
    /// TLS that believes these.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn config(&self) -> Result<ClientConfig, String> {
        let believed = match self {
            Self::Only(ca) => roots(ca.as_deref()).map_err(|error| error.to_string())?,
            Self::Beside(None) => system_roots(),
            Self::Beside(Some(ca)) => {
                let bad = |error: &dyn std::fmt::Display| format!("{}: {error}", ca.display());
                let pem = std::fs::read(ca).map_err(|error| bad(&error))?;
                let mut believed = system_roots();
                add_roots(&mut believed, &pem).map_err(|error| bad(&error))?;
                believed
            }
        };
        client_config(believed).map_err(|error| error.to_string())
    }
}

/// A service, and what an admin calls it.
pub struct Service {
    /// Its host, as a URL has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The key of the site file that names it.
    pub key: String,
}

impl Service {
    /// That of a URL which the loader has read already; whether it is https.
    pub fn of(url: &str, key: String) -> Option<(Self, bool)> {
        let url = Url::parse(url).ok()?;
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let port = url.port_or_known_default()?;
        Some((Self { host, port, key }, url.scheme() == "https"))
    }

    /// Looks its name up as its channel does: by the system.
    pub async fn resolves(&self, sheet: &Sheet) -> Option<Vec<SocketAddr>> {
        let found = lookup_host((self.host.as_str(), self.port)).await.map(Iterator::collect::<Vec<_>>);
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                let told: Vec<String> = addresses.iter().map(|one| one.ip().to_string()).collect();
                sheet.ok(&format!("{} is at {}", self.host, told.join(", ")));
                Some(addresses)
            }
            Ok(_) => {
                sheet.failed(&format!("{} has no address", self.host), advice::no_records(&self.key));
                None
            }
            Err(error) => {
                sheet.failed(&format!("{} is not found: {error}", self.host), advice::no_records(&self.key));
                None
            }
        }
    }

    /// Shakes hands as its channel does.
    pub async fn shows(&self, sheet: &Sheet, at: &[SocketAddr], trust: &Trust, tls: &Tls) -> End {
        match self.shaken(at, trust).await {
            Ok(validity) => {
                lasts(sheet, tls, validity, &self.host);
                Some(())
            }
            Err(why) => sheet.failed(&why, self.refused(&why, "ca")),
        }
    }

    /// What to do where it cannot be reached, or shows what is refused.
    pub fn refused(&self, why: &str, ca: &str) -> String {
        let key = &self.key;
        if is_no_connection(why) {
            advice::no_connection(key)
        } else {
            advice::certificate(why, &format!("{ca} beside {key}"), key)
        }
    }

    async fn shaken(&self, at: &[SocketAddr], trust: &Trust) -> Result<Validity, String> {
        let config = trust.config()?;
        let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
        let stream = TcpStream::connect(at).await.map_err(|error| format!("no connection: {error}"))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let first = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        first.map(validity).unwrap_or_else(|| Err("it shows no certificate".to_owned()))
    }
}

/// When a certificate is good.
pub fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, String> {
    verify::validity(certificate).map_err(|error| error.to_string())
}

/// Whether words are about the way to a server and not about what it showed.
pub fn is_no_connection(why: &str) -> bool {
    ["refused", "no connection", "unreachable", "timed out", "reset", "No route"]
        .iter()
        .any(|word| why.contains(word))
        && !why.contains("certificate")
}

/// A certificate that was believed.
pub fn lasts(sheet: &Sheet, tls: &Tls, validity: Validity, of: &str) {
    let days = counted(validity.days(now()), "day");
    let warning = i64::try_from(tls.warning.as_secs()).unwrap_or(i64::MAX);
    match validity.ends_within(warning, now()) {
        true => sheet.warns(
            &format!("good and of {of}, but it ends in {days}"),
            "Have it renewed on that server before that.".to_owned(),
        ),
        false => sheet.ok(&format!("good and of {of}, ends in {days}")),
    }
}
