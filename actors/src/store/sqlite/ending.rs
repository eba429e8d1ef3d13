//! What became of the notices of calls: a line each, which stays as long as the call's own.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{Sqlite, as_i64, moment, status};
use crate::store::{Ending, ItemId, StoreError};

/// Writes the line of an item whose status has just become its last, or of each one that it tells.
pub(super) fn write(tx: &Transaction<'_>, id: ItemId, at: Timestamp) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO ending (call_id, user, kind, channel, status, reason, at)
         SELECT call_id, user, kind, channel, status, reason, ?2 FROM item
         WHERE (id = ?1 OR digest = ?1) AND kind != 'digest'",
    )?
    .execute(params![id, at.as_millisecond()])?;
    Ok(())
}

impl Sqlite {
    /// The lines are in the order of time, so only as many are looked at as are given.
    pub(super) fn read_endings(&self, since: Timestamp, limit: usize) -> Result<Vec<Ending>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id, call_id, user, kind, channel, status, reason, at FROM ending ORDER BY id DESC LIMIT ?1",
        )?;
        let mut rows = query.query([as_i64(limit as u128)])?;
        let mut endings = Vec::new();
        while let Some(row) = rows.next()? {
            let at = moment(row.get(7)?);
            if at < since {
                break;
            }
            endings.push(Ending {
                call_id: row.get(1)?,
                user: row.get(2)?,
                kind: row.get(3)?,
                channel: row.get(4)?,
                status: status(row.get(0)?, &row.get::<_, String>(5)?)?,
                reason: row.get(6)?,
                at,
            });
        }
        Ok(endings)
    }
}
