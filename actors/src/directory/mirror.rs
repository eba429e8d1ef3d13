//! The mirror of a directory: one poll makes the next roster of the last one, or changes nothing.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use ringpost::{
    directory::{
        dial_plan::dial_plans,
        ldap::{
            Id,
            ledger::{Ledger, Stamp},
        },
        people::{Change, Roster},
        person::{Person, person},
    },
    settings::{Ldap, LdapServer},
};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::{
    harvest::{Harvest, Origin, Reader},
    refusal::Refusal,
    servers::Servers,
    session::Session,
};
use crate::metrics::METRICS;

/// What is known of a directory.
pub struct Mirror {
    settings: Arc<Ldap>,
    roster: Arc<Roster>,
    ledger: Ledger,
    /// Whose changes are counted, and how far; `None`: everything is to be read.
    read: Option<Read>,
    /// Hosts of referrals that were told of.
    told: HashSet<String>,
}

struct Read {
    origin: Origin,
    whole_at: Instant,
}

/// What a poll has changed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// Persons that there are now.
    pub persons: usize,
    /// Users among them.
    pub users: usize,
    /// Persons that came.
    pub added: usize,
    /// Persons that are others now.
    pub changed: usize,
    /// Persons that went.
    pub removed: usize,
    /// The dial plans are others now.
    pub plans_changed: bool,
    /// Everything was read, not only what has changed.
    pub whole: bool,
    /// Values that were left out because they are not what they should be.
    pub left_out: usize,
    /// Who was asked.
    pub server: String,
    /// How long it took.
    pub took: Duration,
    /// How many entries the address book has that was made of it, where one is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<u64>,
}

impl Summary {
    /// Whether anything is another now.
    pub fn has_changes(&self) -> bool {
        self.added + self.changed + self.removed > 0 || self.plans_changed
    }
}

impl Mirror {
    /// A mirror that has been read before.
    pub fn new(settings: Arc<Ldap>, roster: Arc<Roster>) -> Self {
        Self { settings, roster, ledger: Ledger::default(), read: None, told: HashSet::new() }
    }

    /// Everybody, as of the last poll.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Reads what has changed, or everything where that is not known.
    ///
    /// # Errors
    /// Why it came to no end; then nothing has changed here.
    pub async fn poll(
        &mut self,
        servers: &Servers,
        (server, session): (LdapServer, Session),
    ) -> Result<Summary, Refusal> {
        let begun = Instant::now();
        let url = server.url();
        let mut told = std::mem::take(&mut self.told);
        let mut reader = Reader::new(servers, (server, session), &mut told);
        let read = self.read_by(&mut reader).await;
        self.told = told;
        let (origin, harvest) = read?;
        let summary = self.take(harvest, origin)?;
        METRICS.directory_polls_total.one();
        METRICS.directory_changes_total.add((summary.added + summary.changed + summary.removed) as u64);
        Ok(Summary { server: url, took: begun.elapsed(), ..summary })
    }

    async fn read_by(&self, reader: &mut Reader<'_>) -> Result<(Origin, Harvest), Refusal> {
        let origin = reader.origin().await?;
        let changes = match self.since(&origin) {
            Some(since) => reader.changes(&self.ledger, since).await?,
            None => None,
        };
        let harvest = match changes {
            Some(harvest) => harvest,
            None => reader.whole().await?,
        };
        Ok((origin, harvest))
    }

    /// From where on changes can be asked for; `None`: everything is to be read.
    fn since(&self, origin: &Origin) -> Option<Stamp> {
        let Read { origin: before, whole_at } = self.read.as_ref()?;
        // Another copy counts its changes for itself, and one whose numbers went back has been restored.
        let goes_on = before.copy == origin.copy && before.number <= origin.number;
        let latest = self.ledger.latest()?;
        (goes_on && whole_at.elapsed() < self.settings.full).then_some(match (latest, before.number) {
            (Stamp::Number(_), Some(number)) => Stamp::Number(number),
            (latest, _) => latest,
        })
    }

    /// Makes the next roster.
    fn take(&mut self, harvest: Harvest, origin: Origin) -> Result<Summary, Refusal> {
        let attributes = &self.settings.attributes;
        let (plans, remarks) = dial_plans(&harvest.plans, &harvest.um_servers, attributes, &self.settings.um);
        let mut left_out = harvest.nameless;
        let mut persons: Vec<Person> = Vec::with_capacity(harvest.persons.len());
        for record in &harvest.persons {
            let (read, faults) = person(record, attributes);
            for fault in &faults {
                debug!(dn = record.dn, %fault, "A value of the directory is left out");
            }
            left_out += faults.len();
            persons.extend(read);
        }
        let summary = Summary { whole: harvest.whole, left_out, ..Summary::default() };
        let (next, summary) = match harvest.whole {
            true => self.replaced(persons, plans, summary),
            false => self.changed(persons, &harvest.ledger, plans, summary),
        };
        if next.is_empty() && !self.roster.is_empty() {
            let why =
                "it finds nobody any more: are bases, filter and the rights of its account as they were?";
            return Err(Refusal::Unusable(why.to_owned()));
        }
        if summary.plans_changed || self.read.is_none() {
            remarks.iter().for_each(|remark| warn!(remark, "The directory's dial plans"));
        }
        self.roster = next;
        let whole_at = match &self.read {
            Some(read) if !harvest.whole => read.whole_at,
            Some(_) | None => Instant::now(),
        };
        self.ledger = harvest.ledger;
        self.read = (!harvest.followed).then_some(Read { origin, whole_at });
        Ok(Summary { persons: self.roster.len(), ..summary })
    }

    fn replaced(
        &self,
        persons: Vec<Person>,
        plans: Vec<ringpost::directory::dial_plan::DialPlan>,
        mut summary: Summary,
    ) -> (Arc<Roster>, Summary) {
        summary.plans_changed = plans != self.roster.plans;
        let next = Roster::of(persons, plans, vec![]);
        let here: HashSet<Id, ahash::RandomState> = self.roster.ids().collect();
        for person in next.persons() {
            match here.contains(&person.id).then(|| self.roster.find(person.id)).flatten() {
                None => summary.added += 1,
                Some(before) if before != person => summary.changed += 1,
                Some(_) => {}
            }
        }
        summary.removed = (here.len() + summary.added).saturating_sub(next.len());
        match summary.has_changes() {
            true => (Arc::new(next), summary),
            false => (Arc::clone(&self.roster), summary),
        }
    }

    fn changed(
        &self,
        persons: Vec<Person>,
        now: &Ledger,
        plans: Vec<ringpost::directory::dial_plan::DialPlan>,
        mut summary: Summary,
    ) -> (Arc<Roster>, Summary) {
        let mut changes = vec![];
        let mut seen: HashSet<Id, ahash::RandomState> = HashSet::default();
        // Of two states of one entry the later one counts.
        for person in persons.into_iter().rev() {
            if !seen.insert(person.id) {
                continue;
            }
            match self.roster.find(person.id) {
                None => summary.added += 1,
                Some(before) if before != person => summary.changed += 1,
                Some(_) => continue,
            }
            changes.push(Change::Put(Box::new(person)));
        }
        for id in self.roster.ids().filter(|id| !now.0.contains_key(id)) {
            summary.removed += 1;
            changes.push(Change::Remove(id));
        }
        summary.plans_changed = plans != self.roster.plans;
        match summary.has_changes() {
            true => (Arc::new(self.roster.with(changes, Some(plans), vec![])), summary),
            false => (Arc::clone(&self.roster), summary),
        }
    }
}
