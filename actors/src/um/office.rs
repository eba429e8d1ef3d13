//! What the sessions of Ringpost's own UM share.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use actix::prelude::*;
use arc_swap::ArcSwap;
use ringpost::{
    address::Caller,
    directory::Directory,
    settings::User,
    voicemail::{Greeting, Limits},
};

use crate::{
    identity::Identity,
    outbox::Outbox,
    voicemail::{GreetingError, Greetings, PortPool},
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
    ) -> Result<Self, GreetingError> {
        let site = &directory.load().site.clone();
        let greetings = Greetings::load(site.voicemail.greetings.as_deref())?;
        let office = Self { directory, outbox, ports, identity: None, greetings, own: Mutex::default() };
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
        let own = user.greeting.as_ref().and_then(|path| {
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

    pub(super) fn limits(&self) -> Limits {
        Limits::from(&self.directory.load().site.voicemail)
    }
}
