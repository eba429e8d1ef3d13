//! A menu at a call: its machine's keys and times come from the call, and what it wants is done to the call.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use ringpost::{
    address::Language,
    directory::Reception,
    sip::{Message as SipMessage, Name, token::Token, transaction::Owner},
    voicemail::{
        dtmf::{self, Key},
        menu::{
            Effect, Event, Failure, Say, Target,
            attendant::{Attendant, Rules},
        },
    },
};

use super::session::UmSession;
use crate::{metrics::METRICS, voicemail::Perform};

/// How long a caller who was led to somebody may still be here.
const PARTING: Duration = Duration::from_secs(5);

/// A menu and what of it is under way.
pub(super) struct Menu {
    attendant: Attendant,
    reception: Arc<Reception>,
    /// What is playing; earlier reels are over for nobody.
    reel: u32,
    timer: Option<SpawnHandle>,
    referring: Option<Referring>,
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
        Self { attendant: Attendant::new(rules), reception, reel: 0, timer: None, referring: None }
    }

    fn language(&self) -> Language {
        self.reception.settings.language
    }
}

impl UmSession {
    /// Something has happened to the menu, if this call has one.
    pub(super) fn menu_event(&mut self, event: Event, ctx: &mut Context<Self>) {
        let Some(menu) = &mut self.menu else { return };
        for effect in menu.attendant.on(event) {
            self.do_for_menu(effect, ctx);
        }
    }

    fn do_for_menu(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Play(words) => {
                self.stop_timer(ctx);
                self.play(&words);
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
            Effect::HangUp => {
                self.bye();
                self.hung_up(None, ctx);
            }
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

    fn play(&mut self, words: &[Say]) {
        let Some(menu) = &mut self.menu else { return };
        menu.reel = menu.reel.wrapping_add(1);
        let clip = |say: &Say| {
            let clip = match say {
                Say::Announcement => self.office.announcement(menu.reception.settings.greeting.as_deref()?),
                say => self.office.prompts.clip(menu.language(), say),
            };
            if clip.is_none() {
                tracing::error!(prompt = %say, "A prompt cannot be played");
            }
            clip
        };
        let clips = words.iter().filter_map(clip).collect();
        self.media.do_send(Perform::Play(menu.reel, clips));
    }

    /// Has Ringpost call whom the caller wants, as a transfer: the caller leaves when that one answers.
    fn lead(&mut self, target: &Target, ctx: &mut Context<Self>) {
        let Some(menu) = &self.menu else { return };
        let directory = self.office.directory.load();
        let number = match target {
            Target::Extension(number) => Some(number.as_str()),
            Target::Operator => menu.reception.settings.operator.as_deref(),
        };
        let uri = number.map(|number| format!("sip:{number}@{}", directory.site.sip.domain));
        let reached = uri.filter(|uri| directory.reached_from(&menu.reception, uri.as_bytes()).is_some());
        drop(directory);
        let (Some(uri), Some(dialog)) = (reached, &mut self.dialog) else {
            METRICS.attendant_failed_total.one();
            return self.menu_event(Event::Failed(Failure::Unknown), ctx);
        };
        let mut draft = dialog.request(b"REFER");
        let (id, peer, contact) = (dialog.local_seq(), self.peer, self.stand().contact());
        let client = self.port.ask(peer, Owner::Leg(self.token), |branch| {
            self.port.via(&mut draft, &peer, branch);
            draft.header("Contact", &[&contact]).header("Refer-To", &[b"<", uri.as_bytes(), b">"]);
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
