//! Registers at providers and asks trunks whether they live; what it learns stands in the directory and in the health report.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::future::{LocalBoxFuture, join_all};
use jiff::Timestamp;
use ringpost::{
    directory::Directory,
    settings::{FarEnd, KeepAlive, Trunk},
    sip::{
        Message as SipMessage,
        build::literal,
        registration::{Next, Registration},
        uri::Uri,
    },
};
use tokio::sync::{Notify, oneshot};

use crate::{
    entropy, gateways,
    metrics::{METRICS, State},
    pool::{now, sign_of},
    port::{
        errand::{Asked, Errand, Reply},
        lanes::{Lanes, Parcel},
    },
};

/// How long the end of a registration is waited for when Ringpost stops.
const FAREWELL: Duration = Duration::from_millis(500);

/// How many servers of one name OPTIONS waits for.
const SERVERS: u32 = 3;

/// How often it is looked which gateways are due, at the most and at the least.
const TICKS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// What the tasks of all trunks share.
#[derive(Clone)]
pub struct Trunks {
    lanes: Lanes,
    directory: Arc<ArcSwap<Directory>>,
    /// The site was read again.
    changed: Arc<Notify>,
    /// Ringpost stops.
    ends: Arc<Notify>,
}

/// What one trunk's two tasks know of it.
struct Watched {
    name: String,
    domain: String,
    far: FarEnd,
    lives: Cell<bool>,
    registered: Cell<bool>,
}

impl Trunks {
    /// The trunks of that directory, reached through the first lane.
    pub fn new(lanes: Lanes, directory: Arc<ArcSwap<Directory>>) -> Self {
        Self { lanes, directory, changed: Arc::new(Notify::new()), ends: Arc::new(Notify::new()) }
    }

    /// The site was read again: every trunk is registered and asked afresh.
    pub fn reload(&self) {
        self.changed.notify_one();
    }

    /// Takes the registrations back, as far as that is quickly done.
    pub async fn stop(&self) {
        let directory = self.directory.load_full();
        if directory
            .site
            .trunks
            .iter()
            .filter_map(|trunk| trunk.far.as_ref())
            .any(|far| far.registration.is_some())
        {
            self.ends.notify_one();
            tokio::time::sleep(FAREWELL).await;
        }
    }

    /// Works until the end of the program.
    pub async fn run(self) {
        loop {
            let directory = self.directory.load_full();
            let domain = &directory.site.sip.domain;
            let watched: Vec<Watched> =
                directory.site.trunks.iter().filter_map(|trunk| Watched::of(trunk, domain)).collect();
            let gateways = directory.gateways();
            let probes = gateways
                .iter()
                .map(|gateway| -> LocalBoxFuture<'_, ()> { Box::pin(self.probe(gateway, &directory)) });
            let work = join_all(
                watched
                    .iter()
                    .flat_map(|trunk| -> [LocalBoxFuture<'_, ()>; 2] {
                        [Box::pin(self.stay_registered(trunk)), Box::pin(self.keep_alive(trunk))]
                    })
                    .chain(probes),
            );
            tokio::select! {
                _ = work => self.changed.notified().await,
                () = self.changed.notified() => {}
                () = self.ends.notified() => {
                    join_all(watched.iter().map(|trunk| self.unregister(trunk))).await;
                    return std::future::pending().await;
                }
            }
            watched.iter().for_each(Watched::forget);
            let kept = self.directory.load().gateways();
            let gone = |one: &&Arc<Trunk>| !kept.iter().any(|kept| kept.name == one.name);
            gateways.iter().filter(gone).for_each(|gone| gateways::forget(&gone.name));
        }
    }

    /// Registers, and refreshes for ever.
    async fn stay_registered(&self, trunk: &Watched) {
        let Some(wish) = &trunk.far.registration else { return };
        let mut state = Registration::new(wish.expires, wish.retry);
        let mut random = entropy::source();
        let (call_id, tag) = (format!("{:08x}{:08x}", random(), random()), format!("{:08x}", random()));
        let mut sequence = 0;
        let mut header = None;
        loop {
            sequence += 1;
            let series = (format!("{call_id}@{}", trunk.domain), tag.clone(), sequence);
            let errand = trunk.register(state.expires, Some(series), header.take());
            let contact = errand.contact.clone();
            let next = match self.ask(errand, Duration::from_secs(35)).await {
                Reply { code, message, sent: Some((sent, to)) } => {
                    let Ok(sent) = SipMessage::read(sent) else { return };
                    let login = trunk.far.login.as_ref();
                    let next = state.on((code, message.as_ref()), (&sent, &contact), login, random());
                    if let Next::Refresh(_) = next {
                        self.directory.load().set_registrar(&trunk.name, to.ip());
                    }
                    next
                }
                Reply { code, .. } => {
                    let Ok(nothing) = SipMessage::read("REGISTER sip:x SIP/2.0\r\n\r\n".into()) else {
                        return;
                    };
                    state.on((code, None), (&nothing, &contact), None, random())
                }
            };
            match next {
                Next::Again(with) => header = with,
                Next::Refresh(after) => {
                    trunk.registered(&self.directory, None);
                    tokio::time::sleep(after).await;
                }
                Next::Retry(after, why) => {
                    METRICS.trunk_registrations_failed_total.one();
                    tracing::warn!(trunk = trunk.name, why, again_in = ?after, "A trunk does not register us");
                    trunk.registered(&self.directory, Some(why));
                    tokio::time::sleep(after).await;
                }
            }
        }
    }

    /// Takes the registration back (RFC 3261 §10.2.2); a challenge is answered once.
    async fn unregister(&self, trunk: &Watched) {
        if trunk.far.registration.is_none() || !trunk.registered.get() {
            return;
        }
        let mut state = Registration::new(Duration::ZERO, Duration::ZERO);
        let mut header = None;
        for _ in 0..2 {
            let errand = trunk.register(0, None, header.take());
            let contact = errand.contact.clone();
            let reply = self.ask(errand, FAREWELL).await;
            let Some(sent) = reply.sent.and_then(|(sent, _)| SipMessage::read(sent).ok()) else { return };
            let answer = (reply.code, reply.message.as_ref());
            match state.on(answer, (&sent, &contact), trunk.far.login.as_ref(), 0) {
                Next::Again(with) => header = with,
                Next::Refresh(_) | Next::Retry(..) => return,
            }
        }
    }

    /// Asks by OPTIONS for ever whether the trunk lives.
    async fn keep_alive(&self, trunk: &Watched) {
        let Some(KeepAlive { every, failures }) = trunk.far.keep_alive else { return };
        let mut failed = 0;
        loop {
            let since = Instant::now();
            let asked = self.ask(options(&trunk.far, &trunk.domain), patience(&trunk.far).min(every));
            let reply = asked.await;
            let lives = is_alive(reply.code);
            failed = if lives { 0 } else { failed + 1 };
            if lives || failed >= failures {
                trunk.lives(&self.directory, lives.then_some(()).ok_or(reply.code));
            }
            tokio::time::sleep(every.saturating_sub(since.elapsed())).await;
        }
    }

    /// Asks a gateway that calls have shown to be out, as often as it is due, whether it is back.
    async fn probe(&self, gateway: &Trunk, directory: &Directory) {
        let Some(far) = &gateway.far else { return };
        let tick = directory.site.routing.health.first.clamp(TICKS[0], TICKS[1]) / 2;
        loop {
            tokio::time::sleep(tick).await;
            if !self.directory.load().gateway_is_due(&gateway.name, now()) {
                continue;
            }
            METRICS.gateway_probes_total.one();
            let reply = self.ask(options(far, &directory.site.sip.domain), patience(far)).await;
            let directory = self.directory.load();
            match is_alive(reply.code) {
                true => gateways::answered(&directory, &gateway.name),
                false => {
                    let sign = sign_of(reply.code, reply.message.as_ref());
                    gateways::still_out(&directory, &gateway.name, sign);
                }
            }
        }
    }

    async fn ask(&self, errand: Errand, patience: Duration) -> Reply {
        let (answer, answered) = oneshot::channel();
        let nobody = |code| Reply { code, message: None, sent: None };
        if !self.lanes.send(0, Parcel::Errand(Box::new(Asked { errand, answer }))) {
            return nobody(503);
        }
        match tokio::time::timeout(patience, answered).await {
            Ok(reply) => reply.unwrap_or_else(|_| nobody(503)),
            Err(_) => nobody(408),
        }
    }
}

impl Watched {
    /// A trunk that wants to be registered or asked.
    fn of(trunk: &Trunk, domain: &str) -> Option<Self> {
        let far = trunk.far.clone().filter(|far| far.registration.is_some() || far.keep_alive.is_some())?;
        let (name, domain) = (trunk.name.clone(), domain.to_owned());
        Some(Self { name, domain, far, lives: Cell::new(true), registered: Cell::new(true) })
    }

    fn forget(&self) {
        for what in ["", " registration"] {
            METRICS.health.forget(&format!("trunk {}{what}", self.name));
        }
    }

    fn register(
        &self,
        expires: u32,
        series: Option<(String, String, u32)>,
        header: Option<(&'static str, Vec<u8>)>,
    ) -> Errand {
        let address = self.far.registration.as_ref().map_or("", |registration| &registration.address);
        let (user, host) = address.trim_start_matches("sip:").split_once('@').unwrap_or_default();
        let mut headers = vec![("Expires", expires.to_string().into_bytes())];
        headers.extend(header);
        Errand {
            method: "REGISTER",
            uri: format!("sip:{host}"),
            next_hop: Some(self.far.target.clone()),
            from: address.to_owned(),
            to: address.to_owned(),
            series,
            contact: user.to_owned(),
            host: self.far.host.clone(),
            headers,
            ..Errand::default()
        }
    }

    fn registered(&self, directory: &ArcSwap<Directory>, failure: Option<String>) {
        self.tell(directory, &self.registered, " registration", failure);
    }

    fn lives(&self, directory: &ArcSwap<Directory>, answer: Result<(), u16>) {
        let failure = answer.err().map(|code| format!("OPTIONS is answered {code}, or not at all"));
        self.tell(directory, &self.lives, "", failure);
    }

    /// Calls leave by a trunk that lives and has registered us, as far as either is asked for.
    fn tell(&self, directory: &ArcSwap<Directory>, what: &Cell<bool>, part: &str, failure: Option<String>) {
        let well = failure.is_none();
        let part = format!("trunk {}{part}", self.name);
        if what.replace(well) != well {
            tracing::info!(part, up = well, "A trunk has changed");
        }
        METRICS.health.set(&part, failure.map_or(State::Green, State::Yellow));
        directory.load().set_trunk(&self.name, self.lives.get() && self.registered.get(), Timestamp::now());
    }
}

/// Whether a code is one of a trunk that lives: any but that it cannot work (503) or that nobody is behind it (408).
fn is_alive(code: u16) -> bool {
    !matches!(code, 408 | 503)
}

/// How long an answer to OPTIONS may take. A name may lead to several servers, of which the first are dead.
fn patience(far: &FarEnd) -> Duration {
    let host = Uri::read(far.target.as_bytes()).map(|uri| uri.host);
    let named = host.is_some_and(|host| literal(host, None).is_none());
    if named { far.timeout.saturating_mul(SERVERS) } else { far.timeout }
}

fn options(far: &FarEnd, domain: &str) -> Errand {
    let host = far.host.as_deref().unwrap_or(domain);
    Errand {
        method: "OPTIONS",
        uri: far.target.clone(),
        from: format!("sip:ringpost@{host}"),
        to: far.target.split(';').next().unwrap_or_default().to_owned(),
        host: far.host.clone(),
        headers: vec![("Accept", b"application/sdp".to_vec())],
        ..Errand::default()
    }
}
