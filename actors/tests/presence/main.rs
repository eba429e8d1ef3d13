//! Watchers of users, against the running program (R20, R51, R55, R58, R59, R63, R101, R110, R111, R206; T5, T6, T12, T31, T33).

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../calls/linphone.rs"]
#[allow(dead_code, reason = "its calls are tested elsewhere")]
mod linphone;

mod crowd;
mod events;
mod hostile;
mod joined;
mod lamps;
mod lists;
mod published;
mod restart;
mod sample;
mod softphones;
mod storm;
mod watcher;
