//! The calendars of mailboxes of Exchange: one question for all that one server has.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use ringpost::{
    calendar::{
        Answers, Window,
        ews::{MOST, Unread, read, request},
    },
    notify::ews::answer,
    xml::XmlError,
};

use super::{
    super::calendars::{Calendars, Unasked},
    Ews,
};

impl Ews {
    async fn free_and_busy(&self, mailboxes: &[Arc<str>], window: Window) -> Result<Answers, Unasked> {
        if let Some(left) = self.resting() {
            return Err(Unasked::Down("the server wants to be left alone".to_owned(), Some(left)));
        }
        let mut at: Vec<(String, Vec<usize>)> = vec![];
        let mut answers: Vec<_> = vec![];
        for (number, mailbox) in mailboxes.iter().enumerate() {
            answers.push(Err("no server is known to have it".to_owned()));
            match self.finder.url(mailbox, &self.door).await {
                Ok(url) => match at.iter_mut().find(|(known, _)| *known == url) {
                    Some((_, numbers)) => numbers.push(number),
                    None => at.push((url, vec![number])),
                },
                Err(reason) => answers[number] = Err(reason),
            }
        }
        for (url, numbers) in at {
            let asked: Vec<_> = numbers.iter().map(|number| Arc::clone(&mailboxes[*number])).collect();
            let told = self.asked(&url, &asked, window).await?;
            numbers.into_iter().zip(told).for_each(|(number, told)| answers[number] = told);
        }
        Ok(answers)
    }

    async fn asked(&self, url: &str, mailboxes: &[Arc<str>], window: Window) -> Result<Answers, Unasked> {
        let Some(first) = mailboxes.first() else { return Ok(vec![]) };
        let answer = self.door.post(url, first, request(&self.settings, mailboxes, window)).await;
        let answer = answer.map_err(|error| Unasked::of(self.unheard(error, first)))?;
        match answer.status {
            StatusCode::OK if !answer.whole => return Err(Unasked::TooMuch),
            StatusCode::OK => {}
            // A fault in so many words.
            StatusCode::INTERNAL_SERVER_ERROR if answer.whole => {
                let told = answer::read(&answer.body).unwrap_or_default();
                if let Some(trouble) = answer::trouble(&told) {
                    return Err(Unasked::of(self.judged(trouble, first)));
                }
                return Err(Unasked::of(self.unread(&answer, first)));
            }
            _ => return Err(Unasked::of(self.unread(&answer, first))),
        }
        match read(&answer.body, mailboxes, window) {
            Ok(answers) => self.unless_busy(&answer.body, answers, first),
            Err(Unread::Xml(XmlError::TooLarge)) => Err(Unasked::TooMuch),
            Err(error) => match answer::read(&answer.body).ok().as_deref().and_then(answer::trouble) {
                Some(trouble) => Err(Unasked::of(self.judged(trouble, first))),
                None => Err(Unasked::Down(error.to_string(), None)),
            },
        }
    }

    /// A server that is busy says so of each mailbox.
    fn unless_busy(&self, body: &[u8], answers: Answers, first: &str) -> Result<Answers, Unasked> {
        if answers.iter().any(Result::is_ok) {
            return Ok(answers);
        }
        let told = answer::read(body).unwrap_or_default();
        match answer::trouble(&told) {
            Some(trouble) if trouble.back_off.is_some() || trouble.code == "ErrorServerBusy" => {
                Err(Unasked::of(self.judged(trouble, first)))
            }
            _ => Ok(answers),
        }
    }
}

impl Calendars for Ews {
    fn most(&self) -> usize {
        MOST
    }

    fn schedules<'a>(
        &'a self,
        mailboxes: &'a [Arc<str>],
        window: Window,
        _: bool,
    ) -> BoxFuture<'a, Result<Answers, Unasked>> {
        Box::pin(self.free_and_busy(mailboxes, window))
    }
}
