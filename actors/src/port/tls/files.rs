//! The files of `[tls]`: certificates, keys, the folder of CAs, and when they end (R41).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ringpost::settings::Tls;
use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::verify;
use crate::metrics::{METRICS, State};

/// One certificate with its key.
#[derive(Debug)]
pub struct Identity {
    pub names: Vec<String>,
    pub key: Arc<CertifiedKey>,
}

/// A certificate's file and when it ends, in seconds since 1970.
pub type End = (PathBuf, i64);

/// The files as they are: when each was changed, and its length.
pub type Stamp = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

/// What tells whether a file has changed.
pub fn stamp(tls: &Tls) -> Stamp {
    let pairs = tls.identities.iter().flat_map(|(certificate, key)| [certificate.clone(), key.clone()]);
    let files = pairs.chain(tls.ca.iter().flat_map(|folder| in_folder(folder).unwrap_or_default()));
    let look = |path: &Path| fs::metadata(path).and_then(|data| Ok((data.modified()?, data.len()))).ok();
    files.map(|path| (path.clone(), look(&path))).collect()
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read = fs::read_dir(folder).map_err(|error| told("tls.ca", folder, error))?;
    let mut files: Vec<PathBuf> =
        read.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.is_file()).collect();
    files.sort();
    Ok(files)
}

fn told(key: &str, path: &Path, error: impl std::fmt::Display) -> String {
    format!("{key}: {} cannot be used: {error}", path.display())
}

fn chain(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err(told(key, path, "there is no certificate in it")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(told(key, path, error)),
    }
}

fn end(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Some(read.validity().not_after.timestamp())
}

/// The certificates and keys, and when each ends.
pub fn identities(tls: &Tls, provider: &CryptoProvider) -> Result<(Vec<Identity>, Vec<End>), String> {
    let (mut identities, mut ends) = (vec![], vec![]);
    for (certificate, key) in &tls.identities {
        let chain = chain("tls.certificates", certificate)?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| told("tls.keys", key, error))?;
        let names = verify::names(&chain[0]).map_err(|error| told("tls.certificates", certificate, error))?;
        ends.extend(end(&chain[0]).map(|end| (certificate.clone(), end)));
        let pair = CertifiedKey::from_der(chain, private, provider);
        let pair = pair.map_err(|error| told("tls.keys", key, error))?;
        identities.push(Identity { names, key: Arc::new(pair) });
    }
    Ok((identities, ends))
}

/// Whom Ringpost believes. One CA file that cannot be read must not shut out those that can.
pub fn roots(tls: &Tls) -> Result<(RootCertStore, Vec<End>), String> {
    let (mut roots, mut ends) = (RootCertStore::empty(), vec![]);
    let Some(folder) = &tls.ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok((roots, ends));
    };
    for path in in_folder(folder)? {
        let added = chain("tls.ca", &path).and_then(|chain| {
            ends.extend(chain.iter().filter_map(end).map(|end| (path.clone(), end)));
            chain.into_iter().try_for_each(|ca| roots.add(ca).map_err(|error| told("tls.ca", &path, error)))
        });
        if let Err(reason) = added {
            tracing::warn!(reason, "A file in the folder of CAs is passed over");
        }
    }
    Ok((roots, ends))
}

/// Says when the certificates end, and warns of those that end soon.
pub fn tell(ends: &[End], warning: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    let days = |end: i64| (end - now).div_euclid(86_400);
    for (path, end) in ends {
        match end - now < warning.as_secs() as i64 {
            true => {
                tracing::warn!(file = %path.display(), days = days(*end), "A certificate ends soon, or has ended")
            }
            false => tracing::info!(file = %path.display(), days = days(*end), "A certificate is good"),
        }
    }
    let first = ends.iter().min_by_key(|(_, end)| *end);
    METRICS.certificate_end.set(first.map_or(0, |(_, end)| u64::try_from(*end).unwrap_or(0)));
    let state =
        first.filter(|(_, end)| end - now < warning.as_secs() as i64).map_or(State::Green, |(path, end)| {
            State::Yellow(format!("{} ends in {} days", path.display(), days(*end)))
        });
    METRICS.health.set("tls", state);
}
