//! OAuth2 client credentials: one request at a time, replaced before the end, slow after a refusal, nothing secret shown.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use ringpost::{
    outbox::Delivery,
    settings::{OAuth, Proof, Secret, SigningAlgorithm},
};
use ringpost_actors::channel::{
    http::Http,
    token::{TokenError, TokenSource, Tokens},
};
use serde_json::json;
use support::http::{Asked, Reply, Server};

const SECRET: &str = "s3cret & more";

fn settings(token_url: String) -> OAuth {
    OAuth {
        token_url,
        client_id: "app".into(),
        scope: "https://graph.example.test/.default".into(),
        proof: Proof::Secret(Secret(SECRET.into())),
    }
}

fn http() -> Http {
    Http::new(None).expect("a client")
}

fn source(server: &Server) -> TokenSource {
    let source = TokenSource::new(settings(server.url("/t/token")), http()).expect("a source");
    source.patient_for(Duration::from_millis(500))
}

/// A server that grants `token-1`, `token-2` …, each good for so many seconds.
fn grants(life: u64) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(None, move |_| {
        let number = count.fetch_add(1, SeqCst) + 1;
        Reply::json(200, &json!({"access_token": format!("token-{number}"), "expires_in": life}))
    })
}

async fn bearer(source: &TokenSource) -> String {
    let token = source.token().await.expect("a token");
    token.header().to_str().expect("ASCII").to_owned()
}

#[tokio::test]
async fn a_hundred_at_once_ask_the_provider_once() {
    let server = grants(3599);
    let tokens = Tokens::default();
    let of = |scope: &str| {
        let settings = OAuth { scope: scope.into(), ..settings(server.url("/t/token")) };
        tokens.source(&settings, &http()).expect("a source")
    };
    let (first, same, other) = (of("a"), of("a"), of("b"));
    assert!(Arc::ptr_eq(&first, &same), "the same endpoint, client and scope share their token");
    let all = join_all((0..100).map(|n| bearer(if n % 2 == 0 { &first } else { &same }))).await;
    assert!(all.iter().all(|token| token == "Bearer token-1"), "{all:?}");
    assert_eq!(bearer(&other).await, "Bearer token-2");
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let form = "grant_type=client_credentials&client_id=app&scope=a&client_secret=s3cret+%26+more";
    assert_eq!(asked[0].text(), form);
}

#[tokio::test]
async fn a_token_is_replaced_before_its_end_and_after_a_401_but_only_once() {
    let server = grants(2);
    let source = source(&server);
    assert_eq!(bearer(&source).await, "Bearer token-1");
    assert_eq!(bearer(&source).await, "Bearer token-1");
    // A fifth of its life is left: replaced, though it would still be good.
    tokio::time::sleep(Duration::from_millis(1700)).await;
    assert_eq!(bearer(&source).await, "Bearer token-2");
    let old = source.token().await.expect("a token");
    source.refused(&old);
    assert_eq!(bearer(&source).await, "Bearer token-3");
    // The second request that had failed with the old token comes late.
    source.refused(&old);
    assert_eq!(bearer(&source).await, "Bearer token-3");
}

#[tokio::test]
async fn a_provider_that_is_away_costs_nothing_while_the_old_token_lasts() {
    let count = AtomicUsize::new(0);
    let server = Server::start(None, move |_| match count.fetch_add(1, SeqCst) {
        0 => Reply::json(200, &json!({"access_token": "token-1", "expires_in": 3})),
        _ => Reply::Say(503, vec![], b"<html>".to_vec()),
    });
    let source = source(&server);
    assert_eq!(bearer(&source).await, "Bearer token-1");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    for _ in 0..10 {
        assert_eq!(bearer(&source).await, "Bearer token-1");
    }
    assert_eq!(server.asked().len(), 2, "asked again once, and not for every notice");
    tokio::time::sleep(Duration::from_millis(600)).await;
    let error = source.token().await.expect_err("none");
    assert_eq!(
        error.to_string(),
        "the identity provider gives no token now: its answer is not JSON, with status 503"
    );
}

#[tokio::test]
async fn every_failure_keeps_the_notice_and_shows_no_secret() {
    let hostile = json!({
        "error": "invalid_client",
        "error_description": format!("AADSTS7000215: Invalid secret '{SECRET}' for alice@contoso.com\r\nX: y"),
    });
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n<html>".to_vec();
    let flood = b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n".to_vec();
    type Make = Box<dyn Fn() -> Reply + Send + Sync>;
    let faults: Vec<(Make, &str, Option<u64>)> = vec![
        (
            Box::new(move || Reply::json(401, &hostile)),
            "the identity provider refuses this application: invalid_client (AADSTS 7000215)",
            Some(120),
        ),
        (
            Box::new(|| Reply::Say(302, vec![("Location", "https://evil.test/".into())], vec![])),
            "the identity provider gives no token now: its answer is not JSON, with status 302",
            None,
        ),
        (
            Box::new(move || Reply::Raw(page.clone())),
            "the identity provider gives no token now: its answer is not JSON, with status 200",
            None,
        ),
        (
            Box::new(move || Reply::Flood(flood.clone(), 100 << 20)),
            "the identity provider gives no token now: its answer is not JSON, with status 200",
            None,
        ),
        (Box::new(|| Reply::Hang), "the identity provider gave no answer: it took too long", None),
        (
            Box::new(|| Reply::Drop),
            "the identity provider gave no answer: connection closed before message completed",
            None,
        ),
    ];
    for (fault, words, not_before) in faults {
        let server = Server::start(None, move |_| fault());
        let source = source(&server);
        let error = source.token().await.expect_err("no token");
        let again = source.token().await.expect_err("no token");
        assert_eq!((error.to_string(), &again), (words.to_owned(), &error));
        assert_eq!(server.asked().len(), 1, "the second one does not ask: {words}");
        let not_before = not_before.map(Duration::from_secs);
        assert_eq!(Delivery::from(error), Delivery::Down { reason: words.into(), not_before });
    }
    let nobody = TokenSource::new(settings(format!("http://127.0.0.1:{}/", support::free_port())), http());
    let error = nobody.expect("a source").token().await.expect_err("nobody listens");
    assert!(
        matches!(&error, TokenError::Http(ringpost_actors::channel::http::HttpError::Unreachable(_))),
        "{error}"
    );
    assert!(!format!("{:?}", settings(String::new())).contains("s3cret"));
}

/// A certificate with an RSA key, which rcgen cannot make with ring; `None` without openssl.
fn certificate(folder: &Path, name: &str) -> Option<(PathBuf, PathBuf)> {
    let (pem, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ringpost"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&pem)
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        println!("skipped: no openssl");
        return None;
    }
    Some((pem, key))
}

fn assertion(asked: &Asked) -> String {
    let form = asked.text();
    assert!(!form.contains("client_secret"), "{form}");
    let (_, jwt) = form.split_once("&client_assertion=").expect("an assertion");
    jwt.to_owned()
}

#[tokio::test]
async fn a_certificate_proves_the_application_by_a_signature_that_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((pem, key)) = certificate(folder.path(), "own") else { return };
    let text = fs::read(&pem).expect("a file");
    let (_, der) = x509_parser::pem::parse_x509_pem(&text).expect("PEM");
    let public = der.parse_x509().expect("a certificate").public_key().subject_public_key.data.to_vec();
    let server = grants(3599);
    for algorithm in [SigningAlgorithm::Ps256, SigningAlgorithm::Rs256] {
        let proof = Proof::Certificate { certificate: pem.clone(), key: key.clone(), algorithm };
        let settings = OAuth { proof, ..settings(server.url("/t/token")) };
        TokenSource::new(settings, http()).expect("a source").token().await.expect("a token");
        let jwt = assertion(server.asked().last().expect("asked"));
        let (signed, signature) = jwt.rsplit_once('.').expect("three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let holds = match algorithm {
            SigningAlgorithm::Ps256 => UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &public)
                .verify(signed.as_bytes(), &signature),
            SigningAlgorithm::Rs256 => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public)
                .verify(signed.as_bytes(), &signature),
        };
        assert_eq!(holds, Ok(()), "{algorithm:?}");
    }
    let Some((_, other)) = certificate(folder.path(), "other") else { return };
    let wrong = [
        (pem.clone(), other, "the key is not that of the certificate"),
        (pem.clone(), pem.clone(), "no items found"),
        (key.clone(), key, "no items found"),
        (folder.path().join("none.pem"), pem, "No such file"),
    ];
    for (certificate, key, words) in wrong {
        let proof = Proof::Certificate { certificate, key, algorithm: SigningAlgorithm::Ps256 };
        let made = TokenSource::new(OAuth { proof, ..settings(String::new()) }, http());
        let error = made.err().expect("refused").to_string();
        assert!(error.contains(words), "{error}");
    }
}
