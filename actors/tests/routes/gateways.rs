//! Gateways that do what a test says, each on a thread of its own, and a site whose routes lead there.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::support::{Over, Peer, Ringpost, Sip, Site, until};

/// What a gateway does with an INVITE. OPTIONS it answers unless it is dead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Nothing, with OPTIONS neither.
    Dead,
    /// It says so, with these lines.
    Says(u16, &'static str),
    /// 100 and no more, until it is cancelled.
    Tries,
    /// It rings, and then says so.
    Rings(u16),
}

/// The telephone network says that the number is busy.
pub const WORKS: Mode = Mode::Says(486, "");

struct Shared {
    mode: Mutex<Mode>,
    /// INVITEs, and CANCELs, in the order in which they came.
    heard: Mutex<Vec<Sip>>,
    ends: AtomicBool,
}

/// A gateway.
pub struct Gateway {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    ringpost: SocketAddr,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Gateway {
    /// One at that place, port 0 for any.
    pub fn at(place: (&str, u16), ringpost: SocketAddr) -> Self {
        let peer = Peer::at(Over::Udp, place, ringpost);
        let address = peer.address;
        let ends = AtomicBool::new(false);
        let shared = Arc::new(Shared { mode: Mutex::new(WORKS), heard: Mutex::default(), ends });
        let own = Self { address, shared, ringpost, thread: Mutex::default() };
        own.runs(peer);
        own
    }

    fn runs(&self, peer: Peer) {
        self.shared.ends.store(false, Ordering::Relaxed);
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::spawn(move || run(peer, &shared));
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    }

    /// It is gone, and its socket with it.
    pub fn is_killed(&self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }

    /// It runs again at the same place.
    pub fn is_restarted(&self) {
        let place = (self.address.ip().to_string(), self.address.port());
        self.runs(Peer::at(Over::Udp, (&place.0, place.1), self.ringpost));
    }

    pub fn does(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Vec<Sip> {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many INVITEs it has got.
    pub fn calls(&self) -> usize {
        self.heard().iter().filter(|heard| heard.what() == "INVITE").count()
    }

    /// Its latest INVITE.
    pub fn invite(&self) -> Sip {
        let heard = self.heard();
        heard.iter().rfind(|heard| heard.what() == "INVITE").expect("a call").clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.is_killed();
    }
}

fn run(mut peer: Peer, shared: &Shared) {
    let mut tried = None;
    while !shared.ends.load(Ordering::Relaxed) {
        let Some(request) = peer.next(Duration::from_millis(20)) else { continue };
        let mode = shared.mode.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let keeps = |request: &Sip| {
            shared.heard.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        };
        match (request.what(), mode) {
            ("INVITE", Mode::Dead) => keeps(&request),
            (_, Mode::Dead) => {}
            ("OPTIONS", _) => drop(peer.answer(&request, 200)),
            ("CANCEL", _) => {
                keeps(&request);
                peer.answer(&request, 200);
                if let Some(invite) = tried.take() {
                    peer.answer(&invite, 487);
                }
            }
            ("INVITE", mode) => {
                keeps(&request);
                match mode {
                    Mode::Says(code, headers) => drop(peer.answer_with(&request, code, headers, "")),
                    Mode::Tries => {
                        peer.answer(&request, 100);
                        tried = Some(request);
                    }
                    Mode::Rings(code) => {
                        peer.answer(&request, 180);
                        peer.answer(&request, code);
                    }
                    Mode::Dead => {}
                }
            }
            _ => {}
        }
    }
}

/// A PBX whose calls may leave, and gateways behind routes.
pub struct Exchange {
    pub pbx: Peer,
    pub gateways: Vec<Gateway>,
    pub ringpost: Ringpost,
    pub metrics: u16,
}

/// A route to each gateway by itself, in order; the policy of everybody is `all`.
pub const ONE_BY_ONE: &str = "[[route]]\nname = \"first\"\npattern = '\\+'\nusages = [\"first\"]\ngateways = [\"gw0\"]\n\
    [[route]]\nname = \"second\"\npattern = '\\+'\nusages = [\"second\"]\ngateways = [\"gw1\"]\n\
    [voice_policy.all]\nusages = [\"first\", \"second\"]\n\
    [routing]\nvoice_policy = \"all\"\nprobe_after = \"100ms\"\nprobe_longest = \"200ms\"";

impl Exchange {
    /// `count` gateways; `pbx` are further lines of the PBX, `tables` further tables.
    pub fn new(site: Site, count: usize, (pbx, gateway): (&str, &str), tables: &str) -> Self {
        let metrics = crate::support::ports(1);
        let mut site = site.table(&format!(
            "[outbound]\nallowed_prefixes = [\"+49\", \"+45\"]\ncountry = \"49\"\nring_for = \"60s\"\n\
             [metrics]\nlisten = \"127.0.0.1:{metrics}\"\n\
             [[trunk]]\nname = \"office\"\nsources = [\"127.0.0.5\"]\ntransit = true\n{pbx}\n{tables}"
        ));
        let mut gateways = vec![];
        for at in 0..count {
            let ip = format!("127.0.0.{}", 21 + at);
            let one = Gateway::at((&ip, 0), site.sip);
            site = site.table(&format!(
                "[[trunk]]\nname = \"gw{at}\"\nsources = [{ip:?}]\ntarget = \"sip:{}\"\n{gateway}",
                one.address
            ));
            gateways.push(one);
        }
        let pbx = Peer::new(Over::Udp, "127.0.0.5", site.sip);
        Self { pbx, gateways, ringpost: site.start(), metrics }
    }

    /// The final answer to the PBX's call, and what came before it.
    pub fn calls(&mut self, number: &str) -> (u16, Vec<String>) {
        let invite = self.pbx.invite(number);
        self.hears(&invite)
    }

    pub fn hears(&mut self, invite: &Sip) -> (u16, Vec<String>) {
        let mut before = vec![];
        loop {
            let heard = self.pbx.expect_any();
            match heard.what().parse::<u16>() {
                Ok(code) if code >= 300 => {
                    self.pbx.acknowledges(invite, &heard);
                    return (code, before);
                }
                _ => before.push(heard.what().to_owned()),
            }
        }
    }

    /// Waits until so many gateways have come back so far.
    pub fn came_back(&self, times: usize) {
        until("a gateway is back", || self.ringpost.log().matches("A gateway is back").count() >= times);
    }
}
