//! Tells a program by HTTP POST: a CloudEvents event or a body by the site's template, signed.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use ringpost::{
    notify::{
        clean::reason,
        webhook::{MEDIA_TYPE, SIGNATURE, event, sign},
    },
    outbox::{Delivery, Item, Key},
    settings,
};

use super::{
    Channel, Letters, down,
    http::{Answer, Http, HttpSetup, ask},
    later, never,
};

/// The header that is the same for every try of a notice, for receivers that a template gives no `id`.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// How long a receiver that refuses our proof is left alone.
const REFUSED: Duration = Duration::from_secs(60);

/// The channel.
pub struct Webhook {
    settings: settings::Webhook,
    token: Option<(HeaderName, HeaderValue)>,
    http: Http,
    letters: Letters,
}

impl Webhook {
    /// A channel to the server that the settings name.
    ///
    /// # Errors
    /// TLS cannot be set up, or the token is none that a header may hold.
    pub fn new(settings: settings::Webhook) -> Result<Self, HttpSetup> {
        Self::resolving(settings, &[])
    }

    /// As [`Webhook::new`], with the addresses of some names known already.
    ///
    /// # Errors
    /// As there.
    pub fn resolving(settings: settings::Webhook, names: &[(String, SocketAddr)]) -> Result<Self, HttpSetup> {
        let http = Http::resolving(settings.ca.as_deref(), names)?;
        let token = settings.token.as_ref().map(|(name, token)| {
            let mut value = HeaderValue::try_from(&token.0).map_err(|_| HttpSetup::new("the token"))?;
            value.set_sensitive(true);
            let name = HeaderName::try_from(name).map_err(|_| HttpSetup::new("token_header"))?;
            Ok((name, value))
        });
        let token = token.transpose()?;
        Ok(Self { settings, token, http, letters: Letters::default() })
    }

    /// Writes by these letters.
    #[must_use]
    pub fn with_letters(self, letters: Letters) -> Self {
        Self { letters, ..self }
    }

    fn body(&self, item: &Item) -> Result<(&str, Vec<u8>), String> {
        let letter = self.letters.told(&item.notice);
        match &self.settings.template {
            None => Ok((MEDIA_TYPE, event(&letter, item.posted))),
            Some((content_type, template)) => Ok((content_type, template.write(&letter)?)),
        }
    }

    async fn post(&self, item: &Item) -> Delivery {
        let (content_type, body) = match self.body(item) {
            Ok(body) => body,
            Err(why) => return never(format!("the template: {why}")),
        };
        let mut request = self
            .http
            .client()
            .post(&self.settings.url)
            .header(CONTENT_TYPE, content_type)
            .header(IDEMPOTENCY_KEY, Key::of(&item.notice).as_str());
        if let Some(secret) = &self.settings.secret {
            // The time of this try: a receiver takes only what was signed just now.
            request =
                request.header(SIGNATURE, sign(secret.0.as_bytes(), Timestamp::now().as_second(), &body));
        }
        if let Some((name, token)) = &self.token {
            request = request.header(name, token);
        }
        match ask(request.body(body), self.settings.timeout).await {
            Ok(answer) => judged(&answer),
            Err(error) => down(format!("the webhook {error}")),
        }
    }
}

impl Channel for Webhook {
    fn deliver<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Delivery> {
        Box::pin(self.post(item))
    }
}

/// What a status means for the notice. A redirect is not followed: it would carry the notice to somewhere that no setting
/// names.
fn judged(answer: &Answer) -> Delivery {
    let said = format!("the webhook answered {}", answer.status);
    match answer.status {
        status if status.is_success() => Delivery::Delivered,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Delivery::Down { reason: reason(&said), not_before: answer.retry_after() }
        }
        // Not the notice's fault: the token, the secret or our clock is wrong, and is put right by a person.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Delivery::Down { reason: reason(&said), not_before: Some(REFUSED) }
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => later(said),
        status if status.is_server_error() => later(said),
        status if status.is_redirection() => {
            never(format!("{said}, which is not followed: url wants the new place"))
        }
        _ => never(said),
    }
}
