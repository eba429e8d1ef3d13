//! Mails notices by SMTP (RFC 5321), over connections that are kept for the next mail.
//!
//! lettre's own pool is left aside: it takes back a connection whose send was cut off in the middle of a command, and
//! the next mail then reads the replies to the last one. Here only a connection whose mail was taken is kept.

use std::{
    error::Error as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use lettre::{
    Message,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};
use ringpost::{
    outbox::{Delivery, Item, Refused, Towards, refused},
    settings::{Mail, MailAuth, MailTls, MailUrl},
};
use tokio::time::{Instant, timeout};

use super::{Channel, blocking, built, down, later, never};

/// How long a mail may take, its octets aside. RFC 5321 §4.5.3.2 would allow the end of DATA ten minutes; a server
/// that slow is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// The slowest line that a recording is still given the time for, in octets per second.
const SLOWEST: u64 = 20_000;
/// How long a connection is kept. Servers close theirs after five minutes and sooner.
const KEPT_FOR: Duration = Duration::from_secs(20);
/// Connections kept at once.
const KEPT: usize = 8;

/// The channel.
pub struct Smtp {
    host: String,
    port: u16,
    tls: MailTls,
    parameters: TlsParameters,
    login: Option<Credentials>,
    /// The user who logs in with a token, and the file that holds it.
    token: Option<(String, Option<PathBuf>)>,
    hello: ClientId,
    from: String,
    patience: Duration,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// Why a mail server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The settings name a Maildir.
    #[error("[mail] url is not an SMTP server")]
    NotSmtp,
    /// `ca` cannot be read.
    #[error("the certificates of ca cannot be read: {0}")]
    Ca(std::io::Error),
    /// TLS cannot be set up for this host.
    #[error("TLS for the mail server cannot be set up: {0}")]
    Tls(#[from] Error),
}

impl Smtp {
    /// A channel to the server that `[mail]` names; certificates are checked against the system's roots.
    pub fn new(settings: &Mail) -> Result<Self, SmtpError> {
        let root = settings.ca.as_ref().map(std::fs::read).transpose().map_err(SmtpError::Ca)?;
        Self::trusting(settings, root.as_deref(), PATIENCE)
    }

    /// As [`Smtp::new`], with one more trusted root (PEM) and another patience for each mail.
    pub fn trusting(settings: &Mail, root: Option<&[u8]>, patience: Duration) -> Result<Self, SmtpError> {
        let MailUrl::Smtp { host, port, tls, login } = &settings.url else { return Err(SmtpError::NotSmtp) };
        let mut parameters = TlsParameters::builder(host.clone());
        if let Some(pem) = root {
            parameters = parameters.add_root_certificate(Certificate::from_pem(pem)?);
        }
        Ok(Self {
            host: host.clone(),
            port: *port,
            tls: *tls,
            parameters: parameters.build()?,
            login: login.as_ref().map(|(user, password)| Credentials::new(user.clone(), password.0.clone())),
            token: match (&settings.auth, login) {
                (MailAuth::XOauth2 { file }, Some((user, _))) => Some((user.clone(), file.clone())),
                (MailAuth::XOauth2 { .. } | MailAuth::Password, _) => None,
            },
            hello: ClientId::default(),
            from: settings.from.clone(),
            patience,
            idle: Mutex::default(),
        })
    }

    async fn send(&self, mail: &Message) -> Result<(), Refusal> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.send(mail.envelope(), &mail.formatted()).await.map_err(Refusal::Mail)?;
        self.keep(connection);
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let server = (self.host.as_str(), self.port);
        let implicit = matches!(self.tls, MailTls::Implicit).then(|| self.parameters.clone());
        let patience = Some(self.patience);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, patience, &self.hello, implicit, None).await?;
        let upgrade = match self.tls {
            MailTls::Implicit | MailTls::Never => false,
            MailTls::Opportunistic => connection.can_starttls(),
            // Whoever strips STARTTLS from the server's answer must not get the mail (ROBUSTNESS T21).
            MailTls::Required if !connection.can_starttls() => return Err(Refusal::NoStartTls),
            MailTls::Required => true,
        };
        if upgrade {
            connection.starttls(self.parameters.clone(), &self.hello).await?;
        }
        if let Some(login) = &self.login {
            if !connection.is_encrypted() && self.tls != MailTls::Never {
                return Err(Refusal::NoStartTls);
            }
            match &self.token {
                None => connection.auth(DEFAULT_MECHANISMS, login).await?,
                Some((user, file)) => {
                    let fresh = match file {
                        Some(file) => Some(Credentials::new(user.clone(), token(file.clone()).await?)),
                        None => None,
                    };
                    connection.auth(&[Mechanism::Xoauth2], fresh.as_ref().unwrap_or(login)).await?
                }
            };
        }
        Ok(connection)
    }

    /// A kept connection that still answers.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle().pop()?;
            if since.elapsed() < KEPT_FOR && connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < KEPT_FOR);
        if idle.len() < KEPT && !connection.has_broken() {
            idle.push((connection, Instant::now()));
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel for Smtp {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        Box::pin(async {
            let mail = match built(item, &self.from).await {
                Ok(mail) => mail,
                Err(delivery) => return delivery,
            };
            let patience = self.patience + Duration::from_secs(mail.formatted().len() as u64 / SLOWEST);
            // Cut off, the connection is dropped with its send and closed.
            match timeout(patience, self.send(&mail)).await {
                Ok(Ok(())) => Delivery::Delivered,
                Ok(Err(refusal)) => judged(&refusal),
                Err(_) => down("the mail server did not answer in time"),
            }
        })
    }

    fn towards(&self) -> Towards {
        Towards::Domain
    }
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the mail server offers no STARTTLS")]
    NoStartTls,
    #[error("the file of the mail server's token cannot be read: {0}")]
    Token(std::io::Error),
    /// Before the mail was spoken of.
    #[error(transparent)]
    Session(#[from] Error),
    #[error(transparent)]
    Mail(Error),
}

/// The first line of the file.
async fn token(file: PathBuf) -> Result<String, Refusal> {
    let text = blocking(move || std::fs::read_to_string(file)).await.map_err(Refusal::Token)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// A lost connection, bad TLS and a refused login heal without a change to the mail; of what the server says about the mail
/// itself its reply decides.
fn judged(refusal: &Refusal) -> Delivery {
    let Refusal::Mail(error) = refusal else { return down(refusal) };
    // The mail needs SMTPUTF8 or 8BITMIME (RFC 6531 §3.1), and this server has not got it.
    if error.is_client() {
        return never(refusal);
    }
    let Some(code) = error.status() else { return down(refusal) };
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    match refused(u16::from(code), &text) {
        Refused::Later => later(refusal),
        Refused::Down => down(refusal),
        Refused::Never => never(refusal),
    }
}
