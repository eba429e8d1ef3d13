//! Notices arrive, once, whatever happens to Ringpost, to its clock and to the servers that it tells (issue 4; T24, T28, T29,
//! T30, T34, T35): the whole program with every channel, counted at the receivers.

mod answers;
#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod authority;
mod clock;
mod faults;
mod hour;
mod kills;
mod load;
mod mail;
#[path = "../support/mod.rs"]
mod outbox;
mod proxy;
mod receivers;
#[path = "../support/call/mod.rs"]
mod support;
mod town;

use outbox::http;
