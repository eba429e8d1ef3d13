//! Tells other servers what is known of users: one task that hears of changes as a lane does, and plays the machine of each
//! server ([`ringpost::presence::publishing`]). `far` is one server; `post` and `service` are the ways to tell it by SIP.

mod far;
pub(crate) mod post;
pub(crate) mod service;

use std::{
    collections::{HashMap, HashSet},
    ops::RangeFrom,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use ringpost::{
    directory::Directory,
    outbox::ChannelName,
    presence::{
        microsoft::{ledger::Batch, stage::is_told},
        publication::Answer,
    },
    settings::{PublishServer, User},
};
use tokio::sync::{Mutex, Notify, mpsc};

use self::far::Far;
use super::{Order, Presence, cell::Cell};
use crate::{channel::Activities, entropy, metrics::METRICS, port::lanes::Lanes};

/// How long the end of the publications is waited for when Ringpost stops.
const FAREWELL: Duration = Duration::from_millis(800);

/// What the task shares with whoever stops it.
pub struct Outward {
    presence: Arc<Presence>,
    lanes: Lanes,
    activities: Activated,
    inbox: Mutex<mpsc::UnboundedReceiver<Order>>,
    ends: Notify,
    ended: Notify,
}

/// What has come of something, at the server of that number.
enum Done {
    Published(u64, usize, Outcome),
    Lives(u64, bool),
}

/// What has come of one publication.
pub(crate) struct Outcome {
    answer: Answer,
    /// What was sent last, with the versions that the server has.
    batch: Option<Batch>,
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self { answer, batch: None }
    }
}

/// Who wants to know what users are doing, by the channel's name.
type Activated = HashMap<ChannelName, Arc<dyn Activities>>;

type Work = FuturesUnordered<LocalBoxFuture<'static, Done>>;

impl Outward {
    /// Publishes what that owner of presence knows, through the first lane; `None`: somebody does already.
    pub fn new(presence: Arc<Presence>, lanes: Lanes, activities: Activated) -> Option<Arc<Self>> {
        let inbox = Mutex::new(presence.inbox(presence.outward())?);
        Some(Arc::new(Self { presence, lanes, activities, inbox, ends: Notify::new(), ended: Notify::new() }))
    }

    /// Takes the publications back, as far as that is quickly done.
    pub async fn stop(&self) {
        if !self.presence.directory.load().site.presence.publish.is_empty() {
            self.ends.notify_one();
            // Whatever is left ends by itself.
            let _ = tokio::time::timeout(FAREWELL, self.ended.notified()).await;
        }
        self.presence.write_last().await;
    }

    /// Works until the end of the program.
    pub async fn run(self: Arc<Self>) {
        let mut inbox = self.inbox.lock().await;
        let began = Instant::now();
        let now = || began.elapsed().as_millis() as u64;
        let (mut fars, mut work, mut random) = (vec![], Work::new(), entropy::source());
        let (mut stops, mut ids) = (false, 0..);
        self.renew(&mut fars, &mut ids, now());
        loop {
            let at = now();
            for far in &mut fars {
                self.play(far, at, random(), &work);
            }
            fars.retain(|far| !far.has_left(at));
            if stops && fars.iter().all(Far::is_settled) {
                self.ended.notify_one();
            }
            let wake = fars.iter().filter_map(|far| far.wake(at)).min();
            tokio::select! {
                order = inbox.recv() => match order {
                    // Devices are reminded by a lane.
                    Some(Order::Remind(_)) => {}
                    Some(_) if stops => {}
                    Some(Order::Tell(cell)) => self.tell(&mut fars, &cell),
                    Some(Order::Judge) => self.renew(&mut fars, &mut ids, now()),
                    None => return std::future::pending().await,
                },
                Some(done) = work.next() => {
                    if let Some((far, at)) = done.told(&mut fars, now(), random())
                        && let Some((one, held)) = far.tagged(at, now(), self.presence.now())
                    {
                        self.presence.keep_tag(one, held);
                    }
                }
                () = until(wake.map(|wake| wake.saturating_sub(at))) => {}
                () = self.ends.notified() => {
                    stops = true;
                    fars.iter_mut().for_each(Far::end);
                }
            }
        }
    }

    /// Something has changed of a user.
    fn tell(&self, fars: &mut [Far], cell: &Arc<Cell>) {
        let told = cell.heard_by(self.presence.outward());
        let fars = fars.iter_mut().filter(|far| !far.is_leaving());
        fars.for_each(|far| far.wants(&cell.user, &told));
    }

    /// The site was read: servers and users may have come and gone.
    fn renew(&self, fars: &mut Vec<Far>, ids: &mut RangeFrom<u64>, now: u64) {
        let directory = self.presence.directory.load_full();
        let presence = &directory.site.presence;
        let wanted = if presence.enabled { &presence.publish[..] } else { &[] };
        if wanted.len() < presence.publish.len() {
            tracing::warn!("[presence] is not enabled: nothing is published at its servers");
        }
        let mut before = std::mem::take(fars);
        for settings in wanted {
            let mut far = match before.iter().position(|far| far.is(settings)) {
                Some(at) => before.swap_remove(at),
                None => {
                    let mut new = Far::new(settings.clone(), ids.next().unwrap_or_default());
                    let known = self.presence.tags_of(&settings.name, settings.target());
                    known.iter().for_each(|one| new.restores(one, now, self.presence.now()));
                    new
                }
            };
            far.adjust(settings);
            let users: Vec<_> = users(&directory, settings)
                .into_iter()
                .filter(|user| is_told(settings, user.presence.enhanced.stage()))
                .collect();
            let kept: HashSet<&str> = users.iter().map(|user| user.address.as_str()).collect();
            far.forgets_all_but(&kept);
            for user in users {
                let cell = self.presence.of(user);
                cell.heeded_by(self.presence.outward());
                far.publishes(&cell.user, user.mail.as_deref());
                let told = cell.heard_by(self.presence.outward());
                far.wants(&cell.user, &told);
            }
            fars.push(far);
        }
        for mut far in before {
            if fars.iter().all(|other| other.part() != far.part()) {
                METRICS.health.forget(&far.part());
            }
            far.leaves(now);
            fars.push(far);
        }
    }

    /// Sends what is to be sent.
    fn play(&self, far: &mut Far, now: u64, random: u32, work: &Work) {
        let id = far.id;
        if let Some(asks) = far.asks(now, &self.lanes) {
            work.push(Box::pin(async move { Done::Lives(id, asks.await) }));
        }
        while let Some((at, request)) = far.machine.next(now) {
            match far.post(at, request, (&self.lanes, &self.activities)) {
                Ok(sent) => {
                    METRICS.publishes_sent_total.one();
                    work.push(Box::pin(async move { Done::Published(id, at, sent.await) }));
                }
                // There was nothing to send.
                Err(outcome) => far.published(at, outcome, now, random),
            }
        }
        far.show_health();
    }
}

impl Done {
    /// Tells the server's machine; the publication that was answered.
    fn told(self, fars: &mut [Far], now: u64, random: u32) -> Option<(&Far, usize)> {
        let (Self::Published(id, ..) | Self::Lives(id, _)) = self;
        // A server that is not the site's any more.
        let which = fars.iter().position(|far| far.id == id)?;
        let far = &mut fars[which];
        let published = match self {
            Self::Lives(_, lives) => {
                far.lives(lives, now);
                None
            }
            Self::Published(_, at, outcome) => {
                if !matches!(outcome.answer, Answer::Taken(..)) {
                    METRICS.publish_failures_total.one();
                    tracing::debug!(part = far.part(), answer = ?outcome.answer, "A publication was not taken");
                }
                far.published(at, outcome, now, random);
                Some(at)
            }
        };
        let held = fars.iter().map(|far| far.machine.held()).sum::<usize>();
        METRICS.publications_out.set(held as u64);
        Some((&fars[which], published?))
    }
}

/// After so many milliseconds; `None`: never.
pub(super) async fn until(wait: Option<u64>) {
    match wait {
        Some(wait) => tokio::time::sleep(Duration::from_millis(wait.max(1))).await,
        None => std::future::pending().await,
    }
}

/// Who is published there. Names that are nobody's are passed over, for a directory may bring them later.
pub fn users<'d>(directory: &'d Directory, settings: &PublishServer) -> Vec<&'d User> {
    match &settings.users {
        None => directory.site.users.iter().collect(),
        Some(named) => {
            named.iter().filter_map(|name| directory.of_uri_or_number(name)).map(Arc::as_ref).collect()
        }
    }
}
