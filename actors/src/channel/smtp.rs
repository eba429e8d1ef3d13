//! Mails notices by SMTP (RFC 5321).

use std::time::Duration;

use futures_util::future::BoxFuture;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::{
        Error, PoolConfig,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use ringpost::{
    outbox::{Delivery, Item},
    settings::{Mail, MailTls, MailUrl},
};

use super::{Channel, built, later, never};

/// How long one command may take. RFC 5321 §4.5.3.2 would allow the end of DATA ten minutes; a server that slow
/// is tried again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The channel.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: String,
}

/// Why a mail server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The settings name a Maildir.
    #[error("[mail] url is not an SMTP server")]
    NotSmtp,
    /// TLS cannot be set up for this host.
    #[error("TLS for the mail server cannot be set up: {0}")]
    Tls(#[source] Error),
}

impl Smtp {
    /// A channel to the server that `[mail]` names; certificates are checked against the system's roots.
    pub fn new(settings: &Mail) -> Result<Self, SmtpError> {
        Self::trusting(settings, None, PATIENCE)
    }

    /// As [`Smtp::new`], with one more trusted root (PEM) and another patience for each command.
    pub fn trusting(settings: &Mail, root: Option<&[u8]>, patience: Duration) -> Result<Self, SmtpError> {
        let MailUrl::Smtp { host, port, tls, login } = &settings.url else { return Err(SmtpError::NotSmtp) };
        let checked = || {
            let parameters = TlsParameters::builder(host.clone());
            match root {
                Some(pem) => parameters.add_root_certificate(Certificate::from_pem(pem)?).build(),
                None => parameters.build(),
            }
        };
        let tls = match tls {
            MailTls::Implicit => Tls::Wrapper(checked().map_err(SmtpError::Tls)?),
            MailTls::Required => Tls::Required(checked().map_err(SmtpError::Tls)?),
            MailTls::Opportunistic => Tls::Opportunistic(checked().map_err(SmtpError::Tls)?),
            MailTls::Never => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(*port)
            .tls(tls)
            .timeout(Some(patience))
            .pool_config(PoolConfig::new().max_size(8).idle_timeout(Duration::from_secs(30)));
        if let Some((user, password)) = login {
            transport = transport.credentials(Credentials::new(user.clone(), password.0.clone()));
        }
        Ok(Self { transport: transport.build(), from: settings.from.clone() })
    }
}

impl Channel for Smtp {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        Box::pin(async {
            let mail = match built(item, &self.from).await {
                Ok(mail) => mail,
                Err(delivery) => return delivery,
            };
            match self.transport.send(mail).await {
                Ok(_) => Delivery::Delivered,
                Err(error) => judged(&error),
            }
        })
    }
}

/// Only a 5xx about this mail is final. A lost connection, bad TLS, 4xx and a refused login all heal without a change
/// to the mail: 521 host takes no mail, 530 to 538 authentication (RFC 4954 §6).
fn judged(error: &Error) -> Delivery {
    let code = error.status().map(u16::from);
    match code {
        Some(521 | 530 | 534 | 535 | 538) => later(error),
        Some(500..) => never(error),
        Some(_) | None => later(error),
    }
}
