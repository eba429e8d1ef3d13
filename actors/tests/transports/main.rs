//! TLS and WebSockets against the whole program: good and bad certificates (T21, R41, R87), streams cut anywhere (T3),
//! slow handshakes and endless messages (T7), listeners short of files (T8), trunks known by their certificate, and a
//! browser's phone (RFC 7118).

#[path = "../support/call/mod.rs"]
mod support;

#[allow(dead_code, reason = "each test binary uses its part")]
mod authority;
mod certificates;
#[path = "../names/dns.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod dns;
mod slow;
mod tls;
mod web;
