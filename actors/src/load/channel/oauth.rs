//! The keys of OAuth 2.0 client credentials (RFC 6749 §4.4), which several kinds of channels take.

use ringpost::settings::{OAuth, Proof, SigningAlgorithm};

use super::login;
use crate::load::{mail::password_file, raw::Raw, section::Section};

/// Their names.
pub const KEYS: [&str; 8] = [
    "token_url",
    "client_id",
    "scope",
    "client_secret",
    "client_secret_file",
    "client_certificate",
    "client_key",
    "client_algorithm",
];

/// Reads them; `scope` is the one that is meant where none is named. `None` after a problem.
pub fn oauth(section: &mut Section<'_>, scope: &str) -> Option<OAuth> {
    let token_url = section.required("token_url", https);
    let client_id = section.required("client_id", |raw| raw.text().map(str::to_owned));
    let named = section.optional("scope", |raw| raw.text().map(str::to_owned));
    let in_file = section.optional("client_secret_file", password_file);
    let secret = section.optional("client_secret", |raw| login::secret(raw, "client_secret_file"));
    let certificate = section.optional("client_certificate", Raw::path);
    let key = section.optional("client_key", Raw::path);
    let algorithm = section.optional("client_algorithm", algorithm);
    let has_secret = section.has("client_secret") || section.has("client_secret_file");
    let has_certificate = section.has("client_certificate") || section.has("client_key");
    let proof = match (has_secret, has_certificate) {
        (true, false) => Proof::Secret(secret.or(in_file)?),
        (false, true) => {
            for missing in ["client_certificate", "client_key"].iter().filter(|key| !section.has(key)) {
                section.refuse(missing, "is missing: a certificate and its key go together");
            }
            let algorithm = algorithm.unwrap_or(SigningAlgorithm::Ps256);
            Proof::Certificate { certificate: certificate?, key: key?, algorithm }
        }
        (true, true) => {
            section.refuse("client_certificate", "stands beside a secret: one of them is enough");
            return None;
        }
        (false, false) => {
            section.refuse(
                "client_secret_file",
                "is missing: the application needs a secret, or client_certificate and client_key",
            );
            return None;
        }
    };
    Some(OAuth {
        token_url: token_url?,
        client_id: client_id?,
        scope: named.unwrap_or_else(|| scope.to_owned()),
        proof,
    })
}

/// An https URL without a user.
pub fn https(raw: &Raw<'_>) -> Result<String, String> {
    let text = raw.text()?;
    let url = url::Url::parse(text).map_err(|_| "wants a URL, \"https://…\"")?;
    if url.scheme() != "https" || url.host_str().is_none() {
        return Err("wants \"https://…\": credentials go there".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or a password".to_owned());
    }
    Ok(text.to_owned())
}

fn algorithm(raw: &Raw<'_>) -> Result<SigningAlgorithm, String> {
    let all = [SigningAlgorithm::Ps256, SigningAlgorithm::Rs256];
    let name = raw.text()?;
    all.into_iter()
        .find(|one| one.name() == name)
        .ok_or_else(|| format!("wants \"PS256\" or \"RS256\", not {name:?}"))
}
