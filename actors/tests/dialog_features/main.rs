//! What RFC 3261's successors add to a dialog, across the back-to-back user agent: session timers, reliable provisional
//! responses, early media by policy, transfers. Peers are sockets that the test moves; each test plays one site.

#[path = "../calls/office.rs"]
#[allow(dead_code, reason = "shared with the whole-call tests")]
mod office;
#[path = "../support/call/mod.rs"]
mod support;

mod early_dialogs;
mod early_media;
mod reliable;
mod replaces;
mod session_timers;
mod transfer;
mod with_sipp;
