//! What a server holds of one user's publications, by version: an optimistic lock for each.
//!
//! A version is that of the publication which the new one takes the place of. A server that has another one refuses all with
//! `WrongDelta` and tells its own; then the same is sent once more with those. So versions need not outlive a restart: who
//! begins with zero is told the right one.

use std::{
    collections::BTreeMap,
    fmt::Write,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crate::xml::{XmlError, elements, escaped};

/// The media type of what is sent.
pub const TYPE: &str = "application/msrtc-category-publish+xml";

/// A category of what is known of users.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Category {
    /// `state`.
    State,
    /// `calendarData`.
    CalendarData,
    /// `mwi`: what waits in the mailbox.
    MessageWaiting,
}

impl Category {
    /// `categoryName`.
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::CalendarData => "calendarData",
            Self::MessageWaiting => "mwi",
        }
    }
}

/// Names one publication of a user.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Key {
    /// Its category.
    pub category: Category,
    /// Which of that category.
    pub instance: u32,
    /// Who sees it.
    pub container: u16,
}

/// What one publication is to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Piece {
    /// Which one.
    pub key: Key,
    /// The element; `None`: nothing.
    pub content: Option<String>,
    /// Other endpoints of the user write it too: it outlives each, and is taken back by whoever has written it.
    pub is_shared: bool,
}

/// What a server holds, as far as is known.
#[derive(Clone, Debug)]
pub struct Ledger {
    uri: Arc<str>,
    held: BTreeMap<Key, Held>,
    /// It has taken a whole picture, so that what is not `held` is not there.
    is_known: bool,
}

/// One publication at the server.
#[derive(Clone, Copy, Debug)]
struct Held {
    version: u32,
    mark: u64,
    is_shared: bool,
}

/// Operations that go in one request.
#[derive(Clone, Debug)]
pub struct Batch {
    uri: Arc<str>,
    operations: Vec<Operation>,
    /// The server's versions have gone back: it has lost what it held.
    pub has_lost: bool,
}

#[derive(Clone, Debug)]
struct Operation {
    piece: Piece,
    version: u32,
    /// It takes back what may not be there at all.
    is_blind: bool,
}

impl Ledger {
    /// Nothing known yet. `uri`: the user's.
    pub fn new(uri: Arc<str>) -> Self {
        Self { uri, held: BTreeMap::new(), is_known: false }
    }

    /// What brings the server to hold that; what it holds already goes along only if `all` is wanted anew.
    pub fn batch(&self, picture: &[Piece], all: bool) -> Batch {
        let operation = |piece: &Piece| {
            let held = self.held.get(&piece.key);
            let is_blind = piece.content.is_none() && held.is_none();
            let goes = match (&piece.content, held) {
                (Some(content), Some(held)) => all || held.mark != mark(content),
                (Some(_), None) | (None, Some(_)) => true,
                // What the last run of Ringpost has left there.
                (None, None) => !self.is_known && !piece.is_shared,
            };
            let version = held.map_or(0, |held| held.version);
            goes.then(|| Operation { piece: piece.clone(), version, is_blind })
        };
        // What is not in the picture any more, since the site wants less to be told.
        let is_gone = |key: &&Key| picture.iter().all(|piece| piece.key != **key);
        let gone = self.held.iter().filter(|(key, _)| is_gone(key)).map(|(key, held)| {
            let piece = Piece { key: *key, content: None, is_shared: held.is_shared };
            Operation { piece, version: held.version, is_blind: false }
        });
        let operations = picture.iter().filter_map(operation).chain(gone).collect();
        Batch { uri: Arc::clone(&self.uri), operations, has_lost: false }
    }

    /// The server has taken a batch.
    pub fn took(&mut self, batch: &Batch) {
        if batch.has_lost {
            // Whatever did not go along is gone too.
            self.held.clear();
        }
        for Operation { piece, version, .. } in &batch.operations {
            match &piece.content {
                Some(content) => {
                    let (version, mark) = (version.saturating_add(1), mark(content));
                    self.held.insert(piece.key, Held { version, mark, is_shared: piece.is_shared })
                }
                None => self.held.remove(&piece.key),
            };
        }
        self.is_known = true;
    }

    /// The server has not taken a batch, but may have told its versions.
    pub fn learnt(&mut self, batch: &Batch) {
        if batch.has_lost {
            self.held.clear();
        }
        for Operation { piece, version, .. } in &batch.operations {
            if let Some(held) = self.held.get_mut(&piece.key) {
                held.version = *version;
            }
        }
    }
}

impl Batch {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The document ([`TYPE`]).
    pub fn write(&self) -> String {
        let mut body = String::with_capacity(512 * (1 + self.operations.len()));
        let mut add =
            |text: std::fmt::Arguments<'_>| body.write_fmt(text).expect("a String takes every text");
        add(format_args!(
            "<publish xmlns=\"http://schemas.microsoft.com/2006/09/sip/rich-presence\"><publications uri=\"{}\">",
            escaped(&self.uri)
        ));
        for Operation { piece: Piece { key, content, is_shared }, version, .. } in &self.operations {
            add(format_args!(
                "<publication categoryName=\"{}\" instance=\"{}\" container=\"{}\" version=\"{version}\" expireType=\"{}\"",
                key.category.name(),
                key.instance,
                key.container,
                if *is_shared { "static" } else { "endpoint" }
            ));
            match content {
                Some(content) => add(format_args!(">{content}</publication>")),
                None => add(format_args!(" expires=\"0\"/>")),
            }
        }
        add(format_args!("</publications></publish>"));
        body
    }

    /// The server has refused it with that body; true where it is to be sent again, with other versions.
    ///
    /// # Errors
    /// The body is no XML that is read.
    pub fn refused(&mut self, body: &[u8]) -> Result<bool, XmlError> {
        let elements = elements(body)?;
        let wrong = |text: &str| text.eq_ignore_ascii_case("Client.BadCall.WrongDelta");
        if !elements.iter().any(|one| one.name.eq_ignore_ascii_case("Faultcode") && wrong(&one.text)) {
            return Ok(false);
        }
        let mut changed = false;
        for fault in elements.iter().filter(|one| one.name == "operation") {
            let number = |name| fault.attribute(name).and_then(|text| text.trim().parse::<u32>().ok());
            let (Some(index), Some(version)) = (number("index"), number("curVersion")) else { continue };
            // The first one is number 1.
            let at = usize::try_from(index).ok().and_then(|index| index.checked_sub(1));
            if let Some(operation) = at.and_then(|at| self.operations.get_mut(at)) {
                // What others write too is theirs to take back.
                self.has_lost |= version < operation.version && !operation.piece.is_shared;
                changed |= std::mem::replace(&mut operation.version, version) != version;
            }
        }
        Ok(changed)
    }

    /// Leaves out what takes back nothing that is known to be there; whether that was anything.
    pub fn sees_nothing_blindly(&mut self) -> bool {
        let before = self.operations.len();
        self.operations.retain(|operation| !operation.is_blind);
        self.operations.len() < before
    }
}

/// Tells pictures apart; never zero.
pub fn mark_of(picture: &[Piece]) -> u64 {
    let mut hasher = DefaultHasher::new();
    picture.iter().for_each(|piece| piece.content.hash(&mut hasher));
    hasher.finish() | 1
}

fn mark(content: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}
