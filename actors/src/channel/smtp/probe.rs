//! A look at the mail server that sends nothing.

use lettre::{
    Address,
    transport::smtp::{
        client::AsyncSmtpConnection,
        commands::{Mail, Rcpt, Rset},
    },
};
use rustls::pki_types::CertificateDer;

use super::{Refusal, Smtp};

/// A connection that is logged in, where the site has a login.
pub struct Session(AsyncSmtpConnection);

/// Why there is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoSession {
    /// The user name, the password or the token is refused, or there is no token.
    Login(String),
    /// Anything else.
    Other(String),
}

impl Smtp {
    /// The certificate (DER) that the server shows; `None`: it speaks in the open.
    ///
    /// # Errors
    /// Why there is no connection, or why its certificate is refused.
    pub async fn certificate(&self) -> Result<Option<CertificateDer<'static>>, String> {
        self.server.certificate().await.map_err(|refusal| refusal.to_string())
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// Why not.
    pub async fn session(&self) -> Result<Session, NoSession> {
        self.connect().await.map(Session).map_err(|refusal| {
            let why = refusal.to_string();
            match refusal {
                Refusal::Password(_) | Refusal::BadToken(_) | Refusal::Token(_) => NoSession::Login(why),
                _ => NoSession::Other(why),
            }
        })
    }
}

impl Session {
    /// Asks whether a mail from and to these would be taken, and takes the question back.
    ///
    /// # Errors
    /// The server's refusal, or that the address is none.
    pub async fn asks_for(&mut self, from: &str, to: Option<&str>) -> Result<(), String> {
        let address = |text: &str| text.parse::<Address>().map_err(|error| format!("{text}: {error}"));
        let (from, to) = (address(from)?, to.map(address).transpose()?);
        let asked = async {
            self.0.command(Mail::new(Some(from), vec![])).await?;
            match to {
                Some(to) => self.0.command(Rcpt::new(to, vec![])).await.map(drop),
                None => Ok(()),
            }
        };
        let asked = asked.await;
        let back = self.0.command(Rset).await;
        asked.and(back.map(drop)).map_err(|error| error.to_string())
    }

    /// Says goodbye.
    pub async fn quits(mut self) {
        // The server hangs up either way.
        let _ = self.0.quit().await;
    }
}
