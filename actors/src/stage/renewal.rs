//! Puts the next directory in the place of the last one, after SIGHUP and after a change in the LDAP directory: what calls and
//! devices have begun with stays theirs, and what need not change is left alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use ringpost::{
    directory::{
        Directory, Remark,
        people::{People, Roster},
        reverse::Rule,
        typed,
    },
    settings::{Ldap, Site},
};

use crate::{
    channel::Letters,
    directory::keep::Stage,
    names::Names,
    port::{door::Gatehouse, tls::Tls},
    registrar::Registrar,
    trunks::Trunks,
};

/// How often it is looked whether calls still need a directory that is no more in use.
const RETIREMENT: Duration = Duration::from_millis(500);

/// Who is told of the next directory.
pub struct Renewal {
    pub directory: Arc<ArcSwap<Directory>>,
    pub registrar: Arc<Registrar>,
    pub gatehouse: Arc<Gatehouse>,
    pub tls: Arc<Tls>,
    pub names: Arc<Names>,
    pub letters: Letters,
    pub trunks: Trunks,
    /// One at a time: each makes the next directory of the last one.
    pub turn: Mutex<()>,
}

/// A site with the people of its directory.
pub fn joined(site: Arc<Site>, roster: Arc<Roster>) -> Directory {
    let Some(ldap) = site.ldap.clone() else { return Directory::joined(site, Arc::default()).0 };
    let normal = |number: &str| typed(&site, number);
    let people = People::of(roster, &Rule { normal: &normal, last_digits: ldap.last_digits });
    let (directory, remarks) = Directory::joined(Arc::clone(&site), Arc::new(people));
    let mut kinds: BTreeMap<&str, (usize, &Remark)> = BTreeMap::new();
    for remark in &remarks {
        tracing::debug!(%remark, value = remark.value, "Something of the directory is not used");
        kinds.entry(remark.what).or_insert((0, remark)).0 += 1;
    }
    for (count, first) in kinds.into_values() {
        tracing::warn!(count, %first, "Not everything of the directory is used; see the level debug");
    }
    directory
}

impl Renewal {
    /// The site was read again: users, trunks and UM plans change, listeners and the store need a restart.
    pub fn site(&self, site: Site) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let roster = Arc::clone(self.directory.load().people().roster());
        self.put(joined(Arc::new(site), roster));
        let directory = self.directory.load();
        self.tls.reload(&directory.site);
        self.letters.restyle(Arc::clone(&directory.site.style));
        self.names.reload(directory.site.dns.clone());
        self.trunks.reload();
    }

    fn put(&self, directory: Directory) {
        let directory = self.registrar.open(directory);
        directory.remember(&self.directory.load());
        retire(self.directory.swap(Arc::new(directory)));
        self.gatehouse.reload();
    }
}

/// Waits until nobody needs a directory any more: to give back the memory of half a million users takes a while, in which
/// the lane of the last call by it would serve nobody.
fn retire(directory: Arc<Directory>) {
    let wait = move || {
        while Arc::strong_count(&directory) > 1 {
            thread::sleep(RETIREMENT);
        }
    };
    if let Err(error) = thread::Builder::new().name("retired directory".to_owned()).spawn(wait) {
        tracing::debug!(%error, "No thread for a retired directory: whoever used it last drops it");
    }
}

impl Stage for Renewal {
    fn renew(&self, roster: &Arc<Roster>) -> usize {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.directory.load_full();
        // The first poll after a start often finds what the snapshot has.
        if !Arc::ptr_eq(before.people().roster(), roster) {
            self.put(joined(before.bare(), Arc::clone(roster)));
        }
        self.directory.load().site.users.len()
    }

    fn settings(&self) -> Option<Arc<Ldap>> {
        self.directory.load().site.ldap.clone()
    }
}
