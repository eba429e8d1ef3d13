//! Where the entries of the book come from.

use std::{
    collections::{HashMap, HashSet},
    iter::Peekable,
    sync::Arc,
    vec::IntoIter,
};

use arc_swap::ArcSwap;
use ringpost::{
    book::{Entry, EntryId, Hide},
    directory::{Directory, ldap::Id, people::Roster, person::Person},
    settings::{self, User},
};

/// Entries in the order of their ids; an error: the rest cannot be had.
pub type Entries = Box<dyn Iterator<Item = Result<Entry, String>>>;

/// What has entries.
pub trait Source: Send + Sync + 'static {
    /// All entries that no rule hides.
    ///
    /// # Errors
    /// Why there are none to be had now: that is not the same as none.
    fn entries(&self, hide: &[Hide]) -> Result<Entries, String>;
}

/// The users of the site file, and the persons of its directory.
pub struct Site(pub Arc<ArcSwap<Directory>>);

impl Source for Site {
    fn entries(&self, hide: &[Hide]) -> Result<Entries, String> {
        let directory = self.0.load_full();
        let (site, roster) = (directory.bare(), Arc::clone(directory.people().roster()));
        // No company has nobody: a directory that has not been read would take everybody out of the book.
        if site.ldap.is_some() && roster.is_empty() {
            return Err("the directory has not been read yet, or has no persons".to_owned());
        }
        // A phone that dials one of these finds its user, so they stay as near as can be to what the site says.
        let normal = |number: &str| site.outbound.numbering.normal(number);
        let meant = |number: &str| site.outbound.contact(number);
        let is_hidden = |user: &User| {
            hide.iter().any(|rule| {
                let by = |normal: &dyn Fn(&str) -> Option<String>| {
                    Entry::of_user(user, normal).is_some_and(|entry| rule.hides_entry(&entry))
                };
                rule.hides_user(user) || by(&normal) || by(&meant)
            })
        };
        let (hidden, shown): (Vec<_>, Vec<_>) = site.users.iter().partition(|user| is_hidden(user));
        let mut own: Vec<Entry> =
            shown.into_iter().filter_map(|user| Entry::of_user(user, &normal)).collect();
        let hidden = hidden.into_iter().map(|user| user.address.to_ascii_lowercase()).collect();
        let joined = joined(&mut own, &roster);
        own.sort_by_key(|entry| entry.id);
        own.dedup_by_key(|entry| entry.id);
        let ids = roster.ids().collect::<Vec<Id>>().into_iter();
        let persons = Persons { roster, ids, site: Arc::clone(&site), hide: hide.to_vec(), joined, hidden };
        Ok(Box::new(Merged { own: own.into_iter().peekable(), persons: persons.peekable() }.map(Ok)))
    }
}

/// Takes those entries out whose address a person of the directory has: they become one with it. By addresses in lower case.
fn joined(own: &mut Vec<Entry>, roster: &Roster) -> HashMap<String, Entry> {
    let address = |entry: &Entry| entry.address.as_deref().map(str::to_ascii_lowercase);
    let mine: HashSet<String> = own.iter().filter_map(address).collect();
    if mine.is_empty() || roster.is_empty() {
        return HashMap::new();
    }
    let theirs = roster.persons().filter(|person| !person.disabled).filter_map(|person| person.sip);
    let both: HashSet<String> =
        theirs.map(|sip| sip.to_ascii_lowercase()).filter(|sip| mine.contains(sip)).collect();
    let is_both = |entry: &mut Entry| address(entry).is_some_and(|address| both.contains(&address));
    let taken = own.extract_if(.., is_both);
    taken.filter_map(|entry| Some((address(&entry)?, entry))).collect()
}

/// The persons of a directory in the order of their ids, each unpacked when its turn comes.
struct Persons {
    roster: Arc<Roster>,
    ids: IntoIter<Id>,
    /// The site by whose rules their numbers are read.
    site: Arc<settings::Site>,
    hide: Vec<Hide>,
    joined: HashMap<String, Entry>,
    /// Addresses of users whom a rule leaves out by what the site file says.
    hidden: HashSet<String>,
}

impl Persons {
    fn entry(&self, person: &Person) -> Option<Entry> {
        let sip = person.sip.as_deref().map(str::to_ascii_lowercase);
        let is_hidden = sip.as_ref().is_some_and(|sip| self.hidden.contains(sip));
        if person.disabled || is_hidden || self.hide.iter().any(|rule| rule.hides_person(person)) {
            return None;
        }
        let entry = Entry::of_person(person, &|number| self.site.outbound.contact(number))?;
        if self.hide.iter().any(|rule| rule.hides_entry(&entry)) {
            return None;
        }
        Some(match sip.and_then(|sip| self.joined.get(&sip)) {
            Some(own) => entry.and(own),
            None => entry,
        })
    }
}

impl Iterator for Persons {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let person = self.roster.find(self.ids.next()?)?;
            if let Some(entry) = self.entry(&person) {
                return Some(entry);
            }
        }
    }
}

/// Two ordered lists as one.
struct Merged {
    own: Peekable<IntoIter<Entry>>,
    persons: Peekable<Persons>,
}

impl Iterator for Merged {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let id = |entry: Option<&Entry>| entry.map(|entry| entry.id);
        let (own, person): (Option<EntryId>, Option<EntryId>) =
            (id(self.own.peek()), id(self.persons.peek()));
        match (own, person) {
            (Some(own), Some(person)) if person < own => self.persons.next(),
            (Some(_), _) => self.own.next(),
            (None, _) => self.persons.next(),
        }
    }
}
