use super::*;
use crate::settings::{Proof, SigningAlgorithm};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

fn settings() -> OAuth {
    OAuth {
        token_url: "https://login.example.test/t/oauth2/v2.0/token".into(),
        client_id: "app&admin=1".into(),
        scope: "https://graph.example.test/.default".into(),
        proof: Proof::Secret(Secret("p+w &=%\u{e9}".into())),
    }
}

#[test]
fn a_request_is_a_form_that_no_value_breaks_out_of() {
    let secret = Secret("p+w &=%\u{e9}".into());
    assert_eq!(
        request(&settings(), &Evidence::Secret(&secret)),
        "grant_type=client_credentials&client_id=app%26admin%3D1&scope=https%3A%2F%2Fgraph.example.test%2F.default\
         &client_secret=p%2Bw+%26%3D%25%C3%A9"
    );
    let with_jwt = request(&settings(), &Evidence::Assertion("a.b-_.c"));
    let end = "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
               &client_assertion=a.b-_.c";
    assert!(with_jwt.ends_with(end), "{with_jwt}");
}

#[test]
fn an_assertion_names_the_application_the_endpoint_and_the_certificate() {
    let now = "2026-03-01T12:00:00Z".parse().expect("a timestamp");
    // RFC 7515 gives no example of x5t#S256; SHA-256 of nothing is well known (FIPS 180-4).
    let print = thumbprint(b"");
    assert_eq!(print, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    let assertion = Assertion::new(&settings(), SigningAlgorithm::Ps256, &print, [7; 16], now);
    let jwt = assertion.clone().signed(&[0xFB, 0xFF]);
    let parts: Vec<&str> = jwt.split('.').collect();
    assert_eq!(assertion.signing_input(), format!("{}.{}", parts[0], parts[1]).as_bytes());
    assert_eq!(parts[2], "-_8");
    let read = |part: &str| -> serde_json::Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    assert_eq!(read(parts[0]), serde_json::json!({"alg": "PS256", "typ": "JWT", "x5t#S256": print}));
    assert_eq!(
        read(parts[1]),
        serde_json::json!({
            "aud": "https://login.example.test/t/oauth2/v2.0/token", "iss": "app&admin=1", "sub": "app&admin=1",
            "jti": "BwcHBwcHBwcHBwcHBwcHBw", "nbf": 1_772_366_280, "iat": 1_772_366_400, "exp": 1_772_367_000,
        })
    );
}

#[test]
fn an_answer_is_a_token_a_refusal_or_for_later() {
    let application = |words: &str| Err(Refusal::Application(words.into()));
    let later = |words: &str| Err(Refusal::Later(words.into()));
    let granted =
        |token: &str, life| Ok(Granted { token: Secret(token.into()), life: Duration::from_secs(life) });
    let none = || later("its answer holds no bearer token, with status 200");
    for (status, body, read_as) in [
        (200, r#"{"token_type":"Bearer","expires_in":3599,"access_token":"abc"}"#, granted("abc", 3599)),
        (200, r#"{"token_type":"bearer","expires_in":"3599","access_token":"abc"}"#, granted("abc", 3599)),
        (200, r#"{"access_token":"abc"}"#, granted("abc", 600)),
        (200, r#"{"expires_in":99999999999,"access_token":"abc"}"#, granted("abc", 86_400)),
        (200, r#"{"expires_in":0,"access_token":"abc"}"#, none()),
        (200, r#"{"expires_in":"soon","access_token":"abc"}"#, none()),
        (200, r#"{"token_type":"mac","access_token":"abc"}"#, none()),
        (200, r#"{"access_token":"a\r\nX: y"}"#, none()),
        (200, r#"{"access_token":""}"#, none()),
        (200, "{}", none()),
        (200, "<html>sign in</html>", later("its answer is not JSON, with status 200")),
        (200, r#"{"access_token":"ab"#, later("its answer is not JSON, with status 200")),
        (
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret. Trace ID: 1"}"#,
            application("invalid_client (AADSTS 7000215)"),
        ),
        (
            400,
            r#"{"error":"unauthorized_client","error_description":"AADSTS700016: 'app' was not found"}"#,
            application("unauthorized_client (AADSTS 700016)"),
        ),
        (400, r#"{"error":"invalid_scope"}"#, application("invalid_scope")),
        (400, r#"{"error":"temporarily_unavailable"}"#, later("temporarily_unavailable")),
        (
            429,
            r#"{"error":"invalid_request","error_description":"AADSTS90055"}"#,
            later("invalid_request (AADSTS 90055)"),
        ),
        (503, r#"{"error":"server_error"}"#, later("server_error")),
        (500, r#"{"error":"s3cret"}"#, later("it gives no known reason, with status 500")),
        (403, "Forbidden by proxy", later("its answer is not JSON, with status 403")),
        (302, "{}", later("it gives no known reason, with status 302")),
    ] {
        assert_eq!(read(status, body.as_bytes()), read_as, "{status} {body}");
    }
    let shown = format!("{:?}", read(200, br#"{"access_token":"abc"}"#));
    assert!(!shown.contains("abc"), "{shown}");
}

#[test]
fn a_token_is_replaced_before_its_end() {
    for (life, before) in [(3599, 300), (1500, 300), (100, 20), (1, 0)] {
        assert_eq!(margin(Duration::from_secs(life)).as_secs(), before);
    }
}
