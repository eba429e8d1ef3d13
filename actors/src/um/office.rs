//! What the sessions of Ringpost's own UM share.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use actix::prelude::*;
use arc_swap::ArcSwap;
use ringpost::{
    address::Caller,
    directory::Directory,
    settings::User,
    voicemail::{Clip, Greeting, Limits},
};

use crate::{
    identity::Identity,
    mailboxes::Mailboxes,
    outbox::Outbox,
    policies::Policies,
    voicemail::{GreetingError, Greetings, PortPool, Prompts},
};

/// What the sessions share.
pub struct Office {
    /// The site as it is now.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Where voice mails and notices go.
    pub outbox: Addr<Outbox>,
    /// The RTP ports.
    pub ports: Arc<PortPool>,
    /// Servers that are asked for callers' names; `None`: none.
    identity: Option<Arc<Identity>>,
    greetings: Greetings,
    /// What users have changed of their policies.
    pub(super) policies: Arc<Policies>,
    /// What they have changed of their mailboxes, and what is in those.
    pub(super) mailboxes: Arc<Mailboxes>,
    /// The words of the menus.
    pub(super) prompts: Prompts,
    /// Attendants' own announcements by path, read once.
    announcements: Mutex<HashMap<PathBuf, Clip>>,
    /// Users' own greetings by path, read once.
    own: Mutex<HashMap<PathBuf, Greeting>>,
}

impl Office {
    /// Loads the greetings.
    ///
    /// # Errors
    /// A greeting that cannot be played.
    pub fn new(
        directory: Arc<ArcSwap<Directory>>,
        outbox: Addr<Outbox>,
        ports: Arc<PortPool>,
        (policies, mailboxes): (Arc<Policies>, Arc<Mailboxes>),
    ) -> Result<Self, GreetingError> {
        let site = &directory.load().site.clone();
        let greetings = Greetings::load(site.voicemail.greetings.as_deref())?;
        let prompts = Prompts::load(site.voicemail.prompts.as_deref())?;
        let (identity, announcements, own) = (None, Mutex::default(), Mutex::default());
        let office = Self {
            directory,
            outbox,
            ports,
            identity,
            greetings,
            policies,
            mailboxes,
            prompts,
            announcements,
            own,
        };
        for path in site.attendants.iter().filter_map(|one| one.greeting.as_deref()) {
            let clip = Greetings::clip(path)?;
            office.announcements.lock().expect("nobody panics with it").insert(path.to_owned(), clip);
        }
        for path in site.users.iter().filter_map(|user| user.greeting.clone()) {
            let greeting = Greetings::read(&path)?;
            office.own.lock().expect("nobody panics with it").insert(path, greeting);
        }
        Ok(office)
    }

    /// Asks there for callers' names.
    #[must_use]
    pub fn naming(self, identity: Option<Arc<Identity>>) -> Self {
        Self { identity, ..self }
    }

    /// What a caller of this user is called; where servers may know better, they are being asked from now on.
    pub(super) fn named(&self, caller: Caller, user: &User) -> Caller {
        let caller = self.directory.load().named(caller);
        let question = |identity: &Arc<Identity>| identity.question(&caller, user.mail.as_deref());
        let Some((identity, question)) = self.identity.as_ref().and_then(|one| Some((one, question(one)?)))
        else {
            return caller;
        };
        match identity.seek(question).settled() {
            Some(found) => caller.named(found),
            None => Caller { sought: true, ..caller },
        }
    }

    pub(super) fn greeting(&self, user: &User) -> Greeting {
        let recorded = self.mailboxes.greeting(&user.address);
        let own = recorded.as_ref().or(user.greeting.as_ref()).and_then(|path| {
            let mut known = self.own.lock().expect("nobody panics with it");
            if !known.contains_key(path) {
                match Greetings::read(path) {
                    Ok(greeting) => drop(known.insert(path.clone(), greeting)),
                    Err(error) => tracing::error!(%error, "A user's greeting cannot be played"),
                }
            }
            known.get(path).cloned()
        });
        own.unwrap_or_else(|| self.greetings.of(user.language))
    }

    /// An attendant's own announcement; `None` where it cannot be played.
    pub(super) fn announcement(&self, path: &Path) -> Option<Clip> {
        let mut known = self.announcements.lock().expect("nobody panics with it");
        if !known.contains_key(path) {
            match Greetings::clip(path) {
                Ok(clip) => drop(known.insert(path.to_owned(), clip)),
                Err(error) => tracing::error!(%error, "An announcement cannot be played"),
            }
        }
        known.get(path).cloned()
    }

    /// A file is no greeting any more.
    pub(super) fn forget_greeting(&self, path: &Path) {
        self.own.lock().expect("nobody panics with it").remove(path);
    }

    /// How long a caller may stay at the mailboxes, and how long a greeting may be.
    pub(super) fn visit_limits(&self) -> Limits {
        let settings = &self.directory.load().site.voicemail;
        Limits { max_call: settings.max_visit, max_message: settings.max_greeting, ..Limits::from(settings) }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits::from(&self.directory.load().site.voicemail)
    }
}
