//! Tokens of OAuth 2.0 client credentials: fetched when wanted, kept until shortly before their end, shared by all
//! channels that name the same endpoint, client and scope. No token and no secret is ever in an error or a log.

mod signer;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use ringpost::{
    notify::clean::one_line,
    oauth::{Evidence, Granted, Refusal, margin, read, request},
    outbox::Delivery,
    settings::{OAuth, Proof, Secret},
};
use tokio::time::Instant;

use super::http::{Http, HttpError, ask};
pub use signer::{SetupError, Signer};

/// How long a request for a token may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nobody asks again after the provider has refused the application: that heals by hand only, and a provider
/// that is asked a thousand times locks the application out.
const REFUSED: Duration = Duration::from_secs(120);
/// The same, where the provider was away.
const AWAY: Duration = Duration::from_secs(2);

/// The sources of all channels of a site.
#[derive(Clone, Default)]
pub struct Tokens {
    sources: Arc<Mutex<HashMap<[String; 3], Arc<TokenSource>>>>,
}

/// Gives tokens of one application for one scope.
pub struct TokenSource {
    settings: OAuth,
    evidence: Own,
    http: Http,
    patience: Duration,
    state: Mutex<State>,
    /// Held by the one who asks the provider.
    asking: tokio::sync::Mutex<()>,
}

/// A token as it stands in `Authorization`.
#[derive(Clone)]
pub struct Token {
    value: Arc<Secret>,
    replace: Instant,
    end: Instant,
}

/// Why there is no token now.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// The provider refuses, or cannot.
    #[error(transparent)]
    Refused(Refusal),
    /// There is no answer.
    #[error("the identity provider {0}")]
    Http(HttpError),
}

enum Own {
    Secret(Secret),
    Certificate(Box<Signer>),
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The last failure, and until when it stands for an answer.
    failed: Option<(TokenError, Instant)>,
}

impl Tokens {
    /// The source for `settings`, asking over `http`; the same one for the same endpoint, client and scope.
    pub fn source(&self, settings: &OAuth, http: &Http) -> Result<Arc<TokenSource>, SetupError> {
        let key = [&settings.token_url, &settings.client_id, &settings.scope].map(String::clone);
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(&key) {
            return Ok(source.clone());
        }
        let source = Arc::new(TokenSource::new(settings.clone(), http.clone())?);
        sources.insert(key, source.clone());
        Ok(source)
    }
}

impl TokenSource {
    /// A source; reads the certificate and the key, where it proves itself by these.
    pub fn new(settings: OAuth, http: Http) -> Result<Self, SetupError> {
        let evidence = match &settings.proof {
            Proof::Secret(secret) => Own::Secret(secret.clone()),
            Proof::Certificate { certificate, key, algorithm } => {
                Own::Certificate(Box::new(Signer::read(certificate, key, *algorithm)?))
            }
        };
        let (state, asking) = Default::default();
        Ok(Self { settings, evidence, http, patience: PATIENCE, state, asking })
    }

    /// Waits no longer than this for the provider.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A token that is good now. One request at a time: who comes meanwhile gets the old token while it lasts, or
    /// waits for the new one.
    pub async fn token(&self) -> Result<Token, TokenError> {
        let now = Instant::now();
        let held = self.state().token.clone();
        let _asking = match held {
            Some(token) if now < token.replace => return Ok(token),
            Some(token) if now < token.end => match self.asking.try_lock() {
                Ok(asking) if self.rests().is_none() => asking,
                Ok(_) | Err(_) => return Ok(token),
            },
            Some(_) | None => self.asking.lock().await,
        };
        // Somebody else may have asked while this one waited.
        let now = Instant::now();
        let held = self.state().token.clone();
        if let Some(token) = held.clone().filter(|token| now < token.replace) {
            return Ok(token);
        }
        if let Some(error) = self.rests() {
            return Err(error);
        }
        match self.ask().await {
            Ok(granted) => Ok(self.keep(granted, now)),
            Err((error, rest)) => {
                tracing::warn!(client = self.settings.client_id, %error, "No token for a channel");
                self.state().failed = Some((error.clone(), Instant::now() + rest));
                held.filter(|token| Instant::now() < token.end).ok_or(error)
            }
        }
    }

    /// The server has answered 401 to this token: the next one who wants a token gets a new one. A newer token stays.
    pub fn refused(&self, token: &Token) {
        let mut state = self.state();
        if state.token.as_ref().is_some_and(|held| Arc::ptr_eq(&held.value, &token.value)) {
            state.token = None;
        }
    }

    /// The last failure, while nobody should ask again.
    fn rests(&self) -> Option<TokenError> {
        let state = self.state();
        state.failed.as_ref().filter(|(_, until)| Instant::now() < *until).map(|(error, _)| error.clone())
    }

    async fn ask(&self) -> Result<Granted, (TokenError, Duration)> {
        let jwt;
        let evidence = match &self.evidence {
            Own::Secret(secret) => Evidence::Secret(secret),
            Own::Certificate(signer) => {
                let made = signer.assertion(&self.settings).ok_or_else(|| {
                    (TokenError::Refused(Refusal::Later("no JWT could be signed".to_owned())), AWAY)
                });
                jwt = made?;
                Evidence::Assertion(&jwt)
            }
        };
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = self
            .http
            .client()
            .post(&self.settings.token_url)
            .header(CONTENT_TYPE, form)
            .body(request(&self.settings, &evidence));
        let answer = ask(request, self.patience).await.map_err(|error| (TokenError::Http(error), AWAY))?;
        read(answer.status.as_u16(), &answer.body).map_err(|refusal| {
            let rest = match &refusal {
                Refusal::Application(_) => REFUSED,
                Refusal::Later(_) => answer.retry_after().unwrap_or(AWAY).max(AWAY),
            };
            (TokenError::Refused(refusal), rest)
        })
    }

    /// Keeps what was granted; its life counts from before the request.
    fn keep(&self, granted: Granted, asked: Instant) -> Token {
        let end = asked + granted.life;
        let token = Token { value: Arc::new(granted.token), replace: end - margin(granted.life), end };
        *self.state() = State { token: Some(token.clone()), failed: None };
        token
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Token {
    /// The token itself, for XOAUTH2: not for any log.
    pub fn bearer(&self) -> &str {
        &self.value.0
    }

    /// `Bearer …`, marked so that no `Debug` shows it.
    pub fn header(&self) -> HeaderValue {
        let value = HeaderValue::try_from(format!("Bearer {}", self.value.0));
        let mut value = value.expect("a granted token is visible ASCII");
        value.set_sensitive(true);
        value
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(***)")
    }
}

impl From<TokenError> for Delivery {
    /// Never final: a wrong secret is put right by a person, and the notice waits for that, asking slowly.
    fn from(error: TokenError) -> Self {
        let not_before = matches!(error, TokenError::Refused(Refusal::Application(_))).then_some(REFUSED);
        Self::Down { reason: one_line(&error.to_string(), 300), not_before }
    }
}
