//! What Ringpost tells other servers of its users: PUBLISH at a presence server (RFC 3903; T31).

#[path = "../support/call/mod.rs"]
mod support;

mod answers;
mod kamailio;
mod server;
