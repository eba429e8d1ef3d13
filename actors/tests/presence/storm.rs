//! Many watchers at once (T33, R206): storms of subscriptions while calls go on, all watchers lost at once, and a kill in the
//! middle. `RINGPOST_STORM=10000` for the full size.

use std::{
    collections::{HashMap, HashSet},
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use crate::{
    support::{Over, Peer, Ringpost, Sip, metrics, ports, within},
    watcher::site,
};

/// How many, unless told.
fn size() -> usize {
    std::env::var("RINGPOST_STORM").ok().and_then(|size| size.parse().ok()).unwrap_or(1_500)
}

/// Many watchers behind one socket, by the numbers of their Call-IDs.
struct Crowd {
    socket: UdpSocket,
    address: SocketAddr,
    ringpost: SocketAddr,
    /// What each NOTIFY is answered.
    code: u16,
    /// Our tag of each that was taken, and the last state that each was told.
    taken: HashMap<usize, String>,
    told: HashMap<usize, String>,
    /// Whose refresh found no subscription.
    lost: HashSet<usize>,
}

impl Crowd {
    fn new(ringpost: &Ringpost) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        // All of them share it: as much as the system gives.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
        let address = socket.local_addr().expect("bound");
        let (taken, told, lost) = Default::default();
        Self { socket, address, ringpost: ringpost.sip, code: 200, taken, told, lost }
    }

    /// Subscribes the one of that number, or refreshes where it is known; `turn` is new for each of its requests.
    fn subscribe(&self, number: usize, turn: usize) {
        let tag = self.taken.get(&number).map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let text = format!(
            "SUBSCRIBE sip:1001@corp.test SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKs{number}t{turn}\r\nMax-Forwards: 70\r\n\
             From: <sip:1002@corp.test>;tag=w{number}\r\nTo: <sip:1001@corp.test>{tag}\r\nCall-ID: storm-{number}\r\n\
             CSeq: {turn} SUBSCRIBE\r\nContact: <sip:w@{}>\r\nEvent: dialog\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n",
            self.address, self.address
        );
        let _ = self.socket.send_to(text.as_bytes(), self.ringpost);
    }

    /// Hears what comes until `done`, or for that long; whether it was done.
    fn hears(&mut self, patience: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + patience;
        let mut octets = [0; 4_096];
        let mut heard = 0;
        while Instant::now() < end {
            match self.socket.recv(&mut octets) {
                Ok(length) => self.takes(&Sip::new(&octets[..length])),
                Err(_) if done(self) => return true,
                Err(_) => {}
            }
            heard += 1;
            if heard % 256 == 0 && done(self) {
                return true;
            }
        }
        done(self)
    }

    fn takes(&mut self, message: &Sip) {
        let number = message.one("Call-ID").strip_prefix("storm-").and_then(|number| number.parse().ok());
        let Some(number) = number else { return };
        match message.what() {
            "NOTIFY" => {
                let body = message.body();
                let state =
                    body.split_once("<state>").and_then(|(_, rest)| rest.split('<').next()).unwrap_or("-");
                self.told.insert(number, state.to_owned());
                let mut answer = format!("SIP/2.0 {} As Told\r\n", self.code);
                for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
                    answer += &format!("{name}: {}\r\n", message.one(name));
                }
                answer += "Content-Length: 0\r\n\r\n";
                let _ = self.socket.send_to(answer.as_bytes(), self.ringpost);
            }
            "200" => drop(self.taken.insert(number, message.to_tag().to_owned())),
            "481" => {
                self.taken.remove(&number);
                self.lost.insert(number);
            }
            other => panic!("{other} for {number}:\n{message}"),
        }
    }

    fn all_told(&self, count: usize, state: &str) -> bool {
        self.told.len() == count && self.told.values().all(|told| told == state)
    }

    /// Subscribes those numbers, some thousand in a second, and again who has no answer.
    fn storms(&mut self, numbers: std::ops::Range<usize>, turn: usize) {
        let until = numbers.end;
        for start in numbers.clone().step_by(50) {
            (start..(start + 50).min(until)).for_each(|number| self.subscribe(number, turn));
            self.hears(Duration::from_millis(40), |_| false);
        }
        for _ in 0..40 {
            let missing: Vec<_> = numbers.clone().filter(|number| !self.told.contains_key(number)).collect();
            if missing.is_empty() {
                return;
            }
            missing.iter().for_each(|number| self.subscribe(*number, turn));
            self.hears(Duration::from_millis(500), |_| false);
        }
    }
}

/// One call from the PBX to the phone, answered and ended.
fn talks(pbx: &mut Peer, phone: &mut Peer, during: impl FnOnce()) {
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    pbx.expect("180");
    let mut talk = pbx.talks(&invite, phone, &ringing);
    during();
    pbx.ends(&mut talk, phone);
}

#[test]
fn t33_a_storm_of_subscriptions_costs_no_call_and_leaves_nothing() {
    let count = size();
    let port = ports(1);
    let site = site("users = \"full\"")
        .log_level("info")
        .table(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\""));
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").start();
    let before = ringpost.resident();
    let mut crowd = Crowd::new(&ringpost);
    // Calls while the storm comes in.
    let storm = std::thread::scope(|scope| {
        let storm = scope.spawn(|| {
            let since = Instant::now();
            crowd.storms(0..count, 1);
            (crowd, since.elapsed())
        });
        for _ in 0..5 {
            talks(&mut pbx, &mut phone, || ());
        }
        storm.join().expect("the storm is over")
    });
    let (mut crowd, took) = storm;
    assert!(crowd.hears(Duration::from_secs(30), |crowd| crowd.all_told(count, "-")), "{}", crowd.told.len());
    println!("{count} subscriptions in {took:?}, noisy machine");
    let grown = ringpost.resident().saturating_sub(before);
    println!("{} octets for each subscription with its first NOTIFY's transaction", grown * 1_024 / count);
    let subscriptions = || metrics::number(port, "subscriptions");
    within(Duration::from_secs(5), "all of them are counted", || subscriptions() as usize == count);
    // One change, told to all.
    let since = Instant::now();
    talks(&mut pbx, &mut phone, || {
        let all = crowd.hears(Duration::from_secs(30), |crowd| crowd.all_told(count, "confirmed"));
        assert!(all, "{:?}", crowd.told.values().filter(|state| *state != "confirmed").count());
        println!("a change told to {count} in {:?}, noisy machine", since.elapsed());
    });
    assert!(crowd.hears(Duration::from_secs(30), |crowd| crowd.all_told(count, "-")));
    // All of them are lost at once: nothing of them stays.
    crowd.code = 481;
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    within(Duration::from_secs(30), "no subscription is left", || {
        crowd.hears(Duration::from_secs(1), |_| false);
        subscriptions() == 0
    });
    pbx.cancel(&invite, "");
    ringpost.is_well();
}

/// R206: kill -9 in the middle of it: whoever refreshes then, or begins anew at a 481, has the right state.
#[test]
fn a_kill_in_the_middle_of_a_storm_leaves_no_wrong_state() {
    let count = size() / 2;
    let site = site("users = \"full\"\nresume_within = \"2s\"").log_level("info");
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let mut ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").start();
    let mut crowd = Crowd::new(&ringpost);
    pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    phone.answer(&ringing, 180);
    pbx.expect("180");
    crowd.storms(0..count / 2, 1);
    assert!(crowd.hears(Duration::from_secs(20), |crowd| crowd.all_told(count / 2, "early")));
    // What has come until now is on the disk a second later, and something new is coming in.
    crowd.hears(Duration::from_millis(2_500), |_| false);
    (count / 2..count).for_each(|number| crowd.subscribe(number, 1));
    ringpost.kill();
    ringpost.restart();
    let back = Instant::now();
    // Those that were written are told by themselves; the others when they refresh.
    crowd.hears(Duration::from_secs(4), |_| false);
    let told = crowd.told.values().filter(|state| *state == "-").count();
    println!("{told} of {count} were told by themselves");
    assert!(told > 0, "what was written a second before is resumed");
    let mut turn = 10;
    while back.elapsed() < Duration::from_secs(30) && !crowd.all_told(count, "-") {
        let waiting: Vec<_> =
            (0..count).filter(|number| crowd.told.get(number).is_none_or(|state| state != "-")).collect();
        turn += 1;
        waiting.iter().for_each(|number| crowd.subscribe(*number, turn));
        crowd.hears(Duration::from_millis(700), |crowd| crowd.all_told(count, "-"));
    }
    assert!(crowd.all_told(count, "-"), "after {:?}", back.elapsed());
    ringpost.is_well();
}
