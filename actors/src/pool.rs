//! The UM servers' working set as the world sees it: the clock it goes by, the words in the log, and who asks the servers
//! that have left it whether they are back.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use ringpost::{
    directory::Directory,
    settings::UmServer,
    sip::{Message, Name, text::number},
    um::{
        health::{Health, Rules, Sign},
        pool::{Change, Member},
    },
};
use tokio::sync::oneshot;

use crate::{
    metrics::{METRICS, State},
    port::{
        errand::{Asked, Errand},
        lanes::{Lanes, Parcel},
    },
};

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The pools' clock, the same for all lanes, in milliseconds.
pub fn now() -> u64 {
    u64::try_from(STARTED.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What a final response says of its server.
pub fn sign_of(code: u16, said: Option<&Message>) -> Sign {
    let rest = said.and_then(|said| said.first(Name::RetryAfter)).and_then(|value| {
        // A comment or parameters may follow (RFC 3261 §20.33).
        let digits = value.iter().take_while(|octet| octet.is_ascii_digit()).count();
        number(&value[..digits])
    });
    match said {
        Some(_) => Sign::of(code, rest.map(|seconds| Duration::from_secs(seconds.into()))),
        // It came from us, because nothing came from there.
        None => Sign::Silent,
    }
}

/// Notes what a try has shown of a server.
pub fn note(member: &Member, sign: Sign, rules: &Rules) {
    if sign != Sign::Good {
        METRICS.um_failures_total.one();
    }
    let Some(change) = member.note(sign, now(), rules) else { return };
    let UmServer::Sip(server) = &member.server else { return };
    let why = match sign {
        Sign::Good => "it works",
        Sign::Failed => "it failed",
        Sign::Busy(_) => "it asked to be left alone",
        Sign::Silent => "it did not answer",
    };
    match change {
        Change::Left => {
            METRICS.um_left_total.one();
            tracing::warn!(server, why, "A UM server has left the working set");
        }
        Change::StaysOut => tracing::debug!(server, why, "A UM server stays out of the working set"),
        Change::Readmitted => {
            METRICS.um_readmitted_total.one();
            tracing::info!(server, "A UM server is back in the working set");
        }
    }
    let state = match change {
        Change::Readmitted => State::Green,
        Change::Left | Change::StaysOut => State::Yellow(format!("out of the working set: {why}")),
    };
    METRICS.health.set(&part(server), state);
}

fn part(server: &str) -> String {
    format!("um server {server}")
}

/// Asks servers that have left the set, and tells how many there are.
#[derive(Clone)]
pub struct Prober {
    lanes: Lanes,
    directory: Arc<ArcSwap<Directory>>,
    asked: Rc<RefCell<Vec<Arc<Member>>>>,
    shown: Rc<RefCell<Vec<String>>>,
}

impl Prober {
    /// Asks through the first lane.
    pub fn new(lanes: Lanes, directory: Arc<ArcSwap<Directory>>) -> Self {
        Self { lanes, directory, asked: Rc::default(), shown: Rc::default() }
    }

    /// Works until the end of the program.
    pub async fn run(self) {
        loop {
            let directory = self.directory.load_full();
            let rules = directory.site.um.rules;
            let members = directory.um_members();
            self.show(&members, &rules);
            for member in members {
                if member.health(now(), &rules).wants_options(now(), &rules) {
                    self.ask(member, &directory);
                }
            }
            let tick = rules.first.clamp(Duration::from_millis(100), Duration::from_secs(1)) / 2;
            tokio::time::sleep(tick).await;
        }
    }

    /// The gauges, and the parts of the health report: servers may come and go with the site file.
    fn show(&self, members: &[Arc<Member>], rules: &Rules) {
        let is_out = |member: &&Arc<Member>| !matches!(member.health(now(), rules), Health::In { .. });
        METRICS.um_servers.set(members.len() as u64);
        METRICS.um_servers_out.set(members.iter().filter(is_out).count() as u64);
        let uri = |member: &Arc<Member>| match &member.server {
            UmServer::Sip(uri) => Some(uri.clone()),
            UmServer::Embedded => None,
        };
        let now: Vec<String> = members.iter().filter_map(uri).collect();
        let mut shown = self.shown.borrow_mut();
        if *shown != now {
            shown.iter().filter(|old| !now.contains(old)).for_each(|old| METRICS.health.forget(&part(old)));
            let new = now.iter().filter(|new| !shown.contains(new));
            new.for_each(|new| METRICS.health.set(&part(new), State::Green));
            *shown = now;
        }
    }

    /// Sends OPTIONS to a server, unless one is under way.
    fn ask(&self, member: Arc<Member>, directory: &Arc<Directory>) {
        let UmServer::Sip(uri) = &member.server else { return };
        if self.asked.borrow().iter().any(|asked| Arc::ptr_eq(asked, &member)) {
            return;
        }
        let (answer, answered) = oneshot::channel();
        let errand = Errand {
            method: "OPTIONS",
            from: format!("sip:ringpost@{}", directory.site.sip.domain),
            to: uri.clone(),
            uri: uri.clone(),
            ..Errand::default()
        };
        if !self.lanes.send(0, Parcel::Errand(Box::new(Asked { errand, answer }))) {
            return;
        }
        METRICS.um_probes_total.one();
        self.asked.borrow_mut().push(Arc::clone(&member));
        let (asked, um) = (Rc::clone(&self.asked), directory.site.um.clone());
        actix::spawn(async move {
            let sign = match tokio::time::timeout(um.silence, answered).await {
                Ok(Ok(reply)) => sign_of(reply.code, reply.message.as_ref()),
                Ok(Err(_)) | Err(_) => Sign::Silent,
            };
            match (sign, &member.server) {
                (Sign::Good, UmServer::Sip(server)) if member.answered_options(now()) => {
                    tracing::info!(server, "A UM server answers again: it gets calls, few at first");
                    METRICS.health.set(&part(server), State::Yellow("on trial: it answers OPTIONS".into()));
                }
                (Sign::Good, _) => {}
                (sign, _) => note(&member, sign, &um.rules),
            }
            asked.borrow_mut().retain(|asked| !Arc::ptr_eq(asked, &member));
        });
    }
}
