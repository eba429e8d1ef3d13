//! A menu at a call: its machine's keys and times come from the call, and what it wants is done to the call.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use ringpost::{
    address::Language,
    directory::Reception,
    settings::User,
    sip::{Message as SipMessage, Name, token::Token, transaction::Owner},
    voicemail::{
        dtmf::{self, Key},
        menu::{
            Effect, Event, Failure, Say, Target,
            attendant::{Attendant, Rules},
        },
    },
};

use super::{Office, owner::Visit, session::UmSession};
use crate::{metrics::METRICS, voicemail::Perform};

/// How long a caller who was led to somebody may still be here.
const PARTING: Duration = Duration::from_secs(5);

/// A menu and what of it is under way.
pub(super) struct Menu {
    machine: Machine,
    /// What is playing; earlier reels are over for nobody.
    reel: u32,
    timer: Option<SpawnHandle>,
    referring: Option<Referring>,
}

/// The menu itself.
enum Machine {
    Attendant(Attendant, Arc<Reception>),
    /// `None` while it is being read.
    Mailbox(Option<Box<Visit>>),
}

/// A REFER without its end.
struct Referring {
    client: Option<Token>,
    /// Its CSeq number, which its NOTIFYs name (RFC 3515 §2.4.6).
    id: u32,
}

impl Menu {
    /// The menu of an attendant.
    pub(super) fn of(reception: Arc<Reception>) -> Self {
        let settings = &reception.settings;
        let rules = Rules {
            digits: settings.digits,
            first: settings.first_digit,
            between: settings.next_digit,
            tries: settings.tries,
            operator: settings.operator.is_some(),
            announcement: settings.greeting.is_some(),
        };
        let machine = Machine::Attendant(Attendant::new(rules), reception);
        Self { machine, reel: 0, timer: None, referring: None }
    }

    /// The menu of mailboxes, before anybody is there.
    pub(super) fn of_mailboxes() -> Self {
        Self { machine: Machine::Mailbox(None), reel: 0, timer: None, referring: None }
    }

    fn language(&self, office: &Office) -> Language {
        match &self.machine {
            Machine::Attendant(_, reception) => reception.settings.language,
            Machine::Mailbox(visit) => {
                let owner = visit.as_ref().and_then(|visit| visit.owner.as_ref());
                owner.map_or_else(|| office.directory.load().site.voicemail.language, |owner| owner.language)
            }
        }
    }
}

impl UmSession {
    /// Something has happened to the menu, if this call has one.
    pub(super) fn menu_event(&mut self, event: Event, ctx: &mut Context<Self>) {
        let Some(menu) = &mut self.menu else { return };
        let effects = match &mut menu.machine {
            Machine::Attendant(attendant, _) => attendant.on(event),
            Machine::Mailbox(Some(visit)) => visit.machine.on(event),
            Machine::Mailbox(None) => vec![],
        };
        for effect in effects {
            self.do_for_menu(effect, ctx);
        }
    }

    fn do_for_menu(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Play(words) => {
                self.stop_timer(ctx);
                self.play(&words, ctx);
            }
            Effect::Hush => {
                self.stop_timer(ctx);
                self.media.do_send(Perform::Hush);
            }
            Effect::Wait(time) => {
                self.stop_timer(ctx);
                self.wait(time, ctx, |session, ctx| session.menu_event(Event::Waited, ctx));
            }
            Effect::Transfer(target) => self.lead(&target, ctx),
            Effect::Record => self.media.do_send(Perform::Take),
            Effect::HangUp => {
                self.bye();
                self.hung_up(None, ctx);
            }
            effect => self.do_for_mailbox(effect, ctx),
        }
    }

    /// A caller is at the mailboxes: who that is, and what it may hear.
    pub(super) fn visits(
        &mut self,
        (owner, proven, source): (Option<Arc<User>>, bool, String),
        ctx: &mut Context<Self>,
    ) {
        let office = Arc::clone(&self.office);
        let visit = async move { Visit::of(&office, owner, proven, source).await };
        ctx.spawn(visit.into_actor(self).map(|visit, session, ctx| {
            session.put_visit(visit);
            session.guarded(ctx, |session, ctx| session.menu_event(Event::Begun, ctx));
        }));
    }

    pub(super) fn visit(&mut self) -> Option<&mut Visit> {
        match &mut self.menu.as_mut()?.machine {
            Machine::Mailbox(visit) => visit.as_deref_mut(),
            Machine::Attendant(..) => None,
        }
    }

    pub(super) fn visit_now(&self) -> Option<&Visit> {
        match &self.menu.as_ref()?.machine {
            Machine::Mailbox(visit) => visit.as_deref(),
            Machine::Attendant(..) => None,
        }
    }

    pub(super) fn take_visit(&mut self) -> Option<Visit> {
        match &mut self.menu.as_mut()?.machine {
            Machine::Mailbox(visit) => visit.take().map(|visit| *visit),
            Machine::Attendant(..) => None,
        }
    }

    pub(super) fn put_visit(&mut self, visit: Visit) {
        if let Some(menu) = &mut self.menu {
            menu.machine = Machine::Mailbox(Some(Box::new(visit)));
        }
    }

    /// What played under that number is over.
    pub(super) fn played(&mut self, reel: u32, ctx: &mut Context<Self>) {
        if self.menu.as_ref().is_some_and(|menu| menu.reel == reel) {
            self.menu_event(Event::Played, ctx);
        }
    }

    fn wait(&mut self, time: Duration, ctx: &mut Context<Self>, then: fn(&mut Self, &mut Context<Self>)) {
        let timer = ctx.run_later(time, move |session, ctx| session.guarded(ctx, then));
        if let Some(menu) = &mut self.menu {
            menu.timer = Some(timer);
        }
    }

    fn stop_timer(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.menu.as_mut().and_then(|menu| menu.timer.take()) {
            ctx.cancel_future(timer);
        }
    }

    fn play(&mut self, words: &[Say], ctx: &mut Context<Self>) {
        if let Some(menu) = &mut self.menu {
            menu.reel = menu.reel.wrapping_add(1);
        }
        let Some(menu) = &self.menu else { return };
        let reel = menu.reel;
        let language = menu.language(&self.office);
        let clip = |say: &Say| match (say, &menu.machine) {
            (Say::Announcement, Machine::Attendant(_, reception)) => {
                self.office.announcement(reception.settings.greeting.as_deref()?)
            }
            (say, _) => self.office.prompts.clip(language, say),
        };
        let clips: Vec<_> = words.iter().map(|say| (clip(say), self.audio(say))).collect();
        if clips.iter().all(|(_, audio)| audio.is_none()) {
            let clips = clips.into_iter().filter_map(|(clip, _)| clip).collect();
            return self.media.do_send(Perform::Play(reel, clips));
        }
        self.media.do_send(Perform::Hush);
        let gathered = async move {
            let mut all = vec![];
            for (clip, audio) in clips {
                all.extend(match audio {
                    Some(audio) => audio.await,
                    None => clip,
                });
            }
            all
        };
        ctx.spawn(gathered.into_actor(self).map(move |clips, session, _| {
            // Something else may be playing by now.
            if session.menu.as_ref().is_some_and(|menu| menu.reel == reel) {
                session.media.do_send(Perform::Play(reel, clips));
            }
        }));
    }

    /// Has Ringpost call whom the caller wants, as a transfer: the caller leaves when that one answers.
    fn lead(&mut self, target: &Target, ctx: &mut Context<Self>) {
        let Some(menu) = &self.menu else { return };
        let directory = self.office.directory.load();
        let domain = &directory.site.sip.domain;
        let number = match (target, &menu.machine) {
            (Target::Extension(number) | Target::Number(number), _) => Some(number.as_str()),
            (Target::Operator, Machine::Attendant(_, reception)) => reception.settings.operator.as_deref(),
            (Target::Operator, Machine::Mailbox(_)) => None,
        };
        let uri = number.map(|number| format!("sip:{number}@{domain}"));
        // Nobody calls out of a mailbox before its PIN was right (T20), and then as its owner.
        let (uri, by) = match &menu.machine {
            Machine::Attendant(_, reception) => {
                (uri.filter(|uri| directory.reached_from(reception, uri.as_bytes()).is_some()), None)
            }
            Machine::Mailbox(visit) => {
                let visit = visit.as_ref().filter(|visit| visit.admitted);
                let owner = visit.and_then(|visit| visit.owner.clone());
                (uri.filter(|_| owner.is_some()), owner)
            }
        };
        drop(directory);
        let (Some(uri), Some(dialog)) = (uri, &mut self.dialog) else {
            METRICS.attendant_failed_total.one();
            return self.menu_event(Event::Failed(Failure::Unknown), ctx);
        };
        let mut draft = dialog.request(b"REFER");
        let (id, peer, contact) = (dialog.local_seq(), self.peer, self.stand().contact());
        let client = self.port.ask(peer, Owner::Leg(self.token), |branch| {
            self.port.via(&mut draft, &peer, branch);
            draft.header("Contact", &[&contact]).header("Refer-To", &[b"<", uri.as_bytes(), b">"]);
            if let Some(by) = &by {
                draft.header("Referred-By", &[b"<", by.address.as_bytes(), b">"]);
            }
            draft.empty()
        });
        if let Some(menu) = &mut self.menu {
            menu.referring = Some(Referring { client, id });
        }
        if client.is_none() {
            self.not_led(503, ctx);
        }
    }

    /// The answer to our REFER.
    pub(super) fn answered(&mut self, client: Token, code: u16, ctx: &mut Context<Self>) {
        let referring = self.menu.as_ref().and_then(|menu| menu.referring.as_ref());
        if code >= 300 && referring.is_some_and(|one| one.client == Some(client)) {
            self.not_led(code, ctx);
        }
    }

    /// A NOTIFY of our REFER: how far the new call is (RFC 3515 §2.4.5).
    pub(super) fn notified(&mut self, notify: &SipMessage, ctx: &mut Context<Self>) {
        let Some(code) = status_of(&notify.body()).filter(|code| *code >= 200) else { return };
        let Some(menu) = self.menu.as_mut().filter(|menu| menu.is_of(notify)) else { return };
        if code >= 300 {
            return self.not_led(code, ctx);
        }
        METRICS.attendant_led_total.one();
        menu.referring = None;
        self.stop_timer(ctx);
        self.media.do_send(Perform::Hush);
        self.wait(PARTING, ctx, |session, ctx| {
            session.bye();
            session.hung_up(None, ctx);
        });
    }

    fn not_led(&mut self, code: u16, ctx: &mut Context<Self>) {
        METRICS.attendant_failed_total.one();
        if let Some(menu) = &mut self.menu {
            menu.referring = None;
        }
        self.menu_event(Event::Failed(Failure::of(code)), ctx);
    }

    /// An INFO: a key, perhaps.
    pub(super) fn informed(&self, info: &SipMessage) {
        let Some(kind) = info.first(Name::ContentType).filter(|_| self.menu.is_some()) else { return };
        if let Some(key) = dtmf::of_info(kind, &info.body()) {
            self.media.do_send(Perform::Press(Key(key)));
        }
    }
}

impl Menu {
    /// Whether a NOTIFY is about the REFER that has no end yet.
    fn is_of(&self, notify: &SipMessage) -> bool {
        let mut fields = notify.fields();
        let event = fields.find(|field| notify.written_name(field).eq_ignore_ascii_case(b"Event"));
        let event = event.map_or(&b""[..], |field| notify.value(field));
        let named = ringpost::sip::text::param(event, "id");
        self.referring.as_ref().is_some_and(|one| named.is_none_or(|id| id == one.id.to_string().as_bytes()))
    }
}

/// The code in a `message/sipfrag` (RFC 3420).
fn status_of(body: &[u8]) -> Option<u16> {
    let line = body.split(|octet| *octet == b'\r' || *octet == b'\n').next()?;
    let code = line.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}
