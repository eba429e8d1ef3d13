//! NOTIFYs: whose they are, and what they say of which resource.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{
    super::{
        list::{self, State},
        meaning::{Read, is_of},
        message::Notice,
        shown::Trouble,
        subscription::Heard,
    },
    Connector, GRACE,
};
use crate::{
    presence::Standard,
    sip::{Message, uri::Uri},
};

impl Connector {
    /// A NOTIFY with a tag of ours has come; the code to answer. `custom` maps states of users' own (R81), `wall` is the time in
    /// seconds since 1970.
    pub fn notified(
        &mut self,
        tag: u64,
        message: &Message,
        custom: impl Fn(&str) -> Option<Standard>,
        (now, wall): (u64, u64),
        random: u32,
    ) -> u16 {
        let Some(at) = self.tags.get(&tag).copied() else { return 481 };
        self.hears_of_it(Some(at));
        let Some(slot) = &mut self.slots[at] else { return 481 };
        let notice = match Notice::read(message, slot.package) {
            Ok(notice) => notice,
            Err(code) => return code,
        };
        let heard = slot.machine.notified(&notice, &self.pace.terms, now, random);
        let body = notice.body();
        let code = match heard {
            Heard::Refused(code) => return code,
            Heard::Last => 200,
            Heard::Taken(dialog, ends) => {
                let times = (now, wall, ends);
                match body {
                    Some((kind, body)) => self.reads(at, dialog, (kind, &body), custom, times),
                    None => self.says_nothing(at, dialog, ends),
                }
            }
        };
        self.settle(at, now);
        self.look(at);
        code
    }

    /// A NOTIFY without a body: the subscription stands, and nothing is known yet, or what was said before holds.
    fn says_nothing(&mut self, at: usize, dialog: u32, ends: u64) -> u16 {
        let Some(slot) = self.slots[at].as_ref().filter(|slot| slot.list.is_none()) else { return 200 };
        for member in slot.members.clone() {
            let Some(resource) = &mut self.resources[member] else { continue };
            resource.known_by(dialog, ends);
            self.changed.insert(resource.key.clone());
        }
        200
    }

    fn reads(
        &mut self,
        at: usize,
        dialog: u32,
        (kind, body): (&[u8], &bytes::Bytes),
        custom: impl Fn(&str) -> Option<Standard>,
        times: (u64, u64, u64),
    ) -> u16 {
        let Some(slot) = self.slots[at].as_ref() else { return 481 };
        let package = slot.package;
        if list::is_kind(kind, list::TYPE) && slot.list.is_some() {
            return match list::read(kind, body) {
                Ok(listed) => {
                    self.stands(at, times.0);
                    self.reads_list(at, dialog, listed, custom, times)
                }
                Err(_) => 400,
            };
        }
        if !is_of(package, kind) {
            return 415;
        }
        if slot.list.is_some() {
            // The server takes its URI for that of one resource: it knows no lists, and this is nobody's state.
            self.refuses_list(at, times.0);
            return 200;
        }
        let Some(member) = slot.members.first().copied() else { return 200 };
        match self.read_one(member, dialog, body, &custom, times) {
            Ok(Read::Gap) => self.doubt(at),
            Ok(_) => {}
            Err(code) => return code,
        }
        200
    }

    /// Takes a document about one resource.
    fn read_one(
        &mut self,
        member: usize,
        dialog: u32,
        body: &[u8],
        custom: &impl Fn(&str) -> Option<Standard>,
        (now, wall, ends): (u64, u64, u64),
    ) -> Result<Read, u16> {
        let Some(resource) = &mut self.resources[member] else { return Ok(Read::Old) };
        let package = resource.key.package;
        let until = wall + (ends - now.min(ends)).div_ceil(1_000);
        let known = resource.known_by(dialog, ends);
        let read = known.reading.take(package, body, custom, (wall, until)).map_err(|_| 400_u16)?;
        // What comes instead of a dialog that has ended is here.
        resource.known.retain(|known| known.dialog == dialog || known.ends > now + GRACE);
        resource.listed = None;
        self.changed.insert(resource.key.clone());
        Ok(read)
    }

    fn reads_list(
        &mut self,
        at: usize,
        dialog: u32,
        listed: list::Listed,
        custom: impl Fn(&str) -> Option<Standard>,
        times: (u64, u64, u64),
    ) -> u16 {
        let Some(slot) = self.slots[at].as_mut() else { return 481 };
        let last = slot.versions.iter().find(|(of, _)| *of == dialog).map(|(_, version)| *version);
        // RFC 4662 §5.2: changes to something that is not known here are asked for as a whole.
        let mut gap = !listed.full
            && last.zip(listed.version).is_none_or(|(last, version)| last.checked_add(1) != Some(version));
        if let (Some(last), Some(version), false) = (last, listed.version, listed.full)
            && version <= last
        {
            return 200;
        }
        slot.versions.retain(|(of, _)| *of != dialog);
        slot.versions.extend(listed.version.map(|version| (dialog, version)));
        let names = self.names_of(at);
        let mut named: HashSet<usize> = HashSet::new();
        for one in listed.resources {
            let Some(member) = names.find(&one.uri) else { continue };
            named.insert(member);
            let trouble = match one.state {
                State::Told(kind, body) => {
                    let package = self.resources[member].as_ref().map(|one| one.key.package);
                    if !package.is_some_and(|package| is_of(package, kind.as_bytes())) {
                        continue;
                    }
                    // One that cannot be read is one resource's trouble.
                    match self.read_one(member, dialog, &body, &custom, times) {
                        Ok(read) => gap |= read == Read::Gap,
                        Err(_) => self.forget_one(member, dialog, Trouble::Error, false),
                    }
                    continue;
                }
                State::Nothing => Trouble::Requesting,
                State::Rejected => Trouble::AccessDenied,
                State::NoResource => Trouble::NotFound,
                State::Over => Trouble::Error,
            };
            let silent = matches!(one.state, State::Nothing);
            self.forget_one(member, dialog, trouble, silent);
        }
        if listed.full {
            let members = self.slots[at].as_ref().map(|slot| slot.members.clone()).unwrap_or_default();
            for member in members.into_iter().filter(|member| !named.contains(member)) {
                self.forget_one(member, dialog, Trouble::NotFound, false);
            }
        }
        if gap {
            self.doubt(at);
        }
        200
    }

    /// A list says nothing of a resource, and why. `may_stay`: what it said before holds.
    fn forget_one(&mut self, member: usize, dialog: u32, trouble: Trouble, may_stay: bool) {
        let Some(resource) = &mut self.resources[member] else { return };
        if may_stay && !resource.known.is_empty() {
            return;
        }
        resource.known.retain(|known| known.dialog != dialog);
        resource.listed = Some(trouble);
        self.changed.insert(resource.key.clone());
    }

    fn names_of(&self, at: usize) -> Names {
        let mut names = Names::default();
        let Some(slot) = &self.slots[at] else { return names };
        names.host = plain(&slot.uri).1;
        for member in &slot.members {
            let Some(resource) = &self.resources[*member] else { continue };
            let (user, host) = plain(&resource.key.uri);
            let only = !names.by_user.contains_key(&user);
            names.by_user.insert(user.clone(), only.then_some(*member));
            names.whole.insert((user, host), *member);
        }
        names
    }
}

/// The members of a list by how a server may write them.
#[derive(Default)]
struct Names {
    whole: HashMap<(String, String), usize>,
    /// By the user part alone; `None`: several have it.
    by_user: HashMap<String, Option<usize>>,
    /// The host of the list's URI.
    host: String,
}

impl Names {
    /// Whose URI that is. A server may write an address for its name; who is at another domain is somebody else.
    fn find(&self, uri: &str) -> Option<usize> {
        let (user, host) = plain(uri);
        let is_server = host.is_empty() || host == self.host || is_address(&host);
        let by_user = || is_server.then(|| self.by_user.get(&user).copied().flatten()).flatten();
        self.whole.get(&(user.clone(), host.clone())).copied().or_else(by_user)
    }
}

/// User part and host of an address as they are compared.
fn plain(uri: &str) -> (String, String) {
    let Some(read) = Uri::read(uri.as_bytes()) else { return (uri.to_owned(), String::new()) };
    let user = read.bare_user().map(|user| String::from_utf8_lossy(user).into_owned());
    let host = String::from_utf8_lossy(read.host).to_ascii_lowercase();
    (user.unwrap_or_else(|| uri.to_owned()), host)
}

fn is_address(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}
