//! What is read from a server: all persons, or what has changed since; dial plans and UM servers; and what referrals add.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ldap3::Scope;
use ringpost::{
    directory::ldap::{
        Filter, Meaning, Record,
        ledger::{Ledger, Mark, Stamp, changed_since, hexadecimal, named},
        referral::{self, referral},
    },
    notify::clean::one_line,
    settings::{Ldap, LdapServer, LdapTls},
};
use tracing::{debug, info};

use super::{
    refusal::Refusal,
    servers::Servers,
    session::{Leads, Search, Session},
};
use crate::metrics::METRICS;

/// Referrals one behind the other.
const DEEPEST: usize = 3;
/// Entries asked for by their names at once.
const NAMED_AT_ONCE: usize = 50;
/// Entries in doubt; with more of them everything is read again.
const DOUBTS: usize = 2000;

/// Whose numbers of changes they are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// What names the copy of the directory: the invocation of a domain controller, or the server.
    pub copy: String,
    /// `highestCommittedUSN`, before anything else was asked.
    pub number: Option<u64>,
}

/// What a poll has brought.
#[derive(Debug, Default)]
pub struct Harvest {
    /// Persons that came or changed; all of them where `whole`.
    pub persons: Vec<Record>,
    /// Their marks, and those of the others that are still there.
    pub ledger: Ledger,
    /// Everything was read.
    pub whole: bool,
    /// Dial plans.
    pub plans: Vec<Record>,
    /// UM servers.
    pub um_servers: Vec<Record>,
    /// Entries without what names them.
    pub nameless: usize,
    /// A referral was followed: the numbers of that other server's changes are its own.
    pub followed: bool,
}

/// A talk with one server of the directory, and with those that it refers to.
pub struct Reader<'r> {
    servers: &'r Servers,
    settings: Arc<Ldap>,
    /// Whom referrals are from, so that one without a place is of the same kind.
    server: LdapServer,
    session: Session,
    elsewhere: HashMap<(String, u16), Session>,
    /// Where referrals lead that are not followed; each is told once.
    told: &'r mut HashSet<String>,
    followed: bool,
}

/// A search that is still to be made, here or elsewhere.
struct Place {
    server: Option<LdapServer>,
    base: String,
    scope: Scope,
    depth: usize,
}

impl<'r> Reader<'r> {
    /// Reads by that session.
    pub fn new(
        servers: &'r Servers,
        (server, session): (LdapServer, Session),
        told: &'r mut HashSet<String>,
    ) -> Self {
        let settings = Arc::clone(&servers.settings);
        Self { servers, settings, server, session, elsewhere: HashMap::new(), told, followed: false }
    }

    /// Which copy of the directory this is, and how far its changes have come.
    pub async fn origin(&mut self) -> Result<Origin, Refusal> {
        let root =
            self.session.entry("", &["highestCommittedUSN", "dsServiceName"]).await?.unwrap_or_default();
        let value = |record: &Record, name: &str| record.values(name).next().map(<[u8]>::to_vec);
        let number = value(&root, "highestCommittedUSN").and_then(|number| match Stamp::read(&number) {
            Some(Stamp::Number(number)) => Some(number),
            Some(Stamp::Time(_)) | None => None,
        });
        let service = value(&root, "dsServiceName").and_then(|name| String::from_utf8(name).ok());
        let copy = match &service {
            None => self.server.url(),
            // A domain controller that was restored from a backup begins its numbers anew, and says so here.
            Some(service) => match self.session.entry(service, &["invocationId"]).await {
                Ok(Some(entry)) => {
                    value(&entry, "invocationId").map_or(service.clone(), |id| hexadecimal(&id))
                }
                Ok(None) | Err(Refusal::Result { .. }) => service.clone(),
                Err(refusal) => return Err(refusal),
            },
        };
        Ok(Origin { copy, number })
    }

    /// Every person, dial plan and UM server.
    pub async fn whole(&mut self) -> Result<Harvest, Refusal> {
        let mut harvest = Harvest { whole: true, ..Harvest::default() };
        let filter = self.settings.filter.clone();
        self.persons(&filter, &mut harvest).await?;
        self.um(&mut harvest).await?;
        harvest.followed = self.followed;
        Ok(harvest)
    }

    /// What has changed since `since` against what is known; `None`: so much is in doubt that everything should be read.
    pub async fn changes(&mut self, known: &Ledger, since: Stamp) -> Result<Option<Harvest>, Refusal> {
        let settings = Arc::clone(&self.settings);
        let attributes = &settings.attributes;
        let mut harvest = Harvest::default();
        let filter = changed_since(&settings.filter, attributes, since, settings.talk.overlap);
        self.persons(&filter, &mut harvest).await?;
        let listed = self.list().await?;
        let doubtful = known.doubtful(&listed, &harvest.ledger);
        if doubtful.len() > DOUBTS {
            return Ok(None);
        }
        // What is not on the list may have been moved while it was made: it has gone when it is not found by its name either.
        for names in doubtful.chunks(NAMED_AT_ONCE) {
            let filter = named(&settings.filter, attributes, names);
            self.persons(&filter, &mut harvest).await?;
        }
        for (id, mark) in &listed.0 {
            harvest.ledger.0.entry(*id).or_insert_with(|| mark.clone());
        }
        self.um(&mut harvest).await?;
        harvest.followed = self.followed;
        Ok(Some(harvest))
    }

    /// The marks of all persons.
    async fn list(&mut self) -> Result<Ledger, Refusal> {
        let settings = Arc::clone(&self.settings);
        let names = [Meaning::Id, Meaning::Changed].map(|meaning| settings.attributes.names(meaning));
        let names: Vec<&str> = names.iter().flat_map(|names| names.iter()).map(String::as_str).collect();
        let mut listed = Ledger::default();
        for base in &settings.bases {
            let most = settings.talk.max_entries;
            self.search((base, &settings.filter, &names), &mut |record| {
                listed.0.extend(Mark::of(&record, &settings.attributes));
                within(listed.0.len(), most)
            })
            .await?;
        }
        Ok(listed)
    }

    async fn persons(&mut self, filter: &Filter, harvest: &mut Harvest) -> Result<(), Refusal> {
        let settings = Arc::clone(&self.settings);
        let names = settings.attributes.of_persons();
        for base in &settings.bases {
            self.search((base, filter, &names), &mut |record| {
                match Mark::of(&record, &settings.attributes) {
                    // Two bases may have one entry in common, and an entry may change while it is read.
                    Some((id, mark)) => {
                        harvest.ledger.0.insert(id, mark);
                        harvest.persons.push(record);
                    }
                    None => harvest.nameless += 1,
                }
                within(harvest.persons.len(), settings.talk.max_entries)
            })
            .await?;
        }
        Ok(())
    }

    async fn um(&mut self, harvest: &mut Harvest) -> Result<(), Refusal> {
        let settings = Arc::clone(&self.settings);
        let Some(base) = &settings.configuration else { return Ok(()) };
        let names = settings.attributes.of_um();
        for (class, found) in
            [("msExchUMDialPlan", &mut harvest.plans), ("msExchExchangeServer", &mut harvest.um_servers)]
        {
            let filter = Filter::equal("objectClass", class);
            self.search((base, &filter, &names), &mut |record| {
                found.push(record);
                within(found.len(), settings.talk.max_entries)
            })
            .await?;
        }
        Ok(())
    }

    /// Searches below a base, here and where referrals lead.
    async fn search(
        &mut self,
        (base, filter, attributes): (&str, &Filter, &[&str]),
        found: &mut dyn FnMut(Record) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let filter = filter.to_string();
        let mut places = vec![Place { server: None, base: base.to_owned(), scope: Scope::Subtree, depth: 0 }];
        let mut been = HashSet::new();
        while let Some(place) = places.pop() {
            let search = Search { base: &place.base, scope: place.scope, filter: &filter, attributes };
            let Leads { on, instead } = match &place.server {
                None => self.session.search(&search, found).await?,
                Some(server) => {
                    self.followed = true;
                    self.session_at(server).await?.search(&search, found).await?
                }
            };
            let mut follow = |url: &String| {
                let next = self.leads(url, &place);
                let is_known = next.is_some();
                places.extend(next.filter(|next| {
                    been.insert((next.server.as_ref().map(LdapServer::url), next.base.to_lowercase()))
                }));
                is_known
            };
            for url in &on {
                follow(url);
            }
            // Else all who are there would be taken for gone.
            let instead = instead.map(|urls| urls.iter().filter(|url| follow(url)).count());
            if instead == Some(0) {
                let base = one_line(&place.base, 200);
                return Err(Refusal::Unusable(format!(
                    "{base} lies on another server, which neither directory.servers nor directory.referrals names"
                )));
            }
        }
        Ok(())
    }

    async fn session_at(&mut self, server: &LdapServer) -> Result<&mut Session, Refusal> {
        let key = (server.host.clone(), server.port);
        if !self.elsewhere.contains_key(&key) {
            debug!(server = server.url(), "Follows a referral");
            self.elsewhere.insert(key.clone(), self.servers.elsewhere(server).await?);
        }
        self.elsewhere.get_mut(&key).ok_or_else(|| Refusal::Unusable("a session is missing".to_owned()))
    }

    /// Where a referral leads, if it may be followed; else it is counted, and told the first time.
    fn leads(&mut self, url: &str, from: &Place) -> Option<Place> {
        let next = referral(url).filter(|_| from.depth < DEEPEST).and_then(|to| {
            let server = match self.servers.named(&to.host, to.port) {
                Some(server) => server.clone(),
                None if self
                    .settings
                    .talk
                    .referrals
                    .iter()
                    .any(|host| host.eq_ignore_ascii_case(&to.host)) =>
                {
                    let tls = if to.implicit_tls { LdapTls::Implicit } else { LdapTls::Start };
                    LdapServer { host: to.host, port: to.port, tls }
                }
                None => return None,
            };
            let scope = match to.scope {
                None => from.scope,
                Some(referral::Scope::Base) => Scope::Base,
                Some(referral::Scope::OneLevel) => Scope::OneLevel,
                Some(referral::Scope::Subtree) => Scope::Subtree,
            };
            let base = to.base.unwrap_or_else(|| from.base.clone());
            Some(Place { server: Some(server), base, scope, depth: from.depth + 1 })
        });
        if next.is_none() {
            METRICS.directory_referrals_total.one();
            let host = referral(url).map_or_else(|| one_line(url, 80), |to| to.host);
            if self.told.len() < 1000 && self.told.insert(host.clone()) {
                info!(host, "A referral is not followed: its host is not in directory.referrals");
            }
        }
        next
    }
}

fn within(count: usize, most: usize) -> Result<(), Refusal> {
    if count > most { Err(Refusal::TooMuch("entries (max_entries)", most)) } else { Ok(()) }
}
