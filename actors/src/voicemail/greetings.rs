//! The greetings: shipped ones, a folder that replaces them, and a user's own file.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use ringpost::{
    address::Language,
    voicemail::{
        Clip, Greeting,
        wav::{Wav, WavError},
    },
};
use thiserror::Error;

/// One greeting per language, ready in both codecs.
#[derive(Clone, Debug)]
pub struct Greetings {
    by_language: [Greeting; Language::ALL.len()],
}

/// Why a greeting cannot be played.
#[derive(Debug, Error)]
pub enum GreetingError {
    /// The file cannot be read.
    #[error("greeting {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no WAV that a telephone can play.
    #[error("greeting {path}: {source}")]
    Unplayable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: WavError,
    },
    /// The file holds no audio, or more than [`LONGEST_GREETING`].
    #[error("greeting {path}: a greeting lasts up to five minutes, and longer than nothing")]
    Length {
        /// The file.
        path: PathBuf,
    },
}

/// The longest greeting.
pub const LONGEST_GREETING: Duration = Duration::from_secs(300);

/// 16-bit samples for [`LONGEST_GREETING`], and room for a header and tags.
const LARGEST: u64 = 300 * 16_000 + 65_536;

impl Greetings {
    /// The shipped greetings, except where `folder` has a `<language>.wav`. It blocks: for start-up and reload.
    pub fn load(folder: Option<&Path>) -> Result<Self, GreetingError> {
        let mut by_language = Language::ALL.map(shipped);
        for (greeting, language) in by_language.iter_mut().zip(Language::ALL) {
            let path = folder.map(|folder| folder.join(format!("{}.wav", language.code())));
            if let Some(path) = path.filter(|path| path.exists()) {
                *greeting = Self::read(&path)?;
            }
        }
        Ok(Self { by_language })
    }

    /// What whoever answers a number outside is asked (R65).
    pub fn accept() -> Self {
        Self { by_language: Language::ALL.map(question) }
    }

    /// A user's own greeting: WAV, 8000 Hz mono, 16-bit PCM, A-law or µ-law. It blocks: for start-up and reload.
    pub fn read(path: &Path) -> Result<Greeting, GreetingError> {
        Self::made(path, Greeting::new, Greeting::length)
    }

    /// The same for a prompt of a menu.
    pub fn clip(path: &Path) -> Result<Clip, GreetingError> {
        Self::made(path, Clip::of_wav, Clip::length)
    }

    fn made<T>(
        path: &Path,
        make: impl FnOnce(&Wav<'_>) -> T,
        length: impl FnOnce(&T) -> Duration,
    ) -> Result<T, GreetingError> {
        let unreadable = |source| GreetingError::Unreadable { path: path.to_owned(), source };
        let mut file = Vec::new();
        File::open(path).map_err(unreadable)?.take(LARGEST).read_to_end(&mut file).map_err(unreadable)?;
        let wav =
            Wav::read(&file).map_err(|source| GreetingError::Unplayable { path: path.to_owned(), source })?;
        let made = make(&wav);
        match length(&made) {
            Duration::ZERO => Err(GreetingError::Length { path: path.to_owned() }),
            length if length > LONGEST_GREETING => Err(GreetingError::Length { path: path.to_owned() }),
            _ => Ok(made),
        }
    }

    /// The greeting for callers of a user with this language; cheap.
    pub fn of(&self, language: Language) -> Greeting {
        let number = Language::ALL.iter().position(|known| *known == language);
        self.by_language[number.expect("ALL lists every language")].clone()
    }
}

fn question(language: Language) -> Greeting {
    let file: &[u8] = match language {
        Language::En => include_bytes!("../../assets/accept/en.wav"),
        Language::De => include_bytes!("../../assets/accept/de.wav"),
        Language::Fr => include_bytes!("../../assets/accept/fr.wav"),
        Language::Da => include_bytes!("../../assets/accept/da.wav"),
        Language::Es => include_bytes!("../../assets/accept/es.wav"),
    };
    Greeting::new(&Wav::read(file).expect("the shipped announcements are good"))
}

fn shipped(language: Language) -> Greeting {
    let file: &[u8] = match language {
        Language::En => include_bytes!("../../assets/greetings/en.wav"),
        Language::De => include_bytes!("../../assets/greetings/de.wav"),
        Language::Fr => include_bytes!("../../assets/greetings/fr.wav"),
        Language::Da => include_bytes!("../../assets/greetings/da.wav"),
        Language::Es => include_bytes!("../../assets/greetings/es.wav"),
    };
    Greeting::new(&Wav::read(file).expect("the shipped greetings are WAV files"))
}

#[cfg(test)]
mod tests {
    use ringpost::voicemail::{g711::Codec, wav};

    use super::*;

    #[test]
    fn every_language_has_a_short_greeting_in_both_codecs() {
        let greetings = Greetings::load(None).expect("the shipped ones are good");
        for language in Language::ALL {
            let Greeting { pcma, pcmu } = greetings.of(language);
            let seconds = Greeting { pcma: pcma.clone(), pcmu: pcmu.clone() }.length().as_secs();
            assert!((5..=13).contains(&seconds), "{language:?} lasts {seconds} s");
            assert_eq!(pcma.len(), pcmu.len(), "{language:?}");
            let (a, mu) = (Codec::Pcma.rms(&pcma), Codec::Pcmu.rms(&pcmu));
            assert!(a > 1000 && a.abs_diff(mu) < a / 50, "{language:?} is as loud in both codecs: {a}, {mu}");
        }
    }

    #[test]
    fn a_folder_replaces_the_greetings_that_it_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = [&wav::header(Codec::Pcmu, 3)[..], &[0x80, 0xFF, 0x00]].concat();
        std::fs::write(folder.path().join("da.wav"), own).expect("it can be written");
        let greetings = Greetings::load(Some(folder.path())).expect("a good folder");
        let shipped = Greetings::load(None).expect("the shipped ones are good");
        assert_eq!(*greetings.of(Language::Da).pcmu, [0x80, 0xFF, 0x00]);
        assert_eq!(greetings.of(Language::En).pcma, shipped.of(Language::En).pcma);
    }

    #[test]
    fn a_greeting_that_cannot_be_played_is_an_error_that_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let long = LONGEST_GREETING.as_secs() as usize * 8000 + 1;
        let table = [
            (None, "No such file"),
            (Some(b"ID3 an MP3".to_vec()), "not a WAV file"),
            (Some(wav::header(Codec::Pcma, 0).to_vec()), "longer than nothing"),
            (
                Some([&wav::header(Codec::Pcma, long as u32)[..], &vec![0; long]].concat()),
                "up to five minutes",
            ),
            (
                Some(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x44\xAC\0\0\0\0\0\0\x04\0\x10\0".to_vec()),
                "44100 Hz",
            ),
        ];
        for (n, (file, reason)) in table.into_iter().enumerate() {
            let path = folder.path().join(format!("{n}.wav"));
            if let Some(file) = file {
                std::fs::write(&path, file).expect("it can be written");
            }
            let error = Greetings::read(&path).expect_err(reason).to_string();
            assert!(error.contains(reason) && error.contains(&format!("{n}.wav")), "{error}");
        }
    }
}
