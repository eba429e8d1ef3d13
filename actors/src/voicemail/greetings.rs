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
        Greeting,
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
    /// The file holds no audio, or more than [`LONGEST`].
    #[error("greeting {path}: a greeting lasts up to five minutes, and longer than nothing")]
    Length {
        /// The file.
        path: PathBuf,
    },
}

/// The longest greeting.
pub const LONGEST: Duration = Duration::from_secs(300);

/// 16-bit samples for [`LONGEST`], and room for a header and tags.
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

    /// A user's own greeting: WAV, 8000 Hz mono, 16-bit PCM, A-law or µ-law. It blocks: for start-up and reload.
    pub fn read(path: &Path) -> Result<Greeting, GreetingError> {
        let unreadable = |source| GreetingError::Unreadable { path: path.to_owned(), source };
        let mut file = Vec::new();
        File::open(path).map_err(unreadable)?.take(LARGEST).read_to_end(&mut file).map_err(unreadable)?;
        let wav =
            Wav::read(&file).map_err(|source| GreetingError::Unplayable { path: path.to_owned(), source })?;
        let greeting = Greeting::new(&wav);
        match greeting.length() {
            Duration::ZERO => Err(GreetingError::Length { path: path.to_owned() }),
            length if length > LONGEST => Err(GreetingError::Length { path: path.to_owned() }),
            _ => Ok(greeting),
        }
    }

    /// The greeting for callers of a user with this language; cheap.
    pub fn of(&self, language: Language) -> Greeting {
        let number = Language::ALL.iter().position(|known| *known == language);
        self.by_language[number.expect("ALL lists every language")].clone()
    }
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
