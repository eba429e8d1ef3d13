//! The messages of the mailboxes: one row each, from the notice that tells of it until its recording is gone.

use ringpost::{
    notify::{Kind, Notice},
    voicemail::State,
};
use rusqlite::{Transaction, params};
use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{Sqlite, as_i64, moment, read};
use crate::store::{Message, MessageId, StoreError, Written};

/// Puts a voice mail into its user's mailbox, with the first of its items.
pub fn keep(tx: &Transaction<'_>, notice: &Notice) -> Result<(), StoreError> {
    let Kind::VoiceMail { recording, duration, urgent } = &notice.kind else { return Ok(()) };
    let caller = serde_json::to_string(&notice.caller).expect("a caller is plain data");
    tx.prepare_cached(
        "INSERT INTO message (user, recording, caller, came_in, duration, urgent, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'new') ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        notice.user,
        recording.to_string_lossy(),
        caller,
        notice.came_in.as_millisecond(),
        as_i64(duration.as_millis()),
        urgent,
    ])?;
    Ok(())
}

/// A message stands there from now on; one that is deleted stays deleted.
pub fn set(
    tx: &Transaction<'_>,
    (user, id): (&str, MessageId),
    state: Option<State>,
) -> Result<Written, StoreError> {
    let state = state.map_or("deleted", State::as_str);
    let rows = tx
        .prepare_cached("UPDATE message SET state = ?3 WHERE id = ?1 AND user = ?2 AND state != 'deleted'")?
        .execute(params![id, user, state])?;
    Ok(if rows > 0 { Written::Done } else { Written::Nothing })
}

/// The recording of a message is gone.
pub fn forget(tx: &Transaction<'_>, (user, id): (&str, MessageId)) -> Result<Written, StoreError> {
    let rows =
        tx.prepare_cached("DELETE FROM message WHERE id = ?1 AND user = ?2")?.execute(params![id, user])?;
    Ok(if rows > 0 { Written::Done } else { Written::Nothing })
}

pub fn set_mailbox(tx: &Transaction<'_>, user: &str, body: Option<&str>) -> Result<Written, StoreError> {
    match body {
        Some(body) => tx
            .prepare_cached(
                "INSERT INTO mailbox (user, body) VALUES (?1, ?2) ON CONFLICT (user) DO UPDATE SET body = ?2",
            )?
            .execute(params![user, body])?,
        None => tx.prepare_cached("DELETE FROM mailbox WHERE user = ?1")?.execute([user])?,
    };
    Ok(Written::Done)
}

impl Sqlite {
    pub(super) fn read_messages(&self, user: Option<&str>) -> Result<Vec<Message>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id, user, recording, caller, came_in, duration, urgent, state FROM message
             WHERE ?1 IS NULL OR user = ?1 ORDER BY id",
        )?;
        let mut rows = query.query([user])?;
        let mut messages = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            messages.push(Message {
                id,
                user: Arc::from(row.get::<_, String>(1)?),
                recording: PathBuf::from(row.get::<_, String>(2)?),
                // A spoilt line costs the name of its caller, and no message.
                caller: read(id, &row.get::<_, String>(3)?).unwrap_or_default(),
                came_in: moment(row.get(4)?),
                duration: Duration::from_millis(row.get::<_, i64>(5)?.unsigned_abs()),
                urgent: row.get(6)?,
                state: match row.get_ref(7)?.as_str().unwrap_or_default() {
                    "new" => Some(State::New),
                    "old" => Some(State::Old),
                    _ => None,
                },
            });
        }
        Ok(messages)
    }
}
