//! A notice ready to be told: its words, and what goes along with them.

use super::{Kind, Notice, card, dates, style::TemplateFault, wording::Words};
use crate::{numbers::lines, outbox::Key, settings::Audio, voicemail::sound::Sound};

/// What a channel sends.
#[derive(Clone, Debug)]
pub struct Letter<'n> {
    /// What is told.
    pub notice: &'n Notice,
    /// How.
    pub words: Words,
    /// The recording.
    pub sound: Option<Enclosure>,
    /// Who called, as a vCard.
    pub card: Option<Enclosure>,
    /// Where the recording can be heard, of a user who is given a link.
    pub recording_link: Option<String>,
    /// Templates that failed for the first time; the shipped ones have told instead.
    pub faults: Vec<TemplateFault>,
    /// Whether the recording plays in Outlook's form for voice mails.
    plays: bool,
}

/// A file that goes along.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Enclosure {
    /// Its name, ASCII.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// What it holds.
    pub octets: Vec<u8>,
}

impl<'n> Letter<'n> {
    /// In words alone.
    pub(super) fn new(
        notice: &'n Notice,
        words: Words,
        recording_link: Option<String>,
        faults: Vec<TemplateFault>,
    ) -> Self {
        Self { notice, words, sound: None, card: None, recording_link, faults, plays: false }
    }

    pub(super) fn with_sound(self, sound: Sound) -> Self {
        let (name, media_type) = (file_name(self.notice, sound.format), sound.format.media_type());
        let plays = sound.format.plays_in_outlook();
        Self { sound: Some(Enclosure { name, media_type, octets: sound.octets }), plays, ..self }
    }

    /// With the card of the caller, unless that one has asked for privacy.
    pub(super) fn with_card(self) -> Self {
        let caller = &self.notice.caller;
        let card = caller.name.as_deref().zip(caller.number.as_deref()).filter(|_| !caller.private);
        let card = card.and_then(|(name, number)| card::write(name, &lines::shown(number)));
        let card = card.map(|card| Enclosure {
            name: "contact.vcf".to_owned(),
            media_type: card::MEDIA_TYPE,
            octets: card.into_bytes(),
        });
        Self { card, ..self }
    }

    /// What goes along, the recording first.
    pub fn enclosures(&self) -> impl Iterator<Item = &Enclosure> {
        self.sound.iter().chain(&self.card)
    }

    /// The form that Outlook shows it in ([MS-OXOUM] 2.2.2.1). A voice mail that its form could not play is a mail.
    pub fn form(&self) -> Form {
        match self.notice.kind {
            Kind::Missed | Kind::Digest { .. } => Form::MissedCall,
            Kind::VoiceMail { .. } if self.plays => Form::VoiceMail,
            Kind::VoiceMail { .. } | Kind::Locked { .. } => Form::Mail,
        }
    }
}

/// A form of Outlook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A missed call.
    MissedCall,
    /// A voice mail with its player.
    VoiceMail,
    /// Any mail.
    Mail,
}

impl Form {
    /// The item class (PROTOCOLS §7.1).
    pub fn item_class(self) -> &'static str {
        match self {
            Self::MissedCall => "IPM.Note.Microsoft.Missed.Voice",
            Self::VoiceMail => "IPM.Note.Microsoft.Voicemail.UM.CA",
            Self::Mail => "IPM.Note",
        }
    }

    /// The header `Content-Class` that Exchange makes the item class of.
    pub fn content_class(self) -> Option<&'static str> {
        match self {
            Self::MissedCall => Some("missedcall"),
            Self::VoiceMail => Some("voice-ca"),
            Self::Mail => None,
        }
    }
}

/// `voice-mail-2008-04-11-1112-0011aabb.wav`: the user's local time, and unique through the key.
fn file_name(notice: &Notice, format: Audio) -> String {
    let local = dates::local(notice.came_in, &notice.time_zone);
    let key = Key::of(notice).to_string();
    format!("voice-mail-{}-{}.{}", local.strftime("%Y-%m-%d-%H%M"), &key[..8], format.suffix())
}
