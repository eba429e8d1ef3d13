//! How many notices does the queue take, how many mails leave it, and what does a queue of a million cost?
//!
//! `notices fill STORE COUNT`, `notices queue STORE RATE SECONDS`, `notices mails STORE HOST:PORT RATE SECONDS AT_ONCE`,
//! `notices resume STORE`: one line of JSON each. `tests/load/notices/run.py` runs them all.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use ringpost::{
    address::{Caller, Language},
    call::Outcome,
    notify::{Kind, Notice},
    outbox::{Item, Way},
    settings::{self, Mail, MailAuth, MailTls, MailUrl},
};
use ringpost_actors::{
    channel::Smtp,
    metrics::METRICS,
    outbox::{ChannelUse, Channels, Outbox, Post, Stop},
    store::{Row, Scribe, Sqlite, Store, Write},
};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SCHEDULE: settings::Outbox = settings::Outbox {
    first_retry: Duration::from_secs(2),
    longest_retry: Duration::from_secs(300),
    give_up_after: Duration::from_secs(3 * 86_400),
    patience: Duration::from_secs(600),
};
/// Nobody listens there.
const NOBODY: (&str, u16) = ("127.0.0.1", 1);

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["fill", store, count] => fill(Path::new(store), count.parse()?),
        ["queue", store, rate, seconds] => {
            let run = Run { store: store.into(), rate: rate.parse()?, seconds: seconds.parse()? };
            System::new().block_on(queue(&run))
        }
        ["mails", store, server, rate, seconds, at_once] => {
            let run = Run { store: store.into(), rate: rate.parse()?, seconds: seconds.parse()? };
            let (host, port) = server.rsplit_once(':').context("HOST:PORT")?;
            System::new().block_on(mails(&run, (host, port.parse()?), at_once.parse()?))
        }
        ["resume", store] => System::new().block_on(resume(Path::new(store))),
        _ => bail!(
            "fill STORE COUNT | queue STORE RATE SECONDS | mails STORE HOST:PORT RATE SECONDS AT_ONCE | resume STORE"
        ),
    }
}

struct Run {
    store: PathBuf,
    rate: u32,
    seconds: u32,
}

fn item(run: &str, number: usize) -> Item {
    let mail = format!("user{}@corp{}.test", number % 5_000, number % 50);
    let notice = Notice {
        kind: Kind::Missed,
        user: format!("sip:{mail}"),
        user_name: Some("Ada Lovelace".into()),
        mail: Some(mail),
        time_zone: "Europe/Copenhagen".into(),
        call_id: format!("{run}-{number}@pbx.test"),
        caller: Caller {
            name: Some("Charles Babbage".into()),
            number: Some("+4544890101".into()),
            uri: Some("sip:+4544890101@pbx.test".into()),
            ..Caller::default()
        },
        came_in: Timestamp::now(),
        rang_for: Duration::from_secs(20),
        outcome: Outcome::GaveUpRinging,
        language: Language::En,
        talked: None,
        called: None,
    };
    Item::new(notice, Way::mail(), Timestamp::now())
}

fn fill(path: &Path, count: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut store = Sqlite::open(Some(path))?;
    for from in (0..count).step_by(2_000) {
        let rows = (from..count.min(from + 2_000)).map(|n| Row::of(item("fill", n)).map(Write::Insert));
        let rows: Vec<Write> = rows.collect::<Result<_, _>>()?;
        store.write(&rows.iter().collect::<Vec<_>>())?;
    }
    store.close()?;
    let octets = fs::metadata(path)?.len();
    println!("{}", json!({"filled": count, "s": began.elapsed().as_secs_f64(), "store_mb": octets >> 20}));
    Ok(())
}

fn smtp((host, port): (&str, u16)) -> anyhow::Result<Smtp> {
    let url = MailUrl::Smtp { host: host.into(), port, tls: MailTls::Never, login: None };
    let settings = Mail {
        url,
        from: "ringpost@corp.test".into(),
        ca: None,
        auth: MailAuth::Password,
        password_rest: Duration::from_secs(900),
    };
    Ok(Smtp::trusting(&settings, None, Duration::from_secs(60))?)
}

fn outbox(store: &Path, server: (&str, u16), at_once: usize) -> anyhow::Result<(Addr<Outbox>, Scribe)> {
    let parts = Scribe::start(Box::new(Sqlite::open(Some(store))?))?;
    let scribe = parts.0.clone();
    let used = ChannelUse { channel: Some(Arc::new(smtp(server)?)), at_once, schedule: SCHEDULE };
    let channels = Channels::default().with("mail", used);
    Ok((Outbox::new(SCHEDULE, parts, channels).start_apart(), scribe))
}

/// Posts at a rate, as calls do, each waiting for its commit; how long each took, in milliseconds, sorted.
async fn posts(outbox: &Addr<Outbox>, name: &str, run: &Run) -> anyhow::Result<Vec<f64>> {
    let (began, mut running) = (Instant::now(), Vec::new());
    for n in 0..run.rate * run.seconds {
        let due = began + Duration::from_secs_f64(f64::from(n) / f64::from(run.rate));
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
        let (outbox, item) = (outbox.clone(), item(name, n as usize));
        running.push(actix::spawn(async move {
            let posted = outbox.send(Post(item)).await;
            // From when it was due: what comes too late for its turn has waited as well.
            posted.is_ok_and(|posted| posted.is_ok()).then(|| due.elapsed().as_secs_f64() * 1e3)
        }));
    }
    let mut took = Vec::new();
    for one in running {
        took.push(one.await?.context("a notice was not taken")?);
    }
    took.sort_by(f64::total_cmp);
    Ok(took)
}

fn latencies(took: &[f64]) -> serde_json::Value {
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    json!({"p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": took.last()})
}

async fn queue(run: &Run) -> anyhow::Result<()> {
    let wanted = open(&run.store)?;
    let (outbox, _scribe) = outbox(&run.store, NOBODY, 16)?;
    taken_up(wanted).await?;
    let name = format!("queue{}", std::process::id());
    let (cpu, began) = (cpu_us(), Instant::now());
    let took = posts(&outbox, &name, run).await?;
    let seconds = began.elapsed().as_secs_f64();
    let each = (cpu_us() - cpu) / took.len() as f64;
    let rate = took.len() as f64 / seconds;
    println!(
        "{}",
        json!({"posts": took.len(), "per_s": rate, "cpu_us_each": each, "commit": latencies(&took)})
    );
    outbox.send(Stop(Duration::ZERO)).await?;
    Ok(())
}

async fn mails(run: &Run, server: (&str, u16), at_once: usize) -> anyhow::Result<()> {
    let (outbox, _scribe) = outbox(&run.store, server, at_once)?;
    let numbers = METRICS.channels.of(ringpost::outbox::ChannelName::mail());
    let name = format!("mails{}", std::process::id());
    let (cpu, began) = (cpu_us(), Instant::now());
    let took = posts(&outbox, &name, run).await?;
    let posted = began.elapsed();
    while numbers.delivered.get() < took.len() as u64 {
        if began.elapsed() > Duration::from_secs(600) {
            bail!("{} of {} mails are delivered", numbers.delivered.get(), took.len());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let each = (cpu_us() - cpu) / took.len() as f64;
    let (rate, behind) = (took.len() as f64 / seconds, seconds - posted.as_secs_f64());
    println!(
        "{}",
        json!({"mails": took.len(), "per_s": rate, "behind_s": behind, "delayed": numbers.delayed.get(),
            "cpu_us_each": each, "commit": latencies(&took)})
    );
    outbox.send(Stop(Duration::from_secs(5))).await?;
    Ok(())
}

async fn resume(store: &Path) -> anyhow::Result<()> {
    let wanted = open(store)?;
    let before = resident_kb();
    let (cpu, began) = (cpu_us(), Instant::now());
    let (outbox, scribe) = outbox(store, NOBODY, 16)?;
    taken_up(wanted).await?;
    let (seconds, spent) = (began.elapsed().as_secs_f64(), cpu_us() - cpu);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = cpu_us();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let idle = (cpu_us() - idle) / 10e6;
    let memory = resident_kb().saturating_sub(before);
    drop(scribe);
    println!(
        "{}",
        json!({"open": wanted, "taken_up_s": seconds, "cpu_s": spent / 1e6, "memory_mb": memory >> 10, "idle_cores": idle})
    );
    outbox.send(Stop(Duration::ZERO)).await?;
    Ok(())
}

/// How many notices of a store are open.
fn open(store: &Path) -> anyhow::Result<u64> {
    Ok(if store.exists() { Sqlite::view(store)?.depth()?[..3].iter().sum() } else { 0 })
}

/// Waits until the outbox has read that many.
async fn taken_up(wanted: u64) -> anyhow::Result<()> {
    let (began, numbers) = (Instant::now(), || METRICS.channels.exposition(0));
    let line = format!("ringpost_notices_open{{channel=\"mail\"}} {wanted}\n");
    while !numbers().contains(&line) {
        if began.elapsed() > Duration::from_secs(300) {
            bail!("not taken up in time: {}", numbers());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// What all threads have run so far, in microseconds.
fn cpu_us() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let run = |task: fs::DirEntry| {
        fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok()
    };
    tasks.filter_map(run).sum::<f64>() / 1e3
}

fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}
