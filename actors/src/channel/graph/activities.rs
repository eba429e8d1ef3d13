//! What a user of Teams is doing, as a session of our application (setPresence, clearPresence).

use std::time::Duration;

use futures_util::future::BoxFuture;
use ringpost::{
    notify::graph::{
        Place,
        presence::{cleared, in_a_call},
    },
    presence::publication::Answer,
};

use super::{super::activities::Activities, Graph, service::Body};

/// Stands for an entity tag: a session is known by its application.
const SESSION: &str = "session";

impl Graph {
    async fn told(&self, user: &str, lasts: Option<Duration>) -> Answer {
        let place = Place { url: &self.settings.url, mailbox: user };
        let session = &self.settings.oauth.client_id;
        let (url, body) = match lasts {
            Some(lasts) => (place.set_presence(), in_a_call(session, lasts)),
            None => (place.clear_presence(), cleared(session)),
        };
        let answer = match self.service.post_plain(&url, Body::Json(body.to_string())).await {
            Ok(answer) => answer,
            // Nobody asks a service on the web whether it lives, so that only this says that it does not.
            Err(_) => return Answer::Later(None),
        };
        let after = answer.retry_after().map(|after| u32::try_from(after.as_secs()).unwrap_or(u32::MAX));
        let seconds = lasts.map_or(0, |lasts| u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX));
        match answer.status.as_u16() {
            200..300 => Answer::Taken(Some(SESSION.into()), Some(seconds)),
            // There is no such session any more: that is what was wanted.
            404 if lasts.is_none() => Answer::Taken(None, Some(0)),
            408 | 429 | 500..600 => Answer::Later(after),
            status => {
                tracing::debug!(status, "Teams does not take what a user is doing");
                Answer::Refused(after)
            }
        }
    }
}

impl Activities for Graph {
    fn calls<'a>(&'a self, user: &'a str, lasts: Option<Duration>) -> BoxFuture<'a, Answer> {
        Box::pin(self.told(user, lasts))
    }
}
