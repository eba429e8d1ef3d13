//! The scribe's desk: what is to be written now, what may wait a second, and what the disk has refused.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use ringpost::notify::{CallRecord, Kind};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};

use super::{Command, Late, PostError, Posted, Poster};
use crate::guard::caught;
use crate::mailboxes::MailboxCounts;
use crate::store::{Change, Health, ItemId, Store, StoreError, Write, Written};

/// Commands taken into one transaction at most.
const BATCH: usize = 256;
/// What the disk refused and memory keeps, at most.
const KEPT: usize = 10_000;
/// Lines of the call log that wait at most; above it the oldest go.
const LINES: usize = 20_000;
/// Lines of the call log in one transaction: a notice that comes in behind them waits some milliseconds.
const LINES_AT_ONCE: usize = 4_000;
/// Pause between tries to write what was refused, and between transactions of the call log.
const PAUSE: Duration = Duration::from_secs(1);

pub struct Desk {
    store: Box<dyn Store>,
    health: Health,
    counts: Arc<MailboxCounts>,
    late: mpsc::UnboundedSender<Late>,
    /// Refused by the disk, oldest first, tried again every [`PAUSE`].
    kept: VecDeque<(Write, Reply)>,
    retry_at: Option<Instant>,
    sending: BTreeSet<ItemId>,
    lines: VecDeque<Write>,
    lost_lines: u64,
    lines_at: Option<Instant>,
}

/// Who waits for a write.
enum Reply {
    Poster(Poster),
    /// The poster has been told that it is kept.
    Late,
    Changer(oneshot::Sender<Written>),
    /// Keeps what is refused itself.
    Binder(oneshot::Sender<bool>),
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.health.set(false);
    }
}

impl Desk {
    pub fn new(
        store: Box<dyn Store>,
        (health, counts): (Health, Arc<MailboxCounts>),
        late: mpsc::UnboundedSender<Late>,
    ) -> Self {
        let (kept, lines) = (VecDeque::new(), VecDeque::new());
        let sending = BTreeSet::new();
        let (retry_at, lines_at, lost_lines) = (None, None, 0);
        Self { store, health, counts, late, kept, retry_at, sending, lines, lost_lines, lines_at }
    }

    /// Works until it is told to stop or nobody is left to tell it anything.
    pub async fn work(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut taken = Vec::with_capacity(BATCH);
        loop {
            let alarm = self.retry_at.into_iter().chain(self.lines_at).min();
            let wait = async {
                match alarm {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let closed = tokio::select! {
                biased;
                count = inbox.recv_many(&mut taken, BATCH) => count == 0,
                () = wait => false,
            };
            let stop = self.take(&mut taken);
            if self.retry_at.is_some_and(|at| at <= Instant::now()) {
                self.retry();
            }
            if self.lines_at.is_some_and(|at| at <= Instant::now()) {
                self.write_lines();
            }
            if closed || stop.is_some() {
                self.tidy();
                // Whoever is told may open the store again at once.
                drop(self);
                let _ = stop.map(|told| told.send(()));
                return;
            }
        }
    }

    /// Sorts what came in, writes what is urgent in one transaction, then answers the questions.
    fn take(&mut self, taken: &mut Vec<Command>) -> Option<oneshot::Sender<()>> {
        let (mut urgent, mut questions, mut stop) = (Vec::new(), Vec::new(), None);
        for command in taken.drain(..) {
            match command {
                Command::Post(posts) => {
                    let posts = posts.into_iter();
                    urgent.extend(posts.map(|(row, poster)| (Write::Insert(row), Reply::Poster(poster))));
                }
                Command::Change(id, change, reply) => {
                    self.sending.remove(&id);
                    urgent.push((Write::Change(id, change), Reply::Changer(reply)));
                }
                Command::Sending(id) => {
                    self.sending.insert(id);
                    self.lines_at.get_or_insert_with(|| Instant::now() + PAUSE);
                }
                Command::Record(call) => self.note(call),
                Command::Bind(rows, reply) => urgent.push((Write::Bind(rows), Reply::Binder(reply))),
                Command::Presence(rows, reply) => {
                    urgent.push((Write::Presence(rows), Reply::Binder(reply)));
                }
                Command::Policy(user, body, reply) => {
                    urgent.push((Write::Policy(user, body), Reply::Binder(reply)));
                }
                Command::Message(user, id, state, reply) => {
                    urgent.push((Write::Message(user, id, state), Reply::Binder(reply)));
                }
                Command::Forget(user, id, reply) => {
                    urgent.push((Write::Forget(user, id), Reply::Binder(reply)));
                }
                Command::Mailbox(user, body, reply) => {
                    urgent.push((Write::Mailbox(user, body), Reply::Binder(reply)));
                }
                Command::Read(question) => questions.push(question),
                Command::Stop(told) => stop = Some(told),
            }
        }
        if !urgent.is_empty() {
            self.write(urgent);
        }
        for question in questions {
            if let Err(fault) = caught(|| question(&mut *self.store)) {
                error!(fault, "A fault in the store: a question has no answer");
            }
        }
        stop
    }

    fn note(&mut self, call: Box<CallRecord>) {
        if self.lines.len() >= LINES {
            self.lines.pop_front();
            self.lost_lines += 1;
        }
        self.lines.push_back(Write::Record(call));
        self.lines_at.get_or_insert_with(|| Instant::now() + PAUSE);
    }

    fn write(&mut self, urgent: Vec<(Write, Reply)>) {
        let batch: Vec<&Write> = urgent.iter().map(|(write, _)| write).collect();
        match write_caught(&mut *self.store, &batch) {
            Ok(written) => {
                // Whoever is answered may look at the counts at once.
                recount(&mut *self.store, &self.counts, batch.iter().copied().zip(&written));
                for ((write, reply), written) in urgent.into_iter().zip(written) {
                    self.answer(&write, reply, written);
                }
                self.cheer();
            }
            Err(refused) => {
                let refused = Arc::new(refused);
                self.complain(&refused);
                for (write, reply) in urgent {
                    self.keep(write, reply, &refused);
                }
            }
        }
    }

    /// Keeps what was refused. A change is always kept: there are never more than items being sent.
    fn keep(&mut self, write: Write, reply: Reply, refused: &Arc<StoreError>) {
        let reply = match reply {
            Reply::Poster(poster) if self.kept.len() >= KEPT => {
                error!("A notice is lost: the disk refuses it and too many are kept in memory");
                return drop(poster.send(Err(PostError::Lost(refused.clone()))));
            }
            Reply::Poster(poster) => {
                let _ = poster.send(Err(PostError::Kept(refused.clone())));
                Reply::Late
            }
            Reply::Binder(binder) => {
                let _ = binder.send(false);
                return;
            }
            other @ (Reply::Late | Reply::Changer(_)) => other,
        };
        self.kept.push_back((write, reply));
        self.retry_at.get_or_insert_with(|| Instant::now() + PAUSE);
    }

    /// Tries what was refused: together, and if that fails the first one alone, which then goes to the end, so that
    /// one bad row never holds up the others.
    fn retry(&mut self) {
        self.retry_at = None;
        for size in [BATCH, 1] {
            while !self.kept.is_empty() {
                let count = size.min(self.kept.len());
                let batch: Vec<&Write> = self.kept.iter().take(count).map(|(write, _)| write).collect();
                let Ok(written) = write_caught(&mut *self.store, &batch) else { break };
                recount(&mut *self.store, &self.counts, batch.iter().copied().zip(&written));
                let done: Vec<_> = self.kept.drain(..count).collect();
                for ((write, reply), written) in done.into_iter().zip(written) {
                    self.answer(&write, reply, written);
                }
            }
        }
        if self.kept.is_empty() {
            return self.cheer();
        }
        self.kept.rotate_left(1);
        self.retry_at = Some(Instant::now() + PAUSE);
    }

    fn answer(&self, write: &Write, reply: Reply, written: Written) {
        match (reply, write, written) {
            (Reply::Poster(poster), _, Written::New(id)) => drop(poster.send(Ok(Posted::Committed(id)))),
            (Reply::Poster(poster), _, _) => drop(poster.send(Ok(Posted::Duplicate))),
            (Reply::Late, Write::Insert(row), Written::New(id)) => {
                let _ = self.late.send(Late { id, item: row.item.clone() });
            }
            (Reply::Late, _, _) => {}
            (Reply::Changer(changer), _, written) => drop(changer.send(written)),
            (Reply::Binder(binder), ..) => drop(binder.send(true)),
        }
    }

    /// The call log and the notes that tries have begun: at most one transaction per [`PAUSE`].
    fn write_lines(&mut self) {
        let notes: Vec<Write> = self.sending.iter().map(|id| Write::Change(*id, Change::Sending)).collect();
        let count = self.lines.len().min(LINES_AT_ONCE);
        let batch: Vec<&Write> = notes.iter().chain(self.lines.iter().take(count)).collect();
        match write_caught(&mut *self.store, &batch) {
            Ok(_) => {
                self.sending.clear();
                self.lines.drain(..count);
                self.cheer();
            }
            Err(refused) => self.complain(&refused),
        }
        if self.lost_lines > 0 {
            warn!(lines = self.lost_lines, "The call log lost lines, the store is too slow");
            self.lost_lines = 0;
        }
        let more = !self.lines.is_empty() || !self.sending.is_empty();
        self.lines_at = more.then(|| Instant::now() + PAUSE);
    }

    fn tidy(&mut self) {
        self.retry();
        while self.lines_at.is_some() && self.health.is_good() {
            self.write_lines();
        }
        if !self.kept.is_empty() {
            error!(notices = self.kept.len(), "Notices are lost: the disk refused them to the end");
        }
        if let Err(error) = self.store.close() {
            warn!(%error, "The store did not close tidily; nothing is lost");
        }
    }

    fn complain(&self, refused: &StoreError) {
        if self.health.set(false) {
            error!(error = %refused, "The store refuses to write; notices are kept in memory and tried again");
        }
    }

    fn cheer(&self) {
        if self.kept.is_empty() && self.health.set(true) {
            info!("The store writes again");
        }
    }
}

/// Counts the mailboxes anew that a batch has changed.
fn recount<'w>(
    store: &mut dyn Store,
    counts: &MailboxCounts,
    written: impl Iterator<Item = (&'w Write, &'w Written)>,
) {
    let changed: BTreeSet<&str> = written.filter_map(|(write, written)| mailbox_of(write, written)).collect();
    for user in changed {
        match store.messages(Some(user)) {
            Ok(messages) => counts.set(user, &messages),
            Err(error) => error!(%error, "A mailbox cannot be counted"),
        }
    }
}

fn mailbox_of<'w>(write: &'w Write, written: &Written) -> Option<&'w str> {
    match (write, written) {
        (Write::Insert(row), Written::New(_)) => {
            matches!(row.item.notice.kind, Kind::VoiceMail { .. }).then_some(row.item.notice.user.as_str())
        }
        (Write::Message(user, ..) | Write::Forget(user, _), Written::Done) => Some(user),
        _ => None,
    }
}

/// A store that panics is one that refuses: what it should have written is kept and tried again (T39).
fn write_caught(store: &mut dyn Store, batch: &[&Write]) -> Result<Vec<Written>, StoreError> {
    caught(|| store.write(batch)).unwrap_or_else(|fault| Err(StoreError::Fault(fault)))
}
