//! OAuth 2.0 client credentials (RFC 6749 §4.4): the request for a token, the JWT that may stand in for a secret
//! (RFC 7523), and what an answer means. Nothing here ever shows a secret or a token.

mod answer;
mod assertion;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::settings::{OAuth, Secret};

pub use answer::{Granted, Refusal, read};
pub use assertion::{Assertion, thumbprint};

/// The longest token taken, in octets; those of Microsoft have some 2,000.
pub const LONGEST_TOKEN: usize = 16 * 1024;

/// What a request for a token proves itself by.
pub enum Evidence<'a> {
    /// The application's secret (RFC 6749 §2.3.1).
    Secret(&'a Secret),
    /// A signed JWT (RFC 7523 §2.2).
    Assertion(&'a str),
}

/// The body of the request, `application/x-www-form-urlencoded`. It holds the secret: not for any log.
pub fn request(settings: &OAuth, evidence: &Evidence<'_>) -> String {
    let mut pairs = vec![
        ("grant_type", "client_credentials"),
        ("client_id", settings.client_id.as_str()),
        ("scope", settings.scope.as_str()),
    ];
    match evidence {
        Evidence::Secret(secret) => pairs.push(("client_secret", &secret.0)),
        Evidence::Assertion(jwt) => {
            pairs.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            pairs.push(("client_assertion", jwt));
        }
    }
    form(&pairs)
}

/// How long before its end a token is replaced: five minutes, or a fifth of a short life.
pub fn margin(life: Duration) -> Duration {
    (life / 5).min(Duration::from_secs(300))
}

/// Pairs as a form (WHATWG URL §5.2): whatever is not plain is written as `%XX`.
fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        for octet in value.bytes() {
            match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                    form.push(octet.into())
                }
                b' ' => form.push('+'),
                _ => form.push_str(&format!("%{octet:02X}")),
            }
        }
    }
    form
}
