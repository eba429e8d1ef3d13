//! Tells by Microsoft Graph: as a mail, or as a message put straight into the user's Inbox (PROTOCOLS §7.5).
//!
//! Graph may act and yet answer nothing, or 504. So a notice that may be there ([`Channel::deliver_again`]) is looked for by
//! its Message-ID before it goes again.

mod activities;
mod calendars;
mod contacts;
mod probe;
mod service;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use ringpost::{
    notify::{
        Enclosure, Letter,
        graph::{
            Enclosed, Judgement, LONGEST_INLINE, LONGEST_REQUEST, Made, Place, Whose, found,
            internet_message_id, made, message, sent, session, upload,
        },
        mail::compose,
    },
    outbox::{Delivery, Item, Key, Towards},
    settings::{self, GraphDelivery},
};
use serde_json::Value;

use super::{
    Activities, Calendars, Channel, Contacts, Letters,
    http::{Http, HttpSetup},
    never,
    token::{SetupError, Tokens},
};
use calendars::Away;
pub use probe::{Closed, Opened};
use service::{Body, Service, Trouble};

/// The channel.
pub struct Graph {
    settings: settings::Graph,
    service: Service,
    letters: Letters,
    /// Who is away, as far as Graph has said.
    away: Mutex<HashMap<Arc<str>, Away>>,
}

/// Why the service cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// TLS cannot be set up.
    #[error("ca: {0}")]
    Http(#[from] HttpSetup),
    /// The application cannot prove itself.
    #[error(transparent)]
    Token(#[from] SetupError),
}

impl Graph {
    /// A channel to the service that `settings` names.
    pub fn new(settings: &settings::Graph, tokens: &Tokens) -> Result<Self, GraphError> {
        Self::resolving(settings, tokens, &[])
    }

    /// As [`Graph::new`], with the addresses of some names known already.
    pub fn resolving(
        settings: &settings::Graph,
        tokens: &Tokens,
        names: &[(String, SocketAddr)],
    ) -> Result<Self, GraphError> {
        let http = Http::resolving(settings.ca.as_deref(), names)?;
        let source = tokens.source(&settings.oauth, &http)?;
        let service = Service::new(http, source);
        Ok(Self { settings: settings.clone(), service, letters: Letters::default(), away: Mutex::default() })
    }

    /// Writes by these letters.
    #[must_use]
    pub fn with_letters(self, letters: Letters) -> Self {
        Self { letters, ..self }
    }

    /// Waits for each answer, and after a lost one before the next try, no longer than this.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { service: self.service.patient_for(patience), ..self }
    }

    async fn tried(&self, item: &Item, again: bool) -> Delivery {
        match self.tell(item, &Key::of(&item.notice), again).await {
            Ok(()) => Delivery::Delivered,
            Err(trouble) => trouble.delivery(self.service.patience()),
        }
    }

    async fn tell(&self, item: &Item, key: &Key, again: bool) -> Result<(), Trouble> {
        let (place, whose) = self.place(item);
        let letter = self.letters.letter(&item.notice).await.map_err(Trouble::Other)?;
        let earlier = match again {
            true => self.find(key, place, whose).await?,
            false => None,
        };
        match (self.settings.deliver, earlier) {
            (GraphDelivery::Inbox, Some(made)) => self.complete(item, key, &letter, &made).await,
            (GraphDelivery::Inbox, None) => self.put(item, key, &letter).await,
            (GraphDelivery::Mime | GraphDelivery::Json, Some(made)) if !made.is_draft => Ok(()),
            (GraphDelivery::Mime | GraphDelivery::Json, Some(made)) => {
                self.complete(item, key, &letter, &made).await?;
                self.send_draft(key, &made).await
            }
            (GraphDelivery::Mime | GraphDelivery::Json, None) => self.send(item, key, &letter).await,
        }
    }

    /// Where the message is made, and whose mailbox that is.
    fn place<'a>(&'a self, item: &'a Item) -> (Place<'a>, Whose) {
        let (mailbox, whose) = match self.settings.deliver {
            GraphDelivery::Inbox => (item.notice.mail.as_deref().unwrap_or_default(), Whose::User),
            GraphDelivery::Mime | GraphDelivery::Json => (self.settings.from.as_str(), Whose::Sender),
        };
        (Place { url: &self.settings.url, mailbox }, whose)
    }

    /// What an earlier try has made. An application that may not read sends again: with the same Message-ID, which
    /// Exchange takes into a mailbox once.
    async fn find(&self, key: &Key, place: Place<'_>, whose: Whose) -> Result<Option<Made>, Trouble> {
        let Some(message_id) = internet_message_id(key, &self.settings.from) else { return Ok(None) };
        let answer = self.service.get(&place.find(&message_id), key).await?;
        match answer.status.as_u16() {
            403 => Ok(None),
            200 => found(&answer.body).ok_or_else(|| Trouble::later("Graph's answer is no list of messages")),
            _ => Err(Trouble::judged(&answer, 200, whose)),
        }
    }

    /// Puts a message into the user's Inbox, with its recording or that behind it.
    async fn put(&self, item: &Item, key: &Key, letter: &Letter<'_>) -> Result<(), Trouble> {
        let (place, whose) = self.place(item);
        let message = self.message(item, letter, enclosed(letter))?;
        let made = self.make(&place.inbox(), key, &message, whose).await;
        match &letter.sound {
            Some(sound) if is_large(sound) => {
                let made = made?.ok_or_else(unread)?;
                self.attach(item, key, sound, &made).await.map_err(Trouble::behind)
            }
            // Whatever stands in the answer: the status has said it.
            _ => made.map(drop),
        }
    }

    /// Sends in one request where that is large enough, else as a draft whose recording is uploaded.
    async fn send(&self, item: &Item, key: &Key, letter: &Letter<'_>) -> Result<(), Trouble> {
        let (place, whose) = self.place(item);
        let body = match self.settings.deliver {
            _ if letter.sound.as_ref().is_some_and(is_large) => None,
            GraphDelivery::Mime => {
                let mail = compose(letter, &self.settings.from, item.posted);
                let mail = mail.map_err(|error| Trouble::Other(never(error)))?;
                Some(Body::Text(STANDARD.encode(mail.formatted())))
            }
            GraphDelivery::Json | GraphDelivery::Inbox => {
                Some(Body::Json(sent(&self.message(item, letter, Enclosed::Inline)?).to_string()))
            }
        };
        if let Some(body) = body.filter(|body| body.len() <= LONGEST_REQUEST) {
            let answer = self.service.post(&place.send_mail(), key, body).await?;
            return Trouble::unless(&answer, 202, whose);
        }
        let message = self.message(item, letter, Enclosed::Behind)?;
        let made = self.make(&place.drafts(), key, &message, whose).await?.ok_or_else(unread)?;
        if let Some(sound) = &letter.sound {
            self.attach(item, key, sound, &made).await.map_err(Trouble::behind)?;
        }
        self.send_draft(key, &made).await.map_err(Trouble::behind)
    }

    /// What an earlier try has begun: the recording may still be missing.
    async fn complete(
        &self,
        item: &Item,
        key: &Key,
        letter: &Letter<'_>,
        made: &Made,
    ) -> Result<(), Trouble> {
        match &letter.sound {
            Some(sound) if !made.has_attachments => self.attach(item, key, sound, made).await,
            Some(_) | None => Ok(()),
        }
    }

    async fn make(
        &self,
        url: &str,
        key: &Key,
        message: &Value,
        whose: Whose,
    ) -> Result<Option<Made>, Trouble> {
        let answer = self.service.post(url, key, Body::Json(message.to_string())).await?;
        Trouble::unless(&answer, 201, whose)?;
        Ok(made(&answer.body))
    }

    async fn attach(&self, item: &Item, key: &Key, sound: &Enclosure, made: &Made) -> Result<(), Trouble> {
        let (place, whose) = self.place(item);
        let begin = Body::Json(upload(sound).to_string());
        let answer = self.service.post(&place.upload(&made.id), key, begin).await?;
        Trouble::unless(&answer, 201, whose)?;
        let session = session(&answer.body).ok_or_else(unread)?;
        self.service.upload(&self.settings.url, &session, &sound.octets, whose).await
    }

    async fn send_draft(&self, key: &Key, made: &Made) -> Result<(), Trouble> {
        let place = Place { url: &self.settings.url, mailbox: &self.settings.from };
        let answer = self.service.post(&place.send_draft(&made.id), key, Body::None).await?;
        Trouble::unless(&answer, 202, Whose::Sender)
    }

    fn message(&self, item: &Item, letter: &Letter<'_>, enclosed: Enclosed) -> Result<Value, Trouble> {
        let made = message(letter, &self.settings.from, enclosed, item.posted, self.settings.deliver);
        made.map_err(|error| Trouble::Other(never(error)))
    }
}

impl Channel for Graph {
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

    fn activities(self: Arc<Self>) -> Option<Arc<dyn Activities>> {
        Some(self)
    }

    fn tells_together(&self) -> bool {
        true
    }

    fn towards(&self) -> Towards {
        Towards::Mailbox
    }
}

/// Whether a recording needs an upload of its own.
fn is_large(sound: &Enclosure) -> bool {
    sound.octets.len() > LONGEST_INLINE
}

/// How a letter's enclosures go with its message.
fn enclosed(letter: &Letter<'_>) -> Enclosed {
    if letter.sound.as_ref().is_some_and(is_large) { Enclosed::Behind } else { Enclosed::Inline }
}

/// It has acted, and the next try finds out how far.
fn unread() -> Trouble {
    Trouble::Judged {
        judgement: Judgement::Later("Graph's answer cannot be read".to_owned()),
        acted: true,
        wait: None,
    }
}
