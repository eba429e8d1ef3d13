//! A caller whose ears know each prompt by its octets, and whose fingers press keys.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use ringpost::voicemail::{
    g711::Codec,
    menu::{Phrase, Say},
    rtp, wav,
};

use crate::support::{PATIENCE, Peer, Sip, peer::Dialog, within};

const FRAME: Duration = Duration::from_millis(20);
const KEYS: &str = "0123456789*#ABCD";

/// Every prompt, each in the place of the octet that it is made of.
fn prompts() -> Vec<String> {
    let phrases = Phrase::ALL.iter().map(|phrase| Say::Phrase(*phrase).to_string());
    phrases.chain((0..60).map(|number| number.to_string())).collect()
}

/// A folder of prompts of 60 ms in that language, each of an octet of its own: what is heard is told apart for sure.
pub fn write_prompts(folder: &Path, language: &str) {
    let folder = folder.join(language);
    fs::create_dir_all(&folder).expect("made");
    for (octet, name) in (1..).zip(prompts()) {
        assert!(octet < Codec::Pcma.silence(), "more prompts than octets");
        write_clip(&folder.join(format!("{name}.wav")), octet, 480);
    }
}

/// A WAV file of one octet.
pub fn write_clip(path: &Path, octet: u8, length: u32) {
    let file = [&wav::header(Codec::Pcma, length)[..], &vec![octet; length as usize]].concat();
    fs::write(path, file).expect("written");
}

/// The phone's media: hears on a thread of its own until it is dropped.
pub struct Phone {
    socket: UdpSocket,
    to: SocketAddr,
    sequence: u16,
    timestamp: u32,
    heard: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    ear: Option<JoinHandle<()>>,
}

impl Phone {
    pub fn new() -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
        let (heard, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let ear = {
            let (socket, heard, over) =
                (socket.try_clone().expect("cloned"), Arc::clone(&heard), Arc::clone(&over));
            thread::spawn(move || listen(&socket, &heard, &over))
        };
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        Self { socket, to, sequence: 0, timestamp: 0, heard, over, ear: Some(ear) }
    }

    /// The phone's offer or answer.
    pub fn sdp(&self) -> String {
        let port = self.socket.local_addr().expect("bound").port();
        format!(
            "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        )
    }

    /// Calls a number and talks with whoever answers.
    pub fn calls(&mut self, peer: &mut Peer, number: &str, headers: &str) -> Dialog {
        let uri = format!("sip:{number}@{}", peer.ringpost);
        let invite = peer.request("INVITE", &uri, headers, &self.sdp());
        let ok = peer.expect("200");
        self.speaks_to(&ok);
        let mut dialog = Dialog::caller(&invite, &ok);
        peer.inside(&mut dialog, "ACK", "", "");
        dialog
    }

    /// From now on the media goes where this description says.
    pub fn speaks_to(&mut self, said: &Sip) {
        let word = |line: &str, at: usize| {
            let line = said.body().lines().find_map(|l| l.strip_prefix(line)).expect("a description");
            line.split(' ').nth(at).unwrap_or("").to_owned()
        };
        self.to = format!("{}:{}", word("c=", 2), word("m=", 1)).parse().expect("an address");
    }

    /// A re-INVITE leads the media elsewhere.
    pub fn meets(&mut self, peer: &mut Peer) {
        let renewed = peer.expect("INVITE");
        self.speaks_to(&renewed);
        peer.answer_with(&renewed, 200, "", &self.sdp());
        peer.expect("ACK");
    }

    /// Presses keys, as telephone events (RFC 4733).
    pub fn dials(&mut self, keys: &str) {
        for key in keys.chars() {
            let event = KEYS.find(key).expect("a key") as u8;
            self.timestamp += 1600;
            for end in [0, 0, 0x80, 0x80, 0x80] {
                self.send(101, &[event, end | 0x0A, 1, 0x40]);
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Presses keys, each an INFO.
    pub fn informs(&mut self, peer: &mut Peer, dialog: &mut Dialog, keys: &str) {
        for key in keys.chars() {
            let body = format!("Signal={key}\r\nDuration=160\r\n");
            peer.inside(dialog, "INFO", "Content-Type: application/dtmf-relay\r\n", &body);
            peer.expect("200");
        }
    }

    /// Says a tone for that long.
    pub fn says(&mut self, time: Duration) {
        let tone = Codec::Pcma.tone(440.0, 0.5, time);
        for frame in tone.chunks(160) {
            self.timestamp += 160;
            self.send(8, frame);
            thread::sleep(FRAME);
        }
    }

    fn send(&mut self, payload_type: u8, payload: &[u8]) {
        self.sequence = self.sequence.wrapping_add(1);
        let (sequence, timestamp) = (self.sequence, self.timestamp);
        let header = rtp::Header { marker: false, payload_type, sequence, timestamp, ssrc: 77 };
        self.socket.send_to(&header.write(payload), self.to).expect("loopback takes it");
    }

    /// What it has heard so far; `tone` is anything that is no prompt.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panics with it").clone()
    }

    /// Waits until these prompts have been heard, one right after the other, and forgets what came before.
    pub fn hears(&self, words: &[&str]) {
        within(PATIENCE, &format!("{words:?} is heard, {:?} is", self.heard()), || {
            let mut heard = self.heard.lock().expect("nobody panics with it");
            let found = heard.windows(words.len()).position(|some| some == words);
            if let Some(at) = found {
                heard.drain(..at + words.len());
            }
            found.is_some()
        });
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(ear) = self.ear.take() {
            let _ = ear.join();
        }
        if thread::panicking() {
            eprintln!("the phone has heard {:?}", self.heard.lock().map(|heard| heard.clone()));
        }
    }
}

/// A prompt is at least two frames of its octet; the same one again comes after another.
fn listen(socket: &UdpSocket, heard: &Mutex<Vec<String>>, over: &AtomicBool) {
    let names = prompts();
    let (mut buffer, mut last, mut run) = ([0; 2048], 0_usize, 0_u32);
    while !over.load(Ordering::Relaxed) {
        let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
        let Ok(packet) = rtp::Packet::read(&buffer[..length]) else { continue };
        let first = packet.payload.first().copied().unwrap_or(0);
        let flat = packet.payload.iter().all(|octet| *octet == first);
        let place = match (flat, first == Codec::Pcma.silence()) {
            (true, true) => 0,
            (true, false) => usize::from(first),
            (false, _) => usize::MAX,
        };
        run = if place == last { run + 1 } else { 1 };
        last = place;
        // Every 60 ms of the same octet are a prompt.
        let name = match place {
            0 => continue,
            usize::MAX if run == 1 => "tone".to_owned(),
            usize::MAX => continue,
            _ if run % 3 != 2 => continue,
            place => names.get(place - 1).cloned().unwrap_or_else(|| format!("octet {place}")),
        };
        heard.lock().expect("nobody panics with it").push(name);
    }
}
