//! Whole calls against the running program, with real peers on loopback ports.

#[path = "../support/call/mod.rs"]
mod support;

mod with_sipp;
