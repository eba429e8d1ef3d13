//! Which server has a mailbox: what the settings say, or Autodiscover, remembered for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
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
const MOST: usize = 100_000;
/// While Autodiscover is away, what it has said is believed for so long more, and then so long again.
const DOUBT: Duration = Duration::from_secs(60);

/// The memory.
pub struct Finder {
    server: EwsServer,
    known: Mutex<HashMap<String, (Arc<str>, Instant)>>,
}

/// Why nobody knows a mailbox's server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unfound {
    /// One clean line.
    pub reason: String,
    /// Autodiscover has said so; else it could not be asked.
    pub is_certain: bool,
}

impl Finder {
    pub fn new(server: EwsServer) -> Self {
        Self { server, known: Mutex::default() }
    }

    /// The URL of EWS for a mailbox, where it is known.
    pub fn at_hand(&self, mailbox: &str) -> Option<Arc<str>> {
        if let EwsServer::Url(url) = &self.server {
            return Some(url.as_str().into());
        }
        let known = self.known();
        known.get(mailbox).filter(|(_, until)| Instant::now() < *until).map(|(url, _)| Arc::clone(url))
    }

    /// The URL of EWS for a mailbox, https.
    pub async fn url(&self, mailbox: &str, door: &Door) -> Result<Arc<str>, Unfound> {
        if let Some(url) = self.at_hand(mailbox) {
            return Ok(url);
        }
        let EwsServer::Autodiscover(settings) = &self.server else {
            return Err(Unfound { reason: "no server is known to have it".to_owned(), is_certain: true });
        };
        let mut search = Search::new(settings, mailbox);
        let mut next = search.start();
        loop {
            let asked = match next {
                Next::Ask(Ask::Post { url, body }) => door.post(&url, mailbox, body).await,
                Next::Ask(Ask::Get { url }) => door.get(&url).await.map_err(DoorError::from),
                Next::Nowhere(reason) => {
                    let unfound = Unfound { reason, is_certain: search.is_certain() };
                    return self.known_before(mailbox, unfound);
                }
                Next::Found(url) => {
                    debug!(mailbox, url, "Autodiscover has found a server");
                    let url: Arc<str> = url.into();
                    self.keep(mailbox, &url, settings.keep);
                    return Ok(url);
                }
            };
            next = match &asked {
                Ok(answer) => search.heard(heard(answer)),
                Err(error) => search.heard(Heard::Nothing(&error.to_string())),
            };
        }
    }

    /// An Autodiscover that is away takes no server away.
    fn known_before(&self, mailbox: &str, unfound: Unfound) -> Result<Arc<str>, Unfound> {
        let before = self.known().get(mailbox).map(|(url, _)| Arc::clone(url));
        match before.filter(|_| !unfound.is_certain) {
            Some(url) => {
                self.keep(mailbox, &url, DOUBT);
                Ok(url)
            }
            None => Err(unfound),
        }
    }

    fn keep(&self, mailbox: &str, url: &Arc<str>, lasts: Duration) {
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(mailbox.to_owned(), (Arc::clone(url), Instant::now() + lasts));
    }

    /// The server that was found does not do: the next one who asks searches again.
    pub fn forget(&self, mailbox: &str) {
        self.known().remove(mailbox);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (Arc<str>, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn heard(answer: &Answer) -> Heard<'_> {
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    Heard::Answer { status: answer.status.as_u16(), location, body: &answer.body }
}
