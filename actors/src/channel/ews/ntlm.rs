//! NTLM over HTTP ([MS-NTHT]) proves a connection, not a request. So each client here has one connection at most, is
//! used by one request at a time, and is kept with its connection for the next one, which is proven anew. A proof that
//! went by another connection than its challenge (the server, or a balancer before it, had closed that one) says nothing
//! of the password: it is made again.

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use reqwest::{
    RequestBuilder, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use ring::digest::{SHA256, SHA384, SHA512, digest};
use ringpost::{
    notify::ews::ntlm::{
        ChallengeError, Circumstances, Credentials, authenticate, channel_bindings, negotiate,
    },
    settings::Secret,
};
use x509_parser::{
    oid_registry::{
        OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA384,
        OID_SIG_ECDSA_WITH_SHA512,
    },
    parse_x509_certificate,
};

use super::{
    super::http::{Answer, Http, HttpSetup, ask},
    door::DoorError,
};

/// Connections kept.
const KEPT: usize = 8;
/// How often the three messages are tried on a connection that does not stay.
const TRIES: usize = 3;
/// How long after an answer with a body its connection needs at most to be its client's idle one again. A request before
/// that opens another one, and a proof there proves nothing.
const SETTLES: Duration = Duration::from_millis(20);
/// 100 ns from 1601 to 1970.
const EPOCH: i128 = 116_444_736_000_000_000;

/// Makes a client with one connection at most.
type Build = dyn Fn() -> Result<Http, HttpSetup> + Send + Sync;

/// The clients.
pub struct Connections {
    user: String,
    password: Secret,
    build: Box<Build>,
    idle: Arc<Mutex<Vec<Http>>>,
}

/// Why the three messages do not come about.
#[derive(Debug, thiserror::Error)]
pub enum NtlmError {
    /// The server asks for something else.
    #[error("the server does not offer it")]
    NotOffered,
    /// Its challenge is none.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// No connection lasts from the challenge to the proof.
    #[error("the server, or a proxy on the way, closes each connection after its first answer")]
    Torn,
    /// No random numbers.
    #[error("the operating system gives no random numbers")]
    NoRandom,
    /// No client.
    #[error(transparent)]
    Http(#[from] HttpSetup),
}

impl From<NtlmError> for DoorError {
    fn from(error: NtlmError) -> Self {
        Self::Ntlm(error)
    }
}

impl Connections {
    pub fn new(
        user: String,
        password: Secret,
        build: impl Fn() -> Result<Http, HttpSetup> + Send + Sync + 'static,
    ) -> Result<Self, HttpSetup> {
        // What cannot be built shall show at the start.
        let first = build()?;
        Ok(Self { user, password, build: Box::new(build), idle: Arc::new(Mutex::new(vec![first])) })
    }

    /// Proves a connection and sends a request on it. A 401 is the answer where the proof is refused.
    pub async fn post(
        &self,
        request: impl Fn(&Http, String) -> RequestBuilder,
        url: &str,
        body: String,
        patience: Duration,
    ) -> Result<Answer, DoorError> {
        let http = match self.idle().pop() {
            Some(http) => http,
            None => (self.build)().map_err(NtlmError::from)?,
        };
        let answer = self.prove(&http, &request, (url, &body), patience).await?;
        let idle = Arc::clone(&self.idle);
        tokio::spawn(async move {
            tokio::time::sleep(SETTLES).await;
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(http);
            }
        });
        Ok(answer)
    }

    async fn prove(
        &self,
        http: &Http,
        request: &impl Fn(&Http, String) -> RequestBuilder,
        (url, body): (&str, &str),
        patience: Duration,
    ) -> Result<Answer, DoorError> {
        for _ in 0..TRIES {
            // Empty: a request that is answered 401 need not carry the notice.
            let hello = header(&negotiate());
            let first = ask(request(http, String::new()).header(AUTHORIZATION, hello), patience).await?;
            if first.status != StatusCode::UNAUTHORIZED {
                // The server did not ask for anything: it is a proxy's word, or a server without a lock.
                return Ok(first);
            }
            let proof = header(&self.proof(&first, url)?);
            if !first.body.is_empty() {
                tokio::time::sleep(SETTLES).await;
            }
            let answer = ask(request(http, body.to_owned()).header(AUTHORIZATION, proof), patience).await?;
            if answer.status != StatusCode::UNAUTHORIZED || answer.came_by == first.came_by {
                return Ok(answer);
            }
        }
        Err(NtlmError::Torn.into())
    }

    /// What answers the challenge of a 401.
    fn proof(&self, challenged: &Answer, url: &str) -> Result<Vec<u8>, NtlmError> {
        let challenge = offered(challenged).ok_or(NtlmError::NotOffered)?;
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|_| NtlmError::NoRandom)?;
        let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let bindings = challenged.certificate.as_deref().map(|der| channel_bindings(&certificate_hash(der)));
        let how = Circumstances { nonce, time: now(), host: &host, bindings };
        Ok(authenticate(&Credentials::of(&self.user, &self.password), &challenge, &how)?)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Http>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn header(message: &[u8]) -> HeaderValue {
    let value = format!("NTLM {}", STANDARD.encode(message));
    let mut value = HeaderValue::try_from(value).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

/// The challenge of a 401.
fn offered(answer: &Answer) -> Option<Vec<u8>> {
    let offers = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    offers
        .filter_map(|offer| {
            offer.get(..5).filter(|name| name.eq_ignore_ascii_case("NTLM ")).map(|_| &offer[5..])
        })
        .find_map(|token| STANDARD.decode(token.trim()).ok())
}

/// RFC 5929 §4.1: by the hash of the certificate's signature, by SHA-256 where that is weaker or unknown.
fn certificate_hash(der: &[u8]) -> Vec<u8> {
    let signed_by = parse_x509_certificate(der).ok().map(|(_, known)| known.signature_algorithm.algorithm);
    let hash = match signed_by {
        Some(oid) if oid == OID_PKCS1_SHA384WITHRSA || oid == OID_SIG_ECDSA_WITH_SHA384 => &SHA384,
        Some(oid) if oid == OID_PKCS1_SHA512WITHRSA || oid == OID_SIG_ECDSA_WITH_SHA512 => &SHA512,
        Some(_) | None => &SHA256,
    };
    digest(hash, der).as_ref().to_vec()
}

/// 100 ns since 1601.
fn now() -> u64 {
    u64::try_from(Timestamp::now().as_nanosecond() / 100 + EPOCH).unwrap_or_default()
}
