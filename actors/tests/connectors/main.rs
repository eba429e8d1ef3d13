//! What Ringpost hears of users elsewhere: subscriptions at PBXs and presence servers (R101–R119; T31, T33).

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../presence/watcher.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod watcher;

mod diagnosis;
mod lists;
mod pbx;
mod reload;
mod single;
