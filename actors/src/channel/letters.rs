//! Notices as letters: in the site's words, with what each user wants along.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use ringpost::{
    notify::{Kind, Letter, Notice, Style, TemplateFault},
    outbox::Delivery,
    settings::Audio,
    voicemail::sound::Sound,
};

use super::{blocking, later, never};
use crate::metrics::METRICS;

/// Who writes letters in the style of the site as it is now; shared by the channels.
#[derive(Clone, Debug, Default)]
pub struct Letters(Arc<ArcSwap<Style>>);

impl Letters {
    /// In this style.
    pub fn new(style: Arc<Style>) -> Self {
        Self(Arc::new(ArcSwap::new(style)))
    }

    /// From now on in another style.
    pub fn restyle(&self, style: Arc<Style>) {
        self.0.store(style);
    }

    /// A notice in words alone.
    pub fn told<'n>(&self, notice: &'n Notice) -> Letter<'n> {
        let letter = self.0.load().told(notice);
        complain(&letter.faults);
        letter
    }

    /// A notice with everything that goes along.
    ///
    /// # Errors
    /// What becomes of it where there is no letter.
    pub async fn letter<'n>(&self, notice: &'n Notice) -> Result<Letter<'n>, Delivery> {
        let style = self.0.load_full();
        let recording = match &notice.kind {
            Kind::VoiceMail { recording, .. } if style.encloses(notice) => {
                sound(recording.clone(), style.manner(&notice.user).audio).await?
            }
            Kind::VoiceMail { .. } | Kind::Missed | Kind::Digest { .. } | Kind::Locked { .. } => None,
        };
        let letter = style.letter(notice, recording).map_err(never)?;
        complain(&letter.faults);
        Ok(letter)
    }
}

/// The notice has gone by the words of Ringpost's own, and the site's are to be mended.
fn complain(faults: &[TemplateFault]) {
    for fault in faults {
        METRICS.template_failures_total.one();
        tracing::warn!(%fault, "A template failed, so the notice has Ringpost's own words; this is said once");
    }
}

/// The recording in that format, or as it is where that does not work: a notice without its format is better than none.
async fn sound(path: PathBuf, format: Audio) -> Result<Option<Sound>, Delivery> {
    let converted = blocking(move || {
        let wav = std::fs::read(&path)?;
        if format == Audio::Wav {
            return Ok(Sound::recorded(wav));
        }
        let converted = std::panic::catch_unwind(|| Sound::converted(&wav, format));
        match converted {
            Ok(Ok(sound)) => return Ok(sound),
            Ok(Err(error)) => tracing::warn!(%error, ?format, "A recording goes as it was recorded"),
            Err(_) => tracing::error!(?format, "A fault in an encoder: a recording goes as it was recorded"),
        }
        METRICS.audio_failures_total.one();
        Ok(Sound::recorded(wav))
    });
    match converted.await {
        Ok(sound) => Ok(Some(sound)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(later(error)),
    }
}
