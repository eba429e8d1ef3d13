//! Microsoft's presence: categories by SERVICE at a server in the shape of OCS 2007.

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod authority;
mod ocs;
#[path = "../support/call/mod.rs"]
mod program;
mod service;
