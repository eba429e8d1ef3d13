//! What the scribe writes: notices, what becomes of them, lines of the call log, policies and bindings.

use jiff::Timestamp;
use ringpost::{notify::CallRecord, outbox::Status};
use rusqlite::{Transaction, params};
use serde::Serialize;

use super::{as_i64, ending, held, messages};
use crate::store::{BindingRow, Change, ItemId, PresenceRow, Row, StoreError, Written};

pub fn insert(tx: &Transaction<'_>, row: &Row, now: Timestamp) -> Result<Written, StoreError> {
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
    if rows == 0 {
        return Ok(Written::Known);
    }
    let id = tx.last_insert_rowid();
    messages::keep(tx, notice)?;
    Ok(Written::New(id))
}

pub fn apply(
    tx: &Transaction<'_>,
    id: ItemId,
    change: &Change,
    at: Timestamp,
) -> Result<Written, StoreError> {
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

pub fn log(tx: &Transaction<'_>, call: &CallRecord) -> Result<Written, StoreError> {
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

pub fn set_policy(tx: &Transaction<'_>, user: &str, body: Option<&str>) -> Result<Written, StoreError> {
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

pub fn bind(tx: &Transaction<'_>, rows: &[BindingRow]) -> Result<Written, StoreError> {
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

pub fn keep_presence(tx: &Transaction<'_>, rows: &[PresenceRow]) -> Result<Written, StoreError> {
    let mut put = tx.prepare_cached(
        "INSERT INTO presence (name, body) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET body = ?2",
    )?;
    let mut remove = tx.prepare_cached("DELETE FROM presence WHERE name = ?1")?;
    for (name, body) in rows {
        match body {
            Some(body) => put.execute(params![name, body])?,
            None => remove.execute([name])?,
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
