//! What the embedded UM plays, ready to be sent.

use std::{sync::Arc, time::Duration};

use super::{
    BEEP_LOUDNESS,
    g711::{self, Codec},
    wav::Wav,
};

const DONE_HERTZ: f64 = 650.0;
const DONE_LENGTH: Duration = Duration::from_millis(200);

/// Audio in both codecs, position for position the same.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// A-law.
    pub pcma: Arc<[u8]>,
    /// µ-law.
    pub pcmu: Arc<[u8]>,
}

impl Greeting {
    /// From a file that was read.
    pub fn new(wav: &Wav) -> Self {
        Self { pcma: wav.to_codec(Codec::Pcma).into(), pcmu: wav.to_codec(Codec::Pcmu).into() }
    }

    /// Two short tones: it is done.
    pub fn done() -> Self {
        let pair = |codec: Codec| {
            let tone = codec.tone(DONE_HERTZ, BEEP_LOUDNESS, DONE_LENGTH);
            let gap = vec![codec.silence(); tone.len()];
            [&gap[..], &tone, &gap, &tone, &gap].concat()
        };
        Self { pcma: pair(Codec::Pcma).into(), pcmu: pair(Codec::Pcmu).into() }
    }

    /// Nothing at all.
    pub fn none() -> Self {
        Self { pcma: [].into(), pcmu: [].into() }
    }

    /// How long it sounds.
    pub fn length(&self) -> Duration {
        g711::time_of(self.pcma.len() as u64)
    }

    pub(super) fn octets(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcma => &self.pcma,
            Codec::Pcmu => &self.pcmu,
        }
    }
}
