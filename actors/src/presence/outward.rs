//! Tells other presence servers what is known of users (RFC 3903): one task that hears of changes as a lane does, and plays
//! the machine of each server ([`ringpost::presence::publishing`]).

use std::{
    collections::{HashMap, HashSet},
    ops::RangeFrom,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use ringpost::{
    directory::Directory,
    presence::{
        publication::{Answer, Request},
        publishing::{Health, Server},
        subscription::Package,
    },
    settings::{PublishServer, User},
};
use tokio::sync::{Mutex, Notify, mpsc};

use super::{
    Order, Presence,
    cell::{Cell, Told},
    post::Post,
    tags::Tagged,
};
use crate::{
    entropy,
    metrics::{METRICS, State},
    port::{errand::Errand, lanes::Lanes, proof},
};

/// How long the end of the publications is waited for when Ringpost stops.
const FAREWELL: Duration = Duration::from_millis(800);

/// What the task shares with whoever stops it.
pub struct Outward {
    presence: Arc<Presence>,
    lanes: Lanes,
    inbox: Mutex<mpsc::UnboundedReceiver<Order>>,
    ends: Notify,
    ended: Notify,
}

/// A server, as far as it is told.
struct Far {
    /// Tells it from one of the same name before the site was read again.
    id: u64,
    settings: Arc<PublishServer>,
    machine: Server,
    ours: Vec<Ours>,
    numbers: HashMap<(Arc<str>, Package), usize, ahash::RandomState>,
    /// When it is asked again whether it lives, in milliseconds; the largest number: it is being asked.
    ask: u64,
    told: Health,
}

/// One publication.
struct Ours {
    user: Arc<str>,
    package: Package,
    /// What was known when it was last to be told.
    known: Option<Arc<Told>>,
    /// The version of the documents that have one.
    version: u32,
}

/// What has come of something, at the server of that number.
enum Done {
    Published(u64, usize, Answer),
    Lives(u64, bool),
}

type Work = FuturesUnordered<LocalBoxFuture<'static, Done>>;

impl Outward {
    /// Publishes what that owner of presence knows, through the first lane; `None`: somebody does already.
    pub fn new(presence: Arc<Presence>, lanes: Lanes) -> Option<Arc<Self>> {
        let inbox = Mutex::new(presence.inbox(presence.outward())?);
        Some(Arc::new(Self { presence, lanes, inbox, ends: Notify::new(), ended: Notify::new() }))
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
            fars.iter_mut().for_each(|far| self.play(far, at, &work));
            if stops && fars.iter().all(|far| far.machine.is_settled()) {
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
                    if let Some((far, at)) = done.told(&mut fars, now(), random()) {
                        self.keep(far, at, now());
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
        fars.iter_mut().for_each(|far| far.wants(&cell.user, &told));
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
            let same =
                |far: &Far| far.settings.name == settings.name && far.settings.target == settings.target;
            let mut far = match before.iter().position(same) {
                Some(at) => before.swap_remove(at),
                None => {
                    let mut new = Far::new(settings.clone(), ids.next().unwrap_or_default());
                    let known = self.presence.tags_of(&settings.name, &settings.target);
                    known.iter().for_each(|one| new.restores(one, now, self.presence.now()));
                    new
                }
            };
            far.settings = Arc::new(settings.clone());
            far.machine.adjust(settings.terms(), settings.at_once);
            let users = users(&directory, settings);
            let kept: HashSet<&str> = users.iter().map(|user| user.address.as_str()).collect();
            far.forgets_all_but(&kept);
            for user in users {
                let cell = self.presence.of(user);
                cell.heeded_by(self.presence.outward());
                far.publishes(&cell.user);
                let told = cell.heard_by(self.presence.outward());
                far.wants(&cell.user, &told);
            }
            fars.push(far);
        }
        before.iter().for_each(|gone| METRICS.health.forget(&gone.part()));
    }

    /// Keeps what a server holds after an answer.
    fn keep(&self, far: &Far, at: usize, now: u64) {
        let (ours, held) = (&far.ours[at], far.machine.kept(at));
        let (tag, ends) = held.unwrap_or_default();
        let one = Tagged {
            server: far.settings.name.as_str().into(),
            target: far.settings.target.as_str().into(),
            user: (&*ours.user).into(),
            package: ours.package,
            tag: tag.into(),
            ends: self.presence.now() + ends.saturating_sub(now) / 1_000,
        };
        self.presence.keep_tag(one, held.is_some());
    }

    /// Sends what is to be sent.
    fn play(&self, far: &mut Far, now: u64, work: &Work) {
        let id = far.id;
        if now >= far.ask {
            far.ask = u64::MAX;
            let (lanes, errand, patience) = (self.lanes.clone(), far.options(), far.settings.keep_alive);
            work.push(Box::pin(async move {
                Done::Lives(id, proof::once(&lanes, errand, patience).await.message.is_some())
            }));
        }
        while let Some((at, request)) = far.machine.next(now) {
            METRICS.publishes_sent_total.one();
            let Some(post) = far.post(at, request) else { continue };
            let lanes = self.lanes.clone();
            work.push(Box::pin(async move { Done::Published(id, at, post.send(lanes).await) }));
        }
        far.show_health();
    }
}

impl Far {
    fn new(settings: PublishServer, id: u64) -> Self {
        let new = Self {
            id,
            machine: Server::new(settings.terms(), settings.at_once),
            settings: Arc::new(settings),
            ours: vec![],
            numbers: HashMap::default(),
            ask: 0,
            told: Health::Well,
        };
        METRICS.health.set(&new.part(), State::Green);
        new
    }

    fn part(&self) -> String {
        format!("presence server {}", self.settings.name)
    }

    fn wake(&self, now: u64) -> Option<u64> {
        let machine = self.machine.wake(now);
        Some(machine.map_or(self.ask, |at| at.min(self.ask))).filter(|at| *at < u64::MAX)
    }

    /// Publishes that user's documents from now on.
    fn publishes(&mut self, user: &Arc<str>) {
        for package in self.settings.packages.clone() {
            self.number(user, package);
        }
    }

    /// The number of a publication.
    fn number(&mut self, user: &Arc<str>, package: Package) -> usize {
        *self.numbers.entry((Arc::clone(user), package)).or_insert_with(|| {
            self.ours.push(Ours { user: Arc::clone(user), package, known: None, version: 0 });
            self.machine.add()
        })
    }

    /// The server holds something of a run before; what is not to be published any more is taken back.
    fn restores(&mut self, one: &Tagged, now: u64, seconds: u64) {
        let at = self.number(&Arc::from(&*one.user), one.package);
        let left = one.ends.saturating_sub(seconds).saturating_mul(1_000);
        self.machine.restore(at, &one.tag, now.saturating_add(left));
    }

    /// That is known of a user now.
    fn wants(&mut self, user: &Arc<str>, told: &Arc<Told>) {
        for package in Package::ALL {
            let Some(at) = self.numbers.get(&(Arc::clone(user), package)).copied() else { continue };
            let is_wanted = self.settings.packages.contains(&package);
            let mark = is_wanted.then(|| told.document(user, package, self.settings.sight).mark);
            self.ours[at].known = Some(Arc::clone(told));
            self.machine.wants(at, mark);
        }
    }

    /// Whoever is not among these is published no more.
    fn forgets_all_but(&mut self, users: &HashSet<&str>) {
        let gone = self.ours.iter().enumerate().filter(|(_, ours)| !users.contains(&*ours.user));
        gone.for_each(|(at, _)| self.machine.wants(at, None));
    }

    /// Nothing is published any more.
    fn end(&mut self) {
        (0..self.ours.len()).for_each(|at| self.machine.wants(at, None));
    }

    fn post(&mut self, at: usize, request: Request) -> Option<Post> {
        let ours = self.ours.get_mut(at)?;
        let body = match (&ours.known, request.body) {
            (Some(told), true) => {
                ours.version += 1;
                told.document(&ours.user, ours.package, self.settings.sight).whole(ours.version)
            }
            _ => vec![],
        };
        let (user, package) = (Arc::clone(&ours.user), ours.package);
        Some(Post { settings: Arc::clone(&self.settings), user, package, request, body: body.into() })
    }

    fn options(&self) -> Errand {
        let to = self.settings.target.split(';').next().unwrap_or_default().to_owned();
        Errand {
            method: "OPTIONS",
            uri: self.settings.target.clone(),
            from: to.clone(),
            to,
            ..Errand::default()
        }
    }

    fn show_health(&mut self) {
        let health = self.machine.health();
        if std::mem::discriminant(&health) == std::mem::discriminant(&self.told) {
            return;
        }
        self.told = health;
        let state = match health {
            Health::Well => State::Green,
            Health::Ill(_) => State::Yellow("it answers PUBLISH with 5xx".into()),
            Health::Silent => State::Yellow("it does not answer".into()),
        };
        let part = self.part();
        tracing::info!(part, ?state, "A presence server has changed");
        METRICS.health.set(&part, state);
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
                far.machine.answers(lives);
                far.ask = now + far.settings.keep_alive.as_millis() as u64;
                None
            }
            Self::Published(_, at, answer) => {
                if !matches!(answer, Answer::Taken(..)) {
                    METRICS.publish_failures_total.one();
                    tracing::debug!(server = far.settings.name, ?answer, "A PUBLISH was not taken");
                }
                far.machine.answered(at, answer, now, random);
                Some(at)
            }
        };
        let held = fars.iter().map(|far| far.machine.held()).sum::<usize>();
        METRICS.publications_out.set(held as u64);
        Some((&fars[which], published?))
    }
}

/// After so many milliseconds; `None`: never.
async fn until(wait: Option<u64>) {
    match wait {
        Some(wait) => tokio::time::sleep(Duration::from_millis(wait.max(1))).await,
        None => std::future::pending().await,
    }
}

/// Who is published there. Names that are nobody's are passed over, for a directory may bring them later.
fn users<'d>(directory: &'d Directory, settings: &PublishServer) -> Vec<&'d User> {
    match &settings.users {
        None => directory.site.users.iter().collect(),
        Some(named) => {
            named.iter().filter_map(|name| directory.of_uri_or_number(name)).map(Arc::as_ref).collect()
        }
    }
}
