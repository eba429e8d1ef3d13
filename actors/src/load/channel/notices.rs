//! `[notices] channels` and the `channels` of a user: lists of channels that all tell, and lists in them that take turns.

use std::time::Duration;

use ringpost::outbox::{Chain, ChannelName, Entries, Fate, Gather};

use super::Known;
use crate::load::{raw::Raw, section::Section};

/// The list under `channels` of this table, and how many entries it has, read or not.
pub fn entries(
    section: &mut Section<'_>,
    known: &[Known],
    reaches: impl Fn(&Known) -> Result<(), String>,
) -> (Entries, usize) {
    let (mut seen, mut names) = (0, Vec::new());
    let entries = section.list("channels", |raw| {
        seen += 1;
        let chain = raw.words()?.into_iter().map(|name| {
            let one = find(known, name)?;
            reaches(one)?;
            if names.contains(&one.name) {
                return Err(format!("{name:?} is in the list twice"));
            }
            names.push(one.name.clone());
            Ok(one.name.clone())
        });
        chain.collect::<Result<Chain, String>>()
    });
    (entries.into(), seen)
}

fn find<'k>(known: &'k [Known], name: &str) -> Result<&'k Known, String> {
    known.iter().find(|one| one.name.as_str() == name).ok_or_else(|| {
        let mut names: Vec<_> = known.iter().map(|one| one.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        match names.as_slice() {
            [] => format!("unknown channel {name:?}: the site has no [channel.{name}]"),
            names => format!("unknown channel {name:?}; the site has {}", names.join(", ")),
        }
    })
}

/// What of the site's `channels` reaches users with a mail address, and users without.
pub fn for_users(entries: &Entries, known: &[Known]) -> [Entries; 2] {
    let reaches = |name: &ChannelName, address: bool| {
        known.iter().any(|one| one.name == *name && (address || !one.wants_mail_address))
    };
    [true, false].map(|address| {
        let chains = entries
            .iter()
            .map(|chain| chain.iter().filter(|name| reaches(name, address)).cloned().collect::<Chain>());
        chains.filter(|chain| !chain.is_empty()).collect()
    })
}

/// No digest waits longer: an admin would take it for lost.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What users say of the notices of missed calls, or the site for all.
#[derive(Clone, Copy, Default)]
pub struct Telling {
    calls: Option<u32>,
    within: Option<Duration>,
    /// `Some(None)`: the notice is told all the same.
    returned: Option<Option<Fate>>,
}

impl Telling {
    /// Reads `digest_calls`, `digest_within` and `returned`.
    pub fn read(section: &mut Section<'_>) -> Self {
        let calls = section.optional("digest_calls", |raw| match raw.count(0..=100)? {
            1 => Err("wants 0 (no digest) or a number from 2 to 100".to_owned()),
            count => u32::try_from(count).map_err(|_| "is too large".to_owned()),
        });
        let within = section.optional("digest_within", |raw| match raw.duration()? {
            within if within > LONGEST => Err("must not be longer than 7d".to_owned()),
            within => Ok(within),
        });
        let returned = section.optional("returned", fate);
        Self { calls, within, returned }
    }

    /// What is not said here is as it is said there.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            calls: self.calls.or(other.calls),
            within: self.within.or(other.within),
            returned: self.returned.or(other.returned),
        }
    }

    /// When missed calls are told together.
    pub fn digest(self) -> Option<Gather> {
        let calls = self.calls.filter(|calls| *calls > 0)?;
        Some(Gather { calls, within: self.within? })
    }

    /// What becomes of a notice after a talk.
    pub fn returned(self) -> Option<Fate> {
        self.returned.flatten()
    }
}

fn fate(raw: &Raw<'_>) -> Result<Option<Fate>, String> {
    match raw.text()? {
        "keep" => Ok(None),
        "mark" => Ok(Some(Fate::Mark)),
        "drop" => Ok(Some(Fate::Drop)),
        other => Err(format!("wants \"keep\", \"mark\" or \"drop\", not {other:?}")),
    }
}

/// Reads `channels` of `[notices]`, and what it says of missed calls. Without `[mail]` its default, `mail`, is nobody's
/// channel.
pub fn of_site(section: &mut Section<'_>, known: &[Known]) -> (Entries, Telling) {
    let mail = Known { name: ChannelName::mail().clone(), wants_mail_address: true };
    let with_mail: Vec<Known> = known.iter().cloned().chain([mail]).collect();
    let (entries, _) = entries(section, &with_mail, |_| Ok(()));
    (entries, Telling::read(section))
}
