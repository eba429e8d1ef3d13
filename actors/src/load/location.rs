//! `[location.NAME]`.

use std::{fs::File, io::Read, path::PathBuf, sync::Arc};

use ringpost::numbers::{
    country::Country,
    location::{
        Profile,
        described::{self, MOST_RULES},
    },
    rules::{Rule, Rules, Written},
};

use super::{raw::Raw, section::Section};

/// No file of rules is larger.
const LARGEST: u64 = 1 << 20;
/// The name that clients ask for who want whichever is theirs.
const RESERVED: [&str; 2] = ["default", "dialstring"];

/// Reads the profiles and where their rules files are.
pub fn locations(section: Option<Section<'_>>) -> (Vec<Arc<Profile>>, Vec<PathBuf>) {
    let named = section.map(Section::named).unwrap_or_default();
    let (mut profiles, mut files) = (vec![], vec![]);
    for (name, section) in named {
        profiles.extend(location(name, section, &mut files).map(Arc::new));
    }
    (profiles, files)
}

fn location(name: String, mut section: Section<'_>, files: &mut Vec<PathBuf>) -> Option<Profile> {
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    let is_named = !name.is_empty() && name.len() <= 100 && name.bytes().all(legal);
    if !is_named || RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        section.refuse_whole(
            "its name wants letters, digits, -, _ and . only, and is neither default nor dialstring",
        );
    }
    let description = section.optional("description", |raw| raw.text().map(str::to_owned));
    let country = section.optional("country", |raw| {
        let region = raw.text()?;
        Country::of(region).ok_or_else(|| "wants the two letters of a country such as \"DK\"".to_owned())
    });
    let mut written: Vec<Written> = vec![];
    section.optional("rules_file", |raw| {
        files.push(raw.path()?);
        written = file(raw)?;
        Ok(())
    });
    let has_bad_file = section.has("rules_file") && written.is_empty();
    let own = section.tables("rule").into_iter().filter_map(rule);
    written.extend(own.collect::<Vec<_>>());
    if written.len() > MOST_RULES {
        section.refuse("rule", "more than 1,000 rules");
    }
    if !has_bad_file && written.is_empty() && !section.has("country") && !section.has("rule") {
        section.refuse_whole("has neither rules nor a country");
    }
    section.end();
    // What is wrong with a rule has been said where it stands.
    let rules = Rules::of(written).unwrap_or_default();
    Some(Profile { name, description: description.unwrap_or_default(), rules, country })
}

fn rule(mut section: Section<'_>) -> Option<Written> {
    let name = section.optional("name", |raw| raw.text().map(str::to_owned));
    let description = section.optional("description", |raw| raw.text().map(str::to_owned));
    let pattern = section.required("pattern", |raw| raw.text().map(str::to_owned));
    let translation = section.required("translation", |raw| raw.word().map(str::to_owned));
    let internal = section.optional("internal", Raw::flag);
    let for_devices = section.optional("for_devices", Raw::flag);
    let written = Written {
        name: name.unwrap_or_default(),
        description: description.unwrap_or_default(),
        pattern: pattern?,
        translation: translation?,
        internal: internal.unwrap_or_default(),
        for_devices: for_devices.unwrap_or_default(),
    };
    if let Err(bad) = Rule::of(written.clone(), 0) {
        let what = if written.name.is_empty() {
            bad.fault.to_string()
        } else {
            format!("{}: {}", bad.rule, bad.fault)
        };
        section.refuse(bad.part, what);
    }
    section.end();
    Some(written)
}

/// The rules of a file; the first fault of it.
fn file(raw: &Raw<'_>) -> Result<Vec<Written>, String> {
    let path = raw.path()?;
    let mut octets = vec![];
    let read = File::open(&path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut octets));
    read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if octets.len() as u64 > LARGEST {
        return Err(format!("{} is larger than 1 MiB", path.display()));
    }
    let described = described::read(&octets).map_err(|why| format!("{}: {why}", path.display()))?;
    if described.rules.is_empty() {
        return Err(format!("{} has no rules", path.display()));
    }
    match Rules::of(described.rules.clone()) {
        Ok(_) => Ok(described.rules),
        Err(bad) => {
            let mut told = bad.iter().take(20).map(|bad| format!("{}: {bad}", path.display()));
            let last = told.next().unwrap_or_default();
            told.for_each(|fault| raw.refuse(fault));
            Err(last)
        }
    }
}

/// The profile of that name.
pub fn named(raw: &Raw<'_>, profiles: &[Arc<Profile>]) -> Result<Arc<Profile>, String> {
    let name = raw.text()?;
    let known = || profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = profiles.iter().find(|profile| profile.name == name).cloned();
    found.ok_or_else(|| match profiles {
        [] => format!("unknown location {name:?}: the site has no [location.{name}]"),
        _ => format!("unknown location {name:?}; the site has {}", known()),
    })
}
