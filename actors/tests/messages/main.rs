//! Message waiting in the whole program (R207): counts of our own mailboxes and of UMs elsewhere, for watchers, phones and PBXs.

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../presence/watcher.rs"]
#[allow(dead_code, reason = "other packages are watched elsewhere")]
mod watcher;

#[path = "../registrar/phone.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod device;

#[path = "../menus/phone.rs"]
#[allow(dead_code, reason = "the menus themselves are tested elsewhere")]
mod phone;

#[path = "../calls/baresip.rs"]
#[allow(dead_code, reason = "whole calls are tested elsewhere")]
mod baresip;

#[path = "../connectors/pbx.rs"]
#[allow(dead_code, reason = "connectors are tested elsewhere")]
mod server;

mod asked;
mod elsewhere;
mod live;
mod pbx;
mod sipsak;
