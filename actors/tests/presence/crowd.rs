//! Many watchers behind a few sockets, by the numbers of their Call-IDs.

use std::{
    collections::{HashMap, HashSet},
    net::{SocketAddr, UdpSocket},
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use crate::support::{Ringpost, Sip};

/// So that what comes at once finds room in their buffers.
const SOCKETS: usize = 8;
/// How many subscribe before what comes is heard.
const AT_ONCE: usize = 100;

/// What a crowd does with a NOTIFY.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Manner {
    /// Answers with this code.
    Says(u16),
    /// Leaves it without an answer.
    IsSilent,
}

pub struct Crowd {
    sockets: Vec<(UdpSocket, SocketAddr)>,
    ringpost: SocketAddr,
    pub manner: Manner,
    /// Our tag of each that was taken, and the last state that each was told.
    pub taken: HashMap<usize, String>,
    pub told: HashMap<usize, String>,
    /// When each was told for the first time since this was emptied.
    pub first: HashMap<usize, Instant>,
    /// All NOTIFYs, those that came again included.
    pub heard: usize,
    /// Whose refresh found no subscription.
    pub lost: HashSet<usize>,
}

impl Crowd {
    pub fn new(ringpost: &Ringpost) -> Self {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
            socket.set_nonblocking(true).expect("a socket");
            // As much as the system gives.
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
            let address = socket.local_addr().expect("bound");
            (socket, address)
        };
        let sockets = (0..SOCKETS).map(|_| socket()).collect();
        let (taken, told, first, lost) = Default::default();
        let (manner, heard) = (Manner::Says(200), 0);
        Self { sockets, ringpost: ringpost.sip, manner, taken, told, first, heard, lost }
    }

    /// Subscribes the one of that number, or refreshes where it is known; `turn` is new for each of its requests.
    pub fn subscribe(&self, number: usize, turn: usize) {
        let tag = self.taken.get(&number).map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let (socket, address) = &self.sockets[number % SOCKETS];
        let text = format!(
            "SUBSCRIBE sip:1001@corp.test SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKs{number}t{turn}\r\nMax-Forwards: 70\r\n\
             From: <sip:1002@corp.test>;tag=w{number}\r\nTo: <sip:1001@corp.test>{tag}\r\nCall-ID: storm-{number}\r\n\
             CSeq: {turn} SUBSCRIBE\r\nContact: <sip:w@{address}>\r\nEvent: dialog\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n"
        );
        let _ = socket.send_to(text.as_bytes(), self.ringpost);
    }

    /// Hears what comes until `done`, or for that long; whether it was done.
    pub fn hears(&mut self, patience: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + patience;
        let mut octets = [0; 4_096];
        loop {
            let mut none = true;
            for at in 0..SOCKETS {
                for _ in 0..32 {
                    let Ok(length) = self.sockets[at].0.recv(&mut octets) else { break };
                    none = false;
                    self.takes(at, &Sip::new(&octets[..length]));
                }
            }
            if done(self) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            if none {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn takes(&mut self, at: usize, message: &Sip) {
        let number = message.one("Call-ID").strip_prefix("storm-").and_then(|number| number.parse().ok());
        let Some(number) = number else { return };
        match message.what() {
            "NOTIFY" => {
                let body = message.body();
                let state =
                    body.split_once("<state>").and_then(|(_, rest)| rest.split('<').next()).unwrap_or("-");
                self.told.insert(number, state.to_owned());
                self.first.entry(number).or_insert_with(Instant::now);
                self.heard += 1;
                let Manner::Says(code) = self.manner else { return };
                let mut answer = format!("SIP/2.0 {code} As Told\r\n");
                for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
                    answer += &format!("{name}: {}\r\n", message.one(name));
                }
                answer += "Content-Length: 0\r\n\r\n";
                let _ = self.sockets[at].0.send_to(answer.as_bytes(), self.ringpost);
            }
            "200" => drop(self.taken.insert(number, message.to_tag().to_owned())),
            "481" => {
                self.taken.remove(&number);
                self.lost.insert(number);
            }
            other => panic!("{other} for {number}:\n{message}"),
        }
    }

    pub fn all_told(&self, count: usize, state: &str) -> bool {
        self.told.len() == count && self.told.values().all(|told| told == state)
    }

    /// Subscribes those numbers, some thousand in a second, and again who has no answer; how long until all were told.
    pub fn storms(&mut self, numbers: Range<usize>, turn: usize) -> Duration {
        let since = Instant::now();
        for start in numbers.clone().step_by(AT_ONCE) {
            let some = start..(start + AT_ONCE).min(numbers.end);
            some.clone().for_each(|number| self.subscribe(number, turn));
            self.hears(Duration::from_millis(30), |crowd| {
                some.clone().all(|one| crowd.told.contains_key(&one))
            });
        }
        for _ in 0..40 {
            let missing: Vec<_> = numbers.clone().filter(|number| !self.told.contains_key(number)).collect();
            missing.iter().for_each(|number| self.subscribe(*number, turn));
            if self.hears(Duration::from_millis(500), |crowd| {
                numbers.clone().all(|number| crowd.told.contains_key(&number))
            }) {
                break;
            }
        }
        since.elapsed()
    }

    /// Closes the sockets of those with odd numbers: whoever writes there is told by ICMP that nobody is.
    pub fn half_leaves(&mut self) {
        for (socket, _) in self.sockets.iter_mut().skip(1).step_by(2) {
            *socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
            socket.set_nonblocking(true).expect("a socket");
        }
    }
}
