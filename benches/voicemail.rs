//! What a packet costs on its way into a recording: 50 a second for each caller who speaks.

use std::{hint::black_box, net::SocketAddr, time::Duration};

use divan::{Bencher, counter::ItemsCount};
use ringpost::{
    settings::Audio,
    sip::sdp,
    voicemail::{
        Greeting, Limits, Seed, Session,
        g711::Codec,
        rtp::{Header, Packet},
        sound::Sound,
        take::Take,
        wav,
    },
};

const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
/// Ten seconds.
const PACKETS: usize = 500;

fn main() {
    divan::main();
}

#[divan::bench]
fn read_packet(bencher: Bencher) {
    let datagram = packets().remove(0);
    bencher.bench(|| Packet::read(black_box(&datagram)).map(|packet| packet.payload.len()));
}

#[divan::bench]
fn packet_to_take(bencher: Bencher) {
    let tone = Codec::Pcma.tone(440.0, 0.5, Duration::from_secs(10));
    bencher.counter(ItemsCount::new(PACKETS)).bench(|| {
        let mut take = Take::new(Codec::Pcma, Duration::ZERO);
        for (n, octets) in (0..).zip(tone.chunks(160)) {
            black_box(take.place(9, n * 160, octets, at(n)));
        }
        take.end(Duration::MAX).1
    });
}

#[divan::bench]
fn packet_to_recording(bencher: Bencher) {
    let packets = packets();
    bencher.counter(ItemsCount::new(PACKETS)).with_inputs(recording).bench_values(|mut session| {
        for (n, datagram) in (0..).zip(&packets) {
            black_box(session.heard(datagram, caller(), at(n)));
        }
        session.close()
    });
}

/// Ten seconds as Opus, once for each try of a notice whose user wants that.
#[divan::bench]
fn recording_to_opus(bencher: Bencher) {
    let tone = Codec::Pcma.tone(440.0, 0.5, Duration::from_secs(10));
    let wav = [&wav::header(Codec::Pcma, tone.len() as u32)[..], &tone].concat();
    bencher.bench(|| Sound::converted(black_box(&wav), Audio::Opus).map(|sound| sound.octets.len()));
}

#[divan::bench]
fn greeting_to_packets(bencher: Bencher) {
    bencher.counter(ItemsCount::new(PACKETS)).with_inputs(begun).bench_values(|mut session| {
        for n in 0..PACKETS as u32 {
            black_box(session.tick(at(n)));
        }
    });
}

#[divan::bench]
fn answer_an_offer(bencher: Bencher) {
    bencher.bench(|| sdp::answer(black_box(OFFER), caller(), 1));
}

fn begun() -> Session {
    session(80_000)
}

fn recording() -> Session {
    let mut session = session(0);
    while let Some(at) = session.wake_at().filter(|at| *at <= Duration::from_secs(1)) {
        session.tick(at);
    }
    session
}

fn session(greeting: usize) -> Session {
    let limits = Limits {
        silence: Duration::from_secs(5),
        max_message: Duration::from_secs(60),
        min_message: Duration::from_secs(2),
        max_call: Duration::from_secs(120),
        begin: Duration::from_secs(32),
    };
    let greeting = Greeting { pcma: vec![0x55; greeting].into(), pcmu: vec![0x55; greeting].into() };
    let agreed = sdp::answer(OFFER, caller(), 1).expect("a good offer").agreed;
    let mut session = Session::new(limits, greeting, Seed { ssrc: 1, sequence: 1, timestamp: 1 });
    session.begin(agreed, Duration::ZERO);
    session
}

fn packets() -> Vec<Vec<u8>> {
    let tone = Codec::Pcma.tone(440.0, 0.5, Duration::from_secs(10));
    let header =
        |n: u32| Header { marker: false, payload_type: 8, sequence: n as u16, timestamp: n * 160, ssrc: 9 };
    (0..).zip(tone.chunks(160)).map(|(n, octets)| header(n).write(octets)).collect()
}

fn at(n: u32) -> Duration {
    Duration::from_secs(1) + Duration::from_millis(20) * n
}

fn caller() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}
