//! One server that is told.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures_util::future::LocalBoxFuture;
use ringpost::{
    presence::{
        Activity, Sight,
        microsoft::{
            ledger::{Ledger, Piece, mark_of},
            picture::{Frame, endpoint, picture},
        },
        publication::{Answer, Request},
        publishing::{Health, Server},
        subscription::Package,
    },
    settings::{PublishServer, PublishTo, PublishWhat, TrunkLogin},
};

use super::{
    super::{cell::Told, tags::Tagged},
    Activated, Outcome,
    post::{Post, lives},
    service::Service,
};
use crate::{
    metrics::{METRICS, State},
    port::lanes::Lanes,
};

/// How long a server that the site has no more is told so, in milliseconds.
const LEAVING: u64 = 10_000;

/// A server, as far as it is told.
pub struct Far {
    /// Tells it from one of the same name before the site was read again.
    pub id: u64,
    pub machine: Server,
    settings: Arc<PublishServer>,
    ours: Vec<Ours>,
    numbers: HashMap<(Arc<str>, Topic), usize, ahash::RandomState>,
    /// The mail addresses of users, by which some servers know them.
    mailboxes: HashMap<Arc<str>, Arc<str>, ahash::RandomState>,
    /// When it is asked again whether it lives, in milliseconds; the largest number: not, or it is being asked.
    ask: u64,
    told: Health,
    /// The site has it no more: what it holds is taken back until then, in milliseconds.
    leaves: Option<u64>,
}

/// What a publication is about, beside its user.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Topic {
    Package(Package),
    Categories,
    Calls,
}

/// One publication.
struct Ours {
    user: Arc<str>,
    topic: Topic,
    /// What was known when it was last to be told.
    known: Option<Arc<Told>>,
    /// The version of the documents that have one.
    version: u32,
    /// What the server holds, where each thing has its own version there.
    ledger: Ledger,
}

/// What comes of something that was sent.
pub type Sent = LocalBoxFuture<'static, Outcome>;

/// What a server's challenges are answered with.
fn login(settings: &PublishServer) -> Option<&TrunkLogin> {
    match &settings.to {
        PublishTo::Sip(sip) => sip.login.as_ref(),
        PublishTo::Teams { .. } => None,
    }
}

impl Far {
    pub fn new(settings: PublishServer, id: u64) -> Self {
        let machine = Server::new(settings.terms(), settings.at_once);
        let mut machine = match topics(&settings)[..] {
            [Topic::Categories] => machine.lasting(),
            _ => machine,
        };
        if login(&settings).is_some() {
            machine.shows_login();
        }
        // A service on the web is not asked whether it lives.
        let ask = if let PublishTo::Sip(_) = &settings.to { 0 } else { u64::MAX };
        let new = Self {
            id,
            machine,
            settings: Arc::new(settings),
            ours: vec![],
            numbers: HashMap::default(),
            mailboxes: HashMap::default(),
            ask,
            told: Health::Well,
            leaves: None,
        };
        METRICS.health.set(&new.part(), State::Green);
        new
    }

    /// Whether it is that one of the site.
    pub fn is(&self, settings: &PublishServer) -> bool {
        let same = match (&self.settings.to, &settings.to) {
            (PublishTo::Sip(one), PublishTo::Sip(other)) => {
                one.target == other.target
                    && std::mem::discriminant(&one.what) == std::mem::discriminant(&other.what)
            }
            (PublishTo::Teams { channel: one, .. }, PublishTo::Teams { channel: other, .. }) => one == other,
            (PublishTo::Sip(_) | PublishTo::Teams { .. }, _) => false,
        };
        same && self.settings.name == settings.name
    }

    /// The site was read again.
    pub fn adjust(&mut self, settings: &PublishServer) {
        self.machine.adjust(settings.terms(), settings.at_once);
        if login(settings) != login(&self.settings) {
            self.machine.forgive();
            if login(settings).is_some() {
                self.machine.shows_login();
            }
        }
        self.settings = Arc::new(settings.clone());
        if self.leaves.take().is_some() {
            // It has come back before it was gone.
            self.told = Health::Well;
            METRICS.health.set(&self.part(), State::Green);
        }
    }

    /// It is not the site's any more: everything is taken back, as far as that is done before long.
    pub fn leaves(&mut self, now: u64) {
        if self.leaves.is_none() {
            self.leaves = Some(now + LEAVING);
            self.end();
        }
    }

    /// Whether it has left.
    pub fn has_left(&self, now: u64) -> bool {
        self.leaves.is_some_and(|until| until <= now || self.is_settled())
    }

    pub fn is_leaving(&self) -> bool {
        self.leaves.is_some()
    }

    pub fn part(&self) -> String {
        format!("presence server {}", self.settings.name)
    }

    pub fn is_settled(&self) -> bool {
        self.machine.is_settled()
    }

    pub fn wake(&self, now: u64) -> Option<u64> {
        let machine = self.machine.wake(now);
        let soonest = machine.into_iter().chain(self.leaves).fold(self.ask, u64::min);
        Some(soonest).filter(|at| *at < u64::MAX)
    }

    /// Publishes that user's documents from now on.
    pub fn publishes(&mut self, user: &Arc<str>, mailbox: Option<&str>) {
        match mailbox {
            Some(mailbox) => drop(self.mailboxes.insert(Arc::clone(user), mailbox.into())),
            None => drop(self.mailboxes.remove(user)),
        }
        for topic in topics(&self.settings) {
            self.number(user, topic);
        }
    }

    /// The number of a publication.
    fn number(&mut self, user: &Arc<str>, topic: Topic) -> usize {
        *self.numbers.entry((Arc::clone(user), topic)).or_insert_with(|| {
            let ledger = Ledger::new(Arc::clone(user));
            self.ours.push(Ours { user: Arc::clone(user), topic, known: None, version: 0, ledger });
            self.machine.add()
        })
    }

    /// The server holds something of a run before; what is not to be published any more is taken back.
    pub fn restores(&mut self, one: &Tagged, now: u64, seconds: u64) {
        let at = self.number(&Arc::from(&*one.user), Topic::Package(one.package));
        let left = one.ends.saturating_sub(seconds).saturating_mul(1_000);
        self.machine.restore(at, &one.tag, now.saturating_add(left));
    }

    /// What the server holds of a publication that has an entity tag, and whether it holds anything.
    pub fn tagged(&self, at: usize, now: u64, seconds: u64) -> Option<(Tagged, bool)> {
        let (ours, held) = (&self.ours[at], self.machine.kept(at));
        let Topic::Package(package) = ours.topic else { return None };
        let (tag, ends) = held.unwrap_or_default();
        let one = Tagged {
            server: self.settings.name.as_str().into(),
            target: self.settings.target().into(),
            user: (&*ours.user).into(),
            package,
            tag: tag.into(),
            ends: seconds + ends.saturating_sub(now) / 1_000,
        };
        Some((one, held.is_some()))
    }

    /// That is known of a user now.
    pub fn wants(&mut self, user: &Arc<str>, told: &Arc<Told>) {
        let wanted = topics(&self.settings);
        let packages = Package::ALL.into_iter().map(Topic::Package);
        for topic in packages.chain([Topic::Categories, Topic::Calls]) {
            let Some(at) = self.numbers.get(&(Arc::clone(user), topic)).copied() else { continue };
            let calls = || told.presence.rich.activities.contains(&Activity::OnThePhone);
            let mark = match topic {
                _ if !wanted.contains(&topic) => None,
                Topic::Package(package) => Some(told.document(user, package, self.sight()).mark),
                Topic::Categories => Some(mark_of(&self.picture(user, told))),
                Topic::Calls => (calls() && self.mailboxes.contains_key(user)).then_some(1),
            };
            let known = self.ours[at].known.replace(Arc::clone(told));
            // R23: whoever signs in is told anew.
            let signs_in = told.presence.open && known.is_some_and(|known| !known.presence.open);
            self.machine.wants(at, mark);
            if signs_in && topic == Topic::Categories {
                self.machine.doubt(at);
            }
        }
    }

    /// Whoever is not among these is published no more.
    pub fn forgets_all_but(&mut self, users: &HashSet<&str>) {
        let gone = self.ours.iter().enumerate().filter(|(_, ours)| !users.contains(&*ours.user));
        gone.for_each(|(at, _)| self.machine.wants(at, None));
    }

    /// Nothing is published any more.
    pub fn end(&mut self) {
        self.machine.ends();
    }

    /// Asks whether it lives, where it is time to.
    pub fn asks(&mut self, now: u64, lanes: &Lanes) -> Option<impl Future<Output = bool> + use<>> {
        let PublishTo::Sip(sip) = &self.settings.to else { return None };
        (now >= self.ask).then(|| {
            self.ask = u64::MAX;
            lives(lanes.clone(), sip.clone())
        })
    }

    /// It has answered that, or has not.
    pub fn lives(&mut self, lives: bool, now: u64) {
        self.machine.answers(lives);
        if let PublishTo::Sip(sip) = &self.settings.to {
            self.ask = now + sip.keep_alive.as_millis() as u64;
        }
    }

    /// Sends a publication; `Err`: what comes of it without being sent.
    pub fn post(
        &mut self,
        at: usize,
        request: Request,
        (lanes, activities): (&Lanes, &Activated),
    ) -> Result<Sent, Outcome> {
        let Some(ours) = self.ours.get(at) else { return Err(Answer::Silent.into()) };
        match ours.topic {
            Topic::Package(package) => Ok(self.publish(at, package, request, lanes)),
            Topic::Categories => self.service(at, &request, lanes),
            Topic::Calls => self.calls(at, &request, activities),
        }
    }

    fn calls(&self, at: usize, request: &Request, activities: &Activated) -> Result<Sent, Outcome> {
        let PublishTo::Teams { channel, expires } = &self.settings.to else {
            return Err(Answer::Refused(None).into());
        };
        let user = self.mailboxes.get(&self.ours[at].user).cloned();
        // A channel that has come with the last reading of the site needs a restart.
        let Some((told, user)) = activities.get(channel).cloned().zip(user) else {
            return Err(Answer::Refused(None).into());
        };
        let lasts = (request.expires > 0).then_some(*expires);
        Ok(Box::pin(async move { told.calls(&user, lasts).await.into() }))
    }

    fn publish(&mut self, at: usize, package: Package, request: Request, lanes: &Lanes) -> Sent {
        let sight = self.sight();
        let ours = &mut self.ours[at];
        let body = match (&ours.known, request.body) {
            (Some(told), true) => {
                ours.version += 1;
                told.document(&ours.user, package, sight).whole(ours.version)
            }
            _ => vec![],
        };
        let (user, lanes) = (Arc::clone(&ours.user), lanes.clone());
        let post = Post { settings: Arc::clone(&self.settings), user, package, request, body: body.into() };
        Box::pin(async move { post.send(lanes).await.into() })
    }

    fn service(&mut self, at: usize, request: &Request, lanes: &Lanes) -> Result<Sent, Outcome> {
        let ours = &self.ours[at];
        let mut pieces = match &ours.known {
            Some(told) => self.picture(&ours.user, told),
            None => vec![],
        };
        if request.expires == 0 {
            pieces.iter_mut().for_each(|piece| piece.content = None);
        }
        let batch = ours.ledger.batch(&pieces, request.tag.is_none() || !request.body);
        let service = Service {
            settings: Arc::clone(&self.settings),
            user: Arc::clone(&ours.user),
            expires: request.expires,
            batch,
        };
        if service.batch.is_empty() {
            return Err(service.taken());
        }
        Ok(Box::pin(service.send(lanes.clone())))
    }

    /// What has come of a publication.
    pub fn published(&mut self, at: usize, Outcome { answer, batch }: Outcome, now: u64, random: u32) {
        let taken = matches!(answer, Answer::Taken(..));
        self.machine.answered(at, answer, now, random);
        if let (Some(batch), Some(ours)) = (batch, self.ours.get_mut(at)) {
            match taken {
                true => ours.ledger.took(&batch),
                false => ours.ledger.learnt(&batch),
            }
            if batch.has_lost {
                self.machine.has_lost(now);
            }
        }
    }

    fn picture(&self, user: &str, told: &Told) -> Vec<Piece> {
        let PublishTo::Sip(sip) = &self.settings.to else { return vec![] };
        let PublishWhat::Categories { message_waiting, calendar, .. } = sip.what else { return vec![] };
        let endpoint = endpoint(&self.settings.name, user);
        let frame = Frame { message_waiting, calendar, endpoint };
        picture(frame, &told.presence.seen(sip.sight), &told.summary, told.schedule.as_deref())
    }

    fn sight(&self) -> Sight {
        match &self.settings.to {
            PublishTo::Sip(sip) => sip.sight,
            PublishTo::Teams { .. } => Sight::Reduced,
        }
    }

    pub fn show_health(&mut self) {
        let health = self.machine.health();
        // Another one may have its name by now.
        if self.is_leaving() || std::mem::discriminant(&health) == std::mem::discriminant(&self.told) {
            return;
        }
        self.told = health;
        let state = match health {
            Health::Well => State::Green,
            Health::Ill(_) => State::Yellow("it takes nothing now, or answers with 5xx".into()),
            Health::Silent => State::Yellow("it does not answer".into()),
        };
        let part = self.part();
        tracing::info!(part, ?state, "A presence server has changed");
        METRICS.health.set(&part, state);
    }
}

/// What that server is told.
fn topics(settings: &PublishServer) -> Vec<Topic> {
    let sip = match &settings.to {
        PublishTo::Sip(sip) => sip,
        PublishTo::Teams { .. } => return vec![Topic::Calls],
    };
    match &sip.what {
        PublishWhat::Packages { packages, .. } => packages.iter().copied().map(Topic::Package).collect(),
        PublishWhat::Categories { .. } => vec![Topic::Categories],
    }
}
