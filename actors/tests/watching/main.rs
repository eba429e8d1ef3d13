//! What watchers see of calls that are held, transferred, picked up, forked and hunted; of sources that come and go; and what
//! enemies, full disks and crossing messages do about it (R20, R21, R51, R56, R59, R60, R63, R81, R117; T5, T6, T12, T32, T33).

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../presence/watcher.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod watcher;

#[path = "../registrar/phone.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod device;

#[path = "../durability/trace.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod trace;

mod calls;
mod crossing;
mod disk;
mod documents;
mod enemies;
mod sources;
