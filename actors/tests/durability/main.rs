//! What is on the disk when (R203, T32): the order of syncs and answers in a trace of the whole program, disks that fail, journals
//! that are torn, and a power cut that loses any part of what was not synced.

#[path = "../support/mod.rs"]
mod notices;
#[path = "../support/call/mod.rs"]
mod support;

mod failing;
mod order;
mod power;
mod torn;
mod trace;
