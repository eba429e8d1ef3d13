//! T21 for EWS: whom Ringpost gives credentials and a notice to.

use std::{sync::Arc, time::Duration};

use rcgen::{CertificateParams, KeyPair, SanType, date_time_ymd, string::Ia5String};
use ringpost::{
    outbox::Status::{Dead, Delivered},
    settings::Ews,
};
use rustls::{
    ServerConfig,
    crypto::ring::{default_provider, sign::any_supported_type},
    pki_types::PrivateKeyDer,
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::{
    authority::{Authority, Pair, params},
    basic, channel, settings,
    support::{
        by_mail,
        http::{Reply, Server},
    },
    told,
};

const DONE: &str = "<Envelope><Body><CreateItemResponseMessage><ResponseCode>NoError</ResponseCode></CreateItemResponseMessage></Body></Envelope>";

fn at(years: [i32; 2], mut params: CertificateParams) -> CertificateParams {
    [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
    params
}

/// Shows a certificate, however bad.
pub fn server_config(pair: &Pair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(pair.key.serialize_der()).expect("a key");
    let key = any_supported_type(&key).expect("a key");
    let shown = CertifiedKey::new(vec![pair.certificate.der().clone()], key);
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    Arc::new(config)
}

fn selfsigned() -> Pair {
    let key = KeyPair::generate().expect("a key");
    Pair { certificate: params(&["localhost"]).self_signed(&key).expect("a certificate"), key }
}

#[test]
fn t21_only_the_right_certificate_gets_credentials_or_a_notice() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, ours.pem()).expect("a file");
    let nul = Ia5String::try_from("localhost\0.attacker.test").expect("IA5");
    let mut nulsan = params(&[]);
    nulsan.subject_alt_names.push(SanType::DnsName(nul));
    let many: Vec<String> = (0..1500).map(|n| format!("{}{n}.test", "x".repeat(50))).collect();
    let manysan: Vec<&str> = many.iter().map(String::as_str).chain(["localhost"]).collect();
    for (name, pair, refused) in [
        ("good", ours.signs(&params(&["localhost"])), None),
        ("manysan", ours.signs(&params(&manysan)), Some("HandshakePayloadTooLarge")),
        ("wrongname", ours.signs(&params(&["other.test"])), Some("not valid for name")),
        ("expired", ours.signs(&at([2020, 2021], params(&["localhost"]))), Some("expired")),
        ("notyet", ours.signs(&at([2090, 2091], params(&["localhost"]))), Some("not valid yet")),
        ("selfsigned", selfsigned(), Some("UnknownIssuer")),
        ("unknownca", other.signs(&params(&["localhost"])), Some("UnknownIssuer")),
        ("nosan", ours.signs(&params(&[])), Some("not valid for")),
        ("nulsan", ours.signs(&nulsan), Some("certificate")),
    ] {
        let server =
            Server::start(Some(server_config(&pair)), |_| Reply::Say(200, vec![], DONE.as_bytes().to_vec()));
        let url = format!("https://localhost:{}/EWS", server.port);
        let ews = channel(&Ews { ca: Some(ca.clone()), ..settings(url, basic()) });
        let items = vec![by_mail("1", "tu@corp.test")];
        let (status, reason) = actix::System::new().block_on(told(&ews, Duration::from_millis(100), items));
        match refused {
            None => assert_eq!((status, reason.as_str()), (Delivered, ""), "{name}"),
            Some(words) => {
                assert_eq!((status, reason.contains(words)), (Dead, true), "{name}: {reason}");
            }
        }
        assert_eq!(server.asked().is_empty(), refused.is_some(), "{name}: not an octet of HTTP");
    }
}
