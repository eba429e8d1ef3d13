//! The port to durable state: what the outbox and the call log need, and what they may assume.
//!
//! A [`Store`] blocks, so nobody calls it but the [`Scribe`], which owns it on a thread of its own.

mod scribe;
mod sqlite;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use ringpost::{
    address::Caller,
    notify::{CallRecord, Kind},
    outbox::{ChannelName, Effort, Item, Key, Status, Wish},
    voicemail::State,
};

use serde::Serialize;

use crate::metrics::{self, METRICS};
pub use scribe::{Late, PostError, Posted, Scribe};
pub use sqlite::{OpenError, Sqlite, private};

/// The number of an item in the store.
pub type ItemId = i64;

/// Durable state. Every call is one transaction: all of it is on the disk when it returns `Ok`, nothing when `Err`.
pub trait Store: Send {
    /// Writes a batch in order; the answers are in the same order.
    fn write(&mut self, batch: &[&Write]) -> Result<Vec<Written>, StoreError>;
    /// The items after that one that are neither delivered nor dead and are not told by another one, oldest first.
    fn open_items(&mut self, after: ItemId, limit: usize) -> Result<Vec<OpenItem>, StoreError>;
    /// One item that is neither delivered nor dead nor told by another one, and what it has been through.
    fn load(&mut self, id: ItemId) -> Result<Option<(Item, Effort)>, StoreError>;
    /// The newest items of a status, or of all.
    fn list(&mut self, status: Option<Status>, limit: usize) -> Result<Vec<Listed>, StoreError>;
    /// How many items there are of each status, in the order of [`Status::ALL`].
    fn depth(&mut self) -> Result<[u64; Status::ALL.len()], StoreError>;
    /// What users have changed of their policies, as it was written.
    fn policies(&mut self) -> Result<Vec<(String, String)>, StoreError>;
    /// The bindings of every user, as they were written.
    fn bindings(&mut self) -> Result<Vec<(String, String)>, StoreError>;
    /// The subscriptions and publications with names after that one, as they were written; at most `limit`, in order.
    fn presence(&mut self, after: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError>;
    /// The newest lines of the call log.
    fn calls(&mut self, limit: usize) -> Result<Vec<CallRecord>, StoreError>;
    /// How notices of calls have ended since then, the newest first.
    fn endings(&mut self, since: Timestamp, limit: usize) -> Result<Vec<Ending>, StoreError>;
    /// Removes at most `limit` rows of a kind that last changed before then; how many they were.
    fn expire(&mut self, kind: Expiring, before: Timestamp, limit: usize) -> Result<usize, StoreError>;
    /// The recordings of notices that are not told yet, and those of dead letters.
    fn recordings_needed(&mut self) -> Result<Vec<PathBuf>, StoreError>;
    /// The messages of a user's mailbox, or of all; the oldest first.
    fn messages(&mut self, user: Option<&str>) -> Result<Vec<Message>, StoreError>;
    /// What users have changed of their mailboxes, as it was written.
    fn mailboxes(&mut self) -> Result<Vec<(String, String)>, StoreError>;
    /// Leaves everything tidy for the next start.
    fn close(&mut self) -> Result<(), StoreError>;
}

/// What the store keeps for some time only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expiring {
    /// Notices that are told.
    Delivered,
    /// Dead letters.
    Dead,
    /// Lines of the call log, and those about the ends of their notices.
    Calls,
}

/// One thing to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A new item, unless its notice has that entry, or is with that channel, already.
    Insert(Row),
    /// What has become of an item.
    Change(ItemId, Change),
    /// A line of the call log.
    Record(Box<CallRecord>),
    /// What a user has changed of the policy from now on; no text: nothing.
    Policy(String, Option<String>),
    /// The bindings of users from now on.
    Bind(Vec<BindingRow>),
    /// Subscriptions and publications from now on.
    Presence(Vec<PresenceRow>),
    /// A message of a user's mailbox is in that state from now on; `None`: it is deleted.
    Message(Arc<str>, MessageId, Option<State>),
    /// A message of a user's mailbox whose recording is gone.
    Forget(Arc<str>, MessageId),
    /// What a user has changed of the own mailbox from now on; no text: nothing.
    Mailbox(Arc<str>, Option<String>),
}

/// The number of a message in the store.
pub type MessageId = i64;

/// A message of a mailbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Its number.
    pub id: MessageId,
    /// Whose mailbox it is in: the address of record.
    pub user: Arc<str>,
    /// The recording.
    pub recording: PathBuf,
    /// Who has left it.
    pub caller: Caller,
    /// When the call came in.
    pub came_in: Timestamp,
    /// Its length.
    pub duration: Duration,
    /// Whether its caller called it urgent.
    pub urgent: bool,
    /// Where it stands; `None`: deleted, and gone with its recording.
    pub state: Option<State>,
}

/// A subscription or publication by its name; no text: it is over.
pub type PresenceRow = (String, Option<String>);

/// A user's address and all the user's bindings; no text: none.
pub type BindingRow = (Arc<str>, Option<String>);

/// An item made ready to be written, so that nothing but the disk can fail afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    key: Key,
    kind: &'static str,
    body: String,
    wish: Option<String>,
    /// The item itself.
    pub item: Arc<Item>,
}

impl Row {
    /// Makes an item ready.
    pub fn of(item: Item) -> Result<Self, serde_json::Error> {
        let kind = match item.notice.kind {
            Kind::Missed => "missed",
            Kind::VoiceMail { .. } => "voice-mail",
            Kind::Digest { .. } => "digest",
            Kind::Locked { .. } => "locked",
        };
        let body = serde_json::to_string(&item)?;
        let wish = (!item.wish.is_none()).then(|| serde_json::to_string(&item.wish)).transpose()?;
        Ok(Self { key: Key::of(&item.notice), kind, body, wish, item: Arc::new(item) })
    }
}

/// What has become of an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A try has begun.
    Sending,
    /// It is told.
    Delivered,
    /// It is tried again.
    Delayed {
        /// When, by the wall clock: for the next start only.
        due: Timestamp,
        /// What it has been through by then.
        effort: Effort,
        /// Why.
        reason: String,
    },
    /// From now on it is these: the whole item with each of its new ways. The first takes its place.
    Instead {
        /// At least one.
        rows: Vec<Row>,
        /// Why.
        reason: String,
    },
    /// What was held goes now, by itself.
    Release,
    /// These items, which are held, are told together from now on, by this new one.
    Gather {
        /// The new item.
        row: Row,
        /// At least one.
        members: Vec<ItemId>,
    },
    /// It says something else from now on, and keeps its key.
    Rewrite(Row),
    /// It is closed untold.
    Untold {
        /// Why.
        reason: String,
    },
    /// A dead letter.
    Dead {
        /// Why.
        reason: String,
    },
    /// A person wants a dead or delayed item sent again, from the beginning.
    Resend,
    /// A person wants a dead letter removed.
    Remove,
}

/// What came of one [`Write`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Written {
    /// A new item, with its number.
    New(ItemId),
    /// The item was there already.
    Known,
    /// The change is made or the line is written.
    Done,
    /// The change had nothing to change: no such item, or its status (for `Resend`, `Remove` and what concerns held ones)
    /// is another.
    Nothing,
    /// The numbers of what an item has become; none where that notice is with that channel already. Where it is so with
    /// the first, the item itself is closed as delivered.
    Became(Vec<Option<ItemId>>),
}

/// An item to take up again after a start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenItem {
    /// Its number.
    pub id: ItemId,
    /// The channel that carries it.
    pub channel: ChannelName,
    /// Where it stands.
    pub status: Status,
    /// When it is due, by the wall clock that wrote it.
    pub due: Timestamp,
    /// When it was taken, to the second.
    pub posted: Timestamp,
    /// Whether it has been tried.
    pub tried: bool,
    /// How long it has waited for its channel.
    pub waited: Duration,
    /// Whether another channel takes over where this one does not tell.
    pub has_next: bool,
    /// The mail address of its user.
    pub mail: Option<Arc<str>>,
    /// Its user and what that one wants of it besides, where there is anything.
    pub wish: Option<Box<OwnWish>>,
}

/// The last line of the call log about a notice: it is told, or it is given up.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Ending {
    /// The Call-ID of the caller's leg.
    pub call_id: String,
    /// The user whose notice it was, as an address of record.
    pub user: String,
    /// `missed` or `voice-mail`.
    pub kind: String,
    /// The channel that had it last.
    pub channel: String,
    /// [`Status::Delivered`] or [`Status::Dead`].
    pub status: Status,
    /// Why it is dead, or told otherwise than by itself.
    pub reason: Option<String>,
    /// When that was written.
    pub at: Timestamp,
}

/// What a user, named by the address of record, wants of a notice.
pub type OwnWish = (Arc<str>, Wish);

/// An item as a list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its number.
    pub id: ItemId,
    /// The item.
    pub item: Item,
    /// Where it stands.
    pub status: Status,
    /// What it has been through.
    pub effort: Effort,
    /// Why it is where it is.
    pub reason: Option<String>,
    /// When that last changed.
    pub changed: Timestamp,
    /// When it is due, where it is delayed.
    pub due: Option<Timestamp>,
    /// The digest that tells it.
    pub told_by: Option<ItemId>,
}

/// The store could not do it. Nothing was written; the same call may be made again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says why.
    #[error("the store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row is not what this version wrote.
    #[error("item {id} of the store cannot be read: {why}")]
    Unreadable {
        /// Which.
        id: ItemId,
        /// Why.
        why: String,
    },
    /// It panicked.
    #[error("the store failed inside: {0}")]
    Fault(&'static str),
}

/// Whether the store takes what it is given. Red from the first failed write until everything kept is written.
#[derive(Clone, Debug)]
pub struct Health(Arc<AtomicBool>);

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Health {
    /// Green.
    pub fn is_good(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it; true if that was a change.
    fn set(&self, good: bool) -> bool {
        let changed = self.0.swap(good, Ordering::Relaxed) != good;
        if changed {
            let state =
                if good { metrics::State::Green } else { metrics::State::Red("it refuses to write".into()) };
            METRICS.health.set("store", state);
        }
        changed
    }
}
