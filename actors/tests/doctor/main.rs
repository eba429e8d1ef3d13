//! R31 R41 R87 R91 R120: `ringpost doctor` on a site whose servers are real or scripted. On a healthy site every step is well;
//! each single fault then changes the verdict of its own step, names its remedy, and touches no other step but those that
//! need it.

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod authority;
mod autodiscover;
mod beside;
#[path = "../support/call/mod.rs"]
mod calls;
mod directory;
#[path = "../names/dns.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod dns;
#[path = "../ews/emulator.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod emulator;
#[path = "../graph/exchange.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod exchange;
mod faults;
#[path = "../publish/server.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod kamailio;
mod postfix;
mod presence;
mod sip;
#[path = "../directory/slapd.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod slapd;
mod smtp;
mod town;
mod whole;

#[path = "../support/mod.rs"]
mod outbox;

/// What the borrowed files look for.
mod program {
    pub use crate::calls::*;
}

/// The same.
mod support {
    // Both have one of that name.
    pub use crate::calls::until;
    pub use crate::{calls::*, outbox::*};
}
