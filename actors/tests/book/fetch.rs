//! A reader by HTTPS that says exactly what a test wants, and a Ringpost to read from.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    path::PathBuf,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    authority::{Authority, lasting},
    support::{Ringpost, Site, ports},
};

/// A Ringpost that serves by HTTPS at `at`, and its numbers at `metrics`.
pub struct Served {
    pub ringpost: Ringpost,
    pub authority: &'static Authority,
    pub at: SocketAddr,
    pub metrics: u16,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// What came, whole or not; status 0 where nothing did.
    pub fn of(octets: &[u8]) -> Self {
        let at = octets.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(octets.len());
        let head = String::from_utf8_lossy(&octets[..at]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let mut body = octets.get(at + 4..).unwrap_or_default().to_vec();
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = joined(&body);
        }
        Self { status, head, body }
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The only value of a header.
    pub fn one(&self, name: &str) -> &str {
        let [value] = self.all(name)[..] else { panic!("not one {name} in {}", self.head) };
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut whole = vec![];
    loop {
        let end = chunks.windows(2).position(|end| end == b"\r\n").expect("a chunk's length");
        let digits = std::str::from_utf8(&chunks[..end]).expect("digits");
        let length = usize::from_str_radix(digits, 16).expect("digits");
        if length == 0 {
            return whole;
        }
        whole.extend(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 4 + length..];
    }
}

/// `Authorization: Basic …`
pub fn basic(name: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{name}:{password}")))
}

/// Users 1001 (Ada) and 1002 (Bob), both with the password `secret`.
pub fn office(http: &str) -> Site {
    Site::new()
        .user("1001", &[], "password = \"secret\"\nmissed_calls = \"off\"")
        .user("1002", &[], "password = \"secret\"\nmissed_calls = \"off\"")
        .table(&format!("[http]\n{http}"))
}

impl Served {
    /// Starts a site that says `HTTPS` where its listener is to be.
    pub fn start(site: impl FnOnce(&str) -> Site) -> Self {
        let authority = lasting("own");
        let (at, metrics) = (SocketAddr::from(([127, 0, 0, 1], ports(1))), ports(1));
        let site = site(&format!("listen = [\"https:{at}\"]"));
        let keys = authority.site(site.folder.path(), &["127.0.0.1", "localhost"]);
        let site = site.table(&keys).table(&format!("[metrics]\nlisten = \"127.0.0.1:{metrics}\""));
        Self { ringpost: site.start(), authority, at, metrics }
    }

    pub fn ca(&self) -> PathBuf {
        self.ringpost.folder.path().join("ca/own.pem")
    }

    /// Says that, and hears all until the other end closes.
    pub fn says(&self, octets: &[u8]) -> Answer {
        let mut stream = self.authority.connect(self.at, "localhost");
        let mut heard = vec![];
        // An end without close_notify is an end all the same.
        let _ = stream.write_all(octets).and_then(|()| stream.read_to_end(&mut heard));
        Answer::of(&heard)
    }

    /// A request with header lines of its own.
    pub fn asks(&self, line: &str, headers: &str) -> Answer {
        self.says(
            format!("{line} HTTP/1.1\r\nHost: book.test\r\nConnection: close\r\n{headers}\r\n").as_bytes(),
        )
    }

    /// As Ada.
    pub fn gets(&self, path: &str) -> Answer {
        self.asks(&format!("GET {path}"), &basic("1001", "secret"))
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.at.port())
    }
}
