//! A server's certificates, good and bad, by a CA of the test's own.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};
use rustls::{ServerConfig, crypto::ring::default_provider};
use rustls_pki_types::PrivateKeyDer;

/// What is the matter with a certificate for 127.0.0.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    Nothing,
    /// It is for another host.
    WrongName,
    /// It has ended.
    Expired,
    /// It has not begun.
    TooEarly,
    /// Nobody has signed it but itself.
    SelfSigned,
}

pub struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, as PEM and for a server.
pub struct Served {
    pub certificate: String,
    pub key: String,
    pub config: Arc<ServerConfig>,
}

impl Ca {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a CA"))
    }

    /// As PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn serves(&self, flaw: Flaw) -> Served {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match flaw {
            Flaw::WrongName => SanType::DnsName("elsewhere.test".try_into().expect("ASCII")),
            _ => SanType::IpAddress([127, 0, 0, 1].into()),
        }];
        match flaw {
            Flaw::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Flaw::TooEarly => params.not_before = date_time_ymd(2099, 1, 1),
            Flaw::Nothing | Flaw::WrongName | Flaw::SelfSigned => {}
        }
        let key = KeyPair::generate().expect("a key");
        let signed = match flaw {
            Flaw::SelfSigned => params.self_signed(&key),
            _ => params.signed_by(&key, &self.0),
        };
        let certificate = signed.expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("a server");
        Served { certificate: certificate.pem(), key: key.serialize_pem(), config: Arc::new(config) }
    }
}
