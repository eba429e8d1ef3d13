//! One connection to a mail server, and one mail after the other over it; where the server allows it, with the whole
//! envelope in one segment (PIPELINING, RFC 2920).

use std::fmt;

use lettre::{
    Message,
    transport::smtp::{
        Error,
        client::AsyncSmtpConnection,
        commands::{Data, Ehlo, Mail, Noop, Rcpt},
        extension::ClientId,
    },
};
use tokio::time::Instant;

use super::Refusal;

pub struct Line {
    connection: AsyncSmtpConnection,
    pipelines: bool,
    /// When it was used last.
    pub since: Instant,
}

/// How a mail went.
pub enum Sent {
    Taken,
    /// The server has closed the connection before it heard of the mail.
    Stale(Error),
    Refused(Error),
}

impl Line {
    /// Asks what the server allows; lettre keeps only what it knows itself.
    pub async fn over(mut connection: AsyncSmtpConnection, hello: &ClientId) -> Result<Self, Refusal> {
        let pipelines = match connection.command(Ehlo::new(hello.clone())).await {
            Ok(offers) => offers.message().any(|offer| offer.eq_ignore_ascii_case("PIPELINING")),
            // It may be asked once only.
            Err(error) if error.status().is_some() => false,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { connection, pipelines, since: Instant::now() })
    }

    /// Sends a mail; whether the line may be kept for another one.
    pub async fn send(&mut self, mail: &Message) -> (Sent, bool) {
        let sent = self.tried(mail).await;
        self.since = Instant::now();
        sent
    }

    async fn tried(&mut self, mail: &Message) -> (Sent, bool) {
        let envelope = mail.envelope();
        let octets = mail.formatted();
        let addresses = envelope.from().into_iter().chain(envelope.to());
        let plain = addresses.map(AsRef::<str>::as_ref).all(str::is_ascii);
        // What needs SMTPUTF8 or 8BITMIME is lettre's to ask for.
        match std::str::from_utf8(&octets) {
            Ok(text) if self.pipelines && plain && text.is_ascii() => self.pipelined(mail, text).await,
            _ => match self.connection.command(Noop).await {
                Err(error) => (Sent::Stale(error), false),
                Ok(_) => match self.connection.send(envelope, &octets).await {
                    Ok(_) => (Sent::Taken, true),
                    Err(error) => (Sent::Refused(error), false),
                },
            },
        }
    }

    async fn pipelined(&mut self, mail: &Message, text: &str) -> (Sent, bool) {
        let connection = &mut self.connection;
        let envelope = mail.envelope();
        let sender = connection.command(Envelope(mail)).await;
        if let Err(error) = sender {
            // 421: it closes the line, since nothing has come for long (RFC 5321 §3.8).
            let stale = error.status().is_none_or(|code| u16::from(code) == 421);
            return (if stale { Sent::Stale(error) } else { Sent::Refused(error) }, false);
        }
        let mut refused = None;
        for _ in envelope.to() {
            if let Err(error) = connection.read_response().await {
                refused.get_or_insert(error);
            }
        }
        match (connection.read_response().await, refused) {
            (Ok(_), None) => {}
            // It waits for a mail that nobody shall get: the end of the line tells it so.
            (Ok(_), Some(error)) => return (Sent::Refused(error), false),
            (Err(_), Some(error)) if error.status().is_some() => {
                let ready = connection.command("RSET\r\n").await.is_ok();
                return (Sent::Refused(error), ready);
            }
            (Err(error), None) | (Err(_), Some(error)) => return (Sent::Refused(error), false),
        }
        match connection.command(Content(text)).await {
            Ok(_) => (Sent::Taken, true),
            Err(error) => {
                let ready = error.status().is_some() && connection.command("RSET\r\n").await.is_ok();
                (Sent::Refused(error), ready)
            }
        }
    }
}

/// MAIL, RCPT and DATA, which may come in one segment since nothing but DATA wants an answer first (RFC 2920 §3.1).
struct Envelope<'a>(&'a Message);

impl fmt::Display for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let envelope = self.0.envelope();
        write!(f, "{}", Mail::new(envelope.from().cloned(), Vec::new()))?;
        for to in envelope.to() {
            write!(f, "{}", Rcpt::new(to.clone(), Vec::new()))?;
        }
        write!(f, "{Data}")
    }
}

/// A mail and its end, in one segment if it fits: a leading dot is doubled (RFC 5321 §4.5.2).
struct Content<'a>(&'a str);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.0.strip_suffix('\n').unwrap_or(self.0);
        for line in body.split('\n') {
            // A line feed of its own is a line's end to some servers, so it is to all (RFC 5321 §2.3.8).
            let line = line.strip_suffix('\r').unwrap_or(line);
            let dot = if line.starts_with('.') { "." } else { "" };
            write!(f, "{dot}{line}\r\n")?;
        }
        f.write_str(".\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_ends_once_whatever_is_in_it() {
        for (mail, wire) in [
            ("a\r\nb\r\n", "a\r\nb\r\n.\r\n"),
            ("a\r\nb", "a\r\nb\r\n.\r\n"),
            ("a\r\n.\r\nMAIL FROM:<x@y>\r\n", "a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"),
            (".\r\n..\r\n", "..\r\n...\r\n.\r\n"),
            ("a\r\n\r\n", "a\r\n\r\n.\r\n"),
            ("", "\r\n.\r\n"),
            ("a\n.\nb\n.\r\nc", "a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n"),
        ] {
            assert_eq!(Content(mail).to_string(), wire, "{mail:?}");
        }
    }
}
