//! Requests with credentials: Basic (RFC 7617), a token (RFC 6750), or NTLM.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{
    ClientBuilder, RequestBuilder, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use ringpost::{
    notify::ews::request::MEDIA_TYPE,
    settings::{self, EwsLogin},
};

use super::{
    super::{
        http::{Answer, Http, HttpError, ask},
        token::{TokenError, TokenSource, Tokens},
    },
    EwsError,
    ntlm::{Connections, NtlmError},
};

/// Where requests leave with credentials.
pub struct Door {
    http: Http,
    login: Login,
    patience: Duration,
}

enum Login {
    Basic { user: String, password: settings::Secret },
    Token(Arc<TokenSource>),
    Ntlm(Connections),
}

/// Why there is no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// None at all.
    #[error("Exchange {0}")]
    Http(#[from] HttpError),
    /// No token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// 401.
    #[error("Exchange refuses the credentials")]
    Refused,
    /// NTLM went wrong before any credentials counted.
    #[error("NTLM: {0}")]
    Ntlm(NtlmError),
}

impl Door {
    pub fn new(
        settings: &settings::Ews,
        tokens: &Tokens,
        names: &[(String, SocketAddr)],
    ) -> Result<Self, EwsError> {
        let resolving = |builder: ClientBuilder| {
            names.iter().fold(builder, |builder, (name, address)| builder.resolve(name, *address))
        };
        let http = Http::built(settings.ca.as_deref(), resolving)?;
        let login = match &settings.login {
            EwsLogin::Basic { user, password } => {
                Login::Basic { user: user.clone(), password: password.clone() }
            }
            EwsLogin::OAuth(oauth) => Login::Token(tokens.source(oauth, &http)?),
            EwsLogin::Ntlm { user, password } => {
                let (ca, names) = (settings.ca.clone(), names.to_vec());
                let build = move || {
                    Http::built(ca.as_deref(), |builder| {
                        let lone = builder.http1_only().pool_max_idle_per_host(1).tls_info(true);
                        names.iter().fold(lone, |builder, (name, address)| builder.resolve(name, *address))
                    })
                };
                Login::Ntlm(Connections::new(user.clone(), password.clone(), build)?)
            }
        };
        Ok(Self { http, login, patience: settings.request_timeout })
    }

    /// POSTs XML with credentials; `url` is https, as the settings and Autodiscover see to. A redirect is an answer.
    pub async fn post(&self, url: &str, mailbox: &str, body: String) -> Result<Answer, DoorError> {
        let request = |http: &Http, body: String| {
            let request = http.client().post(url).header(CONTENT_TYPE, MEDIA_TYPE).body(body);
            match HeaderValue::from_str(mailbox) {
                Ok(anchor) => request.header("X-AnchorMailbox", anchor),
                // An address that is no header's text needs no hint.
                Err(_) => request,
            }
        };
        let answer = match &self.login {
            Login::Basic { user, password } => {
                let request = request(&self.http, body).basic_auth(user, Some(&password.0));
                ask(request, self.patience).await?
            }
            Login::Token(source) => {
                return self.with_token(source, |body| request(&self.http, body), body).await;
            }
            Login::Ntlm(connections) => {
                connections.post(|http, body| request(http, body), url, body, self.patience).await?
            }
        };
        accepted(answer)
    }

    /// A token that the server refuses, expired or withdrawn, is replaced once.
    async fn with_token(
        &self,
        source: &TokenSource,
        request: impl Fn(String) -> RequestBuilder,
        body: String,
    ) -> Result<Answer, DoorError> {
        let token = source.token().await?;
        let asked = request(body.clone()).header(AUTHORIZATION, token.header());
        let answer = ask(asked, self.patience).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        source.refused(&token);
        let token = source.token().await?;
        accepted(ask(request(body).header(AUTHORIZATION, token.header()), self.patience).await?)
    }

    /// GETs without credentials.
    pub async fn get(&self, url: &str) -> Result<Answer, HttpError> {
        ask(self.http.client().get(url), self.patience).await
    }
}

fn accepted(answer: Answer) -> Result<Answer, DoorError> {
    match answer.status {
        StatusCode::UNAUTHORIZED => Err(DoorError::Refused),
        _ => Ok(answer),
    }
}
