//! Microsoft's presence: categories by SERVICE at a server in the shape of OCS 2007, and calendars of Exchange (R22, R53, R57).

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod authority;
mod calendar;
#[path = "../graph/checked.rs"]
mod checked;
mod clock;
#[path = "../ews/emulator.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod emulator;
mod ocs;
mod online;
#[path = "../support/call/mod.rs"]
mod program;
mod sample;
mod servers;
mod service;
#[path = "../support/mod.rs"]
mod support;
