//! A mailbox at a call: what its menu wants of the store, of recordings and of greetings.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use actix::prelude::*;
use jiff::Timestamp;
use ringpost::{
    directory::Directory,
    settings::User,
    voicemail::{
        Clip, Greeting, State,
        g711::Codec,
        menu::{
            Contents, Effect, Event, Message, Received, Say,
            mailbox::{Entry, Mailbox, Rules},
        },
        pin::Lock,
        wav::{self, Wav},
    },
};

use super::{Office, session::UmSession};
use crate::{
    entropy,
    mailboxes::Verdict,
    store,
    voicemail::{Fetch, LONGEST_GREETING},
};

/// A caller at mailboxes.
pub(super) struct Visit {
    pub(super) machine: Mailbox,
    /// Whose mailbox it is, once that is sure; before, whose phone.
    pub(super) owner: Option<Arc<User>>,
    /// Who calls, for the lock-out.
    source: String,
    /// The PIN was right, or is not needed.
    pub(super) admitted: bool,
    messages: Vec<store::Message>,
}

impl Visit {
    /// A caller from the phone of `owner`, where that is sure; `proven` where its device has shown who it is.
    pub(super) async fn of(office: &Office, owner: Option<Arc<User>>, proven: bool, source: String) -> Self {
        let settings = office.directory.load().site.voicemail.clone();
        let rules = Rules { silence: settings.menu_silence, between: settings.menu_silence, tries: 3 };
        let mut visit = Self {
            machine: Mailbox::new(rules, Entry::Number),
            owner,
            source,
            admitted: false,
            messages: vec![],
        };
        let entry = match &visit.owner {
            None => Entry::Number,
            Some(owner) if proven && !(settings.pin_at_own_phone && office.mailboxes.has_pin(owner)) => {
                visit.admitted = true;
                Entry::Open(visit.contents(office).await)
            }
            Some(_) => Entry::Pin,
        };
        visit.machine = Mailbox::new(rules, entry);
        visit
    }

    /// Reads the owner's mailbox.
    async fn contents(&mut self, office: &Office) -> Contents {
        let Some(owner) = self.owner.clone() else { return Contents::default() };
        self.messages = office.mailboxes.messages(&owner.address).await;
        let now = Timestamp::now();
        let message = |one: &store::Message| Message {
            id: one.id,
            age: one.state.unwrap_or(State::Old),
            urgent: one.urgent,
            number: one.caller.number.clone().filter(|_| !one.caller.private),
            received: Received::of(one.came_in, now, &owner.time_zone),
        };
        let mut messages: Vec<Message> = self.messages.iter().map(message).collect();
        messages.sort_by_key(|one| (one.age == State::Old, one.age == State::New && !one.urgent, one.id));
        Contents { messages, notices: !office.policies.is_silent(&owner) }
    }

    /// Where the recording of a message is.
    fn recording(&self, id: i64) -> Option<PathBuf> {
        self.messages.iter().find(|one| one.id == id).map(|one| one.recording.clone())
    }
}

/// The user whose mailbox has that number.
fn owner_of(directory: &Directory, number: &str) -> Option<Arc<User>> {
    directory.user(number).filter(|user| user.um_plan.is_some()).cloned()
}

impl UmSession {
    /// Does what a mailbox wants of the world behind the call.
    pub(super) fn do_for_mailbox(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        let office = Arc::clone(&self.office);
        let Some(visit) = self.visit() else { return };
        let owner = visit.owner.clone();
        if let Effect::Check { mailbox, pin } = effect {
            let lock = {
                let settings = &office.directory.load().site.voicemail;
                Lock { tries: settings.pin_tries, time: settings.pin_lock }
            };
            let owner = match mailbox {
                Some(number) => owner_of(&office.directory.load(), &number),
                None => owner,
            };
            let source = visit.source.clone();
            let judged = async move {
                let verdict = office.mailboxes.judge(owner.as_deref(), (&source, pin), lock).await;
                (verdict, owner, office)
            };
            ctx.spawn(judged.into_actor(self).map(|(verdict, owner, office), session, ctx| {
                session.judged(verdict, owner, office, ctx);
            }));
            return;
        }
        // Nothing of a mailbox is touched before its PIN was right.
        let Some(owner) = owner.filter(|_| visit.admitted) else { return };
        let media = self.media.clone();
        let done = async move {
            let address = owner.address.as_str();
            match effect {
                Effect::Heard(id) => {
                    office.mailboxes.mark(address, id, Some(State::Old)).await;
                    None
                }
                Effect::Mark(id, age) => Some(office.mailboxes.mark(address, id, age).await),
                Effect::SetNotices(on) => Some(office.policies.tell_missed(&owner, on).await),
                Effect::SetPin(pin) => Some(office.mailboxes.set_pin(address, pin).await),
                Effect::SetGreeting(recorded) => {
                    let draft = if recorded { media.send(Fetch).await.ok().flatten() } else { None };
                    Some(keep_greeting(&office, address, recorded, draft).await)
                }
                _ => None,
            }
        };
        ctx.spawn(done.into_actor(self).map(|done, session, ctx| {
            if let Some(done) = done {
                session.guarded(ctx, |session, ctx| session.menu_event(Event::Written(done), ctx));
            }
        }));
    }

    fn judged(
        &mut self,
        verdict: Verdict,
        owner: Option<Arc<User>>,
        office: Arc<Office>,
        ctx: &mut Context<Self>,
    ) {
        let event = match verdict {
            Verdict::Refused => Event::Refused,
            Verdict::Locks(tries) => {
                let source = self.visit().map(|visit| visit.source.clone());
                if let Some(owner) = owner {
                    actix::spawn(async move { office.tell_locked(&owner, tries, source.as_deref()).await });
                }
                Event::Refused
            }
            Verdict::Locked => Event::Locked,
            Verdict::Admitted => {
                let Some(mut visit) = self.take_visit() else { return };
                visit.owner = owner;
                visit.admitted = true;
                let read = async move {
                    let contents = visit.contents(&office).await;
                    (visit, contents)
                };
                ctx.spawn(read.into_actor(self).map(|(visit, contents), session, ctx| {
                    session.put_visit(visit);
                    session.guarded(ctx, |session, ctx| {
                        session.menu_event(Event::Admitted(Box::new(contents)), ctx);
                    });
                }));
                return;
            }
        };
        self.guarded(ctx, |session, ctx| session.menu_event(event, ctx));
    }

    /// The audio of something that only a mailbox has; it is read apart, since a message may be long.
    pub(super) fn audio(&self, say: &Say) -> Option<impl Future<Output = Option<Clip>> + use<>> {
        let visit = self.visit_now()?;
        let owner = visit.owner.clone().filter(|_| visit.admitted)?;
        let path = match say {
            Say::Message(id) => Some(visit.recording(*id)?),
            Say::Greeting | Say::Draft => None,
            _ => return None,
        };
        let (office, media, draft) = (Arc::clone(&self.office), self.media.clone(), *say == Say::Draft);
        Some(async move {
            match path {
                Some(path) => tokio::task::spawn_blocking(move || read(&path)).await.ok()?,
                None if draft => media.send(Fetch).await.ok()?,
                None => {
                    let Greeting { pcma, .. } = office.greeting(&owner);
                    Some(Clip::new(Codec::Pcma, pcma.to_vec()))
                }
            }
        })
    }
}

/// The recording of a message; `None` where it has gone meanwhile.
fn read(path: &Path) -> Option<Clip> {
    let file =
        fs::read(path).inspect_err(|error| tracing::error!(%error, "A message cannot be read")).ok()?;
    Some(Clip::of_wav(&Wav::read(&file).ok()?))
}

/// Has a user's greeting replaced by what was recorded, or removed. The old file goes when the new one is kept.
async fn keep_greeting(office: &Office, user: &str, recorded: bool, draft: Option<Clip>) -> bool {
    let old = office.mailboxes.greeting(user);
    let path = match (recorded, draft) {
        (false, _) => None,
        (true, None) => return false,
        (true, Some(draft)) => {
            let folder = office.directory.load().site.voicemail.recordings.join("greetings");
            match tokio::task::spawn_blocking(move || write(&folder, &draft)).await {
                Ok(Ok(path)) => Some(path),
                Ok(Err(error)) => {
                    tracing::error!(%error, "A greeting cannot be written");
                    return false;
                }
                Err(_) => return false,
            }
        }
    };
    let kept = office.mailboxes.set_greeting(user, path).await;
    if let Some(old) = old.filter(|_| kept) {
        office.forget_greeting(&old);
        if let Err(error) = fs::remove_file(&old) {
            tracing::warn!(%error, "An old greeting cannot be removed");
        }
    }
    kept
}

/// Writes a greeting under a name of its own, whole or not at all.
fn write(folder: &Path, clip: &Clip) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{:032x}.wav", entropy::number()));
    let octets = clip.octets();
    let octets = &octets[..octets.len().min(LONGEST_GREETING.as_secs() as usize * 8000)];
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    file.write_all(&wav::header(clip.codec(), octets.len() as u32))?;
    file.write_all(octets)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}
