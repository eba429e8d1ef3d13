//! `[notices] channels` and the `channels` of a user: lists of channels that all tell, and lists in them that take turns.

use ringpost::outbox::{Chain, ChannelName, Entries};

use super::Known;
use crate::load::section::Section;

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

/// Reads `channels` of `[notices]`. Without `[mail]` its default, `mail`, is nobody's channel.
pub fn of_site(section: &mut Section<'_>, known: &[Known]) -> Entries {
    let mail = Known { name: ChannelName::mail().clone(), wants_mail_address: true };
    let with_mail: Vec<Known> = known.iter().cloned().chain([mail]).collect();
    entries(section, &with_mail, |_| Ok(())).0
}
