//! The files of `[tls]`: certificates, keys, the folder of CAs, and when they end (R41).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use ringpost::{counted::counted, settings::Tls, sip::certificate::Validity};
use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::verify;
use crate::metrics::{METRICS, State};

/// One certificate with its key.
#[derive(Debug)]
pub struct Identity {
    pub names: Vec<String>,
    pub validity: Validity,
    pub key: Arc<CertifiedKey>,
}

/// A certificate's file, and when it is good.
pub type Dated = (PathBuf, Validity);

/// The files as they are: when each was changed, and its length.
pub type Stamp = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

/// What tells whether a file has changed.
pub fn stamp(tls: &Tls) -> Stamp {
    let pairs = tls.identities.iter().flat_map(|(certificate, key)| [certificate.clone(), key.clone()]);
    let files = pairs.chain(tls.ca.iter().flat_map(|folder| in_folder(folder).unwrap_or_default()));
    let look = |path: &Path| fs::metadata(path).and_then(|data| Ok((data.modified()?, data.len()))).ok();
    files.map(|path| (path.clone(), look(&path))).collect()
}

pub fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, String> {
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

/// The certificates and keys, and when each is good.
pub fn identities(tls: &Tls, provider: &CryptoProvider) -> Result<(Vec<Identity>, Vec<Dated>), String> {
    let (mut identities, mut dated) = (vec![], vec![]);
    for (certificate, key) in &tls.identities {
        let chain = chain("tls.certificates", certificate)?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| told("tls.keys", key, error))?;
        let read = |error| told("tls.certificates", certificate, error);
        let (names, validity) = (verify::names(&chain[0]), verify::validity(&chain[0]));
        let (names, validity) = (names.map_err(read)?, validity.map_err(read)?);
        dated.push((certificate.clone(), validity));
        let pair = CertifiedKey::from_der(chain, private, provider);
        let pair = pair.map_err(|error| told("tls.keys", key, error))?;
        identities.push(Identity { names, validity, key: Arc::new(pair) });
    }
    Ok((identities, dated))
}

/// Whom Ringpost believes now, and when each CA of the folder is good. One CA file that cannot be read must not shut out those
/// that can; one whose time is not now is passed over, for nothing else would look at it (RFC 5280 §6.1.1 (d)).
pub fn roots(tls: &Tls, now: i64) -> Result<(RootCertStore, Vec<Dated>), String> {
    let (mut roots, mut dated) = (RootCertStore::empty(), vec![]);
    let Some(folder) = &tls.ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok((roots, dated));
    };
    for path in in_folder(folder)? {
        let read = |error: &dyn std::fmt::Display| told("tls.ca", &path, error);
        let added = chain("tls.ca", &path).and_then(|chain| {
            chain.into_iter().try_for_each(|ca| {
                let validity = verify::validity(&ca).map_err(|error| read(&error))?;
                dated.push((path.clone(), validity));
                match validity.holds(now) {
                    true => roots.add(ca).map_err(|error| read(&error)),
                    false => Err(read(&"its time is not now")),
                }
            })
        });
        if let Err(reason) = added {
            tracing::warn!(reason, "A file in the folder of CAs is passed over");
        }
    }
    Ok((roots, dated))
}

/// Says when the certificates end, and warns of those that end soon; `good` ones are told only where asked for.
pub fn tell(dated: &[Dated], warning: Duration, now: i64, good: bool) {
    let warning = i64::try_from(warning.as_secs()).unwrap_or(i64::MAX);
    let mut ending = 0;
    for (path, validity) in dated {
        let (file, days) = (path.display(), validity.days(now));
        match validity.ends_within(warning, now) {
            true => {
                ending += 1;
                tracing::warn!(%file, days, "A certificate ends soon, or has ended");
            }
            false if good => tracing::info!(%file, days, "A certificate is good"),
            false => {}
        }
    }
    let first = dated.iter().min_by_key(|(_, validity)| validity.end);
    METRICS.certificate_end.set(first.map_or(0, |(_, validity)| u64::try_from(validity.end).unwrap_or(0)));
    METRICS.certificates_ending.set(ending);
    let soon = first.filter(|(_, validity)| validity.ends_within(warning, now));
    let state = soon.map_or(State::Green, |(path, validity)| {
        State::Yellow(format!("{} ends in {}", path.display(), counted(validity.days(now), "day")))
    });
    METRICS.health.set("tls", state);
}
