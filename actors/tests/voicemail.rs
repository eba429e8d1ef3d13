//! The embedded UM on loopback: real sockets, real files, a caller that is a plain UDP socket.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use bytes::Bytes;
use ringpost::voicemail::{
    Greeting, Limits, Reason,
    g711::Codec,
    rtp,
    wav::{Format, Wav},
};
use ringpost_actors::voicemail::{
    Begin, Close, Happened, MediaEvent, MediaSession, Opened, PortPool, Recording, Refusal, Renegotiate,
    SessionParams, recover, told,
};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{interval, timeout},
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FRAME: Duration = Duration::from_millis(20);

#[actix::test]
async fn a_tone_through_a_bad_network_becomes_a_message_of_the_right_length_and_pitch() {
    let site = Site::new();
    let mut call = site.call(Codec::Pcma).await;
    let foreign = UdpSocket::bind((HERE, 0)).await.expect("a port");
    let noise = Codec::Pcma.tone(1900.0, 0.9, FRAME);
    // Before the caller has sent anything (T25).
    let forged = header(7, 7 * 160, 1).write(&noise);
    foreign.send_to(&forged, call.opened.local).await.expect("loopback takes it");
    call.hears_until(Happened::RecordingStarted).await;

    let tone = Codec::Pcma.tone(440.0, 0.5, Duration::from_secs(4));
    let mut clock = interval(FRAME);
    // Every fifth packet is lost, some are overtaken by the one after them, every ninth comes twice.
    let frames: Vec<(u32, &[u8])> = (0..).zip(tone.chunks(160)).collect();
    for pair in frames.chunks(2) {
        let mut pair = pair.to_vec();
        if pair[0].0 % 7 == 2 {
            pair.reverse();
        }
        for (n, frame) in pair {
            clock.tick().await;
            for _ in 0..if n % 5 == 3 { 0 } else { 1 + u8::from(n % 9 == 0) } {
                call.speak(n, frame).await;
            }
            let forged = header(n as u16, n * 160, 1).write(&noise);
            foreign.send_to(&forged, call.opened.local).await.expect("loopback takes it");
            // A thousand a second of STUN, DTLS and nonsense (T26).
            for garbage in
                [&b"\x00\x01\x00\x00\x21\x12\xA4\x42"[..], b"\x16\xFE\xFD", b"", &[0xFF; 1500]].repeat(5)
            {
                foreign.send_to(garbage, call.opened.local).await.expect("loopback takes it");
            }
        }
    }
    // The last packet is on its way through the loopback.
    tokio::time::sleep(FRAME * 3).await;
    let recording = call.close().await.expect("a message");

    assert_eq!(recording.duration, Duration::from_secs(4));
    assert_eq!(recording.voiced, Duration::from_millis(4000 * 4 / 5));
    let file = std::fs::read(&recording.path).expect("the message is there");
    let wav = Wav::read(&file).expect("a WAV file");
    assert_eq!((wav.format, wav.samples.len()), (Format::G711(Codec::Pcma), 32_000));
    // A tone of which every fifth piece is missing has four fifths of its power at its pitch, if all pieces are in place.
    let share = share_of_pitch(440.0, wav.samples);
    assert!((share - 0.8).abs() < 0.01, "{share} of the power is at 440 Hz");
    assert!(share_of_pitch(1900.0, wav.samples) < 0.001, "somebody else was recorded");
    assert_eq!(site.ports.in_use(), 0, "the port is given back");
}

#[actix::test]
async fn the_caller_hears_greeting_and_beep_in_the_codec_agreed_upon() {
    let site = Site::new();
    for codec in Codec::ALL {
        let mut call = site.call(codec).await;
        call.hears_until(Happened::RecordingStarted).await;
        let expected = [site.greeting(codec), codec.tone(1000.0, 0.25, Duration::from_millis(500))].concat();
        assert!(
            call.heard == expected,
            "{codec:?}: {} octets, expected {}",
            call.heard.len(),
            expected.len()
        );
        assert_eq!(call.events, [Happened::GreetingEnded, Happened::RecordingStarted]);
        assert_eq!(call.close().await, None, "nothing was said");
    }
    assert_eq!(site.files(), [""; 0]);
}

#[actix::test]
async fn a_caller_who_says_nothing_leaves_nothing() {
    let site = Site::new();
    let mut call = site.call(Codec::Pcmu).await;
    call.hears_until(Happened::Finished(Reason::NoMedia)).await;
    assert_eq!(call.close().await, None);
    assert_eq!(site.files(), [""; 0]);
}

#[actix::test]
async fn a_folder_that_cannot_be_written_ends_the_call_cleanly() {
    let mut site = Site::new();
    let file = site.folder.path().join("file");
    std::fs::write(&file, "not a folder").expect("it can be written");
    site.recordings = file.join("recordings");
    let mut call = site.call(Codec::Pcma).await;
    call.hears_until(Happened::Finished(Reason::DiskFailed)).await;
    assert_eq!(call.close().await, None);
    assert_eq!(site.ports.in_use(), 0);
}

#[actix::test]
async fn a_session_that_is_given_up_is_recovered_at_the_next_start() {
    let site = Site::new();
    let mut call = site.call(Codec::Pcmu).await;
    call.hears_until(Happened::RecordingStarted).await;
    let tone = Codec::Pcmu.tone(440.0, 0.5, Duration::from_millis(4100));
    let mut clock = interval(FRAME);
    for (n, frame) in (0..).zip(tone.chunks(160)) {
        clock.tick().await;
        call.speak(n, frame).await;
    }
    // As after kill -9: nobody says Close. What was on disk by then, all but the newest two seconds, is the message.
    drop(call);
    while site.ports.in_use() > 0 {
        tokio::time::sleep(FRAME).await;
    }
    let recovered = recover(&site.recordings).expect("the folder can be read");
    let [message] = recovered.as_slice() else { panic!("{recovered:?}") };
    assert_eq!(message.context, serde_json::json!({ "user": "sip:1001@example.test" }));
    let seconds = message.recording.duration.as_secs();
    assert!((2..=4).contains(&seconds), "{:?}", message.recording);
    assert_eq!(recover(&site.recordings).expect("again"), recovered, "until it is told");
    told(&message.recording.path).expect("the sidecar goes");
    assert_eq!(recover(&site.recordings).expect("and again"), []);
}

#[actix::test]
async fn a_call_that_is_given_up_before_the_ack_gives_its_port_back() {
    let site = Site::new();
    let call = site.open(None).await.expect("opened");
    assert_eq!(site.ports.in_use(), 1);
    drop(call);
    let given_back = async {
        while site.ports.in_use() > 0 {
            tokio::time::sleep(FRAME).await;
        }
    };
    timeout(Duration::from_secs(2), given_back).await.expect("soon, not after 32 s");
}

#[actix::test]
async fn a_reinvite_is_answered_with_the_next_version_and_the_same_port() {
    let site = Site::new();
    let call = site.call(Codec::Pcma).await;
    let first = String::from_utf8_lossy(&call.opened.sdp).into_owned();
    let offer = Some(offer(call.socket.local_addr().expect("it is bound"), "8", "a=sendonly"));
    let second = call.opened.addr.send(Renegotiate { offer }).await.expect("alive").expect("answered");
    let second = String::from_utf8_lossy(&second).into_owned();
    let line = |sdp: &str, start: &str| sdp.lines().find(|line| line.starts_with(start)).map(str::to_owned);
    assert_eq!(line(&first, "m="), line(&second, "m=").map(|stream| stream + " 101"));
    assert_eq!(line(&first, "o=").map(|o| o.replace(" 1 IN", " 2 IN")), line(&second, "o="));
    assert_eq!(line(&second, "a=recvonly"), Some("a=recvonly".to_owned()));
    let refused =
        call.opened.addr.send(Renegotiate { offer: Some(Bytes::from("v=0\r\n")) }).await.expect("alive");
    assert_eq!(refused.map_err(|refusal| refusal.status()), Err(488));
    call.close().await;
}

#[actix::test]
async fn an_invite_without_offer_takes_its_answer_from_the_ack() {
    let site = Site::new();
    let mut call = site.open(None).await.expect("opened");
    assert!(call.opened.agreed.is_none() && call.opened.sdp.starts_with(b"v=0\r\n"));
    let nothing = call.opened.addr.send(Begin { answer: None }).await.expect("alive");
    assert_eq!(nothing.map_err(|refusal| refusal.status()), Err(488));
    let answer = offer(call.socket.local_addr().expect("it is bound"), "0", "a=sendrecv");
    for answer in [Some(answer.clone()), Some(answer), None] {
        call.opened
            .addr
            .send(Begin { answer })
            .await
            .expect("alive")
            .expect("accepted, and repeated ACKs ignored");
    }
    call.hears_until(Happened::GreetingEnded).await;
    assert!(call.heard.starts_with(&site.greeting(Codec::Pcmu)));
    call.close().await;
}

#[actix::test]
async fn a_call_that_cannot_be_taken_is_refused_and_takes_no_port() {
    let site = Site::new();
    let here = SocketAddr::from((HERE, 4000));
    for (offer, status) in [(offer(here, "18", ""), 488), (Bytes::new(), 488)] {
        let refusal = site.open(Some(offer)).await.map(|call| call.opened.sdp).expect_err("refused");
        assert_eq!((refusal.status(), site.ports.in_use()), (status, 0));
    }
    let none = Site { ports: PortPool::new(HERE, HERE, (1, 1)), ..Site::new() };
    let refusal = none.open(None).await.map(|call| call.opened.sdp).expect_err("no port");
    assert_eq!(refusal.status(), 503);
}

/// A UM with a short greeting.
struct Site {
    ports: Arc<PortPool>,
    folder: tempfile::TempDir,
    recordings: std::path::PathBuf,
}

/// A caller with a UDP socket.
struct Call {
    opened: Opened,
    socket: UdpSocket,
    events: Vec<Happened>,
    incoming: mpsc::UnboundedReceiver<MediaEvent>,
    heard: Vec<u8>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let recordings = folder.path().join("recordings");
        Self { ports: PortPool::new(HERE, HERE, (20_000, 29_999)), folder, recordings }
    }

    fn greeting(&self, codec: Codec) -> Vec<u8> {
        codec.tone(300.0, 0.1, Duration::from_millis(100))
    }

    async fn call(&self, codec: Codec) -> Call {
        let formats = format!("{} 101", codec.payload_type());
        let socket = UdpSocket::bind((HERE, 0)).await.expect("a port");
        let offer = offer(socket.local_addr().expect("it is bound"), &formats, "a=sendrecv");
        let call = Call { socket, ..self.open(Some(offer)).await.expect("opened") };
        call.opened.addr.send(Begin { answer: None }).await.expect("alive").expect("begun");
        call
    }

    async fn open(&self, offer: Option<Bytes>) -> Result<Call, Refusal> {
        let (sender, incoming) = mpsc::unbounded_channel();
        let greeting =
            Greeting { pcma: self.greeting(Codec::Pcma).into(), pcmu: self.greeting(Codec::Pcmu).into() };
        let limits = Limits {
            silence: Duration::from_secs(2),
            max_message: Duration::from_secs(60),
            min_message: Duration::from_secs(1),
            max_call: Duration::from_secs(90),
            begin: Duration::from_secs(32),
        };
        let params = SessionParams {
            script: ringpost::voicemail::Script::Mailbox,
            id: 1,
            offer,
            ports: self.ports.clone(),
            greeting,
            limits,
            folder: self.recordings.clone(),
            context: serde_json::json!({ "user": "sip:1001@example.test" }),
        };
        let opened = MediaSession::start(params, Listener(sender).start().recipient())?;
        let socket = UdpSocket::bind((HERE, 0)).await.expect("a port");
        Ok(Call { opened, socket, events: vec![], incoming, heard: vec![] })
    }

    fn files(&self) -> Vec<String> {
        names(&self.recordings)
    }
}

impl Call {
    /// Collects audio until the session says so.
    async fn hears_until(&mut self, happened: Happened) {
        let mut buffer = [0; 2048];
        let wait = async {
            loop {
                tokio::select! {
                    biased;
                    received = self.socket.recv_from(&mut buffer) => {
                        let (length, from) = received.expect("loopback works");
                        assert_eq!(from, self.opened.local);
                        self.heard.extend(rtp::Packet::read(&buffer[..length]).expect("RTP").payload);
                    }
                    event = self.incoming.recv() => {
                        let event = event.expect("the session lives");
                        self.events.push(event.happened);
                        if event.happened == happened {
                            return;
                        }
                    }
                }
            }
        };
        timeout(Duration::from_secs(20), wait).await.expect("it happens in time");
    }

    async fn speak(&self, n: u32, octets: &[u8]) {
        let datagram = rtp::Header {
            payload_type: self.payload_type(),
            ..header(65_500_u16.wrapping_add(n as u16), 0xFFFF_FF00_u32.wrapping_add(n * 160), 77)
        };
        self.socket.send_to(&datagram.write(octets), self.opened.local).await.expect("loopback takes it");
    }

    fn payload_type(&self) -> u8 {
        self.opened.agreed.as_ref().expect("agreed").payload_type
    }

    async fn close(self) -> Option<Recording> {
        self.opened.addr.send(Close).await.expect("it closes once").recording
    }
}

/// Hears what sessions say.
struct Listener(mpsc::UnboundedSender<MediaEvent>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<MediaEvent> for Listener {
    type Result = ();

    fn handle(&mut self, event: MediaEvent, _: &mut Self::Context) {
        let _ = self.0.send(event);
    }
}

fn header(sequence: u16, timestamp: u32, ssrc: u32) -> rtp::Header {
    rtp::Header { marker: false, payload_type: 8, sequence, timestamp, ssrc }
}

fn offer(here: SocketAddr, formats: &str, attribute: &str) -> Bytes {
    let (ip, port) = (here.ip(), here.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n\
         a=rtpmap:101 telephone-event/8000\r\n{attribute}\r\n"
    )
    .into()
}

/// Goertzel: the share of the whole power that is at this pitch, 1 for a pure tone.
fn share_of_pitch(hertz: f64, octets: &[u8]) -> f64 {
    let samples: Vec<f64> = octets.iter().map(|octet| f64::from(Codec::Pcma.decode(*octet))).collect();
    let step = std::f64::consts::TAU * hertz / 8000.0;
    let (mut before, mut last) = (0.0, 0.0);
    for sample in &samples {
        (before, last) = (last, sample + 2.0 * step.cos() * last - before);
    }
    let power = last * last + before * before - 2.0 * step.cos() * last * before;
    let energy: f64 = samples.iter().map(|sample| sample * sample).sum();
    2.0 * power / (energy * samples.len() as f64)
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
}
