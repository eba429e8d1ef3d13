//! `ringpost doctor`: what was looked at, how it stands, and what to do about it (R31). Looking is done elsewhere; here is
//! what a verdict is, what an admin is advised, and how the whole is shown.

pub mod advice;
pub mod named;
mod report;

use std::time::Duration;

pub use report::Report;

/// How a step went.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works; somebody may want to know this all the same.
    Note,
    /// It could not be looked at, or nobody asked for it.
    Skipped,
    /// It works now, and will not for ever or not for everybody.
    Warning,
    /// It does not work.
    Failed,
}

impl Verdict {
    /// Every verdict, in the order of the summary.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Note, Self::Warning, Self::Failed, Self::Skipped];

    /// As it is shown, also in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// What was found in one step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// How it went.
    pub verdict: Verdict,
    /// What was found, one line; never a secret.
    pub said: String,
    /// What to do: a sentence.
    pub remedy: Option<String>,
}

/// How a step that was not reached says which one it needs.
const NEEDS: &str = "needs ";

impl Found {
    /// The step without which this one could not be done.
    pub fn needs(&self) -> Option<&str> {
        self.said.strip_prefix(NEEDS).filter(|_| self.verdict == Verdict::Skipped)
    }
}

/// One step, done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Its name, which stays the same from run to run: `trunk.pbx.options`. The first word is its group.
    pub name: String,
    /// What was found.
    pub found: Found,
    /// How long it took.
    pub took: Duration,
}

/// The groups of steps, by the first word of their names, in the order in which they are shown.
pub const GROUPS: [(&str, &str); 16] = [
    ("config", "Site file"),
    ("host", "This machine"),
    ("program", "The running Ringpost"),
    ("port", "Ports"),
    ("store", "Store"),
    ("voicemail", "Embedded UM"),
    ("tls", "Certificates"),
    ("trunk", "Trunks"),
    ("um", "UM servers"),
    ("names", "Names"),
    ("ldap", "Directory"),
    ("channel", "Channels"),
    ("connector", "Presence: asked for"),
    ("publish", "Presence: told"),
    ("calendar", "Calendars"),
    ("gateway", "CSTA gateways"),
];

/// Every step that there may be; a word in capitals stands for a name of the site.
pub const STEPS: [&str; 58] = [
    "config.site",
    "config.time_zones",
    "config.names",
    "config.users",
    "host.clock",
    "host.files",
    "program.running",
    "port.LISTENER",
    "store.folder",
    "store.space",
    "store.schema",
    "voicemail.address",
    "voicemail.ports",
    "voicemail.recordings",
    "voicemail.greetings",
    "tls.ca",
    "tls.own.FILE",
    "tls.ca.FILE",
    "tls.application.FILE",
    "trunk.NAME.dns",
    "trunk.NAME.certificate",
    "trunk.NAME.options",
    "trunk.NAME.registration",
    "um.HOST.dns",
    "um.HOST.certificate",
    "um.HOST.options",
    "names.devices",
    "ldap.HOST.dns",
    "ldap.HOST.certificate",
    "ldap.HOST.login",
    "ldap.HOST.bases",
    "ldap.HOST.person",
    "channel.NAME.dns",
    "channel.NAME.certificate",
    "channel.NAME.login",
    "channel.NAME.envelope",
    "channel.NAME.autodiscover",
    "channel.NAME.alive",
    "channel.NAME.mailbox",
    "channel.NAME.contacts",
    "channel.NAME.folder",
    "channel.NAME.token-dns",
    "channel.NAME.token-certificate",
    "channel.NAME.token",
    "connector.NAME.dns",
    "connector.NAME.certificate",
    "connector.NAME.options",
    "connector.NAME.user",
    "publish.NAME.dns",
    "publish.NAME.certificate",
    "publish.NAME.options",
    "publish.NAME.user",
    "publish.NAME.rights",
    "calendar.NAME.user",
    "gateway.NAME.dns",
    "gateway.NAME.certificate",
    "gateway.NAME.csta",
    "gateway.NAME.user",
];

/// The one of [`STEPS`] that a name is of.
pub fn kind(name: &str) -> Option<&'static str> {
    let is_it = |kind: &&&str| {
        let mut words = kind.split('.');
        let holds_place = |word: &str| word.bytes().all(|octet| octet.is_ascii_uppercase());
        let Some(place) = words.find(|word| holds_place(word)) else { return **kind == name };
        let (before, after) = kind.split_once(place).unwrap_or((kind, ""));
        let between = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        between.is_some_and(|between| !between.is_empty())
    };
    STEPS.iter().find(is_it).copied()
}

impl Step {
    /// The first word of its name.
    pub fn group(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// Whether `--only` asks for a step: by its whole name, or by the words that it begins with.
pub fn is_asked_for(name: &str, only: Option<&str>) -> bool {
    only.is_none_or(|only| {
        name.strip_prefix(only.trim_end_matches('.'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The steps of a chain in order. What was found is as many of the first ones as were reached; the others are skipped.
pub fn complete(names: &[String], found: Vec<(Found, Duration)>) -> Vec<Step> {
    let reached = found.len();
    let mut steps: Vec<Step> = names
        .iter()
        .zip(found)
        .map(|(name, (found, took))| Step { name: name.clone(), found, took })
        .collect();
    for name in names.iter().skip(reached) {
        let said = match reached.checked_sub(1).and_then(|last| names.get(last)) {
            Some(last) => format!("{NEEDS}{last}"),
            None => "there was no time left for it".to_owned(),
        };
        let found = Found { verdict: Verdict::Skipped, said, remedy: None };
        steps.push(Step { name: name.clone(), found, took: Duration::ZERO });
    }
    steps
}
