//! Mailboxes: what is in them, what their owners have changed, and who may come in.

mod counts;
mod pin;
mod service;

pub use counts::MailboxCounts;
pub use service::{Mailboxes, Verdict};
