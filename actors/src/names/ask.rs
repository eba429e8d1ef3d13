//! Asks the DNS, on a thread of its own.

use std::{cell::Cell, rc::Rc, sync::Arc};

use actix::prelude::*;
use hickory_resolver::{
    Hosts, Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RData, RecordType},
    },
};
use ringpost::{
    settings::Dns,
    sip::locate::{Answer, Kind, Naptr, Question, Srv},
};
use tokio::sync::{Mutex, mpsc};

use super::{Names, Order};
use crate::{
    keeper::Keeper,
    metrics::{METRICS, State},
};

/// Its name in the health report.
const PART: &str = "dns";
/// How long names of the hosts file are kept before it is looked at again, in seconds.
const HOSTS_TTL: u32 = 60;
/// Aliases that the name of a service may stand for, one after the other.
const MOST_ALIASES: u8 = 4;
/// Servers that are asked at once: all that a resolv.conf may name.
const AT_ONCE: usize = 3;

/// Starts the thread; it works until the end of the program.
pub fn start(names: Arc<Names>, orders: mpsc::UnboundedReceiver<Order>, keeper: Keeper) {
    Arbiter::new().spawn_fn(move || {
        let orders = Rc::new(Mutex::new(orders));
        keeper.keep(PART.to_owned(), move || serve(Arc::clone(&names), Rc::clone(&orders)));
    });
}

/// Whom to ask.
struct Asked {
    hosts: Hosts,
    resolver: TokioResolver,
    /// Whether the last question had an answer, whatever it was.
    answers: Cell<bool>,
}

async fn serve(names: Arc<Names>, orders: Rc<Mutex<mpsc::UnboundedReceiver<Order>>>) {
    let mut orders = orders.lock().await;
    let mut asked = open(&names.settings.load());
    while let Some(order) = orders.recv().await {
        match order {
            Order::Renew => asked = open(&names.settings.load()),
            Order::Ask(question) => {
                let pending = Pending { names: Arc::clone(&names), question, said: (Answer::Failed, None) };
                actix::spawn(answer(asked.clone(), pending));
            }
        }
    }
}

fn open(settings: &Dns) -> Option<Rc<Asked>> {
    match resolver(settings) {
        Ok(resolver) => {
            METRICS.health.set(PART, State::Green);
            let hosts = Hosts::from_system().unwrap_or_default();
            Some(Rc::new(Asked { hosts, resolver, answers: Cell::new(true) }))
        }
        Err(error) => {
            METRICS.health.set(PART, State::Yellow(error.to_string()));
            tracing::warn!(%error, "No DNS server can be asked: names in URIs lead nowhere");
            None
        }
    }
}

fn resolver(settings: &Dns) -> Result<TokioResolver, NetError> {
    let mut builder = match settings.servers.is_empty() {
        true => TokioResolver::builder_tokio()?,
        false => {
            let servers = settings.servers.iter().map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.into())
            });
            let config = ResolverConfig::from_parts(None, vec![], servers.collect());
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    // One try as long as a call waits, in which every server is asked several times. What is known is remembered here,
    // and the hosts file read.
    options.timeout = settings.timeout;
    options.attempts = 0;
    options.num_concurrent_reqs = AT_ONCE;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build()
}

/// A question that is answered whatever happens to its task.
struct Pending {
    names: Arc<Names>,
    question: Question,
    said: (Answer, Option<u32>),
}

impl Drop for Pending {
    fn drop(&mut self) {
        let (answer, ttl) = std::mem::replace(&mut self.said, (Answer::Failed, None));
        self.names.answered(&self.question, answer, ttl);
    }
}

/// The task of a question breaks.
#[cfg(test)]
pub(super) fn breaks(names: &Arc<Names>, question: Question) {
    let broken = crate::guard::caught(|| {
        let _pending = Pending { names: Arc::clone(names), question, said: (Answer::Failed, None) };
        panic!("broken by the test");
    });
    assert!(broken.is_err());
}

async fn answer(asked: Option<Rc<Asked>>, mut pending: Pending) {
    let Some(asked) = asked else { return };
    if let Some(said) = asked.in_hosts(&pending.question) {
        pending.said = said;
        return;
    }
    METRICS.dns_queries_total.one();
    let patience = pending.names.settings.load().timeout;
    match tokio::time::timeout(patience, asked.lookup(&pending.question)).await {
        Ok(said) => pending.said = said,
        Err(_) => {
            asked.note(false);
            tracing::debug!(name = %pending.question.name, "No DNS server answers in time");
        }
    }
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    }
}

/// The domain that a question is about: without the two labels of a service.
fn domain(question: &Question) -> &str {
    match question.kind {
        Kind::Srv => question.name.splitn(3, '.').nth(2).unwrap_or(&question.name),
        Kind::Naptr | Kind::A | Kind::Aaaa => &question.name,
    }
}

impl Asked {
    /// Tells the health report whether anybody answers, where that changes.
    fn note(&self, answers: bool) {
        if self.answers.replace(answers) != answers {
            let state = if answers { State::Green } else { State::Yellow("no DNS server answers".into()) };
            METRICS.health.set(PART, state);
        }
    }

    /// What the hosts file says: a name that stands there has no records but its addresses.
    fn in_hosts(&self, question: &Question) -> Option<(Answer, Option<u32>)> {
        let name = Name::from_ascii(domain(question)).ok()?;
        let find = |kind| self.hosts.lookup_static_host(&Query::query(name.clone(), record_type(kind)));
        let (v4, v6) = (find(Kind::A), find(Kind::Aaaa));
        let found = match question.kind {
            Kind::A => v4.as_ref(),
            Kind::Aaaa => v6.as_ref(),
            Kind::Naptr | Kind::Srv => None,
        };
        let addresses = found.into_iter().flat_map(|found| found.answers());
        let addresses: Vec<_> = addresses.filter_map(|record| record.data.ip_addr()).collect();
        (v4.is_some() || v6.is_some()).then(|| {
            let said =
                if addresses.is_empty() { Answer::Nothing } else { Answer::Addresses(addresses.into()) };
            (said, Some(HOSTS_TTL))
        })
    }

    async fn lookup(&self, question: &Question) -> (Answer, Option<u32>) {
        let Ok(mut name) = Name::from_ascii(&question.name) else { return (Answer::Nothing, None) };
        // Only names of one label are looked for in the system's search domains.
        name.set_fqdn(domain(question).contains('.'));
        let mut aliases = MOST_ALIASES;
        loop {
            let error = match self.resolver.lookup(name.clone(), record_type(question.kind)).await {
                Ok(found) => {
                    self.note(true);
                    let ttl = found.answers().iter().map(|record| record.ttl).min();
                    return (read(question.kind, found.answers().iter().map(|record| &record.data)), ttl);
                }
                Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                    self.note(true);
                    // Behind an alias the resolver takes the target of an SRV record for a further one.
                    let strays = question.kind == Kind::Srv && none.query.name() != &name && aliases > 0;
                    match if strays { self.alias(&name).await } else { None } {
                        Some(other) => (name, aliases) = (other, aliases - 1),
                        None => return (Answer::Nothing, none.negative_ttl),
                    }
                    continue;
                }
                Err(error) => error,
            };
            self.note(matches!(error, NetError::Dns(_)));
            tracing::debug!(name = %question.name, %error, "The DNS does not answer");
            return (Answer::Failed, None);
        }
    }

    /// The name that a name is an alias of.
    async fn alias(&self, name: &Name) -> Option<Name> {
        let found = self.resolver.lookup(name.clone(), RecordType::CNAME).await.ok()?;
        found.answers().iter().find_map(|record| match &record.data {
            RData::CNAME(alias) => Some(alias.0.clone()),
            _ => None,
        })
    }
}

fn text(octets: &[u8]) -> Box<str> {
    String::from_utf8_lossy(octets).into()
}

fn bare(name: &Name) -> Box<str> {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase().into()
}

fn read<'r>(kind: Kind, records: impl Iterator<Item = &'r RData>) -> Answer {
    let (mut services, mut servers, mut addresses) = (vec![], vec![], vec![]);
    for record in records {
        match record {
            RData::NAPTR(naptr) => services.push(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                service: text(&naptr.services),
                replacement: bare(&naptr.replacement),
            }),
            RData::SRV(srv) => servers.push(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: bare(&srv.target),
            }),
            other => addresses.extend(other.ip_addr()),
        }
    }
    match kind {
        Kind::Naptr if !services.is_empty() => Answer::Naptr(services.into()),
        Kind::Srv if !servers.is_empty() => Answer::Srv(servers.into()),
        Kind::A | Kind::Aaaa if !addresses.is_empty() => Answer::Addresses(addresses.into()),
        Kind::Naptr | Kind::Srv | Kind::A | Kind::Aaaa => Answer::Nothing,
    }
}
