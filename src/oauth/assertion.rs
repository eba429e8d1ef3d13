//! The JWT by which an application with a certificate proves itself (RFC 7523 §3, RFC 7515).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::settings::{OAuth, SigningAlgorithm};

/// How long a JWT is good for; it is used once and at once.
const LIFE: SignedDuration = SignedDuration::from_mins(10);
/// How far the provider's clock may be behind ours.
const SKEW: SignedDuration = SignedDuration::from_mins(2);

/// A JWT that wants its signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assertion {
    unsigned: String,
}

impl Assertion {
    /// The JWT for one request, made at `now`. `thumbprint` is [`thumbprint`] of the certificate, `id` fresh random
    /// octets: a provider may refuse a `jti` it has seen (RFC 7523 §3).
    pub fn new(
        settings: &OAuth,
        algorithm: SigningAlgorithm,
        thumbprint: &str,
        id: [u8; 16],
        now: Timestamp,
    ) -> Self {
        let second = |by: SignedDuration| now.saturating_add(by).unwrap_or(Timestamp::MAX).as_second();
        let header = json!({"alg": algorithm.name(), "typ": "JWT", "x5t#S256": thumbprint});
        let claims = json!({
            "aud": settings.token_url,
            "iss": settings.client_id,
            "sub": settings.client_id,
            "jti": URL_SAFE_NO_PAD.encode(id),
            "nbf": second(-SKEW),
            "iat": second(SignedDuration::ZERO),
            "exp": second(LIFE),
        });
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        Self { unsigned: format!("{}.{}", part(header), part(claims)) }
    }

    /// What is signed (RFC 7515 §5.1).
    pub fn signing_input(&self) -> &[u8] {
        self.unsigned.as_bytes()
    }

    /// The whole JWT.
    pub fn signed(self, signature: &[u8]) -> String {
        format!("{}.{}", self.unsigned, URL_SAFE_NO_PAD.encode(signature))
    }
}

/// `x5t#S256` of a certificate in DER (RFC 7515 §4.1.8).
pub fn thumbprint(certificate: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(certificate))
}
