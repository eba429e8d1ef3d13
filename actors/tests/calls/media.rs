//! Strangers at the media port of a call, against the running program (T25, T26).

use std::{
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringpost::voicemail::{g711::Codec, rtp};

use crate::{
    baresip::{files, tone},
    support::{Over, Site, peer::Dialog, within},
};

const FRAME: Duration = Duration::from_millis(20);
/// RFC 4733: `#`, pressed and let go.
pub const HASH: [u8; 4] = [11, 0x8A, 1, 0x40];

#[test]
fn a_recording_is_right_while_strangers_flood_its_port() {
    let site = Site::new().maildir().plan("own", &["embedded"]);
    let folder = site.folder.path().to_owned();
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site
        .user("1001", &[], "um_plan = \"own\"\nmail = \"alice@corp.test\"\nmissed_calls = \"mail\"")
        .start();
    let [mine, stranger] = ["127.0.0.1", "127.0.0.9"].map(|ip| UdpSocket::bind((ip, 0)).expect("a port"));
    let offer = format!(
        "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
        mine.local_addr().expect("bound").port()
    );
    let invite = pbx.request("INVITE", &format!("sip:1001@{}", ringpost.sip), "", &offer);
    pbx.expect("181");
    let ok = pbx.expect("200");
    let theirs = media_address(ok.body());
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        // The stranger is there before the caller has sent anything.
        scope.spawn(|| floods(&stranger, theirs, &over, &sent));
        while sent.load(Ordering::Relaxed) < 20 {
            thread::yield_now();
        }
        let mut dialog = Dialog::caller(&invite, &ok);
        pbx.inside(&mut dialog, "ACK", "", "");
        let mut voice = Voice { socket: mine, to: theirs, sequence: 0 };
        voice.says(101, &HASH);
        within(Duration::from_secs(20), "the recording begins", || {
            thread::sleep(FRAME);
            voice.says(8, &[Codec::Pcma.silence(); 160]);
            ringpost.log().contains("Reported(Recording)")
        });
        let spoken = Codec::Pcma.tone(440.0, 0.5, Duration::from_secs(3));
        let began = Instant::now();
        for (frame, due) in spoken.chunks(160).zip(1..) {
            voice.says(8, frame);
            thread::sleep((began + FRAME * due).saturating_duration_since(Instant::now()));
        }
        ringpost.is_well();
        pbx.inside(&mut dialog, "BYE", "", "");
        pbx.expect("200");
        over.store(true, Ordering::Relaxed);
    });
    assert!(sent.load(Ordering::Relaxed) > 3_000, "a thousand a second, for three seconds at least");
    ringpost.has_mails("alice@corp.test", 1);
    ringpost.logs("outcome=LeftMessage");
    let recordings = files(&folder.join("recordings"), ".wav");
    assert_eq!(recordings.len(), 1, "{recordings:?}");
    let (seconds, share) = tone(&recordings[0], 440.0);
    assert!((3.0..4.0).contains(&seconds) && share > 0.9, "{seconds} s, {share} of it at 440 Hz");
    let (_, foreign) = tone(&recordings[0], 1_900.0);
    assert!(foreign < 0.01, "{foreign} of it is the stranger's");
    drop(pbx);
    ringpost.back_to_baseline();
}

/// The caller's side of the media.
pub struct Voice {
    pub socket: UdpSocket,
    pub to: SocketAddr,
    pub sequence: u16,
}

impl Voice {
    pub fn says(&mut self, payload_type: u8, payload: &[u8]) {
        self.sequence += 1;
        let header = rtp::Header {
            marker: false,
            payload_type,
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc: 77,
        };
        self.socket.send_to(&header.write(payload), self.to).expect("loopback takes it");
    }
}

/// A thousand datagrams a second: STUN, DTLS, nothing, garbage, and RTP that is well-formed.
fn floods(socket: &UdpSocket, to: SocketAddr, over: &AtomicBool, sent: &AtomicUsize) {
    let began = Instant::now();
    let loud = Codec::Pcma.tone(1_900.0, 0.9, FRAME);
    for number in 0_u32.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let header = rtp::Header {
            marker: false,
            payload_type: 8,
            sequence: number as u16,
            timestamp: number * 160,
            ssrc: if number % 2 == 0 { 77 } else { 1 },
        };
        let forged = header.write(&loud);
        let kinds: [&[u8]; 5] =
            [b"\x00\x01\x00\x00\x21\x12\xA4\x42", b"\x16\xFE\xFD", b"", &[0xFF; 1_400], &forged];
        // Another stream of the same machine, or the caller's own numbers from elsewhere.
        socket.send_to(kinds[number as usize % kinds.len()], to).expect("loopback takes it");
        sent.fetch_add(1, Ordering::Relaxed);
        thread::sleep((began + Duration::from_millis(1) * number).saturating_duration_since(Instant::now()));
    }
}

pub fn media_address(sdp: &str) -> SocketAddr {
    let word = |line: &str, at: usize| {
        let line = sdp.lines().find_map(|l| l.strip_prefix(line)).expect("a description");
        line.split(' ').nth(at).unwrap_or("").to_owned()
    };
    format!("{}:{}", word("c=", 2), word("m=", 1)).parse().expect("an address")
}
