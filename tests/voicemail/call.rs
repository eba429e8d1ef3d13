//! A session, its caller and the clock, for tests that tell what happens when.

use std::{net::SocketAddr, time::Duration};

use ringpost::{
    sip::sdp::{Agreed, Codec, Direction},
    voicemail::{Clip, Effect, Ending, Greeting, Limits, Script, Seed, Session, dtmf::Key, rtp},
};
use smallvec::smallvec;

/// The caller's port.
pub const CALLER: u16 = 4000;

/// What a clip of the menus sounds like in A-law: it is kept in the other one.
const CLIP: u8 = 0x28;

/// A session, its caller and the clock.
pub struct Call {
    pub session: Session,
    pub now: u64,
    pub log: Vec<(u64, String)>,
    pub expected: usize,
    pub sent: Vec<Vec<u8>>,
    pub targets: Vec<SocketAddr>,
    pub tape: Vec<u8>,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload_type: u8,
}

impl Call {
    pub fn new() -> Self {
        let limits = Limits {
            silence: Duration::from_secs(5),
            max_message: Duration::from_secs(60),
            min_message: Duration::from_secs(2),
            max_call: Duration::from_secs(120),
            begin: Duration::from_secs(32),
        };
        let greeting = Greeting { pcma: vec![1; 800].into(), pcmu: vec![2; 800].into() };
        let session = Session::new(limits, greeting, Seed { ssrc: 7, sequence: 65_530, timestamp: 1000 });
        let (log, sent, targets, tape) = (vec![], vec![], vec![], vec![]);
        let (now, expected, sequence, timestamp, payload_type) = (0, 0, 65_000, u32::MAX - 8000, 8);
        Self { session, now, log, expected, sent, targets, tape, sequence, timestamp, payload_type }
    }

    pub fn begun() -> Self {
        let mut call = Self::new();
        let effects = call.session.begin(agreed(Direction::SendRecv), Duration::ZERO);
        call.note(effects);
        call
    }

    /// A call of a menu, which has begun.
    pub fn menu() -> Self {
        let mut call = Self::new();
        call.session = call.session.with(Script::Menu);
        let effects = call.session.begin(agreed(Direction::SendRecv), Duration::ZERO);
        call.note(effects);
        call
    }

    /// The menu plays clips of so many milliseconds.
    pub fn roll(&mut self, number: u32, millis: &[usize]) {
        let clips = millis.iter().map(|length| Clip::new(Codec::Pcmu, vec![2; length * 8])).collect();
        let effects = self.session.roll(number, clips, Duration::from_millis(self.now));
        self.note(effects);
    }

    pub fn recording() -> Self {
        let mut call = Self::begun();
        call.until(600);
        call.log.clear();
        call
    }

    /// Lets time pass, ticking exactly when the session asks for it.
    pub fn until(&mut self, millis: u64) {
        while let Some(at) = self.session.wake_at().filter(|at| *at <= Duration::from_millis(millis)) {
            self.now = self.now.max(at.as_millis() as u64);
            let effects = self.session.tick(Duration::from_millis(self.now));
            self.note(effects);
        }
        self.now = millis;
    }

    pub fn speak(&mut self, millis: u64, octet: u8) {
        self.speak_as(1, millis, octet);
    }

    pub fn speak_as(&mut self, ssrc: u32, millis: u64, octet: u8) {
        for _ in 0..millis / 20 {
            let packet = self.next_packet(ssrc, octet);
            self.datagram(&packet, peer(CALLER));
            self.until(self.now + 20);
        }
    }

    pub fn packet(&mut self, octet: u8, from: SocketAddr) {
        let packet = self.next_packet(1, octet);
        self.datagram(&packet, from);
    }

    pub fn next_packet(&mut self, ssrc: u32, octet: u8) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        let (sequence, timestamp, payload_type) = (self.sequence, self.timestamp, self.payload_type);
        rtp::Header { marker: false, payload_type, sequence, timestamp, ssrc }.write(&[octet; 160])
    }

    pub fn key(&mut self, event: u8, timestamp: u32) {
        let header =
            rtp::Header { marker: true, payload_type: 101, sequence: self.sequence, timestamp, ssrc: 1 };
        self.datagram(&header.write(&[event, 0x8A, 1, 0x40]), peer(CALLER));
    }

    /// A key by SIP INFO.
    pub fn inform(&mut self, key: char) {
        let effects = self.session.pressed_by_info(Key(key), Duration::from_millis(self.now));
        self.note(effects);
    }

    pub fn take_down(&mut self) {
        let effects = self.session.take_down(Duration::from_millis(self.now));
        self.note(effects);
    }

    pub fn datagram(&mut self, datagram: &[u8], from: SocketAddr) {
        let effects = self.session.heard(datagram, from, Duration::from_millis(self.now));
        self.note(effects);
    }

    pub fn renegotiate(&mut self, direction: Direction) {
        self.session.renegotiated(agreed(direction), Duration::from_millis(self.now));
    }

    pub fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let line = match effect {
                Effect::Send(to, packet) => {
                    let what = match packet[12] {
                        1 | CLIP => "send greeting",
                        0xD5 if packet[13] == 0xD5 => "send silence",
                        _ => "send beep",
                    };
                    self.targets.push(to);
                    self.sent.push(packet);
                    what.to_owned()
                }
                Effect::TellGreetingEnded => "GreetingEnded".to_owned(),
                Effect::StartRecording(codec) => format!("StartRecording({codec:?})"),
                Effect::Append(octets) => {
                    self.tape.extend(octets);
                    continue;
                }
                Effect::TellPlayed(number) => format!("Played({number})"),
                Effect::TellTaken(any) => format!("Taken({any})"),
                Effect::TellKey(key) => format!("TellKey({})", key.0),
                Effect::HangUp(reason) => format!("HangUp({reason:?})"),
            };
            self.log.push((self.now, line));
        }
    }

    /// What went out since the last look, packets of a kind counted, and nothing over.
    #[track_caller]
    pub fn expect(&mut self, expected: &[&str]) {
        assert_eq!(runs(&self.log[self.expected.min(self.log.len())..]), expected);
        self.expected = self.log.len();
    }

    #[track_caller]
    pub fn log_from(&self, millis: u64, expected: &[&str]) {
        let since: Vec<_> = self.log.iter().filter(|(at, _)| *at >= millis).cloned().collect();
        let runs = runs(&since);
        assert_eq!(runs[..expected.len().min(runs.len())], *expected);
    }

    pub fn close(self) -> Option<Ending> {
        self.session.close()
    }

    pub fn close_recorded(self) -> Vec<u8> {
        let ending = self.session.close().expect("it was recording");
        let mut tape = [self.tape, ending.rest].concat();
        tape.truncate(ending.worth.octets as usize);
        tape
    }
}

fn runs(log: &[(u64, String)]) -> Vec<String> {
    let same = |a: &(u64, String), b: &(u64, String)| a.1 == b.1 && a.1.starts_with("send");
    let line = |run: &[(u64, String)]| match run[0].1.strip_prefix("send ") {
        Some(what) => format!("send {} {what}", run.len()),
        None => run[0].1.clone(),
    };
    log.chunk_by(same).map(line).collect()
}

fn agreed(direction: Direction) -> Agreed {
    Agreed {
        codec: Codec::Pcma,
        payload_type: 8,
        accepted: smallvec![(8, Codec::Pcma), (0, Codec::Pcmu)],
        telephone_event: Some(101),
        remote: Some(peer(CALLER)),
        direction,
    }
}

pub fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}
