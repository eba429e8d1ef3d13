//! Spoken menus of the embedded UM against the running program: the attendant (R69, R26, T19) and the mailbox (R207, T20).

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../registrar/phone.rs"]
#[allow(dead_code, reason = "shared with the registrar's tests")]
mod device;

mod attendant;
mod mailbox;
mod phone;
