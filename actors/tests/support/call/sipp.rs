//! sipp as caller, phone or UM: an implementation of SIP that is not ours.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{Over, Site, ports, until, within};

/// Whether sipp is there; a word about it where it is not.
pub fn is_there() -> bool {
    let there = Command::new("sipp").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        println!("skipped: sipp is missing");
    }
    there
}

/// One running sipp.
pub struct Sipp {
    scenario: String,
    port: u16,
    over: Over,
    log: PathBuf,
    patience: Duration,
    child: Option<Child>,
}

impl Sipp {
    /// A scenario of `tests/services/sipp`, on a free port.
    pub fn new(scenario: &str, over: Over, site: &Site) -> Self {
        let port = ports(1);
        let log = site.folder.path().join(format!("sipp-{port}"));
        Self { scenario: scenario.into(), port, over, log, patience: Duration::from_secs(30), child: None }
    }

    /// Gives its scenario that much time.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub fn uri(&self) -> String {
        let transport = if self.over == Over::Tcp { ";transport=tcp" } else { "" };
        format!("sip:peer@127.0.0.1:{}{transport}", self.port)
    }

    /// Starts it with further arguments; it ends after `calls` calls.
    pub fn start(&mut self, calls: u32, arguments: &[&str]) {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/sipp");
        let transport = if self.over == Over::Tcp { "t1" } else { "u1" };
        let patience = format!("{}s", self.patience.as_secs());
        let child = Command::new("sipp")
            .args(arguments)
            .arg("-sf")
            .arg(scenarios.join(&self.scenario))
            .args([
                "-i",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-t",
                transport,
                "-m",
                &calls.to_string(),
            ])
            .args([
                "-nostdin",
                "-timeout",
                &patience,
                "-timeout_error",
                "-trace_err",
                "-trace_msg",
                "-message_file",
            ])
            .arg(self.log.with_extension("messages"))
            .arg("-error_file")
            .arg(self.log.with_extension("errors"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("sipp starts"));
    }

    /// Waits until its port is open.
    pub fn listens(&self) {
        // Trying the port would take it from sipp for a moment. A listening TCP socket has state 0A, a bound UDP one 07.
        let (table, state) = match self.over {
            Over::Udp => ("/proc/net/udp", "07"),
            Over::Tcp => ("/proc/net/tcp", "0A"),
        };
        let local = format!("0100007F:{:04X}", self.port);
        let taken = || {
            let table = fs::read_to_string(table).expect("Linux");
            table.lines().any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.get(1) == Some(&&*local) && words.get(3) == Some(&state)
            })
        };
        until("sipp opens its port", taken);
    }

    /// Calls a user through Ringpost.
    pub fn call(&mut self, user: &str, ringpost: SocketAddr, calls: u32, arguments: &[&str]) {
        let to = ringpost.to_string();
        self.start(calls, &[&["-s", user, "-r", "20", &to], arguments].concat());
    }

    /// It ends with every call as the scenario says.
    pub fn succeeds(mut self) {
        let mut child = self.child.take().expect("it was started");
        let mut status = None;
        within(self.patience + Duration::from_secs(5), "sipp ends", || {
            status = child.try_wait().expect("a child");
            status.is_some()
        });
        let read = |kind| fs::read_to_string(self.log.with_extension(kind)).unwrap_or_default();
        let code = status.and_then(|status| status.code());
        assert_eq!(
            code,
            Some(0),
            "{} at {}:\n{}\n{}",
            self.scenario,
            self.port,
            read("errors"),
            read("messages")
        );
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
