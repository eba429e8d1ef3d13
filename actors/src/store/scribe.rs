//! The only one who calls the store: a thread that writes whatever has gathered in one transaction, so that many
//! notices share one sync, and that keeps what a failing disk refuses until the disk takes it.

mod desk;

use std::{path::PathBuf, sync::Arc, thread};

use futures_util::future::join_all;
use jiff::Timestamp;
use ringpost::{
    notify::CallRecord,
    outbox::{Effort, Item, Status},
    voicemail::State,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    BindingRow, Change, Expiring, Health, ItemId, Listed, Message, MessageId, OpenItem, PresenceRow, Row,
    Store, StoreError, Written,
};
use crate::mailboxes::MailboxCounts;
use desk::Desk;

/// Commands that may wait; a poster waits for a place, a line of the call log is dropped and counted.
const WAITING: usize = 8192;

/// The way to the scribe's thread. Cheap to clone; the thread ends with the last of them or with [`Scribe::stop`].
#[derive(Clone)]
pub struct Scribe {
    commands: mpsc::Sender<Command>,
    health: Health,
    counts: Arc<MailboxCounts>,
}

/// A notice is safe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Posted {
    /// Written and synced, under this number.
    Committed(ItemId),
    /// It was there already.
    Duplicate,
}

/// A notice is not on the disk.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The disk refused it. It is kept in memory and written as soon as the disk takes it.
    #[error("the notice is not on the disk yet and is kept in memory: {0}")]
    Kept(Arc<StoreError>),
    /// The disk refused it, and there are too many kept ones already.
    #[error("the notice is lost, the disk refuses and too many are kept in memory: {0}")]
    Lost(Arc<StoreError>),
    /// It has a path that is no Unicode text.
    #[error("the notice cannot be written down: {0}")]
    Unwritable(#[from] serde_json::Error),
    /// The store has been stopped.
    #[error("the store is stopped")]
    Stopped,
    /// Whoever should have written it panicked.
    #[error("the outbox failed inside: {0}")]
    Fault(&'static str),
}

/// A notice that was [`PostError::Kept`] and is now on the disk.
#[derive(Debug)]
pub struct Late {
    /// Its number.
    pub id: ItemId,
    /// The notice.
    pub item: Arc<Item>,
}

impl Scribe {
    /// Starts the thread. Late notices come out of the receiver.
    pub fn start(mut store: Box<dyn Store>) -> std::io::Result<(Self, mpsc::UnboundedReceiver<Late>)> {
        let (commands, inbox) = mpsc::channel(WAITING);
        let (late, lates) = mpsc::unbounded_channel();
        let health = Health::default();
        let counts = Arc::new(MailboxCounts::default());
        match store.messages(None) {
            Ok(messages) => counts.fill(&messages),
            Err(error) => tracing::error!(%error, "What the mailboxes hold cannot be read"),
        }
        let desk = Desk::new(store, (health.clone(), Arc::clone(&counts)), late);
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new().name("scribe".to_owned()).spawn(move || clock.block_on(desk.work(inbox)))?;
        Ok((Self { commands, health, counts }, lates))
    }

    /// Whether the store takes what it is given.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// How many messages each mailbox holds, after the latest commit.
    pub fn counts(&self) -> &Arc<MailboxCounts> {
        &self.counts
    }

    /// Writes a notice; returns after the commit.
    pub async fn post(&self, item: Item) -> Result<Posted, PostError> {
        self.post_all(vec![item]).await?.pop().unwrap_or(Err(PostError::Stopped))
    }

    /// Writes notices in one transaction; returns after the commit, with an answer for each.
    ///
    /// # Errors
    /// None of them can be written down.
    pub async fn post_all(
        &self,
        items: Vec<Item>,
    ) -> Result<Vec<Result<Posted, PostError>>, serde_json::Error> {
        let (mut posts, mut answers) = (Vec::new(), Vec::new());
        for item in items {
            let (reply, answer) = oneshot::channel();
            posts.push((Row::of(item)?, reply));
            answers.push(answer);
        }
        // Where the store has stopped, the replies are dropped with the command.
        let _ = self.commands.send(Command::Post(posts)).await;
        let answers = join_all(answers).await.into_iter();
        Ok(answers.map(|answer| answer.unwrap_or(Err(PostError::Stopped))).collect())
    }

    /// Writes what has become of an item; returns after the commit, however long the disk refuses. `None`: stopped.
    pub async fn change(&self, id: ItemId, change: Change) -> Option<Written> {
        self.ask(|reply| Command::Change(id, change, reply)).await
    }

    /// Notes that a try has begun: written within a second, and only if nothing has overtaken it.
    pub fn sending(&self, id: ItemId) {
        // Without the note the list shows "queued" and a restart does the same, so a full queue may lose it.
        let _ = self.commands.try_send(Command::Sending(id));
    }

    /// Adds a line to the call log, within a second. False: dropped, because the store is far behind.
    pub fn record(&self, call: CallRecord) -> bool {
        self.commands.try_send(Command::Record(Box::new(call))).is_ok()
    }

    /// Writes what a user has changed of the policy; returns after the commit. False: the disk refused, or the store is
    /// stopped.
    pub async fn set_policy(&self, user: String, body: Option<String>) -> bool {
        self.ask(|reply| Command::Policy(user, body, reply)).await.unwrap_or(false)
    }

    /// What users have changed of their policies, as it was written. `None`: stopped.
    pub async fn policies(&self) -> Option<Result<Vec<(String, String)>, StoreError>> {
        self.read(|store| store.policies()).await
    }

    /// Writes users' bindings; returns after the commit. False: the disk refused, or the store is stopped.
    pub async fn bind(&self, rows: Vec<BindingRow>) -> bool {
        self.ask(|reply| Command::Bind(rows, reply)).await.unwrap_or(false)
    }

    /// The bindings of every user, as they were written. `None`: stopped.
    pub async fn bindings(&self) -> Option<Result<Vec<(String, String)>, StoreError>> {
        self.read(|store| store.bindings()).await
    }

    /// Writes where a message of a mailbox stands, `None`: deleted; returns after the commit. False: the disk refused, or
    /// the store is stopped.
    pub async fn set_message(&self, user: Arc<str>, id: MessageId, state: Option<State>) -> bool {
        self.ask(|reply| Command::Message(user, id, state, reply)).await.unwrap_or(false)
    }

    /// Forgets a message whose recording is gone. False: the disk refused, or the store is stopped.
    pub async fn forget_message(&self, user: Arc<str>, id: MessageId) -> bool {
        self.ask(|reply| Command::Forget(user, id, reply)).await.unwrap_or(false)
    }

    /// The messages of a user's mailbox, or of all, the oldest first; those that are deleted as long as their recording is
    /// there. `None`: stopped.
    pub async fn messages(&self, user: Option<Arc<str>>) -> Option<Result<Vec<Message>, StoreError>> {
        self.read(move |store| store.messages(user.as_deref())).await
    }

    /// Writes what a user has changed of the own mailbox; returns after the commit. False: the disk refused, or the store
    /// is stopped.
    pub async fn set_mailbox(&self, user: Arc<str>, body: Option<String>) -> bool {
        self.ask(|reply| Command::Mailbox(user, body, reply)).await.unwrap_or(false)
    }

    /// What users have changed of their mailboxes, as it was written. `None`: stopped.
    pub async fn mailboxes(&self) -> Option<Result<Vec<(String, String)>, StoreError>> {
        self.read(|store| store.mailboxes()).await
    }

    /// Writes subscriptions and publications; returns after the commit. False: the disk refused, or the store is stopped.
    pub async fn keep_presence(&self, rows: Vec<PresenceRow>) -> bool {
        self.ask(|reply| Command::Presence(rows, reply)).await.unwrap_or(false)
    }

    /// The subscriptions and publications with names after that one, as they were written; at most `limit`, in order. `None`:
    /// stopped.
    pub async fn presence(
        &self,
        after: String,
        limit: usize,
    ) -> Option<Result<Vec<(String, String)>, StoreError>> {
        self.read(move |store| store.presence(&after, limit)).await
    }

    /// The items after that one that are neither delivered nor dead. `None`: stopped.
    pub async fn open_items(&self, after: ItemId, limit: usize) -> Option<Result<Vec<OpenItem>, StoreError>> {
        self.read(move |store| store.open_items(after, limit)).await
    }

    /// One item that is neither delivered nor dead, and what it has been through. `None`: stopped.
    pub async fn load(&self, id: ItemId) -> Option<Result<Option<(Item, Effort)>, StoreError>> {
        self.read(move |store| store.load(id)).await
    }

    /// The newest items of a status, or of all. `None`: stopped.
    pub async fn list(
        &self,
        status: Option<Status>,
        limit: usize,
    ) -> Option<Result<Vec<Listed>, StoreError>> {
        self.read(move |store| store.list(status, limit)).await
    }

    /// How many items there are of each status. `None`: stopped.
    pub async fn depth(&self) -> Option<Result<[u64; Status::ALL.len()], StoreError>> {
        self.read(|store| store.depth()).await
    }

    /// The newest lines of the call log, with those still waiting to be written. `None`: stopped.
    pub async fn calls(&self, limit: usize) -> Option<Result<Vec<CallRecord>, StoreError>> {
        self.read(move |store| store.calls(limit)).await
    }

    /// Removes rows of a kind that last changed before then, at most `limit`. `None`: stopped.
    pub async fn expire(
        &self,
        kind: Expiring,
        before: Timestamp,
        limit: usize,
    ) -> Option<Result<usize, StoreError>> {
        self.read(move |store| store.expire(kind, before, limit)).await
    }

    /// The recordings of notices that are not told yet, and of dead letters. `None`: stopped.
    pub async fn recordings_needed(&self) -> Option<Result<Vec<PathBuf>, StoreError>> {
        self.read(|store| store.recordings_needed()).await
    }

    /// Writes everything that waits and closes the store.
    pub async fn stop(&self) {
        self.ask(Command::Stop).await;
    }

    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Store) -> T + Send + 'static,
    ) -> Option<T> {
        self.ask(|reply| {
            Command::Read(Box::new(move |store| {
                let _ = reply.send(question(store));
            }))
        })
        .await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// Who waits for a notice to be on the disk.
type Poster = oneshot::Sender<Result<Posted, PostError>>;

type Question = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// What the thread is asked to do.
enum Command {
    Post(Vec<(Row, Poster)>),
    Change(ItemId, Change, oneshot::Sender<Written>),
    Sending(ItemId),
    Record(Box<CallRecord>),
    Policy(String, Option<String>, oneshot::Sender<bool>),
    Bind(Vec<BindingRow>, oneshot::Sender<bool>),
    Presence(Vec<PresenceRow>, oneshot::Sender<bool>),
    Message(Arc<str>, MessageId, Option<State>, oneshot::Sender<bool>),
    Forget(Arc<str>, MessageId, oneshot::Sender<bool>),
    Mailbox(Arc<str>, Option<String>, oneshot::Sender<bool>),
    Read(Question),
    Stop(oneshot::Sender<()>),
}
