//! `ringpost status`: asks the running process, by the listener of `[metrics]`, how it is.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::metrics::{METRICS, health};

/// Numbers that an admin looks for first.
const SHOWN: [&str; 6] =
    ["calls_open", "calls_total", "bindings", "um_servers", "um_servers_out", "faults_total"];
/// How long connecting, and then each part of the answer, may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// No status is longer.
const LARGEST: u64 = 4 << 20;

/// What the running process says: false where a part of it is red.
pub fn report() -> (bool, String) {
    let (well, parts) = health(&METRICS.health.parts());
    let samples = METRICS.samples();
    let number = |name: &&str| {
        let sample = samples.iter().find(|sample| sample.name == *name)?;
        Some(format!("{} {}\n", sample.name, sample.value))
    };
    let numbers: String = SHOWN.iter().filter_map(number).collect();
    let directory = directory().unwrap_or_default();
    (well, format!("ringpost {}\n{numbers}{directory}{parts}", env!("CARGO_PKG_VERSION")))
}

/// How large the mirror of the directory is and how old, once it was read.
fn directory() -> Option<String> {
    let read = i64::try_from(METRICS.directory_read.get()).ok().filter(|read| *read > 0)?;
    let age = jiff::Timestamp::now().as_second().saturating_sub(read).max(0);
    Some(format!("directory_persons {}\ndirectory_age_seconds {age}\n", METRICS.directory_persons.get()))
}

/// Asks the process that listens there.
///
/// # Errors
/// Where nobody answers in time, or no Ringpost does.
pub fn ask(address: SocketAddr) -> std::io::Result<(bool, String)> {
    let mut stream = TcpStream::connect_timeout(&reachable(address), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /status HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LARGEST).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    match head.split(' ').nth(1) {
        Some(code @ ("200" | "503")) if body.starts_with("ringpost ") => Ok((code == "200", body.to_owned())),
        _ => Err(std::io::Error::other("whoever listens there is no Ringpost of this version")),
    }
}

/// Who listens everywhere is asked at home.
fn reachable(address: SocketAddr) -> SocketAddr {
    let home = match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    if address.ip().is_unspecified() { SocketAddr::new(home, address.port()) } else { address }
}
