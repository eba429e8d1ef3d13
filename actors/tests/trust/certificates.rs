//! The certificates of the table, each with what a refusal has to say; `None`: it is taken.

use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd, string::Ia5String};

use crate::{
    NAME,
    authority::{Authority, Pair, params},
};

pub type Row = (&'static str, Pair, Option<&'static str>);

pub fn table(ours: &Authority) -> Vec<Row> {
    let other = Authority::new("other");
    // The name in the subject alone: that counted once, and does not any more (RFC 9525 §2).
    let mut nosan = params(&[]);
    nosan.distinguished_name.push(DnType::CommonName, NAME);
    let short: Vec<String> = (0..1000).map(|n| format!("n{n}.test")).collect();
    let long: Vec<String> = (0..1500).map(|n| format!("{}{n}.test", "x".repeat(60))).collect();
    let with = |more: &[String]| params(&more.iter().map(String::as_str).chain([NAME]).collect::<Vec<_>>());
    vec![
        ("good", ours.signs(&params(&[NAME])), None),
        ("wildcard", ours.signs(&params(&["*.corp.test"])), None),
        ("manysan", ours.signs(&with(&short)), None),
        // 144 kB: more than a handshake message may have.
        ("manysan too large", ours.signs(&with(&long)), Some("HandshakePayloadTooLarge")),
        ("wrongname", ours.signs(&params(&["other.test"])), Some("not valid for name")),
        ("a wildcard too high", ours.signs(&params(&["*.test"])), Some("not valid for name")),
        ("an address", ours.signs(&params(&["127.0.0.1"])), Some("not valid for")),
        ("expired", ours.signs(&between(2020, 2021)), Some("expired")),
        ("notyet", ours.signs(&between(2090, 2091)), Some("not valid yet")),
        ("selfsigned", selfsigned(), Some("UnknownIssuer")),
        ("unknownca", other.signs(&params(&[NAME])), Some("UnknownIssuer")),
        ("nosan", ours.signs(&nosan), Some("not valid for")),
        ("nulsan", ours.signs(&nul(&format!("{NAME}\0.attacker.test"))), Some("certificate")),
        ("a NUL at the end", ours.signs(&nul(&format!("{NAME}\0"))), Some("certificate")),
    ]
}

fn between(from: i32, to: i32) -> CertificateParams {
    let mut params = params(&[NAME]);
    [params.not_before, params.not_after] = [from, to].map(|year| date_time_ymd(year, 1, 1));
    params
}

/// As it stands in the DER: nobody on the way may end the name at the NUL.
fn nul(name: &str) -> CertificateParams {
    let mut params = params(&[]);
    params.subject_alt_names.push(SanType::DnsName(Ia5String::try_from(name).expect("IA5")));
    params
}

fn selfsigned() -> Pair {
    let key = KeyPair::generate().expect("a key");
    Pair { certificate: params(&[NAME]).self_signed(&key).expect("a certificate"), key }
}
