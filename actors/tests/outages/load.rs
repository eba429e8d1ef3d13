//! Missed calls that come in all the time, whether Ringpost lives or not.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::support::{Peer, Sip};

/// A call whose caller has heard its end.
#[derive(Clone, Debug)]
pub struct Over {
    pub call: String,
    pub user: &'static str,
    /// From the INVITE to the ringing, and from the CANCEL to the 487.
    pub took: [Duration; 2],
    pub at: Instant,
}

/// Who calls, and whose phone rings.
pub struct Load {
    over: Arc<Mutex<Vec<Over>>>,
    runs: Arc<AtomicBool>,
    worker: JoinHandle<()>,
}

struct Worker {
    pbx: Peer,
    desk: Peer,
    open: HashMap<String, Open>,
    rings: HashMap<String, Sip>,
    over: Arc<Mutex<Vec<Over>>>,
}

struct Open {
    user: &'static str,
    invite: Sip,
    begun: Instant,
    rang: Option<(Duration, Instant)>,
}

impl Load {
    /// A call every `pause`, to these users in turn; each caller gives up as soon as it rings.
    pub fn begin(pbx: Peer, desk: Peer, users: &'static [&'static str], pause: Duration) -> Self {
        let (over, runs) = (Arc::<Mutex<Vec<Over>>>::default(), Arc::new(AtomicBool::new(true)));
        let (go_on, ended) = (runs.clone(), over.clone());
        let worker = thread::spawn(move || {
            let mut worker = Worker { pbx, desk, open: HashMap::new(), rings: HashMap::new(), over: ended };
            let (mut next, mut turn) = (Instant::now(), users.iter().cycle());
            while go_on.load(Relaxed) {
                if next <= Instant::now() {
                    worker.calls(turn.next().expect("somebody"));
                    // After a stall the calls that were not made are left out.
                    next = next.max(Instant::now() - pause) + pause;
                }
                worker.answers();
            }
            // What is under way comes to its end.
            let end = Instant::now() + Duration::from_secs(1);
            while Instant::now() < end {
                worker.answers();
            }
        });
        Self { over, runs, worker }
    }

    /// The calls that are over by now.
    pub fn over(&self) -> Vec<Over> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No further calls; those that are over.
    pub fn end(self) -> Vec<Over> {
        self.runs.store(false, Relaxed);
        let over = self.over.clone();
        self.worker.join().expect("it did not panic");
        let over = over.lock().unwrap_or_else(PoisonError::into_inner);
        over.clone()
    }
}

impl Worker {
    fn calls(&mut self, user: &'static str) {
        let begun = Instant::now();
        let invite = self.pbx.invite(user);
        let call = invite.one("Call-ID").to_owned();
        self.open.insert(call, Open { user, invite, begun, rang: None });
    }

    fn answers(&mut self) {
        let moment = Duration::from_millis(1);
        while let Some(message) = self.desk.next(moment) {
            let call = message.one("Call-ID").to_owned();
            match message.what() {
                "INVITE" => {
                    self.desk.answer(&message, 180);
                    self.rings.insert(call, message);
                }
                "CANCEL" => {
                    self.desk.answer(&message, 200);
                    if let Some(invite) = self.rings.remove(&call) {
                        self.desk.answer(&invite, 487);
                    }
                }
                _ => {}
            }
        }
        while let Some(message) = self.pbx.next(moment) {
            let call = message.one("Call-ID");
            let Some(open) = self.open.get_mut(call) else { continue };
            match message.what() {
                "180" if open.rang.is_none() => {
                    open.rang = Some((open.begun.elapsed(), Instant::now()));
                    self.pbx.cancel(&open.invite, "");
                }
                "487" => {
                    self.pbx.acknowledges(&open.invite, &message);
                    let (rang, cancelled) = open.rang.expect("cancelled when it rang");
                    let (user, call) = (open.user, call.to_owned());
                    self.open.remove(&call);
                    let over = Over { call, user, took: [rang, cancelled.elapsed()], at: Instant::now() };
                    self.over.lock().unwrap_or_else(PoisonError::into_inner).push(over);
                }
                _ => {}
            }
        }
    }
}
