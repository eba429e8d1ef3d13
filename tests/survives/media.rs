//! Datagrams and time against a session of the embedded UM: bounded by the time that passes, and only one is listened to.

use std::{net::SocketAddr, time::Duration};

use ringpost::{
    sip::sdp::{Agreed, Codec, Direction},
    voicemail::{Effect, Greeting, Limits, Seed, Session, rtp},
};
use smallvec::smallvec;

use super::Dice;

const DIRECTIONS: [Direction; 4] =
    [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
const MOST_MESSAGE: u64 = 20_000;

struct Call {
    session: Session,
    now: u64,
    taped: usize,
    recording: bool,
    over: bool,
}

/// Each step is an octet that says what, and what it takes.
pub fn survives(octets: &[u8]) {
    let mut dice = Dice(octets);
    let mut call = Call::new();
    let begun = call.session.begin(agreed(&mut dice), Duration::ZERO);
    call.note(begun);
    for _ in 0..400 {
        if dice.is_empty() {
            break;
        }
        call.step(&mut dice);
    }
    let since = call.now;
    let Some(ending) = call.session.close() else { return assert!(!call.recording) };
    assert!(call.recording);
    let whole = (call.taped + ending.rest.len()) as u64;
    assert!(whole <= since.min(MOST_MESSAGE + 1_000) * 8 + 8_000, "{whole} octets in {since} ms");
    assert!(ending.worth.octets <= whole.min(MOST_MESSAGE * 8));
}

impl Call {
    fn new() -> Self {
        let limits = Limits {
            silence: Duration::from_secs(5),
            max_message: Duration::from_millis(MOST_MESSAGE),
            min_message: Duration::from_secs(2),
            max_call: Duration::from_secs(40),
            begin: Duration::from_secs(32),
        };
        let greeting = Greeting { pcma: vec![1; 800].into(), pcmu: vec![2; 800].into() };
        let session = Session::new(limits, greeting, Seed { ssrc: 7, sequence: 65_530, timestamp: 1000 });
        Self { session, now: 0, taped: 0, recording: false, over: false }
    }

    fn step(&mut self, dice: &mut Dice) {
        match dice.octet() % 8 {
            0 => {
                let agreed = agreed(dice);
                self.session.renegotiated(agreed, Duration::from_millis(self.now));
            }
            1 => self.wait(u64::from(dice.word() % 4_000)),
            2 => {
                let length = usize::from(dice.octet());
                self.hears(dice.take(length), source(dice));
            }
            _ => {
                let (kind, sequence, timestamp) = (dice.octet(), dice.word(), dice.double());
                let header = rtp::Header {
                    marker: kind & 1 != 0,
                    payload_type: *dice.one(&[8, 0, 101, 18]),
                    sequence,
                    timestamp,
                    ssrc: u32::from(dice.octet() % 3),
                };
                let payload = [kind, 0x8A, dice.octet(), dice.octet()].repeat(1 + usize::from(kind >> 1));
                self.hears(&header.write(&payload), source(dice));
                self.wait(u64::from(dice.octet() % 64));
            }
        }
    }

    fn hears(&mut self, datagram: &[u8], from: SocketAddr) {
        let effects = self.session.heard(datagram, from, Duration::from_millis(self.now));
        self.note(effects);
    }

    fn wait(&mut self, millis: u64) {
        let until = self.now + millis;
        while let Some(at) = self.session.wake_at().filter(|at| *at <= Duration::from_millis(until)) {
            let before = self.now;
            self.now = self.now.max(at.as_millis() as u64);
            let effects = self.session.tick(Duration::from_millis(self.now));
            assert!(
                self.now > before || !effects.is_empty() || self.session.wake_at() != Some(at),
                "it spins"
            );
            self.note(effects);
        }
        self.now = until;
    }

    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(to, packet) => {
                    assert!(to == peer(0) || to == peer(1) || to == peer(2));
                    rtp::Packet::read(&packet).expect("ours is RTP");
                }
                Effect::TellKey(_) | Effect::TellPlayed(_) | Effect::TellTaken(_) => {
                    panic!("a mailbox that takes a message is no menu")
                }
                Effect::TellGreetingEnded => assert!(!self.recording && !self.over),
                Effect::StartRecording(_) => assert!(!std::mem::replace(&mut self.recording, true)),
                Effect::Append(octets) => self.taped += octets.len(),
                Effect::HangUp(_) => assert!(!std::mem::replace(&mut self.over, true), "hung up twice"),
            }
        }
    }
}

fn agreed(dice: &mut Dice) -> Agreed {
    let codec = *dice.one(&[Codec::Pcma, Codec::Pcmu]);
    Agreed {
        codec,
        payload_type: codec.payload_type(),
        accepted: smallvec![(8, Codec::Pcma), (0, Codec::Pcmu)],
        telephone_event: Some(101),
        remote: *dice.one(&[Some(peer(0)), Some(peer(0)), None]),
        direction: *dice.one(&DIRECTIONS),
    }
}

fn source(dice: &mut Dice) -> SocketAddr {
    peer(u16::from(dice.octet() % 3))
}

fn peer(number: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000 + number))
}
