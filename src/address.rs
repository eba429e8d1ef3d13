//! Names that are parsed once at the edge and trusted inside.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Who tells a user about missed calls (REQUIREMENTS R10–R12).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UserClass {
    /// The user's UM: Ringpost sends it a SIP INFO.
    Um,
    /// Ringpost itself, by mail.
    Mail,
    /// The PBX: Ringpost stays silent.
    Pbx,
    /// Nobody.
    #[default]
    Off,
}

impl UserClass {
    /// Every class, for tables.
    pub const ALL: [Self; 4] = [Self::Um, Self::Mail, Self::Pbx, Self::Off];
}

/// A language that notices and greetings are shipped in (ISO 639-1).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Danish.
    Da,
    /// Spanish.
    Es,
}

impl Language {
    /// Every language, for tables.
    pub const ALL: [Self; 5] = [Self::En, Self::De, Self::Fr, Self::Da, Self::Es];

    /// The two-letter code, as in the site file and in `Content-Language`.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Da => "da",
            Self::Es => "es",
        }
    }
}

/// Who called, as far as the trunk and the directory tell. `Privacy: id` (RFC 3323) empties the first three.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Caller {
    /// The name shown: directory first, then the display name on the wire. Untrusted text: may hold any character.
    pub name: Option<String>,
    /// The number, `+E164` where it is known, else as dialled.
    pub number: Option<String>,
    /// The URI to call back, `sip:` or `tel:`.
    pub uri: Option<String>,
    /// The caller asked not to be named.
    pub private: bool,
    /// The source of `[identity]` that gave the name; `None`: the call itself did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// Sources are still being asked for a better name: who tells the user waits for them, as long as they may take.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sought: bool,
}

/// The name that a source has told.
pub type Found = Option<(SourceName, String)>;

impl Caller {
    /// The same, after the sources were asked.
    #[must_use]
    pub fn named(self, found: Found) -> Self {
        let caller = Self { sought: false, ..self };
        match found {
            Some((source, name)) => Self { name: Some(name), source: Some(source), ..caller },
            None => caller,
        }
    }
}

/// A source of callers' names, as the site calls it: `users`, `files`, or the NAME of `[identity.source.NAME]`. Cheap to
/// clone.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(from = "String", into = "String")]
pub struct SourceName(Arc<str>);

impl SourceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SourceName {
    fn from(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl From<String> for SourceName {
    fn from(name: String) -> Self {
        Self(Arc::from(name))
    }
}

impl From<SourceName> for String {
    fn from(name: SourceName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
