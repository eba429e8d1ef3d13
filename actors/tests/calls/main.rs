//! Whole calls against the running program, with real peers on loopback ports.

#[path = "../support/call/mod.rs"]
mod support;

mod endings;
mod office;
mod with_sipp;
