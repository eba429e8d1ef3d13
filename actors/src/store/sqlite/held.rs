//! Items that wait for their time or for others, and those that are told by a digest.

use jiff::Timestamp;
use ringpost::outbox::Status;
use rusqlite::{Transaction, params, types::ValueRef};

use super::{change::insert, read, unreadable};
use crate::store::{ItemId, OwnWish, Row, StoreError, Written};

/// The wish of an open item, with the user whose it is.
pub fn wish(id: ItemId, user: ValueRef<'_>, wish: ValueRef<'_>) -> Result<Option<Box<OwnWish>>, StoreError> {
    let text = |value: ValueRef<'_>| value.as_str().map(str::to_owned).map_err(|why| unreadable(id, why));
    match wish {
        ValueRef::Null => Ok(None),
        wish => Ok(Some(Box::new((text(user)?.into(), read(id, &text(wish)?)?)))),
    }
}

/// One that was held, and is told by nobody else, goes.
pub fn release(tx: &Transaction<'_>, id: ItemId, now: i64) -> Result<usize, StoreError> {
    let mut update = tx.prepare_cached(
        "UPDATE item SET status = 'queued', due = ?2, reason = NULL, changed = ?2
         WHERE id = ?1 AND status = 'delayed' AND digest IS NULL",
    )?;
    Ok(update.execute(params![id, now])?)
}

/// All of these or, where one of them is not held any more, nothing.
pub fn gather(
    tx: &Transaction<'_>,
    row: &Row,
    members: &[ItemId],
    now: Timestamp,
) -> Result<Written, StoreError> {
    let mut held = tx.prepare_cached(
        "SELECT count(*) FROM item WHERE id = ?1 AND status = 'delayed' AND digest IS NULL",
    )?;
    for id in members {
        if held.query_row([id], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(Written::Nothing);
        }
    }
    let Written::New(digest) = insert(tx, row, now)? else { return Ok(Written::Nothing) };
    let mut update =
        tx.prepare_cached("UPDATE item SET digest = ?2, reason = ?3, changed = ?4 WHERE id = ?1")?;
    let reason = format!("told together with others by {digest}");
    for id in members {
        update.execute(params![id, digest, reason, now.as_millisecond()])?;
    }
    Ok(Written::Became(vec![Some(digest)]))
}

/// What a digest tells goes the way of the digest.
pub fn follow(tx: &Transaction<'_>, digest: ItemId, status: Status, now: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE item SET status = ?2, changed = ?3 WHERE digest = ?1")?.execute(params![
        digest,
        status.as_str(),
        now
    ])?;
    Ok(())
}

/// Other words under the same key.
pub fn rewrite(tx: &Transaction<'_>, id: ItemId, row: &Row) -> Result<usize, StoreError> {
    let mut update = tx.prepare_cached(
        "UPDATE item SET body = ?2, wish = ?3 WHERE id = ?1 AND status IN ('queued', 'sending', 'delayed')",
    )?;
    Ok(update.execute(params![id, row.body, row.wish])?)
}

/// Nobody is told, and that is no fault.
pub fn untold(tx: &Transaction<'_>, id: ItemId, reason: &str, now: i64) -> Result<usize, StoreError> {
    let mut update = tx.prepare_cached(
        "UPDATE item SET status = 'delivered', reason = ?3, changed = ?2
         WHERE id = ?1 AND status IN ('queued', 'sending', 'delayed') AND digest IS NULL",
    )?;
    Ok(update.execute(params![id, now, reason])?)
}
