//! The program itself, on ports of its own, and its site file.

use std::{
    fmt::Write as _,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Over, PATIENCE, Peer, ports, rtp_ports, until, within};

/// A site that is being written.
pub struct Site {
    pub sip: SocketAddr,
    pub folder: TempDir,
    head: String,
    tables: String,
    environment: Vec<(String, String)>,
}

impl Site {
    /// Listens on UDP and TCP, believes 127.0.0.1, one lane.
    pub fn new() -> Self {
        let sip = SocketAddr::from(([127, 0, 0, 1], ports(1)));
        let folder = tempfile::tempdir().expect("a folder");
        let tables = format!(
            "[[trunk]]\nname = \"pbx\"\nsources = [\"127.0.0.1\", \"::1\"]\n[store]\npath = \"store.db\"\n\
             [voicemail]\n{}\n",
            rtp_ports()
        );
        let head = format!("listen = [\"udp:{sip}\", \"tcp:{sip}\"]\ndomain = \"corp.test\"\n");
        Self { sip, folder, head, tables, environment: vec![] }
    }

    /// A peer at 127.0.0.1.
    pub fn peer(&self, over: Over) -> Peer {
        Peer::new(over, "127.0.0.1", self.sip)
    }

    /// A line of the `[sip]` section; `lanes` is 1 unless told.
    pub fn sip(mut self, line: &str) -> Self {
        writeln!(self.head, "{line}").expect("a String takes every text");
        self
    }

    /// Replaces the listeners.
    pub fn listen(mut self, listen: &str) -> Self {
        self.head = format!("listen = {listen}\ndomain = \"corp.test\"\n");
        self
    }

    /// Believes these addresses only.
    pub fn trunk_at(mut self, sources: &[&str]) -> Self {
        self.tables = self.tables.replace("[\"127.0.0.1\", \"::1\"]", &format!("{sources:?}"));
        self
    }

    /// Any further tables.
    pub fn table(mut self, lines: &str) -> Self {
        writeln!(self.tables, "{lines}").expect("a String takes every text");
        self
    }

    /// A line of the trunk that everybody calls from.
    pub fn trunk_line(mut self, line: &str) -> Self {
        self.tables = self.tables.replacen("name = \"pbx\"", &format!("name = \"pbx\"\n{line}"), 1);
        self
    }

    /// Other lines in place of some of those before.
    pub fn replace(mut self, lines: &str, others: &str) -> Self {
        assert!(self.tables.contains(lines), "{lines}");
        self.tables = self.tables.replace(lines, others);
        self
    }

    /// A dial plan of those servers.
    pub fn plan(self, name: &str, servers: &[&str]) -> Self {
        self.table(&format!("[um.plan.{name}]\nservers = {servers:?}"))
    }

    /// A user with one number.
    pub fn user(self, number: &str, devices: &[&Peer], lines: &str) -> Self {
        let devices: Vec<String> = devices.iter().map(|peer| peer.uri()).collect();
        let address = format!("sip:{number}@corp.test");
        self.table(&format!(
            "[[user]]\naddress = {address:?}\nname = \"User {number}\"\nnumbers = [{number:?}]\ndevices = {devices:?}\n{lines}"
        ))
    }

    /// Mail into one Maildir per user below `mail`.
    pub fn maildir(self) -> Self {
        self.table("[mail]\nurl = \"maildir:mail\"\nfrom = \"ringpost@corp.test\"")
    }

    /// Puts the store elsewhere.
    pub fn store(mut self, path: &Path) -> Self {
        self.tables = self.tables.replace("\"store.db\"", &format!("{path:?}"));
        self
    }

    /// How much it logs; every call in detail unless told.
    pub fn log_level(self, level: &str) -> Self {
        self.env("TEST_LOG_LEVEL", level)
    }

    /// Runs it under another program, which must leave it the process that is started: its words.
    pub fn under(self, words: &[&str]) -> Self {
        self.env("TEST_UNDER", &words.join("\n"))
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn text(&self) -> String {
        let lanes = if self.head.contains("lanes =") { "" } else { "lanes = 1\n" };
        format!("[sip]\n{}{lanes}{}", self.head, self.tables)
    }

    /// Starts Ringpost, and waits until it answers.
    pub fn start(self) -> Ringpost {
        let text = self.text();
        Ringpost::start(self.folder, self.sip, &text, self.environment)
    }
}

/// A Ringpost that runs; killed where the test fails.
pub struct Ringpost {
    pub sip: SocketAddr,
    pub folder: TempDir,
    environment: Vec<(String, String)>,
    child: Child,
    baseline: (usize, usize),
    /// How often it has started.
    starts: usize,
}

impl Ringpost {
    /// One with a site file of its own, which has to let 127.0.0.1 ask OPTIONS.
    pub fn of(folder: TempDir, sip: SocketAddr, site: &str) -> Self {
        Self::start(folder, sip, site, vec![])
    }

    fn start(folder: TempDir, sip: SocketAddr, site: &str, environment: Vec<(String, String)>) -> Self {
        fs::write(folder.path().join("site.toml"), site).expect("written");
        let child = spawn(folder.path(), &environment);
        let mut ringpost = Self { sip, folder, environment, child, baseline: (0, 0), starts: 0 };
        ringpost.wait_until_it_answers();
        ringpost
    }

    fn wait_until_it_answers(&mut self) {
        let end = Instant::now() + PATIENCE;
        // A lane may answer while the next one is still being opened.
        let starts = |log: &str| log.matches("Ready for calls").count();
        while starts(&self.log()) <= self.starts || self.answers_within(Duration::from_millis(100)).is_none()
        {
            let gone = self.child.try_wait().expect("a child");
            assert!(gone.is_none() && Instant::now() < end, "it does not start: {gone:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.starts = starts(&self.log());
        self.baseline = (self.fds(), self.threads());
    }

    /// How long an OPTIONS took, if it was answered in time.
    pub fn answers_within(&self, patience: Duration) -> Option<Duration> {
        let ip = if self.sip.is_ipv6() { "::1" } else { "127.0.0.1" };
        let mut probe = Peer::new(Over::Udp, ip, self.sip);
        let since = Instant::now();
        probe.request("OPTIONS", &format!("sip:{}", self.sip), "", "");
        probe.next(patience).filter(|answer| answer.what() == "200").map(|_| since.elapsed())
    }

    /// It answers an OPTIONS within 200 ms (P); a busy machine may lose a race or more.
    pub fn is_well(&self) {
        let well = (0..25).any(|_| self.answers_within(Duration::from_millis(200)).is_some());
        assert!(well, "no answer to OPTIONS within 200 ms\n{}", self.log());
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits for a line of the log.
    pub fn logs(&self, words: &str) {
        until(words, || self.log().contains(words));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name: `TERM`, `HUP`, `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }

    /// SIGKILL, and gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Starts it again on what it left.
    pub fn restart(&mut self) {
        self.child = spawn(self.folder.path(), &self.environment);
        self.wait_until_it_answers();
    }

    /// Writes another site file and has it read.
    pub fn reload(&self, site: &str) {
        fs::write(self.folder.path().join("site.toml"), site).expect("written");
        self.signal("HUP");
    }

    pub fn site(&self) -> String {
        fs::read_to_string(self.folder.path().join("site.toml")).expect("written")
    }

    pub fn fds(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid())).map_or(0, Iterator::count)
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The mails of a user, in the order of their names.
    pub fn mails(&self, user: &str) -> Vec<(String, String)> {
        let folder = self.folder.path().join("mail").join(user).join("new");
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .map_or(vec![], |all| all.map(|entry| entry.expect("an entry").path()).collect());
        files.sort();
        let name = |path: &Path| path.file_name().expect("a file").to_string_lossy().into_owned();
        files
            .iter()
            .map(|path| (name(path), String::from_utf8_lossy(&fs::read(path).expect("a mail")).into_owned()))
            .collect()
    }

    /// Waits until a user has that many mails.
    pub fn has_mails(&self, user: &str, count: usize) -> Vec<(String, String)> {
        until(&format!("{count} mails for {user}\n{}", self.log()), || self.mails(user).len() >= count);
        let mails = self.mails(user);
        assert_eq!(mails.len(), count, "{mails:#?}");
        mails
    }

    /// SIGTERM; how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        within(Duration::from_secs(40), "the process ends", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("seen above")
    }

    /// P: it answers, its descriptors and threads are back where they were, and it stops well.
    pub fn back_to_baseline(self) {
        self.is_well();
        let (fds, threads) = self.baseline;
        // The peers' connections close when the test drops them; a pool thread for files may stay.
        until("descriptors back at their baseline", || self.fds() <= fds);
        assert!(self.threads() <= threads + 3, "{} threads, {threads} at the start", self.threads());
        self.stops_well();
    }

    /// No call is left, it stops with 0, and nothing went wrong inside.
    pub fn stops_well(mut self) {
        assert_eq!(self.terminate().code(), Some(0), "{}", self.log());
        let log = self.log();
        assert!(log.contains("Draining calls=0"), "a call is left\n{log}");
        assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    }
}

impl Drop for Ringpost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- Ringpost's log\n{}", self.log());
        }
    }
}

fn spawn(folder: &Path, environment: &[(String, String)]) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log");
    let level = environment.iter().find(|(name, _)| name == "TEST_LOG_LEVEL");
    let under = environment.iter().find(|(name, _)| name == "TEST_UNDER");
    let mut words =
        under.into_iter().flat_map(|(_, words)| words.lines()).chain([env!("CARGO_BIN_EXE_ringpost")]);
    Command::new(words.next().expect("the program at least"))
        .args(words)
        .args(["serve", "--log-level", level.map_or("debug", |(_, level)| level), "--config"])
        .arg(folder.join("site.toml"))
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the program starts")
}
