//! G.711, the telephone's own codec: A-law and µ-law octets, eight thousand a second.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Samples, and so octets, per second.
pub const RATE: u32 = 8000;

/// A root mean square below this, of 32,768, is silence: about -44 dBov. Speech is about -26, an idle line below -55.
const VOICE: u64 = 200;

/// 20 ms, the stretch that is called voice or silence as a whole.
const FRAME: usize = 160;

/// Which of the two laws (RFC 3551 §4.5.14).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// A-law, Europe's.
    Pcma,
    /// µ-law, America's and Japan's.
    Pcmu,
}

impl Codec {
    /// Both, for tables, in the order that Ringpost offers them.
    pub const ALL: [Self; 2] = [Self::Pcma, Self::Pcmu];

    /// The static payload type (RFC 3551 table 4).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcma => 8,
            Self::Pcmu => 0,
        }
    }

    /// The encoding name of `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    /// The octet that sounds like nothing, for what was lost.
    pub fn silence(self) -> u8 {
        match self {
            Self::Pcma => 0xD5,
            Self::Pcmu => 0xFF,
        }
    }

    /// One octet as a 16-bit sample.
    pub fn decode(self, octet: u8) -> i16 {
        self.law().linear[usize::from(octet)]
    }

    /// The octet nearest to a 16-bit sample.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcma => encode_a(sample),
            Self::Pcmu => encode_mu(sample),
        }
    }

    /// Rewrites octets of `self` into octets of `to`, in place.
    pub fn transcode(self, to: Self, octets: &mut [u8]) {
        if self == to {
            return;
        }
        let other = &self.law().other;
        octets.iter_mut().for_each(|octet| *octet = other[usize::from(*octet)]);
    }

    /// How loud a stretch is: the root mean square of its samples, 0 for an empty one.
    pub fn rms(self, octets: &[u8]) -> u32 {
        let mean = self.energy(octets) / (octets.len().max(1) as u64);
        u32::try_from(mean.isqrt()).unwrap_or(u32::MAX)
    }

    /// Where voice is heard: for each 20 ms, or what is left of them at the end, the number of octets and the verdict.
    pub fn frames(self, octets: &[u8]) -> impl Iterator<Item = (usize, bool)> {
        octets.chunks(FRAME).map(move |frame| (frame.len(), self.is_voice(frame)))
    }

    /// A sine wave, `length` long, loud as a fraction of full scale.
    pub fn tone(self, hertz: f64, loudness: f64, length: Duration) -> Vec<u8> {
        let step = hertz * std::f64::consts::TAU / f64::from(RATE);
        let peak = loudness * f64::from(i16::MAX);
        (0..octets_in(length)).map(|n| self.encode((peak * (step * n as f64).sin()) as i16)).collect()
    }

    fn is_voice(self, frame: &[u8]) -> bool {
        self.energy(frame) >= VOICE * VOICE * frame.len() as u64
    }

    fn energy(self, octets: &[u8]) -> u64 {
        let square = &self.law().square;
        octets.iter().map(|octet| u64::from(square[usize::from(*octet)])).sum()
    }

    fn law(self) -> &'static Law {
        match self {
            Self::Pcma => &A,
            Self::Pcmu => &MU,
        }
    }
}

/// How many octets a length of time takes.
pub fn octets_in(time: Duration) -> u64 {
    u64::try_from(time.as_micros() * u128::from(RATE) / 1_000_000).unwrap_or(u64::MAX)
}

/// How long that many octets sound.
pub fn time_of(octets: u64) -> Duration {
    Duration::from_nanos(octets.saturating_mul(1_000_000_000 / u64::from(RATE)))
}

/// All that is ever asked about an octet, worked out at compile time.
struct Law {
    linear: [i16; 256],
    square: [u32; 256],
    other: [u8; 256],
}

static A: Law = tabulate(true);
static MU: Law = tabulate(false);

const fn tabulate(a_law: bool) -> Law {
    let mut law = Law { linear: [0; 256], square: [0; 256], other: [0; 256] };
    let mut octet = 0;
    while octet < 256 {
        let sample = if a_law { decode_a(octet as u8) } else { decode_mu(octet as u8) };
        law.linear[octet] = sample;
        law.square[octet] = (sample as i32 * sample as i32) as u32;
        law.other[octet] = if a_law { encode_mu(sample) } else { encode_a(sample) };
        octet += 1;
    }
    law
}

/// ITU-T G.711 table 1: sign, three bits of segment, four of step; every other bit inverted on the wire.
const fn decode_a(octet: u8) -> i16 {
    let bits = octet ^ 0x55;
    let segment = (bits >> 4) & 7;
    let step = ((bits & 0xF) as i16) << 4;
    let magnitude = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
    if bits & 0x80 == 0 { -magnitude } else { magnitude }
}

/// ITU-T G.711 table 2: as A-law, but all bits inverted and the segments offset by 0x84.
const fn decode_mu(octet: u8) -> i16 {
    let bits = !octet;
    let magnitude = (((((bits & 0xF) as i32) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84;
    if bits & 0x80 == 0 { magnitude as i16 } else { -magnitude as i16 }
}

const fn encode_a(sample: i16) -> u8 {
    // The negative half begins one step lower: -1 and 0 are neighbours on either side of the axis.
    let (sign, magnitude) = if sample < 0 { (0, !sample as u16) } else { (0x80, sample as u16) };
    let bits = if magnitude < 0x100 { (magnitude >> 4) as u8 } else { segment_and_step(magnitude) };
    (sign | bits) ^ 0x55
}

const fn encode_mu(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs();
    let clipped = if magnitude > 32_635 { 32_635 } else { magnitude };
    !(sign | segment_and_step(clipped + 0x84))
}

const fn segment_and_step(magnitude: u16) -> u8 {
    let segment = 8 - magnitude.leading_zeros() as u16;
    ((segment << 4) | ((magnitude >> (segment + 3)) & 0xF)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_decode_to_the_values_of_the_standard() {
        let table = [
            (Codec::Pcma, 0xD5, 8),
            (Codec::Pcma, 0x55, -8),
            (Codec::Pcma, 0xAA, 32_256),
            (Codec::Pcma, 0x2A, -32_256),
            (Codec::Pcma, 0x85, 4224),
            (Codec::Pcmu, 0xFF, 0),
            (Codec::Pcmu, 0x7F, 0),
            (Codec::Pcmu, 0x80, 32_124),
            (Codec::Pcmu, 0x00, -32_124),
        ];
        for (codec, octet, sample) in table {
            assert_eq!(codec.decode(octet), sample, "{codec:?} {octet:#04x}");
        }
    }

    #[test]
    fn encoding_undoes_decoding() {
        for codec in Codec::ALL {
            for octet in 0..=255 {
                let again = codec.encode(codec.decode(octet));
                // µ-law has two zeroes; the positive one is written.
                let expected = if (codec, octet) == (Codec::Pcmu, 0x7F) { 0xFF } else { octet };
                assert_eq!(again, expected, "{codec:?} {octet:#04x}");
            }
        }
    }

    #[test]
    fn any_sample_is_encoded_within_its_step() {
        for codec in Codec::ALL {
            for sample in i16::MIN..=i16::MAX {
                let error = (i32::from(codec.decode(codec.encode(sample))) - i32::from(sample)).abs();
                assert!(
                    error <= 16.max(i32::from(sample).abs() / 16),
                    "{codec:?} {sample} is off by {error}"
                );
            }
        }
    }

    #[test]
    fn loudness_tells_voice_from_silence() {
        let second = Duration::from_secs(1);
        for codec in Codec::ALL {
            let table = [
                (vec![codec.silence(); 160], 8, false),
                (codec.tone(440.0, 0.5, second), 11_585, true),
                (codec.tone(440.0, 0.005, second), 116, false),
            ];
            for (octets, rms, voice) in table {
                let heard = codec.rms(&octets);
                assert!(heard.abs_diff(rms) <= 8 + rms / 50, "{codec:?}: {heard} for {rms}");
                assert!(codec.frames(&octets).all(|(_, verdict)| verdict == voice), "{codec:?} {rms}");
            }
        }
        assert_eq!(Codec::Pcma.rms(&[]), 0);
    }

    #[test]
    fn a_tone_keeps_its_loudness_when_transcoded() {
        for (from, to) in [(Codec::Pcma, Codec::Pcmu), (Codec::Pcmu, Codec::Pcma)] {
            let mut octets = from.tone(1000.0, 0.3, Duration::from_millis(200));
            let before = from.rms(&octets);
            from.transcode(to, &mut octets);
            assert!(to.rms(&octets).abs_diff(before) < before / 50);
        }
    }

    #[test]
    fn octets_and_time_agree() {
        let table = [(0, 0), (20, 160), (1000, 8000), (5, 40)];
        for (millis, octets) in table {
            assert_eq!(octets_in(Duration::from_millis(millis)), octets);
            assert_eq!(time_of(octets), Duration::from_millis(millis));
        }
    }
}
