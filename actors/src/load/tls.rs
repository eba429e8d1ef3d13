//! `[tls]`.

use ringpost::settings::Tls;

use super::{raw::Raw, section::Section};

/// Reads `[tls]`; `None` after a problem. `serves`: a listener needs a certificate.
pub fn tls(mut section: Section<'_>, serves: bool) -> Option<Tls> {
    let certificates = section.list("certificates", Raw::path);
    let keys = section.list("keys", Raw::path);
    let ca = section.optional("ca", Raw::path);
    let wildcards = section.required("wildcards", Raw::flag);
    let max_names = section.required("max_names", |raw| raw.count(1..=10_000_000));
    let handshakes = section.required("handshakes", |raw| raw.count(1..=100_000));
    let of_source = section.required("handshakes_per_source", |raw| raw.count(1..=100_000));
    let patience = section.required("handshake_timeout", Raw::duration);
    let reload = section.required("reload", Raw::duration);
    let warning = section.required("expiry_warning", Raw::duration);
    if certificates.len() != keys.len() {
        section.refuse("keys", "has to name one file for each of certificates");
    } else if serves && certificates.is_empty() {
        section.refuse("certificates", "is missing: a tls, wss or https listener needs one");
    }
    section.end();
    Some(Tls {
        identities: certificates.into_iter().zip(keys).collect(),
        ca,
        wildcards: wildcards?,
        max_names: usize::try_from(max_names?).ok()?,
        handshakes: usize::try_from(handshakes?).ok()?,
        handshakes_per_source: usize::try_from(of_source?).ok()?,
        patience: patience?,
        reload: reload?,
        warning: warning?,
    })
}
