//! TLS and WebSockets against the whole program: good and bad certificates (T21, R41, R87), streams cut anywhere (T3),
//! slow handshakes (T7), trunks known by their certificate, and a browser's phone (RFC 7118).

#[path = "../support/call/mod.rs"]
mod support;

mod authority;
mod tls;
mod web;
