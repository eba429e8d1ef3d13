//! Requests to Graph: each with a token, which is replaced once where it is refused, and what came of them.

use std::{sync::Arc, time::Duration};

use reqwest::{
    RequestBuilder,
    header::{AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE},
};
use ringpost::{
    notify::{
        clean::one_line,
        graph::{Judgement, PIECE, Whose, judged, request_id},
    },
    outbox::{Delivery, Key},
};
use url::Url;

use crate::channel::{
    http::{Answer, Http, HttpError, ask},
    later,
    token::{TokenError, TokenSource},
};

/// How long an answer may take; Graph's own gateways give up after some 100 s.
const PATIENCE: Duration = Duration::from_secs(100);

/// By which Microsoft finds a request.
const REQUEST_ID: &str = "client-request-id";

pub struct Service {
    http: Http,
    tokens: Arc<TokenSource>,
    patience: Duration,
}

/// What a request carries.
#[derive(Clone)]
pub enum Body {
    None,
    Json(String),
    /// A mail in base64.
    Text(String),
}

/// Why a notice is not told.
pub enum Trouble {
    /// Graph's answer.
    Judged { judgement: Judgement, acted: bool, wait: Option<Duration> },
    /// No answer.
    Http(HttpError),
    /// No token.
    Token(TokenError),
    /// Nothing was asked.
    Other(Delivery),
    /// After a step that has made a message.
    Behind(Box<Self>),
}

impl Service {
    pub fn new(http: Http, tokens: Arc<TokenSource>) -> Self {
        Self { http, tokens, patience: PATIENCE }
    }

    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub async fn token(&self) -> Result<(), TokenError> {
        self.tokens.token().await.map(drop)
    }

    pub fn patience(&self) -> Duration {
        self.patience
    }

    pub async fn get(&self, url: &str, key: &Key) -> Result<Answer, Trouble> {
        self.ask(|| self.http.client().get(url).header(REQUEST_ID, request_id(key))).await
    }

    /// What no notice asks for.
    pub async fn get_page(&self, url: &str) -> Result<Answer, Trouble> {
        self.ask(|| self.http.client().get(url)).await
    }

    /// POSTs what is no notice.
    pub async fn post_plain(&self, url: &str, body: Body) -> Result<Answer, Trouble> {
        self.ask(|| {
            let request = self.http.client().post(url);
            match body.clone() {
                Body::None => request.body(""),
                Body::Json(text) => request.header(CONTENT_TYPE, "application/json").body(text),
                Body::Text(text) => request.header(CONTENT_TYPE, "text/plain").body(text),
            }
        })
        .await
    }

    pub async fn post(&self, url: &str, key: &Key, body: Body) -> Result<Answer, Trouble> {
        self.ask(|| {
            let request = self.http.client().post(url).header(REQUEST_ID, request_id(key));
            match body.clone() {
                Body::None => request.body(""),
                Body::Json(text) => request.header(CONTENT_TYPE, "application/json").body(text),
                Body::Text(text) => request.header(CONTENT_TYPE, "text/plain").body(text),
            }
        })
        .await
    }

    /// A token that was taken back before its end costs one request more, and no notice.
    async fn ask(&self, request: impl Fn() -> RequestBuilder) -> Result<Answer, Trouble> {
        let mut refused = false;
        loop {
            let token = self.tokens.token().await.map_err(Trouble::Token)?;
            let request = request().header(AUTHORIZATION, token.header());
            let answer = ask(request, self.patience).await.map_err(Trouble::Http)?;
            if answer.status.as_u16() != 401 {
                return Ok(answer);
            }
            self.tokens.refused(&token);
            if std::mem::replace(&mut refused, true) {
                return Ok(answer);
            }
        }
    }

    /// Sends a recording in pieces. The session's URL proves itself: the token goes nowhere but to Graph.
    pub async fn upload(&self, root: &str, session: &str, wav: &[u8], whose: Whose) -> Result<(), Trouble> {
        let scheme = |url: &str| Url::parse(url).ok().map(|url| url.scheme().to_owned());
        if scheme(session).is_none() || scheme(session) != scheme(root) {
            return Err(Trouble::later("Graph names no place to upload to that could be used"));
        }
        for (number, piece) in wav.chunks(PIECE).enumerate() {
            let first = number * PIECE;
            let last = first + piece.len() - 1;
            let range = format!("bytes {first}-{last}/{}", wav.len());
            let request = self.http.client().put(session).header(CONTENT_RANGE, range).body(piece.to_vec());
            let answer = ask(request, self.patience).await.map_err(Trouble::Http)?;
            let wanted = if last + 1 == wav.len() { 201 } else { 200 };
            Trouble::unless(&answer, wanted, whose)?;
        }
        Ok(())
    }
}

impl Body {
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Json(text) | Self::Text(text) => text.len(),
        }
    }
}

impl Trouble {
    pub fn later(reason: &str) -> Self {
        Self::Other(later(reason))
    }

    pub fn unless(answer: &Answer, wanted: u16, whose: Whose) -> Result<(), Self> {
        match answer.status.as_u16() == wanted {
            true => Ok(()),
            false => Err(Self::judged(answer, wanted, whose)),
        }
    }

    pub fn judged(answer: &Answer, wanted: u16, whose: Whose) -> Self {
        let status = answer.status.as_u16();
        let wait = answer.retry_after();
        // 503 with Retry-After is a refusal at the door; any other 5xx may come after the deed.
        let refused = status == 503 && wait.is_some();
        let acted = (200..300).contains(&status) || status == 408 || (status >= 500 && !refused);
        Self::Judged { judgement: judged(status, wanted, &answer.body, whose), acted, wait }
    }

    /// Whether the service may have done what it was asked, or a part of it.
    fn may_have_acted(&self) -> bool {
        match self {
            Self::Judged { acted, .. } => *acted,
            Self::Behind(_) | Self::Http(HttpError::Lost(_)) => true,
            Self::Http(HttpError::Unreachable(_)) | Self::Token(_) | Self::Other(_) => false,
        }
    }

    /// The same behind a step that has made a message: whatever it is, there must be no second one.
    pub fn behind(self) -> Self {
        Self::Behind(Box::new(self))
    }

    /// After an answer that was lost the service is given `patience`, at most, to finish what nobody heard of.
    pub fn delivery(self, patience: Duration) -> Delivery {
        let acted = self.may_have_acted();
        let pause = acted.then(|| patience.min(Duration::from_secs(15)));
        let said = match self {
            Self::Judged { judgement: Judgement::Done, .. } => return Delivery::Delivered,
            Self::Judged { judgement: Judgement::Never(reason), .. } => return Delivery::Never { reason },
            Self::Judged { judgement: Judgement::Later(reason), wait, .. } => {
                Delivery::Later { reason, not_before: wait.or(pause) }
            }
            Self::Judged { judgement: Judgement::Down(reason), wait, .. } => match (wait, pause) {
                (None, Some(wait)) => return Delivery::Lost { reason, wait },
                (not_before, _) => Delivery::Down { reason, not_before },
            },
            Self::Http(error) => {
                let reason = one_line(&format!("Graph {error}"), 300);
                match error {
                    HttpError::Unreachable(_) => Delivery::Down { reason, not_before: None },
                    HttpError::Lost(_) => return Delivery::Lost { reason, wait: pause.unwrap_or_default() },
                }
            }
            Self::Token(error) => error.into(),
            Self::Other(delivery) => delivery,
            Self::Behind(trouble) => trouble.delivery(patience),
        };
        if acted { Delivery::Unsure(Box::new(said)) } else { said }
    }
}
