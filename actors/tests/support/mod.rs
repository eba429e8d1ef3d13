//! What the tests of the outbox share: notices, schedules, servers that end with their test.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod certificates;
pub mod http;
pub mod log;

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use actix::Addr;
use jiff::Timestamp;
use ringpost::{
    address::{Caller, Language},
    call::Outcome,
    notify::{Kind, Notice},
    outbox::{Chain, ChannelName, Item, Status, Way},
    settings,
};
use ringpost_actors::{
    channel::Channel,
    outbox::{ChannelUse, Channels, Outbox},
    store::{Listed, Scribe, Sqlite},
};

pub fn notice(call_id: &str, mail: &str) -> Notice {
    Notice {
        kind: Kind::Missed,
        user: format!("sip:{mail}"),
        user_name: Some("Søren Ø".into()),
        mail: Some(mail.into()),
        language: Language::En,
        time_zone: "Europe/Copenhagen".into(),
        call_id: call_id.into(),
        caller: Caller {
            name: Some("Luka Å".into()),
            number: Some("+4544890101".into()),
            uri: Some("tel:+4544890101".into()),
            ..Caller::default()
        },
        came_in: "2026-04-11T09:12:33Z".parse().expect("a timestamp"),
        rang_for: Duration::from_secs(23),
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    }
}

pub fn by_mail(call_id: &str, mail: &str) -> Item {
    Item::new(notice(call_id, mail), Way::mail(), Timestamp::now())
}

pub fn by_um(call_id: &str, mail: &str, mail_if_refused: bool) -> Item {
    let eum_proxy_address = format!("EUM:{mail};phone-context=main");
    let own = if mail_if_refused { [chain(&["mail"])].into() } else { [].into() };
    Item { way: Way::Um { plan: "main".into(), eum_proxy_address, own }, ..by_mail(call_id, mail) }
}

/// Fast enough for a test: 20 ms, doubling to 80 ms, given up after `give_up_after`.
pub fn schedule(give_up_after: Duration) -> settings::Outbox {
    let (first_retry, longest_retry) = (Duration::from_millis(20), Duration::from_millis(80));
    settings::Outbox { first_retry, longest_retry, give_up_after, patience: Duration::from_secs(600) }
}

pub fn chain(names: &[&str]) -> Chain {
    names.iter().map(|name| ChannelName::from(*name)).collect()
}

/// Channels by their names, eight tries at once each.
pub type Named<'n> = &'n [(&'n str, Arc<dyn Channel>)];

pub fn mail_only(mail: Arc<dyn Channel>) -> [(&'static str, Arc<dyn Channel>); 1] {
    [("mail", mail)]
}

pub fn channels(named: Named<'_>, schedule: &settings::Outbox) -> Channels {
    named.iter().fold(Channels::default(), |channels, (name, channel)| {
        let used = ChannelUse { channel: Some(channel.clone()), at_once: 8, schedule: schedule.clone() };
        channels.with(name, used)
    })
}

/// An outbox over the store at `path`, and the scribe to look into it.
pub fn outbox(path: Option<&Path>, schedule: settings::Outbox, named: Named<'_>) -> (Addr<Outbox>, Scribe) {
    let store = Sqlite::open(path).expect("a store");
    let (scribe, late) = Scribe::start(Box::new(store)).expect("a thread");
    let channels = channels(named, &schedule);
    (Outbox::new(schedule, (scribe.clone(), late), channels).start_apart(), scribe)
}

pub async fn list(scribe: &Scribe, status: Option<Status>) -> Vec<Listed> {
    scribe.list(status, 100_000).await.expect("running").expect("readable")
}

/// Waits until nothing is open any more.
pub async fn settled(scribe: &Scribe) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let [queued, sending, delayed, ..] = scribe.depth().await.expect("running").expect("readable");
        if queued + sending + delayed == 0 {
            return;
        }
        if Instant::now() > end {
            let mut open = list(scribe, None).await;
            open.retain(|listed| !matches!(listed.status, Status::Delivered | Status::Dead));
            panic!("still open: {open:#?}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until something is so, at most half a minute.
pub async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A port that nobody has, below the range of ephemeral ports, so that no socket of another test takes it before it is used.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 97 * 17) as u16;
    loop {
        let port = 31_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 1_700;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub fn service(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services").join(path)
}

/// A process that ends with its test.
pub struct Running(pub Child);

impl Running {
    /// Starts a server that says "ready" in its first line, and waits for that; the rest of what it says comes along.
    pub fn when_ready(server: &mut Command) -> (Self, BufReader<ChildStdout>) {
        let mut child = server.stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut says = BufReader::new(child.stdout.take().expect("piped"));
        let (running, mut line) = (Self(child), String::new());
        says.read_line(&mut line).expect("it speaks");
        assert_eq!(line.trim(), "ready");
        (running, says)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Python with aiosmtpd; `None` and a word about it where there is none.
pub fn python() -> Option<String> {
    let found = Command::new(service("python.sh")).output().ok().filter(|output| output.status.success());
    if found.is_none() {
        println!("skipped: no Python with aiosmtpd, and it cannot be installed");
    }
    found.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
