//! `[[route]]`, `[voice_policy.NAME]` and `[routing]`.

use ringpost::{
    numbers::Numbering,
    settings::{Route, Routing, Trunk, VoicePolicy},
};

use super::{Claims, raw::Raw, section::Section, um};

/// The names of all policies.
pub struct Policies(Vec<String>);

/// Their tables, which are read when the routes are known.
pub type Tables<'l> = Vec<(String, Section<'l>)>;

impl Policies {
    /// Those of `[voice_policy]`.
    pub fn of(table: Option<Section<'_>>) -> (Self, Tables<'_>) {
        let tables = table.map(Section::named).unwrap_or_default();
        (Self(tables.iter().map(|(name, _)| name.clone()).collect()), tables)
    }

    /// A name of one of them.
    pub fn name(&self, raw: &Raw<'_>) -> Result<String, String> {
        let name = raw.text()?;
        match self.0.as_slice() {
            known if known.iter().any(|known| known == name) => Ok(name.to_owned()),
            [] => Err(format!("unknown voice policy {name:?}: the site has no [voice_policy.{name}]")),
            known => Err(format!("unknown voice policy {name:?}; the site has {}", known.join(", "))),
        }
    }
}

/// Reads one `[voice_policy.NAME]`; `known` are the usages of all routes.
fn policy((name, mut section): (String, Section<'_>), known: &[String]) -> VoicePolicy {
    let mut seen: Vec<String> = vec![];
    let usages = section.list("usages", |raw| {
        let usage = distinct(raw, &mut seen, "usage")?;
        match known.contains(&usage) {
            true => Ok(usage),
            false => Err(format!("unknown usage {usage:?}: no [[route]] has it")),
        }
    });
    if !section.has("usages") {
        section.refuse("usages", "is missing; an empty list lets nobody call outside");
    }
    section.end();
    VoicePolicy { name, usages }
}

/// Reads `[routing]` with the routes and policies; `None` after a problem in `[routing]` itself.
pub fn routing(
    mut section: Section<'_>,
    routes: Vec<Section<'_>>,
    (policies, tables): (&Policies, Tables<'_>),
    (trunks, here): (&[Trunk], &Numbering),
    claims: &mut Claims,
) -> Option<Routing> {
    let mut known = vec![];
    let one = |section| route(section, (trunks, here), &mut known, claims);
    let routes: Vec<Route> = routes.into_iter().filter_map(one).collect();
    if let Err(why) = Route::patterns(&routes) {
        section.refuse("routes", format!("their patterns cannot be used all together: {why}"));
    }
    let usual = section.optional("voice_policy", |raw| policies.name(raw));
    let health = um::rules(&mut section);
    section.end();
    let policies = tables.into_iter().map(|table| policy(table, &known)).collect();
    Some(Routing { routes, policies, usual, health: health? })
}

/// Reads one `[[route]]`; `None` after a problem.
fn route(
    mut section: Section<'_>,
    (trunks, here): (&[Trunk], &Numbering),
    known: &mut Vec<String>,
    claims: &mut Claims,
) -> Option<Route> {
    let name = section.required("name", |raw| {
        let name = raw.text()?;
        claims.claim(raw, format!("route {name}"))?;
        Ok(name.to_owned())
    });
    let pattern = section.required("pattern", pattern);
    let mut seen = vec![];
    let usages = section.at_least_one("usages", |raw| distinct(raw, &mut seen, "usage"));
    known.extend(usages.iter().cloned());
    let mut seen = vec![];
    let gateways = section.at_least_one("gateways", |raw| {
        let name = distinct(raw, &mut seen, "gateway")?;
        let callable = || trunks.iter().filter(|trunk| trunk.far.is_some()).map(|trunk| trunk.name.as_str());
        match trunks.iter().find(|trunk| trunk.name == name) {
            Some(trunk) if trunk.far.is_some() => Ok(name),
            Some(_) => Err(format!("the trunk {name:?} has no target")),
            None => {
                let known: Vec<&str> = callable().collect();
                Err(match known.as_slice() {
                    [] => format!("unknown gateway {name:?}: the site has no [[trunk]] with a target"),
                    known => format!("unknown gateway {name:?}; trunks with a target: {}", known.join(", ")),
                })
            }
        }
    });
    let caller_number = section.optional("caller_number", |raw| caller_number(raw, here));
    section.end();
    Some(Route { name: name?, pattern: pattern?, usages, gateways, caller_number })
}

/// A number that is shown in place of the caller's.
pub fn caller_number(raw: &Raw<'_>, here: &Numbering) -> Result<String, String> {
    here.normal(raw.text()?).ok_or_else(|| "wants a number such as \"+4544890101\"".to_owned())
}

/// A word that the list does not hold yet.
fn distinct(raw: &Raw<'_>, seen: &mut Vec<String>, what: &str) -> Result<String, String> {
    let word = raw.text()?.to_owned();
    if seen.contains(&word) {
        return Err(format!("this {what} is in the list twice"));
    }
    seen.push(word.clone());
    Ok(word)
}

/// A regular expression that this crate knows: linear in time, so without back-references and look-around.
fn pattern(raw: &Raw<'_>) -> Result<String, String> {
    let text = raw.text()?;
    Route::checks(text).map_err(|why| format!("is no regular expression that can be used: {why}"))?;
    Ok(text.to_owned())
}
