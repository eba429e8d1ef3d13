//! Audio of any length that a menu plays: kept in one codec, sent in whichever was agreed.

use std::{sync::Arc, time::Duration};

use super::{
    g711::{self, Codec, octets_in},
    wav::Wav,
};

const RING_BACK_HERTZ: f64 = 425.0;
const RING_BACK_LOUDNESS: f64 = 0.1;

/// Audio that is cheap to clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Clip {
    codec: Codec,
    octets: Arc<[u8]>,
}

impl Clip {
    /// Octets of that codec.
    pub fn new(codec: Codec, octets: Vec<u8>) -> Self {
        Self { codec, octets: octets.into() }
    }

    /// From a file that was read.
    pub fn of_wav(wav: &Wav<'_>) -> Self {
        Self::new(Codec::Pcma, wav.to_codec(Codec::Pcma))
    }

    /// Samples of the telephone's rate.
    pub fn of_samples(samples: &[i16]) -> Self {
        Self::new(Codec::Pcma, samples.iter().map(|sample| Codec::Pcma.encode(*sample)).collect())
    }

    /// One turn of the ring-back tone as most of Europe knows it: one second of 425 Hz, four of silence.
    pub fn ring_back() -> Self {
        let second = Duration::from_secs(1);
        let mut octets = Codec::Pcma.tone(RING_BACK_HERTZ, RING_BACK_LOUDNESS, second);
        octets.resize(octets_in(5 * second) as usize, Codec::Pcma.silence());
        Self::new(Codec::Pcma, octets)
    }

    /// Its own codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Its octets in its own codec.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// How long it sounds.
    pub fn length(&self) -> Duration {
        g711::time_of(self.octets.len() as u64)
    }
}
