//! `[identity]` and its sources. A further kind is a line of `KINDS` and a loader of its keys.

mod contacts;
mod file;

use ringpost::{
    address::SourceName,
    identity::{breaker::Rules, memory::Bounds},
    settings::{Channel, Identity, Outbound, Source, SourceKind},
};

use super::{channel::Known, raw::Raw, section::Section};

/// What sources refer to.
pub struct Around<'a> {
    /// The channels without a problem.
    pub channels: &'a [Channel],
    /// All of them.
    pub known: &'a [Known],
    /// Whether the site has a directory.
    pub directory: bool,
    /// How numbers are written here.
    pub outbound: &'a Outbound,
}

type Loader = fn(&mut Section<'_>, &Around<'_>) -> Option<SourceKind>;

/// Every kind: its name and its loader.
const KINDS: [(&str, Loader); 3] =
    [("file", file::files), ("ews", contacts::ews), ("graph", contacts::graph)];

/// Reads `[identity]`; `None` after a problem in its own keys.
pub fn identity(mut section: Section<'_>, around: &Around<'_>) -> Option<Identity> {
    let books = section.list("files", file::file);
    let mut sources = vec![Source { name: "users".into(), kind: SourceKind::Users }];
    if around.directory {
        sources.push(Source { name: "directory".into(), kind: SourceKind::Directory });
    }
    if section.has("order") || !books.is_empty() {
        let kind = SourceKind::File(file::bound(books, around.outbound));
        sources.push(Source { name: "files".into(), kind });
    }
    let mut named: Vec<SourceName> = sources.iter().map(|source| source.name.clone()).collect();
    for (name, section) in section.table("source").map(Section::named).unwrap_or_default() {
        named.push(name.as_str().into());
        sources.extend(source(&name, section, around));
    }
    let order = order(&mut section, &named);
    if !order.is_empty() {
        sources.sort_by_key(|source| order.iter().position(|name| *name == source.name));
        sources.retain(|source| order.contains(&source.name));
    }
    let keep = section.required("keep", Raw::duration);
    let keep_unknown = section.required("keep_unknown", Raw::duration);
    let most = section.required("remembered", |raw| raw.count(100..=10_000_000));
    let failures = section.required("failures", |raw| raw.count(1..=100));
    let rest = section.required("rest", Raw::duration);
    section.end();
    Some(Identity {
        sources,
        bounds: Bounds {
            keep: keep?,
            keep_unknown: keep_unknown?,
            most: usize::try_from(most?).expect("read within bounds"),
        },
        rules: Rules { failures: u32::try_from(failures?).expect("read within bounds"), rest: rest? },
    })
}

fn source(name: &str, mut section: Section<'_>, around: &Around<'_>) -> Option<Source> {
    let fits = fit(name).map_err(|what| section.refuse("kind", what)).is_ok();
    let loader = section.required("kind", |raw| {
        let kind = raw.text()?;
        KINDS.into_iter().find(|(known, _)| *known == kind).map(|(_, loader)| loader).ok_or_else(|| {
            let kinds: Vec<_> = KINDS.iter().map(|(kind, _)| format!("{kind:?}")).collect();
            format!("wants one of {}, not {kind:?}", kinds.join(", "))
        })
    })?;
    let kind = loader(&mut section, around);
    section.end();
    Some(Source { name: name.into(), kind: kind.filter(|_| fits)? })
}

/// Names stand in the store, in metrics and in variables of the environment.
fn fit(name: &str) -> Result<(), String> {
    let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    match name {
        "users" | "files" | "directory" => {
            Err(format!("the name {name:?} is taken: it is a source of its own"))
        }
        name if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) => {
            Err("a source's name is at most 32 small letters, digits and hyphens".to_owned())
        }
        _ => Ok(()),
    }
}

/// The sources in order, each once; none: `users`, `directory`, `files`, then the others by their names.
fn order(section: &mut Section<'_>, named: &[SourceName]) -> Vec<SourceName> {
    let mut order: Vec<SourceName> = vec![];
    let mut faults = false;
    section.list("order", |raw| {
        let name = raw.text().map(SourceName::from);
        let problem = match &name {
            Ok(name) if order.contains(name) => Some(format!("{:?} is in the list twice", name.as_str())),
            Ok(name) if named.contains(name) => None,
            Ok(name) => {
                let all: Vec<_> = named.iter().map(SourceName::as_str).collect();
                Some(format!("unknown source {:?}; the site has {}", name.as_str(), all.join(", ")))
            }
            Err(what) => Some(what.clone()),
        };
        faults |= problem.is_some();
        order.extend(name.ok());
        problem.map_or(Ok(()), Err)
    });
    let missing = named
        .iter()
        .find(|name| !["users", "directory", "files"].contains(&name.as_str()) && !order.contains(name));
    if let (Some(name), false, false) = (missing, order.is_empty(), faults) {
        section.refuse("order", format!("leaves out {name}, which would never be asked"));
    }
    order
}
