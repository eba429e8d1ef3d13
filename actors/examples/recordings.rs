//! How much of a core do so many recordings at once take? `cargo run --example recordings -- [CALLS] [SECONDS]`
//!
//! One lane carries all sessions; the callers are a thread of their own that is not counted (Linux: /proc).

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;
use anyhow::Context as _;
use ringpost::{
    address::Language,
    voicemail::{Limits, g711::Codec, rtp::Header},
};
use ringpost_actors::voicemail::{
    Begin, Close, Greetings, MediaEvent, MediaSession, Opened, PortPool, SessionParams,
};
use serde_json::Value;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CALLERS: &str = "callers";
const FRAME: Duration = Duration::from_millis(20);

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let calls: usize = arguments.next().map_or(Ok(300), |text| text.parse()).context("CALLS is a number")?;
    let seconds: u64 = arguments.next().map_or(Ok(20), |text| text.parse()).context("SECONDS is a number")?;
    System::new().block_on(measure(calls, Duration::from_secs(seconds)))
}

async fn measure(calls: usize, length: Duration) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("ringpost-recordings-{}", std::process::id()));
    let greetings = Greetings::load(None)?;
    let greeting = greetings.of(Language::En);
    let greeting_lasts = greeting.length();
    let ports = PortPool::new(HERE, HERE, (20_000, 29_999));
    let report = Ignore.start().recipient();
    let phones: Vec<UdpSocket> = (0..calls).map(|_| UdpSocket::bind((HERE, 0))).collect::<Result<_, _>>()?;
    let mut sessions: Vec<Opened> = Vec::new();
    for (id, phone) in (0..).zip(&phones) {
        let params = SessionParams {
            script: ringpost::voicemail::Script::Mailbox,
            id,
            offer: Some(offer(phone.local_addr()?)),
            ports: ports.clone(),
            greeting: greeting.clone(),
            limits: limits(),
            folder: folder.clone(),
            context: Value::Null,
        };
        sessions.push(MediaSession::start(params, report.clone())?);
    }

    let before = cpu()?;
    for session in &sessions {
        session.addr.send(Begin { answer: None }).await??;
    }
    actix::clock::sleep(greeting_lasts + Duration::from_millis(700)).await;
    println!("{calls} greetings:  {:.1} % of a core", percent(cpu()? - before, greeting_lasts));

    let lines: Vec<SocketAddr> = sessions.iter().map(|session| session.local).collect();
    let callers =
        thread::Builder::new().name(CALLERS.into()).spawn(move || speak(&phones, &lines, length))?;
    let (before, began) = (cpu()?, Instant::now());
    actix::clock::sleep(length).await;
    println!("{calls} recordings: {:.1} % of a core", percent(cpu()? - before, began.elapsed()));

    let ended = Instant::now();
    let closing = sessions.iter().map(|session| session.addr.send(Close)).collect::<Vec<_>>();
    let (mut messages, mut recorded) = (0, Duration::ZERO);
    for closed in closing {
        if let Some(recording) = closed.await?.recording {
            messages += 1;
            recorded += recording.duration;
        }
    }
    println!(
        "{messages} messages of {:.2?} on average, safe on disk after {:.0?}",
        recorded / messages.max(1),
        ended.elapsed()
    );
    callers.join().map_err(|_| anyhow::anyhow!("the callers panicked"))??;
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// Every phone says a frame of a tone every 20 ms, spread over the 20 ms.
fn speak(phones: &[UdpSocket], lines: &[SocketAddr], length: Duration) -> std::io::Result<()> {
    let tone = Codec::Pcma.tone(400.0, 0.5, FRAME);
    let began = Instant::now();
    let between = FRAME / u32::try_from(phones.len()).unwrap_or(1);
    for n in 0..u32::try_from(length.as_millis() / FRAME.as_millis()).unwrap_or(u32::MAX) {
        for (k, (phone, line)) in (0..).zip(phones.iter().zip(lines)) {
            let header =
                Header { marker: n == 0, payload_type: 8, sequence: n as u16, timestamp: n * 160, ssrc: k };
            phone.send_to(&header.write(&tone), line)?;
            thread::sleep((FRAME * n + between * k).saturating_sub(began.elapsed()));
        }
    }
    Ok(())
}

/// CPU time of all threads but the callers'.
fn cpu() -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        // A blocking thread may end while we look.
        let Ok(stat) = fs::read_to_string(task.join("stat")) else { continue };
        let (name, fields) = stat.rsplit_once(')').context("stat has a name")?;
        if !name.ends_with(CALLERS) {
            let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
            ticks += fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        }
    }
    // USER_HZ is 100 on every Linux.
    Ok(Duration::from_millis(ticks * 10))
}

fn percent(busy: Duration, of: Duration) -> f64 {
    100.0 * busy.as_secs_f64() / of.as_secs_f64()
}

fn limits() -> Limits {
    Limits {
        silence: Duration::from_secs(30),
        max_message: Duration::from_secs(600),
        min_message: Duration::from_secs(2),
        max_call: Duration::from_secs(900),
        begin: Duration::from_secs(32),
    }
}

fn offer(here: SocketAddr) -> bytes::Bytes {
    format!("v=0\r\nc=IN IP4 {}\r\nm=audio {} RTP/AVP 8\r\n", here.ip(), here.port()).into()
}

/// Listens to nothing that the sessions say.
struct Ignore;

impl Actor for Ignore {
    type Context = Context<Self>;
}

impl Handler<MediaEvent> for Ignore {
    type Result = ();

    fn handle(&mut self, _: MediaEvent, _: &mut Self::Context) {}
}
