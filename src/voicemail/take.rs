//! One take of the tape: packets laid out by their timestamps, gaps filled, voice and silence told apart.

use std::time::Duration;

use super::g711::{Codec, octets_in, time_of};

/// A recording in the making. Its newest one to two seconds are kept back, so that late packets still find their place.
#[derive(Clone, Debug)]
pub struct Take {
    codec: Codec,
    /// Octets already handed out.
    settled: u64,
    /// What follows them.
    window: Vec<u8>,
    clock: Option<Clock>,
    strays: Strays,
    voice: Voice,
    /// When voice was last heard: it ends the recording by its absence.
    pub last_voice: Duration,
    /// When the last packet came, voice or not.
    pub last_packet: Option<Duration>,
}

/// What a finished take is worth.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Worth {
    /// The octets to keep: up to the last voice.
    pub octets: u64,
    /// How much of it is voice.
    pub voiced: Duration,
}

/// Where the newest packet lies: timestamps are read relative to it, so that they may wrap.
#[derive(Clone, Copy, Debug)]
struct Clock {
    began: Duration,
    ssrc: u32,
    timestamp: u32,
    position: u64,
    /// When it came.
    heard: Duration,
}

/// Packets in a row that are too late to be placed: a sender that set its clock back looks like that.
#[derive(Clone, Copy, Debug, Default)]
struct Strays {
    count: u8,
    timestamp: u32,
}

/// Voice heard so far, in octets.
#[derive(Clone, Copy, Debug, Default)]
struct Voice {
    octets: u64,
    until: u64,
}

const SECOND: usize = 8000;
/// The longest gap that is filled; more is left out.
const LONGEST_GAP: u64 = 10 * SECOND as u64;
/// How far timestamps may run ahead of the wall clock: bursts after a stall, drifting crystals.
const AHEAD: u64 = SECOND as u64;
/// How many strays in a row mean that the sender set its clock back.
const CLOCK_SET_BACK: u8 = 10;
/// What is kept after the last voice, so that its end does not sound chopped: 200 ms.
const FADE: u64 = 1600;

impl Take {
    /// A take that begins `now`, though its first octet is that of the first packet.
    pub fn new(codec: Codec, now: Duration) -> Self {
        let window = Vec::with_capacity(2 * SECOND + 2000);
        let (clock, strays, voice) = (None, Strays::default(), Voice::default());
        Self { codec, settled: 0, window, clock, strays, voice, last_voice: now, last_packet: None }
    }

    /// Lays a packet where its timestamp says; what has settled by that comes out, a second at a time.
    pub fn place(&mut self, ssrc: u32, timestamp: u32, octets: &[u8], now: Duration) -> Option<Vec<u8>> {
        self.last_packet = Some(now);
        let at = self.find(ssrc, timestamp, octets.len() as u64, now)?;
        let start = usize::try_from(at - self.settled).ok()?;
        let end = start + octets.len();
        if end > self.window.len() {
            self.window.resize(end, self.codec.silence());
        }
        self.window[start..end].copy_from_slice(octets);
        if self.codec.frames(octets).any(|(_, voice)| voice) {
            self.last_voice = now;
        }
        self.settle()
    }

    /// The octets that are left, and what the whole is worth; nothing beyond `limit` is kept.
    pub fn end(mut self, limit: Duration) -> (Vec<u8>, Worth) {
        let rest = std::mem::take(&mut self.window);
        self.listen(&rest);
        let whole = self.settled + rest.len() as u64;
        let kept = (self.voice.until + FADE).min(whole).min(octets_in(limit));
        let octets = if self.voice.octets == 0 { 0 } else { kept };
        (rest, Worth { octets, voiced: time_of(self.voice.octets) })
    }

    /// Where in the recording a packet belongs; `None` if it is too late, or comes faster than time.
    fn find(&mut self, ssrc: u32, timestamp: u32, length: u64, now: Duration) -> Option<u64> {
        let end = self.settled + self.window.len() as u64;
        let first = Clock { began: now, ssrc, timestamp, position: 0, heard: now };
        let clock = *self.clock.get_or_insert(first);
        // Where timestamps say nothing the wall clock tells how much is missing.
        let splice = end + octets_in(now.saturating_sub(clock.heard)).saturating_sub(length).min(LONGEST_GAP);
        let newest = octets_in(now.saturating_sub(clock.began)) + AHEAD;
        let distance = i64::from(timestamp.wrapping_sub(clock.timestamp) as i32);
        let at = match clock.position.checked_add_signed(distance) {
            _ if ssrc != clock.ssrc => splice,
            Some(at) if at >= end && at > newest => splice,
            Some(at) if at >= end => at.min(end + LONGEST_GAP),
            Some(at) if at >= self.settled => at,
            _ if self.strays.say_clock_set_back(timestamp) => splice,
            _ => return None,
        };
        if at + length > newest.max(length) {
            return None;
        }
        self.strays = Strays::default();
        if at >= end {
            self.clock = Some(Clock { ssrc, timestamp, position: at, heard: now, ..clock });
        }
        Some(at)
    }

    fn settle(&mut self) -> Option<Vec<u8>> {
        if self.window.len() < 2 * SECOND {
            return None;
        }
        // A gap just filled may be worth several seconds.
        let ripe = (self.window.len() / SECOND - 1) * SECOND;
        let octets: Vec<u8> = self.window.drain(..ripe).collect();
        self.listen(&octets);
        self.settled += octets.len() as u64;
        Some(octets)
    }

    /// Counts the voice in octets that follow the settled ones.
    fn listen(&mut self, octets: &[u8]) {
        let mut at = self.settled;
        for (length, voice) in self.codec.frames(octets) {
            at += length as u64;
            if voice {
                self.voice = Voice { octets: self.voice.octets + length as u64, until: at };
            }
        }
    }
}

/// What a file left behind by a crash is worth: its octets, as they lie there.
pub fn worth(codec: Codec, octets: &[u8]) -> Worth {
    let mut take = Take::new(codec, Duration::ZERO);
    take.window = octets.to_vec();
    take.end(Duration::MAX).1
}

impl Strays {
    fn say_clock_set_back(&mut self, timestamp: u32) -> bool {
        let onward = (timestamp.wrapping_sub(self.timestamp) as i32) > 0;
        *self = Self { count: if onward { self.count.saturating_add(1) } else { 1 }, timestamp };
        self.count >= CLOCK_SET_BACK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: u8 = 0xAA;
    const NONE: u8 = 0xD5;

    /// When it came (ms), its timestamp, how many octets.
    type Row = (u64, u32, usize);
    /// An octet and how often it follows itself.
    type Run = (u8, usize);

    #[test]
    fn packets_lie_where_their_timestamps_say() {
        let table: [(&str, &[Row], &[Run]); 9] = [
            ("in order", &[(0, 7, 160), (20, 167, 160)], &[(LOUD, 320)]),
            ("any ptime", &[(0, 0, 80), (10, 80, 80), (40, 160, 240)], &[(LOUD, 400)]),
            ("one lost", &[(0, 0, 160), (40, 320, 160)], &[(LOUD, 160), (NONE, 160), (LOUD, 160)]),
            ("reordered", &[(0, 0, 160), (40, 320, 160), (41, 160, 160)], &[(LOUD, 480)]),
            ("doubled", &[(0, 0, 160), (1, 0, 160), (20, 160, 160), (21, 0, 160)], &[(LOUD, 320)]),
            ("wrapping", &[(0, u32::MAX - 79, 160), (20, 80, 160)], &[(LOUD, 320)]),
            ("too old", &[(0, 5000, 160), (20, 0, 160), (40, 5160, 160)], &[(LOUD, 320)]),
            (
                "a clock that leaps ahead is spliced",
                &[(0, 0, 160), (20, 0x4000_0000, 160), (40, 0x4000_00A0, 160)],
                &[(LOUD, 480)],
            ),
            (
                "a gap is filled up to ten seconds",
                &[(0, 0, 160), (60_000, 480_000, 160)],
                &[(LOUD, 160), (NONE, 80_000), (LOUD, 160)],
            ),
        ];
        for (name, rows, expected) in table {
            assert_eq!(runs(&recorded(rows)), expected, "{name}");
        }
    }

    #[test]
    fn a_clock_set_back_is_believed_after_ten_packets() {
        let before = (0..5).map(|n| (u64::from(n) * 20, 1_000_000 + n * 160, 160));
        let after = (5..30).map(|n| (u64::from(n) * 20, n * 160, 160));
        let rows: Vec<Row> = before.chain(after).collect();
        assert_eq!(runs(&recorded(&rows)), [(LOUD, 5 * 160), (NONE, 9 * 160), (LOUD, 16 * 160)]);
    }

    #[test]
    fn another_source_goes_on_after_the_time_that_passed() {
        let mut take = Take::new(Codec::Pcma, Duration::ZERO);
        for (ssrc, timestamp, millis) in [(1, 5000, 0), (1, 5160, 20), (2, 77, 1040), (2, 237, 1060)] {
            assert_eq!(take.place(ssrc, timestamp, &[LOUD; 160], Duration::from_millis(millis)), None);
        }
        assert_eq!(runs(&take.end(Duration::MAX).0), [(LOUD, 320), (NONE, 8000), (LOUD, 320)]);
    }

    #[test]
    fn a_sender_faster_than_time_cannot_swell_the_file() {
        let rows: Vec<Row> = (0..1000).map(|n| (u64::from(n), n * 1400, 1400)).collect();
        let length = recorded(&rows).len();
        assert!(length <= 2 * SECOND, "{length} octets in one second");
    }

    #[test]
    fn a_late_packet_finds_its_place_for_a_second() {
        let mut rows: Vec<Row> =
            (0..200).filter(|n| *n != 100).map(|n| (u64::from(n) * 20, n * 160, 160)).collect();
        rows.insert(148, (2990, 16_000, 160));
        assert_eq!(runs(&recorded(&rows)), [(LOUD, 32_000)]);
    }

    #[test]
    fn trailing_silence_is_cut_and_voice_is_counted() {
        let loud = |n: usize| vec![LOUD; n];
        let none = |n: usize| vec![NONE; n];
        let second = |n| Duration::from_secs(n);
        let table = [
            ("nothing", vec![], 0, second(0)),
            ("silence", none(8000), 0, second(0)),
            ("voice", loud(8000), 8000, second(1)),
            ("voice, silence", [loud(8000), none(40_000)].concat(), 9600, second(1)),
            ("voice, pause, voice", [loud(8000), none(8000), loud(8000)].concat(), 24_000, second(2)),
        ];
        for (name, octets, kept, voiced) in table {
            assert_eq!(worth(Codec::Pcma, &octets), Worth { octets: kept, voiced }, "{name}");
        }
        let mut take = Take::new(Codec::Pcma, Duration::ZERO);
        take.window = loud(24_000);
        assert_eq!(take.end(second(1)).1.octets, 8000, "no longer than the limit");
    }

    fn recorded(rows: &[Row]) -> Vec<u8> {
        let mut take = Take::new(Codec::Pcma, Duration::ZERO);
        let mut tape = Vec::new();
        for &(millis, timestamp, length) in rows {
            tape.extend(
                take.place(1, timestamp, &vec![LOUD; length], Duration::from_millis(millis))
                    .unwrap_or_default(),
            );
        }
        tape.extend(take.end(Duration::MAX).0);
        tape
    }

    fn runs(tape: &[u8]) -> Vec<Run> {
        tape.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect()
    }
}
