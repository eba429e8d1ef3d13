//! Puts notices into mailboxes of Exchange on premises by EWS (PROTOCOLS §7.3).
//!
//! A notice is one CreateItem: all or nothing. Where an earlier try may have done it without our knowing, its key is
//! looked for first, so that a lost answer is no second item.

mod calendars;
mod contacts;
mod door;
mod finder;
mod ntlm;
mod probe;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use ringpost::{
    notify::{
        clean::one_line,
        ews::{
            answer::{Told, found, read, trouble},
            codes::Fate,
            request::{create, find},
        },
    },
    outbox::{Delivery, Item, Key, Towards},
    settings,
};
use tokio::time::Instant;

use super::{
    Calendars, Channel, Contacts, Letters, down,
    http::{Answer, HttpError, HttpSetup},
    later, never,
    token::{SetupError, Tokens},
};
use door::{Door, DoorError};
use finder::Finder;
pub use probe::{Knock, Shut};

/// How long a server that wants to be left alone, without saying for how long, is left alone.
const REST: Duration = Duration::from_secs(5);

/// The channel.
pub struct Ews {
    settings: settings::Ews,
    door: Door,
    finder: Finder,
    letters: Letters,
    /// Until when servers want to be left alone, by URL.
    rests: Mutex<HashMap<Box<str>, Instant>>,
}

/// Why there can be no such channel.
#[derive(Debug, thiserror::Error)]
pub enum EwsError {
    /// No HTTP client.
    #[error("EWS: {0}")]
    Http(#[from] HttpSetup),
    /// No tokens.
    #[error("EWS: {0}")]
    Token(#[from] SetupError),
}

impl Ews {
    /// The channel; `tokens` is shared by the site's channels.
    pub fn new(settings: settings::Ews, tokens: &Tokens) -> Result<Self, EwsError> {
        Self::resolving(settings, tokens, &[])
    }

    /// As [`Ews::new`], with the addresses of some names known already.
    pub fn resolving(
        settings: settings::Ews,
        tokens: &Tokens,
        names: &[(String, SocketAddr)],
    ) -> Result<Self, EwsError> {
        let door = Door::new(&settings, tokens, names)?;
        let finder = Finder::new(settings.server.clone());
        Ok(Self { settings, door, finder, letters: Letters::default(), rests: Mutex::default() })
    }

    /// Writes by these letters.
    #[must_use]
    pub fn with_letters(self, letters: Letters) -> Self {
        Self { letters, ..self }
    }

    /// The channel's name, for the log and the health report.
    #[must_use]
    pub fn named(mut self, channel: &str) -> Self {
        self.door.named(channel);
        self
    }

    async fn tried(&self, item: &Item, again: bool) -> Delivery {
        let Some(mailbox) = item.notice.mail.as_deref() else {
            return never("the user has no mail address");
        };
        let url = match self.finder.url(mailbox, &self.door).await {
            Ok(url) => url,
            Err(unfound) => return down(unfound.reason),
        };
        if let Some(left) = self.resting(&url) {
            return busy("the server wants to be left alone", left);
        }
        let key = Key::of(&item.notice);
        let ended = match again {
            true => match self.ask(&url, mailbox, find(&self.settings, mailbox, &key)).await {
                Ok(told) if found(&told, &key) => return Delivery::Delivered,
                Ok(_) => self.created(&url, mailbox, item).await,
                Err(failed) => Err(failed),
            },
            false => self.created(&url, mailbox, item).await,
        };
        match ended {
            Ok(()) => Delivery::Delivered,
            Err(delivery) => delivery,
        }
    }

    async fn created(&self, url: &str, mailbox: &str, item: &Item) -> Result<(), Delivery> {
        let letter = self.letters.letter(&item.notice).await?;
        let request = create(&self.settings, &letter, item.posted);
        let request = request.map_err(never)?;
        self.ask(url, mailbox, request).await.map(|_| ())
    }

    /// Asks; only what the server calls a success comes back.
    async fn ask(&self, url: &str, mailbox: &str, request: String) -> Result<Vec<Told>, Delivery> {
        self.answered(url, mailbox, request).await.map(|(_, told)| told)
    }

    async fn answered(
        &self,
        url: &str,
        mailbox: &str,
        request: String,
    ) -> Result<(Answer, Vec<Told>), Delivery> {
        let answer = self.door.post(url, mailbox, request).await;
        let answer = answer.map_err(|error| self.unheard(error, mailbox))?;
        let told = match answer.status {
            StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR if answer.whole => read(&answer.body).ok(),
            _ => None,
        };
        let Some(told) = told else { return Err(self.unread(&answer, (url, mailbox))) };
        match trouble(&told) {
            None => Ok((answer, told)),
            Some(trouble) => Err(self.judged(trouble, (url, mailbox))),
        }
    }

    fn unheard(&self, error: DoorError, mailbox: &str) -> Delivery {
        match error {
            DoorError::Http(HttpError::Lost(reason)) => Delivery::Lost {
                reason: one_line(&format!("Exchange gave no answer: {reason}"), 300),
                wait: self.at_it(),
            },
            DoorError::Http(HttpError::Unreachable(_)) => {
                self.finder.forget(mailbox);
                down(error)
            }
            DoorError::Token(error) => error.into(),
            DoorError::Password(refused) => refused.into(),
            DoorError::Refused | DoorError::Ntlm(_) => down(error),
        }
    }

    /// An answer that HTTP alone explains.
    fn unread(&self, answer: &Answer, (url, mailbox): (&str, &str)) -> Delivery {
        let status = answer.status;
        let words = format!("Exchange answers HTTP {}", status.as_u16());
        match status {
            StatusCode::OK => self.lost("the answer of Exchange cannot be read"),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let wanted = answer.retry_after();
                let rest = wanted.unwrap_or(REST);
                self.leave_alone(url, rest);
                // Who says how long to wait stands at the door; any other may be a gateway that has lost the answer.
                let refused = wanted.is_some() || status == StatusCode::TOO_MANY_REQUESTS;
                if refused { busy(&words, rest) } else { unsure(busy(&words, rest)) }
            }
            StatusCode::PAYLOAD_TOO_LARGE => never(words),
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::MISDIRECTED_REQUEST => {
                self.finder.forget(mailbox);
                down(words)
            }
            status if status.is_redirection() => {
                self.finder.forget(mailbox);
                down(words)
            }
            // A gateway has lost the answer, or the server fell over its work.
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => self.lost(&words),
            _ => down(words),
        }
    }

    fn judged(&self, trouble: &Told, (url, mailbox): (&str, &str)) -> Delivery {
        let reason = one_line(&trouble.code, 80);
        if let Some(rest) = trouble.back_off {
            self.leave_alone(url, rest);
            return busy(&reason, rest);
        }
        match trouble.fate() {
            Fate::Done => Delivery::Delivered,
            Fate::Never => never(reason),
            // These may come of a server that broke off behind the deed.
            Fate::Later => unsure(later(reason)),
            Fate::Down => unsure(down(reason)),
            Fate::Moved => {
                self.finder.forget(mailbox);
                later(reason)
            }
        }
    }

    /// The server may have acted, and may still be at it.
    fn lost(&self, reason: &str) -> Delivery {
        unsure(busy(reason, self.at_it()))
    }

    /// How long a server that has not answered may still be at it: the search of the next try must come after.
    fn at_it(&self) -> Duration {
        self.settings.request_timeout / 6
    }

    fn leave_alone(&self, url: &str, rest: Duration) {
        let until = Instant::now() + rest;
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        rests.retain(|_, until| Instant::now() < *until);
        rests.entry(url.into()).and_modify(|known| *known = until.max(*known)).or_insert(until);
    }

    /// How long a server still wants to be left alone.
    fn resting(&self, url: &str) -> Option<Duration> {
        let until = self.rests.lock().unwrap_or_else(PoisonError::into_inner).get(url).copied();
        until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }
}

impl Channel for Ews {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        Box::pin(self.tried(item, false))
    }

    fn deliver_again<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        Box::pin(self.tried(item, true))
    }

    fn contacts(self: Arc<Self>) -> Option<Arc<dyn Contacts>> {
        Some(self)
    }

    fn calendars(self: Arc<Self>) -> Option<Arc<dyn Calendars>> {
        Some(self)
    }

    fn tells_together(&self) -> bool {
        true
    }

    fn towards(&self) -> Towards {
        Towards::Mailbox
    }
}

fn unsure(said: Delivery) -> Delivery {
    Delivery::Unsure(Box::new(said))
}

/// The server says how long to wait, or it should not be asked sooner.
fn busy(reason: &str, wait: Duration) -> Delivery {
    Delivery::Later { reason: one_line(reason, 300), not_before: Some(wait) }
}
