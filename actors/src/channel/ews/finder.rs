//! Which server has a mailbox: what the settings say, or Autodiscover, remembered for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use reqwest::header::LOCATION;
use ringpost::{
    notify::ews::autodiscover::{Ask, Heard, Next, Search},
    settings::EwsServer,
};
use tokio::time::Instant;
use tracing::debug;

use super::{
    super::http::Answer,
    door::{Door, DoorError},
};

/// Mailboxes remembered; beyond them everything is forgotten, which costs one search each.
const MOST: usize = 20_000;

/// The memory.
pub struct Finder {
    server: EwsServer,
    known: Mutex<HashMap<String, (String, Instant)>>,
}

impl Finder {
    pub fn new(server: EwsServer) -> Self {
        Self { server, known: Mutex::default() }
    }

    /// The URL of EWS for a mailbox, https. `Err`: why nobody knows it, one clean line.
    pub async fn url(&self, mailbox: &str, door: &Door) -> Result<String, String> {
        let settings = match &self.server {
            EwsServer::Url(url) => return Ok(url.clone()),
            EwsServer::Autodiscover(settings) => settings,
        };
        let known = self.known().get(mailbox).filter(|(_, until)| Instant::now() < *until).cloned();
        if let Some((url, _)) = known {
            return Ok(url);
        }
        let mut search = Search::new(settings, mailbox);
        let mut next = search.start();
        loop {
            let asked = match next {
                Next::Ask(Ask::Post { url, body }) => door.post(&url, mailbox, body).await,
                Next::Ask(Ask::Get { url }) => door.get(&url).await.map_err(DoorError::from),
                Next::Nowhere(reason) => return Err(reason),
                Next::Found(url) => {
                    debug!(mailbox, url, "Autodiscover has found a server");
                    let mut known = self.known();
                    if known.len() >= MOST {
                        known.clear();
                    }
                    known.insert(mailbox.to_owned(), (url.clone(), Instant::now() + settings.keep));
                    return Ok(url);
                }
            };
            next = match &asked {
                Ok(answer) => search.heard(heard(answer)),
                Err(error) => search.heard(Heard::Nothing(&error.to_string())),
            };
        }
    }

    /// The server that was found does not do: the next one who asks searches again.
    pub fn forget(&self, mailbox: &str) {
        self.known().remove(mailbox);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (String, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn heard(answer: &Answer) -> Heard<'_> {
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    Heard::Answer { status: answer.status.as_u16(), location, body: &answer.body }
}
