//! Lines of the call log, which go to the outbox many at once.

use ringpost::{notify::CallRecord, sip::token::Token};

use super::Switch;
use crate::{outbox::Record, port::Alarm};

/// How long a line of the call log may wait, in milliseconds, and how many may.
const RECORDS_EVERY: u64 = 500;
const RECORDS_AT_ONCE: usize = 256;
/// The alarm that ships them; no timer of a call counts that high.
pub(super) const RECORDS: u32 = u32::MAX;

impl Switch {
    /// Keeps a line for the log and the call log. Many are written at once: a line for each call on its own, and waking
    /// the outbox's thread for it, would cost more than the call itself.
    pub fn record(&self, record: CallRecord) {
        let mut records = self.records.borrow_mut();
        records.push(record);
        if records.len() == 1 && !self.draining.get() {
            self.port.alarm(RECORDS_EVERY, Alarm { owner: Token(0), number: RECORDS });
        }
        if records.len() >= RECORDS_AT_ONCE || self.draining.get() {
            drop(records);
            self.ship_records();
        }
    }

    /// Hands what has gathered to the log and the outbox.
    pub(super) fn ship_records(&self) {
        let records = std::mem::take(&mut *self.records.borrow_mut());
        if !records.is_empty() {
            records.iter().for_each(say);
            self.shared.outbox.do_send(Record(records));
        }
    }
}

/// The line that the log gets for a call (R211).
pub(crate) fn say(call: &CallRecord) {
    let CallRecord { call_id, came_in, rang_for, outcome, verdict, .. } = call;
    tracing::info!(call = call_id, came_in = %format_args!("{came_in:.3}"), ?outcome, action = ?verdict.action, reason = %verdict.reason,
        rang_ms = rang_for.as_millis() as u64, "Call ended");
}
