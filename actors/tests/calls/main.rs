//! Whole calls against the running program, with real peers on loopback ports.

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod authority;

#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod http;

#[allow(dead_code, reason = "each test binary uses its part")]
mod baresip;
mod channels;
mod dialogs;
mod durable;
mod endings;
mod gathering;
mod identity;
mod lanes;
mod linphone;
mod media;
mod notices;
mod octets;
mod office;

mod phones;
mod policy;
mod queue;
mod races;
mod refusals;
mod registered;
mod rules;
mod running;
mod scans;
mod secure;
mod softphones;
mod streams;
mod telling;
mod torture;
mod um_plans;
mod um_pool;
mod watch;
mod with_sipp;
mod words;
