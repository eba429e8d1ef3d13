//! The prompts of the menus: shipped ones in five languages, and a folder that replaces them.
//!
//! A shipped language is a pack: a line `NAME LENGTH` for each prompt, an empty line, and the Ogg Opus files one after the
//! other. A prompt is decoded when it is first played, and kept.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ringpost::{
    address::Language,
    voicemail::{Clip, menu::Say, sound},
};

use super::{GreetingError, Greetings};

/// Every prompt, shared by all sessions.
#[derive(Debug, Default)]
pub struct Prompts {
    /// What replaces shipped ones, by language and name.
    own: HashMap<(Language, String), Clip>,
    decoded: Mutex<HashMap<(Language, String), Clip>>,
}

impl Prompts {
    /// The shipped prompts, except where `folder` has a `LANGUAGE/NAME.wav`. It blocks: for start-up.
    ///
    /// # Errors
    /// A file of the folder that cannot be played.
    pub fn load(folder: Option<&Path>) -> Result<Self, GreetingError> {
        let mut own = HashMap::new();
        for language in Language::ALL {
            for (name, path) in folder.map(|folder| files(&folder.join(language.code()))).unwrap_or_default()
            {
                own.insert((language, name), Greetings::clip(&path)?);
            }
        }
        Ok(Self { own, decoded: Mutex::default() })
    }

    /// What is heard of a prompt; `None`: it is none of the shipped ones.
    pub fn clip(&self, language: Language, say: &Say) -> Option<Clip> {
        let key = (language, say.to_string());
        if let Some(own) = self.own.get(&key) {
            return Some(own.clone());
        }
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = decoded.get(&key) {
            return Some(known.clone());
        }
        let clip = match say {
            Say::RingBack => Clip::ring_back(),
            _ => Clip::of_samples(&sound::decoded(shipped(language, &key.1)?).ok()?),
        };
        decoded.insert(key, clip.clone());
        Some(clip)
    }
}

/// The WAV files of a folder; none where there is no folder.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = folder.read_dir().into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let wavs = entries.filter(|path| path.extension().is_some_and(|extension| extension == "wav"));
    wavs.filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path))).collect()
}

/// The Ogg Opus file of a shipped prompt.
fn shipped(language: Language, name: &str) -> Option<&'static [u8]> {
    let pack: &[u8] = match language {
        Language::En => include_bytes!("../../assets/prompts/en.pack"),
        Language::De => include_bytes!("../../assets/prompts/de.pack"),
        Language::Fr => include_bytes!("../../assets/prompts/fr.pack"),
        Language::Da => include_bytes!("../../assets/prompts/da.pack"),
        Language::Es => include_bytes!("../../assets/prompts/es.pack"),
    };
    let end = pack.windows(2).position(|two| two == b"\n\n")?;
    let index = std::str::from_utf8(&pack[..end]).ok()?;
    let mut at = end + 2;
    for line in index.lines() {
        let (known, length) = line.split_once(' ')?;
        let next = at + length.parse::<usize>().ok()?;
        if known == name {
            return pack.get(at..next);
        }
        at = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringpost::voicemail::{g711::Codec, menu::Phrase, wav};

    use super::*;

    #[test]
    fn every_prompt_is_there_in_every_language_and_loud_enough() {
        let prompts = Prompts::load(None).expect("the shipped ones are good");
        let words = Phrase::ALL.iter().map(|phrase| Say::Phrase(*phrase)).chain((0..60).map(Say::Number));
        for say in words {
            for language in Language::ALL {
                let clip = prompts.clip(language, &say).unwrap_or_else(|| panic!("{say} in {language:?}"));
                let (length, rms) = (clip.length(), clip.codec().rms(clip.octets()));
                assert!((200..20_000).contains(&length.as_millis()), "{say} in {language:?}: {length:?}");
                assert!(rms > 1500, "{say} in {language:?}: {rms}");
            }
        }
        assert_eq!(prompts.clip(Language::En, &Say::Number(60)), None);
    }

    #[test]
    fn a_folder_replaces_the_prompts_that_it_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let (da, own) = (folder.path().join("da"), Codec::Pcmu.tone(440.0, 0.5, Duration::from_millis(300)));
        std::fs::create_dir(&da).expect("made");
        std::fs::write(da.join("busy.wav"), [&wav::header(Codec::Pcmu, 2400)[..], &own].concat())
            .expect("written");
        let prompts = Prompts::load(Some(folder.path())).expect("a good folder");
        let busy = Say::Phrase(Phrase::Busy);
        let length = |language| prompts.clip(language, &busy).map(|clip| clip.length());
        assert_eq!(length(Language::Da), Some(Duration::from_millis(300)));
        assert_ne!(length(Language::En), Some(Duration::from_millis(300)));
        std::fs::write(da.join("busy.wav"), "ID3").expect("written");
        let error = Prompts::load(Some(folder.path())).expect_err("no WAV").to_string();
        assert!(error.contains("busy.wav"), "{error}");
    }
}
