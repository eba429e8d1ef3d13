//! The calendars of mailboxes of Exchange: one question for all that one server has.

use std::sync::Arc;

use futures_util::{StreamExt, future::BoxFuture, stream};
use reqwest::StatusCode;
use ringpost::{
    calendar::{
        Answers, Reply, Told, Window,
        ews::{MOST, Unread, read, request},
    },
    notify::ews::answer,
    xml::XmlError,
};

use super::{
    super::calendars::{Calendars, Unasked},
    Ews,
};

/// Mailboxes whose servers are looked for at once. Where so many find nobody to ask, the others wait.
const SEARCHES: usize = 8;

impl Ews {
    async fn free_and_busy(&self, mailboxes: &[Arc<str>], window: Window) -> Result<Reply, Unasked> {
        let Some(url) = mailboxes.first().and_then(|first| self.finder.at_hand(first)) else {
            return self.searched(mailboxes).await;
        };
        if let Some(left) = self.resting(&url) {
            return Err(Unasked::Down("the server wants to be left alone".to_owned(), Some(left)));
        }
        let is_there = |mailbox: &Arc<str>| self.finder.at_hand(mailbox).as_ref() == Some(&url);
        let there: Vec<bool> = mailboxes.iter().map(is_there).collect();
        let asked = mailboxes.iter().zip(&there).filter(|(_, there)| **there);
        let asked: Vec<_> = asked.map(|(mailbox, _)| Arc::clone(mailbox)).collect();
        let answers = self.asked(&url, &asked, window).await.inspect_err(|_| {
            // What the first one has shown counts for all of them.
            if asked.first().is_some_and(|first| self.finder.at_hand(first).is_none()) {
                asked.iter().for_each(|mailbox| self.finder.forget(mailbox));
            }
        })?;
        let mut answers = Reply::from(answers).told.into_iter();
        // Those that have moved since the question was made are asked for where they are.
        let told = |there: &bool| if *there { answers.next().unwrap_or(Told::Found) } else { Told::Found };
        let told = there.iter().map(told).collect();
        Ok(Reply { told, rest: None })
    }

    /// Looks for the servers of mailboxes, and asks none of these: they have paces of their own.
    async fn searched(&self, mailboxes: &[Arc<str>]) -> Result<Reply, Unasked> {
        let mut told = vec![Told::Later("its server has not been looked for".to_owned()); mailboxes.len()];
        let search = |(at, mailbox): (usize, &Arc<str>)| {
            let mailbox = Arc::clone(mailbox);
            async move { (at, self.finder.url(&mailbox, &self.door).await) }
        };
        let searches: Vec<_> = mailboxes.iter().enumerate().map(search).collect();
        let mut found = stream::iter(searches).buffer_unordered(SEARCHES);
        let (mut silent, mut heard) = (vec![], false);
        while let Some((at, found)) = found.next().await {
            told[at] = match found {
                Ok(_) => Told::Found,
                Err(unfound) if unfound.is_certain => Told::Hidden(unfound.reason),
                Err(unfound) => {
                    silent.push(unfound.reason.clone());
                    Told::Later(unfound.reason)
                }
            };
            heard |= !matches!(told[at], Told::Later(_));
            if silent.len() >= SEARCHES {
                break;
            }
        }
        match silent.pop() {
            Some(reason) if !heard => Err(Unasked::Down(reason, None)),
            _ => Ok(Reply { told, rest: None }),
        }
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
                    return Err(Unasked::of(self.judged(trouble, (url, first))));
                }
                return Err(Unasked::of(self.unread(&answer, (url, first))));
            }
            _ => return Err(Unasked::of(self.unread(&answer, (url, first)))),
        }
        match read(&answer.body, mailboxes, window) {
            Ok(answers) => self.unless_busy(&answer.body, answers, (url, first)),
            Err(Unread::Xml(XmlError::TooLarge)) => Err(Unasked::TooMuch),
            Err(error) => match answer::read(&answer.body).ok().as_deref().and_then(answer::trouble) {
                Some(trouble) => Err(Unasked::of(self.judged(trouble, (url, first)))),
                None => Err(Unasked::Down(error.to_string(), None)),
            },
        }
    }

    /// A server that is busy says so of each mailbox.
    fn unless_busy(&self, body: &[u8], answers: Answers, at: (&str, &str)) -> Result<Answers, Unasked> {
        if answers.iter().any(Result::is_ok) {
            return Ok(answers);
        }
        let told = answer::read(body).unwrap_or_default();
        match answer::trouble(&told) {
            Some(trouble) if trouble.back_off.is_some() || trouble.code == "ErrorServerBusy" => {
                Err(Unasked::of(self.judged(trouble, at)))
            }
            _ => Ok(answers),
        }
    }
}

impl Calendars for Ews {
    fn most(&self) -> usize {
        MOST
    }

    fn place(&self, mailbox: &str) -> Arc<str> {
        self.finder.at_hand(mailbox).unwrap_or_else(|| {
            // Whoever looks for it asks the domain's Autodiscover.
            let domain = mailbox.rsplit_once('@').map_or("", |(_, domain)| domain);
            format!("autodiscover of {}", domain.to_ascii_lowercase()).into()
        })
    }

    fn schedules<'a>(
        &'a self,
        mailboxes: &'a [Arc<str>],
        window: Window,
        _: bool,
    ) -> BoxFuture<'a, Result<Reply, Unasked>> {
        Box::pin(self.free_and_busy(mailboxes, window))
    }
}
