//! The calendars of mailboxes of Exchange Online.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use ringpost::{
    calendar::{
        Answers, Window,
        graph::{MOST, read, read_replies, request},
    },
    notify::graph::{Place, Whose},
};

use super::{
    super::calendars::{Calendars, Unasked},
    Graph,
    service::{Body, Trouble},
};

impl Graph {
    async fn free_and_busy(
        &self,
        mailboxes: &[Arc<str>],
        window: Window,
        out_of_office: bool,
    ) -> Result<Answers, Unasked> {
        let body = Body::Json(request(mailboxes, window).to_string());
        let mut askers = mailboxes.iter();
        let answer = loop {
            // None of them has a mailbox there.
            let Some(mailbox) = askers.next() else {
                return Ok(mailboxes.iter().map(|_| Err("Graph does not know it".to_owned())).collect());
            };
            let place = Place { url: &self.settings.url, mailbox };
            let asked = self.service.post_plain(&place.schedules(), body.clone()).await;
            let answer = asked.map_err(|trouble| self.unasked(trouble))?;
            match answer.status.as_u16() {
                200 if answer.whole => break answer,
                200 => return Err(Unasked::TooMuch),
                // Somebody asks for all; who is not there, or not ours to speak for, is no reason not to ask for the others.
                404 => {}
                403 if askers.len() > 0 => {}
                _ => return Err(self.refused(&answer)),
            }
        };
        let answers = read(&answer.body, mailboxes, window);
        let mut answers = answers
            .ok_or_else(|| Unasked::Down("Graph's answer is no list of schedules".to_owned(), None))?;
        if out_of_office {
            for (answer, mailbox) in answers.iter_mut().zip(mailboxes) {
                let Ok(schedule) = answer else { continue };
                schedule.away = self.replies(mailbox, window).await?;
            }
        }
        Ok(answers)
    }

    /// When automatic replies say that the user is away. An application without the right to know sees none.
    async fn replies(
        &self,
        mailbox: &str,
        window: Window,
    ) -> Result<Option<(jiff::Timestamp, jiff::Timestamp)>, Unasked> {
        let place = Place { url: &self.settings.url, mailbox };
        let asked = self.service.get_page(&place.automatic_replies()).await;
        let answer = asked.map_err(|trouble| self.unasked(trouble))?;
        match answer.status.as_u16() {
            200 => Ok(read_replies(&answer.body, window).flatten()),
            // A mailbox of which Graph fails to say that must not hide those of all others.
            400..=404 | 500 | 502 | 504 => Ok(None),
            _ => Err(self.refused(&answer)),
        }
    }

    fn refused(&self, answer: &super::super::http::Answer) -> Unasked {
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

    fn schedules<'a>(
        &'a self,
        mailboxes: &'a [Arc<str>],
        window: Window,
        out_of_office: bool,
    ) -> BoxFuture<'a, Result<Answers, Unasked>> {
        Box::pin(self.free_and_busy(mailboxes, window, out_of_office))
    }
}
