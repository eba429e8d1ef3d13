//! How a site's notices look and what goes along with them: `[notices]`, and what users say otherwise.

mod samples;
mod templates;

use std::collections::HashMap;

use super::{
    Kind, Notice,
    letter::Letter,
    mail::MailError,
    wording::{Hearing, Medium, Words, html, subject, text, values},
};
use crate::{
    address::SourceName,
    settings::{Identity, Manner, Notices, Recordings, User},
    voicemail::sound::Sound,
};

pub use templates::{LARGEST, Part, TemplateFault, Templates};

/// What a link to a recording holds where the recording's name goes.
pub const ID: &str = "{id}";

/// The style of a site.
#[derive(Debug, Default)]
pub struct Style {
    templates: Templates,
    link: Option<String>,
    usual: Manner,
    own: HashMap<String, Manner>,
    /// Sources of `[identity]` that know people whom the user may not know.
    of_strangers: Vec<SourceName>,
}

impl Style {
    /// The site's templates and what it says for all, and its users.
    pub fn new(templates: Templates, site: &Notices, users: &[User], identity: &Identity) -> Self {
        let usual = site.manner;
        let own = users.iter().filter(|user| user.notices.manner != usual);
        let own = own.map(|user| (user.address.to_ascii_lowercase(), user.notices.manner)).collect();
        let of_strangers = identity.sources.iter().filter(|source| source.kind.knows_strangers());
        let of_strangers = of_strangers.map(|source| source.name.clone()).collect();
        Self { templates, link: site.link.clone(), usual, own, of_strangers }
    }

    /// The manner of the user with this address of record.
    pub fn manner(&self, user: &str) -> Manner {
        if self.own.is_empty() {
            return self.usual;
        }
        self.own.get(&user.to_ascii_lowercase()).copied().unwrap_or(self.usual)
    }

    /// A notice in words alone, and the faults of templates that have failed for the first time.
    pub fn told<'n>(&self, notice: &'n Notice) -> Letter<'n> {
        let hearing = self.hearing(notice);
        let mut faults = Vec::new();
        let mut write = |part, values: &_, shipped: &dyn Fn(&_) -> String| match self
            .templates
            .write(notice, part, values)
        {
            Some(Ok(written)) => written,
            Some(Err(fault)) => {
                faults.extend(self.templates.first_time(fault));
                shipped(values)
            }
            None => shipped(values),
        };
        let mut plain = values(notice, &hearing, Medium::Text);
        let subject = write(Part::Subject, &plain, &|_| subject(notice));
        plain.insert("subject", subject.as_str().into());
        let text = write(Part::Text, &plain, &|values| text(notice, values));
        let mut page = values(notice, &hearing, Medium::Html);
        page.insert("subject", subject.as_str().into());
        let html = write(Part::Html, &page, &|values| html(notice, values));
        let link = match hearing {
            Hearing::Link(url) => Some(url),
            Hearing::Attached | Hearing::Kept => None,
        };
        Letter::new(notice, Words { subject, text, html }, link, faults)
    }

    /// A notice with everything that goes along with it. `recording` is that of a voice mail, where the user's manner wants it.
    pub fn letter<'n>(&self, notice: &'n Notice, recording: Option<Sound>) -> Result<Letter<'n>, MailError> {
        let letter = self.told(notice);
        let letter = match self.encloses(notice) {
            true => letter.with_sound(recording.ok_or(MailError::NoRecording)?),
            false => letter,
        };
        let source = notice.caller.source.as_ref().filter(|_| self.manner(&notice.user).vcard);
        let found = source.is_some_and(|source| self.of_strangers.contains(source));
        Ok(if found { letter.with_card() } else { letter })
    }

    /// Whether the notice's recording goes along.
    pub fn encloses(&self, notice: &Notice) -> bool {
        matches!(notice.kind, Kind::VoiceMail { .. })
            && self.manner(&notice.user).voicemail == Recordings::Attach
    }

    fn hearing(&self, notice: &Notice) -> Hearing {
        match (&notice.kind, self.manner(&notice.user).voicemail) {
            (Kind::Missed | Kind::Digest { .. } | Kind::Locked { .. }, _) | (_, Recordings::Attach) => {
                Hearing::Attached
            }
            (Kind::VoiceMail { .. }, Recordings::None) => Hearing::Kept,
            (Kind::VoiceMail { recording, .. }, Recordings::Link) => {
                // Only names that Ringpost gives are fit for a URL.
                let fit =
                    |name: &&str| name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
                let name = recording.file_stem().and_then(|name| name.to_str()).filter(fit);
                let url = name.zip(self.link.as_deref()).map(|(name, link)| link.replace(ID, name));
                url.map_or(Hearing::Kept, Hearing::Link)
            }
        }
    }
}

#[cfg(test)]
mod tests;
