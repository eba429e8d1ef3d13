//! What Ringpost hears of users elsewhere: subscriptions at PBXs and presence servers (R101–R119; T31, T33).

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod authority;

#[path = "../presence/watcher.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod watcher;

#[path = "../publish/server.rs"]
mod server;

mod crowd;
mod diagnosis;
mod foreign;
mod hostile;
mod kamailio;
mod lists;
mod pbx;
mod reload;
mod sample;
mod secure;
mod single;
