//! Whole calls beside hostile peers: a hostile peer can hurt only its own calls, and nothing grows.

#[path = "../support/call/mod.rs"]
mod support;

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod authority;

#[path = "../calls/office.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod office;

mod flood;
mod hiding;
mod malformed;
mod media;
mod scanners;
mod short;
mod slow;
mod strangers;

/// A site that tells its numbers at the port, and bans whoever deserves it: on loopback nobody is by default.
fn watched(security: &str) -> (support::Site, u16) {
    let port = support::ports(1);
    let tables = format!(
        "[metrics]\nlisten = \"127.0.0.1:{port}\"\n[security]\nnever_ban = [\"127.0.0.1\"]\n{security}"
    );
    (support::Site::new().table(&tables), port)
}
