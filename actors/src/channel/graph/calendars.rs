//! The calendars of mailboxes of Exchange Online.

use std::{
    sync::{Arc, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream};
use jiff::Timestamp;
use ringpost::{
    calendar::{
        Answers, Reply, Schedule, Told, Window,
        graph::{MOST, read, read_replies, request},
    },
    notify::graph::{Place, Whose},
};

use super::{
    super::{
        calendars::{Calendars, Unasked},
        http::{Answer, HttpError},
    },
    Graph,
    service::{Body, Trouble},
};

/// Mailboxes whose automatic replies are asked for at once.
const AT_ONCE: usize = 4;

/// Since when and until when somebody is away.
pub type Away = (Timestamp, Timestamp);

impl Graph {
    async fn free_and_busy(
        &self,
        mailboxes: &[Arc<str>],
        window: Window,
        out_of_office: bool,
    ) -> Result<Reply, Unasked> {
        let mut reply = Reply::from(self.schedules_of(mailboxes, window).await?);
        if out_of_office {
            reply.rest = self.all_replies(&mut reply, window).await;
        }
        Ok(reply)
    }

    /// The list of schedules. Graph is asked by one of the mailboxes for all of them.
    async fn schedules_of(&self, mailboxes: &[Arc<str>], window: Window) -> Result<Answers, Unasked> {
        let body = Body::Json(request(mailboxes, window).to_string());
        let mut closed = vec![];
        for mailbox in mailboxes {
            let place = Place { url: &self.settings.url, mailbox };
            let asked = self.service.post_plain(&place.schedules(), body.clone()).await;
            let answer = asked.map_err(|trouble| self.unasked(trouble))?;
            match answer.status.as_u16() {
                200 if answer.whole => {
                    let answers = read(&answer.body, mailboxes, window);
                    let unread = || Unasked::Down("Graph's answer is no list of schedules".to_owned(), None);
                    return answers.ok_or_else(unread);
                }
                // Nobody says which of them is the one that Graph does not like.
                200 | 400 | 413 => return Err(Unasked::TooMuch),
                // Who is not there, or not ours to speak for, is no reason not to ask for the others.
                403 => closed.push(Err("Graph refuses to tell of it (403)".to_owned())),
                404 => closed.push(Err("Graph does not know it (404)".to_owned())),
                _ => return Err(self.refused(&answer)),
            }
        }
        Ok(closed)
    }

    /// Adds who is away by automatic replies; how long Graph wants to be left alone.
    async fn all_replies(&self, reply: &mut Reply, window: Window) -> Option<Duration> {
        let stop = OnceLock::new();
        let shown = reply.told.iter_mut().filter_map(|told| match told {
            Told::Shown(schedule) => Some(schedule),
            Told::Hidden(_) | Told::Later(_) | Told::Found => None,
        });
        let all: Vec<_> = shown.map(|schedule| self.adds_replies(schedule, window, &stop)).collect();
        stream::iter(all).buffer_unordered(AT_ONCE).collect::<()>().await;
        stop.into_inner()
    }

    /// Where Graph fails to say it of a mailbox, what it said before counts, and nobody's calendar is hidden.
    async fn adds_replies(&self, schedule: &mut Schedule, window: Window, stop: &OnceLock<Duration>) {
        let said = match stop.get() {
            None => self.replies(&schedule.mailbox, window, stop).await,
            Some(_) => None,
        };
        let mut known = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        match said {
            Some(Some(away)) => drop(known.insert(Arc::clone(&schedule.mailbox), away)),
            Some(None) => drop(known.remove(&schedule.mailbox)),
            None => {}
        }
        let away = known.get(&schedule.mailbox).copied();
        schedule.away = away.filter(|(from, until)| window.start < *until && *from < window.end());
    }

    /// When automatic replies say that the user is away; `None`: nobody knows. An application without the right to know sees
    /// none.
    async fn replies(
        &self,
        mailbox: &str,
        window: Window,
        stop: &OnceLock<Duration>,
    ) -> Option<Option<Away>> {
        let place = Place { url: &self.settings.url, mailbox };
        let answer = match self.service.get_page(&place.automatic_replies()).await {
            Ok(answer) => answer,
            Err(Trouble::Http(HttpError::Lost(_))) => return None,
            Err(_) => {
                let _ = stop.set(Duration::ZERO);
                return None;
            }
        };
        let wait = answer.retry_after();
        match answer.status.as_u16() {
            200 => read_replies(&answer.body, window),
            429 | 503 if wait.is_some() => {
                let _ = stop.set(wait.unwrap_or_default());
                None
            }
            400..=404 => Some(None),
            _ => None,
        }
    }

    fn refused(&self, answer: &Answer) -> Unasked {
        let wait = answer.retry_after();
        match self.unasked(Trouble::judged(answer, 200, Whose::Sender)) {
            Unasked::Down(reason, rest) => Unasked::Down(reason, wait.or(rest)),
            other => other,
        }
    }

    fn unasked(&self, trouble: Trouble) -> Unasked {
        match Unasked::of(trouble.delivery(self.service.patience())) {
            // A question that was lost may be asked again at once.
            Unasked::Down(reason, wait) => Unasked::Down(reason, wait.filter(|wait| *wait > Duration::ZERO)),
            other => other,
        }
    }
}

impl Calendars for Graph {
    fn most(&self) -> usize {
        MOST
    }

    fn place(&self, _: &str) -> Arc<str> {
        self.settings.url.as_str().into()
    }

    fn schedules<'a>(
        &'a self,
        mailboxes: &'a [Arc<str>],
        window: Window,
        out_of_office: bool,
    ) -> BoxFuture<'a, Result<Reply, Unasked>> {
        Box::pin(self.free_and_busy(mailboxes, window, out_of_office))
    }
}
