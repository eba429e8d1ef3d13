//! Logging in (RFC 4954): with a password by PLAIN or LOGIN, with a token by XOAUTH2.

use std::{path::PathBuf, sync::Arc};

use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, DEFAULT_MECHANISMS, Mechanism},
    client::AsyncSmtpConnection,
};

use super::{Refusal, enhanced_text, opening::Server};
use crate::channel::{blocking, lockout::Lockout, token::TokenSource};

pub enum Login {
    Password(Credentials, Lockout),
    Token { user: String, from: From },
}

/// Where the token is.
pub enum From {
    Given(String),
    /// Read at every login: its first line.
    File(PathBuf),
    Provider(Arc<TokenSource>),
}

impl Login {
    /// A connection that is logged in.
    pub async fn connect(&self, server: &Server) -> Result<AsyncSmtpConnection, Refusal> {
        let (user, from) = match self {
            Self::Password(credentials, lockout) => {
                return with_password(server, credentials, lockout).await;
            }
            Self::Token { user, from } => (user, from),
        };
        match from {
            From::Given(token) => with_token(server, user, token).await,
            From::File(file) => {
                let file = file.clone();
                let text =
                    blocking(move || std::fs::read_to_string(file)).await.map_err(Refusal::TokenFile)?;
                with_token(server, user, text.lines().next().unwrap_or_default().trim()).await
            }
            From::Provider(source) => {
                let token = source.token().await?;
                match with_token(server, user, token.bearer()).await {
                    // It may have been withdrawn before its end: another one, once.
                    Err(Refusal::BadToken(_)) => {
                        source.refused(&token);
                        with_token(server, user, source.token().await?.bearer()).await
                    }
                    other => other,
                }
            }
        }
    }
}

async fn with_password(
    server: &Server,
    credentials: &Credentials,
    lockout: &Lockout,
) -> Result<AsyncSmtpConnection, Refusal> {
    let permit = lockout.admits(&server.host).await?;
    let mut connection = server.open().await?;
    match connection.auth(DEFAULT_MECHANISMS, credentials).await {
        Ok(_) => permit.taken(),
        Err(error) if refuses(&error) => return Err(permit.refused(&error.to_string()).into()),
        Err(error) => return Err(error.into()),
    }
    Ok(connection)
}

async fn with_token(server: &Server, user: &str, token: &str) -> Result<AsyncSmtpConnection, Refusal> {
    let mut connection = server.open().await?;
    if !connection.server_info().supports_auth_mechanism(Mechanism::Xoauth2) {
        return Err(Refusal::NoXoauth2);
    }
    let credentials = Credentials::new(user.to_owned(), token.to_owned());
    match connection.auth(&[Mechanism::Xoauth2], &credentials).await {
        Ok(_) => Ok(connection),
        // A server explains by 334 first; what it says there is JSON for programs.
        Err(error) if error.is_client() => Err(Refusal::BadToken("334".to_owned())),
        Err(error) if refuses(&error) => Err(Refusal::BadToken(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The user name, the password or the token is wrong (RFC 4954 §6), and not something else.
fn refuses(error: &Error) -> bool {
    error.status().is_some_and(|code| u16::from(code) == 535)
        || error.is_permanent() && enhanced_text(error).starts_with("5.7.8 ")
}
