//! The only place where actors are wired together.

mod lane;
mod presence;
mod renewal;
mod rules_files;
mod sockets;
mod tell_um;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::prelude::*;
use arc_swap::ArcSwap;
use ringpost::{
    directory::Directory,
    outbox::ChannelName,
    settings::{Area, Site, UmServer},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, mpsc},
};

use crate::{
    book::{self, Book},
    channel::{self, Letters, SipInfo, token::Tokens},
    control::{self, Ears},
    directory::keep::{self, Order},
    identity::Identity,
    keeper::Keeper,
    load,
    mailboxes::Mailboxes,
    metrics,
    names::{self, Names},
    outbox::{self, ChannelUse, Channels, Outbox},
    policies::Policies,
    pool::Prober,
    port::{
        door::Gatehouse,
        lanes::{Lanes, Parcel},
        tls::Tls,
    },
    presence::outward::Outward,
    rcc::Rcc,
    registrar::Registrar,
    retention,
    store::{Scribe, Sqlite},
    switch::{Questions, Shared},
    trunks::Trunks,
    um::{Office, tell_recovered},
    voicemail::{self, Greetings, PortPool},
    web::{self, Routes, Web},
};
use renewal::Renewal;
pub use renewal::joined;
use tell_um::UmTeller;

/// INFOs to UM under way at once.
const UM_AT_ONCE: usize = 32;
/// Orders to the mirror of the directory that may wait.
const ORDERS: usize = 8;

/// Why Ringpost did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration or what it names cannot be used: a port is taken, the store cannot be written. Exit 64.
    #[error("{0}")]
    Config(String),
    /// The system failed while Ringpost ran. Exit 1.
    #[error("{doing}: {source}")]
    Io {
        /// What Ringpost was doing.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A part of Ringpost ended again and again. Exit 1: whoever started Ringpost starts it afresh.
    #[error("{0} ended again and again")]
    Broken(String),
}

/// A Ringpost that runs.
pub struct Running {
    /// The site as it is now.
    pub directory: Arc<ArcSwap<Directory>>,
    renewal: Arc<Renewal>,
    mirror: Option<mpsc::Sender<Order>>,
    lanes: Lanes,
    trunks: Trunks,
    outward: Option<Arc<Outward>>,
    rcc: Arc<Rcc>,
    outbox: Addr<Outbox>,
    web: Web,
    calls: Arc<AtomicUsize>,
    drain: Duration,
    fatal: mpsc::UnboundedReceiver<String>,
}

/// Runs `site` until a signal ends it; `site_file` is read again on SIGHUP.
///
/// # Errors
/// Why it did not start, or had to stop.
pub fn run(site: Site, site_file: PathBuf) -> Result<(), StartError> {
    System::new().block_on(async {
        // First of all: a signal that comes while it starts must not kill it half-way.
        let signals = Signals::listen()?;
        let running = Running::start(site).await?;
        running.until_told(&site_file, signals).await
    })
}

/// What an admin or a service manager says.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, StartError> {
        let listen = |kind| {
            signal(kind).map_err(|source| StartError::Io { doing: "waiting for signals".into(), source })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }
}

impl Running {
    /// Opens everything and starts the actors; when it returns, calls may come.
    ///
    /// # Errors
    /// What could not be opened.
    pub async fn start(site: Site) -> Result<Self, StartError> {
        let tls = Tls::new(&site).map_err(StartError::Config)?;
        let sockets = sockets::bind(&site)?;
        let web_sockets = web::bind(&site).map_err(StartError::Config)?;
        let (keeper, fatal) = Keeper::new();
        if let Some(address) = site.metrics.listen {
            metrics::http::serve(address, &keeper).map_err(|error| {
                StartError::Config(format!("metrics.listen: {address} cannot be opened: {error}"))
            })?;
        }
        let (scribe, late) = open_store(&site)?;
        let drain = site.sip.drain;
        let embedded = uses_embedded_um(&site);
        let um_socket = embedded.then(sockets::bind_um).transpose()?;
        let um_uri = um_socket.as_ref().map(|(_, address)| Arc::from(format!("sip:um@{address}")));
        let recovered = voicemail::recover(&site.voicemail.recordings);
        let (lanes, inboxes) = Lanes::new(site.sip.lanes);
        let (mut channels, tokens) = (Channels::default(), Tokens::default());
        let letters = Letters::new(Arc::clone(&site.style));
        let mut contacts = HashMap::new();
        for one in &site.channels {
            let made = channel::channel(one, &tokens, &letters).map_err(config)?;
            contacts.extend(Arc::clone(&made).contacts().map(|contacts| (one.name.clone(), contacts)));
            let used =
                ChannelUse { channel: Some(made), at_once: one.at_once, schedule: one.schedule.clone() };
            channels = channels.with(one.name.as_str(), used);
        }
        let outbox_settings = site.outbox.clone();
        let registrar = Arc::new(Registrar::new(&site, Some(scribe.clone())));
        let listeners = site.sip.listen.len();
        let read = site.ldap.as_deref().map(keep::snapshot).unwrap_or_default();
        let directory = renewal::joined(Arc::new(site), Arc::clone(&read.0));
        let directory = Arc::new(ArcSwap::from_pointee(registrar.open(directory)));
        let (mirror, told) = mpsc::channel(ORDERS);
        let mirror = directory.load().site.ldap.is_some().then_some(mirror);
        registrar.restore(listeners).await;
        let swept = Arc::clone(&registrar);
        keeper.keep("registrar".to_owned(), move || Arc::clone(&swept).sweep());
        let teller = UmTeller::new(lanes.clone(), Arc::clone(&directory), Option::clone(&um_uri));
        let um = ChannelUse {
            channel: Some(Arc::new(SipInfo::new(Arc::new(teller)))),
            at_once: UM_AT_ONCE,
            schedule: outbox_settings.clone(),
        };
        let channels = channels.with(ChannelName::um().as_str(), um);
        let asks = Identity::start(Arc::clone(&directory), &contacts);
        let identity = asks.map_err(|source| StartError::Io {
            doing: "starting the thread that asks for names".into(),
            source,
        })?;
        let policies = Policies::load(scribe.clone()).await;
        let kept_by = scribe.clone();
        let lanes_count = lanes.count();
        let rcc = Rcc::new(Arc::clone(&directory), lanes_count);
        let hears = (&policies, &registrar, &rcc);
        let presence = presence::start(&directory, hears, lanes_count, &scribe, &keeper).await;
        let outbox = Outbox::new(outbox_settings, (scribe, late), channels).kept_by(keeper.clone());
        let outbox = outbox.naming(identity.clone());
        let asking = outbox.asking();
        let outbox = outbox.start_apart();
        let has_book = directory.load().site.book.enabled && !web_sockets.is_empty();
        let book =
            has_book.then(|| Book::of(Arc::clone(&directory), Box::new(book::Site(Arc::clone(&directory)))));
        if let Some(path) = &directory.load().site.store.path {
            let (outbox, directory, mirror) = (outbox.clone(), Arc::clone(&directory), mirror.clone());
            let ears = Ears { outbox, directory, mirror, book: book.clone() };
            control::serve(path, ears, &keeper).map_err(|error| {
                let socket = control::socket_of(path);
                StartError::Config(format!("store.path: {} cannot be opened: {error}", socket.display()))
            })?;
        }
        let deleted = Arc::new(Notify::new());
        let kept = (Arc::clone(&directory), kept_by.clone(), Arc::clone(&deleted));
        keeper.keep("retention".into(), move || {
            retention::run(Arc::clone(&kept.0), kept.1.clone(), Arc::clone(&kept.2))
        });
        let calls = Arc::new(AtomicUsize::new(0));
        let ports = rtp_ports(&directory.load().site);
        if let Some((socket, _)) = um_socket {
            let mailboxes = Mailboxes::load(kept_by.clone(), Arc::clone(&deleted)).await;
            let kept = (Arc::clone(&policies), mailboxes);
            start_um(&directory, (&outbox, &ports, &identity), kept, socket, keeper.clone())?;
        }
        let gatehouse = Gatehouse::new(Arc::clone(&directory));
        let (names, orders) = Names::new(directory.load().site.dns.clone());
        let names = Arc::new(names);
        names::start(Arc::clone(&names), orders, keeper.clone());
        let shared = Shared {
            directory: Arc::clone(&directory),
            gatehouse: Arc::clone(&gatehouse),
            tls: Arc::clone(&tls),
            names: Arc::clone(&names),
            outbox: outbox.clone(),
            asking,
            embedded_um: um_uri,
            marks: ahash::RandomState::new(),
            calls: Arc::clone(&calls),
            policies,
            questions: Arc::new(Questions { ports, words: Greetings::accept() }),
            registrar: Arc::clone(&registrar),
            identity,
            presence,
            rcc: Arc::clone(&rcc),
        };
        lane::start_all(&lanes, inboxes, sockets, &shared, &keeper)?;
        // Whoever has something to serve by HTTP adds its routes here.
        let routes = Routes::new(Arc::clone(&directory))
            .with(Area::Locations, web::locations::routes(Arc::clone(&directory)));
        let routes = match &book {
            Some(book) => routes.with(Area::Book, book::routes(Arc::clone(book))),
            None => routes,
        };
        if let Some(book) = book {
            keeper.keep(book::part(), move || Arc::clone(&book).run());
        }
        let web = Web::start(web_sockets, routes, Arc::clone(&tls), keeper.clone());
        let web =
            web.map_err(|source| StartError::Io { doing: "starting to serve by HTTP".into(), source })?;
        let trunks = Trunks::new(lanes.clone(), Arc::clone(&directory));
        let outward = presence::publish(&shared.presence, &lanes, &keeper);
        let prober = Prober::new(lanes.clone(), Arc::clone(&directory));
        keeper.keep("um servers".into(), move || prober.clone().run());
        let renewed = Arc::clone(&tls);
        keeper.keep("certificates".into(), move || Arc::clone(&renewed).watch());
        let watch = trunks.clone();
        keeper.keep("trunks".into(), move || watch.clone().run());
        let renewal = Arc::new(Renewal {
            directory: Arc::clone(&directory),
            registrar,
            gatehouse,
            tls,
            names,
            letters,
            trunks: trunks.clone(),
            turn: Mutex::default(),
        });
        let stage: Arc<dyn keep::Stage> = renewal.clone();
        keep::start(stage, told, read, &keeper).map_err(StartError::Config)?;
        announce(&directory.load());
        match recovered {
            Ok(recovered) => {
                drop(actix::spawn(tell_recovered(directory.load_full(), outbox.clone(), recovered)))
            }
            Err(error) => tracing::error!(%error, "The folder of recordings cannot be read"),
        }
        Ok(Self { directory, renewal, mirror, lanes, trunks, outward, rcc, outbox, web, calls, drain, fatal })
    }

    /// Waits for SIGTERM or SIGINT, then drains; SIGHUP reads the users again.
    pub(crate) async fn until_told(
        mut self,
        site_file: &std::path::Path,
        Signals { mut terminate, mut interrupt, mut hang_up }: Signals,
    ) -> Result<(), StartError> {
        let mut watched = rules_files::Watched::of(&self.directory.load().site);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => {
                    self.reload(site_file).await;
                    watched = rules_files::Watched::of(&self.directory.load().site);
                }
                () = watched.wait() => {
                    if watched.have_changed() {
                        tracing::info!("A rules file has changed");
                        self.reload(site_file).await;
                        watched.follow(&self.directory.load().site);
                    }
                }
                Some(part) = self.fatal.recv() => return self.escalate(part).await,
            }
        }
        tokio::select! {
            () = self.stop() => {}
            _ = terminate.recv() => tracing::warn!("Told twice: stopping at once"),
            _ = interrupt.recv() => tracing::warn!("Told twice: stopping at once"),
        }
        Ok(())
    }

    /// A part cannot be kept alive: what can be saved is, and the program ends for its own keeper to start it afresh.
    async fn escalate(self, part: String) -> Result<(), StartError> {
        tracing::error!(part, "Ringpost ends, because a part of it ended again and again");
        self.lanes.tell_all(|| Parcel::Stop).await;
        self.wait_for_calls(Duration::from_secs(2)).await;
        // The outbox may be that part.
        let stopped = self.outbox.send(outbox::Stop(Duration::from_secs(2)));
        let _ = tokio::time::timeout(Duration::from_secs(5), stopped).await;
        Err(StartError::Broken(part))
    }

    /// Reads the site file again; users, trunks and UM plans change, listeners and the store need a restart. With a large
    /// directory that takes seconds, so a thread of its own does it.
    async fn reload(&self, site_file: &std::path::Path) {
        let (renewal, site_file) = (Arc::clone(&self.renewal), site_file.to_owned());
        let renewed = move || load::site(&site_file).map(|site| (site.users.len(), renewal.site(site)).0);
        let Ok(read) = tokio::task::spawn_blocking(renewed).await else {
            tracing::error!("Reading the site file again has failed: the users stay as they were");
            return;
        };
        match read {
            Ok(users) => {
                // Full: it has been told already.
                self.mirror.iter().for_each(|mirror| drop(mirror.try_send(Order::Reread)));
                tracing::info!(users, "Read the site file again");
            }
            Err(problems) => {
                problems.iter().for_each(|problem| tracing::error!("{problem}"));
                tracing::error!("The site file has errors: the users stay as they were");
            }
        }
    }

    /// No new calls; running ones may finish up to the limit; then everything is written and closed.
    pub async fn stop(&self) {
        self.lanes.drain().await;
        tracing::info!(calls = self.calls.load(Ordering::Relaxed), "Draining");
        self.trunks.stop().await;
        self.web.stop().await;
        self.wait_for_calls(self.drain).await;
        if let Some(outward) = &self.outward {
            outward.stop().await;
        }
        self.rcc.farewell().await;
        self.lanes.tell_all(|| Parcel::Stop).await;
        self.wait_for_calls(Duration::from_secs(5)).await;
        if self.outbox.send(outbox::Stop(Duration::from_secs(5))).await.is_err() {
            tracing::error!("The outbox had ended before");
        }
        tracing::info!("Stopped");
    }

    async fn wait_for_calls(&self, limit: Duration) {
        let until = Instant::now() + limit;
        while self.calls.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What an admin looks for first: where Ringpost listens and what it serves.
fn announce(directory: &Directory) {
    let site = &directory.site;
    for listen in &site.sip.listen {
        tracing::info!(transport = ?listen.transport, address = %listen.address, lanes = site.sip.lanes, "Listening");
    }
    let trunks = site.trunks.iter().map(|trunk| trunk.name.as_str()).collect::<Vec<_>>().join(" ");
    let plans = site.plans.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>().join(" ");
    tracing::info!(users = site.users.len(), trunks, plans, mail = site.mail.is_some(), "Ready for calls");
}

fn open_store(
    site: &Site,
) -> Result<(Scribe, tokio::sync::mpsc::UnboundedReceiver<crate::store::Late>), StartError> {
    let store = Sqlite::open(site.store.path.as_deref()).map_err(config)?;
    Scribe::start(Box::new(store))
        .map_err(|source| StartError::Io { doing: "starting the store's thread".into(), source })
}

/// Whether Ringpost answers calls itself: as UM, as an attendant, or to say that a feature code is taken.
pub(crate) fn uses_embedded_um(site: &Site) -> bool {
    // It also says that a feature code is taken, and is every attendant.
    !site.feature_codes.0.is_empty()
        || !site.attendants.is_empty()
        || site.plans.iter().any(|plan| plan.servers.contains(&UmServer::Embedded))
}

fn rtp_ports(site: &Site) -> Arc<PortPool> {
    let voicemail = &site.voicemail;
    PortPool::new(voicemail.address, voicemail.address, voicemail.rtp_ports)
}

fn start_um(
    directory: &Arc<ArcSwap<Directory>>,
    (outbox, ports, identity): (&Addr<Outbox>, &Arc<PortPool>, &Option<Arc<Identity>>),
    kept: (Arc<Policies>, Arc<Mailboxes>),
    socket: std::net::UdpSocket,
    keeper: Keeper,
) -> Result<(), StartError> {
    let voicemail = directory.load().site.voicemail.clone();
    std::fs::create_dir_all(&voicemail.recordings).map_err(|error| {
        StartError::Config(format!("{} cannot be made: {error}", voicemail.recordings.display()))
    })?;
    let office =
        Office::new(Arc::clone(directory), outbox.clone(), Arc::clone(ports), kept).map_err(config)?;
    lane::start_um(Arc::new(office.naming(identity.clone())), socket, keeper)
}

fn config(error: impl std::fmt::Display) -> StartError {
    StartError::Config(error.to_string())
}
