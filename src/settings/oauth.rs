//! How Ringpost gets tokens by OAuth 2.0 client credentials (RFC 6749 §4.4), for the channels that want one.

use std::path::PathBuf;

use super::Secret;

/// An application at an identity provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OAuth {
    /// `token_url`: the token endpoint, `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`.
    pub token_url: String,
    /// `client_id`: the application.
    pub client_id: String,
    /// `scope`: what the tokens are for, `https://graph.microsoft.com/.default`.
    pub scope: String,
    /// How the application proves itself.
    pub proof: Proof,
}

/// What the application proves itself by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    /// `client_secret`, `client_secret_file`.
    Secret(Secret),
    /// `client_certificate`, `client_key`: a JWT signed with the key (RFC 7523 §2.2).
    Certificate {
        /// PEM; the first certificate is the application's.
        certificate: PathBuf,
        /// PEM, an RSA key in PKCS#8 or PKCS#1.
        key: PathBuf,
        /// `client_algorithm`.
        algorithm: SigningAlgorithm,
    },
}

/// The signature of the JWT (RFC 7518 §3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SigningAlgorithm {
    /// RSASSA-PSS with SHA-256, which Microsoft Entra asks for.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for older AD FS.
    Rs256,
}

impl SigningAlgorithm {
    /// As in the JWT's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}
