//! A subscription to a list: one dialog for several users (RFC 4662).

use std::sync::Arc;

use ringpost::{
    directory::Directory,
    presence::{
        rlmi::{self, Instance, Resource},
        subscription::Package,
    },
};
use serde::{Deserialize, Serialize};

use super::{Presence, cell::Cell, serve, watchers::Watcher};
use crate::entropy;

/// The users of a list, as its watcher named them.
pub(super) struct Members {
    /// The list's URI.
    pub uri: Box<str>,
    members: Vec<Member>,
    /// Whether the next NOTIFY tells of all.
    full: bool,
}

struct Member {
    uri: Box<str>,
    /// `None`: nobody of the site.
    cell: Option<Arc<Cell>>,
    changed: bool,
}

/// A list as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Kept {
    uri: Box<str>,
    members: Vec<Box<str>>,
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
            Member { uri: written.into(), cell, changed: false }
        };
        let members = members.iter().map(|uri| member(uri.as_ref())).collect();
        Self { uri: uri.into(), members, full: true }
    }

    /// As it is kept.
    pub fn kept(&self) -> Kept {
        Kept {
            uri: self.uri.clone(),
            members: self.members.iter().map(|member| member.uri.clone()).collect(),
        }
    }

    /// What was kept.
    pub fn restored(presence: &Presence, directory: &Directory, kept: &Kept) -> Self {
        Self::new(presence, directory, &kept.uri, &kept.members)
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
        let told: Vec<_> = self
            .members
            .iter()
            .filter(|member| member.changed || full)
            .map(|member| {
                let cell = member.cell.as_ref();
                let user = cell.and_then(|cell| directory.of_address(&cell.user));
                let known = cell.filter(|cell| cell.foreign || user.is_some());
                let body = known.map(|cell| {
                    let sight = match user {
                        Some(user) => serve::sight(directory, watcher, user, package)?,
                        None => serve::sight_of_strangers(watcher, package)?,
                    };
                    let told = cell.told();
                    let document = told.document(&cell.user, package, sight);
                    Some(document.whole(version))
                });
                (&*member.uri, user.and_then(|user| user.name.as_deref()), body)
            })
            .collect();
        let resources: Vec<_> = told
            .iter()
            .map(|(uri, name, body)| Resource {
                uri,
                name: *name,
                instance: match body {
                    None => Instance::Terminated("noresource"),
                    Some(None) => Instance::Terminated("rejected"),
                    Some(Some(body)) => Instance::Active(package.media_type(), body),
                },
            })
            .collect();
        // Nobody can have a text of theirs hold it.
        let boundary = format!("{:032x}", entropy::number());
        let (kind, body) = rlmi::write(&self.uri, (version, full), &resources, &boundary);
        self.members.iter_mut().for_each(|member| member.changed = false);
        Written { kind, body }
    }
}
