//! What the caller hears: audio cut into packets, one every 20 ms.

use std::time::Duration;

use super::{
    g711::{Codec, octets_in},
    rtp::Header,
};

/// The length of a packet in time and in octets.
const FRAME: Duration = Duration::from_millis(20);
const OCTETS: usize = 160;

/// Later than this and the missed packets are not hurried out, the audio pauses instead.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where a stream of ours begins: all three random (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seed {
    /// Who speaks.
    pub ssrc: u32,
    /// The first sequence number.
    pub sequence: u16,
    /// The timestamp at the session's time zero.
    pub timestamp: u32,
}

/// Numbers the packets of one session. Timestamps follow the session's time, so pauses need no bookkeeping.
#[derive(Clone, Copy, Debug)]
pub struct Speaker {
    next: Seed,
    /// The next packet begins a talk spurt (RFC 3551 §4.1).
    fresh: bool,
}

/// Audio on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Playing {
    position: usize,
    /// When the next packet is due.
    pub due: Duration,
}

impl Speaker {
    /// Has said nothing yet.
    pub fn new(seed: Seed) -> Self {
        Self { next: seed, fresh: true }
    }

    /// One packet with the audio that is due at `due`.
    pub fn say(&mut self, payload_type: u8, octets: &[u8], due: Duration) -> Vec<u8> {
        let timestamp = self.next.timestamp.wrapping_add(octets_in(due) as u32);
        let header = Header {
            marker: std::mem::take(&mut self.fresh),
            payload_type,
            sequence: self.next.sequence,
            timestamp,
            ssrc: self.next.ssrc,
        };
        self.next.sequence = self.next.sequence.wrapping_add(1);
        header.write(octets)
    }

    /// What is said next comes after a pause.
    pub fn pause(&mut self) {
        self.fresh = true;
    }
}

impl Playing {
    /// Begins at the beginning.
    pub fn from(now: Duration) -> Self {
        Self { position: 0, due: now }
    }

    /// The next frame of `audio` that is due, and when it was; the last one is filled up with silence.
    pub fn next(&mut self, audio: &[u8], codec: Codec, now: Duration) -> Option<([u8; OCTETS], Duration)> {
        let left = audio.get(self.position..).filter(|left| !left.is_empty() && self.due <= now)?;
        if now - self.due > PATIENCE {
            self.due = now;
        }
        let mut frame = [codec.silence(); OCTETS];
        let length = left.len().min(OCTETS);
        frame[..length].copy_from_slice(&left[..length]);
        self.position += OCTETS;
        let due = self.due;
        self.due += FRAME;
        Some((frame, due))
    }

    /// The last frame has been heard to its end.
    pub fn is_over(&self, audio: &[u8], now: Duration) -> bool {
        self.position >= audio.len() && self.due <= now
    }
}
