//! A browser's phone that is not ours: SIP.js in a headless Chromium, over ws and wss (RFC 7118).

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod authority;

#[path = "../calls/office.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod office;

mod calls;
mod chromium;
mod page;
