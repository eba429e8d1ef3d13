//! The site file and what it names.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use ringpost::{
    counted::counted,
    doctor::{Found, Step, Verdict, named},
    settings::{Site, SourceKind, User},
};

use super::{
    Ward,
    chain::{Chain, Sheet},
};
use crate::load::Problem;

/// A site that cannot be used: one step for each error.
pub fn problems(problems: &[Problem]) -> Vec<Step> {
    let step = |problem: &Problem| {
        let remedy = Some("Correct it; every key is in config/ringpost.toml.".to_owned());
        let found = Found { verdict: Verdict::Failed, said: problem.to_string(), remedy };
        Step { name: "config.site".to_owned(), found, took: Duration::ZERO }
    };
    problems.iter().map(step).collect()
}

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let (site, zones, files, users) = (Rc::clone(ward), Rc::clone(ward), Rc::clone(ward), Rc::clone(ward));
    vec![
        Chain::one("config.site", |sheet| async move {
            let site = &site.site;
            let things = [
                (site.trunks.len(), "trunk"),
                (site.plans.len(), "UM plan"),
                (site.users.len(), "user"),
                (site.channels.len(), "channel"),
            ];
            let told = things.map(|(count, thing)| counted(count, thing));
            sheet.ok(&told.join(", "));
            Some(())
        }),
        Chain::one("config.time_zones", |sheet| async move {
            sheet.ok(&time_zones(&zones.site.users, Timestamp::now()));
            Some(())
        }),
        Chain::one("config.names", |sheet| async move {
            let sources = &files.site.identity.sources;
            let told: Vec<String> = sources
                .iter()
                .filter_map(|source| match &source.kind {
                    SourceKind::File(book) if book.is_empty() => None,
                    SourceKind::File(book) => {
                        Some(format!("{} ({})", source.name, counted(book.len(), "number")))
                    }
                    SourceKind::Users | SourceKind::Directory | SourceKind::Contacts { .. } => {
                        Some(source.name.to_string())
                    }
                })
                .collect();
            sheet.ok(&format!("callers' names come from {}", told.join(", then ")));
            Some(())
        }),
        Chain::one("config.users", |sheet| async move {
            whom(&users.site, &sheet);
            Some(())
        }),
    ]
}

/// Whether those exist whom the tables of presence and remote call control name, and whether these tables do anything.
fn whom(site: &Site, sheet: &Sheet) {
    let (nobody, idle) = (named::nobody(site), named::idle(site));
    if let Some((key, name)) = nobody.first() {
        let more = match nobody.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more like that"),
        };
        let remedy =
            "Correct the name; users are named by a number or their address, trunks as \"trunk:NAME\".";
        return sheet.warns(&format!("{key} names {name:?}, who is nobody here{more}"), remedy.to_owned());
    }
    if !idle.is_empty() {
        let remedy = "Set enabled = true in [presence], or leave them out.".to_owned();
        return sheet.warns(&format!("[presence] is off, so these do nothing: {}", idle.join(", ")), remedy);
    }
    sheet.ok(match site.ldap {
        Some(_) => {
            "trunks that presence and remote call control name are there; the directory may have the users"
        }
        None => "whoever presence and remote call control name is there",
    });
}

/// Each zone with the time that it is there: an admin sees at a glance what is wrong.
fn time_zones(users: &[User], now: Timestamp) -> String {
    let names: BTreeSet<&str> = users.iter().map(|user| user.time_zone.as_str()).collect();
    let there = |name: &&str| {
        // The loader has asked for it already.
        let zone = TimeZone::get(name).unwrap_or(TimeZone::UTC);
        format!("{name} {}", now.to_zoned(zone).strftime("%H:%M"))
    };
    let told: Vec<String> = names.iter().take(6).map(there).collect();
    match names.len() {
        0 => "no user has one".to_owned(),
        count if count > told.len() => format!("it is now {}, and so on in {count} zones", told.join(", ")),
        _ => format!("it is now {}", told.join(", ")),
    }
}
