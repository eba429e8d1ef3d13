//! From a URI and what the DNS says to the places to try.

use std::net::{IpAddr, SocketAddr};

use super::{Abilities, Answer, Hop, Kind, Naptr, Question, Wanted, order::order, wanted::Target};
use crate::settings::Transport;

/// NAPTR records that are followed.
const MOST_SERVICES: usize = 6;
/// Servers, and addresses of all of them, that are tried.
const MOST: usize = 12;

/// One way from a URI to its places: says what to ask, hears the answers. Whatever the DNS says, it asks three times at most:
/// for services, for servers, for addresses.
#[derive(Clone, Debug)]
pub struct Locate {
    wanted: Wanted,
    able: Abilities,
    seed: u64,
    heard: Vec<(Question, Answer)>,
}

/// What comes next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// These questions, all at once.
    Ask(Vec<Question>),
    /// These places, in this order; none: the URI leads nowhere.
    Done(Vec<Hop>),
}

/// A service and the name of its SRV records.
type Service = (Transport, Box<str>);
/// A server.
type Server = (Transport, Box<str>, u16);

impl Locate {
    /// `random` chooses among servers of one priority.
    pub fn new(wanted: Wanted, able: Abilities, random: u64) -> Self {
        Self { wanted, able, seed: random, heard: Vec::new() }
    }

    /// The name that a certificate has to be of; `None`: of the address.
    pub fn host(&self) -> Option<&str> {
        self.wanted.host()
    }

    /// What was asked and answered so far.
    pub fn heard(&self) -> &[(Question, Answer)] {
        &self.heard
    }

    /// An answer to a question that was asked.
    pub fn hears(&mut self, question: Question, answer: Answer) {
        if self.answer(&question).is_none() {
            self.heard.push((question, answer));
        }
    }

    /// What comes next.
    pub fn next(&self) -> Step {
        match self.servers() {
            Ok(servers) => self.places(&servers),
            Err(step) => step,
        }
    }

    fn answer(&self, question: &Question) -> Option<&Answer> {
        self.heard.iter().find(|(asked, _)| asked == question).map(|(_, answer)| answer)
    }

    /// The answers to all of them, or those that are still missing.
    fn answers(&self, questions: Vec<Question>) -> Result<Vec<&Answer>, Step> {
        let known: Vec<_> = questions.iter().map(|question| self.answer(question)).collect();
        if known.iter().all(Option::is_some) {
            return Ok(known.into_iter().flatten().collect());
        }
        let unknown: Vec<bool> = known.iter().map(Option::is_none).collect();
        let missing = questions.into_iter().zip(unknown).filter(|(_, unknown)| *unknown);
        Err(Step::Ask(missing.map(|(question, _)| question).collect()))
    }

    /// RFC 3263 §4.1 and the first half of §4.2: which servers, by which transports.
    fn servers(&self) -> Result<Vec<Server>, Step> {
        let Wanted { target, port, transport, .. } = &self.wanted;
        let name = match target {
            Target::Address(address) => {
                let default = self.without_dns();
                let place = |by| Hop { transport: by, address: SocketAddr::new(*address, self.port(by)) };
                return Err(Step::Done(default.map(place).into_iter().collect()));
            }
            Target::Name(name) => name,
        };
        if transport.is_some_and(|asked| !self.able.has(asked)) {
            return Err(Step::Done(vec![]));
        }
        if port.is_some() {
            return Ok(self.itself(name, self.without_dns()));
        }
        let services = match transport {
            Some(asked) => vec![srv_name(*asked, name)],
            None => self.services(name)?,
        };
        let asked = services.iter().map(|(_, name)| Question::new(name, Kind::Srv)).collect();
        let answers = self.answers(asked)?;
        let mut servers = vec![];
        let mut offered = false;
        for ((by, _), answer) in services.iter().zip(answers) {
            let Answer::Srv(records) = answer else { continue };
            offered = true;
            let mut random = Draws(self.seed);
            let ordered = order(records, |most| random.up_to(most));
            servers.extend(ordered.into_iter().map(|srv| (*by, srv.target.clone(), srv.port)));
        }
        servers.truncate(MOST);
        match offered {
            // Only where nobody says that there are servers, or that there are none ("."), is the name itself one.
            false => Ok(self.itself(name, services.first().map(|(by, _)| *by))),
            true => Ok(servers),
        }
    }

    /// The SRV names to ask, best first: those of the NAPTR records, else of every transport there is.
    fn services(&self, name: &str) -> Result<Vec<Service>, Step> {
        let answers = self.answers(vec![Question::new(name, Kind::Naptr)])?;
        let mut records: Vec<&Naptr> = match answers[..] {
            [Answer::Naptr(records)] => records.iter().collect(),
            _ => vec![],
        };
        records.sort_by_key(|record| (record.order, record.preference));
        let fits = |by: &Transport| self.able.has(*by) && (!self.wanted.secure || by.is_secure());
        let followed = records.into_iter().filter_map(|record| {
            let by = service(&record.service).filter(&fits)?;
            let leads = record.flags.eq_ignore_ascii_case("s") && !record.replacement.is_empty();
            leads.then(|| (by, record.replacement.clone()))
        });
        let followed: Vec<Service> = followed.take(MOST_SERVICES).collect();
        if !followed.is_empty() {
            return Ok(followed);
        }
        let every = [Transport::Udp, Transport::Tcp, Transport::Tls];
        Ok(every.into_iter().filter(fits).map(|by| srv_name(by, name)).collect())
    }

    /// The name as its own server; by the default transport where the DNS names none.
    fn itself(&self, name: &str, by: Option<Transport>) -> Vec<Server> {
        by.map(|by| (by, name.into(), self.port(by))).into_iter().collect()
    }

    /// The transport that the URI asks for or implies (§4.1).
    fn without_dns(&self) -> Option<Transport> {
        let all = match (self.wanted.transport, self.wanted.secure) {
            (Some(asked), _) => vec![asked],
            (None, true) => vec![Transport::Tls],
            (None, false) => vec![Transport::Udp, Transport::Tcp],
        };
        all.into_iter().find(|by| self.able.has(*by))
    }

    fn port(&self, by: Transport) -> u16 {
        self.wanted.port.unwrap_or(if by.is_secure() { 5061 } else { 5060 })
    }

    /// The second half of §4.2: the addresses of the servers. IPv6 comes first, as RFC 6724 §2.1 has it.
    fn places(&self, servers: &[Server]) -> Step {
        let kinds = [(Kind::Aaaa, self.able.v6), (Kind::A, self.able.v4)];
        let mut asked: Vec<Question> = vec![];
        for (_, name, _) in servers {
            for (kind, _) in kinds.into_iter().filter(|(_, able)| *able) {
                let question = Question::new(name, kind);
                if !asked.contains(&question) {
                    asked.push(question);
                }
            }
        }
        if let Err(step) = self.answers(asked) {
            return step;
        }
        let mut places: Vec<Hop> = vec![];
        for (transport, name, port) in servers {
            for address in kinds.iter().flat_map(|(kind, _)| self.addresses(name, *kind)) {
                let place = Hop { transport: *transport, address: SocketAddr::new(*address, *port) };
                if !places.contains(&place) && places.len() < MOST && *port != 0 {
                    places.push(place);
                }
            }
        }
        Step::Done(places)
    }

    fn addresses(&self, name: &str, kind: Kind) -> &[IpAddr] {
        match self.answer(&Question::new(name, kind)) {
            Some(Answer::Addresses(addresses)) => addresses,
            Some(Answer::Naptr(_) | Answer::Srv(_) | Answer::Nothing | Answer::Failed) | None => &[],
        }
    }
}

/// The transport of a NAPTR service (RFC 3263 §4.1, RFC 7118 §6).
fn service(written: &str) -> Option<Transport> {
    let known = [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
        ("SIP+D2W", Transport::Ws),
        ("SIPS+D2W", Transport::Wss),
    ];
    known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(written)).map(|(_, by)| by)
}

fn srv_name(by: Transport, name: &str) -> Service {
    let service = match by {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws => "_sip._ws",
        Transport::Wss => "_sips._wss",
    };
    (by, format!("{service}.{name}").into())
}

/// Random numbers of one seed (SplitMix64), so that the same answers always make the same plan.
struct Draws(u64);

impl Draws {
    fn up_to(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % (u64::from(most) + 1)) as u32
    }
}
