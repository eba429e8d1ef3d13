//! Whole calls: a Ringpost of its own per test, peers that are plain sockets, sipp. Everything ends with its test.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod metrics;
pub mod peer;
pub mod ringpost;
mod scenes;
pub mod sip;
pub mod sipp;

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

pub use peer::{Over, Peer};
pub use ringpost::{Ringpost, Site};
pub use sip::{SDP, Sip};

/// How long anything that must happen may take on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until something is so.
pub fn until(what: &str, so: impl FnMut() -> bool) {
    within(PATIENCE, what, so);
}

/// Waits until something is so, for that long.
pub fn within(patience: Duration, what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The library that makes a program's clock another one, where Debian puts it; `None` and a word about it where it is not.
pub fn faketime() -> Option<PathBuf> {
    let found = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let found = found.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    if found.is_none() {
        println!("skipped: no libfaketime (Debian: faketime)");
    }
    found
}

/// `count` ports in a row that are free for UDP and TCP. They lie below the range of ephemeral ports, so that no socket of another
/// test takes one before it is used.
pub fn ports(count: u16) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u16 = 11_000;
    const SPAN: u32 = 20_000;
    let start = std::process::id() % 97 * 200;
    loop {
        // Each port is handed out once per round: a row that would go over the end is left out.
        let offset = ((NEXT.fetch_add(count.into(), Ordering::Relaxed) + start) % SPAN) as u16;
        let free = |port| {
            UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()
        };
        if u32::from(offset + count) <= SPAN && (FIRST + offset..FIRST + offset + count).all(free) {
            return FIRST + offset;
        }
    }
}

/// RTP ports that nobody else has, as a site names them.
pub fn rtp_ports() -> String {
    let first = (ports(24) + 1) & !1;
    format!("rtp_ports = \"{first}-{}\"", first + 21)
}

/// A sample site as it stands.
pub fn sample(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sites").join(name);
    fs::read_to_string(file).expect("the sample is there")
}
