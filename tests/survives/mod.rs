//! What must hold of any octets, room by room; shared by the property tests, the fuzz targets in `fuzz/`, and
//! `tests/seeds.rs`, which plays the kept corpus on every run.
#![allow(dead_code, reason = "each user takes its part")]

pub mod digest;
pub mod lane;
pub mod media;
pub mod message;
pub mod notification;
pub mod refer;
pub mod register;
pub mod sdp;
pub mod stream;

/// A room's name in `fuzz/seeds`, and what is done there with octets.
pub type Room = (&'static str, fn(&[u8]));

/// Every room.
pub const ROOMS: [Room; 9] = [
    ("digest", digest::survives),
    ("lane", lane::survives),
    ("media", media::survives),
    ("message", message::agrees),
    ("notification", notification::survives),
    ("refer", refer::survives),
    ("register", register::survives),
    ("sdp", sdp::survives),
    ("stream", stream::survives),
];

/// Octets read as decisions; when they have run out, every one is zero.
pub struct Dice<'a>(pub &'a [u8]);

impl<'a> Dice<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    pub fn double(&mut self) -> u32 {
        u32::from(self.word()) << 16 | u32::from(self.word())
    }

    /// One of those; the slice must not be empty.
    pub fn one<'b, T>(&mut self, of: &'b [T]) -> &'b T {
        &of[usize::from(self.octet()) % of.len()]
    }

    /// The next octets, as many as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
