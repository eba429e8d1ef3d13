//! A DNS server that says what a test wants, as well or as badly as it wants.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, NAPTR, SOA, SRV},
    },
};

use crate::support::ports;

/// How a name is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    /// Not at all.
    Silent,
    /// So much later.
    Late(Duration),
    /// SERVFAIL.
    Fails,
    /// Truncated on UDP, whole on TCP.
    Truncated,
    /// A forged answer with another id and one from another port come first; they lead to 127.0.0.66.
    Forged,
}

pub struct Dns {
    pub address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    /// Name, type, data, TTL.
    zone: Mutex<Vec<(String, RecordType, String, u32)>>,
    moods: Mutex<HashMap<String, Mood>>,
    asked: Mutex<Vec<String>>,
    stops: AtomicBool,
}

impl Dns {
    /// Serves these records, one in a line: `name TYPE data`; each lives for a minute.
    pub fn new(zone: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], ports(1)));
        let mut dns = Self { address, state: Arc::default(), threads: vec![] };
        dns.says(zone, 60);
        dns.lives();
        dns
    }

    /// Starts, or starts again.
    pub fn lives(&mut self) {
        self.state.stops.store(false, Ordering::SeqCst);
        let (udp, tcp) = (UdpSocket::bind(self.address), TcpListener::bind(self.address));
        let (udp, tcp) = (udp.expect("a port"), tcp.expect("a port"));
        udp.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        tcp.set_nonblocking(true).expect("a socket");
        let (one, other) = (Arc::clone(&self.state), Arc::clone(&self.state));
        self.threads =
            vec![thread::spawn(move || one.serve_udp(&udp)), thread::spawn(move || other.serve_tcp(&tcp))];
    }

    /// Its ports are closed.
    pub fn dies(&mut self) {
        self.state.stops.store(true, Ordering::SeqCst);
        self.threads.drain(..).for_each(|thread| thread.join().expect("it ends"));
    }

    /// More records.
    pub fn says(&self, zone: &str, ttl: u32) {
        for line in zone.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().expect("three words").to_owned();
            let (name, kind, data) = (word(), word().parse().expect("a type"), word());
            self.state.zone.lock().expect("whole").push((name, kind, data, ttl));
        }
    }

    /// Says these records from now on, and no others.
    pub fn says_only(&self, zone: &str) {
        self.state.zone.lock().expect("whole").clear();
        self.says(zone, 60);
    }

    /// How a name is answered from now on.
    pub fn mood(&self, name: &str, mood: Mood) {
        self.state.moods.lock().expect("whole").insert(name.to_owned(), mood);
    }

    /// What was asked so far, `A name`.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().expect("whole").clone()
    }

    /// How often this was asked.
    pub fn asked_for(&self, question: &str) -> usize {
        self.asked().iter().filter(|asked| *asked == question).count()
    }

    /// What a site says of it, with these further lines.
    pub fn table(&self, lines: &str) -> String {
        format!("[dns]\nservers = [\"{}\"]\n{lines}", self.address)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.state.stops.store(true, Ordering::SeqCst);
    }
}

impl State {
    fn stops(&self) -> bool {
        self.stops.load(Ordering::SeqCst)
    }

    fn serve_udp(self: Arc<Self>, socket: &UdpSocket) {
        let mut octets = [0; 4_096];
        while !self.stops() {
            let Ok((length, from)) = socket.recv_from(&mut octets) else { continue };
            let Ok(query) = Message::from_vec(&octets[..length]) else { continue };
            let (answer, mood) = self.answer(&query);
            let send = |socket: &UdpSocket, message: &Message| {
                drop(socket.send_to(&message.to_vec().expect("an answer"), from));
            };
            match mood {
                Some(Mood::Silent) => {}
                Some(Mood::Late(time)) => {
                    let socket = socket.try_clone().expect("a socket");
                    thread::spawn(move || {
                        thread::sleep(time);
                        drop(socket.send_to(&answer.to_vec().expect("an answer"), from));
                    });
                }
                Some(Mood::Truncated) => {
                    let mut cut = answer.truncate();
                    cut.metadata.truncation = true;
                    send(socket, &cut);
                }
                Some(Mood::Forged) => {
                    let mut forged = answer.clone();
                    for record in &mut forged.answers {
                        if matches!(record.data, RData::A(_)) {
                            record.data = RData::A(A::new(127, 0, 0, 66));
                        }
                    }
                    send(&UdpSocket::bind("127.0.0.1:0").expect("a port"), &forged);
                    forged.metadata.id = forged.metadata.id.wrapping_add(1);
                    send(socket, &forged);
                    send(socket, &answer);
                }
                Some(Mood::Fails) | None => send(socket, &answer),
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        while !self.stops() {
            let Ok((mut stream, _)) = listener.accept() else {
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            stream.set_nonblocking(false).expect("a socket");
            stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a socket");
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut octets).expect("a whole question");
                let (answer, _) = self.answer(&Message::from_vec(&octets).expect("a question"));
                let octets = answer.to_vec().expect("an answer");
                let length = u16::try_from(octets.len()).expect("short").to_be_bytes();
                stream.write_all(&[&length[..], &octets].concat()).expect("it is read");
            }
        }
    }

    fn answer(&self, query: &Message) -> (Message, Option<Mood>) {
        let question = query.queries.first().expect("one question");
        let name = question.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        self.asked.lock().expect("whole").push(format!("{} {name}", question.query_type()));
        let mood = self.moods.lock().expect("whole").get(&name).copied();
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        answer.add_query(question.clone());
        if mood == Some(Mood::Fails) {
            answer.metadata.response_code = ResponseCode::ServFail;
            return (answer, mood);
        }
        let zone = self.zone.lock().expect("whole");
        let named: Vec<_> = zone.iter().filter(|record| record.0.eq_ignore_ascii_case(&name)).collect();
        for (_, kind, data, ttl) in &named {
            if *kind == question.query_type() || *kind == RecordType::CNAME {
                answer.add_answer(Record::from_rdata(question.name().clone(), *ttl, data_of(*kind, data)));
            }
        }
        if answer.answers.is_empty() {
            let exists =
                !named.is_empty() || zone.iter().any(|record| record.0.ends_with(&format!(".{name}")));
            answer.metadata.response_code =
                if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
            let test = Name::from_ascii("test.").expect("a name");
            let soa = SOA::new(test.clone(), test.clone(), 1, 60, 60, 60, 60);
            answer.add_authority(Record::from_rdata(test, 60, RData::SOA(soa)));
        }
        (answer, mood)
    }
}

fn data_of(kind: RecordType, data: &str) -> RData {
    let words: Vec<&str> = data.split(' ').collect();
    let number = |at: usize| words[at].parse().expect("a number");
    let name = |at: usize| Name::from_ascii(format!("{}.", words[at].trim_end_matches('.'))).expect("a name");
    let octets = |at: usize| words[at].as_bytes().into();
    match (kind, words[0].parse()) {
        (RecordType::A, Ok(IpAddr::V4(ip))) => RData::A(A(ip)),
        (RecordType::AAAA, Ok(IpAddr::V6(ip))) => RData::AAAA(AAAA(ip)),
        (RecordType::CNAME, _) => RData::CNAME(CNAME(name(0))),
        (RecordType::SRV, _) => RData::SRV(SRV::new(number(0), number(1), number(2), name(3))),
        (RecordType::NAPTR, _) => {
            RData::NAPTR(NAPTR::new(number(0), number(1), octets(2), octets(3), [].into(), name(4)))
        }
        other => panic!("{other:?}"),
    }
}
