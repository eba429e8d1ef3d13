//! Mails notices by SMTP (RFC 5321), over connections that are kept for the next mail.
//!
//! lettre's own pool is left aside: it takes back a connection whose send was cut off in the middle of a command, and
//! the next mail then reads the replies to the last one. Here only a connection whose mail was taken is kept.

mod line;
mod login;
mod opening;
mod probe;

use std::{
    error::Error as _,
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use lettre::{
    Message,
    transport::smtp::{Error, authentication::Credentials, client::AsyncSmtpConnection},
};
use ringpost::{
    outbox::{Delivery, Item, Towards, refused},
    settings::{Mail, MailAuth, MailTls, MailUrl},
};
use tokio::time::timeout;

use super::{
    Channel, Letters, built, down,
    http::{Http, HttpSetup, add_roots, client_config, system_roots},
    later,
    lockout::{Lockout, Refused},
    never,
    token::{SetupError, TokenError, Tokens},
};
use line::{Line, Sent};
use login::{From, Login};
use opening::Server;
pub use probe::{NoSession, Session};

/// How long a mail may take, its octets aside. RFC 5321 §4.5.3.2 would allow the end of DATA ten minutes; a server
/// that slow is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// The slowest line that a recording is still given the time for, in octets per second.
const SLOWEST: u64 = 20_000;
/// How long a connection is kept. Servers close theirs after five minutes and sooner.
const KEPT_FOR: Duration = Duration::from_secs(20);

/// The channel.
pub struct Smtp {
    server: Server,
    login: Option<Login>,
    from: String,
    patience: Duration,
    letters: Letters,
    /// What is not used now: never more than there were tries at once.
    idle: Mutex<Vec<Line>>,
}

/// Why a mail server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The settings name a Maildir.
    #[error("[mail] url is not an SMTP server")]
    NotSmtp,
    /// `ca` cannot be read.
    #[error("the certificates of ca cannot be read: {0}")]
    Ca(io::Error),
    /// `ca` holds something else.
    #[error("ca: {0}")]
    BadCa(String),
    /// The host is none.
    #[error("the mail server's name is none that a certificate could be of")]
    Name,
    /// TLS cannot be set up.
    #[error("TLS for the mail server cannot be set up: {0}")]
    Tls(#[from] HttpSetup),
    /// No tokens.
    #[error("the mail server's tokens: {0}")]
    Token(#[from] SetupError),
}

impl Smtp {
    /// A channel to the server that `[mail]` names; certificates are checked against the system's roots and those of `ca`.
    /// `tokens` is shared by the site's channels.
    pub fn new(settings: &Mail, tokens: &Tokens) -> Result<Self, SmtpError> {
        let root = settings.ca.as_ref().map(std::fs::read).transpose().map_err(SmtpError::Ca)?;
        Self::resolving(settings, tokens, root.as_deref(), &[])
    }

    /// As [`Smtp::new`], with one more trusted root (PEM) and another patience for each mail.
    pub fn trusting(settings: &Mail, root: Option<&[u8]>, patience: Duration) -> Result<Self, SmtpError> {
        let smtp = Self::resolving(settings, &Tokens::default(), root, &[])?;
        Ok(Self { patience, ..smtp })
    }

    /// As [`Smtp::new`], with one more trusted root (PEM) and the addresses of some names known already.
    pub fn resolving(
        settings: &Mail,
        tokens: &Tokens,
        root: Option<&[u8]>,
        names: &[(String, SocketAddr)],
    ) -> Result<Self, SmtpError> {
        let MailUrl::Smtp { host, port, tls, login } = &settings.url else { return Err(SmtpError::NotSmtp) };
        let mut roots = system_roots();
        if let Some(pem) = root {
            add_roots(&mut roots, pem).map_err(SmtpError::BadCa)?;
        }
        let config = client_config(roots)?;
        // Whoever strips STARTTLS from the server's answer must not get the login (ROBUSTNESS T21).
        let tls = match tls {
            MailTls::Opportunistic if login.is_some() => MailTls::Required,
            tls => *tls,
        };
        let token = |user: &str, from| Login::Token { user: user.to_owned(), from };
        let login = match (login, &settings.auth) {
            (None, _) => None,
            (Some((user, password)), MailAuth::Password) => {
                let credentials = Credentials::new(user.clone(), password.0.clone());
                Some(Login::Password(credentials, Lockout::new(settings.password_rest)))
            }
            (Some((user, _)), MailAuth::XOauth2 { file: Some(file) }) => {
                Some(token(user, From::File(file.clone())))
            }
            (Some((user, given)), MailAuth::XOauth2 { file: None }) => {
                Some(token(user, From::Given(given.0.clone())))
            }
            (Some((user, _)), MailAuth::OAuth(oauth)) => {
                let http = Http::over(config.clone(), |builder| super::http::known(builder, names))?;
                Some(token(user, From::Provider(tokens.source(oauth, &http)?)))
            }
        };
        let mut server = Server::new((host, *port), tls, config).map_err(|_| SmtpError::Name)?;
        server.known(names);
        let (from, patience) = (settings.from.clone(), PATIENCE);
        Ok(Self { server, login, from, patience, letters: Letters::default(), idle: Mutex::default() })
    }

    /// The channel's name, for the log and the health report.
    #[must_use]
    pub fn named(mut self, channel: &str) -> Self {
        if let Some(Login::Password(_, lockout)) = &mut self.login {
            lockout.named(channel);
        }
        self
    }

    /// Writes by these letters.
    #[must_use]
    pub fn with_letters(self, letters: Letters) -> Self {
        Self { letters, ..self }
    }

    async fn send(&self, mail: &Message) -> Result<(), Refusal> {
        while let Some(mut line) = self.kept() {
            match line.send(mail).await {
                (Sent::Stale(_), _) => {}
                (Sent::Taken, kept) => {
                    self.keep(line, kept);
                    return Ok(());
                }
                (Sent::Refused(error), kept) => {
                    self.keep(line, kept);
                    return Err(Refusal::Mail(error));
                }
            }
        }
        let mut line = Line::over(self.connect().await?, self.server.hello()).await?;
        let (sent, kept) = line.send(mail).await;
        self.keep(line, kept);
        match sent {
            Sent::Taken => Ok(()),
            Sent::Stale(error) | Sent::Refused(error) => Err(Refusal::Mail(error)),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Refusal> {
        match &self.login {
            None => self.server.open().await,
            Some(login) => login.connect(&self.server).await,
        }
    }

    /// The line that was used last, if the server may still have it.
    fn kept(&self) -> Option<Line> {
        self.idle().pop().filter(|line| line.since.elapsed() < KEPT_FOR)
    }

    fn keep(&self, line: Line, kept: bool) {
        let mut idle = self.idle();
        idle.retain(|line| line.since.elapsed() < KEPT_FOR);
        if kept {
            idle.push(line);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel for Smtp {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        Box::pin(async {
            let mail = match built(item, &self.from, &self.letters).await {
                Ok(mail) => mail,
                Err(delivery) => return delivery,
            };
            let patience = self.patience + Duration::from_secs(mail.formatted().len() as u64 / SLOWEST);
            // Cut off, the connection is dropped with its send and closed.
            match timeout(patience, self.send(&mail)).await {
                Ok(Ok(())) => Delivery::Delivered,
                Ok(Err(refusal)) => judged(refusal),
                Err(_) => down("the mail server did not answer in time"),
            }
        })
    }

    fn tells_together(&self) -> bool {
        true
    }

    fn towards(&self) -> Towards {
        Towards::Domain
    }
}

/// Why a mail has not been taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the mail server cannot be reached: {0}")]
    Unreachable(io::Error),
    #[error("TLS with the mail server: {0}")]
    Tls(io::Error),
    #[error("the mail server offers no STARTTLS")]
    NoStartTls,
    #[error("somebody speaks for the mail server before TLS has begun")]
    Early,
    #[error("the mail server answers: {0}")]
    Reply(String),
    #[error("the mail server does not offer XOAUTH2")]
    NoXoauth2,
    #[error("the file of the mail server's token cannot be read: {0}")]
    TokenFile(io::Error),
    #[error("the mail server refuses the token: {0}")]
    BadToken(String),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Password(#[from] Refused),
    /// Before the mail was spoken of.
    #[error(transparent)]
    Session(#[from] Error),
    #[error(transparent)]
    Mail(Error),
}

/// The text of a reply, the enhanced status at its beginning.
fn enhanced_text(error: &Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// A lost connection, bad TLS and a refused login heal without a change to the mail; of what the server says about the mail
/// itself its reply decides.
fn judged(refusal: Refusal) -> Delivery {
    let error = match refusal {
        Refusal::Mail(error) => error,
        Refusal::Password(refused) => return refused.into(),
        Refusal::Token(error) => return error.into(),
        other => return down(other),
    };
    // The mail needs SMTPUTF8 or 8BITMIME (RFC 6531 §3.1), and this server has not got it.
    if error.is_client() {
        return never(error);
    }
    let Some(code) = error.status() else { return down(error) };
    match refused(u16::from(code), &enhanced_text(&error)) {
        ringpost::outbox::Refused::Later => later(error),
        ringpost::outbox::Refused::Down => down(error),
        ringpost::outbox::Refused::Never => never(error),
    }
}
