//! The callees' own contacts: listed when the first number is looked up in them, and kept for a while. Servers cannot be
//! asked for a number, since people write numbers as they like and servers compare texts.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use ringpost::{directory::Directory, identity::Book};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout},
};
use tracing::debug;

use super::{Known, Question, Silent, Source};
use crate::channel::{Contacts, contacts::Unlisted};

/// Parts of one list that are read; whoever has more contacts is named by those.
const PARTS: usize = 50;
/// Lists read at once: servers allow one account some 20 requests.
const AT_ONCE: usize = 8;

/// The source.
pub struct CalleesContacts {
    server: Arc<dyn Contacts>,
    directory: Arc<ArcSwap<Directory>>,
    refresh: Duration,
    room: Arc<Semaphore>,
    shelves: Arc<Mutex<Shelves>>,
}

/// The lists by mailbox.
struct Shelves {
    lists: HashMap<String, Shelf>,
    /// Numbers, and one for each list.
    kept: usize,
    most: usize,
}

struct Shelf {
    book: Arc<Book>,
    /// When it was read; `None`: not yet.
    read: Option<Instant>,
    used: Instant,
    reading: Option<Reading>,
}

/// A list that is being read.
#[derive(Clone)]
struct Reading {
    done: watch::Receiver<Option<Result<(), Unlisted>>>,
    /// Parts that have come.
    parts: Arc<AtomicUsize>,
}

impl CalleesContacts {
    pub fn new(
        server: Arc<dyn Contacts>,
        directory: Arc<ArcSwap<Directory>>,
        refresh: Duration,
        most: usize,
    ) -> Self {
        let shelves = Shelves { lists: HashMap::new(), kept: 0, most };
        let shelves = Arc::new(Mutex::new(shelves));
        Self { server, directory, refresh, room: Arc::new(Semaphore::new(AT_ONCE)), shelves }
    }

    async fn look(&self, question: &Question, patience: Duration) -> Result<Option<String>, Silent> {
        let Some(mailbox) = question.callee.as_deref() else { return Ok(None) };
        if let Known::Fresh(name) = self.known(question) {
            return Ok(name);
        }
        let mut reading = self.reading(mailbox, patience);
        match timeout(patience, reading.done.wait_for(Option::is_some))
            .await
            .map(|done| done.map(|done| done.clone()))
        {
            Ok(Ok(Some(Err(Unlisted::Down(why))))) => Err(Silent::Down(why)),
            Ok(Ok(_)) => {
                let shelves = locked(&self.shelves);
                let book = shelves.lists.get(mailbox).map(|shelf| &shelf.book);
                Ok(book.and_then(|book| book.name(&question.number)).map(str::to_owned))
            }
            Ok(Err(_)) => Err(Silent::Down("reading failed inside".to_owned())),
            Err(_) if reading.parts.load(Relaxed) > 0 => Err(Silent::Slow),
            Err(_) => Err(Silent::Down("it took too long".to_owned())),
        }
    }

    /// The list as it is being read.
    fn reading(&self, mailbox: &str, patience: Duration) -> Reading {
        let mut shelves = locked(&self.shelves);
        let shelf = shelves.shelf(mailbox, Instant::now());
        // Nobody reads any more where the reader has failed inside.
        if let Some(reading) = shelf.reading.clone().filter(|reading| reading.done.has_changed().is_ok()) {
            return reading;
        }
        let (told, done) = watch::channel(None);
        let reading = Reading { done, parts: Arc::default() };
        shelf.reading = Some(reading.clone());
        drop(shelves);
        let reader = Reader {
            server: Arc::clone(&self.server),
            directory: Arc::clone(&self.directory),
            mailbox: mailbox.to_owned(),
            parts: Arc::clone(&reading.parts),
            patience,
        };
        let (room, shelves) = (Arc::clone(&self.room), Arc::clone(&self.shelves));
        tokio::spawn(async move {
            let _place = room.acquire().await;
            let read = reader.read().await;
            let done = read.as_ref().map(drop).map_err(Clone::clone);
            locked(&shelves).put(reader.mailbox, read);
            told.send_replace(Some(done));
        });
        reading
    }
}

impl Source for CalleesContacts {
    fn known(&self, question: &Question) -> Known {
        let now = Instant::now();
        let mut shelves = locked(&self.shelves);
        let shelf = question.callee.as_deref().and_then(|mailbox| shelves.lists.get_mut(mailbox));
        let Some(shelf) = shelf else { return Known::Nothing };
        shelf.used = now;
        let name = shelf.book.name(&question.number).map(str::to_owned);
        match (shelf.read.is_some_and(|read| now.duration_since(read) < self.refresh), name) {
            (true, name) => Known::Fresh(name),
            // Who was on the list mostly still is.
            (false, Some(name)) => Known::Old(name),
            (false, None) => Known::Nothing,
        }
    }

    fn name<'a>(
        &'a self,
        question: &'a Question,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Option<String>, Silent>> {
        Box::pin(self.look(question, patience))
    }

    fn is_private(&self) -> bool {
        true
    }
}

fn locked(shelves: &Mutex<Shelves>) -> MutexGuard<'_, Shelves> {
    shelves.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelves {
    fn shelf(&mut self, mailbox: &str, now: Instant) -> &mut Shelf {
        if !self.lists.contains_key(mailbox) {
            self.kept += 1;
            self.make_room(mailbox);
        }
        let empty = || Shelf { book: Arc::default(), read: None, used: now, reading: None };
        let shelf = self.lists.entry(mailbox.to_owned()).or_insert_with(empty);
        shelf.used = now;
        shelf
    }

    /// Keeps what was read. A mailbox that shows nothing is not asked again before its time; after a failure the old list
    /// stays.
    fn put(&mut self, mailbox: String, read: Result<Book, Unlisted>) {
        let now = Instant::now();
        let shelf = self.shelf(&mailbox, now);
        shelf.reading = None;
        let book = match read {
            Ok(book) => book,
            Err(Unlisted::Closed(why)) => {
                debug!(mailbox, why, "A mailbox does not show its contacts");
                Book::default()
            }
            Err(Unlisted::Down(_)) => return,
        };
        shelf.read = Some(now);
        let before = std::mem::replace(&mut shelf.book, Arc::new(book)).len();
        let after = shelf.book.len();
        self.kept = self.kept + after - before;
        self.make_room(&mailbox);
    }

    /// Forgets the lists that nobody has looked into for longest, but never this one.
    fn make_room(&mut self, but: &str) {
        while self.kept > self.most {
            let others =
                self.lists.iter().filter(|(mailbox, shelf)| *mailbox != but && shelf.reading.is_none());
            let Some(oldest) = others.min_by_key(|(_, shelf)| shelf.used).map(|(mailbox, _)| mailbox.clone())
            else {
                return;
            };
            let gone = self.lists.remove(&oldest).map_or(0, |shelf| shelf.book.len() + 1);
            self.kept -= gone;
        }
    }
}

/// Reads one list.
struct Reader {
    server: Arc<dyn Contacts>,
    directory: Arc<ArcSwap<Directory>>,
    mailbox: String,
    parts: Arc<AtomicUsize>,
    patience: Duration,
}

impl Reader {
    /// Goes on where nobody waits any more: the next call finds the list.
    async fn read(&self) -> Result<Book, Unlisted> {
        let (mut contacts, mut next) = (Vec::new(), None::<String>);
        for _ in 0..PARTS {
            let page = timeout(self.patience, self.server.page(&self.mailbox, next.as_deref())).await;
            let page = page.unwrap_or_else(|_| Err(Unlisted::Down("it took too long".to_owned())))?;
            self.parts.fetch_add(1, Relaxed);
            contacts.extend(page.contacts);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let directory = self.directory.load();
        let location = directory.location_of_mailbox(&self.mailbox);
        Ok(Book::of(&contacts, |number| directory.site.outbound.contact_at(location, number)))
    }
}
