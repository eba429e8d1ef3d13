//! The embedded store: one SQLite file in WAL mode, synced at every commit.

mod ending;
mod expire;
mod held;
mod open;

use jiff::Timestamp;
use ringpost::{
    call::Outcome,
    notify::{Action, CallRecord, Reason, Verdict},
    outbox::{ChannelName, Effort, Item, Status},
};
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Row as SqlRow, Transaction, TransactionBehavior, params,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeSet, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{
    BindingRow, Change, Ending, Expiring, ItemId, Listed, OpenItem, Row, Store, StoreError, Write, Written,
};

pub use open::OpenError;

/// An open database.
#[derive(Debug)]
pub struct Sqlite {
    db: Connection,
    /// Held as long as the database is open for writing.
    _lock: Option<std::fs::File>,
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
                wish: held::wish(id, row.get_ref(9)?, row.get_ref(10)?)?,
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
                Write::Insert(row) => insert(&tx, row, now)?,
                Write::Change(id, change) => apply(&tx, *id, change, now)?,
                Write::Record(record) => log(&tx, record)?,
                Write::Policy(user, body) => set_policy(&tx, user, body.as_deref())?,
                Write::Bind(rows) => bind(&tx, rows)?,
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
            listed.push(as_listed(row)?);
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

fn insert(tx: &Transaction<'_>, row: &Row, now: Timestamp) -> Result<Written, StoreError> {
    let notice = &row.item.notice;
    let mut insert = tx.prepare_cached(
        "INSERT INTO item (key, channel, entry, status, user, call_id, kind, body, due, changed, posted, reason,
         wish, has_next, mail)
         VALUES (?1, ?2, ?3, ?10, ?4, ?5, ?6, ?7, ?11, ?8, ?9, ?12, ?13, ?14, ?15) ON CONFLICT DO NOTHING",
    )?;
    let now = now.as_millisecond();
    let held = row.item.wish.reason(row.item.posted);
    let status = if held.is_some() { Status::Delayed } else { Status::Queued };
    let due = held.as_ref().map_or(now, |(due, _)| due.as_millisecond());
    let rows = insert.execute(params![
        row.key.as_str(),
        row.item.way.channel().as_str(),
        row.item.way.entry().as_str(),
        notice.user,
        notice.call_id,
        row.kind,
        row.body,
        now,
        row.item.posted.as_millisecond(),
        status.as_str(),
        due,
        held.map(|(_, reason)| reason),
        row.wish,
        row.item.way.has_next(),
        notice.mail,
    ])?;
    Ok(if rows == 0 { Written::Known } else { Written::New(tx.last_insert_rowid()) })
}

fn apply(tx: &Transaction<'_>, id: ItemId, change: &Change, at: Timestamp) -> Result<Written, StoreError> {
    let now = at.as_millisecond();
    let rows = match change {
        Change::Sending => tx
            .prepare_cached("UPDATE item SET status = 'sending', changed = ?2 WHERE id = ?1 AND status IN ('queued', 'delayed')")?
            .execute(params![id, now])?,
        Change::Delivered => {
            let told = tx
                .prepare_cached("UPDATE item SET status = 'delivered', reason = NULL, changed = ?2 WHERE id = ?1")?
                .execute(params![id, now])?;
            held::follow(tx, id, Status::Delivered, now)?;
            told
        }
        Change::Delayed { due, effort, reason } => tx
            .prepare_cached(
                "UPDATE item SET status = 'delayed', due = ?3, tries = ?4, waited = ?5, reason = ?6, changed = ?2 WHERE id = ?1",
            )?
            .execute(params![id, now, due.as_millisecond(), effort.tries, as_i64(effort.waited.as_millis()), reason])?,
        Change::Dead { reason } => {
            let dead = tx
                .prepare_cached("UPDATE item SET status = 'dead', reason = ?3, changed = ?2 WHERE id = ?1")?
                .execute(params![id, now, reason])?;
            held::follow(tx, id, Status::Dead, now)?;
            dead
        }
        Change::Resend => {
            let revived = tx
                .prepare_cached(
                    "UPDATE item SET status = 'queued', tries = 0, waited = 0, due = ?2, changed = ?2
                     WHERE id = ?1 AND status IN ('dead', 'delayed') AND digest IS NULL",
                )?
                .execute(params![id, now])?;
            if revived > 0 {
                held::follow(tx, id, Status::Delayed, now)?;
            }
            revived
        }
        Change::Remove => {
            tx.prepare_cached("DELETE FROM item WHERE digest = ?1 AND status = 'dead'")?.execute([id])?;
            tx.prepare_cached("DELETE FROM item WHERE id = ?1 AND status = 'dead' AND digest IS NULL")?
                .execute([id])?
        }
        Change::Release => held::release(tx, id, now)?,
        Change::Rewrite(row) => held::rewrite(tx, id, row)?,
        Change::Untold { reason } => held::untold(tx, id, reason, now)?,
        Change::Gather { row, members } => return held::gather(tx, row, members, at),
        Change::Instead { rows, reason } => return instead(tx, id, rows, reason, at),
    };
    if rows > 0 && matches!(change, Change::Delivered | Change::Dead { .. } | Change::Untold { .. }) {
        ending::write(tx, id, at)?;
    }
    Ok(if rows == 0 { Written::Nothing } else { Written::Done })
}

/// The same row goes on by the first way, new rows by the others. Who was to tell may have told before it refused, by
/// one of these very channels: then there is nothing left to say there.
fn instead(
    tx: &Transaction<'_>,
    id: ItemId,
    rows: &[Row],
    reason: &str,
    now: Timestamp,
) -> Result<Written, StoreError> {
    let Some((first, further)) = rows.split_first() else { return Ok(Written::Nothing) };
    let mut update = tx.prepare_cached(
        "UPDATE OR IGNORE item SET channel = ?3, entry = ?4, body = ?5, status = 'queued', tries = 0, waited = 0,
         due = ?2, reason = ?6, changed = ?2, has_next = ?7 WHERE id = ?1",
    )?;
    let (channel, entry) = (first.item.way.channel().as_str(), first.item.way.entry().as_str());
    let (millis, next) = (now.as_millisecond(), first.item.way.has_next());
    let moved = update.execute(params![id, millis, channel, entry, first.body, reason, next])? == 1;
    if !moved {
        tx.execute(
            "UPDATE item SET status = 'delivered', reason = ?3, changed = ?2 WHERE id = ?1",
            params![id, millis, reason],
        )?;
        held::follow(tx, id, Status::Delivered, millis)?;
    }
    let mut became = vec![moved.then_some(id)];
    for row in further {
        became.push(match insert(tx, row, now)? {
            Written::New(id) => Some(id),
            Written::Known | Written::Done | Written::Nothing | Written::Became(_) => None,
        });
    }
    Ok(Written::Became(became))
}

fn log(tx: &Transaction<'_>, call: &CallRecord) -> Result<Written, StoreError> {
    let caller = serde_json::to_string(&call.caller).expect("a caller is text and a flag");
    tx.prepare_cached(
        "INSERT INTO call (call_id, user, caller, came_in, rang_for, outcome, verdict, reason, answered_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        call.call_id,
        call.user,
        caller,
        call.came_in.as_millisecond(),
        as_i64(call.rang_for.as_millis()),
        name(&call.outcome),
        name(&call.verdict.action),
        name(&call.verdict.reason),
        call.answered_by,
    ])?;
    Ok(Written::Done)
}

fn set_policy(tx: &Transaction<'_>, user: &str, body: Option<&str>) -> Result<Written, StoreError> {
    match body {
        Some(body) => tx
            .prepare_cached(
                "INSERT INTO policy (user, body) VALUES (?1, ?2) ON CONFLICT (user) DO UPDATE SET body = ?2",
            )?
            .execute(params![user, body])?,
        None => tx.prepare_cached("DELETE FROM policy WHERE user = ?1")?.execute([user])?,
    };
    Ok(Written::Done)
}

fn bind(tx: &Transaction<'_>, rows: &[BindingRow]) -> Result<Written, StoreError> {
    let mut put = tx.prepare_cached(
        "INSERT INTO binding (user, body) VALUES (?1, ?2) ON CONFLICT (user) DO UPDATE SET body = ?2",
    )?;
    let mut remove = tx.prepare_cached("DELETE FROM binding WHERE user = ?1")?;
    for (user, body) in rows {
        match body {
            Some(body) => put.execute(params![&**user, body])?,
            None => remove.execute(params![&**user])?,
        };
    }
    Ok(Written::Done)
}

/// The name that serde gives a variant without content.
fn name(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(_) | Err(_) => unreachable!("outcomes, actions and reasons are variants without content"),
    }
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
