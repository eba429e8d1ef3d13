//! One PBX's gateway that tells what telephones do (R52, R114): a task with its dialogs, one for all lines or one for each.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use ringpost::{
    counted::counted,
    directory::Directory,
    presence::{Call, Direction, Forward, Kind, Phone, Progress, Source, input::Said},
    rcc::{
        client::{Client, Do, Health},
        line::{How, Left, Line, Phone as Doing, State as Far},
    },
    settings::{RccGateway, User},
};

use super::{
    gateways::{Gateways, Heard, Wanted},
    link::{Link, Way},
    missed::{self, Lost, Written},
    relay::Relay,
};
use crate::metrics::{METRICS, State};

/// What is known of the lines ends with their monitors, and those with the dialog; no time ends it.
const UNTIL_TOLD: u64 = u64::MAX;

pub(super) struct Gateway {
    host: Rc<Gateways>,
    wanted: Rc<Wanted>,
    settings: RccGateway,
    source: Source,
    links: Vec<Link>,
    /// The links by the tags of their dialogs.
    of_tag: HashMap<u64, usize, ahash::RandomState>,
    /// When which link is asked again, the earliest first.
    wakes: BTreeSet<(u64, usize)>,
    /// Whose telephones presence knows from here, and by which link.
    shown: HashMap<Arc<str>, usize, ahash::RandomState>,
    told: Option<String>,
    relay: Relay,
    /// Notices that are to be on the disk before the event that led to them is answered.
    writing: Vec<Written>,
}

impl Gateway {
    pub fn new(host: Rc<Gateways>, wanted: Rc<Wanted>) -> Self {
        let settings = wanted.settings.borrow().clone();
        let source = Source::new(Kind::Cti, &settings.name);
        let mut new = Self {
            host,
            wanted,
            settings,
            source,
            links: vec![],
            of_tag: HashMap::default(),
            wakes: BTreeSet::new(),
            shown: HashMap::default(),
            told: None,
            relay: Relay::default(),
            writing: vec![],
        };
        new.renew();
        new
    }

    /// Works until it is told to stop, and then for ever does nothing.
    pub async fn run(mut self) {
        let inbox = Rc::clone(&self.wanted);
        let mut inbox = inbox.inbox.lock().await;
        loop {
            self.play();
            if self.links.iter().all(|link| link.client.is_over()) && self.wanted.stops.get() {
                self.wanted.stopped.notify_one();
                return std::future::pending().await;
            }
            let wake = self.wakes.first().map(|(wake, _)| wake.saturating_sub(self.host.port.now()));
            tokio::select! {
                heard = inbox.recv() => match heard {
                    Some(heard) => self.heard(heard),
                    None => return std::future::pending().await,
                },
                () = until(wake) => {}
            }
        }
    }

    fn heard(&mut self, heard: Heard) {
        let directory = self.host.directory();
        let way = Way { port: &self.host.port, settings: &self.settings, domain: &directory.site.sip.domain };
        let (Heard::Answer(tag, ..) | Heard::Request(tag, _) | Heard::Ack(tag) | Heard::Places(tag, _)) =
            &heard
        else {
            return self.renew();
        };
        let Some(at) = self.of_tag.get(tag).copied() else {
            if let Heard::Request(tag, asked) = &heard {
                way.gone(*tag, asked);
            }
            return;
        };
        let link = &mut self.links[at];
        match heard {
            Heard::Answer(_, client, code, message) => {
                link.answered(&way, client, (code, message.as_deref()))
            }
            Heard::Request(_, asked) => link.requested(&way, &asked),
            Heard::Ack(_) => link.acknowledged(&self.host.port),
            Heard::Places(_, places) => link.open(&way, &places),
            Heard::Renewed => {}
        }
        self.wakes.insert((0, at));
    }

    /// The site was read, or all of it ends.
    fn renew(&mut self) {
        let directory = self.host.directory();
        self.settings = self.wanted.settings.borrow().clone();
        let lines = match self.wanted.stops.get() {
            true => vec![],
            false => lines(&directory, &self.settings),
        };
        let now = self.host.port.now();
        let of_user: HashMap<Arc<str>, String, ahash::RandomState> = match self.settings.per_user {
            true => lines.iter().cloned().collect(),
            false => HashMap::default(),
        };
        if self.settings.per_user {
            let mut spread = now;
            let known: HashSet<Arc<str>> = self.links.iter().filter_map(|link| link.user.clone()).collect();
            for (user, _) in &lines {
                if !known.contains(user) {
                    let client = Client::new(self.settings.terms(), spread);
                    self.links.push(Link::new(client, Some(Arc::clone(user))));
                    spread += self.settings.gap.as_millis() as u64;
                }
            }
        } else if self.links.is_empty() {
            self.links.push(Link::new(Client::new(self.settings.terms(), now), None));
        }
        for (at, link) in self.links.iter_mut().enumerate() {
            link.client.adjust(self.settings.terms());
            match &link.user {
                Some(user) => {
                    let device = of_user.get(user).cloned();
                    link.client.follow(device.map(|device| (Arc::clone(user), device)));
                }
                None => link.client.follow(lines.iter().cloned()),
            }
            if self.wanted.stops.get() {
                link.client.end();
            }
            self.wakes.insert((0, at));
        }
        // Presence may have been switched on, or have forgotten who was nobody for a while.
        for (user, at) in self.shown.clone() {
            self.show(&directory, at, &user);
        }
    }

    /// Does what the machines want, as far as it is time.
    fn play(&mut self) {
        let directory = self.host.directory();
        let now = self.host.port.now();
        let mut played = false;
        while let Some((wake, at)) = self.wakes.first().copied().filter(|(wake, _)| *wake <= now) {
            self.wakes.remove(&(wake, at));
            self.wakes.remove(&(self.links[at].wake, at));
            played = true;
            while let Some(what) = self.links[at].client.next(now, self.host.port.random()) {
                self.does(&directory, at, what);
            }
            self.answer(at);
            let link = &mut self.links[at];
            if !link.client.has_dialog() && link.tag != 0 {
                self.of_tag.remove(&link.tag);
                self.host.close(std::mem::take(&mut link.tag));
                link.forget(&self.host.port);
            }
            link.wake = link.client.wake().unwrap_or(u64::MAX);
            if link.wake < u64::MAX {
                self.wakes.insert((link.wake.max(now + 1), at));
                link.wake = link.wake.max(now + 1);
            }
        }
        if played {
            self.tell_health();
        }
    }

    fn does(&mut self, directory: &Directory, at: usize, what: Do) {
        let way = Way { port: &self.host.port, settings: &self.settings, domain: &directory.site.sip.domain };
        let link = &mut self.links[at];
        match what {
            Do::Open => {
                link.tag = self.host.open(&self.wanted);
                self.of_tag.insert(link.tag, at);
                match self.host.port.at_hand(self.settings.target.as_bytes()) {
                    Some(places) => link.open(&way, &places),
                    None => self.host.seek(link.tag, &self.wanted, &self.settings.target),
                }
            }
            Do::Ask(asks) => link.ask(&way, &asks),
            Do::Refresh => link.refresh(&way),
            Do::Close => link.close(&way),
            Do::Show(user) => self.show(directory, at, &user),
            Do::Hide(user) => self.hide(&user),
            Do::Left(user, left) => self.left(directory, &user, &left),
        }
    }

    fn show(&mut self, directory: &Directory, at: usize, user: &Arc<str>) {
        let line = self.links.get(at).and_then(|link| link.client.line(user));
        let (Some(line), Some(known)) = (line, directory.of_address(user)) else { return };
        if self.host.presence.is_on() {
            let said = said(directory, &self.settings, line);
            self.host.presence.says(known, &self.source, said, UNTIL_TOLD);
        }
        self.relay.tells(directory, &self.host.rcc, &self.settings, (user, line));
        if self.shown.insert(Arc::clone(user), at).is_none() {
            METRICS.rcc_lines.up();
        }
    }

    fn hide(&mut self, user: &Arc<str>) {
        if self.shown.remove(user).is_some() {
            self.relay.forgets(&self.host.rcc, user);
            METRICS.rcc_lines.down();
            self.host.presence.is_silent(user, &self.source);
        }
    }

    /// A call has left a telephone. What went through Ringpost as well is decided there.
    fn left(&mut self, directory: &Directory, user: &Arc<str>, left: &Left) {
        self.relay.left(&self.host.rcc, user, left);
        if left.how == How::Unknown {
            METRICS.rcc_unknown_ends_total.one();
            tracing::info!(
                gateway = self.settings.name,
                "A call rang at a telephone of the PBX, and nobody knows how it ended"
            );
        }
        if directory.of_address(user).is_none() || left.how != How::Missed {
            return;
        }
        let lost = Lost {
            host: Rc::clone(&self.host),
            settings: self.settings.clone(),
            user: Arc::clone(user),
            ended: Instant::now(),
            left: left.clone(),
        };
        self.writing.extend(lost.told());
    }

    /// Answers the events that were played. What has led to a notice is answered when that is on the disk: a gateway tells
    /// nothing twice.
    fn answer(&mut self, at: usize) {
        let (events, writing) = (self.links[at].unanswered(), std::mem::take(&mut self.writing));
        if writing.is_empty() {
            return events.iter().for_each(|event| event.answer(&self.host.port));
        }
        let port = Rc::clone(&self.host.port);
        actix::spawn(async move {
            futures_util::future::join_all(writing).await;
            events.iter().for_each(|event| event.answer(&port));
        });
    }

    fn tell_health(&mut self) {
        let (mut lacking, mut down, mut fresh) = (0, None, false);
        for link in &self.links {
            match link.client.health() {
                Health::Well => {}
                Health::Fresh => fresh = true,
                Health::Lacks(count) => lacking += count,
                Health::Down(why) => {
                    lacking += 1;
                    down = Some(why);
                }
            }
        }
        let trouble = match down {
            Some(why) => Some(why.to_owned()),
            None if lacking > 0 => Some(format!("it does not monitor {}", counted(lacking, "line"))),
            None => None,
        };
        if fresh && trouble.is_none() || trouble == self.told {
            return;
        }
        let part = super::gateways::part(&self.settings.name);
        match &trouble {
            Some(why) => {
                tracing::warn!(gateway = self.settings.name, why, "A CSTA gateway does not tell of all lines")
            }
            None => tracing::info!(gateway = self.settings.name, "A CSTA gateway tells of all lines"),
        }
        METRICS.health.set(&part, trouble.clone().map_or(State::Green, State::Yellow));
        self.told = trouble;
    }
}

impl Drop for Gateway {
    /// No busy telephone outlives whoever said so, however that ended.
    fn drop(&mut self) {
        for (user, _) in std::mem::take(&mut self.shown) {
            METRICS.rcc_lines.down();
            self.relay.forgets(&self.host.rcc, &user);
            self.host.presence.is_silent(&user, &self.source);
        }
        self.links.iter().filter(|link| link.tag != 0).for_each(|link| self.host.close(link.tag));
    }
}

/// The users of a gateway, with the names of their telephones there.
fn lines(directory: &Directory, settings: &RccGateway) -> Vec<(Arc<str>, String)> {
    let named = |user: &User| Some((Arc::from(user.address.as_str()), settings.device_of(user)?));
    match &settings.users {
        None => directory.site.users.iter().filter_map(named).collect(),
        // Names that are nobody's are passed over, for a directory may bring them later.
        Some(users) => users
            .iter()
            .filter_map(|name| directory.of_uri_or_number(name))
            .filter_map(|user| named(user))
            .collect(),
    }
}

/// What a line amounts to for presence. A telephone that only rings is not busy.
fn said(directory: &Directory, settings: &RccGateway, line: &Line) -> Said {
    let call = |(id, call): (&str, &ringpost::rcc::line::Call)| {
        let progress = match call.state {
            Far::Dialling => Progress::Trying,
            Far::RingsHere | Far::RingsThere => Progress::Early,
            Far::Talks | Far::Held => Progress::Confirmed,
            Far::Failed => return None,
        };
        let direction = if call.incoming { Direction::Recipient } else { Direction::Initiator };
        let other = missed::caller(directory, settings, call.other.as_deref());
        Some(Call {
            id: format!("{}-{id}", settings.name).into(),
            dialog: Default::default(),
            direction: Some(direction),
            progress,
            remote: other.uri.or(other.number).unwrap_or_default().into(),
            name: other.name.map(Into::into),
        })
    };
    let phone = Phone {
        calls: line.calls().filter_map(call).collect(),
        busy: matches!(line.phone(), Doing::Calling | Doing::Talking | Doing::Conference),
        conference: line.phone() == Doing::Conference,
        do_not_disturb: line.do_not_disturb,
        forward: line.forwarded.as_deref().map(|to| Some(forward(directory, settings, to))),
        reachable: Some(true),
    };
    Said { phone: Some(phone), ..Said::default() }
}

/// R115: what is voice mail is voice mail, whatever its number looks like.
fn forward(directory: &Directory, settings: &RccGateway, to: &str) -> Forward {
    let number = missed::caller(directory, settings, Some(to)).number.unwrap_or_else(|| to.to_owned());
    match directory.mailbox(&number) {
        Some(_) => Forward::VoiceMail,
        None => Forward::Number(number.into()),
    }
}

/// After so many milliseconds; `None`: never.
async fn until(wait: Option<u64>) {
    match wait {
        Some(wait) => tokio::time::sleep(Duration::from_millis(wait)).await,
        None => std::future::pending().await,
    }
}
