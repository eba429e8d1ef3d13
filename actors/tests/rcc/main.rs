//! Programs that see and control users' telephones by CSTA over SIP, against the running program (R52, R55, R114; T5, T6, T12).

#[path = "../support/call/mod.rs"]
mod support;

mod both;
mod client;
mod control;
mod events;
mod features;
mod gateway;
mod hostile;
mod life;
mod missed;
mod pbx;
mod sample;
mod samples;

#[path = "../durability/trace.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod trace;
#[path = "../presence/watcher.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod watcher;
