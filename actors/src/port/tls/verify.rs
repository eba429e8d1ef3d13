//! Whether a server's certificate is good, and for its name (R87, RFC 5922 §7).

use std::sync::Arc;

use ringpost::sip::certificate::{Validity, domain_of, plain, speaks_for};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Checks the chain and the time as WebPKI does, and the name as SIP does.
#[derive(Debug)]
pub struct Verifier {
    pub roots: Arc<RootCertStore>,
    pub provider: Arc<CryptoProvider>,
    pub wildcards: bool,
}

const BAD: CertificateError = CertificateError::BadEncoding;

/// When a certificate is good.
pub fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, CertificateError> {
    let (_, read) = X509Certificate::from_der(certificate).map_err(|_| BAD)?;
    let read = read.validity();
    Ok(Validity { begin: read.not_before.timestamp(), end: read.not_after.timestamp() })
}

/// The domains and addresses that a certificate is of; an error where one holds what no name does, such as NUL.
pub fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, CertificateError> {
    let (_, read) = X509Certificate::from_der(certificate).map_err(|_| BAD)?;
    let Some(alternative) = read.subject_alternative_name().map_err(|_| BAD)? else { return Ok(vec![]) };
    let mut names = vec![];
    for name in &alternative.value.general_names {
        match name {
            GeneralName::DNSName(name) => names.push(plain(name).ok_or(BAD)?),
            GeneralName::URI(uri) if uri.contains('\0') => return Err(BAD),
            GeneralName::URI(uri) => names.extend(domain_of(uri)),
            GeneralName::IPAddress(octets) => {
                let v4 = <[u8; 4]>::try_from(*octets).map(std::net::IpAddr::from);
                let address = v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(std::net::IpAddr::from));
                names.push(address.map_err(|_| BAD)?.to_string());
            }
            _ => {}
        }
    }
    Ok(names)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        match speaks_for(&names(end_entity)?, &server_name.to_str(), self.wildcards) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::NotValidForName.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
