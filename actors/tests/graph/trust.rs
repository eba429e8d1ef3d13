//! T21 for Graph and the identity provider: whom Ringpost gives a token and a notice to.

use std::{sync::Arc, time::Duration};

use rcgen::{CertificateParams, KeyPair, SanType, date_time_ymd, string::Ia5String};
use ringpost::{
    outbox::Status::{Dead, Delivered},
    settings::{Graph, GraphDelivery, OAuth},
};
use rustls::{
    ServerConfig,
    crypto::ring::{default_provider, sign::any_supported_type},
    pki_types::PrivateKeyDer,
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::{
    authority::{Authority, Pair, params},
    channel, ends_within,
    exchange::Exchange,
    settings,
    support::by_mail,
};

fn at(years: [i32; 2], mut params: CertificateParams) -> CertificateParams {
    [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
    params
}

/// Shows a certificate, however bad.
fn server_config(pair: &Pair) -> Arc<ServerConfig> {
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
fn only_the_right_certificate_gets_a_token_or_a_notice() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    ours.site(folder.path(), &["localhost"]);
    let ca = folder.path().join("ca/own.pem");
    let nul = Ia5String::try_from("localhost\0.attacker.test").expect("IA5");
    let mut nulsan = params(&[]);
    nulsan.subject_alt_names.push(SanType::DnsName(nul));
    let many: Vec<String> = (0..1500).map(|n| format!("{}{n}.test", "x".repeat(50))).collect();
    let manysan: Vec<&str> = many.iter().map(String::as_str).chain(["localhost"]).collect();
    let table = [
        ("good", ours.signs(&params(&["localhost"])), None),
        ("manysan", ours.signs(&params(&manysan)), Some("HandshakePayloadTooLarge")),
        ("wrongname", ours.signs(&params(&["other.test"])), Some("not valid for name")),
        ("expired", ours.signs(&at([2020, 2021], params(&["localhost"]))), Some("expired")),
        ("notyet", ours.signs(&at([2090, 2091], params(&["localhost"]))), Some("not valid yet")),
        ("selfsigned", selfsigned(), Some("UnknownIssuer")),
        ("unknownca", other.signs(&params(&["localhost"])), Some("UnknownIssuer")),
        ("nosan", ours.signs(&params(&[])), Some("not valid for")),
        ("nulsan", ours.signs(&nulsan), Some("certificate")),
    ];
    let honest = Exchange::start(Some(server_config(&table[0].1)));
    let https = |exchange: &Exchange, path: &str| exchange.url(path).replace("127.0.0.1", "localhost");
    for (name, pair, refused) in &table {
        let tested = Exchange::start(Some(server_config(pair)));
        let good = settings(&honest, GraphDelivery::Json);
        let oauth = OAuth { token_url: https(&honest, "/t/token"), ..good.oauth };
        let good = Graph { url: https(&honest, "/v1.0"), ca: Some(ca.clone()), oauth, ..good };
        let service = Graph { url: https(&tested, "/v1.0"), ..good.clone() };
        let oauth = OAuth { token_url: https(&tested, "/t/token"), ..good.oauth.clone() };
        for settings in [service, Graph { oauth, ..good }] {
            let items = vec![by_mail(name, "tu@contoso.com")];
            let (_, status, reason) =
                ends_within(Duration::from_millis(100), &channel(&settings), items).remove(0);
            match refused {
                None => assert_eq!((status, reason.as_str()), (Delivered, ""), "{name}"),
                Some(words) => {
                    assert_eq!(status, Dead, "{name}");
                    assert!(reason.contains("cannot be reached: "), "{name}: {reason}");
                    assert!(reason.contains(words), "{name}: {reason}");
                }
            }
        }
        assert_eq!(tested.server.asked().is_empty(), refused.is_some(), "{name}: not an octet of HTTP");
    }
}
