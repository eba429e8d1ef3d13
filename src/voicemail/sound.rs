//! A recording as a notice carries it: as it was recorded, as PCM, or as Opus in Ogg (RFC 6716, RFC 7845).

use opus_pure::{
    Application, MAX_PACKET_BYTES, MAX_PACKET_SAMPLES, OggOpusReader, OggOpusWriter, OpusEncoder, OpusHead,
    Trim,
};
use thiserror::Error;

use super::{
    g711::RATE,
    wav::{Wav, WavError, pcm},
};
use crate::settings::Audio;

/// Speech of a telephone is as good as it was with half of it.
const BITS_PER_SECOND: i32 = 16_000;
/// The samples of a packet, 20 ms.
const FRAME: usize = RATE as usize / 50;
/// Ogg counts samples of 48 kHz, whatever was encoded (RFC 7845 §4).
const TICKS: usize = 48_000 / RATE as usize;

/// A recording in a format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sound {
    /// The format.
    pub format: Audio,
    /// The file.
    pub octets: Vec<u8>,
}

/// Why a recording stays as it is.
#[derive(Debug, Error)]
pub enum SoundError {
    /// It cannot be read.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// The encoder failed.
    #[error("the Opus encoder: {0}")]
    Opus(#[from] opus_pure::Error),
}

impl Sound {
    /// The recording as it was recorded.
    pub fn recorded(wav: Vec<u8>) -> Self {
        Self { format: Audio::Wav, octets: wav }
    }

    /// The recording in that format. It takes some milliseconds of CPU time for each second.
    pub fn converted(wav: &[u8], format: Audio) -> Result<Self, SoundError> {
        let octets = match format {
            Audio::Wav => wav.to_vec(),
            Audio::Pcm => pcm(&Wav::read(wav)?.to_pcm()),
            Audio::Opus => opus(&Wav::read(wav)?.to_pcm())?,
        };
        Ok(Self { format, octets })
    }
}

/// The samples of Opus in Ogg, at the telephone's rate; of a stereo file, which Ringpost has none of, nothing good.
///
/// # Errors
/// It is no such file, or is spoilt.
pub fn decoded(ogg: &[u8]) -> Result<Vec<i16>, SoundError> {
    let mut reader = OggOpusReader::new(ogg)?;
    let mut decoder = reader.head().decoder(RATE as i32)?;
    let mut trim = Trim::new(reader.head(), RATE as i32, 1)?;
    let (mut block, mut samples) = (vec![0.0; MAX_PACKET_SAMPLES], vec![]);
    for packet in reader.packets() {
        let packet = packet?;
        let count = decoder.decode(&packet.data, MAX_PACKET_SAMPLES, &mut block)?;
        let kept = trim.keep(&packet, &block[..count]);
        samples.extend(kept.iter().map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16));
    }
    Ok(samples)
}

/// As long as the samples, to the sample.
fn opus(samples: &[i16]) -> Result<Vec<u8>, opus_pure::Error> {
    let mut encoder = OpusEncoder::new(RATE as i32, 1, Application::Voip)?;
    encoder.bitrate_bps = BITS_PER_SECOND;
    let head = OpusHead::for_encoder(&encoder, RATE);
    let lead = usize::from(head.pre_skip);
    // What the encoder still holds at the end is pushed out by silence.
    let frames = (samples.len() + lead.div_ceil(TICKS)).div_ceil(FRAME).max(1);
    let end = lead + samples.len() * TICKS;
    let mut writer = OggOpusWriter::new(Vec::new(), head)?;
    let mut packet = vec![0; MAX_PACKET_BYTES];
    let (mut frame, mut written) = ([0; FRAME], 0);
    for at in 0..frames {
        let rest = samples.get(at * FRAME..).unwrap_or_default();
        let some = &rest[..rest.len().min(FRAME)];
        frame.fill(0);
        frame[..some.len()].copy_from_slice(some);
        let size = encoder.encode_s16(&frame, FRAME, &mut packet)?;
        let length = (FRAME * TICKS).min(end - written);
        written += length;
        // The last packet says where the audio ends within it (RFC 7845 §4.4).
        writer.write_packet_with_duration(&packet[..size], length as u32)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::voicemail::{g711::Codec, wav};

    fn recording(codec: Codec, length: Duration) -> Vec<u8> {
        let tone = codec.tone(440.0, 0.3, length);
        [wav::header(codec, tone.len() as u32).to_vec(), tone].concat()
    }

    /// How often the sign changes from minus to plus in a second.
    fn hertz(samples: &[i16]) -> f64 {
        let rises = samples.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
        rises as f64 * f64::from(RATE) / samples.len() as f64
    }

    #[test]
    fn every_format_keeps_length_and_tone() {
        for codec in Codec::ALL {
            // Not a whole number of packets.
            for millis in [1u64, 20, 2_345] {
                let wav = recording(codec, Duration::from_millis(millis));
                let count = millis as usize * 8;
                let pcm = Sound::converted(&wav, Audio::Pcm).expect("PCM");
                let read = Wav::read(&pcm.octets).expect("a WAV file");
                assert_eq!((read.format, read.samples.len()), (wav::Format::Pcm16, count * 2));
                let opus = Sound::converted(&wav, Audio::Opus).expect("Opus");
                let back = decoded(&opus.octets).expect("Ogg Opus");
                assert_eq!(back.len(), count, "{millis} ms");
                if millis > 1_000 {
                    assert!((hertz(&read.to_pcm()) - 440.0).abs() < 2.0);
                    assert!((hertz(&back) - 440.0).abs() < 2.0, "{}", hertz(&back));
                    assert!(opus.octets.len() * 3 < wav.len(), "{} of {}", opus.octets.len(), wav.len());
                }
                assert_eq!(Sound::converted(&wav, Audio::Wav).expect("as it is").octets, wav);
            }
        }
    }

    #[test]
    fn what_is_no_recording_is_an_error_and_an_empty_one_is_not() {
        for format in [Audio::Pcm, Audio::Opus] {
            assert!(Sound::converted(b"RIFF----WAVE", format).is_err());
            assert!(Sound::converted(&wav::header(Codec::Pcma, 0), format).is_ok());
        }
    }
}
