//! Who is called, and what a number is called: the site's users under all their numbers.

mod attendant;
mod behind;
pub mod dial_plan;
mod door;
pub mod explain;
mod gateway;
pub mod ldap;
mod meaning;
mod origin;
mod outbound;
pub mod people;
pub mod person;
pub mod reverse;
mod routes;
mod talk;
pub mod template;
pub mod users;
mod voicemail;

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

pub use attendant::Reception;
pub use door::{Door, Verdict};
pub use gateway::Fit;
pub use meaning::{Meaning, Rebuilt};
pub use origin::Origin;
pub use outbound::{Behalf, Exit, NoWay, Target};
pub use routes::{Passage, Ways};
pub use talk::Talk;
pub use users::Remark;
pub use voicemail::Mailbox;

use people::People;

use crate::{
    address::Caller,
    call::wire::strip_visual,
    numbers::lines::split,
    settings::{Network, Site, Source, SourceKind, Trunk, UmServer, User},
    sip::{certificate::speaks_for, uri::Uri},
    um::pool::{Member, Pool},
};

/// A snapshot that all lanes read; a reload puts a new one in its place.
#[derive(Debug)]
pub struct Directory {
    /// The site it was made of.
    pub site: Site,
    users: HashMap<String, Arc<User>, ahash::RandomState>,
    addresses: HashMap<String, Arc<User>, ahash::RandomState>,
    pools: HashMap<String, Pool>,
    mailboxes: voicemail::Mailboxes,
    receptions: Vec<Arc<Reception>>,
    trunks: Vec<Arc<Trunk>>,
    /// The main numbers behind which somebody has a line.
    lines: HashSet<String, ahash::RandomState>,
    /// Who can prove to be a user's device; `None`: nobody.
    pub door: Option<Door>,
    /// What is learned of each trunk; the one thing here that changes.
    learned: Vec<gateway::Learned>,
    /// `None`: the trunks' own numbers and prefixes decide.
    routes: Option<routes::Routes>,
    people: Arc<People>,
    /// The site without its directory, to join the next one to; `None`: it has none.
    bare: Option<Arc<Site>>,
}

impl Directory {
    /// Indexes a site.
    pub fn of(site: Site) -> Self {
        let mut users: HashMap<String, Arc<User>, ahash::RandomState> = HashMap::default();
        let mut addresses: HashMap<_, _, ahash::RandomState> = HashMap::default();
        let bypassed = site.bypass.iter().map(|one| voicemail::bypassed(one, &site.sip.domain));
        let own = site.users.len();
        let mut readable = vec![];
        for (place, user) in site.users.iter().cloned().chain(bypassed).map(Arc::new).enumerate() {
            if place < own {
                addresses.entry(user.address.to_ascii_lowercase()).or_insert_with(|| Arc::clone(&user));
            }
            let own = Uri::read(user.address.as_bytes()).and_then(|uri| uri.bare_user().map(<[u8]>::to_vec));
            let own = own.map(|name| String::from_utf8_lossy(&name).into_owned());
            for number in user.numbers.iter().cloned().chain(own) {
                let bare = strip_visual(&number);
                readable.extend((bare != number).then(|| (bare, Arc::clone(&user))));
                users.entry(number).or_insert_with(|| Arc::clone(&user));
            }
        }
        // `j.smith` is found as `jsmith` too, but only where nobody is called that.
        for (bare, user) in readable {
            users.entry(bare).or_insert(user);
        }
        let pools = pools(&site);
        let trunks: Vec<_> = site.trunks.iter().cloned().map(Arc::new).collect();
        let receptions = attendant::receptions(&site);
        let mailboxes = voicemail::mailboxes(&site, users.values(), &receptions);
        let learned = trunks.iter().map(|_| gateway::Learned::default()).collect();
        let lines = users.keys().filter_map(|number| Some(split(number)?.0.to_owned())).collect();
        let routes = routes::Routes::of(&site, &trunks);
        let people = Arc::default();
        Self {
            site,
            users,
            addresses,
            pools,
            mailboxes,
            receptions,
            trunks,
            lines,
            learned,
            routes,
            people,
            bare: None,
            door: None,
        }
    }

    /// Indexes a site with the people of its directory, and tells what of them could not be used. What is learned of
    /// trunks and UM servers is not in it yet, see [`Directory::remember`].
    pub fn joined(site: Arc<Site>, people: Arc<People>) -> (Self, Vec<Remark>) {
        let Some(ldap) = site.ldap.clone() else { return (Self::of(Site::clone(&site)), vec![]) };
        let joined = users::joined(&site, &ldap, people.roster(), &|number| typed(&site, number));
        let whole = Site { users: joined.users, plans: joined.plans, ..Site::clone(&site) };
        (Self { people, bare: Some(site), ..Self::of(whole) }, joined.remarks)
    }

    /// The site without its directory: what [`Directory::joined`] makes the next one of.
    pub fn bare(&self) -> Arc<Site> {
        self.bare.clone().unwrap_or_else(|| Arc::new(self.site.clone()))
    }

    /// Whether users are still to come: the directory that tells them has not been read yet, and no snapshot of it is there.
    pub fn awaits_people(&self) -> bool {
        let has_users = || self.site.ldap.as_ref().is_some_and(|ldap| ldap.users.is_some());
        self.bare.is_some() && self.people.roster().is_empty() && has_users()
    }

    /// The people of the site's directory.
    pub fn people(&self) -> &Arc<People> {
        &self.people
    }

    /// Lets the users' devices prove themselves; `key` makes the challenges, see [`Door::of`].
    pub fn with_door(self, key: &[u8; 32]) -> Self {
        Self { door: Door::of(&self.site, key), ..self }
    }

    /// The user that a dialled number or user part reaches: as written, else without visual separators (RFC 3966 §5.1.1).
    /// An extension that nobody has is that of who has the number, where no line is behind it.
    pub fn user(&self, dialled: &str) -> Option<&Arc<User>> {
        let found = self.users.get(dialled).or_else(|| self.users.get(&strip_visual(dialled)));
        found.or_else(|| {
            let (main, _) = split(dialled)?;
            self.user(main).filter(|_| self.lines.is_empty() || !self.lines.contains(&strip_visual(main)))
        })
    }

    /// The user with that address of record.
    pub fn by_address(&self, address: &str) -> Option<&User> {
        if let Some(user) = self.addresses.get(address) {
            return Some(user);
        }
        self.addresses.get(&address.to_ascii_lowercase()).map(Arc::as_ref)
    }

    /// The UM servers of the user's dial plan.
    pub fn pool(&self, user: &User) -> Option<&Pool> {
        self.pools.get(user.um_plan.as_deref()?)
    }

    /// The UM servers of the dial plan of that name.
    pub fn pool_named(&self, name: &str) -> Option<&Pool> {
        self.pools.get(name)
    }

    /// Every UM server once.
    pub fn um_members(&self) -> Vec<Arc<Member>> {
        let mut members: Vec<Arc<Member>> = vec![];
        for member in
            self.site.plans.iter().filter_map(|plan| self.pools.get(&plan.name)).flat_map(Pool::members)
        {
            if !members.iter().any(|known| Arc::ptr_eq(known, member)) {
                members.push(Arc::clone(member));
            }
        }
        members
    }

    /// R205: what the first source in order that is at hand calls a number comes before what the wire calls it.
    pub fn named(&self, caller: Caller) -> Caller {
        let Some(number) = caller.number.as_deref() else { return caller };
        let mut sources = self.site.identity.sources.iter();
        match sources.find_map(|source| Some((self.name_by(source, number)?, source.name.clone()))) {
            Some((name, source)) => Caller { name: Some(name), source: Some(source), ..caller },
            None => caller,
        }
    }

    fn name_by(&self, source: &Source, number: &str) -> Option<String> {
        match &source.kind {
            SourceKind::Users => self.user(number)?.name.clone(),
            SourceKind::File(book) => {
                book.find(number, |number| self.site.outbound.caller(number)).map(str::to_owned)
            }
            SourceKind::Directory => {
                self.people.name(number, |number| self.site.outbound.caller(number)).map(str::to_owned)
            }
            SourceKind::Contacts { .. } => None,
        }
    }

    /// The trunks, in the order of the site.
    pub fn trunks(&self) -> impl Iterator<Item = &Arc<Trunk>> {
        self.trunks.iter()
    }

    /// The trunk that an address belongs to.
    pub fn trunk(&self, source: IpAddr) -> Option<&Arc<Trunk>> {
        let named = self.trunks.iter().find(|trunk| trunk.sources.iter().any(|n| contains(n, source)));
        named.or_else(|| self.registered_at(source))
    }

    /// The trunk of that name.
    pub fn trunk_called(&self, name: &str) -> Option<&Arc<Trunk>> {
        self.trunks.iter().find(|trunk| trunk.name == name)
    }

    /// The trunk that a verified certificate of these names is of.
    pub fn trunk_named(&self, names: &[String]) -> Option<&Arc<Trunk>> {
        let wildcards = self.site.tls.wildcards;
        self.trunks.iter().find(|trunk| trunk.tls_names.iter().any(|name| speaks_for(names, name, wildcards)))
    }
}

/// A number of the directory as somebody has typed it, in the form in which numbers are compared: what [`reverse::Rule`] wants.
pub fn typed(site: &Site, number: &str) -> Option<String> {
    site.outbound.contact(number)
}

/// The pools of all plans; a server that several of them name is one member.
fn pools(site: &Site) -> HashMap<String, Pool> {
    let mut known: Vec<Arc<Member>> = vec![];
    let mut member = |server: &UmServer| {
        if let Some(member) = known.iter().find(|member| member.server == *server) {
            return Arc::clone(member);
        }
        let member = Arc::new(Member::new(server.clone()));
        known.push(Arc::clone(&member));
        member
    };
    site.plans.iter().map(|plan| (plan.name.clone(), Pool::of(plan, &mut member))).collect()
}

/// Whether a network holds an address; an IPv4-mapped IPv6 address counts as the IPv4 address.
pub fn contains(network: &Network, address: IpAddr) -> bool {
    match (network.address, address.to_canonical()) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => {
            (u32::from(net) ^ u32::from(ip)).checked_shr(32 - u32::from(network.prefix.min(32))).unwrap_or(0)
                == 0
        }
        (IpAddr::V6(net), IpAddr::V6(ip)) => {
            (u128::from(net) ^ u128::from(ip))
                .checked_shr(128 - u32::from(network.prefix.min(128)))
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses() {
        let rows = [
            ("127.0.0.1", 32, "127.0.0.1", true),
            ("127.0.0.1", 32, "127.0.0.2", false),
            ("10.0.0.0", 8, "10.255.1.2", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("0.0.0.0", 0, "192.0.2.1", true),
            ("10.0.0.0", 8, "::ffff:10.1.1.1", true),
            ("2001:db8::", 32, "2001:db8:1::1", true),
            ("2001:db8::", 32, "2001:db9::1", false),
            ("::", 0, "10.0.0.1", false),
        ];
        for (network, prefix, ip, holds) in rows {
            let network = Network { address: network.parse().expect("an address"), prefix };
            assert_eq!(contains(&network, ip.parse().expect("an address")), holds, "{network:?} {ip}");
        }
    }
}
