//! A subscription to a list: one dialog for several users (RFC 4662).

use std::sync::Arc;

use ringpost::{
    directory::Directory,
    presence::{
        Sight,
        rlmi::{self, Instance, Resource},
        subscription::Package,
    },
    settings::PresenceList,
};
use serde::{Deserialize, Serialize};

use super::{
    Presence,
    cell::{Cell, Told},
    serve,
    watchers::Watcher,
};
use crate::entropy;

/// The users of a list, as its watcher named them.
pub(super) struct Members {
    /// The list's URI.
    pub uri: Box<str>,
    members: Vec<Member>,
    /// Whether the next NOTIFY tells of all.
    full: bool,
    /// Whether the site says who is in it, and not the SUBSCRIBE.
    of_site: bool,
}

struct Member {
    uri: Box<str>,
    /// `None`: nobody of the site.
    cell: Option<Arc<Cell>>,
    changed: bool,
    /// The mark of what was told of it last; zero: nothing yet.
    told: u64,
}

/// What is told of a member.
enum Look {
    /// There is nobody of that address.
    Nobody,
    /// Its watcher may not see it.
    Denied,
    /// What there is, as far as its watcher sees it.
    Seen(Arc<Told>, Arc<Cell>, Sight),
}

impl Look {
    /// Tells it from another one; never zero.
    fn mark(&self, package: Package) -> u64 {
        match self {
            Self::Nobody => 2,
            Self::Denied => 4,
            Self::Seen(told, cell, sight) => told.document(&cell.user, package, *sight).mark,
        }
    }
}

impl Member {
    fn look(&self, directory: &Directory, (watcher, package): (&Watcher, Package)) -> Look {
        let Some(cell) = &self.cell else { return Look::Nobody };
        let sight = match directory.of_address(&cell.user) {
            Some(user) => serve::sight(directory, watcher, user, package),
            None if cell.foreign => serve::sight_of_strangers(watcher, package),
            None => return Look::Nobody,
        };
        sight.map_or(Look::Denied, |sight| Look::Seen(cell.told(), Arc::clone(cell), sight))
    }
}

/// A list as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Kept {
    uri: Box<str>,
    members: Vec<Box<str>>,
    #[serde(default)]
    of_site: bool,
}

/// What a NOTIFY says of a list.
pub(super) struct Written {
    pub kind: String,
    pub body: Vec<u8>,
}

impl Members {
    /// The users under those URIs or numbers.
    pub fn new(presence: &Presence, directory: &Directory, uri: &str, members: &[impl AsRef<str>]) -> Self {
        let member = |uri: &str| {
            let user = directory.of_uri_or_number(uri);
            let written = match uri.contains(':') {
                true => uri,
                false => user.map_or(uri, |user| &user.address),
            };
            let stranger = || presence.foreign(directory, uri);
            let cell = user.map(|user| presence.of(user)).or_else(stranger);
            Member { uri: written.into(), cell, changed: false, told: 0 }
        };
        let members = members.iter().map(|uri| member(uri.as_ref())).collect();
        Self { uri: uri.into(), members, full: true, of_site: false }
    }

    /// A list of the site.
    pub fn of_site(presence: &Presence, directory: &Directory, list: &PresenceList) -> Self {
        Self { of_site: true, ..Self::new(presence, directory, &list.address, &list.members) }
    }

    /// As it is kept.
    pub fn kept(&self) -> Kept {
        Kept {
            uri: self.uri.clone(),
            members: self.members.iter().map(|member| member.uri.clone()).collect(),
            of_site: self.of_site,
        }
    }

    /// What was kept; `None`: the site has no such list any more.
    pub fn restored(presence: &Presence, directory: &Directory, kept: &Kept) -> Option<Self> {
        if !kept.of_site {
            return Some(Self::new(presence, directory, &kept.uri, &kept.members));
        }
        let list = directory.site.presence.lists.iter().find(|list| *list.address == *kept.uri)?;
        Some(Self::of_site(presence, directory, list))
    }

    /// The same as the site has it now.
    pub fn afresh(&self, presence: &Presence, directory: &Directory) -> Option<Self> {
        Self::restored(presence, directory, &self.kept())
    }

    /// Whether other people are in it.
    pub fn differs(&self, other: &Self) -> bool {
        let people = |list: &Self| -> Vec<_> {
            let of = |one: &Member| (one.uri.clone(), one.cell.as_ref().map(|cell| cell.id));
            list.members.iter().map(of).collect()
        };
        people(self) != people(other)
    }

    /// Whether something is to be seen that was not told.
    pub fn has_news(&self, directory: &Directory, who: (&Watcher, Package)) -> bool {
        let changed = |one: &Member| one.changed && one.told != one.look(directory, who).mark(who.1);
        self.full || self.members.iter().any(changed)
    }

    /// Each of the cells once.
    pub fn cells(&self) -> Vec<Arc<Cell>> {
        let mut cells: Vec<Arc<Cell>> = vec![];
        for cell in self.members.iter().filter_map(|member| member.cell.as_ref()) {
            if !cells.iter().any(|known| known.id == cell.id) {
                cells.push(Arc::clone(cell));
            }
        }
        cells
    }

    /// There is something new of a user.
    pub fn changed(&mut self, cell: u32) {
        let of_cell = |member: &&mut Member| member.cell.as_ref().is_some_and(|one| one.id == cell);
        self.members.iter_mut().filter(of_cell).for_each(|member| member.changed = true);
    }

    /// Whoever is in it may be seen otherwise.
    pub fn may_differ(&mut self) {
        self.members.iter_mut().for_each(|member| member.changed = true);
    }

    /// The next NOTIFY tells of all, as after every SUBSCRIBE.
    pub fn tell_all(&mut self) {
        self.full = true;
    }

    /// What is told now: all, or what has changed since the last time.
    pub fn write(
        &mut self,
        directory: &Directory,
        (watcher, package): (&Watcher, Package),
        version: u32,
    ) -> Written {
        let full = std::mem::take(&mut self.full) || !self.members.iter().any(|member| member.changed);
        let mut told = vec![];
        for member in self.members.iter_mut().filter(|member| member.changed || full) {
            let look = member.look(directory, (watcher, package));
            let mark = look.mark(package);
            member.changed = false;
            if std::mem::replace(&mut member.told, mark) != mark || full {
                let user = member.cell.as_ref().and_then(|cell| directory.of_address(&cell.user));
                let body = match &look {
                    Look::Seen(told, cell, sight) => {
                        Ok(told.document(&cell.user, package, *sight).whole(version))
                    }
                    Look::Denied => Err("rejected"),
                    Look::Nobody => Err("noresource"),
                };
                told.push((&*member.uri, user.and_then(|user| user.name.as_deref()), body));
            }
        }
        let resources: Vec<_> = told
            .iter()
            .map(|(uri, name, body)| Resource {
                uri,
                name: *name,
                instance: match body {
                    Err(why) => Instance::Terminated(why),
                    Ok(body) => Instance::Active(package.media_type(), body),
                },
            })
            .collect();
        // Nobody can have a text of theirs hold it.
        let boundary = format!("{:032x}", entropy::number());
        let (kind, body) = rlmi::write(&self.uri, (version, full), &resources, &boundary);
        Written { kind, body }
    }
}
