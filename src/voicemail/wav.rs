//! WAV files: what is written (G.711 as it came) and what is read (greetings).

use thiserror::Error;

use super::g711::{Codec, RATE};

/// The octets before the audio of a file that Ringpost writes.
pub const HEADER: usize = 58;

/// A file that was read: how its samples are written, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wav<'a> {
    /// How the samples are written.
    pub format: Format,
    /// The samples.
    pub samples: &'a [u8],
}

/// The formats that a telephone can play without resampling: 8000 Hz, one channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// One octet per sample.
    G711(Codec),
    /// 16 bits per sample, little endian.
    Pcm16,
}

/// Why a file is no WAV that can be played.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum WavError {
    /// No `RIFF…WAVE`.
    #[error("not a WAV file")]
    NotWav,
    /// A chunk is missing.
    #[error("the WAV file has no {0} chunk")]
    Lacks(&'static str),
    /// Some other format.
    #[error(
        "format {tag:#x}, {channels} channel(s), {rate} Hz, {bits} bits: \
         needed is 8000 Hz mono, 16-bit PCM, A-law or µ-law"
    )]
    Format {
        /// The format tag (RFC 2361); 1 is PCM, 6 A-law, 7 µ-law.
        tag: u16,
        /// Channels.
        channels: u16,
        /// Samples per second.
        rate: u32,
        /// Bits per sample.
        bits: u16,
    },
}

/// The header of a G.711 file with `octets` of audio: RIFF, an 18-octet `fmt `, `fact`, `data`.
///
/// An odd number of octets needs one octet of padding after the audio, which the sizes already count.
pub fn header(codec: Codec, octets: u32) -> [u8; HEADER] {
    let tag: u16 = match codec {
        Codec::Pcma => 6,
        Codec::Pcmu => 7,
    };
    let riff = octets.saturating_add(octets % 2).saturating_add(HEADER as u32 - 8);
    let parts: [&[u8]; 17] = [
        b"RIFF",
        &riff.to_le_bytes(),
        b"WAVEfmt ",
        &18_u32.to_le_bytes(),
        &tag.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &RATE.to_le_bytes(),
        &RATE.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &8_u16.to_le_bytes(),
        &0_u16.to_le_bytes(),
        b"fact",
        &4_u32.to_le_bytes(),
        &octets.to_le_bytes(),
        b"data",
        &octets.to_le_bytes(),
        b"",
    ];
    let mut header = [0; HEADER];
    let mut at = 0;
    for part in parts {
        header[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    header
}

/// A whole file of 16-bit samples: RIFF, a 16-octet `fmt `, `data`.
pub fn pcm(samples: &[i16]) -> Vec<u8> {
    let octets = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let parts: [&[u8]; 11] = [
        b"RIFF",
        &octets.saturating_add(36).to_le_bytes(),
        b"WAVEfmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &RATE.to_le_bytes(),
        &(RATE * 2).to_le_bytes(),
        &[2, 0, 16, 0],
        b"data",
        &octets.to_le_bytes(),
    ];
    let samples = samples.iter().flat_map(|sample| sample.to_le_bytes());
    parts.concat().into_iter().chain(samples).collect()
}

/// The codec of a file that was being written when the power went: its sizes may be wrong, its audio is all that
/// follows [`HEADER`]. `None` if `head` is not a header of ours.
pub fn repair(head: &[u8; HEADER]) -> Option<Codec> {
    let ours = |codec: &Codec| {
        let fresh = header(*codec, 0);
        let sizes = [4..8, 46..50, 54..58];
        (0..HEADER).all(|at| fresh[at] == head[at] || sizes.iter().any(|size| size.contains(&at)))
    };
    Codec::ALL.into_iter().find(ours)
}

impl<'a> Wav<'a> {
    /// Reads a file. A `data` chunk that promises more than there is, or nothing at all, means "to the end".
    pub fn read(file: &'a [u8]) -> Result<Self, WavError> {
        let (Some(b"RIFF"), Some(b"WAVE")) = (file.get(..4), file.get(8..12)) else {
            return Err(WavError::NotWav);
        };
        let mut rest = &file[12..];
        let mut format = None;
        while let Some((head, body)) = rest.split_first_chunk::<8>() {
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let chunk = &body[..size.min(body.len())];
            match &head[..4] {
                b"fmt " => format = Some(Format::read(chunk)?),
                b"data" => {
                    let format = format.ok_or(WavError::Lacks("fmt"))?;
                    return Ok(Self { format, samples: if size == 0 { body } else { chunk } });
                }
                _ => {}
            }
            // Chunks begin at even offsets.
            rest = body.get(size.saturating_add(size % 2)..).unwrap_or_default();
        }
        Err(WavError::Lacks(if format.is_some() { "data" } else { "fmt" }))
    }

    /// The samples, 16 bits each.
    pub fn to_pcm(&self) -> Vec<i16> {
        match self.format {
            Format::G711(codec) => self.samples.iter().map(|octet| codec.decode(*octet)).collect(),
            Format::Pcm16 => self.samples.as_chunks().0.iter().map(|two| i16::from_le_bytes(*two)).collect(),
        }
    }

    /// The samples as octets of `codec`.
    pub fn to_codec(&self, codec: Codec) -> Vec<u8> {
        match self.format {
            Format::G711(from) => {
                let mut octets = self.samples.to_vec();
                from.transcode(codec, &mut octets);
                octets
            }
            Format::Pcm16 => {
                let samples = self.samples.as_chunks().0.iter();
                samples.map(|sample| codec.encode(i16::from_le_bytes(*sample))).collect()
            }
        }
    }
}

impl Format {
    fn read(chunk: &[u8]) -> Result<Self, WavError> {
        let short = |at: usize| chunk.get(at..at + 2).map(|two| u16::from_le_bytes([two[0], two[1]]));
        let field = |at| short(at).ok_or(WavError::Lacks("complete fmt"));
        let (tag, channels, bits) = (field(0)?, field(2)?, field(14)?);
        let rate = u32::from(field(4)?) | u32::from(field(6)?) << 16;
        // WAVE_FORMAT_EXTENSIBLE keeps the tag in the first two octets of its GUID.
        let meant = if tag == 0xFFFE { short(24).unwrap_or(tag) } else { tag };
        match (meant, channels, rate, bits) {
            (1, 1, RATE, 16) => Ok(Self::Pcm16),
            (6, 1, RATE, 8) => Ok(Self::G711(Codec::Pcma)),
            (7, 1, RATE, 8) => Ok(Self::G711(Codec::Pcmu)),
            _ => Err(WavError::Format { tag: meant, channels, rate, bits }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_written_file_reads_back() {
        for codec in Codec::ALL {
            for samples in [&b""[..], b"odd", b"even"] {
                let file = file(header(codec, samples.len() as u32), samples);
                assert_eq!(Wav::read(&file), Ok(Wav { format: Format::G711(codec), samples }));
            }
        }
    }

    #[test]
    fn the_header_counts_what_follows_it() {
        let table = [(0, 50, 0), (3, 54, 3), (160, 210, 160), (u32::MAX, u32::MAX, u32::MAX)];
        for (octets, riff, data) in table {
            let header = header(Codec::Pcma, octets);
            let size =
                |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            assert_eq!((size(4), size(46), size(54)), (riff, data, data), "{octets}");
        }
    }

    #[test]
    fn an_unfinished_file_is_known_by_its_header() {
        for codec in Codec::ALL {
            assert_eq!(repair(&header(codec, 0)), Some(codec));
            assert_eq!(repair(&header(codec, 77)), Some(codec));
        }
        let mut pcm = header(Codec::Pcma, 0);
        pcm[20] = 1;
        assert_eq!(repair(&pcm), None);
        assert_eq!(repair(&[0; HEADER]), None);
    }

    #[test]
    fn files_of_others_are_read_or_refused_with_a_reason() {
        let stereo = WavError::Format { tag: 1, channels: 2, rate: 8000, bits: 16 };
        let fast = WavError::Format { tag: 1, channels: 1, rate: 44_100, bits: 16 };
        let gsm = WavError::Format { tag: 0x31, channels: 1, rate: 8000, bits: 0 };
        let table = [
            (riff(&[fmt(1, 1, 8000, 16), data(b"\x00\x01")]), Ok((Format::Pcm16, &b"\x00\x01"[..]))),
            (riff(&[list(), fmt(7, 1, 8000, 8), list(), data(b"u")]), Ok((Format::G711(Codec::Pcmu), b"u"))),
            (riff(&[fmt(1, 2, 8000, 16), data(b"")]), Err(stereo)),
            (riff(&[fmt(1, 1, 44_100, 16), data(b"")]), Err(fast)),
            (riff(&[fmt(0x31, 1, 8000, 0), data(b"")]), Err(gsm)),
            (riff(&[data(b"x")]), Err(WavError::Lacks("fmt"))),
            (riff(&[fmt(6, 1, 8000, 8)]), Err(WavError::Lacks("data"))),
            (riff(&[b"fmt \x04\0\0\0\x06\0\x01\0".to_vec()]), Err(WavError::Lacks("complete fmt"))),
            (b"RIFF".to_vec(), Err(WavError::NotWav)),
            (b"ID3\x04 this is an MP3".to_vec(), Err(WavError::NotWav)),
            (vec![], Err(WavError::NotWav)),
        ];
        for (file, expected) in table {
            let expected = expected.map(|(format, samples)| Wav { format, samples });
            assert_eq!(Wav::read(&file), expected);
        }
    }

    #[test]
    fn a_data_chunk_that_lies_reaches_to_the_end() {
        for size in [0, 3, u32::MAX] {
            let file = file(header(Codec::Pcma, size), b"abc");
            assert_eq!(Wav::read(&file).map(|wav| wav.samples), Ok(&b"abc"[..]), "{size}");
        }
    }

    #[test]
    fn pcm_becomes_g711() {
        let wav = Wav { format: Format::Pcm16, samples: &[8, 0, 0xF8, 0xFF, 9] };
        assert_eq!(wav.to_codec(Codec::Pcma), [0xD5, 0x55]);
        let wav = Wav { format: Format::G711(Codec::Pcmu), samples: &[0x80, 0xFF] };
        assert_eq!(wav.to_codec(Codec::Pcmu), [0x80, 0xFF]);
        assert_eq!(wav.to_codec(Codec::Pcma), [0xAA, 0xD5]);
    }

    proptest! {
        #[test]
        fn no_file_panics(rest in prop::collection::vec(any::<u8>(), 0..200), whole in any::<bool>()) {
            let file = if whole { rest } else { [b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0".to_vec(), rest].concat() };
            if let Ok(wav) = Wav::read(&file) {
                wav.to_codec(Codec::Pcma);
            }
        }
    }

    fn file(header: [u8; HEADER], samples: &[u8]) -> Vec<u8> {
        [&header[..], samples].concat()
    }

    fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        [b"RIFF\0\0\0\0WAVE".to_vec(), chunks.concat()].concat()
    }

    fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
        let (tag, channels, bits) = (tag.to_le_bytes(), channels.to_le_bytes(), bits.to_le_bytes());
        [&b"fmt \x10\0\0\0"[..], &tag, &channels, &rate.to_le_bytes(), &[0; 6], &bits].concat()
    }

    fn data(samples: &[u8]) -> Vec<u8> {
        [b"data", &(samples.len() as u32).to_le_bytes(), samples].concat()
    }

    fn list() -> Vec<u8> {
        b"LIST\x03\0\0\0abc\0".to_vec()
    }
}
