//! Spoken menus of the embedded UM against the running program: the attendant (R69, R26, T19).

#[path = "../support/call/mod.rs"]
mod support;

mod attendant;
mod phone;
