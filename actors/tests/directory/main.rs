//! The directory by LDAP (issue 5.1; R7, R14, R32, R78; T17, T18, T21, T22, T35): slapd, a server of the test's own that does
//! what it should not, Samba where it may, and whole programs whose users are in the directory alone.

#[path = "../transports/authority.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod authority;
mod calls;
#[path = "../trust/certificates.rs"]
mod certificates;
mod failover;
mod fake;
mod faults;
mod hostile;
mod polling;
#[path = "../support/call/mod.rs"]
#[allow(unused_imports, reason = "a part of it serves here")]
mod program;
#[path = "../outages/proxy.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod proxy;
mod samba;
mod samples;
mod slapd;
#[path = "../support/mod.rs"]
mod support;
mod trust;

use ringpost_actors::directory::{
    Refusal,
    mirror::{Mirror, Summary},
    servers::Servers,
};

/// Whose certificates the servers show.
const NAME: &str = slapd::NAME;

/// One poll, as the keeper of a mirror does it.
async fn poll(mirror: &mut Mirror, servers: &mut Servers) -> Result<Summary, Refusal> {
    let session = servers.session(&[]).await?;
    let polled = mirror.poll(servers, session).await;
    match &polled {
        Ok(_) => servers.last_works(),
        Err(refusal) => drop(servers.last_failed(refusal)),
    }
    polled
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
