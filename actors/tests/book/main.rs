//! What devices fetch by HTTPS: the server of `[http]`, and the address book (R74 to R78).

#[allow(dead_code, reason = "a part of it serves here")]
#[path = "../transports/authority.rs"]
mod authority;
mod desk;
mod fetch;
mod fetching;
mod listed;
mod making;
mod server;
#[path = "../support/call/mod.rs"]
mod support;
