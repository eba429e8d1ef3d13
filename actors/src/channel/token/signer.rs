//! Signs JWTs with the key of an application's certificate.

use std::path::Path;

use jiff::Timestamp;
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair},
};
use ringpost::{
    oauth::{Assertion, thumbprint},
    settings::{OAuth, SigningAlgorithm},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// An RSA key with the thumbprint of its certificate.
pub struct Signer {
    key: RsaKeyPair,
    thumbprint: String,
    algorithm: SigningAlgorithm,
    random: SystemRandom,
}

/// Why an application cannot prove itself.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be read or holds something else.
    #[error("{file}: {what}")]
    File {
        /// Which.
        file: String,
        /// What is wrong with it; never what stands in it.
        what: String,
    },
    /// The two do not belong together.
    #[error("the key is not that of the certificate")]
    Apart,
}

impl Signer {
    /// Reads both PEM files and sees that they belong together.
    pub fn read(certificate: &Path, key: &Path, algorithm: SigningAlgorithm) -> Result<Self, SetupError> {
        let bad = |file: &Path, what: &dyn std::fmt::Display| SetupError::File {
            file: file.display().to_string(),
            what: what.to_string(),
        };
        let shown = CertificateDer::from_pem_file(certificate).map_err(|error| bad(certificate, &error))?;
        let der = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(bad(key, &"wants an RSA key in PKCS#8 or PKCS#1")),
        };
        let pair = pair.map_err(|error| bad(key, &format!("is no RSA key that can be used: {error}")))?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&shown).map_err(|error| bad(certificate, &error))?;
        if parsed.public_key().subject_public_key.data.as_ref() != pair.public_key().as_ref() {
            return Err(SetupError::Apart);
        }
        Ok(Self { key: pair, thumbprint: thumbprint(&shown), algorithm, random: SystemRandom::new() })
    }

    /// A JWT for one request, good for minutes. `None`: the operating system gives no random numbers.
    pub fn assertion(&self, settings: &OAuth) -> Option<String> {
        let mut id = [0; 16];
        self.random.fill(&mut id).ok()?;
        let assertion = Assertion::new(settings, self.algorithm, &self.thumbprint, id, Timestamp::now());
        let padding: &dyn ring::signature::RsaEncoding = match self.algorithm {
            SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
            SigningAlgorithm::Rs256 => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(padding, &self.random, assertion.signing_input(), &mut signature).ok()?;
        Some(assertion.signed(&signature))
    }
}
