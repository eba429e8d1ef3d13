//! `[registrar]`.

use ringpost::{settings::Registrar, sip::digest::Algorithm};

use super::{raw::Raw, section::Section};

/// Reads `[registrar]`; `None` after a problem. `domain` is the realm where none is named.
pub fn registrar(mut section: Section<'_>, domain: &str) -> Option<Registrar> {
    let realm = section.optional("realm", realm);
    let algorithms = section.at_least_one("algorithms", algorithm);
    let without_qop = section.required("without_qop", Raw::flag);
    let nonce_lifetime = section.required("nonce_lifetime", Raw::duration);
    let expires = section.required("expires", Raw::duration);
    let min_expires = section.required("min_expires", Raw::duration);
    let max_expires = section.required("max_expires", Raw::duration);
    let max_bindings = section.required("max_bindings", |raw| raw.count(1..=1_000));
    let tries = section.required("tries", |raw| raw.count(1..=1_000_000));
    let lock_out = section.required("lock_out", Raw::duration);
    let remembered = section.required("remembered", |raw| raw.count(100..=100_000_000));
    if max_expires.is_some() && (expires > max_expires || min_expires > expires) {
        section.refuse("expires", "must lie between min_expires and max_expires");
    }
    section.end();
    Some(Registrar {
        realm: realm.unwrap_or_else(|| domain.to_owned()),
        algorithms,
        without_qop: without_qop?,
        nonce_lifetime: nonce_lifetime?,
        expires: expires?,
        min_expires: min_expires?,
        max_expires: max_expires?,
        max_bindings: usize::try_from(max_bindings?).ok()?,
        tries: u32::try_from(tries?).ok()?,
        lock_out: lock_out?,
        remembered: usize::try_from(remembered?).ok()?,
    })
}

fn realm(raw: &Raw<'_>) -> Result<String, String> {
    match raw.text()? {
        text if text.contains(['"', '\\']) => Err("must not hold a quote or a backslash".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn algorithm(raw: &Raw<'_>) -> Result<Algorithm, String> {
    let text = raw.text()?;
    let known = Algorithm::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(text));
    known.ok_or_else(|| {
        format!("unknown algorithm {text:?}; known: {}", Algorithm::ALL.map(Algorithm::name).join(", "))
    })
}
