//! What a peer hears and says: real RTP on a port of its own (RFC 3550), G.711 at 20 ms.

use std::{
    cell::RefCell,
    io,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use ringpost::voicemail::{
    g711::{Codec, RATE},
    rtp::{Header, Packet},
};
use tokio::{net::UdpSocket, sync::Notify, time};

const FRAME: Duration = Duration::from_millis(20);
/// Samples in [`FRAME`].
const SAMPLES: usize = 160;
/// The pitch of UM's beep.
const BEEP: f64 = 1000.0;
/// So many frames of it in a row are a beep: no vowel of a greeting is that long and that pure.
const BEEP_FRAMES: u32 = 20;
/// How much of the beep may still come after them.
const REST: Duration = Duration::from_millis(150);

/// Ear and mouth of one peer.
#[derive(Clone)]
pub struct Media {
    socket: Rc<UdpSocket>,
    ear: Rc<RefCell<Ear>>,
    beeped: Rc<Notify>,
    /// Where it listens.
    pub local: SocketAddr,
}

/// What has been heard since the last [`Media::forget`].
#[derive(Default)]
struct Ear {
    packets: u32,
    /// Frames of the beep in a row.
    beep: u32,
}

impl Media {
    /// Opens a port and listens.
    pub async fn open() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let local = socket.local_addr()?;
        let media =
            Self { socket: Rc::new(socket), ear: Rc::default(), beeped: Rc::new(Notify::new()), local };
        actix::spawn(media.clone().listen());
        Ok(media)
    }

    async fn listen(self) {
        let mut datagram = [0; 2048];
        loop {
            // An error here is the ICMP echo of a packet that came too late for its peer.
            let Ok(length) = self.socket.recv(&mut datagram).await else { continue };
            let Ok(Packet { header, payload }) = Packet::read(&datagram[..length]) else { continue };
            let codec = Codec::ALL.into_iter().find(|codec| codec.payload_type() == header.payload_type);
            if codec.is_some_and(|codec| self.ear.borrow_mut().hear(codec, payload)) {
                self.beeped.notify_one();
            }
        }
    }

    /// How many packets have come.
    pub fn packets(&self) -> u32 {
        self.ear.borrow().packets
    }

    /// Begins to count anew.
    pub fn forget(&self) {
        *self.ear.borrow_mut() = Ear::default();
    }

    /// Waits until the beep is over, as a caller does before speaking.
    pub async fn beep(&self) {
        self.beeped.notified().await;
        time::sleep(REST).await;
    }

    /// Says `audio` to `to`, in time; gives the number of packets.
    ///
    /// # Errors
    /// As the socket says.
    pub async fn say(&self, codec: Codec, audio: &[u8], to: SocketAddr) -> io::Result<u32> {
        let mut clock = time::interval(FRAME);
        let mut header = Header {
            marker: true,
            payload_type: codec.payload_type(),
            sequence: fastrand::u16(..),
            timestamp: fastrand::u32(..),
            ssrc: fastrand::u32(..),
        };
        let mut sent = 0;
        for frame in audio.chunks(SAMPLES) {
            clock.tick().await;
            self.socket.send_to(&header.write(frame), to).await?;
            header.marker = false;
            header.sequence = header.sequence.wrapping_add(1);
            header.timestamp = header.timestamp.wrapping_add(SAMPLES as u32);
            sent += 1;
        }
        Ok(sent)
    }
}

impl Ear {
    /// Takes one packet; true where it makes a beep whole.
    fn hear(&mut self, codec: Codec, payload: &[u8]) -> bool {
        self.packets += 1;
        let loud = codec.rms(payload) > 500;
        if loud && share_of_pitch(BEEP, codec, payload) > 0.9 {
            self.beep += 1;
            return self.beep == BEEP_FRAMES;
        }
        self.beep = 0;
        false
    }
}

/// How much of the power of `audio` lies at a pitch, 0 to 1 (Goertzel's algorithm).
pub fn share_of_pitch(hertz: f64, codec: Codec, audio: &[u8]) -> f64 {
    let turn = 2.0 * (hertz * std::f64::consts::TAU / f64::from(RATE)).cos();
    let (mut last, mut before, mut power) = (0.0, 0.0, 0.0);
    for octet in audio {
        let sample = f64::from(codec.decode(*octet));
        (before, last) = (last, sample + turn * last - before);
        power += sample * sample;
    }
    let at_pitch = last * last + before * before - turn * last * before;
    if power > 0.0 { at_pitch * 2.0 / (power * audio.len() as f64) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pitch_is_told_from_others_and_from_silence() {
        for codec in Codec::ALL {
            let tone = codec.tone(440.0, 0.5, Duration::from_secs(1));
            assert!(share_of_pitch(440.0, codec, &tone) > 0.99);
            assert!(share_of_pitch(1000.0, codec, &tone) < 0.01);
            assert!(share_of_pitch(440.0, codec, &[codec.silence(); 800]) < 0.1);
        }
        assert!(share_of_pitch(440.0, Codec::Pcma, &[]) < 0.1, "nothing was heard");
    }

    #[test]
    fn only_a_whole_beep_is_a_beep() {
        let frame = |hertz| Codec::Pcma.tone(hertz, 0.25, FRAME);
        let (beep, voice) = (frame(BEEP), frame(300.0));
        for (beeps, expected) in [(10, 0), (25, 1), (30, 1)] {
            let mut ear = Ear::default();
            let heard = std::iter::repeat_n(&beep, beeps).chain([&voice]);
            let ended = heard.filter(|frame| ear.hear(Codec::Pcma, frame)).count();
            assert_eq!(ended, expected, "{beeps} frames");
        }
    }
}
