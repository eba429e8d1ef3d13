//! The only place where actors are wired together.

mod channels;
mod lane;
mod presence;
mod renewal;
mod rules_files;
mod running;
mod sockets;
mod tell_um;
mod um;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};

use actix::prelude::*;
use arc_swap::ArcSwap;
use ringpost::{
    directory::Directory,
    outbox::ChannelName,
    settings::{Area, Site},
};
use tokio::sync::{Notify, mpsc};

use crate::{
    book::{self, Book},
    channel::Letters,
    control::{self, Ears},
    directory::keep::{self, Order},
    identity::Identity,
    keeper::Keeper,
    mailboxes::Mailboxes,
    metrics,
    names::{self, Names},
    outbox::Outbox,
    policies::Policies,
    pool::Prober,
    port::{door::Gatehouse, lanes::Lanes, tls::Tls},
    presence::{connect::Connectors, outward::Outward},
    rcc::Rcc,
    registrar::Registrar,
    retention,
    store::{Late, Scribe, Sqlite},
    switch::{Questions, Shared},
    trunks::Trunks,
    um::tell_recovered,
    voicemail::{self, Greetings},
    web::{self, Routes, Web},
};
use renewal::Renewal;
use tell_um::UmTeller;

pub use renewal::joined;
pub(crate) use running::Signals;
pub(crate) use um::uses_embedded_um;

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
    pub(crate) connectors: Arc<Connectors>,
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
        serve_metrics(&site, &keeper)?;
        let (scribe, late) = open_store(&site)?;
        let drain = site.sip.drain;
        let um_socket = uses_embedded_um(&site).then(sockets::bind_um).transpose()?;
        let um_uri = um_socket.as_ref().map(|(_, address)| Arc::from(format!("sip:um@{address}")));
        let recovered = voicemail::recover(&site.voicemail.recordings);
        let (lanes, inboxes) = Lanes::new(site.sip.lanes);
        let letters = Letters::new(Arc::clone(&site.style));
        let (channels, beside) = channels::open(&site, &letters)?;
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
        let to_um = channels::to_um(teller, &outbox_settings);
        let channels = channels.with(ChannelName::um().as_str(), to_um);
        let asks = Identity::start(Arc::clone(&directory), &beside.contacts);
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
        let connectors = presence::subscribe(&presence, &lanes, &keeper);
        let ears = Ears {
            outbox: outbox.clone(),
            directory: Arc::clone(&directory),
            mirror: mirror.clone(),
            book: book.clone(),
            connectors: Arc::clone(&connectors),
        };
        serve_control(ears, &keeper)?;
        let deleted = Arc::new(Notify::new());
        let kept = (Arc::clone(&directory), kept_by.clone(), Arc::clone(&deleted));
        keeper.keep("retention".into(), move || {
            retention::run(Arc::clone(&kept.0), kept.1.clone(), Arc::clone(&kept.2))
        });
        let calls = Arc::new(AtomicUsize::new(0));
        let ports = um::rtp_ports(&directory.load().site);
        if let Some((socket, _)) = um_socket {
            let mailboxes = Mailboxes::load(kept_by.clone(), Arc::clone(&deleted)).await;
            let kept = (Arc::clone(&policies), mailboxes);
            um::start(&directory, (&outbox, &ports, &identity), kept, socket, keeper.clone())?;
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
        let routes = routes(&directory, book.as_ref());
        if let Some(book) = book {
            keeper.keep(book::part(), move || Arc::clone(&book).run());
        }
        let web = Web::start(web_sockets, routes, Arc::clone(&tls), keeper.clone());
        let web =
            web.map_err(|source| StartError::Io { doing: "starting to serve by HTTP".into(), source })?;
        let trunks = Trunks::new(lanes.clone(), Arc::clone(&directory));
        let outward = presence::publish(&shared.presence, (&lanes, beside.activities), &keeper);
        presence::calendars(&shared.presence, beside.calendars, &keeper);
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
        Ok(Self {
            directory,
            renewal,
            mirror,
            lanes,
            trunks,
            outward,
            connectors,
            rcc,
            outbox,
            web,
            calls,
            drain,
            fatal,
        })
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

/// Serves `GET /metrics` and `GET /health` where the site wants that.
fn serve_metrics(site: &Site, keeper: &Keeper) -> Result<(), StartError> {
    let Some(address) = site.metrics.listen else { return Ok(()) };
    metrics::http::serve(address, keeper)
        .map_err(|error| StartError::Config(format!("metrics.listen: {address} cannot be opened: {error}")))
}

/// Opens the control socket beside the store, where that is a file.
fn serve_control(ears: Ears, keeper: &Keeper) -> Result<(), StartError> {
    let Some(path) = ears.directory.load().site.store.path.clone() else { return Ok(()) };
    control::serve(&path, ears, keeper).map_err(|error| {
        let socket = control::socket_of(&path);
        StartError::Config(format!("store.path: {} cannot be opened: {error}", socket.display()))
    })
}

/// Whoever has something to serve by HTTP adds its routes here.
fn routes(directory: &Arc<ArcSwap<Directory>>, book: Option<&Arc<Book>>) -> Routes {
    let routes = Routes::new(Arc::clone(directory))
        .with(Area::Locations, web::locations::routes(Arc::clone(directory)));
    match book {
        Some(book) => routes.with(Area::Book, book::routes(Arc::clone(book))),
        None => routes,
    }
}

fn open_store(site: &Site) -> Result<(Scribe, mpsc::UnboundedReceiver<Late>), StartError> {
    let store = Sqlite::open(site.store.path.as_deref()).map_err(config)?;
    Scribe::start(Box::new(store))
        .map_err(|source| StartError::Io { doing: "starting the store's thread".into(), source })
}

fn config(error: impl std::fmt::Display) -> StartError {
    StartError::Config(error.to_string())
}
