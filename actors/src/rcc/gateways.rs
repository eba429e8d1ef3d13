//! The PBXs' gateways of the site that tell what telephones do: who has a task, and which message is whose.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix::Addr;
use arc_swap::ArcSwap;
use ringpost::{
    directory::Directory,
    settings::RccGateway,
    sip::{Message as SipMessage, peer::Peer, token::Token},
};
use tokio::{
    sync::{Mutex, Notify, mpsc},
    task::JoinHandle,
};

use super::{Rcc, gateway::Gateway, missed::Telling, requests::Asked};
use crate::{
    keeper::Keeper, metrics::METRICS, outbox::Outbox, policies::Policies, port::Port, presence::Presence,
    registrar::Registrar,
};

/// How often it is looked whether the site was read again.
const LOOK: Duration = Duration::from_millis(250);
/// How long the end of the monitors is waited for.
const FAREWELL: Duration = Duration::from_millis(800);

/// What comes for a gateway's task; the number is our tag.
pub(super) enum Heard {
    Answer(u64, Token, u16, Option<Box<SipMessage>>),
    Request(u64, Asked),
    Ack(u64),
    /// Where the gateway is, as far as the DNS knows.
    Places(u64, Vec<Peer>),
    /// The site was read, or it ends.
    Renewed,
}

/// What a gateway's task is to do.
pub(super) struct Wanted {
    pub settings: RefCell<RccGateway>,
    pub stops: Cell<bool>,
    pub stopped: Notify,
    pub inbox: Mutex<mpsc::UnboundedReceiver<Heard>>,
    orders: mpsc::UnboundedSender<Heard>,
}

struct Running {
    wanted: Rc<Wanted>,
    task: JoinHandle<()>,
}

/// Those of a lane; the first lane has them all.
pub struct Gateways {
    pub(super) port: Rc<Port>,
    pub(super) presence: Arc<Presence>,
    pub(super) rcc: Arc<Rcc>,
    pub(super) telling: Telling,
    directory: Arc<ArcSwap<Directory>>,
    running: RefCell<Vec<Running>>,
    /// Whose dialogs are which, by our tags.
    open: RefCell<HashMap<u64, Rc<Wanted>, ahash::RandomState>>,
}

/// Its name in the health report.
pub(super) fn part(gateway: &str) -> String {
    format!("rcc gateway {gateway}")
}

impl Gateways {
    /// None yet.
    pub fn new(
        port: Rc<Port>,
        directory: Arc<ArcSwap<Directory>>,
        (presence, rcc): (Arc<Presence>, Arc<Rcc>),
        (policies, registrar, outbox): (Arc<Policies>, Arc<Registrar>, Addr<Outbox>),
    ) -> Rc<Self> {
        let telling = Telling { policies, registrar, outbox };
        let (running, open) = Default::default();
        Rc::new(Self { port, presence, rcc, telling, directory, running, open })
    }

    pub(super) fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    /// Has a task for each gateway of the site, until the program ends.
    pub async fn run(self: Rc<Self>, keeper: Keeper) {
        let mut seen: Option<Arc<Directory>> = None;
        loop {
            let directory = self.directory();
            if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &directory)) {
                self.renew(&directory, &keeper);
                seen = Some(directory);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.rcc.farewell.ends.notified() => {
                    let gone = std::mem::take(&mut *self.running.borrow_mut());
                    gone.iter().for_each(Running::stop);
                    for one in gone {
                        one.stopped().await;
                    }
                    self.rcc.farewell.ended.notify_one();
                    return std::future::pending().await;
                }
            }
        }
    }

    /// The site was read: gateways may have come, gone or changed. Those that are called as before keep their dialogs.
    fn renew(self: &Rc<Self>, directory: &Directory, keeper: &Keeper) {
        let mut before = std::mem::take(&mut *self.running.borrow_mut());
        for settings in &directory.site.rcc.gateways {
            let same = |one: &Running| one.wanted.settings.borrow().is_called_as(settings);
            let running = match before.iter().position(same) {
                Some(at) => {
                    let running = before.swap_remove(at);
                    settings.clone_into(&mut running.wanted.settings.borrow_mut());
                    running.wanted.tell(Heard::Renewed);
                    running
                }
                None => self.start(settings, keeper),
            };
            self.running.borrow_mut().push(running);
        }
        for gone in before {
            let named = |one: &RccGateway| one.name == gone.wanted.settings.borrow().name;
            if !directory.site.rcc.gateways.iter().any(named) {
                METRICS.health.forget(&part(&gone.wanted.settings.borrow().name));
            }
            gone.stop();
            actix::spawn(gone.stopped());
        }
    }

    fn start(self: &Rc<Self>, settings: &RccGateway, keeper: &Keeper) -> Running {
        let (orders, inbox) = mpsc::unbounded_channel();
        let wanted = Rc::new(Wanted {
            settings: RefCell::new(settings.clone()),
            stops: Cell::new(false),
            stopped: Notify::new(),
            inbox: Mutex::new(inbox),
            orders,
        });
        let (host, kept) = (Rc::clone(self), Rc::clone(&wanted));
        let task = keeper.keep(part(&settings.name), move || {
            let (host, kept) = (Rc::clone(&host), Rc::clone(&kept));
            // Inside, so that a fault at its beginning is one of the task too.
            async move { Gateway::new(host, kept).run().await }
        });
        Running { wanted, task }
    }

    /// A name for a dialog: the lane in front, then what nobody can guess.
    pub(super) fn open(&self, of: &Rc<Wanted>) -> u64 {
        let random = u64::from(self.port.random()) << 32 | u64::from(self.port.random());
        let tag = u64::from(self.port.lane) << 56 | random >> 8;
        self.open.borrow_mut().insert(tag, Rc::clone(of));
        tag
    }

    pub(super) fn close(&self, tag: u64) {
        self.open.borrow_mut().remove(&tag);
    }

    /// Asks the DNS where a gateway is.
    pub(super) fn seek(&self, tag: u64, of: &Rc<Wanted>, target: &str) {
        let (port, of, target) = (Rc::clone(&self.port), Rc::clone(of), target.to_owned());
        actix::spawn(async move { of.tell(Heard::Places(tag, port.locate(target.as_bytes()).await)) });
    }

    fn of(&self, message: &SipMessage) -> Option<(u64, Rc<Wanted>)> {
        let open = self.open.borrow();
        if open.is_empty() {
            return None;
        }
        let tag = Token::read(message.to()?.tag()?)?.0;
        open.get(&tag).map(|of| (tag, Rc::clone(of)))
    }

    /// Whether a message inside a dialog is for one of them.
    pub fn has(&self, message: &SipMessage) -> bool {
        self.of(message).is_some()
    }

    /// A request inside a dialog.
    pub fn requested(&self, server: Token, message: SipMessage, from: Peer) {
        if let Some((tag, of)) = self.of(&message) {
            of.tell(Heard::Request(tag, Asked { server, request: Rc::new(message), from }));
        }
    }

    /// An ACK.
    pub fn acknowledged(&self, ack: &SipMessage) {
        if let Some((tag, of)) = self.of(ack) {
            of.tell(Heard::Ack(tag));
        }
    }

    /// An answer, or the word that none comes; false where it is for none of them.
    pub fn answered(
        &self,
        Token(tag): Token,
        client: Token,
        code: u16,
        message: Option<&SipMessage>,
    ) -> bool {
        let of = self.open.borrow().get(&tag).cloned();
        of.is_some_and(|of| {
            of.tell(Heard::Answer(tag, client, code, message.cloned().map(Box::new)));
            true
        })
    }
}

impl Wanted {
    fn tell(&self, heard: Heard) {
        // The inbox lives as long as the order to work.
        let _ = self.orders.send(heard);
    }
}

impl Running {
    fn stop(&self) {
        self.wanted.stops.set(true);
        self.wanted.tell(Heard::Renewed);
    }

    async fn stopped(self) {
        // Whatever has not said good-bye by then goes without.
        let _ = tokio::time::timeout(FAREWELL, self.wanted.stopped.notified()).await;
        self.task.abort();
    }
}
