//! Asks servers for users' calendars and puts them where presence is kept (R53): one task, and nothing waits for it. A table of
//! the site may lead to several servers, each of which is asked at its own pace. Each user has one writer (R57): the server that names the user, or else the first of those that ask for all.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use ringpost::{
    calendar::{
        Reply, Schedule, Told, Window,
        polling::{Outcome, Polling, Question, Terms},
    },
    directory::Directory,
    outbox::ChannelName,
    presence::{Kind, Source, input::Said},
    settings::CalendarServer,
};

use super::Presence;
use crate::{
    channel::{Calendars, calendars::Unasked},
    entropy,
    metrics::{METRICS, State},
};

/// How often it is looked whether the site has changed.
const LOOK: u64 = 500;
/// How old free and busy times may become that are published though nothing has changed, in seconds (R23).
const REFRESH: i64 = 1_800;

/// How far the machine's clock is set at once for the calendars to be asked for anew, in milliseconds.
const JUMP: i64 = 30_000;

/// What calendars are called among the inputs.
pub(super) fn source() -> Source {
    Source::new(Kind::Own, "calendar")
}

/// The task.
pub struct Asked {
    presence: Arc<Presence>,
    servers: HashMap<ChannelName, Arc<dyn Calendars>>,
}

/// One server of the site.
struct Server {
    settings: CalendarServer,
    server: Arc<dyn Calendars>,
    polling: Polling,
    /// The users of each mailbox.
    users: HashMap<Arc<str>, Vec<Arc<str>>>,
    /// Why the last question was not answered, or the last mailbox not shown.
    trouble: String,
    health: State,
}

/// What came of a question to the server of that name.
type Done = (String, Question, Result<Reply, Unasked>);

impl Asked {
    /// Asks those servers.
    pub fn new(presence: Arc<Presence>, servers: HashMap<ChannelName, Arc<dyn Calendars>>) -> Self {
        Self { presence, servers }
    }

    /// Works until the end of the program.
    pub async fn run(self: Arc<Self>) {
        let began = Instant::now();
        let now = || began.elapsed().as_millis() as u64;
        let mut random = entropy::source();
        let mut work: FuturesUnordered<LocalBoxFuture<'static, Done>> = FuturesUnordered::new();
        let mut servers: Vec<Server> = vec![];
        let mut seen: Option<Arc<Directory>> = None;
        let ahead = || Timestamp::now().as_millisecond() - began.elapsed().as_millis() as i64;
        let mut was_ahead = ahead();
        loop {
            if (ahead() - was_ahead).abs() > JUMP {
                was_ahead = ahead();
                tracing::info!("The clock of the machine was set: calendars are asked for again");
                servers.iter_mut().for_each(|server| server.polling.again(now(), random()));
            }
            let directory = self.presence.directory.load_full();
            if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &directory)) {
                self.renew(&directory, &mut servers, now(), random());
                seen = Some(directory);
            }
            for server in &mut servers {
                while let Some(question) = server.polling.next(now(), |mailbox| server.server.place(mailbox))
                {
                    METRICS.calendar_polls_total.one();
                    work.push(server.ask(question));
                }
            }
            let wake = servers.iter().filter_map(|server| server.polling.wake()).min();
            let wait = wake.map_or(LOOK, |wake| wake.saturating_sub(now()).clamp(1, LOOK));
            tokio::select! {
                Some((name, question, reply)) = work.next() => {
                    if let Some(server) = servers.iter_mut().find(|server| server.settings.name == name) {
                        self.answered(server, &question, reply, (now(), random()));
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
            }
        }
    }

    /// The site was read: servers and users may have come and gone.
    fn renew(&self, directory: &Directory, servers: &mut Vec<Server>, now: u64, random: u32) {
        let presence = &directory.site.presence;
        let wanted = if presence.enabled { &presence.calendars[..] } else { &[] };
        let mut before = std::mem::take(servers);
        let known: HashSet<Arc<str>> = before.iter().flat_map(Server::all).collect();
        let mut taken: HashSet<Arc<str>> = HashSet::new();
        // Whoever is named by one server is not for those that ask for all.
        let mut order: Vec<&CalendarServer> = wanted.iter().collect();
        order.sort_by_key(|settings| settings.users.is_none());
        for settings in order {
            let Some(server) = self.servers.get(&settings.channel) else {
                tracing::warn!(
                    calendar = settings.name,
                    "The channel of a calendar has come with this reading of the site: it needs a restart"
                );
                continue;
            };
            let mut users: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
            for user in named(directory, settings) {
                let Some(mailbox) = &user.mail else { continue };
                if taken.insert(user.address.as_str().into()) {
                    users.entry(mailbox.as_str().into()).or_default().push(user.address.as_str().into());
                }
            }
            let batch = server.most();
            let terms = Terms { every: settings.every.as_millis() as u64, batch };
            let at = before.iter().position(|one| one.settings.name == settings.name);
            let (mut polling, trouble, health) = match at.map(|at| before.swap_remove(at)) {
                Some(Server { polling, trouble, health, .. }) => (polling, trouble, health),
                None => {
                    METRICS.health.set(&part(&settings.name), State::Green);
                    (Polling::new(terms), String::new(), State::Green)
                }
            };
            polling.sets(terms, users.keys().cloned(), now, random);
            let (settings, server) = (settings.clone(), Arc::clone(server));
            let mut new = Server { settings, server, polling, users, trouble, health };
            // Whoever it has failed may be asked for no more.
            new.shows_health();
            servers.push(new);
        }
        before.iter().for_each(|gone| METRICS.health.forget(&part(&gone.settings.name)));
        METRICS.calendars.set(taken.len() as u64);
        // Nobody asks for these any more.
        for gone in known.difference(&taken) {
            self.presence.has_no_calendar(gone);
        }
    }

    fn answered(
        &self,
        server: &mut Server,
        question: &Question,
        reply: Result<Reply, Unasked>,
        (now, random): (u64, u32),
    ) {
        let outcome = match reply {
            Ok(Reply { told, rest }) => {
                let fates = told.iter().map(Told::fate).collect();
                for (mailbox, told) in question.mailboxes.iter().zip(told) {
                    let users = server.users.get(mailbox).map(Vec::as_slice).unwrap_or_default();
                    match told {
                        Told::Shown(schedule) => self.presence.calendars(users, *schedule, &server.settings),
                        Told::Hidden(reason) | Told::Later(reason) => {
                            tracing::debug!(mailbox = &**mailbox, reason, "A calendar is not shown");
                            server.trouble = reason;
                        }
                        Told::Found => {}
                    }
                }
                Outcome::Told(fates, rest.map(|rest| rest.as_millis() as u64))
            }
            Err(error) => {
                METRICS.calendar_failures_total.one();
                let name = &server.settings.name;
                tracing::debug!(calendar = name, place = &*question.place, %error, "Calendars cannot be asked for");
                match error {
                    Unasked::TooMuch => Outcome::TooMuch,
                    Unasked::Down(reason, wait) => {
                        server.trouble = reason;
                        Outcome::Down(wait.map(|wait| wait.as_millis() as u64))
                    }
                }
            }
        };
        server.polling.answered(question, &outcome, now, random);
        server.shows_health();
    }
}

impl Server {
    fn shows_health(&mut self) {
        let health = match (self.polling.is_down(), self.polling.shows_nobody()) {
            (true, _) => State::Yellow(self.trouble.clone()),
            (false, true) => State::Yellow(format!("no calendar is shown: {}", self.trouble)),
            (false, false) => State::Green,
        };
        // The words may differ with every mailbox; the colour is what counts.
        if std::mem::discriminant(&health) != std::mem::discriminant(&self.health) {
            METRICS.health.set(&part(&self.settings.name), health.clone());
            self.health = health;
        }
    }

    fn all(&self) -> impl Iterator<Item = Arc<str>> {
        self.users.values().flatten().cloned()
    }

    fn ask(&self, question: Question) -> LocalBoxFuture<'static, Done> {
        let (name, server) = (self.settings.name.clone(), Arc::clone(&self.server));
        let window = Window::at(Timestamp::now(), self.settings.slots);
        let out_of_office = self.settings.out_of_office;
        Box::pin(async move {
            let reply = server.schedules(&question.mailboxes, window, out_of_office).await;
            (name, question, reply)
        })
    }
}

/// What a table of the site is called in the health report.
fn part(name: &str) -> String {
    format!("calendar {name}")
}

impl Presence {
    /// These users' calendar is so now; it counts for as long as the site says, unless it is told again.
    fn calendars(&self, users: &[Arc<str>], schedule: Schedule, settings: &CalendarServer) {
        let directory = self.directory.load();
        // Calendars go by the clock of the world, presence by one that nobody sets while Ringpost runs.
        let now = self.now();
        let ahead = i64::try_from(now).unwrap_or(i64::MAX) - Timestamp::now().as_second();
        let (calendar, end) = schedule.input_by(if ahead.abs() > 1 { ahead } else { 0 });
        let ends = (now + settings.keep.as_secs()).min(end);
        let schedule = Arc::new(schedule);
        for user in users.iter().filter_map(|user| directory.of_address(user)) {
            let said = Said { calendar: Some(calendar.clone()), ..Said::default() };
            self.change(&self.of(user), |known| {
                known.inputs.put(&source(), said, ends);
                let is_news = known.schedule.as_ref().is_none_or(|older| {
                    schedule.differs_from(older)
                        || schedule.start.as_second() - older.start.as_second() >= REFRESH
                        || older.ends_within(schedule.start, settings.every)
                });
                if is_news {
                    known.schedule = Some(Arc::clone(&schedule));
                }
            });
        }
    }

    /// Nobody asks for that user's calendar any more.
    fn has_no_calendar(&self, user: &str) {
        if let Some(cell) = self.find(user) {
            self.change(&cell, |known| {
                known.inputs.remove(&source());
                known.schedule = None;
            });
        }
    }
}

/// Whose calendars a server is asked for.
fn named<'d>(directory: &'d Directory, settings: &CalendarServer) -> Vec<&'d ringpost::settings::User> {
    match &settings.users {
        None => directory.site.users.iter().collect(),
        Some(named) => {
            named.iter().filter_map(|name| directory.of_uri_or_number(name)).map(Arc::as_ref).collect()
        }
    }
}
