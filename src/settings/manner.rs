//! `[notices]` and `[user.notices]`: what goes along with the notices of a user.

/// What goes along with the notices of a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Manner {
    /// `voicemail`. Default attach.
    pub voicemail: Recordings,
    /// `audio`. Default wav.
    pub audio: Audio,
    /// `vcard`: a caller whom an identity source has named goes along as a card. Default true.
    pub vcard: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { voicemail: Recordings::default(), audio: Audio::default(), vcard: true }
    }
}

/// How the recording of a voice mail reaches its user.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Recordings {
    /// `attach`: with the notice.
    #[default]
    Attach,
    /// `link`: the notice says where it can be heard.
    Link,
    /// `none`: the notice says that there is one.
    None,
}

impl Recordings {
    /// Every way with its name in the site file.
    pub const ALL: [(&str, Self); 3] = [("attach", Self::Attach), ("link", Self::Link), ("none", Self::None)];
}

/// What a recording is attached as.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Audio {
    /// `wav`: G.711 in a WAV file, as it came from the wire: 8,000 octets a second.
    #[default]
    Wav,
    /// `pcm`: 16-bit samples in a WAV file, which everything plays: 16,000 octets a second.
    Pcm,
    /// `opus`: Opus in Ogg (RFC 7845), some 2,000 octets a second.
    Opus,
}

impl Audio {
    /// Every format with its name in the site file.
    pub const ALL: [(&str, Self); 3] = [("wav", Self::Wav), ("pcm", Self::Pcm), ("opus", Self::Opus)];

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Wav | Self::Pcm => "audio/WAV",
            Self::Opus => "audio/ogg; codecs=opus",
        }
    }

    /// The suffix of a file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Wav | Self::Pcm => "wav",
            Self::Opus => "opus",
        }
    }

    /// Whether the player in Outlook's form for voice mails knows it.
    pub fn plays_in_outlook(self) -> bool {
        match self {
            Self::Wav | Self::Pcm => true,
            Self::Opus => false,
        }
    }
}
