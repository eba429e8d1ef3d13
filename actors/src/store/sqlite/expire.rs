//! What has been kept long enough (R210).

use std::path::PathBuf;

use jiff::Timestamp;
use ringpost::{
    notify::Kind,
    outbox::{Item, Status},
};
use rusqlite::params;

use super::{Sqlite, as_i64, read};
use crate::store::{Expiring, StoreError};

impl Sqlite {
    pub(super) fn expire_rows(
        &mut self,
        kind: Expiring,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let status = match kind {
            Expiring::Delivered => Status::Delivered,
            Expiring::Dead => Status::Dead,
            Expiring::Calls => return self.expire_calls(before, limit),
        };
        let mut rows = self.db.prepare_cached(
            "DELETE FROM item WHERE id IN
             (SELECT id FROM item WHERE status = ?1 AND changed < ?2 ORDER BY changed LIMIT ?3)",
        )?;
        Ok(rows.execute(params![status.as_str(), before.as_millisecond(), as_i64(limit as u128)])?)
    }

    /// The log grows in the order of time, so the oldest lines come first: no more than `limit` are looked at.
    fn expire_calls(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut rows = self.db.prepare_cached(
            "DELETE FROM call WHERE id IN
             (SELECT id FROM (SELECT id, came_in FROM call ORDER BY id LIMIT ?2) WHERE came_in < ?1)",
        )?;
        let calls = rows.execute(params![before.as_millisecond(), as_i64(limit as u128)])?;
        let mut rows = self.db.prepare_cached(
            "DELETE FROM ending WHERE id IN
             (SELECT id FROM (SELECT id, at FROM ending ORDER BY id LIMIT ?2) WHERE at < ?1)",
        )?;
        Ok(calls + rows.execute(params![before.as_millisecond(), as_i64(limit as u128)])?)
    }

    pub(super) fn read_recordings_needed(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id, body FROM item INDEXED BY item_recording WHERE kind = 'voice-mail' AND status != 'delivered'",
        )?;
        let mut rows = query.query([])?;
        let mut needed = Vec::new();
        while let Some(row) = rows.next()? {
            let item: Item = read(row.get(0)?, &row.get::<_, String>(1)?)?;
            if let Kind::VoiceMail { recording, .. } = item.notice.kind {
                needed.push(recording);
            }
        }
        Ok(needed)
    }
}
