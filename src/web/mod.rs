//! What the HTTP server decides: who asks, from where, and under which address it was asked.

mod access;
mod forwarded;

pub use access::{Accounts, Asks, Verdict, Who};
pub use forwarded::client;
