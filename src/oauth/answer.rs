//! What the token endpoint has answered (RFC 6749 §5).

use std::time::Duration;

use serde::Deserialize;

use super::LONGEST_TOKEN;
use crate::settings::Secret;

/// A life where the answer names none (RFC 6749 §5.1 leaves it open).
const UNSAID: u64 = 600;
/// The longest life believed.
const LONGEST_LIFE: u64 = 86_400;

/// A token and how long it is good for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Granted {
    /// What goes behind `Bearer `: visible ASCII.
    pub token: Secret,
    /// From the answer on.
    pub life: Duration,
}

/// Why there is no token.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The application, its proof or its rights are wrong: somebody has to put that right.
    #[error("the identity provider refuses this application: {0}")]
    Application(String),
    /// The provider cannot now.
    #[error("the identity provider gives no token now: {0}")]
    Later(String),
}

#[derive(Deserialize)]
struct Body {
    access_token: Option<Secretive>,
    token_type: Option<String>,
    expires_in: Option<Life>,
    error: Option<String>,
    error_description: Option<String>,
}

/// A text that no `Debug` shows.
#[derive(Deserialize)]
#[serde(transparent)]
struct Secretive(String);

/// Seconds, as a number or, by older AD FS, as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Life {
    Number(u64),
    Text(String),
}

/// Reads an answer; `status` is the HTTP status.
pub fn read(status: u16, body: &[u8]) -> Result<Granted, Refusal> {
    let unclear = |what: &str| Refusal::Later(format!("{what}, with status {status}"));
    // A proxy's page or half an answer says nothing about the application.
    let body: Body = serde_json::from_slice(body).map_err(|_| unclear("its answer is not JSON"))?;
    if status == 200 {
        return granted(body).ok_or_else(|| unclear("its answer holds no bearer token"));
    }
    let code = body.error.as_deref().unwrap_or_default();
    let words = match (known(code), aadsts(body.error_description.as_deref().unwrap_or_default())) {
        (Some(code), Some(number)) => format!("{code} (AADSTS {number})"),
        (Some(code), None) => code.to_owned(),
        (None, Some(number)) => format!("AADSTS {number}"),
        (None, None) => return Err(unclear("it gives no known reason")),
    };
    Err(match code {
        "temporarily_unavailable" | "server_error" => Refusal::Later(words),
        _ if status == 429 || status >= 500 => Refusal::Later(words),
        _ => Refusal::Application(words),
    })
}

fn granted(body: Body) -> Option<Granted> {
    let token = body.access_token?.0;
    let bearer = body.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    let plain =
        !token.is_empty() && token.len() <= LONGEST_TOKEN && token.bytes().all(|b| b.is_ascii_graphic());
    let life = match body.expires_in {
        None => UNSAID,
        Some(Life::Number(seconds)) => seconds,
        Some(Life::Text(seconds)) => seconds.parse().ok()?,
    };
    let life = Duration::from_secs(life.min(LONGEST_LIFE));
    (bearer && plain && !life.is_zero()).then_some(Granted { token: Secret(token), life })
}

/// The codes of RFC 6749 §5.2 and Microsoft's own; others are not repeated, since anything may stand there.
fn known(code: &str) -> Option<&'static str> {
    const KNOWN: [&str; 10] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_resource",
        "access_denied",
        "temporarily_unavailable",
        "server_error",
    ];
    KNOWN.into_iter().find(|known| *known == code)
}

/// The number behind `AADSTS`, by which Microsoft tells a wrong secret (7000215) from an expired one (7000222).
fn aadsts(description: &str) -> Option<u32> {
    let (_, behind) = description.split_once("AADSTS")?;
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    behind[..digits].parse().ok()
}
