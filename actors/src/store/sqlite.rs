//! The embedded store: one SQLite file in WAL mode, synced at every commit.

mod change;
mod ending;
mod expire;
mod held;
mod messages;
mod open;

use jiff::Timestamp;
use ringpost::{
    call::Outcome,
    notify::{Action, CallRecord, Reason, Verdict},
    outbox::{ChannelName, Effort, Item, Status},
};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row as SqlRow, TransactionBehavior, params};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeSet, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tracing::warn;

use super::{Ending, Expiring, ItemId, Listed, Message, OpenItem, Store, StoreError, Write, Written};

pub use open::{OpenError, private};

/// An open database.
#[derive(Debug)]
pub struct Sqlite {
    db: Connection,
    /// Held as long as the database is open for writing.
    _lock: Option<open::Lock>,
}

impl Store for Sqlite {
    fn write(&mut self, batch: &[&Write]) -> Result<Vec<Written>, StoreError> {
        match self.commit(batch) {
            // The journal may take what little room there is: what it holds goes where it belongs, and it begins anew.
            Err(StoreError::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                self.checkpoint()?;
                self.commit(batch)
            }
            written => written,
        }
    }

    fn open_items(&mut self, after: ItemId, limit: usize) -> Result<Vec<OpenItem>, StoreError> {
        // All of it is in the index `item_open`: neither bodies nor what is over are read.
        let mut query = self.db.prepare_cached(
            "SELECT id, channel, status, due, posted, tries > 0 OR waited > 0, waited, has_next, mail, user, wish
             FROM item INDEXED BY item_open
             WHERE status IN ('queued', 'sending', 'delayed') AND digest IS NULL AND id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = query.query(params![after, as_i64(limit as u128)])?;
        let (mut open, mut names) = (Vec::new(), BTreeSet::new());
        let mut mails = HashSet::new();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            open.push(OpenItem {
                id,
                channel: interned(&mut names, row.get_ref(1)?.as_str().unwrap_or_default()),
                status: status(id, row.get_ref(2)?.as_str().unwrap_or_default())?,
                due: moment(row.get(3)?),
                posted: moment(row.get(4)?),
                tried: row.get(5)?,
                waited: Duration::from_millis(row.get::<_, i64>(6)?.unsigned_abs()),
                has_next: row.get(7)?,
                mail: row
                    .get_ref(8)?
                    .as_str_or_null()
                    .unwrap_or_default()
                    .map(|mail| shared(&mut mails, mail)),
                // A notice whose wish is spoilt goes at once; it holds up no other.
                wish: held::wish(id, row.get_ref(9)?, row.get_ref(10)?).unwrap_or_else(|error| {
                    warn!(%error, "What is wanted of a notice is lost");
                    None
                }),
            });
        }
        Ok(open)
    }

    fn load(&mut self, id: ItemId) -> Result<Option<(Item, Effort)>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT body, tries, waited FROM item
             WHERE id = ?1 AND status IN ('queued', 'sending', 'delayed') AND digest IS NULL",
        )?;
        let row = query
            .query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        row.map(|(body, tries, waited)| Ok((read(id, &body)?, effort(tries, waited)))).transpose()
    }

    fn list(&mut self, wanted: Option<Status>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let limit = as_i64(limit as u128);
        match wanted {
            None => self.listed(
                "SELECT id, body, status, tries, waited, reason, changed, due, digest FROM item
                 ORDER BY id DESC LIMIT ?1",
                [limit],
            ),
            // The numbers first: a million bodies need not be sorted.
            Some(status) => self.listed(
                "SELECT id, body, status, tries, waited, reason, changed, due, digest FROM item WHERE id IN
                 (SELECT id FROM item INDEXED BY item_age WHERE status = ?1 ORDER BY id DESC LIMIT ?2)
                 ORDER BY id DESC",
                params![status.as_str(), limit],
            ),
        }
    }

    fn depth(&mut self) -> Result<[u64; Status::ALL.len()], StoreError> {
        let mut depth = [0; Status::ALL.len()];
        let mut query = self.db.prepare_cached("SELECT status, count(*) FROM item GROUP BY status")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (name, count): (String, i64) = (row.get(0)?, row.get(1)?);
            if let Some(index) = Status::ALL.iter().position(|status| status.as_str() == name) {
                depth[index] = count.unsigned_abs();
            }
        }
        Ok(depth)
    }

    fn policies(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT user, body FROM policy")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn bindings(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT user, body FROM binding")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn presence(&mut self, after: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        let mut query = self
            .db
            .prepare_cached("SELECT name, body FROM presence WHERE name > ?1 ORDER BY name LIMIT ?2")?;
        let rows =
            query.query_map(params![after, as_i64(limit as u128)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn calls(&mut self, limit: usize) -> Result<Vec<CallRecord>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id, call_id, user, caller, came_in, rang_for, outcome, verdict, reason, answered_by
             FROM call ORDER BY id DESC LIMIT ?1",
        )?;
        let mut rows = query.query([as_i64(limit as u128)])?;
        let mut calls = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            calls.push(CallRecord {
                call_id: row.get(1)?,
                user: row.get(2)?,
                caller: read(id, &row.get::<_, String>(3)?)?,
                came_in: moment(row.get(4)?),
                rang_for: Duration::from_millis(row.get::<_, i64>(5)?.unsigned_abs()),
                outcome: named::<Outcome>(id, row.get(6)?)?,
                verdict: Verdict {
                    action: named::<Action>(id, row.get(7)?)?,
                    reason: named::<Reason>(id, row.get(8)?)?,
                },
                answered_by: row.get(9)?,
            });
        }
        Ok(calls)
    }

    fn endings(&mut self, since: Timestamp, limit: usize) -> Result<Vec<Ending>, StoreError> {
        self.read_endings(since, limit)
    }

    fn expire(&mut self, kind: Expiring, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.expire_rows(kind, before, limit)
    }

    fn recordings_needed(&mut self) -> Result<Vec<PathBuf>, StoreError> {
        self.read_recordings_needed()
    }

    fn messages(&mut self, user: Option<&str>) -> Result<Vec<Message>, StoreError> {
        self.read_messages(user)
    }

    fn mailboxes(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT user, body FROM mailbox")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        // Everything is committed already; a busy reader only means that the next start reads the WAL.
        Ok(self.checkpoint()?)
    }
}

impl Sqlite {
    /// Writes the journal to where it belongs, and empties it.
    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    fn commit(&mut self, batch: &[&Write]) -> Result<Vec<Written>, StoreError> {
        let now = Timestamp::now();
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut written = Vec::with_capacity(batch.len());
        for write in batch {
            written.push(match write {
                Write::Insert(row) => change::insert(&tx, row, now)?,
                Write::Change(id, change) => change::apply(&tx, *id, change, now)?,
                Write::Record(record) => change::log(&tx, record)?,
                Write::Policy(user, body) => change::set_policy(&tx, user, body.as_deref())?,
                Write::Bind(rows) => change::bind(&tx, rows)?,
                Write::Presence(rows) => change::keep_presence(&tx, rows)?,
                Write::Message(user, id, state) => messages::set(&tx, (user, *id), *state)?,
                Write::Forget(user, id) => messages::forget(&tx, (user, *id))?,
                Write::Mailbox(user, body) => messages::set_mailbox(&tx, user, body.as_deref())?,
            });
        }
        tx.commit()?;
        Ok(written)
    }

    fn listed(&self, query: &str, params: impl rusqlite::Params) -> Result<Vec<Listed>, StoreError> {
        let mut query = self.db.prepare_cached(query)?;
        let mut rows = query.query(params)?;
        let mut listed = Vec::new();
        while let Some(row) = rows.next()? {
            match as_listed(row) {
                Ok(one) => listed.push(one),
                Err(error) => warn!(%error, "A notice is left out of the list"),
            }
        }
        Ok(listed)
    }

    /// One item as a list shows it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn find(&self, id: ItemId) -> Result<Option<Listed>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id, body, status, tries, waited, reason, changed, due, digest FROM item WHERE id = ?1",
        )?;
        let mut rows = query.query([id])?;
        rows.next()?.map(as_listed).transpose()
    }
}

fn as_listed(row: &SqlRow<'_>) -> Result<Listed, StoreError> {
    let id = row.get(0)?;
    let status = status(id, &row.get::<_, String>(2)?)?;
    Ok(Listed {
        id,
        item: read(id, &row.get::<_, String>(1)?)?,
        status,
        effort: effort(row.get(3)?, row.get(4)?),
        reason: row.get(5)?,
        changed: moment(row.get(6)?),
        due: (status == Status::Delayed).then_some(moment(row.get(7)?)),
        told_by: row.get(8)?,
    })
}

fn named<T: DeserializeOwned>(id: i64, name: String) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(name)).map_err(|error| unreadable(id, error))
}

fn read<T: DeserializeOwned>(id: i64, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| unreadable(id, error))
}

fn status(id: ItemId, name: &str) -> Result<Status, StoreError> {
    name.parse().map_err(|error| unreadable(id, error))
}

/// A million items share the few names of their channels.
fn interned(names: &mut BTreeSet<ChannelName>, name: &str) -> ChannelName {
    if let Some(known) = names.iter().find(|known| known.as_str() == name) {
        return known.clone();
    }
    names.insert(name.into());
    name.into()
}

/// A million items share the addresses of their users.
fn shared(known: &mut HashSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = known.get(text) {
        return known.clone();
    }
    let text = Arc::<str>::from(text);
    known.insert(text.clone());
    text
}

fn unreadable(id: ItemId, why: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable { id, why: why.to_string() }
}

fn effort(tries: u32, waited: i64) -> Effort {
    Effort { tries, waited: Duration::from_millis(waited.unsigned_abs()) }
}

fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn as_i64(count: u128) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
