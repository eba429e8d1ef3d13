//! Requests with credentials: Basic (RFC 7617), a token (RFC 6750), or NTLM.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{
    RequestBuilder, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use ringpost::{
    notify::ews::request::MEDIA_TYPE,
    settings::{self, EwsLogin},
};

use super::{
    super::{
        http::{Answer, Http, HttpError, ask, known},
        lockout::{Lockout, Refused},
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
    Token(Arc<TokenSource>),
    Password(Password, Box<Lockout>),
}

enum Password {
    Basic { user: String, password: settings::Secret },
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
    /// 401 to a token.
    #[error("Exchange refuses the credentials")]
    Refused,
    /// 401 to a password, now or not long ago.
    #[error(transparent)]
    Password(#[from] Refused),
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
        let http = Http::resolving(settings.ca.as_deref(), names)?;
        let lockout = || Box::new(Lockout::new(settings.password_rest));
        let login = match &settings.login {
            EwsLogin::Basic { user, password } => {
                let basic = Password::Basic { user: user.clone(), password: password.clone() };
                Login::Password(basic, lockout())
            }
            EwsLogin::OAuth(oauth) => Login::Token(tokens.source(oauth, &http)?),
            EwsLogin::Ntlm { user, password } => {
                let (ca, names) = (settings.ca.clone(), names.to_vec());
                let build = move || {
                    Http::built(ca.as_deref(), |builder| {
                        known(builder.http1_only().pool_max_idle_per_host(1).tls_info(true), &names)
                    })
                };
                let connections = Connections::new(user.clone(), password.clone(), build)?;
                Login::Password(Password::Ntlm(connections), lockout())
            }
        };
        Ok(Self { http, login, patience: settings.request_timeout })
    }

    /// The channel's name, for the log and the health report.
    pub fn named(&mut self, channel: &str) {
        if let Login::Password(_, lockout) = &mut self.login {
            lockout.named(channel);
        }
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
        let (password, lockout) = match &self.login {
            Login::Token(source) => {
                return self.with_token(source, |body| request(&self.http, body), body).await;
            }
            Login::Password(password, lockout) => (password, lockout),
        };
        let permit = lockout.admits(host(url)).await?;
        let answer = match password {
            Password::Basic { user, password } => {
                ask(request(&self.http, body).basic_auth(user, Some(&password.0)), self.patience).await?
            }
            Password::Ntlm(connections) => connections.post(request, url, body, self.patience).await?,
        };
        match answer.status {
            StatusCode::UNAUTHORIZED => return Err(permit.refused("HTTP 401").into()),
            // EWS tells what is wrong with a request by 500; other statuses may be of one in between who knows no password.
            StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR => permit.taken(),
            _ => {}
        }
        Ok(answer)
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
        let answer = ask(request(body).header(AUTHORIZATION, token.header()), self.patience).await?;
        match answer.status {
            StatusCode::UNAUTHORIZED => Err(DoorError::Refused),
            _ => Ok(answer),
        }
    }

    /// GETs without credentials.
    pub async fn get(&self, url: &str) -> Result<Answer, HttpError> {
        ask(self.http.client().get(url), self.patience).await
    }
}

/// The host and port of a URL: who is shown the password.
fn host(url: &str) -> &str {
    url.split("://").nth(1).unwrap_or(url).split(['/', '?']).next().unwrap_or(url)
}
